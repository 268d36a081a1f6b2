# SPDX-License-Identifier: BSD-2-Clause
"""Where bridges lead and which taps are on them, against what is there."""

import pytest

from chyves.errors import Busy, ChyvesError, Conflict, Invalid, NotFound, Precondition
from chyves.model.bridges import (
    attach,
    delete,
    importable,
    imported,
    join,
    make_default,
    make_private,
    migrate,
    unjoin,
)
from chyves.model.interfaces import Interface
from chyves.model.network import Associations, Change, Owners, Present
from tests.model.interfaces import EM0, bridge, host, lines, net, tap, undos

WEB = {"tap50": ["web"]}
OUT = net(bridge0_phy_attach="em0", bridge0_tap_members="tap50,tap51")
EPAIR = Interface("epair0a", up=True, groups=("epair",))
WLAN0 = Interface("wlan0", up=True, groups=("wlan",))


def now(
    *found: Interface,
    known: Associations | None = None,
    owners: Owners = WEB,
    bridged_addresses: bool = True,
) -> Present:
    return Present(known or net(), host(*found), owners, bridged_addresses)


class TestAttach:
    def test_a_new_bridge(self) -> None:
        change = attach("bridge0", "em1", now())
        assert change.globals == {"bridge0_phy_attach": "em1"}
        assert lines(change) == [
            "ifconfig bridge0 create description chyves-bridge",
            "ifconfig bridge0 addm em1",
            "ifconfig bridge0 up",
            "ifconfig em1 up",
        ]

    def test_the_uplink_before_is_taken_off(self) -> None:
        actual = bridge("bridge0", "em0", "tap50"), tap("tap50")
        change = attach("bridge0", "vlan7", now(*actual, known=OUT))
        assert lines(change) == ["ifconfig bridge0 deletem em0", "ifconfig bridge0 addm vlan7"]
        assert undos(change) == ["ifconfig bridge0 addm em0", "ifconfig bridge0 deletem vlan7"]

    def test_the_same_again_changes_nothing_on_the_host(self) -> None:
        change = attach("bridge0", "em0", now(bridge("bridge0", "em0"), known=OUT))
        assert change == Change(globals={"bridge0_phy_attach": "em0"})

    @pytest.mark.parametrize(
        ("uplink", "kind", "message"),
        [
            ("em9", NotFound, "no such interface: em9"),
            ("tap50", Invalid, "tap50 does not lead out"),
            ("lo0", Invalid, "lo0 does not lead out"),
            ("wlan0", Invalid, "wlan0 is a client of a wireless network"),
            ("em1", Conflict, "em1 is the uplink of bridge1"),
        ],
    )
    def test_what_cannot_be_an_uplink(
        self, uplink: str, kind: type[ChyvesError], message: str
    ) -> None:
        network = net(bridge0_phy_attach="em0", bridge1_phy_attach="em1")
        with pytest.raises(kind, match=message):
            attach("bridge0", uplink, now(tap("tap50"), WLAN0, known=network))


def test_a_private_bridge_keeps_no_uplink_not_even_a_vlan() -> None:
    present = now(bridge("bridge0", "em0", "vlan7", "epair0a", "tap50"), EPAIR, tap("tap50"))
    change = make_private("bridge0", present)
    assert change.globals == {"bridge0_phy_attach": "private"}
    assert lines(change) == ["ifconfig bridge0 deletem em0", "ifconfig bridge0 deletem vlan7"]


def test_an_access_point_and_a_jail_can_be_bridged() -> None:
    access_point = WLAN0._replace(is_access_point=True)
    for uplink in (access_point, EPAIR):
        change = attach("bridge0", uplink.name, now(uplink))
        assert change.globals == {"bridge0_phy_attach": uplink.name}


def test_an_epair_that_was_attached_is_taken_off_a_private_bridge() -> None:
    known = net(bridge0_phy_attach="epair0a")
    change = make_private("bridge0", now(bridge("bridge0", "epair0a"), EPAIR, known=known))
    assert lines(change) == ["ifconfig bridge0 deletem epair0a"]


def test_the_default_bridge_has_to_be_there() -> None:
    assert make_default("bridge0", now(known=OUT)) == Change(default="bridge0")
    assert make_default("bridge9", now(bridge("bridge9"))) == Change(default="bridge9")
    with pytest.raises(NotFound, match="no such bridge: bridge7") as refusal:
        make_default("bridge7", now(known=OUT))
    assert refusal.value.hint == "there are: bridge0; chyves network bridge7 private makes it"


