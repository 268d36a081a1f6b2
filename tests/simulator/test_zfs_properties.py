# SPDX-License-Identifier: BSD-2-Clause
"""``zfs set``, ``get``, ``inherit``, ``list``: values, sources, tables, space."""

import json
from collections.abc import Callable

import pytest

from chyves.model.volumes import reservation
from chyves.simulator.world import World
from chyves.simulator.zfs.mounts import is_read_only
from chyves.simulator.zfs.sizes import nice_bytes, parse_number
from tests.simulator.conftest import Type, run


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0B"),
        (624, "624B"),
        (6768, "6.61K"),
        (105984, "104K"),
        (1023 << 10, "1023K"),
        (10239, "10.0K"),
        (807403520, "770M"),
        (1613234176, "1.50G"),
        (7801299456, "7.27G"),
        (1 << 40, "1T"),
    ],
)
def test_sizes_for_people(number: int, text: str) -> None:
    assert nice_bytes(number) == text


def test_sizes_are_read() -> None:
    assert [parse_number(text) for text in ("512", "8K", "1.5G", "2gb", "1KiB")] == [
        512,
        8192,
        3 << 29,
        2 << 30,
        1024,
    ]
    for text, why in (("x", "bad numeric value 'x'"), ("1X", "invalid numeric suffix 'X'")):
        with pytest.raises(ValueError, match=why):
            parse_number(text)


def test_reservations_of_a_real_pool() -> None:
    assert reservation(536870912, 512) == 807403520
    assert reservation(1073741824, 512) == 1613234176
    assert reservation(268435456, 512) == 404750336


@pytest.mark.parametrize(
    ("setting", "complaint"),
    [
        ("nocolon=1", "invalid property 'nocolon'"),
        ("volsize=130000001", "'volsize' must be a multiple of volume block size (8K)"),
        ("volsize=1T", "size is greater than available space"),
        ("volblocksize=16K", "'volblocksize' is readonly"),
        ("used=1", "'used' is readonly"),
        ("mountpoint=/x", "'mountpoint' does not apply to datasets of this type"),
        ("volmode=x", "'volmode' must be one of 'default | full | geom | dev | none'"),
        ("x:long=" + "v" * 9000, "property value too long"),
    ],
)
def test_settings_that_are_refused(shell: Type, setting: str, complaint: str) -> None:
    assert shell("zfs create -V 64M tank/v").code == 0
    result = shell(f"zfs set {setting} tank/v")
    assert (result.code, result.stderr) == (1, f"cannot set property for 'tank/v': {complaint}\n")


def test_sources_and_inheritance(shell: Type) -> None:
    assert shell("zfs create -p tank/a/b").code == 0
    assert shell("zfs set readonly=on x:y='a b\tc' tank/a").code == 0
    got = shell("zfs get -Hp -o property,value,source readonly,x:y,atime,nosuch:p tank/a/b").stdout
    assert got == (
        "readonly\ton\tinherited from tank/a\n"
        "x:y\ta b\tc\tinherited from tank/a\n"
        "atime\ton\tdefault\n"
        "nosuch:p\t-\t-\n"
    )
    assert shell("zfs inherit x:y tank/a").code == 0
    assert shell("zfs get -H -o value,source x:y tank/a").stdout == "-\t-\n"
    assert shell("zfs inherit quota tank/a").stderr.splitlines()[1] == (
        "use 'zfs set quota=none' to clear"
    )


def test_geom_reads_back_as_full(shell: Type) -> None:
    assert shell("zfs create -V 64M -o volmode=geom tank/v").code == 0
    assert shell("zfs get -H -o value volmode tank/v").stdout == "full\n"


def test_shrinking_a_volume_is_silent_and_real(shell: Type, world: World) -> None:
    assert shell("zfs create -V 64M tank/v").code == 0
    for size in (128, 32):
        assert shell(f"zfs set volsize={size}M tank/v")[1:] == (0, "", "")
        assert world.path("/dev/zvol/tank/v").stat().st_size == size << 20
    assert shell("zfs get -Hp -o value refreservation tank/v").stdout == "36700160\n"


def test_tables_for_people(shell: Type) -> None:
    assert shell("zfs list").stdout == (
        "NAME   USED  AVAIL     REFER  MOUNTPOINT\ntank   104K  7.27G       24K  /tank\n"
    )
    assert shell("zfs create -V 64M tank/disk").code == 0
    assert shell("zfs list -o name,mounted,mountpoint,canmount -r tank").stdout == (
        "NAME       MOUNTED  MOUNTPOINT  CANMOUNT\n"
        "tank       yes      /tank       on\n"
        "tank/disk  -        -           -\n"
    )
    assert shell("zfs get volsize,x:y tank/disk").stdout == (
        "NAME       PROPERTY  VALUE    SOURCE\n"
        "tank/disk  volsize   64M      local\n"
        "tank/disk  x:y       -        -\n"
    )


