# SPDX-License-Identifier: BSD-2-Clause
"""Every property: that a good value is accepted and a bad one refused with the reason."""

from collections.abc import Mapping

import pytest

from chyves.errors import ChyvesError, Conflict, Invalid, NotFound
from chyves.model.config import ConfigFile
from chyves.model.host_properties import offset
from chyves.model.numbers import in_use
from chyves.model.properties import (
    Context,
    Effect,
    Scope,
    find,
    initial_values,
    known_names,
    properties_of,
    require_may_unset,
    settable,
    validate,
)
from tests.tools import CHECKOUT

SYSTEM = {"network_design_mode": "system"}
UUID = "d649e44c-e75c-11f1-be6f-589cfc004e3e"

POOL, GLOBAL, DEFAULTS, GUEST = Scope

Example = tuple[Scope, str, str, str, str]

EXAMPLES: list[Example] = [
    # scope, property, a good value, a bad one, and what the refusal says
    (GLOBAL, "auto_load_kernel_mods", "no", "maybe", "yes, no"),
    (GLOBAL, "check_for_updates", "off", "hourly", "off, daily, weekly, monthly, always"),
    (GLOBAL, "check_for_updates_timeout_seconds", "5", "soon", "1..3600"),
    (GLOBAL, "check_for_updates_last_check", "20261123", "20261340", "YYYYMMDD"),
    (GLOBAL, "check_for_updates_last_check_status", "1", "2", "0, 1"),
    (GLOBAL, "check_for_updates_unique_id", UUID, "me", "uuidgen"),
    (GLOBAL, "console_start_offset", "100", "abc", "0..32767"),
    (GLOBAL, "consolidate_bhyve_pci_devices", "yes", "1", "yes, no"),
    (GLOBAL, "default_clone_flag", "-ce", "anything", "-ce, -cu, -ie, -iu"),
    (GLOBAL, "default_info_flags", "-uw", "-q", "zbprvstc"),
    (GLOBAL, "default_list_flags", "-skdpH", "-x", "zbprvstc"),
    (GLOBAL, "dev_mode", "-xv", "-y", "-xvn"),
    (GLOBAL, "eject_iso_on_n_reboot", "0", "never", "0..99999"),
    (GLOBAL, "network_design_mode", "system", "manual", "auto, system"),
    (GLOBAL, "log_mode", "host", "file", "dual, host, guest, off"),
    (GLOBAL, "log_to_file", "yes", "true", "yes, no"),
    (GLOBAL, "prompt_on_destruction", "no", "never", "yes, no"),
    (GLOBAL, "restrict_new_property_names", "off", "maybe", "on, off"),
    (GLOBAL, "stdout_level", "3", "13", "0..3"),
    (GLOBAL, "tap_start_offset", "100", "99999", "0..32767"),
    (GLOBAL, "tap_up_by_default", "no", "up", "yes, no"),
    (GLOBAL, "vlan_iface_base_name", "net", "net0", "lower-case"),
    (GLOBAL, "vlan_iface_base_name", "taps", "tap", "not bridge, tap, vale"),
    (GLOBAL, "uefi_vnc_port_start_offset", "6000", "65536", "1..65535"),
    (GLOBAL, "bridge{n}_phy_attach", "em0", "tap5", "a network card, a VLAN, private"),
    (DEFAULTS, "bargs", "-A -H -P", "-A -Z", "bhyve(8)"),
    (DEFAULTS, "bhyveload_flags", "", "-Z", "bhyveload(8)"),
    (DEFAULTS, "bhyve_disk_type", "virtio-blk", "ide", "ahci-hd, virtio-blk"),
    (DEFAULTS, "bhyve_net_type", "e1000", "rtl8139", "virtio-net, e1000"),
    (DEFAULTS, "bridge", "bridge5", "em0", "bridge0"),
    (DEFAULTS, "cpu", "4", "abc", "1..254"),
    (DEFAULTS, "disk_volmode", "geom", "none", "dev, geom, inherit"),
    (DEFAULTS, "disk_volblocksize", "512", "8", "512 to 128K"),
    (DEFAULTS, "disk_dedup", "on", "yes", "inherit, on, off"),
    (DEFAULTS, "disk_compression", "gzip-9", "gzip-10", "zstd"),
    (DEFAULTS, "disk_primarycache", "metadata", "some", "all, metadata, none"),
    (DEFAULTS, "disk_secondarycache", "none", "off", "all, metadata, none"),
    (DEFAULTS, "disk_sparse", "yes", "thin", "yes, no"),
    (DEFAULTS, "loader", "uefi", "lilo", "bhyveload, grub-bhyve, uefi"),
    (DEFAULTS, "on_crash", "restart", "reboot", "stop, restart"),
    (DEFAULTS, "os", "debian", "plan9", "default, openbsd"),
    (DEFAULTS, "ram", "2G", "lots", "512M, 8G"),
    (DEFAULTS, "rcboot", "7", "yes", "0..99999"),
    (DEFAULTS, "rcboot_delay", "30", "soon", "0..3600"),
    (DEFAULTS, "revert_to_snapshot", "@clean", "a/b", "@before"),
    (DEFAULTS, "revert_to_snapshot_method", "both", "always", "off, start, reboot, both"),
    (DEFAULTS, "size", "16G", "0", "512M, 8G"),
    (DEFAULTS, "stop_timeout", "300", "never", "0..86400"),
    (DEFAULTS, "template", "yes", "2", "yes, no"),
    (DEFAULTS, "uefi_console_output", "vnc", "screen", "serial, vnc"),
    (DEFAULTS, "uefi_firmware", "-", "a/b", "letters"),
    (DEFAULTS, "uefi_vnc_client", "freerdp", "vncviewer", "print, freerdp, custom, off"),
    (DEFAULTS, "uefi_vnc_ip", "::1", "1.2.3.256", "from 0 to 255"),
    (DEFAULTS, "uefi_vnc_mouse_type", "usb3", "usb", "ps2, usb3"),
    (DEFAULTS, "uefi_vnc_pause_until_client_connect", "yes", "wait", "yes, no"),
    (DEFAULTS, "uefi_vnc_res", "1024x768", "1x1", "1920x1200, "),
    (GUEST, "bargs", "-AHPS", "-h", "leave it out"),
    (GUEST, "bhyveload_flags", "-e smbios.x=1", "'-e", "bhyveload(8)"),
    (GUEST, "bhyve_disk_type", "virtio-blk", "", "ahci-hd, virtio-blk"),
    (GUEST, "bhyve_net_type", "e1000", "virtio", "virtio-net, e1000"),
    (GUEST, "cpu", "254", "255", "1..254"),
    (GUEST, "creation", "long ago = then", "a\nb", "one line"),
    (GUEST, "description", "* 50% of = it's", "a\nb", "one line"),
    (GUEST, "eject_iso_on_n_reboot", "2", "", "0..99999"),
    (GUEST, "groups", "prod,web.1", "a b", "letters"),
    (GUEST, "loader", "bhyveload", "grub", "bhyveload, grub-bhyve, uefi"),
    (GUEST, "net_ifaces", "tap5,vale0:1", "tap5,tap5", "once"),
    (GUEST, "notes", "", "a\0b", "one line"),
    (GUEST, "on_crash", "stop", "", "stop, restart"),
    (GUEST, "os", "vyos", "anything", "default, openbsd"),
    (GUEST, "ram", "1.5G", "0", "512M, 8G"),
    (GUEST, "rcboot", "0", "-1", "0..99999"),
    (GUEST, "rcboot_after", "db,mail-2", "db, mail", "commas"),
    (GUEST, "rcboot_delay", "0", "-1", "0..3600"),
    (GUEST, "revert_to_snapshot", "", "@a@b", "@before"),
    (GUEST, "revert_to_snapshot_method", "off", "on", "off, start, reboot, both"),
    (GUEST, "serial", "nmdm99", "nmdm", "nmdm0"),
    (GUEST, "stop_timeout", "0", "86401", "0..86400"),
    (GUEST, "template", "no", "", "yes, no"),
    (GUEST, "uefi_console_output", "serial", "both", "serial, vnc"),
    (GUEST, "uefi_firmware", "BHYVE_UEFI.fd", "", "letters"),
    (GUEST, "uefi_vnc_client", "off", "", "print, freerdp, custom, off"),
    (GUEST, "uefi_vnc_client_custom_cmd", "vncviewer -x", "a\nb", "one line"),
    (GUEST, "uefi_vnc_client_custom_cmd", "vncviewer 'a b'", "vncviewer 'a", "vncviewer %h::%p"),
    (GUEST, "uefi_vnc_ip", "0.0.0.0", "any", "0 to 255"),
    (GUEST, "uefi_vnc_mouse_type", "ps2", "", "ps2, usb3"),
    (GUEST, "uefi_vnc_pause_until_client_connect", "no", "", "yes, no"),
    (GUEST, "uefi_vnc_port", "5950", "70000", "1..65535"),
    (GUEST, "uefi_vnc_res", "640x480", "640x481", "1920x1200, "),
    (GUEST, "uuid", UUID, "00000000-0000-0000-0000-000000000000", "uuidgen"),
    (GUEST, "tap{n}_mac", "58:9c:fc:00:00:01", "ff:ff:ff:ff:ff:ff", "58:9c:fc:00:00:01"),
    (GUEST, "tap{n}_mtu", "9000", "67", "68..65535"),
    (GUEST, "pci_slots", "4=disk:disk0,5:1=net:tap50", "3=disk:disk0", "slot 4-30"),
    (GUEST, "cpu_sockets", "2", "0", "1..254"),
    (GUEST, "cpu_cores", "4", "x", "1..254"),
    (GUEST, "cpu_threads", "2", "255", "1..254"),
    (GUEST, "cpu_pin", "0:2,1:3", "0-2", "0:2,1:3"),
    (GUEST, "utctime", "yes", "maybe", "yes, no"),
    (GUEST, "virtio_rnd", "yes", "2", "yes, no"),
    (GUEST, "audio_play", "/dev/dsp0", "/dev/sda", "/dev/dsp0"),
    (GUEST, "audio_rec", "/dev/dsp1.0", "dsp1", "/dev/dsp0"),
    (GUEST, "virtio_9p_{n}", "src=/usr/src,ro", "src=usr", "folder"),
    (GUEST, "virtio_console_{n}", "org.qemu.guest_agent.0", "a/b", "guest_agent"),
    (GUEST, "tpm", "swtpm:/var/run/web.sock", "swtpm", "/dev/tpm0"),
    (GUEST, "uefi_vnc_keyboard", "german", "../x", "kbdlayout"),
    (GUEST, "uefi_vnc_password_file", "vnc.password", "a b", "begins with /"),
    (GUEST, "pcidev_{n}", "passthru,2/0/0", "passthru,2/0/9", "0-7"),
    (GUEST, "virtio_block_options_disk{n}", "ro,sectorsize=512/4096", "ro, nocache", "commas"),
    (GUEST, "disk{n}_description", "data = disk", "a\nb", "one line"),
    (GUEST, "disk{n}_notes", "*", "a\nb", "one line"),
]

