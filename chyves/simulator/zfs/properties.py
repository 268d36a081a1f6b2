# SPDX-License-Identifier: BSD-2-Clause
"""The native properties of datasets: what they hold, for what, since when."""

import re
from enum import StrEnum
from functools import cache
from typing import NamedTuple

UNLIMITED = str((1 << 64) - 1)

_ON_OFF = "on | off"
_SIZE = "<size>"
_LIMIT = "<size> | none"
_GZIP = " | ".join(f"gzip-{level}" for level in range(1, 10))
_ZSTD = " | ".join(f"zstd-{level}" for level in range(1, 20))
_FAST = " | ".join(
    f"zstd-fast-{level}" for level in (*range(1, 10), *range(10, 100, 10), 100, 500, 1000)
)
_RATIO = "<1.00x or higher if compressed>"


class Kind(StrEnum):
    """What a property holds: a number, one of a list of words, or any text."""

    NUMBER = "number"
    INDEX = "index"
    STRING = "string"


class Setting(StrEnum):
    """How a property gets its value."""

    READONLY = "readonly"
    OWN = "own"
    INHERITED = "inherited"
    ONCE = "once"
    ONCE_OWN = "once-own"


class Property(NamedTuple):
    """A native property. ``applies`` names types by letter (``f``, ``v``, ``s``, ``b``);
    ``values`` is what the usage shows; ``default`` is as ``zfs get -p`` prints it; ``wide`` is how
    wide its column is at least (2.1 takes REFER for the HEALTH of a pool)."""

    name: str
    column: str
    kind: Kind
    setting: Setting
    applies: str
    values: str
    default: str = "-"
    words: frozenset[str] = frozenset()
    wide: int = 0

    @property
    def is_readonly(self) -> bool:
        """As the usage shows it: set-once properties count as read-only."""
        return self.setting not in (Setting.OWN, Setting.INHERITED)

    @property
    def is_inheritable(self) -> bool:
        return self.setting in (Setting.INHERITED, Setting.ONCE)

    @property
    def is_settable_at_creation(self) -> bool:
        return self.setting != Setting.READONLY

    @property
    def aligns_right(self) -> bool:
        return self.kind is Kind.NUMBER and self.name not in ("creation", "snapshots_changed")

    @property
    def width(self) -> int:
        """The least width of a column of it, in characters."""
        longest = max(map(len, self.words), default=0)
        return max(len(self.column), self.wide, 5 if self.kind is Kind.NUMBER else longest)

    @property
    def has_fixed_width(self) -> bool:
        return self.kind is Kind.INDEX or self.aligns_right

    def applies_to(self, kind: str) -> bool:
        """Tell whether a ``filesystem``, ``volume``, ``snapshot`` or ``bookmark`` has it."""
        return kind[0] in self.applies


def _number(
    name: str, column: str, setting: Setting, applies: str, values: str, default: str = "0"
) -> Property:
    return Property(name, column, Kind.NUMBER, setting, applies, values, default)


def _string(
    name: str, column: str, setting: Setting, applies: str, values: str, default: str = "-"
) -> Property:
    return Property(name, column, Kind.STRING, setting, applies, values, default)


def _index(
    name: str,
    column: str,
    setting: Setting,
    applies: str,
    values: str,
    default: str,
    more: str = "",
) -> Property:
    plain = values.replace("[,verify]", "").split(" | ")
    words = [word for word in plain if "[" not in word] + more.split(" | ")
    if "[,verify]" in values:
        words += [f"{word},verify" for word in plain]
    return Property(
        name, column, Kind.INDEX, setting, applies, values, default, frozenset(words) - {""}
    )


def _space(name: str, column: str, applies: str) -> Property:
    return _number(name, column, Setting.READONLY, applies, _SIZE)


def _switch(name: str, default: str, applies: str = "f", column: str = "") -> Property:
    return _index(name, column or name.upper(), Setting.INHERITED, applies, _ON_OFF, default)


