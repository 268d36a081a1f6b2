# SPDX-License-Identifier: BSD-2-Clause
"""What an older version lacks, decided without a host."""

import pytest

from chyves.errors import Precondition
from chyves.model import layout
from chyves.model.properties import Scope, find
from chyves.model.upgrades import (
    GUEST_STEPS,
    POOL_STEPS,
    guest_steps,
    pool_steps,
    upgrade_guest,
    upgrade_primary,
)

NEW_DEFAULTS = {
    "bhyve_net_type": "virtio-net",
    "revert_to_snapshot": "",
    "revert_to_snapshot_method": "off",
    "bhyveload_flags": "",
    "bhyve_disk_type": "ahci-hd",
}
DEFAULTS = {**NEW_DEFAULTS, "bargs": "-A -H -P -S", "bhyve_disk_type": "virtio-blk"}
FREEBSD_10_2, FREEBSD_13 = 1002000, 1302001


def test_chains_lead_from_step_to_step_to_the_newest_version() -> None:
    for chain, newest in (
        (POOL_STEPS, layout.DATASET_VERSION),
        (GUEST_STEPS, layout.GUEST_VERSION),
    ):
        assert [step.old for step in chain[1:]] == [step.new for step in chain[:-1]]
        assert chain[-1].new == newest


def test_steps_add_only_properties_that_there_are_and_valid_values() -> None:
    for step in POOL_STEPS:
        for scope, values in ((Scope.DEFAULTS, step.defaults), (Scope.GLOBAL, step.globals)):
            for name, value in values.items():
                row = find(name, scope)
                assert row
                assert row.kind.parse(value) == value
    defaults = {name for step in POOL_STEPS for name in step.defaults}
    assert {name for step in GUEST_STEPS for name in step.names} == defaults


@pytest.mark.parametrize(
    ("version", "added", "global_"),
    [
        ("0001", set(NEW_DEFAULTS), True),
        ("0002", set(NEW_DEFAULTS) - {"bhyve_net_type"}, True),
        ("0003", {"bhyveload_flags", "bhyve_disk_type"}, True),
        ("0004", {"bhyveload_flags", "bhyve_disk_type"}, False),
        ("0005", set(), False),
    ],
)
def test_primary_pool_gets_what_came_after_its_version(
    version: str, added: set[str], global_: bool
) -> None:
    wanted = upgrade_primary(version, {"bargs": "-A -H -P -S"}, {}, FREEBSD_13)
    assert wanted.defaults == {name: NEW_DEFAULTS[name] for name in added}
    assert wanted.globals == ({"eject_iso_on_n_reboot": "1"} if global_ else {})
    assert wanted.notes == ()


def test_values_that_are_there_stay() -> None:
    defaults = dict.fromkeys(NEW_DEFAULTS, "mine")
    wanted = upgrade_primary("0001", defaults, {"eject_iso_on_n_reboot": "0"}, FREEBSD_10_2)
    assert (wanted.defaults, wanted.globals) == ({}, {})
    guest = {"chyves_guest_version": "0100", "bargs": "-A -H", **defaults}
    assert upgrade_guest(guest, DEFAULTS).values == {"chyves_guest_version": "0300"}


@pytest.mark.parametrize(
    ("bargs", "osreldate", "becomes", "noted"),
    [
        ("-A -H -P", FREEBSD_13, "-A -H -P -S", True),
        ("-A -H -P", FREEBSD_10_2, None, False),
        ("-A -H", FREEBSD_13, None, True),
        ("-A -S", FREEBSD_13, None, False),
    ],
)
def test_memory_is_wired_where_nobody_chose_otherwise(
    bargs: str, osreldate: int, becomes: str | None, noted: bool
) -> None:
    wanted = upgrade_primary("0002", {"bargs": bargs}, {}, osreldate)
    assert wanted.defaults.get("bargs") == becomes
    assert bool(wanted.notes) == noted
    later = upgrade_primary("0003", {"bargs": bargs}, {}, osreldate)
    assert "bargs" not in later.defaults
    assert later.notes == ()


@pytest.mark.parametrize(
    ("version", "names", "shows"),
    [
        ("0100", {*NEW_DEFAULTS, "bargs"}, True),
        ("0101", {*NEW_DEFAULTS, "bargs"} - {"bhyve_net_type"}, True),
        ("0102", {"bhyveload_flags", "bhyve_disk_type"}, True),
        ("0200", {"bhyveload_flags", "bhyve_disk_type"}, False),
        ("0201", {"bhyveload_flags", "bhyve_disk_type"}, False),
        ("0202", {"bhyve_disk_type"}, False),
    ],
)
def test_guest_gets_what_came_after_its_version_from_the_defaults(
    version: str, names: set[str], shows: bool
) -> None:
    wanted = upgrade_guest({"chyves_guest_version": version, "bargs": "-A -H -P"}, DEFAULTS)
    expected = {name: DEFAULTS[name] for name in names}
    assert wanted.values == {**expected, "chyves_guest_version": "0300"}
    assert list(wanted.values)[-1] == "chyves_guest_version"
    assert wanted.shows_snapshots == shows


def test_guest_of_the_newest_version_needs_nothing() -> None:
    assert upgrade_guest({"chyves_guest_version": "0300"}, DEFAULTS) == ({}, False)


def test_empty_value_that_chyves_0_2_0_has_left_is_none() -> None:
    guest = {"chyves_guest_version": "0100", "bhyve_net_type": "", "bhyveload_flags": ""}
    values = upgrade_guest(guest, {**DEFAULTS, "bhyveload_flags": "-x"}).values
    assert values["bhyve_net_type"] == "virtio-net"
    assert "bhyveload_flags" not in values


def test_guest_needs_no_defaults() -> None:
    values = upgrade_guest({"chyves_guest_version": "0100", "bargs": "-A -H -P"}, {}).values
    assert values == {**NEW_DEFAULTS, "chyves_guest_version": "0300"}


@pytest.mark.parametrize("steps", [pool_steps, guest_steps])
@pytest.mark.parametrize(
    ("version", "complaint"),
    [
        ("9999", "it is of version 9999, newer than 0"),
        ("0000", "there has never been a version 0000"),
        ("5", "there has never been a version 5"),
        ("", "it has no version"),
    ],
)
def test_unknown_and_newer_versions_are_refused(
    steps: type[object], version: str, complaint: str
) -> None:
    with pytest.raises(Precondition) as refused:
        steps(version)  # type: ignore[call-arg]
    assert refused.value.message.startswith(complaint)
    assert refused.value.hint