WRITTEN_BY_0_2_0 = {
    DEFAULTS: {"disk_volblocksize": "512", "uefi_vnc_ip": "0.0.0.0"},
    GLOBAL: {
        "check_for_updates": "weekly",
        "check_for_updates_last_check": "20261123",
        "check_for_updates_unique_id": "7b19c7cb-e75b-11f1-819b-cb18697c3dcd",
    },
}

POOL_ORDER = "creation dataset_version dataset_role"
GLOBAL_ORDER = """
auto_load_kernel_mods check_for_updates check_for_updates_timeout_seconds
check_for_updates_last_check check_for_updates_last_check_status check_for_updates_unique_id
console_start_offset consolidate_bhyve_pci_devices default_clone_flag default_info_flags
default_list_flags dev_mode eject_iso_on_n_reboot network_design_mode log_mode log_to_file
prompt_on_destruction restrict_new_property_names stdout_level tap_start_offset tap_up_by_default
vlan_iface_base_name uefi_vnc_port_start_offset
"""
DEFAULTS_ORDER = """
bargs bhyveload_flags bhyve_disk_type bhyve_net_type bridge cpu disk_volmode disk_volblocksize
disk_dedup disk_compression disk_primarycache disk_secondarycache disk_sparse loader on_crash os
ram rcboot rcboot_delay revert_to_snapshot revert_to_snapshot_method stop_timeout size template
uefi_console_output uefi_firmware uefi_vnc_client uefi_vnc_ip uefi_vnc_mouse_type
uefi_vnc_pause_until_client_connect uefi_vnc_res
"""


