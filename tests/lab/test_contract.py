# SPDX-License-Identifier: BSD-2-Clause
"""The simulated zfs answers as a real one has answered (docs/lab.md tells how it was asked)."""

import re

import pytest

from tests.lab.contract.compare import REAL, disagreements, load_recorded, simulate
from tests.lab.contract.differences import DIFFERENCES, Difference
from tests.lab.contract.scenarios import SCENARIOS


@pytest.mark.parametrize("openzfs", REAL.values())
def test_every_scenario_was_put_to_the_real_one(openzfs: str) -> None:
    assert list(load_recorded(openzfs)) == list(SCENARIOS)


@pytest.mark.parametrize("freebsd", REAL)
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_the_simulated_zfs_answers_as_the_real_one(scenario: str, freebsd: str) -> None:
    real = load_recorded(REAL[freebsd])[scenario]
    assert not list(disagreements(real, simulate(scenario, freebsd), freebsd))


@pytest.mark.parametrize("difference", DIFFERENCES, ids=lambda difference: difference.what)
def test_each_difference_from_freebsd_has_been_met(difference: Difference) -> None:
    for release in difference.releases:
        steps = [step for each in load_recorded(REAL[release]).values() for step in each]
        assert any(
            re.fullmatch(difference.act, step.act, re.DOTALL)
            and re.search(difference.pattern, step.out + step.err)
            for step in steps
        )
