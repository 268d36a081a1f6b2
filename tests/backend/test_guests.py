# SPDX-License-Identifier: BSD-2-Clause
"""What a guest is doing, as the commands ask it."""

import pytest

from chyves.backend.guests import Status


@pytest.mark.parametrize(
    ("phase", "bhyve", "is_coming"),
    [
        ("starting", 0, True),
        ("loading", 7, True),
        ("restarting", 0, True),
        ("starting", 7, True),
        ("running", 7, False),
        ("unsupervised", 7, False),
        ("ending", 0, False),
    ],
)
def test_a_guest_is_coming_until_its_bhyve_has_opened_its_devices(
    phase: str, bhyve: int, is_coming: bool
) -> None:
    """Who starts it meanwhile takes no other pid for that of bhyve."""
    assert Status(phase, has_vm=True, supervisor=5, bhyve=bhyve).is_coming is is_coming
