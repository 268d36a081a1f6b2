# SPDX-License-Identifier: BSD-2-Clause
"""Small parts of the simulated bhyve: numbers, images, options, and the guests that tests boot."""

from pathlib import Path

import pytest

from chyves.simulator.bhyve import media
from chyves.simulator.bhyve.config import Slot
from chyves.simulator.bhyve.devices import default_mac
from chyves.simulator.bhyve.longopts import BadOption, getopt_long
from chyves.simulator.bhyve.sizes import memory_size
from tests.guests import MissingPackages, scripted_iso, tiny_linux


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("512", 512 << 20),
        ("0x10", 16 << 20),
        ("010", 8 << 20),
        ("1048575", 1048575 << 20),
        ("1048576", 1 << 20),
        ("64K", 64 << 10),
        ("2g", 2 << 30),
        ("1Gb", 1 << 30),
        ("1T", 1 << 40),
        ("", None),
        ("abc", None),
        ("512Q", None),
        ("1.5G", None),
        ("-1", None),
        ("1 G", None),
        ("09", None),
    ],
)
def test_memory_sizes(text: str, size: int | None) -> None:
    assert memory_size(text) == size


def test_the_mac_of_a_transcript() -> None:
    assert default_mac(Slot(0, 2, 0, {}), "inner") == "00:a0:98:6f:f9:18"


def test_long_options_may_be_shortened() -> None:
    names = ["vm=", "destroy", "desc-base=", "force-reset", "force-poweroff"]
    assert getopt_long(["--vm", "a", "--dest", "x", "--force-r"], names) == [
        ("vm", "a"),
        ("destroy", ""),
        ("force-reset", ""),
    ]
    with pytest.raises(BadOption, match=r"^ambiguous option -- des$"):
        getopt_long(["--des"], names)


def test_what_can_boot(tmp_path: Path) -> None:
    image = tmp_path / "image"
    for content, can in (
        (b"", False),
        (bytes(1 << 20), False),
        (bytes(510) + b"\x55\xaa", True),
        (bytes(32769) + b"CD001", True),
        (bytes(60000) + media.MARKER, True),
        (bytes(70000) + media.MARKER, False),
    ):
        image.write_bytes(content)
        assert media.is_bootable(image) == can
    assert not media.is_bootable(tmp_path), "a directory"
    assert not media.is_bootable(tmp_path / "nosuch")


def test_the_script_of_an_image(tmp_path: Path) -> None:
    assert media.script(scripted_iso(tmp_path / "a.iso")) == []
    assert media.script(scripted_iso(tmp_path / "b.iso", "noacpi", "reboot")) == [
        "noacpi",
        "reboot",
    ]
    (tmp_path / "disk").write_bytes(bytes(510) + b"\x55\xaa")
    assert media.script(tmp_path / "disk") is None


def test_which_images_boot_with_uefi(tmp_path: Path) -> None:
    iso = bytearray(22 * 2048)
    iso[16 * 2048 : 16 * 2048 + 6] = b"\x01CD001"
    iso[17 * 2048 : 17 * 2048 + 30] = b"\0CD001\x01EL TORITO SPECIFICATION"
    iso[17 * 2048 + 0x47] = 20
    iso[20 * 2048 : 20 * 2048 + 2] = b"\x01\0"
    image = tmp_path / "image"
    image.write_bytes(iso)
    assert not media.boots_with_efi(image)
    iso[20 * 2048 + 64 : 20 * 2048 + 66] = b"\x91\xef"
    image.write_bytes(iso)
    assert media.boots_with_efi(image)
    with_partition = bytearray(1 << 16)
    with_partition[450] = 0xEF
    image.write_bytes(with_partition)
    assert media.boots_with_efi(image)


def test_a_linux_cannot_be_built_without_its_packages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", "")
    with pytest.raises(MissingPackages, match=r"apt-get install .*xorriso.*cpio"):
        tiny_linux()
