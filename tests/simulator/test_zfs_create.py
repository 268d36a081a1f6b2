# SPDX-License-Identifier: BSD-2-Clause
"""``zfs create``, checked against the transcripts of a real FreeBSD 13.2."""

from pathlib import Path

import pytest

from chyves.simulator.world import World
from tests.simulator.conftest import Type


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ("tank", "cannot create 'tank': missing dataset name"),
        ("tank/nosuch/child", "cannot create 'tank/nosuch/child': parent does not exist"),
        ("nosuch/x", "cannot create 'nosuch/x': no such pool 'nosuch'"),
        ("tank/a@b", "cannot create 'tank/a@b': snapshot delimiter '@' is not expected here"),
        ("tank/a%b", "cannot create 'tank/a%b': invalid character % in name"),
        ("tank/a#b", "cannot create 'tank/a#b': bookmark delimiter '#' is not expected here"),
        (
            "tank//x",
            "cannot create 'tank//x': empty component or misplaced '@' or '#' delimiter in name",
        ),
        ("tank/x/", "cannot create 'tank/x/': trailing slash in name"),
        ("tank/..", "cannot create 'tank/..': parent reference, '..' is found in name"),
        ("-o nosuchprop=1 tank/q", "cannot create 'tank/q': invalid property 'nosuchprop'"),
        ("-o compression tank/q", "missing '=' for property=value argument"),
        ("-V abc tank/bad", "bad volume size 'abc': bad numeric value 'abc'"),
        ("-V 0 tank/bad", "cannot create 'tank/bad': volume size cannot be zero"),
        ("-V 1T tank/huge", "cannot create 'tank/huge': out of space"),
        (
            "-V 64M -b 3K tank/badb",
            "cannot create 'tank/badb': 'volblocksize' must be power of 2 from 512B to 1M",
        ),
    ],
)
def test_refuses_as_openzfs_does(shell: Type, arguments: str, complaint: str) -> None:
    result = shell(f"zfs create {arguments}")
    assert (result.code, result.stdout, result.stderr) == (1, "", complaint + "\n")


def test_names_with_blanks_dashes_and_colons_are_taken(shell: Type, world: World) -> None:
    for name in ("bad name", "-x", ":x_y.z"):
        assert shell(f"zfs create 'tank/{name}'").code == 0
        assert world.path(f"/tank/{name}").is_dir()


def test_an_existing_dataset_is_an_error_unless_parents_are_made(shell: Type) -> None:
    assert shell("zfs create -p tank/a/b/c").code == 0
    assert shell("zfs create -p -o compression=nosuch tank/a/b/c").code == 0
    result = shell("zfs create tank/a/b/c")
    assert result.stderr == "cannot create 'tank/a/b/c': dataset already exists\n"


@pytest.mark.parametrize(
    ("options", "volsize", "refreservation"),
    [
        ("-V 64M", 67108864, 71303168),
        ("-V 64M -b 4K", 67108864, 73400320),
        ("-V 100", 8192, 1843200),
        ("-V 65M -b 16K", 68157440, 71565312),
        ("-V 65000001", 65003520, 69197824),
        ("-V 64M -b 256K", 67108864, 69206016),
        ("-V 64M -b 512", 67108864, 102760448),
        ("-V 512M -b 512", 536870912, 807403520),
        ("-V 1G -b 512", 1073741824, 1613234176),
        ("-s -V 1G -b 16K", 1073741824, 0),
    ],
)
def test_sizes_are_rounded_up_and_thick_volumes_reserve(
    shell: Type, world: World, options: str, volsize: int, refreservation: int
) -> None:
    assert shell(f"zfs create {options} tank/v").code == 0
    values = shell("zfs get -Hp -o value volsize,refreservation tank/v").stdout.split()
    assert values == [str(volsize), str(refreservation)]
    node = world.path("/dev/zvol/tank/v")
    assert node.is_symlink()
    assert not node.readlink().is_absolute()
    assert node.stat().st_size == volsize
    assert node.stat().st_blocks == 0


def test_a_small_block_size_is_warned_of(shell: Type) -> None:
    result = shell("zfs create -V 64M -o volblocksize=4K tank/v")
    assert (result.code, result.stderr) == (
        0,
        "Warning: volblocksize (4096) is less than the default minimum block size (8192).\n"
        "To reduce wasted space a volblocksize of 8192 is recommended.\n",
    )


def test_an_unknown_option_shows_the_usage(shell: Type) -> None:
    result = shell("zfs create -Z tank/x")
    assert result.code == 2
    assert result.stderr.startswith(
        "invalid option 'Z'\nusage:\n\tcreate [-Pnpuv] [-o property=value] ... <filesystem>\n"
    )


def test_what_lies_at_the_mountpoint_is_hidden_until_unmounted(shell: Type, world: World) -> None:
    below: Path = world.path("/tank/data")
    below.mkdir()
    (below / "old").write_text("hidden")
    assert shell("zfs create tank/data").code == 0
    assert list(below.iterdir()) == []
    (below / "new").write_text("seen")
    assert shell("zfs unmount tank/data").code == 0
    assert [path.name for path in below.iterdir()] == ["old"]
    assert shell("zfs mount tank/data").code == 0
    assert (below / "new").read_text() == "seen"
