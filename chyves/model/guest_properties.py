# SPDX-License-Identifier: BSD-2-Clause
"""The table of the properties of guests and of their defaults."""

from collections.abc import Callable

from chyves.model import ifnames, kinds, pci
from chyves.model.kinds import MANY, YES_NO, Checked, Integer, Kind, Pattern, Text, one_of
from chyves.model.layout import GUEST_VERSION
from chyves.model.options import split_bargs, split_bhyveload_flags
from chyves.model.property import Effect, Property, Scope
from chyves.model.selector import NAME, check_groups


def _default(name: str, kind: Kind, initial: str, help_: str) -> Property:
    return Property(name, kind, help_, {Scope.DEFAULTS: initial})


def _guest(
    name: str,
    kind: Kind,
    initial: str | None,
    help_: str,
    managed: str = "",
    *,
    stopped: bool = False,
) -> Property:
    return Property(name, kind, help_, {Scope.GUEST: initial}, managed, stopped=stopped)


def _both(
    name: str,
    kind: Kind,
    initial: str,
    help_: str,
    *,
    effect: Effect | None = None,
    stopped: bool = False,
) -> Property:
    """A property of guests that ``create`` takes from the defaults."""
    scopes = {Scope.DEFAULTS: initial, Scope.GUEST: initial}
    return Property(name, kind, help_, scopes, effect=effect, stopped=stopped)


def _uefi(
    name: str, kind: Kind, initial: str, help_: str, *, effect: Effect | None = None
) -> Property:
    """A property of guests that boot with UEFI; the others do without."""
    return Property(name, kind, help_, {Scope.DEFAULTS: initial, Scope.GUEST: None}, effect=effect)


def _following(name: str, kind: Kind, initial: str, help_: str) -> Property:
    """A property in which a guest follows the defaults until it has its own."""
    return Property(name, kind, help_, {Scope.DEFAULTS: initial, Scope.GUEST: None})


def _taken_by(split: Callable[[str], object]) -> Callable[[str], str]:
    """Return a function that returns its text if the other one can split it into options."""

    def parse(text: str) -> str:
        split(text)
        return text

    return parse


SYSTEMS = one_of(
    "default openbsd openbsd60 openbsd59 openbsd58 openbsd57 netbsd debian d8lvm centos6 centos7 "
    "arch gentoo coreos coreossecure vyos custom"
)
"""Systems that grub-bhyve is told how to boot."""

_RESOLUTIONS = one_of(
    "1920x1200 1920x1080 1600x1200 1600x900 1280x1024 1280x720 1024x768 800x600 640x480"
)

_COMPRESSION = Pattern(
    r"gzip-[1-9]|zstd-([1-9]|1[0-9])|zstd-fast(-[0-9]{1,4})?",
    "gzip-1..gzip-9, zstd-1..zstd-19, zstd-fast, zstd-fast-1..zstd-fast-1000",
    ("inherit", "on", "off", "lz4", "zstd", "gzip", "zle", "lzjb"),
)
_DEDUP = one_of(
    "inherit on off verify sha256 sha256,verify sha512 sha512,verify skein skein,verify "
    "edonr,verify"
)
_CACHE = one_of("inherit all metadata none")
_SIZE = Checked(kinds.normal_size, "a size such as 512M or 8G")
_SOUND = Pattern(r"/dev/dsp[0-9.]*", "a sound device such as /dev/dsp0")
_OPTIONS = Pattern(r"[^\s,]+(,[^\s,]+)*", "options of bhyve with commas between, without blanks")

