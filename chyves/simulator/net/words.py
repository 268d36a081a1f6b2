# SPDX-License-Identifier: BSD-2-Clause
"""The words of ifconfig behind the interface's name.

They are acted on one by one: the first that fails ends the program, those before it stay done.
Error texts are those of sbin/ifconfig/{ifconfig,ifbridge,ifclone,ifgroup,ifvlan,af_inet}.c.
"""

import ipaddress
import re
from collections.abc import Callable

from chyves.simulator.net import ioctls
from chyves.simulator.net.interfaces import find
from chyves.simulator.net.ioctls import Failed
from chyves.simulator.programs import Io
from chyves.simulator.usage import Refused
from chyves.simulator.world import World

ETHERNET = ("ether", "link", "lladdr")
FAMILIES = ("inet", "inet6", *ETHERNET)

FLAGS_BY_WORD = {
    "learn": 0x1,
    "discover": 0x2,
    "stp": 0x4,
    "sticky": 0x10,
    "edge": 0x20,
    "autoedge": 0x40,
    "ptp": 0x80,
    "autoptp": 0x100,
    "private": 0x800,
}
"""What a bridge can be told of a member, and with a ``-`` before it the opposite."""

SILENT = frozenset(
    sign + word
    for sign in ("", "-")
    for word in (
        *("arp", "debug", "promisc", "monitor", "staticarp", "link0", "link1", "link2"),
        *("rxcsum", "txcsum", "rxcsum6", "txcsum6", "tso", "tso4", "tso6", "lro", "wol", "toe"),
        *("vlanmtu", "vlanhwtag", "vlanhwfilter", "vlanhwcsum", "vlanhwtso", "netcons"),
    )
)
"""Words that leave no trace in what is simulated."""

SILENT_WITH_VALUE = frozenset(
    ("metric", "fib", "tunnelfib", "media", "mediaopt", "-mediaopt", "maxaddr", "timeout")
    + ("hellotime", "fwddelay", "maxage", "holdcnt", "priority", "proto", "vlanpcp", "vlanproto")
)


