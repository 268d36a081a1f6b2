# SPDX-License-Identifier: BSD-2-Clause
"""What chyves 0.2.0 does not know of what it may find on a pool is in the manual page."""

import re

from chyves.model.properties import Scope, properties_of
from tests.packaging.test_manual import section
from tests.tools import CHECKOUT

KNOWN = (CHECKOUT / "tests/data/chyves-0.2.0/properties.txt").read_text().split()


def test_the_manual_names_each_property_that_0_2_0_does_not_know() -> None:
    written = {one.name for scope in Scope for one in properties_of(scope)}
    assert set(KNOWN) <= written, "each property of 0.2.0 is still one"
    listed = section("COMPATIBILITY").partition(" on the same pool, does not know the properties\n")
    text = listed[2].partition("and leaves them as they are")[0]
    told = re.findall(r"[a-z0-9_{}]{3,}", re.sub(r"^\.Cm|^and$", "", text, flags=re.MULTILINE))
    assert sorted(told) == sorted(written - set(KNOWN))
