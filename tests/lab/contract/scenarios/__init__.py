# SPDX-License-Identifier: BSD-2-Clause
"""The scenarios: each begins with an empty pool, and ends with a look at what is there."""

from collections.abc import Callable, Mapping
from types import ModuleType

from tests.lab.contract.scenarios import (
    datasets,
    destroying,
    forms,
    listing,
    properties,
    refusals,
    renaming,
    resuming,
    rollback,
    snapshots,
    space,
    streams,
    writing,
)
from tests.lab.contract.session import Session

Scenario = Callable[[Session], None]


def _of(module: ModuleType) -> dict[str, Scenario]:
    return {
        name: value
        for name, value in vars(module).items()
        if not name.startswith("_") and getattr(value, "__module__", "") == module.__name__
    }


SCENARIOS: Mapping[str, Scenario] = {
    name: scenario
    for module in (
        *(datasets, properties, listing, snapshots, rollback),
        *(renaming, destroying, space, streams, resuming),
        *(forms, writing, refusals),
    )
    for name, scenario in _of(module).items()
}
