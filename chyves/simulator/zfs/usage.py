# SPDX-License-Identifier: BSD-2-Clause
"""The usage zfs(8) shows after a wrong command line."""

from collections.abc import Iterator
from functools import cache

from chyves.simulator.zfs import properties

_FORMS_13 = """\
version

create [-Pnpuv] [-o property=value] ... <filesystem>
create [-Pnpsv] [-b blocksize] [-o property=value] ... -V <size> <volume>
destroy [-fnpRrv] <filesystem|volume>
destroy [-dnpRrv] <filesystem|volume>@<snap>[%<snap>][,...]
destroy <filesystem|volume>#<bookmark>

snapshot [-r] [-o property=value] ... <filesystem|volume>@<snap> ...
rollback [-rRf] <snapshot>
clone [-p] [-o property=value] ... <snapshot> <filesystem|volume>
promote <clone-filesystem>
rename [-f] <filesystem|volume|snapshot> <filesystem|volume|snapshot>
rename -p [-f] <filesystem|volume> <filesystem|volume>
rename -u [-f] <filesystem> <filesystem>
rename -r <snapshot> <snapshot>
bookmark <snapshot|bookmark> <newbookmark>
program [-jn] [-t <instruction limit>] [-m <memory limit (b)>]
    <pool> <program file> [lua args...]

list [-Hp] [-r|-d max] [-o property[,...]] [-s property]...
    [-S property]... [-t type[,...]] [filesystem|volume|snapshot] ...

set <property=value> ... <filesystem|volume|snapshot> ...
get [-rHp] [-d max] [-o "all" | field[,...]]
    [-t type[,...]] [-s source[,...]]
    <"all" | property[,...]> [filesystem|volume|snapshot|bookmark] ...
inherit [-rS] <property> <filesystem|volume|snapshot> ...
upgrade [-v]
upgrade [-r] [-V version] <-a | filesystem ...>

userspace [-Hinp] [-o field[,...]] [-s field] ...
    [-S field] ... [-t type[,...]] <filesystem|snapshot|path>
groupspace [-Hinp] [-o field[,...]] [-s field] ...
    [-S field] ... [-t type[,...]] <filesystem|snapshot|path>
projectspace [-Hp] [-o field[,...]] [-s field] ...\x20
    [-S field] ... <filesystem|snapshot|path>

project [-d|-r] <directory|file ...>
project -c [-0] [-d|-r] [-p id] <directory|file ...>
project -C [-k] [-r] <directory ...>
project [-p id] [-r] [-s] <directory ...>

mount
mount [-flvO] [-o opts] <-a | filesystem>
unmount [-fu] <-a | filesystem|mountpoint>
share [-l] <-a [nfs|smb] | filesystem>
unshare <-a [nfs|smb] | filesystem|mountpoint>

send [-DnPpRvLecwhb] [-[i|I] snapshot] <snapshot>
send [-DnvPLecw] [-i snapshot|bookmark] <filesystem|volume|snapshot>
send [-DnPpvLec] [-i bookmark|snapshot] --redact <bookmark> <snapshot>
send [-nvPe] -t <receive_resume_token>
send [-Pnv] --saved filesystem
receive [-vMnsFhu] [-o <property>=<value>] ... [-x <property>] ...
    <filesystem|volume|snapshot>
receive [-vMnsFhu] [-o <property>=<value>] ... [-x <property>] ...\x20
    [-d | -e] <filesystem>
receive -A <filesystem|volume>

allow <filesystem|volume>
allow [-ldug] <"everyone"|user|group>[,...] <perm|@setname>[,...]
    <filesystem|volume>
allow [-ld] -e <perm|@setname>[,...] <filesystem|volume>
allow -c <perm|@setname>[,...] <filesystem|volume>
allow -s @setname <perm|@setname>[,...] <filesystem|volume>

unallow [-rldug] <"everyone"|user|group>[,...]
    [<perm|@setname>[,...]] <filesystem|volume>
unallow [-rld] -e [<perm|@setname>[,...]] <filesystem|volume>
unallow [-r] -c [<perm|@setname>[,...]] <filesystem|volume>
unallow [-r] -s @setname [<perm|@setname>[,...]] <filesystem|volume>

hold [-r] <tag> <snapshot> ...
holds [-rH] <snapshot> ...
release [-r] <tag> <snapshot> ...
diff [-FHt] <snapshot> [snapshot|filesystem]
load-key [-rn] [-L <keylocation>] <-a | filesystem|volume>
unload-key [-r] <-a | filesystem|volume>
change-key [-l] [-o keyformat=<value>]
    [-o keylocation=<value>] [-o pbkdf2iters=<value>]
    <filesystem|volume>
change-key -i [-l] <filesystem|volume>
redact <snapshot> <bookmark> <redaction_snapshot> ...
wait [-t <activity>] <filesystem>
jail <jailid|jailname> <filesystem>
unjail <jailid|jailname> <filesystem>
"""

