# SPDX-License-Identifier: BSD-2-Clause
"""Kinds of values: what is accepted, how it is written, and what a refusal says."""

from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chyves.errors import Invalid
from chyves.model import ifnames, kinds
from chyves.model.ifnames import InterfaceType, interface_type

KB, MB, GB, TB = (1 << shift for shift in (10, 20, 30, 40))


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("512", 512 * MB),
        ("8G", 8 * GB),
        ("8g", 8 * GB),
        ("512MB", 512 * MB),
        ("512mb", 512 * MB),
        ("4K", 4 * KB),
        ("2T", 2 * TB),
        ("1.5G", 1536 * MB),
        ("0.25G", 256 * MB),
    ],
)
def test_sizes_are_in_powers_of_1024(text: str, size: int) -> None:
    assert kinds.size_bytes(text) == size


@pytest.mark.parametrize(
    "text",
    ["", "-", "G", "8X", "-8G", "8 G", "1.G", ".5G", "8GiB", "8P", "0", "0G", "0.0G", "0.0001K"]
    + ["8G\n", "٨G", "8Gb8"],
)
def test_what_is_no_size_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(Invalid) as refusal:
        kinds.size_bytes(text)
    assert "512M, 8G" in refusal.value.hint


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("512", "512M"),
        ("1024", "1G"),
        ("2048m", "2G"),
        ("1048576k", "1G"),
        ("1048577k", "1048577K"),
        ("4096G", "4T"),
        ("2048T", "2048T"),
        ("512Mb", "512M"),
        ("1.5G", "1536M"),
    ],
)
def test_sizes_are_written_in_the_largest_unit_that_is_exact(text: str, written: str) -> None:
    assert kinds.normal_size(text) == written


@given(st.integers(1, 1 << 42))
def test_a_size_written_is_the_size_read(kilobytes: int) -> None:
    written = kinds.normal_size(f"{kilobytes}K")
    assert kinds.size_bytes(written) == kilobytes * KB
    assert kinds.normal_size(written) == written


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0B"),
        (512, "512B"),
        (1023, "1023B"),
        (KB, "1K"),
        (100864, "98.5K"),
        (1613234176, "1.50G"),
        (807403520, "770M"),
        (20 * MB, "20M"),
        (21394227, "20.4M"),
        (MB - 1, "1024K"),
        (5 * (1 << 60), "5E"),
        (2000 * (1 << 60), "2000E"),
    ],
)
def test_bytes_are_shown_as_zfs_shows_them(size: int, text: str) -> None:
    assert kinds.format_bytes(size) == text
    assert kinds.format_bytes(size, exact=True) == str(size)


@given(st.integers(0, 1 << 64))
def test_shown_bytes_are_short_and_near(size: int) -> None:
    text = kinds.format_bytes(size)
    assert len(text) <= 5
    shown = float(text[:-1]) * (1 << 10 * "BKMGTPE".index(text[-1]))
    assert abs(shown - size) <= size * 0.006


Parse = Callable[[str], str]

