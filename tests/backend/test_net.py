# SPDX-License-Identifier: BSD-2-Clause
"""What ifconfig prints, and steps that are taken and taken back."""

from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chyves.backend.host import Host
from chyves.backend.net import apply, interfaces, parse_ifconfig
from chyves.backend.run import Child, Progress, Result, Stream
from chyves.errors import Busy, HostError
from chyves.model.interfaces import Interface, Step
from chyves.model.network import associations, start_guest
from chyves.simulator.host import SimulatedHost
from chyves.simulator.world import RELEASES, Machine, World

DATA = Path(__file__).parents[1] / "data" / "ifconfig"


def printed(name: str) -> dict[str, Interface]:
    return parse_ifconfig((DATA / f"{name}.txt").read_text())


def test_a_host_after_boot() -> None:
    assert printed("freebsd-13.2-boot") == {
        "vtnet0": Interface("vtnet0", up=True, mtu=1500, status="active", addresses=("10.0.2.15",)),
        "lo0": Interface(
            "lo0",
            up=True,
            mtu=16384,
            groups=("lo",),
            addresses=("::1", "fe80::1%lo0", "127.0.0.1"),
        ),
    }


def test_a_host_with_many_interfaces() -> None:
    found = printed("freebsd-13.2-many")
    assert list(found) == [
        "vtnet0",
        "lo0",
        "bridge0",
        "tap0",
        "bridge1",
        "tap1",
        "tap51",
        "tap52",
        "vtnet0.200",
        "epair0a",
        "epair0b",
        "vm-public",
        "bridge3",
        "tap53",
        "tap77",
        "tap2",
        "vmnet0",
    ]
    assert found["bridge0"].members == ("vtnet0", "tap52")
    assert [name for name, one in found.items() if one.up] == ["vtnet0", "lo0", "bridge0", "vmnet0"]
    assert found["tap51"].mtu == 1300
    assert [name for name, one in found.items() if one.leads_out] == ["vtnet0", "vtnet0.200"]


def test_a_described_tap() -> None:
    assert printed("freebsd-13.2-tap-described") == {
        "tap50": Interface(
            "tap50",
            mtu=1500,
            description="hello world / vm:1",
            groups=("tap",),
            status="no carrier",
        )
    }


def test_a_tap_that_is_open() -> None:
    tap = printed("freebsd-13.2-tap-open")["tap50"]
    assert (tap.up, tap.opened_by, tap.status) == (True, 881, "active")


def test_a_station_and_an_access_point_of_wireless_networks() -> None:
    station = "media: IEEE 802.11 Wireless Ethernet OFDM/36Mbps mode 11g"
    text = f"wlan0: flags=8843<UP> metric 0 mtu 1500\n\tgroups: wlan\n\t{station}\n"
    assert parse_ifconfig(text)["wlan0"].is_wireless_client
    hosting = text.replace("mode 11g", "mode 11g <hostap>")
    assert not parse_ifconfig(hosting)["wlan0"].is_wireless_client


def test_a_bridge() -> None:
    bridge = printed("freebsd-13.2-bridge")["bridge0"]
    assert (bridge.up, bridge.members, bridge.groups) == (False, ("vtnet0", "tap50"), ("bridge",))


def test_freebsd_14() -> None:
    found = printed("freebsd-14")
    assert found["em0"].addresses == ("192.168.1.10", "fe80::225:90ff:feaa:bbcc%em0")
    assert (found["em0"].up, found["em0"].mtu) == (True, 9000)
    assert not found["tap0"].up
    assert found["tap0"].is_ours
    assert found["bridge0"].members == ("tap0",)


def test_freebsd_15() -> None:
    found = printed("freebsd-15")
    assert found["bridge0"].members == ("em0", "tap50")
    assert (found["tap50"].opened_by, found["tap50"].groups) == (45321, ("tap",))


@given(st.permutations((DATA / "freebsd-13.2-tap-open.txt").read_text().splitlines()[1:]))
def test_the_order_of_lines_does_not_matter(lines: list[str]) -> None:
    header = (DATA / "freebsd-13.2-tap-open.txt").read_text().splitlines()[0]
    assert parse_ifconfig("\n".join([header, *lines])) == printed("freebsd-13.2-tap-open")


@pytest.mark.parametrize("text", ["member: tap9", "Opened by PID 1", "status: active", "inet "])
def test_a_description_is_only_a_description(text: str) -> None:
    header = "tap0: flags=8802<BROADCAST,SIMPLEX,MULTICAST> metric 0 mtu 1500\n"
    found = parse_ifconfig(f"{header}\tdescription: {text}\n")
    assert found == {"tap0": Interface("tap0", mtu=1500, description=text.strip())}


@given(st.text())
def test_any_text_can_be_read(text: str) -> None:
    parse_ifconfig(text)