def rows(*, managed: bool) -> list[tuple[Scope, str]]:
    return [
        (scope, row.name)
        for scope in Scope
        for row in properties_of(scope)
        if bool(row.managed) is managed
    ]


def test_every_property_has_an_example() -> None:
    assert {(scope, name) for scope, name, *_ in EXAMPLES} == set(rows(managed=False))


@pytest.mark.parametrize(("scope", "name", "good", "bad", "reason"), EXAMPLES)
def test_a_good_value_is_accepted_and_a_bad_one_refused(
    scope: Scope, name: str, good: str, bad: str, reason: str
) -> None:
    name = name.replace("{n}", "5")
    context = Context(globals=SYSTEM)
    assert validate(scope, name, good, context)[-1].name == name
    with pytest.raises(Invalid) as refusal:
        validate(scope, name, bad, context)
    assert name in refusal.value.message
    assert reason in refusal.value.hint


@pytest.mark.parametrize(("scope", "name"), rows(managed=True))
def test_what_chyves_keeps_is_not_set_by_hand(scope: Scope, name: str) -> None:
    with pytest.raises(Invalid, match="not set by hand") as refusal:
        validate(scope, name.replace("{n}", "5"), "1")
    assert refusal.value.hint.startswith("chyves ")


@pytest.mark.parametrize("scope", Scope)
def test_what_a_file_begins_with_is_valid(scope: Scope) -> None:
    known_later = {"uuid", "serial", "check_for_updates_last_check", "check_for_updates_unique_id"}
    values = {**initial_values(scope), **WRITTEN_BY_0_2_0.get(scope, {})}
    for row in settable(scope):
        if row.name in values and (values[row.name] or row.name not in known_later):
            assert row.kind.parse(values[row.name]) == values[row.name], row.name


