# SPDX-License-Identifier: BSD-2-Clause
"""The snapshots of a guest: which of them a word means, and what goes when the guest goes back."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from chyves.errors import Busy, Conflict, NotFound
from chyves.model import kinds, layout

LIVE = "-LIVE-SYSTEM"
"""How snapshots end of a guest that ran."""

NOT_REVERTED = ("", "/.config", "/logs")
"""What of a guest does not go back when its disks do: its properties, which say so, and its log."""


class Snapshot(NamedTuple):
    """A snapshot; ``used`` in bytes, ``created`` in seconds since the epoch."""

    name: str
    used: int
    created: int
    holds: int
    clones: tuple[str, ...]

    @property
    def dataset(self) -> str:
        return self.name.partition("@")[0]

    @property
    def label(self) -> str:
        """The name behind the dataset's, with its ``@``."""
        return "@" + self.name.partition("@")[2]


class Rollback(NamedTuple):
    """What a guest goes back to, properties last; the newer snapshots that are ``lost`` with that;
    and ``orphans``, of datasets that are newer themselves, which would be left of those."""

    targets: tuple[Snapshot, ...]
    lost: tuple[Snapshot, ...]
    orphans: tuple[Snapshot, ...]


class History(NamedTuple):
    """The snapshots of ``guest``, of all its datasets at and below ``root``: by dataset, the oldest
    first."""

    guest: str
    root: str
    taken: tuple[Snapshot, ...]

    @property
    def labels(self) -> list[str]:
        """The names of the snapshots of the guest as a whole, the oldest first."""
        return [snapshot.label for snapshot in self.taken if snapshot.dataset == self.root]

    @property
    def newest(self) -> str:
        """The newest that is not just there for clones; empty if there is none."""
        return layout.newest_label(self.labels)

    def label(self, label: str) -> str:
        """Return the label that was given if the guest has it, or its newest one; one that is only
        there for clones has to be named. Raises NotFound, Invalid."""
        if not (self.labels if label else self.newest):
            raise NotFound(
                f"{self.guest} has no snapshots", hint=f"chyves {self.guest} snapshot takes one"
            )
        if not label:
            return self.newest
        if kinds.snapshot_label(label) not in self.labels:
            raise self._unknown(label, self.labels)
        return label

    def named(self, words: str) -> list[Snapshot]:
        """Return the snapshots that one word, or several with commas between, name: ``@a``, which a
        disk may have alone, or ``@a%b``, ``@a%``, ``@%b`` or ``@%`` of the guest as a whole. Behind
        the first an ``@`` may be left out. Raises Invalid, NotFound."""
        if not words.startswith("@"):
            kinds.snapshot_label(words)
        labels: set[str] = set()
        for word in words.split(","):
            labels |= set(self._range(word) if "%" in word else [self._one(word)])
        return [snapshot for snapshot in self.taken if snapshot.label in labels]

    def _one(self, name: str) -> str:
        label, known = _label(name), [snapshot.label for snapshot in self.taken]
        if kinds.snapshot_label(label) not in known:
            raise self._unknown(label, known)
        return label

    def _range(self, word: str) -> list[str]:
        labels = self.labels
        first, _, last = (end and _label(end) for end in word.removeprefix("@").partition("%"))
        for end in filter(None, (first, last)):
            if kinds.snapshot_label(end) not in labels:
                raise self._unknown(end, labels)
        low = labels.index(first) if first else 0
        high = labels.index(last) if last else len(labels) - 1
        if not labels[low : high + 1]:
            raise NotFound(
                f"no snapshots of {self.guest} in @{word.removeprefix('@')}",
                hint=f"chyves {self.guest} snapshot list",
            )
        return labels[low : high + 1]

    def _unknown(self, label: str, known: Sequence[str]) -> NotFound:
        live = f"{label}{LIVE}"
        hint = f"chyves {self.guest} snapshot list"
        if live in known:
            hint = f"there is {live}: it ran"
        return NotFound(f"no such snapshot: {self.guest}{label}", hint=hint)

    def rollback(self, label: str) -> Rollback:
        """Return what rolling the guest back to one of its ``labels`` means.

        Raises Conflict or Busy if a snapshot that goes with that has clones or is held.
        """
        labels = self.labels
        gone = labels[labels.index(label) + 1 :]
        targets, lost, orphans = [], [], []
        for own in by_dataset(self.taken).values():
            place = _place(own, label)
            if place is None:
                orphans += [snapshot for snapshot in own if snapshot.label in gone]
                continue
            targets.append(own[place])
            lost += own[place + 1 :]
        refuse_needed([*lost, *orphans])
        targets.sort(key=lambda snapshot: snapshot.dataset == f"{self.root}/.config")
        return Rollback(tuple(targets), tuple(lost), tuple(orphans))

    def reversion(self, label: str) -> list[str]:
        """Return the snapshots ``label`` of the disks; one that was added since is left as it is.
        Raises Conflict if newer ones would be lost."""
        targets = []
        for dataset, own in by_dataset(self.taken).items():
            place = _place(own, label)
            if place is None or dataset.removeprefix(self.root) in NOT_REVERTED:
                continue
            if newer := own[place + 1 :]:
                names = ", ".join(snapshot.label for snapshot in newer)
                raise Conflict(
                    f"{dataset} has snapshots newer than {label}: {names}",
                    hint="delete them, or let revert_to_snapshot name the newest",
                )
            targets.append(own[place].name)
        return targets


def _label(name: str) -> str:
    return name if name.startswith("@") else f"@{name}"


def by_dataset(taken: Iterable[Snapshot]) -> dict[str, list[Snapshot]]:
    """Return snapshots by their datasets, in the same order."""
    found: dict[str, list[Snapshot]] = {}
    for snapshot in taken:
        found.setdefault(snapshot.dataset, []).append(snapshot)
    return found


def refuse_needed(doomed: Sequence[Snapshot]) -> None:
    """Raise Conflict if one of the snapshots has clones, Busy if one is held."""
    needed = [snapshot for snapshot in doomed if snapshot.clones]
    if needed:
        cloned = (f"{one.name} has clones: {', '.join(one.clones)}" for one in needed)
        raise Conflict("; ".join(cloned), hint="delete the clones first")
    refuse_held(doomed)


def refuse_held(doomed: Sequence[Snapshot]) -> None:
    """Raise Busy if one of the snapshots is held."""
    held = [snapshot.name for snapshot in doomed if snapshot.holds]
    if held:
        said = f"{' and '.join(held)} {'is' if len(held) == 1 else 'are'} held"
        raise Busy(said, hint=f"zfs holds {held[0]}")


def _place(own: Sequence[Snapshot], label: str) -> int | None:
    """Return where a label is among the snapshots of a dataset; None if it has none of it."""
    return next((place for place, one in enumerate(own) if one.label == label), None)