def test_what_cannot_be_listed(shell: Type) -> None:
    result = shell("zfs list -Hp -o nosuch tank")
    assert result.code == 2
    assert result.stderr.startswith(
        "bad property list: invalid property 'nosuch'\nusage:\n"
        "\tlist [-Hp] [-r|-d max] [-o property[,...]] [-s property]...\n"
    )
    assert "\n\tused             NO       NO   <size>\n" in result.stderr
    result = shell("zfs list -H -o name tank/nosuch tank")
    assert (result.code, result.stdout) == (1, "tank\n")
    assert result.stderr == "cannot open 'tank/nosuch': dataset does not exist\n"
    assert shell("zfs list -t nosuchtype").stderr.startswith("invalid type '(null)'\nusage:")


def test_snapshots_are_listed_in_the_order_of_their_creation(shell: Type) -> None:
    for label in ("z", "a", "m"):
        assert shell(f"zfs snapshot tank@{label}").code == 0
    assert shell("zfs list -H -d 1 -t snapshot -o name tank").stdout == "tank@z\ntank@a\ntank@m\n"
    assert shell("zfs list -H -o name -t all -s name").stdout.split() == [
        "tank",
        "tank@a",
        "tank@m",
        "tank@z",
    ]


def test_snapshots_are_taken_all_or_none(shell: Type) -> None:
    assert shell("zfs create tank/a").code == 0
    assert shell("zfs snapshot tank/a@s").code == 0
    result = shell("zfs snapshot -r tank@s")
    assert (result.code, result.stderr) == (
        1,
        "cannot create snapshot 'tank/a@s': dataset already exists\nno snapshots were created\n",
    )
    assert shell("zfs list -H -o name tank@s").code == 1
    assert shell("zfs snapshot nosuch@s").code == 2


def test_a_full_pool_is_full(shell: Type, world: World) -> None:
    assert shell("zfs create -V 6000M tank/big").code == 0
    with world.path("/dev/zvol/tank/big").open("r+b") as device:
        device.write(b"x" * (2 << 20))
    assert shell("zfs create -V 7500M tank/more").stderr == (
        "cannot create 'tank/more': out of space\n"
    )
    assert shell("zfs create -s -V 7T tank/sparse").code == 0
    assert shell("zfs snapshot tank/big@1").code == 0
    used = shell("zfs list -Hp -o used,usedbyrefreservation,refer tank/big").stdout.split()
    assert int(used[0]) == int(used[1]) + int(used[2])
    assert shell("zfs create -V 1200M tank/rest").code == 0
    assert shell("zfs snapshot tank/rest@1").code == 0
    assert shell("zfs create -o quota=20M tank/small").code == 0
    assert shell("zfs create -V 100M tank/small/v").stderr == (
        "cannot create 'tank/small/v': out of space\n"
    )


def test_a_thick_volume_needs_room_for_its_snapshot(make_world: Callable[..., World]) -> None:
    world = make_world("13.2", small=256 << 20)
    assert run(world, "zfs", "create", "-V", "90M", "small/v").code == 0
    with world.path("/dev/zvol/small/v").open("r+b") as device:
        device.write(b"x" * (60 << 20))
    result = run(world, "zfs", "snapshot", "small/v@1")
    assert (result.code, result.stderr) == (
        1,
        "cannot create snapshot 'small/v@1': out of space\n",
    )


@pytest.mark.parametrize(
    ("release", "block", "compression"), [("13.2", 8192, "off"), ("14.3", 16384, "on")]
)
def test_defaults_of_releases(
    make_world: Callable[..., World], release: str, block: int, compression: str
) -> None:
    world = make_world(release)
    assert run(world, "zfs", "create", "-V", "64M", "tank/v").code == 0
    got = run(world, "zfs", "get", "-Hp", "-o", "value", "volblocksize,compression", "tank/v")
    assert got.stdout.split() == [str(block), compression]
    assert run(world, "zfs", "list", "-j").code == 2


def test_json_since_15(make_world: Callable[..., World]) -> None:
    world = make_world("15.0")
    listed = json.loads(run(world, "zfs", "list", "-j", "-o", "name,used,mountpoint").stdout)
    assert listed["output_version"]["command"] == "zfs list"
    assert listed["datasets"]["tank"]["properties"]["mountpoint"] == {
        "value": "/tank",
        "source": {"type": "DEFAULT", "data": "-"},
    }


def test_readonly_filesystems_refuse_writing(shell: Type, world: World) -> None:
    assert shell("zfs create -p tank/a/b").code == 0
    assert shell("zfs set readonly=on tank/a").code == 0
    assert is_read_only(world, "/tank/a/b/file")
    assert is_read_only(world, "/tank/a")
    assert not is_read_only(world, "/tank/file")
    assert not is_read_only(world, "/var/run/x")


def test_only_root_changes_things(shell: Type, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHYVES_SIMULATE_USER", "nobody")
    assert shell("zfs list -H").code == 0
    assert shell("zfs create tank/n").stderr == "cannot create 'tank/n': permission denied\n"
    assert shell("zfs snapshot tank@n").stderr == "cannot create snapshots : permission denied\n"