_REDACT = "redact <snapshot> <bookmark> <redaction_snapshot> ...\n"
_DIFF = "diff [-FHth] <snapshot> [snapshot|filesystem]\n"
_PROGRAM = (
    "program [-jn] [-t <instruction limit>] [-m <memory limit (b)>]\n"
    "    <pool> <program file> [lua args...]\n"
)
_SINCE_14 = (
    ("<-a | filesystem>\nunmount", "<-a|-R filesystem|filesystem>\nunmount"),
    (
        "send [-DnPpRvLecwhb] [-[i|I] snapshot] <snapshot>\n",
        "send [-DLPbcehnpsVvw] [-i|-I snapshot]\n"
        "     [-R [-X dataset[,dataset]...]]     <snapshot>\n",
    ),
    ("send [-DnvPLecw]", "send [-DnVvPLecw]"),
    ("send [-DnPpvLec]", "send [-DnPpVvLec]"),
    ("send [-nvPe]", "send [-nVvPe]"),
    ("send [-Pnv]", "send [-PnVv]"),
    ("set <property", "set [-u] <property"),
    ("holds [-rH]", "holds [-rHp]"),
    ("diff [-FHt] <snapshot> [snapshot|filesystem]\n", _DIFF),
)
_SINCE_15 = (
    ("version\n", "version [-j]\n"),
    ("\nmount\n", "\nmount [-j]\n"),
    ("get [-rHp]", "get [-rHp] [-j [--json-int]]"),
    ("list [-Hp]", "list [-Hp] [-j [--json-int]]"),
    (_DIFF, ""),
    (_PROGRAM, _DIFF),
    (_REDACT, ""),
    ("receive -A <filesystem|volume>\n", f"receive -A <filesystem|volume>\n{_REDACT}"),
    ("\nunallow [-rldug]", "unallow [-rldug]"),
    ("load-key [-rn]", "\nload-key [-rn]"),
    (
        "wait [-t <activity>] <filesystem>\n",
        f"\n{_PROGRAM}"
        "rewrite [-Prvx] [-o <offset>] [-l <length>] <directory|file ...>\n"
        "wait [-t <activity>] <filesystem>\n\n",
    ),
)

_WHO = ("user", "group", "project", "userobj", "groupobj", "projectobj")
_ACCOUNTS = (
    *(f"{who}used@..." for who in _WHO),
    *(f"{who}quota@..." for who in _WHO),
    "written@<snap>",
    "written#<bookmark>",
)
_SHOWS_PROPERTIES = frozenset({"set", "get", "inherit", "list"})
_NOTES = """
Sizes are specified in bytes with standard units such as K, M, G, etc.

User-defined properties can be specified by using a name containing a colon (:).

The {user|group|project}[obj]{used|quota}@ properties must be appended with
a user|group|project specifier of one of these forms:
    POSIX name      (eg: "matt")
    POSIX id        (eg: "126829")
    SMB name@domain (eg: "matt@sun")
    SMB SID         (eg: "S-1-234-567-89")"""
_POINTERS = """
For the property list, run: zfs set|get

For the delegated permission list, run: zfs allow|unallow"""
_POINTERS_SINCE_14 = f"""{_POINTERS}

For further help on a command or topic, run: zfs help [<topic>]"""


@cache
def _forms(major: int) -> str:
    text = _FORMS_13
    for old, new in (*(_SINCE_14 if major >= 14 else ()), *(_SINCE_15 if major >= 15 else ())):
        text = text.replace(old, new, 1)
    return text


@cache
def commands(major: int) -> dict[str, list[str]]:
    """Return the subcommands of zfs(8), each with the lines of its usage."""
    found: dict[str, list[str]] = {}
    name = ""
    for line in filter(None, _forms(major).split("\n")):
        if line[0] != " ":
            name = line.split()[0]
        found.setdefault(name, []).append(f"\t{line}")
    return found


def whole(major: int) -> str:
    """Return the usage of zfs(8) without, or with an unknown, subcommand."""
    lines = [f"\t{line}" if line else "" for line in _forms(major).removesuffix("\n").split("\n")]
    return "\n".join(
        [
            "usage: zfs command args ...",
            "where 'command' is one of the following:",
            "",
            *lines,
            "",
            "Each dataset is of the form: pool/[dataset/]*dataset[@name]",
            _pointers(major),
        ]
    )


def of_command(major: int, command: str) -> str:
    """Return the usage of one subcommand."""
    lines = ["usage:", *commands(major)[command]]
    if command in _SHOWS_PROPERTIES:
        lines += ["", "The following properties are supported:", "", *_property_lines(major)]
        return "\n".join([*lines, _NOTES])
    return "\n".join([*lines, _pointers(major)])


def _pointers(major: int) -> str:
    return _POINTERS_SINCE_14 if major >= 14 else _POINTERS


def _property_lines(major: int) -> Iterator[str]:
    width = 22 if major >= 15 else 15
    yield f"\t{'PROPERTY':<{width - 1}} EDIT  INHERIT   VALUES"
    yield ""
    table = [prop for prop in properties.native(major).values() if prop.name != "name"]
    for prop in sorted(table, key=lambda prop: (not _is_measured(prop), prop.name)):
        edit = " NO" if prop.is_readonly else "YES"
        inherit = "YES" if prop.is_inheritable else " NO"
        yield f"\t{prop.name:<{width}} {edit}      {inherit}   {prop.values}"
    for name in _ACCOUNTS:
        if "quota" in name:
            yield f"\t{name:<{width}} YES       NO   <size> | none"
        else:
            yield f"\t{name:<{width}}  NO       NO   <size>"


def _is_measured(prop: properties.Property) -> bool:
    return prop.setting is properties.Setting.READONLY
