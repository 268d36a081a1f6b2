# SPDX-License-Identifier: BSD-2-Clause
"""The network as its user meets it: other releases and cards, boots, and what others do to it."""

import re

import pytest

from chyves.errors import Exit
from chyves.simulator import kernel
from chyves.simulator.control import fill, lose_interface
from chyves.simulator.reboot import reboot
from chyves.simulator.world import RELEASES, World
from tests.cli.conftest import Chyves
from tests.cli.runs import new_host, run_on

GLOBAL = "/chyves/tank/.config/global.cfg"


def members(chyves: Chyves, bridge: str) -> list[str]:
    """Return the members of a bridge on the host, in the order in which they joined."""
    return re.findall(r"member: (\S+) ", chyves.run("ifconfig", bridge))[::-1]


def mtu(chyves: Chyves, interface: str) -> int:
    return int(chyves.run("ifconfig", interface).split(" mtu ")[1].split()[0])


def ifconfig(chyves: Chyves, *lines: str) -> None:
    for line in lines:
        chyves.run("ifconfig", *line.split())


def plan(chyves: Chyves) -> list[str]:
    """Return what is recorded of bridges."""
    return [line for line in chyves.file(GLOBAL).splitlines() if line.startswith("bridge")]


class TestTheAdministratorsNetwork:
    """network_design_mode=system."""

    @pytest.fixture
    def system(self, guests: Chyves) -> Chyves:
        guests("network bridge0 attach em0 -q")
        guests("web snapshot @one -q")
        guests("network web add tap bridge5 -q")
        guests("global set network_design_mode=system -q")
        return guests

    @pytest.mark.parametrize(
        "line",
        [
            "new create 1M",
            "web clone new -cu",
            "web clone new -iu",
            "web delete --yes",
            "web rename shop --yes",
            "web move pool2",
            "web snapshot rollback @one --yes",
        ],
    )
    def test_verbs_leave_it_alone(self, line: str, system: Chyves) -> None:
        system("dataset pool2 install -q")
        network, recorded = system.run("ifconfig", "-a"), plan(system)
        system(line)
        assert system.run("ifconfig", "-a") == network
        assert plan(system) == recorded
        assert not [argv for argv in system.commands()[-60:] if argv[:2] == ["ifconfig", "tap53"]]

    def test_numbers_are_given_all_the_same(self, system: Chyves) -> None:
        system("new create 1M -q")
        system("web clone twin -cu -q")
        assert [row["value"] for row in system.json("list net_ifaces")] == [
            *("tap51", "tap53", "tap54,tap55", "tap50,tap52")
        ]

    def test_a_rollback_takes_no_interface_that_another_guest_has(self, system: Chyves) -> None:
        system("web set net_ifaces=tap7,vale0:1 tap7_mac=58:9c:fc:00:00:07 -q")
        system("web snapshot @two -q")
        system("web set net_ifaces=tap60 -q")
        system("db set net_ifaces=tap7,vale0:1 -q")
        before = system.run("ifconfig", "-a")
        done = system("web snapshot rollback @two --yes")
        assert done.said == [
            "chyves: web: tap53 takes the place of tap7, which db has now",
            "chyves: web: vale0:2 takes the place of vale0:1, which db has now",
        ]
        values = system.json("web get all")["web"]
        assert values["net_ifaces"] == "tap53,vale0:2"
        assert (values["tap53_mac"], "tap7_mac" in values) == ("58:9c:fc:00:00:07", False)
        assert system.run("ifconfig", "-a") == before

    def test_interfaces_are_set_by_hand(self, system: Chyves) -> None:
        system("web set net_ifaces=tap7,vale0:1")
        assert "tap51 is an interface of db" in system.refused(
            "web set net_ifaces=tap7,tap51", code=Exit.CONFLICT
        )
        assert "vale0:1 is an interface of web" in system.refused(
            "db set net_ifaces=vale0:1", code=Exit.CONFLICT
        )
        system("db set net_ifaces=vale0")

    def test_a_start_of_several_names_each_interface_that_is_missing(self, system: Chyves) -> None:
        with run_on(system) as runs:
            for name in ("web", "db"):
                runs.install(name)
            ifconfig(system, "tap51 destroy")
            done = system("web,db start", code=Exit.PRECONDITION)
            assert done.said[0] == "chyves: db: tap51 of db does not exist on this host"
            assert runs.phase("web") == "running"

    def test_a_change_to_auto_takes_over_what_is_there(self, guests: Chyves) -> None:
        guests("global set network_design_mode=system -q")
        reboot(World(guests.directory))
        ifconfig(guests, "bridge1 create", "bridge1 addm em0", "tap50 create", "bridge1 addm tap50")
        done = guests("global set network_design_mode=auto")
        assert done.said == [
            "chyves: global: what is on the bridges of the host is recorded by: "
            "chyves network import"
        ]
        assert guests("network import").out == "bridge1: em0, tap50\n"
        with run_on(guests) as runs:
            runs.install("web")
            network = guests.run("ifconfig", "-l")
            guests("web start")
            assert guests.run("ifconfig", "-l") == network
            assert members(guests, "bridge1") == ["em0", "tap50"]

    def test_an_import_tells_what_it_could_not_record(self, system: Chyves) -> None:
        ifconfig(
            system,
            "bridge0 deletem tap51",
            "bridge create name lan",
            "lan addm tap51",
            "bridge5 deletem tap52",
        )
        system("db set net_ifaces=tap51,tap99 -q")
        done = system("network import", code=Exit.USAGE)
        assert done.out == "bridge0: em0, tap50,tap51\nbridge5: private, tap52\n"
        assert done.said == [
            "chyves: lan: tap51 is on it, but chyves knows bridges by names like bridge0",
            "hint: ifconfig lan name bridge<n>, and in /etc/rc.conf likewise",
            "chyves: tap99 of db is on no bridge: chyves network bridge0 join tap99",
            "chyves: tap52 of web is on no bridge: chyves network bridge5 join tap52",
        ]

    def test_a_tap_is_on_the_bridge_that_could_not_be_recorded(self, system: Chyves) -> None:
        ifconfig(
            system,
            "bridge7 create",
            "tap53 create",
            "bridge7 addm tap53",
            "bridge0 deletem em0",
            "bridge7 addm em0",
        )
        system("db set net_ifaces=tap51,tap53 -q")
        done = system("network import", code=Exit.CONFLICT)
        assert [line for line in done.said if "hint" not in line] == [
            "chyves: bridge7: it leads to em0, which is recorded as the uplink of bridge0"
        ]