@pytest.mark.parametrize(
    ("scope", "order"), [(POOL, POOL_ORDER), (GLOBAL, GLOBAL_ORDER), (DEFAULTS, DEFAULTS_ORDER)]
)
def test_files_begin_in_the_order_of_chyves_0_2_0(scope: Scope, order: str) -> None:
    assert list(initial_values(scope)) == order.split()


def test_a_guest_begins_like_one_of_chyves_0_2_0() -> None:
    old = ConfigFile.parse((CHECKOUT / "tests/data/chyves-0.2.0/g4.cfg").read_text())
    assert list(initial_values(GUEST)) == list(old)
    made = {"creation", "net_ifaces", "serial", "uuid"}
    assert {k: v for k, v in initial_values(GUEST).items() if k not in made} == {
        k: v for k, v in old.items() if k not in made
    }


def test_a_guest_begins_with_the_defaults() -> None:
    values = initial_values(GUEST, {"cpu": "4", "ram": "2G", "description": "x", "size": "16G"})
    assert (values["cpu"], values["ram"], values["description"]) == ("4", "2G", "-")
    assert "size" not in values
    assert initial_values(DEFAULTS, {"cpu": "4"})["cpu"] == "1"


@pytest.mark.parametrize("scope", Scope)
def test_every_property_says_what_it_is_in_a_sentence(scope: Scope) -> None:
    for row in properties_of(scope):
        assert row.help.endswith("."), row.name
        assert row.help[0].isupper(), row.name
        assert row.kind.describe(), row.name


