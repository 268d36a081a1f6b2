# SPDX-License-Identifier: BSD-2-Clause
"""Names of interfaces and null-modem pairs: which there can be, and what they say."""

import re
from enum import StrEnum

from chyves.errors import Invalid
from chyves.model.kinds import MANY

IF_MAXUNIT = 32767
"""The highest number an interface can have (sys/net/if_clone.c)."""

IF_NAME_LENGTH = 15
"""IFNAMSIZ of sys/net/if.h less its NUL."""


def serial(text: str) -> str:
    """Return the name of a null-modem pair (nmdm(4)): ``nmdm50``."""
    return _numbered(text, "nmdm", MANY, "a null-modem pair")


def tap(text: str) -> str:
    """Return the name of a tap."""
    return _numbered(text, "tap", IF_MAXUNIT, "a tap")


def bridge(text: str) -> str:
    """Return the name of a bridge."""
    return _numbered(text, "bridge", IF_MAXUNIT, "a bridge")


def _numbered(text: str, base: str, high: int, what: str) -> str:
    match = re.fullmatch(rf"{base}([0-9]{{1,9}})", text)
    if not match or match[1] != str(int(match[1])) or int(match[1]) > high:
        raise Invalid(
            f"not {what}: {text!r}", hint=f"valid: {base}0 to {base}{high}, without leading zeros"
        )
    return text


class InterfaceType(StrEnum):
    """What chyves makes of an interface, going by its name."""

    BRIDGE = "bridge"
    TAP = "tap"
    VLAN = "vlan"
    VALE = "vale"
    PHYSICAL = "physical"


def interface_type(name: str, vlan_base: str = "vlan") -> InterfaceType:
    """Return the type of an interface. ``vlan_base`` is the property vlan_iface_base_name.

    What is none of the others may be a network card of any driver, a lagg, or something that was
    renamed. Raises Invalid for what cannot be the name of an interface.
    """
    match = re.fullmatch(r"([a-z]+)([0-9]+)", name)
    base = match[1] if match else ""
    if base in ("tap", "bridge"):
        _numbered(name, base, IF_MAXUNIT, f"a {base}")
        return InterfaceType(base)
    if re.match(r"vale[0-9a-zA-Z_]*(:|$)", name) and name != "vale":
        vale_port(name)
        return InterfaceType.VALE
    _interface_name(name)
    is_vlan = base == vlan_base or re.fullmatch(r"[^.]+\.[0-9]+", name)
    return InterfaceType.VLAN if is_vlan else InterfaceType.PHYSICAL


def _interface_name(name: str) -> str:
    """Return the name of an interface of whatever driver, or that it was given: ``vtnet0``,
    ``lagg0.16``, ``lan``, ``vlan012``."""
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_.-]*", name) or len(name) > IF_NAME_LENGTH:
        raise Invalid(f"not an interface: {name!r}", hint="valid: a name as ifconfig -l shows it")
    return name


def vale_port(name: str) -> str:
    """Return a VALE switch, with a port or without: ``vale0``, ``vale0:1`` (netmap(4))."""
    longest = IF_NAME_LENGTH if ":" in name else IF_NAME_LENGTH - len(":n32767")
    if not re.fullmatch(r"vale[0-9a-zA-Z_]+(:[0-9a-zA-Z_]+)?", name) or len(name) > longest:
        raise Invalid(
            f"not a VALE port: {name!r}",
            hint=f"valid: vale0, vale0:1; letters, digits and _, {longest} at most",
        )
    return name


def uplink(text: str) -> str:
    """Return where a bridge leads: a network card or VLAN, or ``private`` for nowhere."""
    if text != "private" and interface_type(text) not in (
        InterfaceType.PHYSICAL,
        InterfaceType.VLAN,
    ):
        raise Invalid(
            f"{text} does not lead out of the host", hint="valid: a network card, a VLAN, private"
        )
    return text


def guest_interfaces(text: str) -> str:
    """Return a list of taps and VALE ports, none of them twice: ``tap50,vale0:1``."""
    names = text.split(",")
    for name in names:
        check = vale_port if name.startswith("vale") else tap
        check(name)
        if names.count(name) > 1:
            raise Invalid(f"{name} is named twice", hint="name each interface once")
    return text


def taps(text: str) -> tuple[str, ...]:
    """Return the names in a list of taps, none of them twice: ``tap50,tap51``."""
    names = tuple(tap(name) for name in text.split(","))
    guest_interfaces(text)
    return names