@pytest.mark.parametrize("release", RELEASES)
def test_jumbo_frames_come_back_after_a_boot(bare: Chyves, release: str) -> None:
    chyves = new_host(bare, release=release, nics=("em0", "em1"))
    ifconfig(chyves, "em1 mtu 9000")
    chyves("network bridge0 attach em1 -q")
    chyves("web create 1M -q")
    chyves("network web add tap -q")
    assert [mtu(chyves, name) for name in ("bridge0", "tap50", "tap51")] == [9000] * 3
    reboot(World(chyves.directory))
    ifconfig(chyves, "em1 mtu 9000")
    with run_on(chyves) as runs:
        runs.install("web")
        chyves("web start -q")
        assert members(chyves, "bridge0") == ["em1", "tap50", "tap51"]
        assert [mtu(chyves, name) for name in ("bridge0", "tap50", "tap51")] == [9000] * 3
        assert runs.tap("tap51").up


def test_an_uplink_does_not_change_the_mtu_of_what_is_there(guests: Chyves) -> None:
    ifconfig(guests, "em0 mtu 9000")
    why = guests.refused("network bridge0 attach em0", code=Exit.PRECONDITION)
    assert why == (
        "bridge0: em0 has MTU 9000, but bridge0 has 1500 because of its members tap51, tap50\n"
        "hint: ifconfig em0 mtu 1500, or take the members off"
    )


def test_freebsd_15_bridges_no_address(bare: Chyves) -> None:
    chyves = new_host(bare, release="15.0")
    for line in ("network bridge0 attach em0", "web create 1M"):
        chyves("global set bridge0_phy_attach=em0 -q")
        why = chyves.refused(line, code=Exit.PRECONDITION)
        assert "em0 has an IP address (192.0.2.10), and from FreeBSD 15 on such" in why
        assert "give the address to bridge0 instead (ifconfig_bridge0 in /etc/rc.conf)" in why
    ifconfig(chyves, "em0 -alias")
    chyves("web create 1M -q")
    assert members(chyves, "bridge0") == ["em0", "tap50"]