class Recorder:
    """Programs that answer from a table, and otherwise succeed in silence."""

    def __init__(self, **answers: Result) -> None:
        self.answers = answers
        self.ran: list[str] = []

    def run(self, argv: Sequence[str], *, timeout: float | None = None) -> Result:
        line = " ".join(argv)
        self.ran.append(line)
        for key, answer in self.answers.items():
            if line == key.replace("_", " "):
                return answer
        return Result(tuple(argv), 0, "", "")

    def spawn(
        self,
        argv: Sequence[str],
        *,
        stdin: Stream = 0,
        stdout: Stream = 0,
        stderr: Stream = 0,
        pass_fds: Sequence[int] = (),
        new_session: bool = False,
    ) -> Child:
        raise NotImplementedError

    def pipe(
        self, source: Sequence[str], sink: Sequence[str], progress: Progress
    ) -> tuple[Result, Result]:
        raise NotImplementedError

    def attach(self, argv: Sequence[str], passing: Sequence[str] = ()) -> NoReturn:
        raise NotImplementedError


def step(line: str, undo: str = "", fine: str = "") -> Step:
    return Step(tuple(line.split()), tuple(undo.split()) or None, line, fine)


STEPS = [
    step("ifconfig tap50 create", "ifconfig tap50 destroy", "exists"),
    step("ifconfig bridge0 addm tap50", "ifconfig bridge0 deletem tap50", "File exists"),
    step("ifconfig tap50 up"),
]


def failing(said: str) -> Result:
    return Result(("ifconfig",), 1, "", f"ifconfig: {said}\n")


def test_interfaces_are_read_by_one_program() -> None:
    text = (DATA / "freebsd-13.2-boot.txt").read_text()
    runner = Recorder(**{"ifconfig_-a": Result(("ifconfig",), 0, text, "")})
    assert list(interfaces(Host(runner))) == ["vtnet0", "lo0"]
    assert runner.ran == ["ifconfig -a"]


def test_steps_are_taken_in_order_and_kept() -> None:
    runner = Recorder()
    apply(Host(runner), STEPS)
    assert runner.ran == [step.text for step in STEPS]


def test_a_failure_takes_back_what_was_done_before_it() -> None:
    runner = Recorder(**{"ifconfig_tap50_up": failing("ioctl (set flags): permission denied")})
    with pytest.raises(HostError, match="permission denied"):
        apply(Host(runner), STEPS)
    assert [line for line in runner.ran[3:] if line != "ifconfig tap50"] == [
        "ifconfig bridge0 deletem tap50",
        "ifconfig tap50 destroy",
    ]


def test_what_was_so_already_is_neither_a_failure_nor_taken_back() -> None:
    runner = Recorder(
        **{
            "ifconfig_tap50_create": failing("interface tap50 already exists"),
            "ifconfig_bridge0_addm_tap50": failing("BRDGADD tap50: File exists"),
            "ifconfig_tap50_up": failing("no"),
        }
    )
    with pytest.raises(HostError):
        apply(Host(runner), STEPS)
    assert runner.ran == [step.text for step in STEPS]


def test_another_complaint_of_the_same_program_is_a_failure() -> None:
    runner = Recorder(**{"ifconfig_bridge0_addm_tap50": failing("BRDGADD tap50: Device busy")})
    with pytest.raises(HostError, match="BRDGADD tap50: Device busy"):
        apply(Host(runner), STEPS)


def test_steps_can_be_taken_back_later() -> None:
    runner = Recorder()
    taken = apply(Host(runner), STEPS)
    del runner.ran[:]
    taken.close()
    assert runner.ran[0] == "ifconfig bridge0 deletem tap50"
    assert runner.ran[-1] == "ifconfig tap50 destroy"


OPEN = Result(("ifconfig",), 0, (DATA / "freebsd-13.2-tap-open.txt").read_text(), "")


def test_an_open_tap_is_never_destroyed() -> None:
    runner = Recorder(ifconfig_tap50=OPEN)
    with pytest.raises(Busy, match="tap50 is open by process 881"):
        apply(Host(runner), [step("ifconfig tap50 destroy")])
    assert runner.ran == ["ifconfig tap50"]


def test_a_tap_that_was_opened_meanwhile_is_left_when_steps_are_taken_back() -> None:
    runner = Recorder(ifconfig_tap50=OPEN, ifconfig_tap50_up=failing("no"))
    with pytest.raises(HostError):
        apply(Host(runner), STEPS)
    assert runner.ran[3:] == ["ifconfig bridge0 deletem tap50", "ifconfig tap50"]


def test_a_dry_run_only_notes() -> None:
    runner = Recorder()
    host = Host(runner)
    host.plan = []
    apply(host, STEPS)
    assert host.plan == [step.text for step in STEPS]
    assert runner.ran == []


@pytest.mark.parametrize("release", RELEASES)
def test_the_kernel_takes_the_steps_and_their_way_back(release: str, tmp_path: Path) -> None:
    host = SimulatedHost(World.make(tmp_path / "host", Machine(release=release)))
    plan = {"bridge0_phy_attach": "private", "bridge0_tap_members": "tap50,tap51"}
    network = associations(plan)
    before = interfaces(host)
    taken = apply(host, start_guest("web", ["tap50", "tap51"], network, before).steps)
    now = interfaces(host)
    assert set(now["bridge0"].members) == {"tap50", "tap51"}
    assert all(now[name].up and now[name].is_ours for name in ("bridge0", "tap50", "tap51"))
    assert start_guest("web", ["tap50", "tap51"], network, now).steps == ()
    taken.close()
    assert interfaces(host) == before