class TestJoin:
    def test_taps_are_made_and_the_list_keeps_its_order(self) -> None:
        present = now(bridge("bridge0", "em0", mtu=9000), known=OUT)
        change = join("bridge0", ["tap5", "tap50"], present)
        assert change.globals == {"bridge0_tap_members": "tap50,tap51,tap5"}
        assert lines(change) == [
            "ifconfig tap5 create description chyves-tap",
            "ifconfig tap5 mtu 9000",
            "ifconfig bridge0 addm tap5",
            "ifconfig tap5 up",
            "ifconfig tap50 create description chyves-tap web",
            "ifconfig tap50 mtu 9000",
            "ifconfig bridge0 addm tap50",
            "ifconfig tap50 up",
        ]

    def test_a_tap_that_fell_off_while_its_guest_runs_is_put_back(self) -> None:
        present = now(bridge("bridge0", "em0"), tap("tap50", opened_by=7), known=OUT)
        assert lines(join("bridge0", ["tap50"], present)) == ["ifconfig bridge0 addm tap50"]

    def test_a_bridge_is_made(self) -> None:
        change = join("bridge3", ["tap5"], now())
        assert change.globals == {"bridge3_tap_members": "tap5"}
        assert lines(change)[0] == "ifconfig bridge3 create description chyves-bridge"

    def test_a_tap_is_on_one_bridge(self) -> None:
        with pytest.raises(Conflict, match="tap50 belongs to bridge0") as refusal:
            join("bridge1", ["tap50"], now(known=OUT))
        assert refusal.value.hint == "chyves network bridge0 unjoin tap50 comes first"
        with pytest.raises(Conflict, match="tap5 is a member of bridge9, not of bridge0"):
            join("bridge0", ["tap5"], now(bridge("bridge9", "tap5"), tap("tap5")))


class TestUnjoin:
    def test_only_the_tap_of_that_whole_name_goes(self) -> None:
        known = net(bridge0_tap_members="tap50,tap5,tap51")
        present = now(bridge("bridge0", "tap50", "tap5"), *map(tap, ("tap5", "tap50")), known=known)
        change = unjoin("bridge0", ["tap5"], present)
        assert change.globals == {"bridge0_tap_members": "tap50,tap51"}
        assert lines(change) == ["ifconfig bridge0 deletem tap5", "ifconfig tap5 destroy"]
        assert change.notes == ()

    def test_the_tap_of_a_guest_stays_on_the_host(self) -> None:
        present = now(bridge("bridge0", "em0", "tap50"), tap("tap50"), known=OUT)
        change = unjoin("bridge0", ["tap50"], present)
        assert lines(change) == ["ifconfig bridge0 deletem tap50"]
        assert change.notes == ("until tap50 is on a bridge again, web cannot start",)

    def test_a_tap_that_chyves_did_not_make_stays(self) -> None:
        present = now(bridge("bridge0", "tap51"), tap("tap51", ours=False), known=OUT)
        assert lines(unjoin("bridge0", ["tap51"], present)) == ["ifconfig bridge0 deletem tap51"]

    def test_a_tap_that_0_2_0_has_put_on_two_bridges_stays_on_the_other(self) -> None:
        known = net(bridge0_tap_members="tap51", bridge1_tap_members="tap51")
        present = now(bridge("bridge0", "tap51"), tap("tap51"), known=known)
        change = unjoin("bridge1", ["tap51"], present)
        assert change == Change(globals={"bridge1_tap_members": "-"})

    @pytest.mark.parametrize(
        ("name", "tap_name", "kind", "message"),
        [
            ("bridge0", "tap5", NotFound, "tap5 is not on bridge0"),
            ("bridge9", "tap50", NotFound, "no such bridge: bridge9"),
            ("bridge0", "tap50", Busy, "tap50 is open by process 7"),
        ],
    )
    def test_what_cannot_be_taken_off(
        self, name: str, tap_name: str, kind: type[ChyvesError], message: str
    ) -> None:
        present = now(bridge("bridge0", "tap50"), tap("tap50", opened_by=7), known=OUT)
        with pytest.raises(kind, match=message):
            unjoin(name, [tap_name], present)


