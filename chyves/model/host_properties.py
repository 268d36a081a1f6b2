# SPDX-License-Identifier: BSD-2-Clause
"""The table of the properties of pools and of the host (global)."""

from collections.abc import Iterator, Mapping

from chyves.errors import Invalid
from chyves.model import ifnames, kinds
from chyves.model.kinds import (
    MANY,
    ON_OFF,
    YES_NO,
    Checked,
    Integer,
    Kind,
    Pattern,
    Text,
    one_of,
)
from chyves.model.layout import DATASET_VERSION
from chyves.model.property import Property, Scope


def _pool(name: str, initial: str, help_: str) -> Property:
    managed = "chyves dataset keeps it"
    return Property(name, Text(), help_, {Scope.POOL: initial}, managed)


def _global(name: str, kind: Kind, initial: str | None, help_: str, managed: str = "") -> Property:
    return Property(name, kind, help_, {Scope.GLOBAL: initial}, managed)


LIST_FLAGS = "zbprvstcudnaklwH"
INFO_FLAGS = f"{LIST_FLAGS}h"

_DEV_MODE = Pattern(r"-[xvn]+", "shell flags out of -xvn", ("off", "on"))
_NETWORK = "chyves network keeps it"

POOL_PROPERTIES = (
    _pool("creation", "", "When and by which version the datasets were made."),
    _pool("dataset_version", DATASET_VERSION, "Version of the datasets of the pool."),
    _pool("dataset_role", "", "What the pool is: primary, secondary or offline."),
)

GLOBAL_PROPERTIES = (
    _global("auto_load_kernel_mods", YES_NO, "yes", "Whether missing kernel modules are loaded."),
    _global(
        "check_for_updates",
        one_of("off daily weekly monthly always"),
        "off",
        "How often newer versions are looked for; chyves 0.2.0 did so weekly, without being asked.",
    ),
    _global(
        "check_for_updates_timeout_seconds",
        Integer(1, 3600),
        "2",
        "How many seconds looking for a newer version may take.",
    ),
    _global(
        "check_for_updates_last_check",
        Checked(kinds.date, "a date, YYYYMMDD"),
        "",
        "When a newer version was looked for last.",
    ),
    _global(
        "check_for_updates_last_check_status",
        one_of("0 1"),
        "0",
        "Whether a newer version is known: 1 is yes.",
    ),
    _global(
        "check_for_updates_newest",
        Text("a version"),
        None,
        "The newest version that was found.",
        managed="chyves looks for it",
    ),
    _global(
        "check_for_updates_unique_id",
        Checked(kinds.uuid, "a UUID"),
        "",
        "The identity that chyves 0.2.0 sent when it looked for a newer version.",
    ),
    _global(
        "console_start_offset",
        Integer(0, ifnames.IF_MAXUNIT),
        "50",
        "Lowest number of a null-modem pair that a new guest gets.",
    ),
    _global(
        "consolidate_bhyve_pci_devices",
        YES_NO,
        "no",
        "Whether devices of a kind share PCI slots as functions, eight in each.",
    ),
    _global(
        "default_clone_flag",
        one_of("-ce -cu -ie -iu"),
        "-iu",
        "How guests are cloned: c on ZFS clones, i independent; e the same properties, u unique.",
    ),
    _global(
        "default_info_flags",
        kinds.flags(INFO_FLAGS, f"flags of info, out of -{INFO_FLAGS}"),
        "-h",
        "Columns of info without flags.",
    ),
    _global(
        "default_list_flags",
        kinds.flags(LIST_FLAGS, f"flags of info, out of -{LIST_FLAGS}"),
        "-skdp",
        "Columns of list.",
    ),
    _global(
        "dev_mode",
        _DEV_MODE,
        "off",
        "Whether dev calls functions; -x shows all programs it starts, -v those that change the "
        "host, -n starts none of these.",
    ),
    Property(
        "eject_iso_on_n_reboot",
        Integer(0, MANY),
        "At which reboot of a guest its installation medium is taken out; 0 is never.",
        {Scope.GLOBAL: "1", Scope.GUEST: None},
    ),
    _global(
        "network_design_mode",
        one_of("auto system"),
        "auto",
        "Who makes bridges and taps: auto is chyves, system is the administrator.",
    ),
    _global(
        "log_mode",
        one_of("dual host guest off"),
        "dual",
        "Where is logged: in the host's folder, in that of the guest, or both.",
    ),
    _global("log_to_file", YES_NO, "yes", "Whether log files are written."),
    _global(
        "prompt_on_destruction",
        YES_NO,
        "yes",
        "Whether chyves asks before something is lost or renamed; no is as if -y were said, but "
        "for a disk that is made smaller.",
    ),
    _global(
        "restrict_new_property_names",
        ON_OFF,
        "on",
        "Whether a guest can have only properties that chyves knows.",
    ),
    _global(
        "stdout_level",
        Integer(0, 3),
        "2",
        "How much is said: 0 is as with -q, 3 as with -v, 1 and 2 are what is usual.",
    ),
    _global(
        "tap_start_offset",
        Integer(0, ifnames.IF_MAXUNIT),
        "50",
        "Lowest number of a tap that a new interface gets.",
    ),
    _global(
        "tap_up_by_default",
        YES_NO,
        "yes",
        "Whether start brings the taps of a guest up; bhyve of FreeBSD 15 does so by itself.",
    ),
    _global(
        "vlan_iface_base_name",
        Pattern(r"(?!(bridge|tap|vale)$)[a-z]{1,10}", "lower-case letters, not bridge, tap, vale"),
        "vlan",
        "What the names of VLAN interfaces begin with.",
    ),
    _global(
        "uefi_vnc_port_start_offset",
        Integer(1, 65535),
        "5900",
        "Lowest VNC port that a guest gets.",
    ),
    _global(
        "bridge{n}_phy_attach",
        Checked(ifnames.uplink, "a network card or VLAN", ("private",)),
        None,
        "Where the bridge leads, an interface of this host that no other bridge has; "
        "chyves network bridge{n} attach changes the host as well.",
    ),
    _global("bridge{n}_tap_members", Text(), None, "The taps of the bridge.", _NETWORK),
)

_BY_NAME = {row.name: row for row in GLOBAL_PROPERTIES if "{n}" not in row.name}


def in_force(globals_: Mapping[str, str], name: str) -> str:
    """Return a property of the host as it is in force: its initial value where the file has none,
    or, which only a hand can have written, one that is no good."""
    row = _BY_NAME[name]
    initial = row.initial[Scope.GLOBAL] or ""
    try:
        return row.kind.parse(globals_.get(name, initial))
    except Invalid:
        return initial


def offset(globals_: Mapping[str, str], name: str) -> int:
    """Return a number of the host such as ``tap_start_offset``, as it is in force."""
    return int(in_force(globals_, name))


def all_in_force(globals_: Mapping[str, str]) -> dict[str, str]:
    """Return all properties of the host that are in force, but those of single bridges."""
    return {name: in_force(globals_, name) for name in _BY_NAME}


def not_in_force(globals_: Mapping[str, str]) -> Iterator[str]:
    """Yield a sentence for each property of the host whose value is no good."""
    for name, row in _BY_NAME.items():
        value = globals_.get(name)
        try:
            if value:
                row.kind.parse(value)
        except Invalid as error:
            initial = row.initial[Scope.GLOBAL]
            instead = f"counts as {initial}" if initial else "counts for nothing"
            yield f"global {name}: {error.message}, and {instead}; chyves global set {name}=<value>"
