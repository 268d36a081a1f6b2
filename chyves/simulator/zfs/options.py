# SPDX-License-Identifier: BSD-2-Clause
"""Options as getopt(3) and getopt_long(3) take them from a command line."""

from collections.abc import Iterator, Mapping

from chyves.simulator.zfs.errors import UsageError


class Options:
    """Iterates over ``(letter, argument)``; what is not an option is in ``rest`` afterwards.

    ``letters`` is a getopt string; with a leading colon a missing argument is told apart from an
    unknown option. Options end at the first word that is none, unless ``long`` options are
    allowed: getopt_long(3) finds options behind other words, too.
    """

    def __init__(
        self,
        words: list[str],
        letters: str,
        *,
        long: Mapping[str, str] | None = None,
        missing: str = "missing argument for '{}' option",
    ) -> None:
        self.rest: list[str] = []
        self._words = words
        self._letters = letters
        self._long = long
        self._missing = missing

    def __iter__(self) -> Iterator[tuple[str, str]]:
        words = iter(self._words)
        for word in words:
            if word == "--":
                self.rest += words
            elif word.startswith("--") and self._long is not None:
                yield self._long_option(word, words)
            elif word.startswith("-") and word != "-":
                yield from self._short_options(word[1:], words)
            elif self._long is not None:
                self.rest.append(word)
            else:
                self.rest += [word, *words]

    def _short_options(self, cluster: str, words: Iterator[str]) -> Iterator[tuple[str, str]]:
        while cluster:
            letter, cluster = cluster[0], cluster[1:]
            place = self._letters.lstrip(":").find(letter) if letter != ":" else -1
            if place < 0:
                raise UsageError(f"invalid option '{letter}'")
            if self._letters.lstrip(":")[place + 1 : place + 2] != ":":
                yield letter, ""
                continue
            argument = cluster or next(words, None)
            if argument is None:
                raise UsageError(self._complaint(letter))
            yield letter, argument
            return

    def _long_option(self, word: str, words: Iterator[str]) -> tuple[str, str]:
        name, given, argument = word[2:].partition("=")
        letter = (self._long or {}).get(name, "")
        if not letter:
            raise UsageError(f"invalid option '{word}'")
        if f"{letter}:" in self._letters and not given:
            following = next(words, None)
            if following is None:
                raise UsageError(f"missing argument for '{word}' option")
            argument = following
        return letter, argument

    def _complaint(self, letter: str) -> str:
        if self._letters.startswith(":"):
            return self._missing.format(letter)
        return f"invalid option '{letter}'"