class TestMigrate:
    def test_all_goes_and_nothing_of_the_other_is_lost(self) -> None:
        known = net(
            bridge0_phy_attach="em0",
            bridge0_tap_members="tap50,tap51",
            bridge1_tap_members="tap7",
        )
        present = now(
            bridge("bridge0", "em0", "tap50")._replace(description="chyves-bridge"),
            bridge("bridge1", "tap7"),
            *map(tap, ("tap50", "tap7")),
            known=known,
        )
        change = migrate("bridge0", "bridge1", present)
        assert change.globals == {
            "bridge1_phy_attach": "em0",
            "bridge1_tap_members": "tap7,tap50,tap51",
        }
        assert change.dropped == ("bridge0_phy_attach", "bridge0_tap_members")
        assert change.default == "bridge1"
        assert lines(change) == [
            "ifconfig bridge0 deletem tap50",
            "ifconfig bridge0 deletem em0",
            "ifconfig bridge1 addm em0",
            "ifconfig bridge1 addm tap50",
            "ifconfig bridge0 destroy",
        ]
        assert undos(change)[-1] == "ifconfig bridge0 create description chyves-bridge"

    def test_the_uplink_sets_the_mtu_of_a_new_bridge_and_of_its_taps(self) -> None:
        present = now(
            bridge("bridge0", "em0", "tap50", mtu=9000), tap("tap50", mtu=9000), known=OUT
        )
        present.actual["em0"] = EM0._replace(mtu=9000)  # type: ignore[index]
        change = migrate("bridge0", "bridge1", present)
        assert not any(" mtu " in line for line in lines(change))

    @pytest.mark.parametrize(
        ("found", "note"),
        [
            (bridge("bridge0", "em0", "epair0a"), "it has epair0a"),
            (bridge("bridge0", "em0")._replace(addresses=("10.0.0.1",)), "it has 10.0.0.1"),
        ],
    )
    def test_a_bridge_that_others_use_stays(self, found: Interface, note: str) -> None:
        ours = found._replace(description="chyves-bridge")
        change = migrate("bridge0", "bridge1", now(ours, EPAIR, known=OUT))
        assert change.notes == (f"bridge0 stays on the host as it is: {note}",)
        assert not any("destroy" in line for line in lines(change))

    def test_a_bridge_that_chyves_did_not_make_stays(self) -> None:
        change = migrate("bridge0", "bridge1", now(bridge("bridge0"), known=OUT))
        assert change.notes == ("bridge0 stays on the host: chyves did not make it",)

    def test_private_taps_go_out_when_the_bridge_named_leads_out(self) -> None:
        known = net(
            bridge1_phy_attach="private", bridge1_tap_members="tap7", bridge0_phy_attach="em0"
        )
        change = migrate("bridge1", "bridge0", now(known=known))
        assert change.globals == {"bridge0_phy_attach": "em0", "bridge0_tap_members": "tap7"}

    @pytest.mark.parametrize(
        ("new", "other", "kind", "message"),
        [
            ("bridge0", {}, Invalid, "bridge0 is the same bridge"),
            (
                "bridge1",
                {"bridge1_phy_attach": "em1"},
                Conflict,
                "bridge0 leads to em0, and bridge1 to em1",
            ),
            (
                "bridge1",
                {"bridge1_phy_attach": "private", "bridge1_tap_members": "tap7"},
                Conflict,
                "bridge1 is private, and bridge0 leads to em0",
            ),
        ],
    )
    def test_bridges_that_do_not_go_together(
        self, new: str, other: dict[str, str], kind: type[ChyvesError], message: str
    ) -> None:
        known = net(bridge0_phy_attach="em0", bridge0_tap_members="tap50", **other)
        with pytest.raises(kind, match=message) as refusal:
            migrate("bridge0", new, now(known=known))
        assert refusal.value.hint

    def test_a_tap_that_is_open_does_not_go(self) -> None:
        present = now(bridge("bridge0", "tap50"), tap("tap50", opened_by=7), known=OUT)
        with pytest.raises(Busy, match="tap50 is open by process 7"):
            migrate("bridge0", "bridge1", present)

    def test_freebsd_15_does_not_take_the_uplink_back_with_an_address(self) -> None:
        present = now(bridge("bridge0", "em0"), known=OUT, bridged_addresses=False)
        present.actual["em0"] = EM0._replace(addresses=("192.0.2.7",))  # type: ignore[index]
        with pytest.raises(Precondition, match="em0 has an IP address"):
            migrate("bridge0", "bridge1", present)