_READ, _OWN, _DOWN = Setting.READONLY, Setting.OWN, Setting.INHERITED
_ONCE, _ONCE_OWN = Setting.ONCE, Setting.ONCE_OWN
_CHECKSUMS = "on | off | fletcher2 | fletcher4 | sha256 | sha512 | skein"
_DEDUPS = "on | off | verify | sha256[,verify] | sha512[,verify] | skein[,verify]"

_IN_13 = (
    _string("type", "TYPE", _READ, "fvsb", "filesystem | volume | snapshot | bookmark"),
    Property("creation", "CREATION", Kind.NUMBER, _READ, "fvsb", "<date>"),
    _space("used", "USED", "fvs"),
    _space("available", "AVAIL", "fv"),
    _space("referenced", "REFER", "fvsb")._replace(wide=8),
    _number("compressratio", "RATIO", _READ, "fvsb", _RATIO),
    _index("mounted", "MOUNTED", _READ, "f", "yes | no", "no", _ON_OFF),
    _string("origin", "ORIGIN", _READ, "fv", "<snapshot>"),
    _number("quota", "QUOTA", _OWN, "f", _LIMIT),
    _number("reservation", "RESERV", _OWN, "fv", _LIMIT),
    _number("volsize", "VOLSIZE", _OWN, "sv", _SIZE),
    _number("volblocksize", "VOLBLOCK", _ONCE, "v", "512 to 128k, power of 2", "8192"),
    _number("recordsize", "RECSIZE", _DOWN, "f", "512 to 1M, power of 2", "131072"),
    _string("mountpoint", "MOUNTPOINT", _DOWN, "f", "<path> | legacy | none", "/"),
    _string("sharenfs", "SHARENFS", _DOWN, "f", "on | off | NFS share options", "off"),
    _index("checksum", "CHECKSUM", _DOWN, "fv", _CHECKSUMS, "on"),
    _index(
        *("compression", "COMPRESS", _DOWN, "fv"),
        "on | off | lzjb | gzip | gzip-[1-9] | zle | lz4 | zstd | zstd-[1-19] | zstd-fast"
        " | zstd-fast-[1-10,20,30,40,50,60,70,80,90,100,500,1000]",
        "off",
        f"{_GZIP} | {_ZSTD} | {_FAST}",
    ),
    _switch("atime", "on"),
    _switch("devices", "on", "fs"),
    _switch("exec", "on", "fs"),
    _switch("setuid", "on", "fs"),
    _switch("readonly", "off", "fv", "RDONLY"),
    _switch("jailed", "off"),
    _index(
        *("snapdir", "SNAPDIR", _DOWN, "f"),
        "hidden | visible",
        "hidden",
    ),
    _index(
        *("aclmode", "ACLMODE", _DOWN, "f"),
        "discard | groupmask | passthrough | restricted",
        "discard",
    ),
    _index(
        *("aclinherit", "ACLINHERIT", _DOWN, "f"),
        "discard | noallow | restricted | passthrough | passthrough-x",
        "restricted",
        "secure",
    ),
    _number("createtxg", "CREATETXG", _READ, "fvsb", "<uint64>"),
    _string("name", "NAME", _READ, "fvsb", ""),
    _index("canmount", "CANMOUNT", _OWN, "f", "on | off | noauto", "on"),
    _index("xattr", "XATTR", _DOWN, "fs", "on | off | dir | sa", "on"),
    _index("copies", "COPIES", _DOWN, "fv", "1 | 2 | 3", "1"),
    _index("version", "VERSION", _OWN, "fs", "1 | 2 | 3 | 4 | 5 | current", "5"),
    _index("utf8only", "UTF8ONLY", _ONCE, "fs", _ON_OFF, "off"),
    _index(
        *("normalization", "NORMALIZATION", _ONCE, "fs"),
        "none | formC | formD | formKC | formKD",
        "none",
    ),
    _index("casesensitivity", "CASE", _ONCE, "fs", "sensitive | insensitive | mixed", "sensitive"),
    _switch("vscan", "off"),
    _switch("nbmand", "off", "fs"),
    _string("sharesmb", "SHARESMB", _DOWN, "f", "on | off | SMB share options", "off"),
    _number("refquota", "REFQUOTA", _OWN, "f", _LIMIT),
    _number("refreservation", "REFRESERV", _OWN, "fv", _LIMIT),
    _number("guid", "GUID", _READ, "fvsb", "<uint64>"),
    _index("primarycache", "PRIMARYCACHE", _DOWN, "fsv", "all | none | metadata", "all"),
    _index("secondarycache", "SECONDARYCACHE", _DOWN, "fsv", "all | none | metadata", "all"),
    _space("usedbysnapshots", "USEDSNAP", "fv"),
    _space("usedbydataset", "USEDDS", "fv"),
    _space("usedbychildren", "USEDCHILD", "fv"),
    _space("usedbyrefreservation", "USEDREFRESERV", "fv"),
    _index("defer_destroy", "DEFER_DESTROY", _READ, "s", "yes | no", "off", _ON_OFF),
    _number("userrefs", "USERREFS", _READ, "s", "<count>"),
    _index("logbias", "LOGBIAS", _DOWN, "fv", "latency | throughput", "latency"),
    _number("objsetid", "OBJSETID", _READ, "fvs", "<uint64>"),
    _index("dedup", "DEDUP", _DOWN, "fv", _DEDUPS, "off"),
    _string("mlslabel", "MLSLABEL", _DOWN, "fvs", "<sensitivity label>", "none"),
    _index("sync", "SYNC", _DOWN, "fv", "standard | always | disabled", "standard"),
    _index(
        *("dnodesize", "DNSIZE", _DOWN, "f"),
        "legacy | auto | 1k | 2k | 4k | 8k | 16k",
        "legacy",
    ),
    _number("refcompressratio", "REFRATIO", _READ, "fvs", _RATIO),
    _space("written", "WRITTEN", "fvs"),
    _string("clones", "CLONES", _READ, "s", "<dataset>[,...]"),
    _space("logicalused", "LUSED", "fv"),
    _space("logicalreferenced", "LREFER", "fvsb"),
    _index("volmode", "VOLMODE", _DOWN, "fv", "default | full | geom | dev | none", "default"),
    _number("filesystem_limit", "FSLIMIT", _OWN, "f", "<count> | none", UNLIMITED),
    _number("snapshot_limit", "SSLIMIT", _OWN, "fv", "<count> | none", UNLIMITED),
    _number("filesystem_count", "FSCOUNT", _READ, "f", "<count>", UNLIMITED),
    _number("snapshot_count", "SSCOUNT", _READ, "fv", "<count>", UNLIMITED),
    _index("snapdev", "SNAPDEV", _DOWN, "fv", "hidden | visible", "hidden"),
    _index(
        *("acltype", "ACLTYPE", _DOWN, "fs"),
        "off | nfsv4 | posix",
        "nfsv4",
        "disabled | noacl | posixacl",
    ),
    *(
        _string(name, name.upper(), _OWN, "fvs", f"<selinux {name}>", "none")
        for name in ("context", "fscontext", "defcontext", "rootcontext")
    ),
    _switch("relatime", "off"),
    _index("redundant_metadata", "REDUND_MD", _DOWN, "fv", "all | most | some | none", "all"),
    _switch("overlay", "on"),
    _string("receive_resume_token", "RESUMETOK", _READ, "fv", "<string token>"),
    _index(
        *("encryption", "ENCRYPTION", _ONCE, "fvs"),
        "on | off | aes-128-ccm | aes-192-ccm | aes-256-ccm | aes-128-gcm | aes-192-gcm"
        " | aes-256-gcm",
        "off",
    ),
    _string(
        *("keylocation", "KEYLOCATION", _OWN, "fv"),
        "prompt | <file URI> | <https URL> | <http URL>",
        "none",
    ),
    _index("keyformat", "KEYFORMAT", _ONCE_OWN, "fv", "none | raw | hex | passphrase", "none"),
    _number("pbkdf2iters", "PBKDF2ITERS", _ONCE_OWN, "fv", "<iters>"),
    _string("encryptionroot", "ENCROOT", _READ, "fvs", "<filesystem | volume>"),
    _index("keystatus", "KEYSTATUS", _READ, "fvs", "none | unavailable | available", "none"),
    _number(
        *("special_small_blocks", "SPECIAL_SMALL_BLOCKS", _DOWN),
        "f",
        "zero or 512 to 1M, power of 2",
    ),
    _string("redact_snaps", "RSNAPS", _READ, "fvsb", "<snapshot>[,...]"),
)
_SINCE_14 = (
    _number("volblocksize", "VOLBLOCK", _ONCE, "v", "512 to 128k, power of 2", "16384"),
    _space("referenced", "REFER", "fvsb"),
    _index("checksum", "CHECKSUM", _DOWN, "fv", f"{_CHECKSUMS} | edonr | blake3", "on"),
    _index("dedup", "DEDUP", _DOWN, "fv", f"{_DEDUPS} | edonr,verify | blake3[,verify]", "off"),
    next(prop for prop in _IN_13 if prop.name == "compression")._replace(default="on"),
    _switch("relatime", "on"),
    Property("snapshots_changed", "SNAPSHOTS_CHANGED", Kind.NUMBER, _READ, "fv", "<date>"),
    _index("prefetch", "PREFETCH", _DOWN, "fsv", "none | metadata | all", "all"),
)
_SINCE_15 = (
    _number("volblocksize", "VOLBLOCK", _ONCE, "v", "512 to 16M, power of 2", "16384"),
    _number("recordsize", "RECSIZE", _DOWN, "f", "512 to 16M, power of 2", "131072"),
    _number("special_small_blocks", "SPECIAL_SMALL_BLOCKS", _DOWN, "fv", "0 to 16M"),
    _index("snapdir", "SNAPDIR", _DOWN, "f", "disabled | hidden | visible", "hidden"),
    _index("xattr", "XATTR", _DOWN, "fs", "on | off | dir | sa", "sa"),
    _index("volthreading", "zvol threading", _OWN, "v", _ON_OFF, "on"),
    _index("direct", "DIRECT", _DOWN, "f", "disabled | standard | always", "standard"),
    _switch("longname", "off"),
    *(
        _number(f"default{kind}quota", f"DEFAULT{kind.upper()}QUOTA", _OWN, "fs", _LIMIT)
        for kind in ("user", "group", "project", "userobj", "groupobj", "projectobj")
    ),
)


