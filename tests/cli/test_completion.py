# SPDX-License-Identifier: BSD-2-Clause
"""What a shell offers behind each word: what the table has there, and the names of this host."""

from pathlib import Path

import pytest
from click.shell_completion import CompletionItem, ShellComplete

from chyves.app import App
from chyves.cli import _root
from tests.cli.conftest import Chyves


def items(chyves: Chyves, typed: str) -> list[CompletionItem]:
    words = ["--simulate", str(chyves.directory), *typed.split(" ")]
    shell = ShellComplete(_root(), {"obj": App()}, "chyves", "_CHYVES_COMPLETE")
    return shell.get_completions(words[:-1], words[-1])


def offered(chyves: Chyves, typed: str) -> list[str]:
    return [item.value for item in items(chyves, typed)]


@pytest.fixture
def busy(guests: Chyves, tmp_path: Path) -> Chyves:
    (tmp_path / "debian.iso").write_bytes(b"installer")
    for line in (
        "dataset pool2 install",
        f"iso import {tmp_path / 'debian.iso'}",
        "network bridge0 attach em0",
        "network web add tap bridge1",
        "web group add :front,:live",
        "web snapshot @one",
        "web snapshot @two",
        "web disk add 1M",
        "web set tap50_mac=58:9c:fc:00:00:01",
    ):
        guests(f"{line} -q")
    return guests


@pytest.mark.parametrize(
    ("typed", "wanted"),
    [
        ("web,", ["web,db", "web,:front", "web,:live", "web,rcboot"]),
        ("web,d", ["web,db"]),
        ("glob", ["global"]),
        ("global ", ["get", "log", "set", "unset"]),
        ("defaults ", ["get", "set", "unset"]),
        ("dataset ", ["primary", "pool2", "tank"]),
        ("dataset tank ", ["install", "offline", "online", "promote", "uninstall", "upgrade"]),
        ("dataset tank uninstall ", ["force"]),
        ("dataset primary ", ["upgrade"]),
        ("help net", ["network"]),
        ("upgrade ", ["check", "dev", "master"]),
        ("iso ", ["delete", "import", "list", "rename"]),
        ("iso delete ", ["debian.iso", "null.iso"]),
        ("firmware delete ", []),
        ("list sn", ["snapshots"]),
        ("list tap ", ["active"]),
        ("list global ", ["pool2", "primary", "tank"]),
        ("list snapshots w", ["web"]),
        ("list processes d", ["db"]),
        ("list bridges ", []),
        ("network ", [":front", ":live", "all", "bridge0", "bridge1", "db", "import", "web"]),
        (
            "network bridge0 ",
            ["attach", "default", "delete", "join", "migrate", "private", "unjoin"],
        ),
        ("network bridge0 attach ", ["em0"]),
        ("network bridge0 join ", ["tap52"]),
        ("network bridge0 join tap50,", ["tap50,tap52"]),
        ("network bridge0 unjoin ", ["tap50", "tap51"]),
        ("network bridge0 unjoin tap51,", ["tap51,tap50"]),
        ("network bridge0 migrate ", ["bridge0", "bridge1"]),
        ("network web add ", ["tap"]),
        ("network web add tap ", ["bridge0", "bridge1"]),
        ("network web remove ", ["tap50", "tap52"]),
        ("web clone new @", ["@one", "@two"]),
        ("web clone new -iu ", ["@one", "@two", "pool2", "tank"]),
        ("web console ", ["reset", "tmux", "vnc"]),
        ("web,db console ", ["reset", "tmux"]),
        ("new create 1G ", ["pool2", "tank"]),
        ("web re", ["reclaim", "reload", "rename"]),
        ("web,db re", ["reclaim", "reload"]),
        ("all re", ["reclaim", "reload"]),
        ("web,db cr", ["create"]),
        (":front c", ["console"]),
        ("web,rcboot c", ["console"]),
        ("web delete ", ["force", "keepnet"]),
        ("web disk ", ["add", "delete", "disk0", "disk1", "list", "resize"]),
        ("web disk delete ", ["disk0", "disk1"]),
        ("web disk disk0 ", ["description", "notes"]),
        ("web get tap5", ["tap50_mac"]),
        ("web get al", ["all"]),
        ("web group remove :front,", [":front,:live"]),
        ("web move ", ["pool2", "tank"]),
        ("web set loader=u", ["loader=uefi"]),
        ("web set cpu=2 templ", ["template="]),
        ("web set cpu=2 :f", [":front"]),
        ("web set :f", []),
        ("web set cpu=2 ram=1G web,d", ["web,db"]),
        ("web set cpu=2 db templ", ["template="]),
        ("web set cpu=2 db :f", []),
        ("web set cpu=2 db cpu=3 templ", ["template="]),
        ("web unset ", ["groups", "tap50_mac"]),
        ("web unset groups tap5", ["tap50_mac"]),
        ("global unset ", ["bridge0_phy_attach"]),
        ("web snapshot ", ["@one", "@two", "delete", "list", "rollback"]),
        ("web snapshot list ", []),
        ("all snapshot ", ["@one", "@two"]),
        ("web snapshot rollback @t", ["@two"]),
        ("web snapshot delete @one%", ["@one%one", "@one%two"]),
        ("web start ", ["debian.iso", "null.iso"]),
        ("web stop ", ["force"]),
        ("web wait --for ", ["running", "stopped"]),
        ("web reload ", []),
        ("nobody disk delete ", []),
    ],
)
def test_offered(typed: str, wanted: list[str], busy: Chyves) -> None:
    found = offered(busy, typed)
    assert len(set(found)) == len(found)
    assert sorted(found) == sorted(wanted)


def test_a_file_is_offered_by_the_shell(bare: Chyves) -> None:
    assert [(item.type, item.value) for item in items(bare, "iso import ./d")] == [("file", "./d")]


def test_nothing_is_said_where_nothing_is_set_up(
    bare: Chyves, capfd: pytest.CaptureFixture[str]
) -> None:
    assert offered(bare, "web start ") == []
    assert offered(bare, "dataset ") == ["pool2", "tank", "primary"]
    assert capfd.readouterr() == ("", "")