class TestDelete:
    def test_a_bridge_of_chyves(self) -> None:
        known = net(bridge3_phy_attach="em1")
        ours = bridge("bridge3", "em1")._replace(description="chyves-bridge")
        change = delete("bridge3", now(ours, known=known))
        assert change.dropped == ("bridge3_phy_attach", "bridge3_tap_members")
        assert lines(change) == ["ifconfig bridge3 deletem em1", "ifconfig bridge3 destroy"]

    @pytest.mark.parametrize(
        "found",
        [
            bridge("bridge3", "em1"),
            bridge("bridge3", "em1", "epair0a")._replace(description="chyves-bridge"),
        ],
    )
    def test_what_others_use_is_left_as_it_is(self, found: Interface) -> None:
        change = delete("bridge3", now(found, EPAIR, known=net(bridge3_phy_attach="em1")))
        assert change.steps == ()
        assert len(change.notes) == 1

    def test_what_is_needed_stays(self) -> None:
        with pytest.raises(Conflict, match="bridge0 has taps: tap50,tap51"):
            delete("bridge0", now(known=OUT))
        with pytest.raises(Conflict, match="bridge0 is the default bridge"):
            delete("bridge0", now(known=net(bridge0_phy_attach="em0")))
        with pytest.raises(NotFound, match="no such bridge: bridge9"):
            delete("bridge9", now(known=OUT))


class TestImport:
    def test_the_bridges_of_guests_and_those_that_are_known(self) -> None:
        present = now(
            bridge("bridge0", "em1"),
            bridge("bridge1", "tap50"),
            bridge("bridge2", "tap9"),
            bridge("lan", "tap51"),
            known=net(bridge0_phy_attach="em0"),
            owners={"tap50": ["web"], "tap51": ["db"], "vale0": ["db"]},
        )
        assert importable(present) == ["bridge0", "bridge1", "lan"]

    def test_what_the_host_shows_is_recorded(self) -> None:
        owners = {"tap50": ["web"], "tap5": ["db"]}
        present = now(
            bridge("bridge1", "epair0a", "tap5", "em1", "tap9", "tap50"),
            EPAIR,
            *map(tap, ("tap5", "tap50", "tap9")),
            known=net(bridge0_tap_members="tap50,tap51"),
            owners=owners,
        )
        change = imported("bridge1", present)
        assert change == Change(
            globals={
                "bridge1_phy_attach": "em1",
                "bridge1_tap_members": "tap50,tap5",
                "bridge0_tap_members": "tap51",
            }
        )

    def test_what_is_not_there_after_a_boot_stays_recorded(self) -> None:
        change = imported("bridge0", now(bridge("bridge0"), known=OUT))
        assert change.globals == {
            "bridge0_phy_attach": "em0",
            "bridge0_tap_members": "tap50,tap51",
        }

    def test_a_bridge_without_an_uplink_is_private(self) -> None:
        change = imported("bridge3", now(bridge("bridge3", "tap50"), tap("tap50")))
        assert change.globals["bridge3_phy_attach"] == "private"

    @pytest.mark.parametrize(
        ("found", "known", "kind", "message"),
        [
            (bridge("bridge1", "em0", "vlan7"), net(), Conflict, "leads out by em0 and vlan7"),
            (bridge("bridge1", "em0"), OUT, Conflict, "recorded as the uplink of bridge0"),
            (bridge("lan", "tap50"), net(), Invalid, "tap50 is on it, but chyves knows bridges by"),
            (bridge("bridge01", "tap50"), net(), Invalid, "chyves knows bridges by names like"),
        ],
    )
    def test_what_cannot_be_recorded(
        self, found: Interface, known: Associations, kind: type[ChyvesError], message: str
    ) -> None:
        with pytest.raises(kind, match=message) as refusal:
            imported(found.name, now(found, tap("tap50"), known=known))
        assert refusal.value.hint

    def test_of_two_uplinks_the_recorded_one_counts(self) -> None:
        change = imported("bridge0", now(bridge("bridge0", "vlan7", "em0"), known=OUT))
        assert change.globals["bridge0_phy_attach"] == "em0"
