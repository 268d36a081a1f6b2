# SPDX-License-Identifier: BSD-2-Clause
"""The report for a bug report: it has no secrets, and it comes whatever is broken."""

import itertools

import pytest

from chyves.model import layout
from chyves.simulator import faults
from chyves.simulator.world import World
from tests.cli.conftest import Chyves

SECRET = "8d0f5d5e-3b4a-4c0e-9a1d-5f2f6a7b8c01"


def test_it_has_what_is_asked_for(guests: Chyves) -> None:
    log = guests.host.path(layout.log_file(layout.host_logs("tank"), "209912"))
    log.write_text("".join(f"line {number}\n" for number in range(200)))
    state = guests.host.path(layout.state_file("web"))
    state.write_text('{"phase": "failed", "reason": "triple fault"}')
    sections = {one["title"]: one["lines"] for one in guests.json("debug")}
    assert all(lines is not None for lines in sections.values())
    assert sections["Guests"][1].startswith("web on tank: failed, triple fault (")
    assert "ram=256M" in sections["Properties of guests"]
    assert any("tank/chyves/guests/web/disk0" in line for line in sections["Datasets"])
    assert any(line.startswith("tap50: ") for line in sections["Interfaces"])
    assert sections["Log of the host"] == [f"line {number}" for number in range(150, 200)]


def test_it_has_no_secrets_and_no_controls(guests: Chyves) -> None:
    guests(f"global set check_for_updates_unique_id={SECRET} -q")
    guests("global set restrict_new_property_names=off -q")
    guests("web set my_password=geheim -q")
    guests("web set", "notes=see https://me:geheim@host/?geheim#geheim \x1b[31m```", "-q")
    guests("db set", "uefi_vnc_client_custom_cmd=xfreerdp /v:%h:%p /p:geheim -x geheim", "-q")
    guests("db set", "notes=passwd: geheim, vncviewer --password geheim, api_key=geheim", "-q")
    done = guests("debug")
    assert "uefi_vnc_client_custom_cmd=***" in done.out
    assert "geheim" not in guests("db log").out
    assert "notes=see https://***@host/?*** \\x1b[31m'''" in done.out
    report = done.out + guests("debug --json").out
    assert "geheim" not in report
    assert SECRET not in report
    assert "\x1b" not in report


def test_each_part_comes_without_the_others(guests: Chyves) -> None:
    titles = [one["title"] for one in guests.json("debug")]
    for number in itertools.count(1):
        before = len(guests.commands())
        faults.order(World(guests.directory), "fail", number)
        sections = guests.json("debug")
        assert [one["title"] for one in sections] == titles
        if len(guests.commands()) - before < number:
            break
        bad = [one["title"] for one in sections if one["error"] or "(exit" in str(one["lines"])]
        assert len(bad) < len(titles) - 5
    assert number > 5


def test_it_starts_as_many_programs_for_one_guest_as_for_more(chyves: Chyves) -> None:
    counts = []
    for names in ("a", "b,c,d"):
        chyves(f"{names} create 1M -q")
        before = len(chyves.commands())
        chyves("debug -q")
        counts.append(len(chyves.commands()) - before)
    assert counts[0] == counts[1] < 12


def test_a_host_that_has_nothing(bare: Chyves, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHYVES_SIMULATE_USER", "nobody")
    text = bare("debug").out
    assert "user=not root" in text
    assert "## Log of the host\n\ncannot be shown: chyves is not set up on any pool\n" in text