def test_cards_of_all_kinds(bare: Chyves) -> None:
    cards = ("vtnet0", "igc0", "mlxen0", "mce1", "bnxt0", "lagg0", "lan", "wlan0")
    chyves = new_host(bare, nics=cards)
    ifconfig(chyves, "lagg0.16 create", "epair create", "vlan7 create vlan 7 vlandev igc0")
    uplinks = [*cards[:-1], "lagg0.16", "vlan7", "epair0a"]
    for number, uplink in enumerate(uplinks):
        chyves(f"network bridge{number} attach {uplink} -q")
        assert members(chyves, f"bridge{number}") == [uplink]
    assert [one["uplink"] for one in chyves.json("list bridges")] == uplinks
    why = chyves.refused("network bridge20 attach wlan0", code=Exit.USAGE)
    assert why.startswith("bridge20: wlan0 is a client of a wireless network")
    why = chyves.refused("network bridge20 attach em0", code=Exit.NOT_FOUND)
    assert why.endswith(f"interfaces of this host: {', '.join([*cards[:-1], 'lagg0.16', 'vlan7'])}")


def test_an_uplink_on_a_bridge_of_somebody_else(guests: Chyves) -> None:
    ifconfig(guests, "bridge9 create", "bridge9 addm em0")
    assert guests.refused("network bridge0 attach em0", code=Exit.CONFLICT) == (
        "bridge0: em0 is a member of bridge9, not of bridge0\n"
        "hint: if that is wrong: ifconfig bridge9 deletem em0"
    )
    assert "bridge9" not in guests("list bridges").out
    guests("network bridge9 default -q")
    guests("new create 1M -q")
    assert members(guests, "bridge9") == ["em0", "tap52"]


def test_an_uplink_that_is_lost(guests: Chyves) -> None:
    guests("network bridge0 attach em0 -q")
    lose_interface(World(guests.directory), "em0")
    assert "  uplink: em0 (not on this host)\n" in guests("list bridges").out
    with run_on(guests) as runs:
        runs.install("web")
        done = guests("web start", code=Exit.PRECONDITION)
        assert done.said == [
            "chyves: web: em0, where bridge0 leads to, does not exist on this host",
            "hint: chyves network bridge0 attach <interface>, or chyves network bridge0 private; "
            "interfaces: none",
        ]
        guests("network bridge0 private -q")
        guests("web start -q")


def test_a_bridge_that_is_made_anew_is_no_uplink_for_itself(guests: Chyves) -> None:
    guests("network bridge0 attach em0 -q")
    reboot(World(guests.directory))
    lose_interface(World(guests.directory), "em0")
    with run_on(guests) as runs:
        runs.install("web")
        hint = guests("web start", code=Exit.PRECONDITION).said[-1]
    assert hint.endswith("interfaces: none")


def test_a_bridge_that_the_admin_has_destroyed(guests: Chyves) -> None:
    ifconfig(guests, "bridge0 destroy")
    assert [tap["member"] for tap in guests.json("list bridges")[0]["taps"]] == [False, False]
    with run_on(guests) as runs:
        runs.install("web")
        guests("web start -q")
        assert members(guests, "bridge0") == ["tap50"]
        ifconfig(guests, "bridge0 destroy")
        assert guests("network bridge0 join tap50,tap51").out == "bridge0: has tap50, tap51\n"
        assert members(guests, "bridge0") == ["tap50", "tap51"]
        assert '"changed": false' in guests("network bridge0 join tap50 --json").out


def test_a_tap_that_exact_clones_share(guests: Chyves) -> None:
    guests("web clone twin -ce -q")
    assert "  tap50  twin, web\n" in guests("list bridges").out
    guests("web delete force --yes -q")
    guests("db clone twin -ie -q")
    guests("network db remove tap51 -q")
    assert "  tap51  twin\n" in guests("list bridges").out
    assert members(guests, "bridge0") == ["tap51"]
    guests("network twin remove tap51 -q")
    assert members(guests, "bridge0") == []


def left_behind(chyves: Chyves, tap: str) -> None:
    """Leave what an add has left that was killed before the guest had the tap, and a boot."""
    path = chyves.host.path(GLOBAL)
    path.write_text(path.read_text().replace("tap50,tap51", f"tap50,tap51,{tap}"))
    reboot(World(chyves.directory))


def test_a_tap_that_was_left_behind_is_seen_and_not_given_to_another(guests: Chyves) -> None:
    left_behind(guests, "tap70")
    assert "  tap70  - (no guest)\n" in guests("list bridges").out
    guests("new create 1M -q")
    assert "bridge0_tap_members=tap50,tap51,tap70,tap71" in plan(guests)
    guests("network web add tap70 -q")
    assert "  tap70  web\n" in guests("list bridges").out


