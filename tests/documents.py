# SPDX-License-Identifier: BSD-2-Clause
"""``python -m tests.documents``: write the generated documents again.

They are the completions, and the parts of the manual page that the tables of commands, options
and properties know better than a writer.
"""

import re
import sys
from collections.abc import Callable, Iterable, Iterator

import click
from click.shell_completion import get_completion_class

from chyves.cli import _root
from chyves.commands.options import changing_options, reading_options, simulate_option
from chyves.commands.table import GUEST_VERBS, TOP_COMMANDS
from chyves.model.properties import Property, Scope, properties_of
from tests.tools import CHECKOUT

PAGE = CHECKOUT / "man/chyves.8"
COMPLETIONS = CHECKOUT / "completions"

TOKEN = re.compile(
    r"<(?P<name>[^>]+)>|\{(?P<number>\w)\}|(?P<mark>[][|=])|(?P<word>[^][|=<>{}\s]+)"
)


def synopses() -> list[str]:
    """Return every form of every command, as ``chyves help`` shows them."""
    entries = sorted([*TOP_COMMANDS.items(), *GUEST_VERBS.items()])
    return [synopsis for _, entry in entries for synopsis in entry.synopsis]


def shared_options() -> list[click.Option]:
    """Return the options that many verbs have, each once."""
    options = [simulate_option(), *changing_options(), *reading_options()]
    unique = {option.name: option for option in options if isinstance(option, click.Option)}
    return list(unique.values())


def as_mdoc(synopsis: str) -> str:
    """Return a synopsis in the macros of mdoc(7): ``Ar guest Ns Oo ,... Oc Cm stop``."""
    words: list[str] = []
    end = 0
    for token in TOKEN.finditer(synopsis):
        opens, closes = token["mark"] == "[", token["mark"] == "]"
        glued = token.start() == end and words and words[-1] != "Oo"
        if glued and not closes:
            words.append("Ns")
        if opens or closes:
            words.append("Oo" if opens else "Oc")
        elif token["name"] or token["number"]:
            words += ["Ar", token["name"] or token["number"]]
        elif token["mark"]:
            words.append(token["mark"])
        else:
            words += _literal(token["word"])
        end = token.end()
    return " ".join(words)


def _literal(word: str) -> list[str]:
    if word.startswith("-"):
        return ["Fl", word[1:]]
    if word.strip(".,:@%") == "":
        return [rf"\&{word}"]
    return ["Cm", word]


def synopsis_part() -> Iterator[str]:
    """The SYNOPSIS of the manual page."""
    for synopsis in synopses():
        yield f".Nm {as_mdoc(synopsis)}"


def options_part() -> Iterator[str]:
    """The list of options of the manual page."""
    for option in shared_options():
        metavar = f" Ar {option.metavar}" if option.metavar else ""
        names = " , ".join(f"Fl {name[1:]}{metavar}" for name in option.opts)
        yield f".It {names}"
        yield str(option.help)


def properties_part() -> Iterator[str]:
    """The section PROPERTIES of the manual page: a list for each kind of file."""
    for scope, heading, introduction in (
        (Scope.GUEST, "Guests", "A new guest has the initial values from the defaults."),
        (Scope.DEFAULTS, "Defaults", "Of the properties of guests the defaults have"),
        (Scope.GLOBAL, "Global", "One set for the whole host, on the primary pool:"),
        (Scope.POOL, "Pools", "Each pool has:"),
    ):
        yield f".Ss {heading}"
        yield introduction
        if scope is Scope.DEFAULTS:
            yield from _shared_with_guests()
        yield ".Bl -tag -width indent"
        for row in sorted(properties_of(scope), key=lambda row: row.name):
            if scope is not Scope.DEFAULTS or Scope.GUEST not in row.initial:
                yield f".It Cm {row.name}"
                yield from map(_as_text, _sentences(row, scope))
        yield ".El"


def _shared_with_guests() -> Iterator[str]:
    rows = properties_of(Scope.DEFAULTS)
    names = sorted(row.name for row in rows if Scope.GUEST in row.initial)
    for at in range(0, len(names), 4):
        yield f".Cm {' , '.join(names[at : at + 4])} ,"
    yield "and besides:"


def _sentences(row: Property, scope: Scope) -> Iterator[str]:
    yield row.help
    if row.managed:
        yield f"Not set by hand: {row.managed}."
        return
    yield f"Valid: {row.kind.describe()}."
    initial = row.initial.get(Scope.DEFAULTS) or row.initial[scope]
    if initial not in (None, "", "-"):
        yield f"Initially: {initial}."
    if row.effect:
        yield f"Setting {row.effect.value}."
    if row.stopped:
        yield "Changed only while the guest is stopped."
    if row.may_be_unset(scope):
        yield "May be absent."