GOOD: list[tuple[Parse, str, str]] = [
    (kinds.YES_NO.parse, "yes", "yes"),
    (kinds.YES_NO.parse, "on", "yes"),
    (kinds.YES_NO.parse, "off", "no"),
    (kinds.ON_OFF.parse, "no", "off"),
    (kinds.Integer(1, 16).parse, "16", "16"),
    (kinds.Integer(1, 16).parse, "004", "4"),
    (kinds.Integer(0, 9, {"no": "0"}).parse, "NO", "0"),
    (kinds.block_size, "512", "512"),
    (kinds.block_size, "16K", "16384"),
    (kinds.block_size, "131072", "131072"),
    (kinds.mac_address, "58:9C:FC:00:00:01", "58:9c:fc:00:00:01"),
    (kinds.uuid, "D649E44C-E75C-11F1-BE6F-589CFC004E3E", "d649e44c-e75c-11f1-be6f-589cfc004e3e"),
    (kinds.ip_address, "127.0.0.1", "127.0.0.1"),
    (kinds.ip_address, "::1", "::1"),
    (kinds.ip_address, "[FE80::0:1]", "fe80::1"),
    (kinds.date, "20240229", "20240229"),
    (ifnames.serial, "nmdm50", "nmdm50"),
    (ifnames.tap, "tap0", "tap0"),
    (ifnames.tap, "tap32767", "tap32767"),
    (ifnames.bridge, "bridge5", "bridge5"),
    (ifnames.vale_port, "vale0", "vale0"),
    (ifnames.vale_port, "vale_a:p1", "vale_a:p1"),
    (ifnames.uplink, "private", "private"),
    (ifnames.uplink, "vtnet0", "vtnet0"),
    (ifnames.uplink, "ix1", "ix1"),
    (ifnames.uplink, "lagg0.16", "lagg0.16"),
    (ifnames.uplink, "vlan100", "vlan100"),
    (ifnames.uplink, "lan", "lan"),
    (ifnames.uplink, "vlan012", "vlan012"),
    (ifnames.uplink, "wan01", "wan01"),
    (ifnames.guest_interfaces, "tap50,vale0:1,tap51", "tap50,vale0:1,tap51"),
    (kinds.snapshot_label, "@a-b.c_1", "@a-b.c_1"),
    (kinds.snapshot_name, "before", "@before"),
    (kinds.snapshot_name, "@before", "@before"),
    (kinds.component, "FreeBSD-14.1-amd64.iso", "FreeBSD-14.1-amd64.iso"),
    (kinds.pci_device, "passthru,2/0/0", "passthru,2/0/0"),
    (kinds.pci_device, "passthru,255/31/7,rom=/x", "passthru,255/31/7,rom=/x"),
    (kinds.pci_device, "virtio-rnd", "virtio-rnd"),
    (kinds.pci_device, "ahci-cd,/x.iso", "ahci-cd,/x.iso"),
    (kinds.flags("zbp", "flags").parse, "-zb", "-zb"),
    (kinds.flags("zbp", "flags").parse, "p", "-p"),
    (kinds.flags("zbp", "flags").parse, "", ""),
]

BAD: list[tuple[Parse, str, str]] = [
    (kinds.YES_NO.parse, "maybe", "yes, no"),
    (kinds.YES_NO.parse, "", "yes, no"),
    (kinds.Integer(1, 16).parse, "abc", "1..16"),
    (kinds.Integer(1, 16).parse, "17", "1..16"),
    (kinds.Integer(1, 16).parse, "9" * 5000, "1..16"),
    (kinds.normal_size, "9" * 5000, "8G"),
    (ifnames.tap, "tap" + "9" * 5000, "tap0"),
    (kinds.Integer(1, 16).parse, "-1", "1..16"),
    (kinds.Integer(1, 16).parse, "1.5", "1..16"),
    (kinds.Integer(1, 16).parse, "٤", "1..16"),
    (kinds.Integer(1, 16).parse, "", "1..16"),
    (kinds.block_size, "8", "512 to 128K"),
    (kinds.block_size, "513", "512 to 128K"),
    (kinds.block_size, "256K", "512 to 128K"),
    (kinds.block_size, "x", "512 to 128K"),
    (kinds.mac_address, "58:9c:fc:00:00", "six pairs"),
    (kinds.mac_address, "58-9c-fc-00-00-01", "six pairs"),
    (kinds.mac_address, "01:00:5e:00:00:01", "even first pair"),
    (kinds.mac_address, "ff:ff:ff:ff:ff:ff", "even first pair"),
    (kinds.mac_address, "00:00:00:00:00:00", "58:9c"),
    (kinds.uuid, "d649e44c-e75ce75c-11f1-be6f-589cfc004e3e", "8-4-4-4-12"),
    (kinds.uuid, "00000000-0000-0000-0000-000000000000", "uuidgen"),
    (kinds.uuid, "", "uuidgen"),
    (kinds.ip_address, "300.1.1.1", "0 to 255"),
    (kinds.ip_address, "1a2b3c4", "0 to 255"),
    (kinds.ip_address, "[127.0.0.1]", "IPv6"),
    (kinds.ip_address, "localhost", "127.0.0.1"),
    (kinds.date, "20230229", "YYYYMMDD"),
    (kinds.date, "2023-2-1", "YYYYMMDD"),
    (ifnames.serial, "nmdm", "nmdm0"),
    (ifnames.serial, "nmdm05", "leading zeros"),
    (ifnames.serial, "nmdm50A", "nmdm0"),
    (ifnames.serial, "nmdm100000", "nmdm99999"),
    (ifnames.tap, "tap32768", "tap32767"),
    (ifnames.tap, "tap07", "leading zeros"),
    (ifnames.tap, "tap", "tap0"),
    (ifnames.bridge, "tap0", "bridge0"),
    (ifnames.vale_port, "vale", "vale0"),
    (ifnames.vale_port, "vale0:", "vale0:1"),
    (ifnames.vale_port, "vale0:1:2", "vale0:1"),
    (ifnames.vale_port, "vale1234567:12345", "15"),
    (ifnames.uplink, "tap50", "a network card"),
    (ifnames.uplink, "bridge1", "a network card"),
    (ifnames.uplink, "vale0", "a network card"),
    (ifnames.uplink, "em0; rm -rf /", "ifconfig -l"),
    (ifnames.uplink, "", "ifconfig -l"),
    (ifnames.uplink, "averyverylongname0", "ifconfig -l"),
    (ifnames.guest_interfaces, "tap50,tap50", "once"),
    (ifnames.guest_interfaces, "tap50,", "tap0"),
    (ifnames.guest_interfaces, "tap50 tap51", "tap0"),
    (ifnames.guest_interfaces, "em0", "tap0"),
    (kinds.snapshot_label, "before", "@before"),
    (kinds.snapshot_label, "@", "@before"),
    (kinds.snapshot_label, "@a/b", "@before"),
    (kinds.snapshot_name, "a@b", "@before"),
    (kinds.component, "a/b", "letters"),
    (kinds.component, "..", "letters"),
    (kinds.component, "-rf", "letters"),
    (kinds.component, "two words.iso", "letters"),
    (kinds.pci_device, "passthru", "passthru,<bus"),
    (kinds.pci_device, "passthru,2:0:0", "decimal"),
    (kinds.pci_device, "passthru,256/0/0", "0-255"),
    (kinds.pci_device, "passthru,2/32/0", "0-31"),
    (kinds.pci_device, "passthru,2/0/8", "0-7"),
    (kinds.pci_device, "passthru,a/0/0", "decimal"),
    (kinds.pci_device, "virtio-rnd, x", "virtio-rnd"),
    (kinds.pci_device, "virtio-rnd,", "virtio-rnd"),
    (kinds.pci_device, "", "virtio-rnd"),
    (kinds.flags("zbp", "flags").parse, "-zq", "zbp"),
    (kinds.flags("zbp", "flags").parse, "-", "zbp"),
    (kinds.flags("zbp", "flags").parse, "-z-b", "zbp"),
]