GUEST_PROPERTIES = (
    _both(
        "bargs",
        Checked(_taken_by(split_bargs), "options of bhyve"),
        "-A -H -P -S",
        "Further options of bhyve; -S wires the memory, in the loader as well.",
    ),
    _both(
        "bhyveload_flags",
        Checked(_taken_by(split_bhyveload_flags), "options of bhyveload"),
        "",
        "Further options of bhyveload.",
    ),
    _both(
        "bhyve_disk_type",
        one_of("ahci-hd virtio-blk nvme"),
        "ahci-hd",
        "As what device the guest sees its disks.",
    ),
    _both(
        "bhyve_net_type",
        one_of("virtio-net e1000"),
        "virtio-net",
        "As what device the guest sees its interfaces.",
    ),
    _default(
        "bridge",
        Checked(ifnames.bridge, "a bridge such as bridge0"),
        "bridge0",
        "The bridge that a new tap joins; it has to be there.",
    ),
    _guest(
        "chyves_guest_version",
        Text(),
        GUEST_VERSION,
        "Version of the guest's properties.",
        "chyves <guest> upgrade changes it",
    ),
    _both(
        "cpu",
        Integer(1, 254),
        "1",
        "Number of virtual CPUs; the host's hw.vmm.maxcpu limits it at start.",
    ),
    _guest("creation", Text(), "", "When and by which version the guest was made."),
    _guest("description", Text(), "-", "What the guest is for, in your words."),
    _default(
        "disk_volmode",
        one_of("dev geom inherit"),
        "dev",
        "How volumes of new guests appear below /dev/zvol; set once, on the dataset above them.",
    ),
    _default(
        "disk_volblocksize",
        Checked(kinds.block_size, "a power of two from 512 to 128K", ("inherit",)),
        "16384",
        "Block size of new disks in bytes; 512, which chyves 0.2.0 chose, wastes space.",
    ),
    _default("disk_dedup", _DEDUP, "inherit", "Deduplication of new disks."),
    _default("disk_compression", _COMPRESSION, "inherit", "Compression of new disks."),
    _default("disk_primarycache", _CACHE, "inherit", "What of new disks is cached in memory."),
    _default("disk_secondarycache", _CACHE, "inherit", "What of new disks is cached on L2ARC."),
    _default("disk_sparse", YES_NO, "no", "Whether new disks take space only as they are filled."),
    _guest(
        "groups",
        Checked(check_groups, "names with commas between", ("-",)),
        None,
        "The groups that the guest is in; :name selects the guests of one.",
    ),
    _both(
        "loader",
        one_of("bhyveload grub-bhyve uefi"),
        "bhyveload",
        "What boots the guest: bhyveload is for FreeBSD, the others for any system.",
        effect=Effect.FILL_UEFI,
    ),
    _guest(
        "net_ifaces",
        Checked(ifnames.guest_interfaces, "taps and VALE ports with commas between", ("-",)),
        "-",
        "The guest's interfaces, in its order; set by hand if network_design_mode is system.",
    ),
    _guest("notes", Text(), "-", "Anything worth knowing about the guest, in your words."),
    _following(
        "on_crash",
        one_of("stop restart"),
        "stop",
        "What follows when a guest crashes; it is given up at the sixth crash in a row.",
    ),
    _both(
        "os",
        SYSTEMS,
        "default",
        "The guest's operating system; it tells grub-bhyve how to boot.",
    ),
    _both("ram", _SIZE, "256M", "Memory of the guest; without a unit it is megabytes."),
    _both(
        "rcboot",
        Integer(0, MANY, {"no": "0", "n": "0"}),
        "0",
        "Whether the guest starts with the host: 0 is no, the highest number starts first.",
    ),
    _guest(
        "rcboot_after",
        Pattern(rf"{NAME}(,{NAME})*", "names of guests with commas between"),
        None,
        "Guests that run before this one is started with the host, and are stopped after it; "
        "none of them may come after this one.",
    ),
    _following(
        "rcboot_delay",
        Integer(0, 3600),
        "0",
        "Seconds to wait at boot once this guest runs, before the next one is started.",
    ),
    _both(
        "revert_to_snapshot",
        Checked(kinds.snapshot_name, "@ and the name of a snapshot", ("",)),
        "",
        "The snapshot that revert_to_snapshot_method goes back to; nothing is the newest.",
    ),
    _both(
        "revert_to_snapshot_method",
        one_of("off start reboot both"),
        "off",
        "When the guest goes back to a snapshot.",
    ),
    _guest(
        "serial",
        Checked(ifnames.serial, "a null-modem pair such as nmdm50"),
        "",
        "The null-modem pair of the guest's console.",
        stopped=True,
    ),
    _following(
        "stop_timeout",
        Integer(0, 86400),
        "120",
        "Seconds that stop gives a guest to power off before its power is taken; 0 never takes it.",
    ),
    _default("size", _SIZE, "8G", "Size of a new disk; without a unit it is megabytes."),
    _both(
        "template",
        YES_NO,
        "no",
        "Whether the guest is a template: read-only, cloned and never started.",
        effect=Effect.READ_ONLY,
        stopped=True,
    ),
    _uefi(
        "uefi_console_output",
        one_of("serial vnc"),
        "serial",
        "Where a UEFI guest has its console.",
        effect=Effect.FILL_VNC,
    ),
    _uefi(
        "uefi_firmware",
        Checked(kinds.component, "an imported firmware", ("-",)),
        "-",
        "The firmware of a UEFI guest, as list firmware shows it.",
    ),
    _uefi(
        "uefi_vnc_client",
        one_of("print freerdp custom off"),
        "print",
        "What console vnc does: print where to connect, or start a client.",
    ),
    _guest(
        "uefi_vnc_client_custom_cmd",
        Checked(kinds.command, "a command"),
        None,
        "The VNC client that console vnc starts if uefi_vnc_client is custom.",
    ),
    _uefi(
        "uefi_vnc_ip",
        Checked(kinds.ip_address, "an IP address"),
        "127.0.0.1",
        "Where VNC listens; 0.0.0.0, which chyves 0.2.0 chose, lets the whole network in.",
    ),
    _guest(
        "uefi_vnc_keyboard",
        Pattern(r"[a-z0-9][a-z0-9_.-]*", "a file of /usr/share/bhyve/kbdlayout such as german"),
        None,
        "The layout of the keyboard at a VNC console.",
    ),
    _guest(
        "uefi_vnc_password_file",
        Pattern(r"/?[^\s/]+(/[^\s/]+)*", "a file, in the guest's folder unless it begins with /"),
        None,
        "The file with the password of the VNC console; root's, for nobody else to read.",
    ),
    _uefi("uefi_vnc_mouse_type", one_of("ps2 usb3"), "ps2", "The mouse of a VNC console."),
    _uefi(
        "uefi_vnc_pause_until_client_connect",
        YES_NO,
        "no",
        "Whether the guest waits for a VNC client before it boots.",
    ),
    _guest("uefi_vnc_port", Integer(1, 65535), None, "The port of the guest's VNC console."),
    _uefi("uefi_vnc_res", _RESOLUTIONS, "800x600", "Size of the VNC console in pixels."),
    _guest("uuid", Checked(kinds.uuid, "a UUID"), "", "The guest's identity, as it sees it."),
    _guest(
        "tap{n}_mac",
        Checked(kinds.mac_address, "a MAC address such as 58:9c:fc:00:00:01"),
        None,
        "The MAC address of the guest's interface on that tap.",
    ),
    _guest(
        "tap{n}_mtu",
        Integer(68, 65535),
        None,
        "The MTU that the guest sees on that tap; only virtio-net tells it.",
    ),
    _guest(
        "pcidev_{n}",
        Checked(kinds.pci_device, "passthru,<bus>/<slot>/<function> or another device of bhyve"),
        None,
        "A further PCI device, in the order of the numbers; passthru needs -S in bargs.",
    ),
    _guest(
        "pci_slots",
        Checked(
            lambda text: pci.format_places(pci.parse_places(text)),
            "<slot>[:<function>]=<kind>:<name> with commas between",
        ),
        None,
        "Where the guest has its devices; start keeps it, so that none ever moves.",
        stopped=True,
    ),
    _guest(
        "cpu_sockets",
        Integer(1, 254),
        None,
        "On how many sockets the guest sees its CPUs.",
    ),
    _guest("cpu_cores", Integer(1, 254), None, "How many cores a socket of the guest has."),
    _guest("cpu_threads", Integer(1, 254), None, "How many threads a core of the guest has."),
    _guest(
        "cpu_pin",
        Pattern(
            r"[0-9]{1,3}:[0-9]{1,4}(,[0-9]{1,3}:[0-9]{1,4})*",
            "<virtual CPU>:<CPU of the host> with commas between, such as 0:2,1:3",
        ),
        None,
        "On which CPUs of the host the virtual ones run.",
    ),
    _guest(
        "utctime", YES_NO, None, "Whether the guest's clock shows UTC rather than the host's time."
    ),
    _guest("virtio_rnd", YES_NO, None, "Whether the guest has a source of random numbers."),
    _guest("audio_play", _SOUND, None, "Where the sound of the guest is played."),
    _guest("audio_rec", _SOUND, None, "From where the guest records sound."),
    _guest(
        "virtio_9p_{n}",
        Pattern(
            r"[A-Za-z0-9][\w.-]*=/[^\s,]*(,ro)?", "<name>=<folder of the host>[,ro], without blanks"
        ),
        None,
        "A folder of the host that the guest can mount by that name.",
    ),
    _guest(
        "virtio_console_{n}",
        Pattern(r"[A-Za-z0-9][\w.-]{0,31}", "a name such as org.qemu.guest_agent.0"),
        None,
        "A further console of the guest; <name>.sock in its run folder is the host's side.",
    ),
    _guest(
        "tpm",
        Pattern(
            r"(/dev/tpm[0-9]{1,3}|swtpm:/[^\s,]+)",
            "a TPM of the host such as /dev/tpm0, or swtpm:<socket of a swtpm that runs>",
        ),
        None,
        "The TPM of the guest: one of the host from FreeBSD 14 on, or a simulated one from 15 on.",
    ),
    _guest(
        "virtio_block_options_disk{n}",
        _OPTIONS,
        None,
        "Options of the disk, such as ro or sectorsize=512/4096.",
    ),
    _guest("disk{n}_description", Text(), None, "What the disk is for, in your words."),
    _guest("disk{n}_notes", Text(), None, "Anything worth knowing about the disk."),
)

UEFI_FILL = ("uefi_console_output", "uefi_firmware")
"""What a guest needs that boots with UEFI, in the order it is written."""

VNC_FILL = (
    "uefi_vnc_client",
    "uefi_vnc_client_custom_cmd",
    "uefi_vnc_pause_until_client_connect",
    "uefi_vnc_port",
    "uefi_vnc_mouse_type",
    "uefi_vnc_ip",
    "uefi_vnc_res",
)
"""What a guest needs that has its console on VNC, in the order it is written."""
