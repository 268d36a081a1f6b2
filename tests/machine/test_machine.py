# SPDX-License-Identifier: BSD-2-Clause
"""Random sequences of verbs, compared after each with a plain dictionary.

``pytest --hypothesis-profile=long --timeout=0 tests/machine`` tries many more, other ones each
time, and looks for the shortest sequence that fails.
"""

from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import initialize

from tests.machine.base import MIB, Disk, Guest
from tests.machine.guests import Disks, Guests, Values
from tests.machine.network import Network
from tests.machine.pools import Media, Pools
from tests.machine.snapshots import Snapshots


class Verbs(Guests, Values, Disks, Snapshots, Network, Pools, Media):
    """All rules on one host, with a guest to begin with."""

    @initialize()
    def begin(self) -> None:
        self.does("dataset pool2 install")
        self.pools["pool2"] = "secondary"
        self.does("web create 1M tank")
        self.guests["web"] = Guest("tank", self.properties("web"), {"disk0": Disk(MIB)})


SHORT = settings(
    max_examples=10,
    stateful_step_count=40,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
)
LONG = settings(max_examples=400, stateful_step_count=60)

TestVerbs = Verbs.TestCase
TestVerbs.settings = settings(
    LONG if settings.get_current_profile_name() == "long" else SHORT,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