@pytest.mark.parametrize(("parse", "text", "written"), GOOD)
def test_good_values_are_accepted_and_written_one_way(
    parse: Parse, text: str, written: str
) -> None:
    assert parse(text) == written
    assert parse(written) == written


@pytest.mark.parametrize(("parse", "text", "hint"), BAD)
def test_bad_values_are_refused_with_what_would_be_good(parse: Parse, text: str, hint: str) -> None:
    with pytest.raises(Invalid) as refusal:
        parse(text)
    assert hint in refusal.value.hint
    assert refusal.value.message


@pytest.mark.parametrize(
    ("name", "type_"),
    [
        ("tap50", InterfaceType.TAP),
        ("bridge0", InterfaceType.BRIDGE),
        ("vlan16", InterfaceType.VLAN),
        ("em0.16", InterfaceType.VLAN),
        ("vale0:1", InterfaceType.VALE),
        ("valerie", InterfaceType.VALE),
        ("vtnet0", InterfaceType.PHYSICAL),
        ("igc0", InterfaceType.PHYSICAL),
        ("mlxen0", InterfaceType.PHYSICAL),
        ("tape", InterfaceType.PHYSICAL),
        ("wan", InterfaceType.PHYSICAL),
    ],
)
def test_interfaces_are_told_apart_by_their_names(name: str, type_: InterfaceType) -> None:
    assert interface_type(name) is type_


def test_vlans_can_have_a_name_of_their_own() -> None:
    assert interface_type("net7", "net") is InterfaceType.VLAN
    assert interface_type("vlan7", "net") is InterfaceType.PHYSICAL


def test_kinds_describe_themselves() -> None:
    assert kinds.one_of("a b").describe() == "one of a, b"
    assert kinds.Integer(1, 16).describe() == "1..16"
    assert kinds.Checked(kinds.uuid, "a UUID", ("", "-")).describe() == "a UUID, nothing, -"
    assert kinds.Pattern("[a-z]+", "letters").describe() == "letters"


@given(st.text(max_size=20))
def test_whatever_is_typed_is_accepted_or_refused(text: str) -> None:
    for parse in {parse for parse, _, _ in GOOD}:
        with suppress(Invalid):
            assert parse(parse(text)) == parse(text)
