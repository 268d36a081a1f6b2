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
    words = values.replace("[,verify]", "").split(" | ") + more.split(" | ")
    if "[,verify]" in values:
        words += [f"{word.removesuffix('[,verify]')},verify" for word in re.split(r" \| ", values)]
    return Property(
        name, column, Kind.INDEX, setting, applies, values, default, frozenset(words) - {""}
    )


def _space(name: str, column: str, applies: str) -> Property:
    return _number(name, column, Setting.READONLY, applies, _SIZE)


def _switch(name: str, default: str, applies: str = "f", column: str = "") -> Property:
    return _index(name, column or name.upper(), Setting.INHERITED, applies, _ON_OFF, default)


@cache
def native(major: int) -> dict[str, Property]:
    """Return the properties of OpenZFS as in FreeBSD 13 (2.1), 14 (2.2) or 15 (2.4), in the order
    of ``zfs get all``."""
    read, own, down = Setting.READONLY, Setting.OWN, Setting.INHERITED
    once, once_own = Setting.ONCE, Setting.ONCE_OWN
    newer, newest = major >= 14, major >= 15
    checksums = "on | off | fletcher2 | fletcher4 | sha256 | sha512 | skein"
    dedups = "on | off | verify | sha256[,verify] | sha512[,verify] | skein[,verify]"
    if newer:
        checksums += " | edonr | blake3"
        dedups += " | edonr,verify | blake3[,verify]"
    blocks = "512 to 16M, power of 2" if newest else "512 to 1M, power of 2"
    volume_blocks = "512 to 16M, power of 2" if newest else "512 to 128k, power of 2"
    table = [
        _string("type", "TYPE", read, "fvsb", "filesystem | volume | snapshot | bookmark"),
        Property("creation", "CREATION", Kind.NUMBER, read, "fvsb", "<date>"),
        _space("used", "USED", "fvs"),
        _space("available", "AVAIL", "fv"),
        _space("referenced", "REFER", "fvsb")._replace(wide=0 if newer else 8),
        _number("compressratio", "RATIO", read, "fvsb", _RATIO),
        _index("mounted", "MOUNTED", read, "f", "yes | no", "no", _ON_OFF),
        _string("origin", "ORIGIN", read, "fv", "<snapshot>"),
        _number("quota", "QUOTA", own, "f", _LIMIT),
        _number("reservation", "RESERV", own, "fv", _LIMIT),
        _number("volsize", "VOLSIZE", own, "sv", _SIZE),
        _number("volblocksize", "VOLBLOCK", once, "v", volume_blocks, "16384" if newer else "8192"),
        _number("recordsize", "RECSIZE", down, "f", blocks, "131072"),
        _string("mountpoint", "MOUNTPOINT", down, "f", "<path> | legacy | none", "/"),
        _string("sharenfs", "SHARENFS", down, "f", "on | off | NFS share options", "off"),
        _index("checksum", "CHECKSUM", down, "fv", checksums, "on"),
        _index(
            *("compression", "COMPRESS", down, "fv"),
            "on | off | lzjb | gzip | gzip-[1-9] | zle | lz4 | zstd | zstd-[1-19] | zstd-fast"
            " | zstd-fast-[1-10,20,30,40,50,60,70,80,90,100,500,1000]",
            "on" if newer else "off",
            f"{_GZIP} | {_ZSTD} | {_FAST}",
        ),
        _switch("atime", "on"),
        _switch("devices", "on", "fs"),
        _switch("exec", "on", "fs"),
        _switch("setuid", "on", "fs"),
        _switch("readonly", "off", "fv", "RDONLY"),
        _switch("jailed", "off"),
        _index(
            *("snapdir", "SNAPDIR", down, "f"),
            "disabled | hidden | visible" if newest else "hidden | visible",
            "hidden",
        ),
        _index(
            *("aclmode", "ACLMODE", down, "f"),
            "discard | groupmask | passthrough | restricted",
            "discard",
        ),
        _index(
            *("aclinherit", "ACLINHERIT", down, "f"),
            "discard | noallow | restricted | passthrough | passthrough-x",
            "restricted",
            "secure",
        ),
        _number("createtxg", "CREATETXG", read, "fvsb", "<uint64>"),
        _string("name", "NAME", read, "fvsb", ""),
        _index("canmount", "CANMOUNT", own, "f", "on | off | noauto", "on"),
        _index("xattr", "XATTR", down, "fs", "on | off | dir | sa", "sa" if newest else "on"),
        _index("copies", "COPIES", down, "fv", "1 | 2 | 3", "1"),
        _index("version", "VERSION", own, "fs", "1 | 2 | 3 | 4 | 5 | current", "5"),
        _index("utf8only", "UTF8ONLY", once, "fs", _ON_OFF, "off"),
        _index(
            *("normalization", "NORMALIZATION", once, "fs"),
            "none | formC | formD | formKC | formKD",
            "none",
        ),
        _index(
            "casesensitivity", "CASE", once, "fs", "sensitive | insensitive | mixed", "sensitive"
        ),
        _switch("vscan", "off"),
        _switch("nbmand", "off", "fs"),
        _string("sharesmb", "SHARESMB", down, "f", "on | off | SMB share options", "off"),
        _number("refquota", "REFQUOTA", own, "f", _LIMIT),
        _number("refreservation", "REFRESERV", own, "fv", _LIMIT),
        _number("guid", "GUID", read, "fvsb", "<uint64>"),
        _index("primarycache", "PRIMARYCACHE", down, "fsv", "all | none | metadata", "all"),
        _index("secondarycache", "SECONDARYCACHE", down, "fsv", "all | none | metadata", "all"),
        _space("usedbysnapshots", "USEDSNAP", "fv"),
        _space("usedbydataset", "USEDDS", "fv"),
        _space("usedbychildren", "USEDCHILD", "fv"),
        _space("usedbyrefreservation", "USEDREFRESERV", "fv"),
        _index("defer_destroy", "DEFER_DESTROY", read, "s", "yes | no", "off", _ON_OFF),
        _number("userrefs", "USERREFS", read, "s", "<count>"),
        _index("logbias", "LOGBIAS", down, "fv", "latency | throughput", "latency"),
        _number("objsetid", "OBJSETID", read, "fvs", "<uint64>"),
        _index("dedup", "DEDUP", down, "fv", dedups, "off"),
        _string("mlslabel", "MLSLABEL", down, "fvs", "<sensitivity label>", "none"),
        _index("sync", "SYNC", down, "fv", "standard | always | disabled", "standard"),
        _index(
            *("dnodesize", "DNSIZE", down, "f"),
            "legacy | auto | 1k | 2k | 4k | 8k | 16k",
            "legacy",
        ),
        _number("refcompressratio", "REFRATIO", read, "fvs", _RATIO),
        _space("written", "WRITTEN", "fvs"),
        _string("clones", "CLONES", read, "s", "<dataset>[,...]"),
        _space("logicalused", "LUSED", "fv"),
        _space("logicalreferenced", "LREFER", "fvsb"),
        _index("volmode", "VOLMODE", down, "fv", "default | full | geom | dev | none", "default"),
        _number("filesystem_limit", "FSLIMIT", own, "f", "<count> | none", UNLIMITED),
        _number("snapshot_limit", "SSLIMIT", own, "fv", "<count> | none", UNLIMITED),
        _number("filesystem_count", "FSCOUNT", read, "f", "<count>", UNLIMITED),
        _number("snapshot_count", "SSCOUNT", read, "fv", "<count>", UNLIMITED),
        _index("snapdev", "SNAPDEV", down, "fv", "hidden | visible", "hidden"),
        _index(
            *("acltype", "ACLTYPE", down, "fs"),
            "off | nfsv4 | posix",
            "nfsv4",
            "disabled | noacl | posixacl",
        ),
        *(
            _string(name, name.upper(), own, "fvs", f"<selinux {name}>", "none")
            for name in ("context", "fscontext", "defcontext", "rootcontext")
        ),
        _switch("relatime", "on" if newer else "off"),
        _index("redundant_metadata", "REDUND_MD", down, "fv", "all | most | some | none", "all"),
        _switch("overlay", "on"),
        _string("receive_resume_token", "RESUMETOK", read, "fv", "<string token>"),
        _index(
            *("encryption", "ENCRYPTION", once, "fvs"),
            "on | off | aes-128-ccm | aes-192-ccm | aes-256-ccm | aes-128-gcm | aes-192-gcm"
            " | aes-256-gcm",
            "off",
        ),
        _string(
            *("keylocation", "KEYLOCATION", own, "fv"),
            "prompt | <file URI> | <https URL> | <http URL>",
            "none",
        ),
        _index("keyformat", "KEYFORMAT", once_own, "fv", "none | raw | hex | passphrase", "none"),
        _number("pbkdf2iters", "PBKDF2ITERS", once_own, "fv", "<iters>"),
        _string("encryptionroot", "ENCROOT", read, "fvs", "<filesystem | volume>"),
        _index("keystatus", "KEYSTATUS", read, "fvs", "none | unavailable | available", "none"),
        _number(
            *("special_small_blocks", "SPECIAL_SMALL_BLOCKS", down),
            "fv" if newest else "f",
            "0 to 16M" if newest else "zero or 512 to 1M, power of 2",
        ),
        _string("redact_snaps", "RSNAPS", read, "fvsb", "<snapshot>[,...]"),
    ]
    if newer:
        table += [
            Property("snapshots_changed", "SNAPSHOTS_CHANGED", Kind.NUMBER, read, "fv", "<date>"),
            _index("prefetch", "PREFETCH", down, "fsv", "none | metadata | all", "all"),
        ]
    if newest:
        table += [
            _index("volthreading", "zvol threading", own, "v", _ON_OFF, "on"),
            _index("direct", "DIRECT", down, "f", "disabled | standard | always", "standard"),
            _switch("longname", "off"),
            *(
                _number(f"default{kind}quota", f"DEFAULT{kind.upper()}QUOTA", own, "fs", _LIMIT)
                for kind in ("user", "group", "project", "userobj", "groupobj", "projectobj")
            ),
        ]
    return {prop.name: prop for prop in table}


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
