# SPDX-License-Identifier: BSD-2-Clause
"""``zfs rename``, mounting, device nodes, and what a killed command leaves."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from chyves.simulator.world import World
from chyves.simulator.zfs.errors import RefusedError
from chyves.simulator.zfs.moves import changing
from tests.simulator.conftest import Type, run


def nodes(world: World, directory: str) -> list[str]:
    path = world.path(f"/dev/zvol/{directory}")
    return sorted(entry.name for entry in path.iterdir()) if path.is_dir() else []


def test_a_tree_moves_with_its_name(shell: Type, world: World) -> None:
    for line in (
        "zfs create -p tank/guests/web/img",
        "zfs create -V 16M tank/guests/web/disk0",
        "zfs set mountpoint=/elsewhere tank/guests/web/img",
        "zfs create tank/guests/web/logs",
        "zfs snapshot -r tank/guests/web@s",
        "zfs clone tank/guests/web/disk0@s tank/clone",
    ):
        assert shell(line).code == 0, line
    world.path("/tank/guests/web/note").write_text("note")
    world.path("/tank/guests/web/logs/log").write_text("log")
    world.path("/elsewhere/image").write_text("image")
    assert shell("zfs rename tank/guests/web tank/guests/www").code == 0
    assert not world.path("/tank/guests/web").exists()
    assert world.path("/tank/guests/www/note").read_text() == "note"
    assert world.path("/tank/guests/www/logs/log").read_text() == "log"
    assert world.path("/elsewhere/image").read_text() == "image"
    assert nodes(world, "tank/guests/www") == ["disk0"]
    assert nodes(world, "tank/guests/web") == []
    assert shell("zfs get -H -o value origin tank/clone").stdout == "tank/guests/www/disk0@s\n"
    assert shell("zfs list -H -o mountpoint tank/guests/www/logs").stdout == (
        "/tank/guests/www/logs\n"
    )


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ("tank/nosuch tank/x", "cannot open 'tank/nosuch': dataset does not exist"),
        ("tank/a tank/b", "cannot rename 'tank/a': dataset already exists"),
        ("tank/a tank/n/a", "cannot create 'tank/n/a': parent does not exist"),
        (
            "tank/a tank/a/in",
            "cannot rename to 'tank/a/in': New dataset name cannot be a descendant of current"
            " dataset name",
        ),
        ("tank/a other/a", "cannot create 'other/a': no such pool 'other'"),
        (
            "tank/a@s tank/b@s",
            "cannot rename to 'tank/b@s': snapshots must be part of same dataset",
        ),
        ("tank/a@s t", "cannot rename 'tank/a@s': dataset already exists"),
    ],
)
def test_names_that_are_refused(shell: Type, arguments: str, complaint: str) -> None:
    for line in ("create tank/a", "create tank/b", "snapshot tank/a@s", "snapshot tank/a@t"):
        assert shell(f"zfs {line}").code == 0
    result = shell(f"zfs rename {arguments}")
    assert (result.code, result.stderr) == (1, f"{complaint}\n")


def test_snapshots_are_renamed_everywhere(shell: Type) -> None:
    assert shell("zfs create -p tank/a/b").code == 0
    assert shell("zfs snapshot -r tank/a@s").code == 0
    assert shell("zfs rename -r tank/a@s @t").code == 0
    assert shell("zfs list -H -t snap -o name").stdout == "tank/a@t\ntank/a/b@t\n"


def test_mountpoints_follow_the_property(shell: Type, world: World) -> None:
    assert shell("zfs create -p tank/a/b").code == 0
    world.path("/tank/a/b/file").write_text("text")
    assert shell("zfs set mountpoint=/vms tank/a").code == 0
    assert world.path("/vms/b/file").read_text() == "text"
    assert not world.path("/tank/a").exists()
    assert shell("zfs set mountpoint=none tank/a").code == 0
    assert shell("zfs get -H -o value mounted tank/a/b").stdout == "no\n"
    assert shell("zfs mount tank/a").stderr == "cannot mount 'tank/a': no mountpoint set\n"
    assert shell("zfs inherit mountpoint tank/a").code == 0
    assert world.path("/tank/a/b/file").read_text() == "text"
    assert shell("zfs mount tank/a").stderr == (
        "cannot mount 'tank/a': filesystem already mounted\n"
    )
    assert shell("zfs umount tank/a").code == 0
    assert shell("zfs umount tank/a").stderr == ("cannot unmount 'tank/a': not currently mounted\n")


def test_a_volmode_of_its_own_costs_a_new_volume_its_node(shell: Type, world: World) -> None:
    assert shell("zfs create -o volmode=dev tank/dev").code == 0
    assert shell("zfs create -V 16M -o volmode=dev tank/lost").code == 0
    assert shell("zfs create -V 16M tank/dev/kept").code == 0
    assert shell("zfs create -V 16M -o volmode=dev tank/dev/same").code == 0
    assert shell("zfs create -V 16M -o volmode=none tank/none").code == 0
    assert shell("zfs create -V 16M 'tank/with blank'").code == 0
    assert nodes(world, "tank") == ["dev"]
    assert nodes(world, "tank/dev") == ["kept", "same"]
    assert shell("zfs rename tank/lost tank/found").code == 0
    assert nodes(world, "tank") == ["dev", "found"]
    with world.changing():
        world.table("sysctl")["vfs.zfs.vol.mode"] = {"value": "2"}
    assert shell("zfs create -V 16M -o volmode=dev tank/third").code == 0
    assert nodes(world, "tank") == ["dev", "found", "third"]


def test_set_volmode_acts_one_step_late(shell: Type, world: World) -> None:
    assert shell("zfs create -V 16M tank/v").code == 0
    seen = []
    for mode in ("none", "dev", "dev"):
        assert shell(f"zfs set volmode={mode} tank/v").code == 0
        seen.append(nodes(world, "tank"))
    assert seen == [["v"], [], ["v"]]


def destroy_and_fail(world: World) -> None:
    with changing(world) as (datasets, moves):
        moves.discard(world.path("/tank/a"))
        del datasets["tank/a"]
        raise RefusedError("too late")


def test_an_error_undoes_files_and_tables(shell: Type, world: World) -> None:
    assert shell("zfs create tank/a").code == 0
    world.path("/tank/a/file").write_text("text")
    with pytest.raises(RefusedError):
        destroy_and_fail(world)
    assert world.path("/tank/a/file").read_text() == "text"
    assert shell("zfs list -H -o name tank/a").code == 0


_KILLED = """
import os, signal, sys
from pathlib import Path
from chyves.simulator.world import World
from chyves.simulator.zfs import moves
world = World(Path(sys.argv[1]))
with moves.changing(world) as (datasets, changes):
    changes.move(world.path("/tank/a"), world.path("/tank/b"))
    datasets["tank/b"] = datasets["tank/a"]
    del datasets["tank/a"]
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_command_is_undone_by_the_next(shell: Type, world: World) -> None:
    assert shell("zfs create tank/a").code == 0
    world.path("/tank/a/file").write_text("text")
    root = Path(__file__).parents[2]
    killed = subprocess.run(
        [sys.executable, "-c", _KILLED, str(world.directory)], cwd=root, check=False
    )
    assert killed.returncode == -signal.SIGKILL
    assert not world.path("/tank/a").exists()
    assert shell("zfs list -H -o name,mounted -r tank").stdout == "tank\tyes\ntank/a\tyes\n"
    assert world.path("/tank/a/file").read_text() == "text"


def test_another_process_sees_what_was_done(shell: Type, world: World) -> None:
    assert shell("zfs create tank/a").code == 0
    again = World(world.directory)
    assert run(again, "zfs", "list", "-H", "-o", "name").stdout == "tank\ntank/a\n"
    assert os.path.isdir(again.path("/tank/a"))