def _as_text(sentence: str) -> str:
    """Return a sentence as a line of text that no formatter takes for a macro."""
    escaped = sentence.replace("\\", r"\e")
    return rf"\&{escaped}" if escaped.startswith((".", "'")) else escaped


PARTS: dict[str, Callable[[], Iterable[str]]] = {
    "synopsis": synopsis_part,
    "options": options_part,
    "properties": properties_part,
}


def page() -> str:
    """Return the manual page with its generated parts as they should be now."""
    text = PAGE.read_text()
    for name, part in PARTS.items():
        begin, end = f'.\\" BEGIN {name}\n', f'.\\" END {name}\n'
        head, _, rest = text.partition(begin)
        _, _, tail = rest.partition(end)
        text = head + begin + "".join(f"{line}\n" for line in part()) + end + tail
    return text


def completions() -> dict[str, str]:
    """Return the completion scripts by the names of their files."""
    return {
        "chyves.bash": _with_whole_words(_by_click("bash")),
        "_chyves": _by_click("zsh"),
        # A list of guests has commas, and so have the lines that the program answers with.
        "chyves.fish": _by_click("fish").replace('string split ","', 'string split --max 1 ","'),
        "chyves.tcsh": tcsh(),
    }


def _by_click(shell: str) -> str:
    kind = get_completion_class(shell)
    assert kind
    script = kind(_root(), {}, "chyves", "_CHYVES_COMPLETE").source()
    return "\n".join(line.rstrip() for line in script.strip().splitlines()) + "\n"


WHOLE_WORDS = """
    local response

    # bash ends words at = and : as well, chyves does not.
    local line=${COMP_LINE:0:COMP_POINT} words whole
    IFS=$' \\t' read -ra words <<< "$line"
    [[ $line == *[[:blank:]] ]] && words+=('')
    whole=${words[-1]}
    local before=${whole%"${whole##*[=:]}"}
"""


def _with_whole_words(script: str) -> str:
    """Return the completion for bash, so that it works for ``:group`` and ``property=value``."""
    for old, new in (
        ("\n    local response\n", WHOLE_WORDS),
        (
            '"${COMP_WORDS[*]}" COMP_CWORD=$COMP_CWORD',
            '"${words[*]}" COMP_CWORD=$((${#words[@]} - 1))',
        ),
        (
            "COMPREPLY+=($value)",
            'COMPREPLY+=("${value#"$before"}")\n'
            "            [[ $value == *= ]] && compopt -o nospace",
        ),
    ):
        assert old in script
        script = script.replace(old, new)
    return script


def tcsh() -> str:
    """Return the completion for tcsh: the words of the tables, and the guests as they are."""
    top, verbs = " ".join(TOP_COMMANDS), " ".join(GUEST_VERBS)
    second = _second_words()
    lines = [
        "# SPDX-License-Identifier: BSD-2-Clause",
        "# source this file in ~/.tcshrc",
        "complete chyves \\",
        "    'n/--simulate/d/' \\",
        f"    'p@1@`echo all defaults global rcboot {top}; "
        f"{_names_in_tcsh('list')}; {_names_in_tcsh('list groups')} | sed s,^,:,`@' \\",
        *(f"    'n/{word}/({' '.join(words)})/' \\" for word, words in second.items()),
        f"    'n@start@`{_names_in_tcsh('list iso')}`@' \\",
        f"    'p/2/({verbs})/'",
    ]
    return "\n".join(lines) + "\n"


def _names_in_tcsh(command: str) -> str:
    """Return what lists names in tcsh, which has no redirection of the standard error alone."""
    return f'sh -c "chyves -q -H {command} 2>/dev/null" | cut -f 1'


def _second_words() -> dict[str, list[str]]:
    found: dict[str, set[str]] = {}
    for synopsis in synopses():
        words = synopsis.split()
        word, *rest = words if words[0] in TOP_COMMANDS else words[1:]
        for choice in "".join(rest[:1]).strip("[]").split("|"):
            if choice.isalpha():
                found.setdefault(word, set()).add(choice)
    return {word: sorted(choices) for word, choices in sorted(found.items())}


def main() -> int:
    PAGE.write_text(page())
    for name, script in completions().items():
        (COMPLETIONS / name).write_text(script)
    return 0


if __name__ == "__main__":
    sys.exit(main())