def test_a_tap_that_was_left_behind_can_be_taken_off(guests: Chyves) -> None:
    left_behind(guests, "tap5")
    guests("network bridge0 unjoin tap5")
    assert plan(guests) == ["bridge0_tap_members=tap50,tap51"]


def test_a_kept_tap_is_for_the_guest_of_that_name(guests: Chyves) -> None:
    guests("web delete keepnet --yes -q")
    guests("new,web create 1M -q")
    assert guests.json("list net_ifaces") == [
        {"guest": "db", "value": "tap51"},
        {"guest": "new", "value": "tap52"},
        {"guest": "web", "value": "tap50"},
    ]


def test_taps_of_guests_that_are_away_stay_theirs(guests: Chyves) -> None:
    guests("dataset pool2 install -q")
    guests("far create 1M pool2 -q")
    guests("dataset pool2 offline -q")
    assert "tap52 belongs to guest far" in guests.refused(
        "network web add tap52", code=Exit.CONFLICT
    )
    reboot(World(guests.directory))
    guests("network web add tap -q")
    assert "bridge0_tap_members=tap50,tap51,tap52,tap53" in plan(guests)


def test_two_guests_do_not_share_a_port_of_a_switch(guests: Chyves) -> None:
    guests("network all add vale0 -q")
    guests("network web add vale1:3 -q")
    assert guests.refused("network db add vale1:3", code=Exit.CONFLICT) == (
        "db: vale1:3 belongs to guest web\nhint: take another port, or just say: vale1"
    )


def test_each_guest_has_a_port_of_its_own_on_a_switch(guests: Chyves) -> None:
    for name in ("web", "db"):
        guests(f"network {name} remove {'tap50' if name == 'web' else 'tap51'} -q")
    guests("network all add vale0 -q")
    with run_on(guests) as runs:
        for name in ("web", "db"):
            runs.install(name)
        guests("web,db start -q")
        cards = [next(word for word in argv if "vale0" in word) for argv in runs.commands("bhyve")]
        assert {card.split(",")[2] for card in cards} == {"vale0:n50", "vale0:n51"}
        assert len(runs.commands("kldstat", "-q", "-m", "netmap")) == 2