class Command:
    """One interface, and the words about it that are still to be acted on."""

    def __init__(self, world: World, name: str, words: list[str]) -> None:
        self.world = world
        self.name = name
        self.words = list(words)
        self.was_named = False
        self._family = ""
        self._address = ""
        self._mask = ""
        self._alias = 0
        self._tag = 0
        self._parent = ""

    def take_family(self) -> str:
        """Take a leading word like ``inet``."""
        if self.words and self.words[0] in FAMILIES:
            self._family = self.words.pop(0)
        return self._family

    def create(self) -> None:
        """Create the interface. Only the vlan words are heard before that; an address family may
        follow it."""
        self.words.pop(0)
        while self.words and self.words[0] in ("vlan", "vlandev", "vlanproto", "vlanpcp"):
            word = self.words.pop(0)
            self._vlan_word(word, self._value(word))
        if bool(self._tag) != bool(self._parent):
            lacking = "parent device" if self._tag else "tag"
            raise Refused(f"ifconfig: must specify a {lacking} for vlan create")
        trunk, dot, number = self.name.rpartition(".")
        try:
            with self.world.changing():
                if dot and number.isdigit() and int(number) > 0xFFF and find(self.world, trunk):
                    raise Refused("ifconfig: invalid vlan tag")
                name = ioctls.create(self.world, self.name, self._tag, self._parent)
        except Failed as failed:
            if str(failed) == "File exists":
                raise Refused(f"ifconfig: interface {self.name} already exists") from None
            raise Refused(f"ifconfig: SIOCIFCREATE2 ({self.name}): {failed}") from None
        self._tag, self._parent = 0, ""
        self.was_named, self.name = name != self.name, name
        self.take_family()

    def run(self, io: Io) -> None:
        """Act on every word, then on the addresses they have named."""
        while self.words:
            self._act(self.words.pop(0))
        if self._tag and self._parent:
            tag, parent = self._tag, self._parent
            self._do("SIOCSETVLAN", lambda w, name: ioctls.set_vlan(w, name, tag, parent))
        if self._address or self._alias < 0:
            self._apply_address(io)

    def _act(self, word: str) -> None:
        plain = _PLAIN.get(word)
        with_value = _WITH_VALUE.get(word)
        if plain:
            plain(self)
        elif with_value:
            with_value(self, self._value(word))
        elif word.removeprefix("-") in FLAGS_BY_WORD:
            self._member_flag(word, self._value(word))
        elif word in SILENT_WITH_VALUE:
            self._value(word)
        elif word in ("vlan", "vlandev"):
            self._vlan_word(word, self._value(word))
        elif word not in SILENT:
            self._name_address(word)

    def _value(self, word: str) -> str:
        if not self.words:
            raise Refused(f"ifconfig: '{word}' requires argument")
        return self.words.pop(0)

    def _do(self, what: str, act: Callable[[World, str], None]) -> None:
        """Let the kernel act, as one change; refuse with ``what`` before its reason."""
        try:
            with self.world.changing():
                act(self.world, self.name)
        except Failed as failed:
            raise Refused(f"ifconfig: {what}: {failed}") from None

    def _do_or_tell(self, what: str, act: Callable[[World, str], None]) -> None:
        """Like _do(), with the two reasons that ifconfig has own words for (Perror)."""
        try:
            self._do(what, act)
        except Refused as refused:
            text = refused.text.replace("Operation not permitted", "permission denied")
            raise Refused(text.replace("Device not configured", "no such interface")) from None

    def up(self) -> None:
        self._do_or_tell("up", lambda world, name: ioctls.set_up(world, name, True))

    def down(self) -> None:
        self._do_or_tell("down", lambda world, name: ioctls.set_up(world, name, False))

    def destroy(self) -> None:
        try:
            ioctls.destroy(self.world, self.name)
        except Failed as failed:
            raise Refused(f"ifconfig: SIOCIFDESTROY: {failed}") from None

    def rename(self, new: str) -> None:
        what = "ioctl SIOCSIFNAME (set name)"
        self._do(what, lambda world, name: ioctls.rename(world, name, new))
        self.was_named, self.name = True, new

    def describe(self, text: str) -> None:
        what = "ioctl SIOCSIFDESCR (set descr)"
        self._do(what, lambda world, name: ioctls.describe(world, name, text))

    def set_mtu(self, text: str) -> None:
        digits = re.match(r"\s*[+-]?\d+", text)
        mtu = int(digits[0]) if digits else 0
        what = "ioctl SIOCSIFMTU (set mtu)"
        self._do(what, lambda world, name: ioctls.set_mtu(world, name, mtu))

    def join_group(self, group: str) -> None:
        _check_group("setifgroup", group)
        self._do(" SIOCAIFGROUP", lambda world, name: ioctls.join_group(world, name, group))

    def leave_group(self, group: str) -> None:
        _check_group("unsetifgroup", group)
        self._do("SIOCDIFGROUP", lambda world, name: ioctls.leave_group(world, name, group))

    def set_ether(self, ether: str) -> None:
        if not re.fullmatch(r"[0-9a-fA-F]{1,2}(:[0-9a-fA-F]{1,2}){5}", ether):
            raise Refused(f"ifconfig: {ether}: bad value")
        full = ":".join(f"{int(part, 16):02x}" for part in ether.split(":"))
        what = "ioctl (SIOCSIFLLADDR)"
        self._do_or_tell(what, lambda world, name: ioctls.set_ether(world, name, full))

    def add_member(self, member: str) -> None:
        what = f"BRDGADD {member}"
        self._do(what, lambda world, name: ioctls.add_member(world, name, member))

    def remove_member(self, member: str) -> None:
        what = f"BRDGDEL {member}"
        self._do(what, lambda world, name: ioctls.remove_member(world, name, member))

    def add_span(self, port: str) -> None:
        self._do(f"BRDGADDS {port}", lambda world, name: ioctls.add_span(world, name, port))

    def remove_span(self, port: str) -> None:
        what = f"BRDGDELS {port}"
        self._do(what, lambda world, name: ioctls.remove_member(world, name, port, span=True))

    def _member_flag(self, word: str, member: str) -> None:
        flag, on = FLAGS_BY_WORD[word.removeprefix("-")], not word.startswith("-")
        what = "unable to get bridge flags"
        self._do(what, lambda world, name: ioctls.set_member_flag(world, name, member, flag, on))

    def _vlan_word(self, word: str, value: str) -> None:
        if word == "vlandev":
            self._parent = value
        elif word == "vlan":
            if not value.isdigit():
                raise Refused("ifconfig: invalid value for vlan")
            if not 0 < int(value) < 0xFFF:
                raise Refused("ifconfig: value for vlan out of range")
            self._tag = int(value)

    def unset_vlan(self) -> None:
        self._do("SIOCSETVLAN", ioctls.unset_vlan)

    def alias(self) -> None:
        self._alias = 1

    def remove_alias(self) -> None:
        self._alias = -1

    def set_mask(self, mask: str) -> None:
        hexadecimal = re.fullmatch(r"0x[0-9a-fA-F]{1,8}", mask)
        try:
            plain = str(ipaddress.IPv4Address(int(mask, 16) if hexadecimal else mask))
            self._mask = str(ipaddress.IPv4Network(f"0.0.0.0/{plain}").prefixlen)
        except ValueError:
            raise Refused(f"ifconfig: {mask}: bad value") from None

    def set_broadcast(self, address: str) -> None:
        _check_address(address)

    def _name_address(self, word: str) -> None:
        """Take a word that nothing else explains as an address."""
        if self._family == "inet6":
            raise Refused(f"ifconfig: {word}: inet6 addresses are not simulated")
        if self._family in ETHERNET:
            self.set_ether(word)
            return
        address, slash, width = word.partition("/")
        if slash and not (width.isdigit() and int(width) <= 32):
            reason = "too large" if width.isdigit() else "invalid"
            raise Refused(f"ifconfig: {word}: bad value (width {reason})")
        _check_address(address)
        self._address, self._mask = address, width or self._mask

    def _apply_address(self, io: Io) -> None:
        ip = self._address
        if self._alias < 0:
            what = "ioctl (SIOCDIFADDR)"
            self._do_or_tell(what, lambda world, name: ioctls.remove_address(world, name, ip))
            return
        if not self._mask:
            io.err(
                "ifconfig: WARNING: setting interface address without mask is deprecated,\n"
                "default mask may not be correct."
            )
        address = f"{ip}/{self._mask or _class_width(ip)}"
        instead = self._alias == 0
        self._do_or_tell(
            "ioctl (SIOCAIFADDR)",
            lambda world, name: ioctls.add_address(world, name, address, instead=instead),
        )


