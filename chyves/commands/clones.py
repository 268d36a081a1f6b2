# SPDX-License-Identifier: BSD-2-Clause
"""``list clones``: which guests are clones of which, as a tree."""

from typing import Any

from chyves.app import App
from chyves.model import family

INDENT = "   "
"""Of each generation, as chyves 0.2.0 had it."""


def list_clones(app: App, _: str) -> None:
    """Show the guests that others are cloned from, and their clones below them."""
    datasets = app.inventory.datasets.values()
    known = family.links((one.name, one.origin) for one in datasets if one.origin)
    trees = family.trees(known)
    app.report.data = [_as_data(tree) for tree in trees]
    indent = INDENT if app.output.headers else ""
    found = [
        (indent * depth + link.guest, link.parent, link.snapshot)
        for tree in trees
        for depth, link in family.rows(tree)
    ]
    app.output.table(("Guest", "Clone of", "Snapshot"), found)


def _as_data(branch: family.Branch) -> dict[str, Any]:
    return {
        "name": branch.name,
        "snapshot": branch.snapshot or None,
        "clones": [_as_data(clone) for clone in branch.clones],
    }