@cache
def native(major: int) -> dict[str, Property]:
    """Return the properties of OpenZFS as in FreeBSD 13 (2.1), 14 (2.2) or 15 (2.4), in the order
    of ``zfs get all``."""
    table = {prop.name: prop for prop in _IN_13}
    for since, changes in ((14, _SINCE_14), (15, _SINCE_15)):
        if major >= since:
            table |= {prop.name: prop for prop in changes}
    return table


@cache
def _names(major: int) -> dict[str, str]:
    by_column = {prop.column.lower(): prop.name for prop in native(major).values()}
    return {**by_column, **{name: name for name in native(major)}}


def find(major: int, word: str) -> Property | None:
    """Return the native property called ``word``, by its name or the title of its column."""
    name = _names(major).get(word)
    return native(major)[name] if name else None


def is_user_property(word: str) -> bool:
    """Tell whether ``word`` may name a property of the user's own."""
    return ":" in word and re.fullmatch(r"[a-z0-9:+._-]+", word) is not None


def is_account_property(word: str) -> bool:
    """Tell whether ``word`` is a quota or use of a user, group or project."""
    return re.match(r"(user|group|project)(obj)?(used|quota)@", word) is not None


def is_written_property(word: str) -> bool:
    """Tell whether ``word`` asks what was written since a snapshot or bookmark."""
    return re.match(r"written[@#].", word) is not None
