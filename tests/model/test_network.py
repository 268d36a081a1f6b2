# SPDX-License-Identifier: BSD-2-Clause
"""What is wanted of bridges and taps, against what is there."""

from collections.abc import Mapping

import pytest

from chyves.errors import Busy, ChyvesError, Conflict, NotFound, Precondition
from chyves.model.interfaces import Interface
from chyves.model.network import (
    Bridge,
    Change,
    add_tap,
    add_vale,
    associations,
    remove_interfaces,
    start_guest,
    start_guest_on_system_network,
)
from tests.model.interfaces import EM0, LO0, bridge, host, lines, net, tap, undos

WEB = {"tap50": ["web"]}
OUT = net(bridge0_phy_attach="em0", bridge0_tap_members="tap50,tap51")
START_ON_FRESH_HOST = [
    "ifconfig bridge0 create description chyves-bridge",
    "ifconfig bridge0 addm em0",
    "ifconfig bridge0 up",
    "ifconfig tap50 create description chyves-tap web",
    "ifconfig bridge0 addm tap50",
    "ifconfig tap50 up",
]


def test_associations_are_read_from_the_global_properties() -> None:
    found = associations(
        {
            "bridge10_phy_attach": "private",
            "bridge2_tap_members": "-",
            "bridge0_phy_attach": "em0",
            "bridge0_tap_members": "tap50,tap5",
            "bridge0_phy_attachment": "em9",
            "tap_start_offset": "50",
        },
        "bridge10",
    )
    assert list(found.bridges) == ["bridge0", "bridge2", "bridge10"]
    assert found.bridge("bridge0") == Bridge("bridge0", "em0", ("tap50", "tap5"))
    assert found.bridge("bridge2") == Bridge("bridge2")
    assert found.bridge("bridge10") == Bridge("bridge10", "private")
    assert found.bridge("bridge7") == Bridge("bridge7")
    assert found.default == "bridge10"
    assert net().default == "bridge0"


def test_a_tap_is_found_by_its_whole_name() -> None:
    network = net(bridge0_tap_members="tap50,tap51", bridge1_tap_members="tap5")
    assert network.bridge_of("tap5", "web").name == "bridge1"
    with pytest.raises(Precondition, match="tap500 of web belongs to no bridge"):
        network.bridge_of("tap500", "web")


def test_a_tap_on_two_bridges_is_refused() -> None:
    network = net(bridge0_tap_members="tap50", bridge1_tap_members="tap50")
    with pytest.raises(Conflict, match="tap50 of web belongs to bridge0 and bridge1"):
        start_guest("web", ["tap50"], network, host())


