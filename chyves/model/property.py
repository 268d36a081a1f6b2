# SPDX-License-Identifier: BSD-2-Clause
"""What a property is: one row of the table."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from chyves.model.kinds import Kind


class Scope(StrEnum):
    """Whose property it is; each scope has its own file."""

    POOL = "pool"
    GLOBAL = "global"
    DEFAULTS = "defaults"
    GUEST = "guest"


class Effect(StrEnum):
    """What else happens when a property is set."""

    FILL_UEFI = "uefi adds the uefi_ properties that the guest lacks, from the defaults"
    FILL_VNC = "vnc adds the uefi_vnc_ properties that the guest lacks, with the next free port"
    READ_ONLY = "yes makes the guest's datasets read-only, no makes them writable again"


@dataclass(frozen=True)
class Property:
    """One row of the table.

    ``name`` may contain ``{n}``, a number. ``initial`` has the scopes of the property, each with
    what is written when the file is made, or None if it is not written then. ``managed`` says what
    changes a property that nobody sets by hand. ``stopped`` tells that it is not changed while the
    guest runs.
    """

    name: str
    kind: Kind
    help: str
    initial: Mapping[Scope, str | None]
    managed: str = ""
    effect: Effect | None = None
    stopped: bool = False

    def may_be_unset(self, scope: Scope) -> bool:
        """Tell whether files of that scope do without it: a new one has no line for it."""
        return self.initial.get(scope, "") is None and not self.managed