def test_a_kernel_without_netmap_has_no_switches(
    guests: Chyves, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tuple(module for module in kernel.GENERIC if module != "netmap")
    monkeypatch.setattr(kernel, "GENERIC", own)
    guests("network web add vale0 -q")
    with run_on(guests) as runs:
        for name in ("web", "db"):
            runs.install(name)
        done = guests("web,db start", code=Exit.HOST)
        assert done.out.startswith("db: running")
        failed = next(line for line in done.said if line.startswith("chyves: web: "))
        assert "netmap" in failed
        assert runs.phase() == "stopped"
        guests("global set auto_load_kernel_mods=no -q")
        why = guests.refused("web start", code=Exit.PRECONDITION)
        assert why.startswith("web: kernel module netmap is not loaded\nhint: kldload netmap")


def test_taps_that_are_not_to_come_up(guests: Chyves) -> None:
    guests("global set tap_up_by_default=no -q")
    reboot(World(guests.directory))
    with run_on(guests) as runs:
        for name in ("web", "db"):
            runs.install(name)
        assert "ifconfig tap50 up" not in guests("web start --dry-run").out
        guests("web start -q")
        assert not runs.tap("tap50").up
        guests("global set tap_up_by_default=yes -q")
        guests("db start -q")
        assert runs.tap("tap51").up


def test_a_bridge_goes_with_all_it_has(guests: Chyves) -> None:
    ifconfig(guests, "epair create")
    guests("network bridge0 attach em0 -q")
    ifconfig(guests, "bridge0 addm epair0a")
    done = guests("network bridge0 migrate bridge1")
    assert done.said == ["chyves: bridge0 stays on the host as it is: it has epair0a"]
    assert members(guests, "bridge0") == ["epair0a"]
    assert members(guests, "bridge1") == ["em0", "tap50", "tap51"]
    assert plan(guests) == ["bridge1_phy_attach=em0", "bridge1_tap_members=tap50,tap51"]
    assert guests("defaults get bridge").out == "defaults's bridge=bridge1\n"
    assert guests.refused("network bridge0 migrate bridge1", code=Exit.NOT_FOUND)


def test_an_import_tells_which_bridges_have_changed_and_what_is_on_none(guests: Chyves) -> None:
    guests("network bridge0 attach em0 -q")
    for line in ("bridge3 create", "bridge0 deletem tap50", "bridge3 addm tap50"):
        guests.run("ifconfig", *line.split())
    guests("network import -q")
    guests.run("ifconfig", "bridge3", "deletem", "tap50")
    guests.run("ifconfig", "bridge0", "addm", "tap50")
    changed = {one["target"]: one["changed"] for one in guests.results("network import")}
    assert changed == {"bridge0": True, "bridge3": True}
    changed = {one["target"]: one["changed"] for one in guests.results("network import")}
    assert changed == {"bridge0": False, "bridge3": False}
    guests.run("ifconfig", "bridge0", "deletem", "tap51")
    assert guests("network import").said == [
        "chyves: tap51 of db is on no bridge: chyves network bridge0 join tap51"
    ]


def test_a_tap_that_has_fallen_off_its_bridge_is_shown(guests: Chyves) -> None:
    guests("network bridge0 attach em0 -q")
    guests.run("ifconfig", "bridge0", "deletem", "tap50")
    shown = guests("list bridges").out.splitlines()
    assert "  tap50  web (fallen off the bridge)" in shown
    assert "  tap51  db" in shown
    guests("network bridge0 join tap50 -q")
    assert "  tap50  web" in guests("list bridges").out.splitlines()


def test_an_uplink_that_has_fallen_off_its_bridge_is_shown(guests: Chyves) -> None:
    guests("network bridge0 attach em0 -q")
    guests.run("ifconfig", "bridge0", "deletem", "em0")
    assert "  uplink: em0 (fallen off the bridge)" in guests("list bridges").out.splitlines()
    assert guests.json("list bridges")[0]["uplink_member"] is False
    guests("network bridge0 attach em0 -q")
    assert "  uplink: em0" in guests("list bridges").out.splitlines()
    guests.run("ifconfig", "bridge0", "destroy")
    assert "  uplink: em0" in guests("list bridges").out.splitlines(), "a start makes it"


def test_what_cannot_be_recorded_is_taken_back(guests: Chyves) -> None:
    guests("network bridge0 attach em0 -q")
    joined, recorded = set(members(guests, "bridge0")), plan(guests)
    fill(World(guests.directory), "tank")
    guests.refused("network bridge0 join tap5", code=Exit.PRECONDITION)
    for line in ("bridge0 unjoin tap50", "bridge0 migrate bridge1"):
        guests(f"network {line}", code=Exit.PRECONDITION)
        assert set(members(guests, "bridge0")) == joined
    assert "chyves-bridge" in guests.run("ifconfig", "bridge0")
    assert "bridge1" not in guests.run("ifconfig", "-l").split()
    assert plan(guests) == recorded


def test_a_rollback_brings_interfaces_back_whatever_the_host_has(guests: Chyves) -> None:
    guests("network bridge0 attach em0 -q")
    guests("network web add tap5 -q")
    guests("network web add vale0:1 -q")
    guests("web snapshot @one -q")
    for interface in ("tap5", "vale0:1"):
        guests(f"network web remove {interface} -q")
    guests("network db add vale0:1 -q")
    reboot(World(guests.directory))
    lose_interface(World(guests.directory), "em0")
    done = guests("web snapshot rollback @one --yes")
    assert done.said == [
        "chyves: web: vale0:2 takes the place of vale0:1, which db has now",
        "chyves: web: tap5 joins bridge0 at the next start",
    ]
    assert "bridge0_tap_members=tap50,tap51,tap5" in plan(guests)
    guests("network bridge0 private -q")
    with run_on(guests) as runs:
        runs.install("web")
        guests("web start -q")
        assert members(guests, "bridge0") == ["tap50", "tap5"]


class TestBridgesSetAsProperties:
    """``global set bridge{n}_phy_attach=`` and ``defaults set bridge=`` take what ``network``
    takes."""

    @pytest.fixture
    def guests(self, guests: Chyves) -> Chyves:
        ifconfig(guests, "vlan7 create vlan 7 vlandev em0")
        return guests

    @pytest.mark.parametrize(
        ("line", "why", "code"),
        [
            (
                "global set bridge1_phy_attach=em0",
                "global: em0 is the uplink of bridge0\n"
                "hint: chyves network bridge0 private frees it",
                Exit.CONFLICT,
            ),
            (
                "global set bridge1_phy_attach=em7",
                "global: no such interface: em7\nhint: interfaces of this host: em0, vlan7",
                Exit.NOT_FOUND,
            ),
            (
                "global set bridge1_phy_attach=vlan7 bridge2_phy_attach=vlan7",
                "global: vlan7 is the uplink of bridge2\n"
                "hint: chyves network bridge2 private frees it",
                Exit.CONFLICT,
            ),
            (
                "defaults set bridge=bridge77",
                "defaults: no such bridge: bridge77\n"
                "hint: there are: bridge0; chyves network bridge77 private makes it",
                Exit.NOT_FOUND,
            ),
        ],
    )
    def test_what_network_refuses(self, line: str, why: str, code: Exit, guests: Chyves) -> None:
        guests("network bridge0 attach em0 -q")
        before = guests.state()
        assert guests.refused(line, code=code) == why
        assert guests.state() == before

    def test_what_is_there(self, guests: Chyves) -> None:
        guests("network bridge0 attach em0 -q")
        guests("global set bridge0_phy_attach=private bridge1_phy_attach=em0 -q")
        guests("defaults set bridge=bridge1 -q")
        assert "bridge1_phy_attach=em0" in plan(guests)
        assert guests("defaults get bridge").out == "defaults's bridge=bridge1\n"

    def test_what_is_recorded_already_is_not_looked_for(self, guests: Chyves) -> None:
        guests("network bridge0 attach vlan7 -q")
        lose_interface(World(guests.directory), "vlan7")
        said = guests("global set bridge0_phy_attach=vlan7 tap_start_offset=60").out
        assert said == "global: set bridge0_phy_attach=vlan7 tap_start_offset=60\n"


def test_what_is_said_of_an_interface_goes_with_it(guests: Chyves) -> None:
    guests("network web add tap7 -q")
    guests("web set tap7_mac=58:9c:fc:00:00:07 tap7_mtu=1400 tap50_mtu=1400 -q")
    guests("network web remove tap7 -q")
    left = [name for name in guests.json("web get all")["web"] if name.startswith("tap")]
    assert left == ["tap50_mtu"]
    guests("network db add tap7 -q")
    guests("db set tap7_mac=58:9c:fc:00:00:07 -q")


@pytest.mark.parametrize("line", ["network web add tap", "network web remove tap50"])
def test_a_template_gets_and_loses_no_interface(line: str, guests: Chyves) -> None:
    guests("web set template=yes -q")
    why = "web: a template is read-only\nhint: chyves web set template=no comes first"
    assert guests.refused(f"{line} --dry-run", code=Exit.PRECONDITION) == why
    assert guests.refused(line, code=Exit.PRECONDITION) == why


def test_attached_to_nothing_is_private(guests: Chyves) -> None:
    assert guests("network bridge0 attach private").out == "bridge0: private\n"
    assert "bridge0_phy_attach=private" in plan(guests)


def test_a_rollback_keeps_what_is_shared_with_an_exact_clone(guests: Chyves) -> None:
    guests("network bridge1 private -q")
    guests("network bridge1 migrate bridge2 -q")
    guests("network web add tap bridge2 -q")
    guests("web set tap50_mac=58:9c:fc:00:00:07 -q")
    guests("web snapshot @one -q")
    guests("web clone twin -ie -q")
    before = guests.file("/chyves/tank/guests/web/.config/.cfg"), plan(guests)
    assert guests("web snapshot rollback @one --yes").said == []
    assert (guests.file("/chyves/tank/guests/web/.config/.cfg"), plan(guests)) == before


def test_the_tap_of_a_rollback_is_where_that_is_whose_place_it_takes(guests: Chyves) -> None:
    guests("network bridge1 private -q")
    guests("network web add tap bridge1 -q")
    guests("web snapshot @one -q")
    guests("web clone twin -ie -q")
    guests("network web remove tap52 -q")
    done = guests("web snapshot rollback @one --yes")
    assert done.said == [
        "chyves: web: tap53 takes the place of tap52, which twin has now",
        "chyves: web: tap53 joins bridge1 at the next start",
    ]


def test_a_bridge_that_is_made_for_a_tap_is_named(guests: Chyves) -> None:
    """It may be a mistyped one."""
    new = "chyves: bridge9 is new, and leads nowhere: to lead it out: chyves network bridge9 attach"
    assert guests("network all add tap bridge9 --dry-run").said == [f"{new} <interface>"]
    assert guests("network all add tap bridge9").said == [f"{new} <interface>"]
    assert guests("network web add tap bridge0").said == []
    guests.run("ifconfig", "bridge7", "create")
    assert guests("network web add tap bridge7").said == []