def test_names_with_a_number_are_found_by_any_number() -> None:
    for name in ("tap{n}_mac", "pcidev_{n}", "virtio_block_options_disk{n}", "disk{n}_notes"):
        row = find(name.replace("{n}", "12"), GUEST)
        assert row is not None
        assert row.name == name
        assert find(name, GUEST) is None
        assert name in known_names(GUEST)
        for wrong in ("", "x", "123456", "1x"):
            assert find(name.replace("{n}", wrong), GUEST) is None
    assert find("bridge0_phy_attach", GLOBAL)
    assert not find("bridge0_phy_attach", GUEST)


def written(scope: Scope, name: str, value: str, context: Context | None = None) -> dict[str, str]:
    return {one.name: one.value for one in validate(scope, name, value, context)}


@pytest.mark.parametrize(
    ("scope", "name", "value", "kept"),
    [
        (GUEST, "revert_to_snapshot", "clean", "@clean"),
        (GUEST, "revert_to_snapshot", "@clean", "@clean"),
        (GUEST, "ram", "2048m", "2G"),
        (GUEST, "ram", "512", "512M"),
        (GUEST, "rcboot", "No", "0"),
        (GUEST, "uuid", UUID.upper(), UUID),
        (GLOBAL, "log_to_file", "on", "yes"),
        (GLOBAL, "log_to_file", "off", "no"),
        (GLOBAL, "tap_up_by_default", "off", "no"),
        (GLOBAL, "dev_mode", "-nvx", "-nvx"),
        (GLOBAL, "default_info_flags", "zu", "-zu"),
        (GLOBAL, "default_list_flags", "", ""),
        (GLOBAL, "bridge0_phy_attach", "private", "private"),
        (DEFAULTS, "disk_volblocksize", "16K", "16384"),
        (DEFAULTS, "disk_volblocksize", "inherit", "inherit"),
        (DEFAULTS, "disk_compression", "zstd-fast-10", "zstd-fast-10"),
        (DEFAULTS, "disk_dedup", "sha256,verify", "sha256,verify"),
        (DEFAULTS, "loader", "uefi", "uefi"),
        (DEFAULTS, "uefi_console_output", "vnc", "vnc"),
    ],
)
def test_values_are_written_as_chyves_0_2_0_reads_them(
    scope: Scope, name: str, value: str, kept: str
) -> None:
    assert written(scope, name, value) == {name: kept}


def test_uefi_brings_what_the_guest_lacks() -> None:
    defaults = {"uefi_firmware": "X.fd"}
    assert written(GUEST, "loader", "uefi", Context(defaults=defaults)) == {
        "uefi_console_output": "serial",
        "uefi_firmware": "X.fd",
        "loader": "uefi",
    }
    has = {"uefi_firmware": "Y.fd"}
    assert written(GUEST, "loader", "uefi", Context(has, defaults)) == {
        "uefi_console_output": "serial",
        "loader": "uefi",
    }
    assert written(GUEST, "loader", "bhyveload") == {"loader": "bhyveload"}


def test_vnc_brings_each_property_that_the_guest_lacks() -> None:
    taken = in_use([("web", {"uefi_vnc_port": "5900"})])
    assert list(written(GUEST, "uefi_console_output", "vnc", Context(taken=taken)).items()) == [
        ("uefi_vnc_client", "print"),
        ("uefi_vnc_client_custom_cmd", ""),
        ("uefi_vnc_pause_until_client_connect", "no"),
        ("uefi_vnc_port", "5901"),
        ("uefi_vnc_mouse_type", "ps2"),
        ("uefi_vnc_ip", "127.0.0.1"),
        ("uefi_vnc_res", "800x600"),
        ("uefi_console_output", "vnc"),
    ]
    has = {"uefi_vnc_res": "1024x768", "uefi_vnc_ip": "::1"}
    brought = written(
        GUEST,
        "uefi_console_output",
        "vnc",
        Context(has, {"uefi_vnc_client": "off"}, {"uefi_vnc_port_start_offset": "6000"}),
    )
    assert brought["uefi_vnc_port"] == "6000"
    assert brought["uefi_vnc_client"] == "off"
    assert not has.keys() & brought.keys()