class TestStart:
    def test_on_a_fresh_host_everything_is_made(self) -> None:
        change = start_guest("web", ["tap50"], OUT, host())
        assert lines(change) == START_ON_FRESH_HOST
        assert undos(change) == [
            "ifconfig bridge0 destroy",
            "ifconfig bridge0 deletem em0",
            "",
            "ifconfig tap50 destroy",
            "ifconfig bridge0 deletem tap50",
            "",
        ]
        assert change.notes == ()

    def test_a_second_tap_joins_what_the_first_made(self) -> None:
        change = start_guest("web", ["tap50", "tap51"], OUT, host())
        assert lines(change) == [
            *START_ON_FRESH_HOST,
            "ifconfig tap51 create description chyves-tap web",
            "ifconfig bridge0 addm tap51",
            "ifconfig tap51 up",
        ]

    def test_nothing_is_done_twice(self) -> None:
        ready = host(bridge("bridge0", "em0", "tap50"), tap("tap50"))
        assert start_guest("web", ["tap50"], OUT, ready).steps == ()

    def test_a_tap_that_its_last_user_left_down_is_brought_up(self) -> None:
        left = host(bridge("bridge0", "em0", "tap50"), tap("tap50", up=False))
        assert lines(start_guest("web", ["tap50"], OUT, left)) == ["ifconfig tap50 up"]

    def test_a_tap_can_be_left_down(self) -> None:
        change = start_guest("web", ["tap50"], OUT, host(), up=False)
        assert lines(change) == START_ON_FRESH_HOST[:-1]

    def test_a_guest_without_taps_needs_nothing(self) -> None:
        assert start_guest("web", [], net(), host()) == Change()

    def test_a_tap_takes_the_mtu_of_its_bridge_before_it_joins(self) -> None:
        jumbo = host(bridge("bridge0", "em0", mtu=9000), tap("tap50"))
        change = start_guest("web", ["tap50"], OUT, jumbo)
        assert lines(change) == ["ifconfig tap50 mtu 9000", "ifconfig bridge0 addm tap50"]
        assert undos(change)[0] == "ifconfig tap50 mtu 1500"

    def test_the_uplink_decides_the_mtu_of_a_new_bridge(self) -> None:
        actual = {**host(), "em0": EM0._replace(mtu=9000)}
        assert lines(start_guest("web", ["tap50"], OUT, actual))[3:5] == [
            "ifconfig tap50 create description chyves-tap web",
            "ifconfig tap50 mtu 9000",
        ]

    def test_a_private_bridge_gets_no_uplink(self) -> None:
        network = net(bridge0_phy_attach="private", bridge0_tap_members="tap50")
        change = start_guest("web", ["tap50"], network, host())
        assert not any("em0" in line for line in lines(change))
        assert change.notes == ()

    def test_an_undecided_bridge_is_private_and_says_so(self) -> None:
        network = net(bridge0_tap_members="tap50,tap51")
        change = start_guest("web", ["tap50", "tap51"], network, host())
        assert not any("em0" in line for line in lines(change))
        assert len(change.notes) == 1
        assert "chyves network bridge0 attach" in change.notes[0]

    @pytest.mark.parametrize(
        ("actual", "kind", "message"),
        [
            ({"lo0": LO0}, Precondition, "em0, where bridge0 leads to, does not exist"),
            (host(bridge("bridge1", "em0")), Conflict, "em0 is a member of bridge1, not of"),
            (host(bridge("bridge1", "tap50"), tap("tap50")), Conflict, "tap50 is a member of bri"),
            (host(tap("tap50", opened_by=881)), Busy, "tap50 is open by process 881"),
            (
                {**host(bridge("bridge0", "tap51"), tap("tap51")), "em0": EM0._replace(mtu=9000)},
                Precondition,
                "em0 has MTU 9000, but bridge0 has 1500 because of its members tap51",
            ),
        ],
    )
    def test_what_cannot_be_made_is_told(
        self, actual: Mapping[str, Interface], kind: type[ChyvesError], message: str
    ) -> None:
        with pytest.raises(kind, match=message) as refusal:
            start_guest("web", ["tap50"], OUT, actual)
        assert refusal.value.hint

    def test_freebsd_15_bridges_no_interface_with_an_address(self) -> None:
        actual = {**host(), "em0": EM0._replace(addresses=("192.0.2.7",))}
        start_guest("web", ["tap50"], OUT, actual, bridged_addresses=True)
        with pytest.raises(Precondition, match=r"em0 has an IP address \(192.0.2.7\)") as refusal:
            start_guest("web", ["tap50"], OUT, actual, bridged_addresses=False)
        assert "net.link.bridge.member_ifaddrs=1" in refusal.value.hint

    def test_a_member_since_before_the_upgrade_to_15_may_stay(self) -> None:
        addressed = {
            **host(bridge("bridge0", "em0", "tap50"), tap("tap50")),
            "em0": EM0._replace(addresses=("192.0.2.7",)),
        }
        change = start_guest("web", ["tap50"], OUT, addressed, bridged_addresses=False)
        assert change.steps == ()

    def test_one_tap_twice_is_refused(self) -> None:
        with pytest.raises(Conflict, match="web has tap50 more than once"):
            start_guest("web", ["tap50", "tap50"], OUT, host())


class TestStartOnSystemNetwork:
    def test_what_the_admin_made_is_used_as_it_is(self) -> None:
        start_guest_on_system_network("web", ["tap50"], host(tap("tap50", up=False, ours=False)))

    def test_a_missing_tap_is_told(self) -> None:
        with pytest.raises(Precondition, match="tap50 of web does not exist on this host"):
            start_guest_on_system_network("web", ["tap50"], host(tap("tap5"), tap("tap500")))

    def test_an_open_tap_is_told(self) -> None:
        with pytest.raises(Busy, match="tap50 is open by process 7"):
            start_guest_on_system_network("web", ["tap50"], host(tap("tap50", opened_by=7)))


