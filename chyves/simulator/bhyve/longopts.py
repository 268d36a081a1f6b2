# SPDX-License-Identifier: BSD-2-Clause
"""getopt_long(3) as FreeBSD's libc has it."""

from collections.abc import Sequence


class BadOption(Exception):
    """What libc prints on standard error, without the name of the program."""


def getopt_long(arguments: Sequence[str], names: Sequence[str]) -> list[tuple[str, str]]:
    """Return ``[("vm", "chy-web"), ("destroy", "")]``; a name with ``=`` behind it in ``names``
    takes a value. Long options only, which may be shortened. Raises BadOption."""
    takes_value = {name.rstrip("="): name.endswith("=") for name in names}
    options = []
    rest = list(arguments)
    while rest:
        word = rest.pop(0)
        if word == "--":
            break
        if not word.startswith("-") or word == "-":
            continue
        if not word.startswith("--"):
            raise BadOption(f"invalid option -- {word[1]}")
        given, has_value, value = word[2:].partition("=")
        found = [name for name in takes_value if name.startswith(given)]
        name = given if given in found else found[0] if len(found) == 1 else ""
        if not name:
            kind = "ambiguous option --" if found else "unrecognized option"
            raise BadOption(f"{kind} {given}" if found else f"{kind} `{word}'")
        if has_value and not takes_value[name]:
            raise BadOption(f"option doesn't take an argument -- {name}")
        if takes_value[name] and not has_value:
            if not rest:
                raise BadOption(f"option requires an argument -- {name}")
            value = rest.pop(0)
        options.append((name, value))
    return options