def test_uefi_with_vnc_as_the_default_gets_a_port_too() -> None:
    brought = written(GUEST, "loader", "uefi", Context(defaults={"uefi_console_output": "vnc"}))
    assert brought["uefi_console_output"] == "vnc"
    assert brought["uefi_vnc_port"] == "5900"


def test_a_template_is_made_read_only_by_the_backend() -> None:
    assert validate(GUEST, "template", "yes")[-1].effect is Effect.READ_ONLY
    assert validate(DEFAULTS, "template", "yes")[-1].effect is None
    stopped = {row.name for row in properties_of(GUEST) if row.stopped}
    assert stopped == {"template", "serial", "pci_slots"}


WEB = {
    "serial": "nmdm50",
    "uefi_vnc_port": "5900",
    "uuid": UUID,
    "net_ifaces": "tap50",
    "tap50_mac": "58:9c:fc:00:00:01",
}


@pytest.mark.parametrize(("name", "value"), WEB.items())
def test_what_another_guest_has_is_refused(name: str, value: str) -> None:
    taken = in_use([("web", WEB), ("db", {})])
    with pytest.raises(Conflict, match="web"):
        validate(GUEST, name, value, Context(globals=SYSTEM, guest="db", taken=taken))
    assert written(GUEST, name, value, Context(WEB, globals=SYSTEM, guest="web", taken=taken))


def test_numbers_can_be_swapped_between_interfaces_of_a_guest() -> None:
    before = {"tap1_mac": "58:9c:fc:00:00:01", "tap2_mac": "58:9c:fc:00:00:02"}
    taken = in_use([("db", before)])
    with pytest.raises(Conflict, match="twice"):
        validate(GUEST, "tap2_mac", before["tap1_mac"], Context(before, guest="db", taken=taken))
    moved = Context({**before, "tap1_mac": "58:9c:fc:00:00:03"}, guest="db", taken=taken)
    assert written(GUEST, "tap2_mac", before["tap1_mac"], moved)


def test_interfaces_are_set_by_hand_only_where_the_administrator_keeps_the_network() -> None:
    with pytest.raises(Invalid, match="network_design_mode is auto") as refusal:
        validate(GUEST, "net_ifaces", "tap5")
    assert "chyves network <guest> add tap" in refusal.value.hint


def test_firmware_has_to_be_there() -> None:
    context = Context(firmware=["BHYVE_UEFI.fd"])
    assert written(GUEST, "uefi_firmware", "BHYVE_UEFI.fd", context)
    assert written(GUEST, "uefi_firmware", "-", context)
    with pytest.raises(NotFound, match="no such firmware: BHYVE_UEFI") as refusal:
        validate(GUEST, "uefi_firmware", "BHYVE_UEFI", context)
    assert "BHYVE_UEFI.fd" in refusal.value.hint
    with pytest.raises(NotFound) as refusal:
        validate(GUEST, "uefi_firmware", "x", Context(firmware=[]))
    assert "firmware import" in refusal.value.hint


@pytest.mark.parametrize(
    ("name", "value", "current", "note"),
    [
        ("uefi_vnc_ip", "0.0.0.0", {}, "no password"),
        ("uefi_vnc_ip", "::", {}, "no password"),
        ("uefi_vnc_ip", "10.0.0.9", {}, "does not have the address"),
        ("uefi_vnc_ip", "127.0.0.1", {}, ""),
        ("pcidev_0", "passthru,2/0/0", {"bargs": "-A -H"}, "needs -S"),
        ("pcidev_0", "passthru,2/0/0", {"bargs": "-AHS"}, ""),
        ("pcidev_0", "passthru,2/0/0", {"bargs": "'"}, "needs -S"),
        ("pcidev_0", "virtio-rnd", {}, ""),
        ("pcidev_0", "wonder,x=1", {}, "wonder is no device that chyves knows"),
        ("cpu", "2", {}, ""),
    ],
)
def test_what_is_worth_knowing_is_told(
    name: str, value: str, current: Mapping[str, str], note: str
) -> None:
    told = validate(GUEST, name, value, Context(current, addresses=["127.0.0.1"]))[-1].note
    assert note in told
    assert bool(told) is bool(note)