class TestAddTap:
    def test_a_tap_for_a_guest_without_any(self) -> None:
        network = net(bridge0_phy_attach="em0", bridge0_tap_members="-")
        change = add_tap("web", [], "tap50", "bridge0", network, host(), owners={})
        assert change.globals == {"bridge0_tap_members": "tap50"}
        assert change.guest == {"net_ifaces": "tap50"}
        assert lines(change) == START_ON_FRESH_HOST

    def test_a_further_tap_comes_last(self) -> None:
        change = add_tap("web", ["tap50"], "tap7", "bridge0", OUT, host(), owners=WEB)
        assert change.globals == {"bridge0_tap_members": "tap50,tap51,tap7"}
        assert change.guest == {"net_ifaces": "tap50,tap7"}

    def test_a_planned_tap_without_an_owner_is_taken_over(self) -> None:
        change = add_tap("web", [], "tap51", "bridge0", OUT, host(), owners={"tap50": ["db"]})
        assert change.globals == {"bridge0_tap_members": "tap50,tap51"}

    @pytest.mark.parametrize(
        ("tap_name", "bridge_name", "kind", "message"),
        [
            ("tap50", "bridge0", Conflict, "web has tap50 already"),
            ("tap51", "bridge0", Conflict, "tap51 belongs to guest db"),
            ("tap60", "bridge0", Conflict, "tap60 belongs to bridge1"),
            ("tap70", "bridge0", Busy, "tap70 is open by process 9"),
            ("tap80", "bridge0", Conflict, "tap80 is a member of bridge5, not of bridge0"),
        ],
    )
    def test_a_tap_that_is_not_free(
        self, tap_name: str, bridge_name: str, kind: type[ChyvesError], message: str
    ) -> None:
        network = net(
            bridge0_phy_attach="em0",
            bridge0_tap_members="tap50,tap51",
            bridge1_tap_members="tap60",
        )
        actual = host(tap("tap70", opened_by=9), tap("tap80"), bridge("bridge5", "tap80"))
        owners = {"tap50": ["web"], "tap51": ["db"]}
        with pytest.raises(kind, match=message):
            add_tap("web", ["tap50"], tap_name, bridge_name, network, actual, owners=owners)


def test_a_vale_port_is_only_noted() -> None:
    owners = {"vale0:1": ["db"], "vale0": ["db"]}
    for name in ("vale0:2", "vale0"):
        change = add_vale("web", ["tap50"], name, owners=owners)
        assert change == Change(guest={"net_ifaces": f"tap50,{name}"})
    for name, interfaces in (
        ("vale0:1", ["tap50"]),
        ("vale1:1", ["vale1:1"]),
        ("vale1", ["vale1"]),
    ):
        with pytest.raises(Conflict):
            add_vale("web", interfaces, name, owners=owners)


class TestRemove:
    def test_only_the_tap_of_that_whole_name_goes(self) -> None:
        network = net(bridge0_tap_members="tap50,tap5,tap51")
        actual = host(bridge("bridge0", "tap51", "tap5", "tap50"), *map(tap, ("tap5", "tap50")))
        change = remove_interfaces("web", ["tap5"], ["tap5"], network, actual)
        assert change.globals == {"bridge0_tap_members": "tap50,tap51"}
        assert change.guest == {"net_ifaces": "-"}
        assert lines(change) == ["ifconfig bridge0 deletem tap5", "ifconfig tap5 destroy"]

    def test_a_tap_that_chyves_did_not_make_stays(self) -> None:
        actual = host(bridge("bridge0", "tap50"), tap("tap50", ours=False))
        change = remove_interfaces("web", ["tap50", "tap51"], ["tap50"], OUT, actual)
        assert lines(change) == ["ifconfig bridge0 deletem tap50"]
        assert change.guest == {"net_ifaces": "tap51"}

    def test_a_tap_planned_on_two_bridges_leaves_both(self) -> None:
        network = net(bridge0_tap_members="tap50", bridge1_tap_members="tap50,tap51")
        change = remove_interfaces("web", ["tap50"], ["tap50"], network, host())
        assert change.globals == {"bridge0_tap_members": "-", "bridge1_tap_members": "tap51"}
        assert change.steps == ()

    def test_a_vale_port(self) -> None:
        change = remove_interfaces("web", ["vale0:1", "tap50"], ["vale0:1"], OUT, host())
        assert change == Change(guest={"net_ifaces": "tap50"})

    def test_all_at_once(self) -> None:
        interfaces = ["tap50", "vale0", "tap51"]
        change = remove_interfaces("web", interfaces, interfaces, OUT, host(tap("tap51")))
        assert change.globals == {"bridge0_tap_members": "-"}
        assert change.guest == {"net_ifaces": "-"}
        assert lines(change) == ["ifconfig tap51 destroy"]

    def test_what_the_guest_does_not_have(self) -> None:
        with pytest.raises(NotFound, match="web has no interface tap5"):
            remove_interfaces("web", ["tap50"], ["tap5"], OUT, host())

    def test_a_tap_in_use_is_not_taken_away(self) -> None:
        with pytest.raises(Busy, match="tap50 is open by process 3"):
            remove_interfaces("web", ["tap50"], ["tap50"], OUT, host(tap("tap50", opened_by=3)))
