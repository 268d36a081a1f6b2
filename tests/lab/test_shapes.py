# SPDX-License-Identifier: BSD-2-Clause
"""All that chyves asks of zfs and zpool is in the contract: the tests of the command line ask for
nothing else (tests/cli/conftest.py), or fail."""

import pytest

from tests.lab.shapes import check, shape


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("zfs list -Hp -o name,used tank", "zfs list -H -o=name,used -p NAMES"),
        ("zfs list -oname -ttype", "zfs list -o=name -t=type"),
        ("zfs get -H -o value readonly a b", "zfs get -H -o=value readonly NAMES"),
        ("zfs create -o x:y=1 -s -V 1G tank/v", "zfs create -V= -o= -s NAMES"),
        ("zfs receive -u -x a -x b tank/c", "zfs receive -u -x= NAMES"),
        ("zfs set readonly=on tank/v", "zfs set NAMES"),
        ("zpool list", "zpool list"),
    ],
)
def test_a_shape_is_a_command_without_what_it_is_about(line: str, wanted: str) -> None:
    assert shape(line.split()) == wanted


@pytest.mark.parametrize(
    "line",
    [
        "zfs list -H -p -o name,volsize tank",
        "zfs get -H -p -o value,source available tank",
        "zfs send -n -P -p -c tank@a",
        "zpool list -H -o name",
    ],
)
def test_another_form_is_in_no_scenario(line: str) -> None:
    with pytest.raises(AssertionError, match="no scenario of tests/lab/contract has"):
        check(line.split())