def _check_group(caller: str, group: str) -> None:
    if group[-1:].isdigit():
        raise Refused(f"ifconfig: {caller}: group names may not end in a digit")
    if len(group) > 15:
        raise Refused(f"ifconfig: {caller}: group name too long")


def _check_address(text: str) -> None:
    try:
        ipaddress.IPv4Address(text)
    except ValueError:
        raise Refused(f"ifconfig: {text}: bad value") from None


def _class_width(ip: str) -> int:
    """Return the width of the mask that an address had before CIDR."""
    first = int(ip.partition(".")[0])
    return 8 if first < 128 else 16 if first < 192 else 24


_PLAIN: dict[str, Callable[[Command], None]] = {
    "up": Command.up,
    "down": Command.down,
    "destroy": Command.destroy,
    "unplumb": Command.destroy,
    "-description": lambda command: command.describe(""),
    "-descr": lambda command: command.describe(""),
    "alias": Command.alias,
    "add": Command.alias,
    "-alias": Command.remove_alias,
    "remove": Command.remove_alias,
    "delete": Command.remove_alias,
    "-vlandev": Command.unset_vlan,
}
_WITH_VALUE: dict[str, Callable[[Command, str], None]] = {
    "name": Command.rename,
    "description": Command.describe,
    "descr": Command.describe,
    "mtu": Command.set_mtu,
    "group": Command.join_group,
    "-group": Command.leave_group,
    "ether": Command.set_ether,
    "lladdr": Command.set_ether,
    "addm": Command.add_member,
    "deletem": Command.remove_member,
    "span": Command.add_span,
    "-span": Command.remove_span,
    "netmask": Command.set_mask,
    "broadcast": Command.set_broadcast,
}
