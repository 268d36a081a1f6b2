# SPDX-License-Identifier: BSD-2-Clause
"""The contract is no empty one: each of these errors, put into the simulated zfs, breaks it."""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

HERE = Path(__file__).parents[2]


class Mistake(NamedTuple):
    """A piece of a file of the simulated zfs, what is put in its place, and where that shows."""

    file: str
    right: str
    wrong: str
    scenario: str


MISTAKES = {
    "a wrong exit code of set": Mistake(
        "changing.py", "else (255, 0)", "else (1, 0)", "user_properties_that_are_refused"
    ),
    "a wrong exit code of what is set and not mounted": Mistake(
        "changing.py", "else (255, 0)", "else (255, 1)", "new_names_on_a_pool_that_is_full"
    ),
    "a wrong exit code of what is renamed and not mounted": Mistake(
        "renaming.py",
        "release.major <= 13",
        "release.major <= 14",
        "new_names_on_a_pool_that_is_full",
    ),
    "a wrong exit code of an unknown option": Mistake(
        "zfs.py",
        "io.err(usage.of_command(major, word))\n        return 2",
        "io.err(usage.of_command(major, word))\n        return 1",
        "lists_that_fail",
    ),
    "another word in a message": Mistake(
        "destroying.py", "has dependent clones", "has clones", "what_is_cloned"
    ),
    "a complaint in the wrong stream": Mistake(
        "zfs.py", "io.err(refused.message)", "io.out(refused.message)", "what_cannot_be_created"
    ),
    "children do not keep a dataset from being destroyed": Mistake(
        "destroying.py",
        "if below and not wish.recursive",
        "if below and wish.dry",
        "what_has_children",
    ),
    "newer snapshots do not stop a rollback": Mistake(
        "rollingback.py", "if newer and not recursive", "if False", "past_newer_snapshots"
    ),
    "an open volume is destroyed": Mistake(
        "nodes.py",
        "return bool(holders(datasets.world, device(name)))",
        "return False",
        "destroying_an_open_volume",
    ),
    "a held snapshot is destroyed": Mistake(
        "destroying.py", 'if datasets[snapshot].get("holds"):', "if False:", "holds"
    ),
    "another reason to refuse a rename": Mistake(
        "renaming.py",
        """cannot rename '{old}': dataset already exists""",
        """cannot rename '{old}': it is busy""",
        "renames_that_are_refused",
    ),
    "a thick volume reserves nothing": Mistake(
        "creating.py", "if not wish.sparse and", "if wish.sparse and", "thick_and_sparse_volumes"
    ),
    "a rollback leaves the bytes": Mistake(
        "rollingback.py", "    moves.move(staged, place)", "", "to_the_newest_snapshot"
    ),
    "promotion takes newer snapshots along": Mistake(
        "promoting.py", "taken[: taken.index(origin) + 1]", "taken", "promotion"
    ),
    "a quota is no limit": Mistake(
        "space.py", "if quota else room", "if False else room", "quotas"
    ),
    "a recursive snapshot leaves out what is below": Mistake(
        "snapshots.py",
        "datasets.tree(name) if recursive else [name]",
        "[name]",
        "one_and_many_at_once",
    ),
    "a usage that is none": Mistake(
        "usage.py",
        'lines = ["usage:", *commands(major)[command]]',
        'lines = ["usage:", "nonsense"]',
        "what_cannot_be_created",
    ),
    "a word that is not known is not said": Mistake(
        "listing.py", "word if major >= 14 else '(null)'", "'(null)'", "lists_that_fail"
    ),
    "complaints in another order": Mistake(
        "holding.py",
        """    for complaint in complaints:
        io.err(complaint)
    return 1 if complaints else 0


def _find""",
        """    for complaint in reversed(complaints):
        io.err(complaint)
    return 1 if complaints else 0


def _find""",
        "holds_that_are_refused",
    ),
    "a node for a volume without": Mistake(
        "nodes.py", 'if mode(datasets, name) == "none" or', "if", "volmode_of_their_own"
    ),
    "a node for a volume with its own volmode": Mistake(
        "nodes.py", "if mode(datasets, name) != inherited:", "if False:", "volmode_of_their_own"
    ),
    "a hold more than there are": Mistake(
        "reading.py",
        """str(len(datasets[name].get("holds", ())))""",
        """str(len(datasets[name].get("holds", ())) + 1)""",
        "holds",
    ),
    "a snapshot of another time": Mistake(
        "reading.py", 'str(datasets[name]["creation"])', '"1700000000"', "what_is_on_a_pool"
    ),
    "a snapshot that took nothing": Mistake(
        "reading.py",
        "lambda name: str(self.space.written(name))",
        'lambda name: "5"',
        "what_snapshots_and_writes_take",
    ),
    "a MiB more than is used": Mistake(
        "reading.py",
        "lambda name: str(self.space.used(name))",
        "lambda name: str(self.space.used(name) + (1 << 20))",
        "what_is_on_a_pool",
    ),
    "a full pool has room for a folder": Mistake(
        "mounting.py",
        "available(datasets, name) < _FOLDER",
        "available(datasets, name) < 0",
        "new_names_on_a_pool_that_is_full",
    ),
    "sizes are not rounded up": Mistake(
        "creating.py", "-(-size // block) * block", "size", "thick_and_sparse_volumes"
    ),
    "no size of what would be sent": Mistake(
        "sending.py", 'if letters & {"v", "P", "V"}:', "if False:", "how_a_guest_is_looked_at"
    ),
    "everything was made at once": Mistake(
        "reading.py",
        """lambda name: str(datasets[name]["createtxg"]),""",
        """lambda name: "5",""",
        "how_a_guest_is_looked_at",
    ),
    "nothing is referenced": Mistake(
        "reading.py",
        "lambda name: str(self.space.referenced(name)),",
        'lambda name: "0",',
        "how_a_guest_is_looked_at",
    ),
    "a pool has nothing free": Mistake(
        "poolview.py", "else size - used", "else 0", "how_a_guest_is_looked_at"
    ),
    "a copy comes without properties": Mistake(
        "sending.py", 'bool(letters & {"p", "b"})', "False", "how_a_guest_is_copied"
    ),
    "nothing is left out of a copy": Mistake(
        "settling.py",
        'elif key in received and key not in record["local"]:',
        "elif False:",
        "how_a_guest_is_copied",
    ),
    "what has a file open is unmounted": Mistake(
        "mounting.py",
        "(not force and is_busy(datasets, path))",
        "False",
        "what_has_a_file_open",
    ),
    "a folder that is not empty is mounted on": Mistake(
        "mounting.py", 'value(name, "overlay") == "off"', "major < 0", "where_something_is_already"
    ),
    "what is mounted nowhere takes all below it down": Mistake(
        "renaming.py", "keep_mounts = True", "pass", "what_is_mounted_nowhere"
    ),
    "a dataset goes to another pool by its name": Mistake(
        "renaming.py",
        "if names.pool_of(old) != names.pool_of(new):",
        "if False:",
        "on_two_pools",
    ),
    "a snapshot that was cloned is destroyed": Mistake(
        "destroying.py",
        "if datasets.clones(snapshot):\n        return",
        "if False:\n        return",
        "what_has_a_file_open",
    ),
    "a clone is overwritten": Mistake(
        "receiving.py", 'if "origin" in datasets[name]:', "if False:", "what_cannot_be_received"
    ),
    "a thick volume needs no room for its snapshot": Mistake(
        "snapshots.py",
        "needed = min(reserved, space.written(name)) if reserved else 0",
        "needed = 0",
        "into_a_pool_that_is_full",
    ),
    "a full pool takes more": Mistake(
        "writing.py", "else errno.ENOSPC", "else 0", "into_a_pool_that_is_full"
    ),
    "more is written than a quota allows": Mistake(
        "writing.py", "if quota and used >= quota:", "if False:", "past_a_quota"
    ),
    "a volume that is read-only is written to": Mistake(
        "writing.py", """== "on":""", """== "never":""", "to_what_is_read_only"
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES.values(), ids=list(MISTAKES))
def test_a_mistake_in_the_simulated_zfs_breaks_the_contract(
    mistake: Mistake, tmp_path: Path
) -> None:
    for package in ("chyves", "tests/lab/contract"):
        shutil.copytree(HERE / package, tmp_path / package)
    for package in ("tests", "tests/lab"):
        shutil.copy(HERE / package / "__init__.py", tmp_path / package)
    source = tmp_path / "chyves" / "simulator" / "zfs" / mistake.file
    text = source.read_text()
    assert text.count(mistake.right) == 1
    source.write_text(text.replace(mistake.right, mistake.wrong))
    compare = [sys.executable, "-m", "tests.lab.contract", mistake.scenario]
    done = subprocess.run(compare, cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    assert done.returncode == 1
    assert re.search(r"^[1-9]\d* answers differ$", done.stdout, re.MULTILINE)
