# SPDX-License-Identifier: BSD-2-Clause
"""What a killed or failed verb has left, met by other verbs than the one that left it."""

import json
import re

import pytest

from chyves.backend import locks
from chyves.errors import Exit
from chyves.model import layout
from chyves.simulator.host import open_simulated_host
from tests.faults import harness
from tests.faults.harness import Chyves


@pytest.fixture
def host(furnished_host: Chyves) -> Chyves:
    return furnished_host.copy("leftovers")


def _kill_before(host: Chyves, line: str, *words: str) -> None:
    """Kill a line before it starts the first program with these words."""
    trial = host.copy("counted")
    first = len(trial.commands())
    trial(line)
    argv = trial.commands()[first:]
    number = next(n for n, one in enumerate(argv, 1) if set(words) <= set(one))
    assert host.ends_under(harness.on_program(host, "kill-before", number), line).was_killed


def test_another_create_clears_away_what_a_killed_one_has_left(host: Chyves) -> None:
    _kill_before(host, "mail create 1M", "zfs", "inherit")
    assert harness.unowned(host)
    host("news create 1M")
    assert harness.unowned(host) == []
    assert set(harness.sights(host)["guests"]) == {"web", "db", "news"}


@pytest.mark.parametrize("line", ["mail create 1M", "web clone mail -iu"])
def test_a_plan_clears_away_what_a_killed_verb_has_left(line: str, host: Chyves) -> None:
    _kill_before(host, "mail create 1M", "zfs", "inherit")
    before = len(host.commands())
    plan = host(f"{line} --dry-run").out.splitlines()
    steps = [step for step in plan if step.startswith("zfs ")]
    assert steps[0] == "zfs destroy -r tank/chyves/guests/mail"
    assert len(steps) > 5
    assert not any("destroy" in argv for argv in host.commands()[before:])
    host(line)
    assert harness.unowned(host) == []


def test_a_create_finishes_a_killed_delete_of_that_name(host: Chyves) -> None:
    _kill_before(host, "web delete", "ifconfig", "deletem")
    host("web create 1M")
    assert harness.unowned(host) == []


def test_a_killed_create_of_several_goes_on_with_those_that_are_missing(host: Chyves) -> None:
    _kill_before(host, "mail,news create 1M", "tank/chyves/guests/news/disk0")
    assert "mail" in harness.sights(host)["guests"]
    host("news create 1M")
    assert harness.unowned(host) == []


GUESTS = "tank/chyves/guests"


@pytest.mark.parametrize(
    ("line", "killed_before", "dataset", "told"),
    [
        ("mail create 1M", "inherit", f"{GUESTS}/mail", "create of mail is not finished; the next"),
        ("web delete", "destroy", "tank/chyves/.deleted-web", "delete or move of web is not"),
        ("web clone new -ie", "rename", "tank/chyves/.new-new", "clone or move to new is not"),
        ("web move pool2", "rename", "pool2/chyves/.new-web", "clone or move to web is not"),
        (
            "web move pool2",
            f"rename {GUESTS}/web",
            "pool2/chyves/guests/web",
            "move of web is not finished; chyves web move pool2 completes it",
        ),
        (
            "web snapshot rollback @one",
            "rollback",
            f"{GUESTS}/web",
            "rollback of web is not finished; chyves web snapshot rollback @one completes it",
        ),
        (
            "dataset pool2 install",
            "inherit",
            "pool2/chyves",
            "install is not finished; chyves dataset pool2 install completes it",
        ),
    ],
)
def test_list_tells_of_what_is_not_finished(
    host: Chyves, line: str, killed_before: str, dataset: str, told: str
) -> None:
    host("web snapshot @one")
    if "move" in line:
        host("dataset pool2 install")
    assert _warnings(host) == []
    _kill_before(host, line, "zfs", *killed_before.split())
    (warning,) = _warnings(host)
    named, _, what = warning.partition(": the ")
    assert re.sub(r"-\d{14}.*", "", named) == dataset
    assert what.startswith(told)
    host(line)
    host("news create 1M")
    assert _warnings(host) == []


def _warnings(host: Chyves) -> list[str]:
    said: list[str] = json.loads(host("list --json").out)["warnings"]
    return said


def test_list_says_nothing_of_what_somebody_is_at_work_on(host: Chyves) -> None:
    _kill_before(host, "mail create 1M", "zfs", "inherit")
    simulated = open_simulated_host(host.directory)
    with locks.guest_lock(simulated, "mail"):
        assert _warnings(host) == []
    assert len(_warnings(host)) == 1


def test_a_dataset_of_somebody_else_is_never_taken_for_a_leftover(host: Chyves) -> None:
    host.program("zfs", "create", "tank/chyves/guests/mail")
    assert host.ends("mail create 1M").code == Exit.CONFLICT
    host("news create 1M")
    host("news delete")
    assert "tank/chyves/guests/mail" in host.program("zfs", "list", "-H", "-o", "name")


def test_a_guest_that_is_half_rolled_back_does_not_start(host: Chyves) -> None:
    host("web snapshot @one")
    host("network web add tap")
    _kill_before(host, "web snapshot rollback @one", "tank/chyves/guests/web/.config@one")
    for line in ("web start", "web snapshot delete @one"):
        refused = host.ends(line)
        assert refused.code == Exit.PRECONDITION
        assert "chyves web snapshot rollback @one" in refused.err
    host("web snapshot rollback @one")
    assert harness.unowned(host) == []
    assert harness.sights(host)["guests"]["web"]["net_ifaces"] == "tap50"


def test_a_rollback_leaves_others_the_numbers_they_took_meanwhile(host: Chyves) -> None:
    first = "8d0f5d5e-3b4a-4c0e-9a1d-5f2f6a7b8c01"
    host(f"web set uuid={first} serial=nmdm70 tap50_mac=58:9c:fc:00:00:01")
    host("web snapshot @one")
    host(f"web set uuid={first[:-1]}2 serial=nmdm71 tap50_mac=58:9c:fc:00:00:02")
    host(f"db set uuid={first} serial=nmdm70 tap51_mac=58:9c:fc:00:00:01")
    host("web snapshot rollback @one")
    web, db = (host.data(f"{name} get all")[name] for name in ("web", "db"))
    assert (db["uuid"], db["serial"]) == (first, "nmdm70")
    assert web["uuid"] not in (first, "")
    assert web["serial"] != "nmdm70"
    assert "tap50_mac" not in web


def test_a_new_guest_knows_nothing_of_the_ends_of_an_old_one(host: Chyves) -> None:
    state = host.world.path(layout.state_file("web"))
    state.write_text('{"phase": "failed", "reason": "triple fault"}')
    assert harness.sights(host)["guests"]["web"]["phase"] == "failed"
    host("web delete")
    host("web create 1M")
    assert harness.sights(host)["guests"]["web"]["phase"] == "stopped"