@pytest.mark.parametrize(
    ("scope", "name", "message", "hint"),
    [
        (GUEST, "rma", "no such property: rma", "did you mean ram"),
        (GUEST, "rma", "no such property", "restrict_new_property_names=off"),
        (GUEST, "qqqqq", "no such property", "chyves list properties"),
        (GUEST, "stdout_level", "no property of guests", "the host (global)"),
        (GUEST, "disk_dedup", "no property of guests", "the defaults"),
        (GLOBAL, "cpu", "no property of the host", "the defaults"),
        (GLOBAL, "dataset_rolle", "no such property", ""),
        (GLOBAL, "dataset_role", "no property of the host", "pools"),
        (DEFAULTS, "pcidev_0", "no property of the defaults", "guests"),
        (DEFAULTS, "sise", "no such property", "did you mean size"),
        (POOL, "x", "no such property", ""),
    ],
)
def test_an_unknown_name_is_refused_with_a_suggestion(
    scope: Scope, name: str, message: str, hint: str
) -> None:
    with pytest.raises(NotFound) as refusal:
        validate(scope, name, "1", Context(globals={"restrict_new_property_names": "on"}))
    assert message in refusal.value.message
    assert hint in refusal.value.hint


def test_new_names_are_for_guests_and_only_if_that_is_allowed() -> None:
    allowed = Context(globals={"restrict_new_property_names": "off"})
    (new,) = validate(GUEST, "my_own", "x = y", allowed)
    assert (new.name, new.value) == ("my_own", "x = y")
    assert "my_own is new" in new.note
    for scope in (GLOBAL, DEFAULTS):
        with pytest.raises(NotFound):
            validate(scope, "my_own", "x", allowed)
    with pytest.raises(Invalid, match="not a property name"):
        validate(GUEST, "ram.*", "1G", allowed)


@pytest.mark.parametrize("scope", [GUEST, GLOBAL, DEFAULTS])
def test_what_is_in_the_file_already_can_be_changed(scope: Scope) -> None:
    assert written(scope, "my_own", "x", Context({"my_own": "y"})) == {"my_own": "x"}


@pytest.mark.parametrize(
    "name",
    ["eject_iso_on_n_reboot", "pcidev_0", "virtio_block_options_disk1", "tap50_mac"]
    + ["uefi_vnc_port", "disk0_notes", "my_own"],
)
def test_what_a_guest_can_do_without_may_be_unset(name: str) -> None:
    require_may_unset(name, {"my_own": "x"})


@pytest.mark.parametrize("name", ["cpu", "uuid", "chyves_guest_version", "revert_to_snapshot"])
def test_what_a_guest_needs_may_not_be_unset(name: str) -> None:
    with pytest.raises(Invalid, match=f"cannot do without {name}") as refusal:
        require_may_unset(name, {name: "1"})
    assert "tap{n}_mac" in refusal.value.hint


def test_what_nobody_knows_cannot_be_unset() -> None:
    with pytest.raises(NotFound, match="no such property: pcidev") as refusal:
        require_may_unset("pcidev", {})
    assert "pcidev_{n}" in refusal.value.hint


@pytest.mark.parametrize(
    ("globals_", "number"),
    [({}, 50), ({"tap_start_offset": "7"}, 7), ({"tap_start_offset": "99999"}, 50)],
)
def test_an_offset_that_is_no_good_is_not_used(globals_: dict[str, str], number: int) -> None:
    assert offset(globals_, "tap_start_offset") == number


def test_every_refusal_says_what_to_do() -> None:
    for scope, name, _, bad, _ in EXAMPLES:
        with pytest.raises(ChyvesError) as refusal:
            validate(scope, name.replace("{n}", "5"), bad, Context(globals=SYSTEM))
        assert refusal.value.hint
        assert not refusal.value.message.endswith(".")
