# SPDX-License-Identifier: BSD-2-Clause
"""The grammar of ``set``, and that values come through as they were given."""

import os
import subprocess
import sys

import pytest

from chyves.errors import Exit
from tests.cli.conftest import Chyves

CFG = "/chyves/tank/guests/web/.config/.cfg"


@pytest.fixture
def three(guests: Chyves) -> Chyves:
    guests("mail create 1M -q")
    return guests


def values(chyves: Chyves, name: str) -> dict[str, str]:
    return {row["guest"]: row["value"] for row in chyves.json(f"list {name}")}


def test_a_word_without_an_equals_sign_names_other_guests(three: Chyves) -> None:
    done = three("web,db set cpu=2 ram=1G mail rcboot=3")
    assert done.out == ("web: set cpu=2 ram=1G\ndb: set cpu=2 ram=1G\nmail: set rcboot=3\n")
    assert values(three, "cpu") == {"db": "2", "mail": "1", "web": "2"}
    assert values(three, "ram") == {"db": "1G", "mail": "256M", "web": "1G"}
    assert values(three, "rcboot") == {"db": "0", "mail": "3", "web": "0"}


def test_global_and_defaults_can_stand_between_guests(three: Chyves) -> None:
    done = three("web set cpu=2 global stdout_level=1 defaults ram=1G all notes=x db cpu=3")
    assert done.out == (
        "web: set cpu=2 notes=x\nglobal: set stdout_level=1\ndefaults: set ram=1G\n"
        "db: set notes=x cpu=3\nmail: set notes=x\n"
    )


def test_one_guest_may_be_named_again(guests: Chyves) -> None:
    guests("web set cpu=2 db cpu=3 web cpu=4 -q")
    assert values(guests, "cpu") == {"db": "3", "web": "4"}


@pytest.mark.parametrize(
    ("line", "why", "code"),
    [
        ("web set", "Missing argument 'PROPERTY=VALUE...", Exit.USAGE),
        ("web set db", "nothing to set for web", Exit.USAGE),
        ("web set cpu=2 db", "nothing to set for db", Exit.USAGE),
        ("web set cpu=2 cpu=3", "cpu is set twice", Exit.USAGE),
        ("web set cpu=2 nobody ram=1G", "no such guest: nobody", Exit.NOT_FOUND),
        ("web,web set cpu=2", "web is named twice", Exit.USAGE),
        ("web,,db set cpu=2", "a guest's name is missing", Exit.USAGE),
        ("web,all set cpu=2", "all cannot be part of a list", Exit.USAGE),
        ("web,global set cpu=2", "no such guest: global", Exit.NOT_FOUND),
    ],
)
def test_a_line_that_makes_no_sense_changes_nothing(
    line: str, why: str, code: Exit, guests: Chyves
) -> None:
    assert guests.refused(line, code=code).startswith(why)


def test_all_values_of_a_guest_are_written_or_none(guests: Chyves) -> None:
    for line in ("web set cpu=2 ram=lots", "web set cpu=2 web ram=lots"):
        why = guests.refused(line, code=Exit.USAGE)
        assert "web: ram: not a size: 'lots'\n" in why


def test_a_failure_for_one_target_does_not_stop_the_others(three: Chyves) -> None:
    three("web set template=yes -q")
    done = three("db,web,mail set cpu=2 global stdout_level=9", code=Exit.FAILED)
    assert done.out == "db: set cpu=2\nmail: set cpu=2\n"
    assert [line for line in done.said if line.startswith("chyves: ")] == [
        "chyves: web: a template is read-only",
        "chyves: global: stdout_level: 9 is out of range",
    ]


ODD_VALUES = [
    "a=b=c",
    "=",
    "two  blanks   in a row",
    " in front and behind ",
    "*",
    "$HOME `id` $(id)",
    'it\'s "quoted" \\ \\n',
    "-n",
    "tab\tbed",
    "^ | # ; & < >",
    "naïve café 日本",
    "",
]


@pytest.mark.parametrize("value", ODD_VALUES)
def test_values_come_through_as_they_are(value: str, guests: Chyves) -> None:
    guests("web set", f"description={value}", "-q")
    assert f"\ndescription={value}\n" in guests.file(CFG)
    shown = value.replace("\t", "\\t")
    assert guests("web get description").out == f"web's description={shown}\n"
    assert guests.json("web get all")["web"]["description"] == value
    assert values(guests, "description")["web"] == value
    assert guests("web set", f"description={value}").out == f"web: has description={shown}\n"


@pytest.mark.parametrize(
    "locale",
    [{"LC_ALL": "C.UTF-8"}, {"LC_ALL": "C"}, {"PYTHONIOENCODING": "utf-8:strict"}],
    ids=["C.UTF-8", "C", "as in en_US.UTF-8"],
)
def test_bytes_that_are_no_text_come_through(locale: dict[str, str], guests: Chyves) -> None:
    """As real processes: Python decodes the arguments of those itself."""

    def chyves(*words: str | bytes) -> bytes:
        env = {k: v for k, v in os.environ.items() if not k.startswith(("LC_", "LANG", "PYTHON"))}
        env |= {"CHYVES_SIMULATE": str(guests.directory), **locale}
        argv = [sys.executable, "-m", "chyves", "-q", *words]
        return subprocess.run(argv, env=env, stdout=subprocess.PIPE, check=True).stdout

    value = b"caf\xe9 \xff\xfe \xe6\x97\xa5"
    assert chyves("web", "set", b"notes=" + value) == b"web: set notes=" + value + b"\n"
    assert b"\nnotes=" + value + b"\n" in guests.host.path(CFG).read_bytes()
    assert chyves("web", "get", "notes") == b"web's notes=" + value + b"\n"
    assert value in chyves("info", "-n")
    assert value.decode(errors="surrogateescape") in guests("web get all").out


def test_lines_that_chyves_does_not_know_are_kept_to_the_byte(guests: Chyves) -> None:
    path = guests.host.path(CFG)
    strange = b"# a comment\n\nno equals sign\n=no name\nfuture_key=\xff \n1bad-name=x\ncpu=7\n"
    path.write_bytes(strange + path.read_bytes().removesuffix(b"\n"))
    old = path.read_bytes()
    guests("web set ram=512M notes=new rcboot=1 -q")
    wanted = old.replace(b"ram=256M", b"ram=512M").replace(b"notes=-", b"notes=new")
    assert path.read_bytes() == wanted.replace(b"rcboot=0", b"rcboot=1")
    assert guests("web get cpu").out == "web's cpu=7\n"
    guests("web set cpu=2 -q")
    assert path.read_bytes().startswith(strange.replace(b"cpu=7", b"cpu=2"))
    assert b"cpu=1\n" not in path.read_bytes()


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("virtio_console_0=a virtio_console_1=a", "virtio_console_1: a is what virtio_console_0"),
        ("virtio_9p_0=src=/a virtio_9p_7=src=/b", "virtio_9p_7: src is what virtio_9p_0"),
        (
            "pcidev_2=passthru,7/0/0 pcidev_1=passthru,7/0/0,rom=x",
            "pcidev_1: 7/0/0 is what pcidev_2",
        ),
    ],
)
def test_what_a_guest_can_name_once(line: str, what: str, guests: Chyves) -> None:
    before = guests.state()
    why = guests.refused(f"web set {line}", code=Exit.CONFLICT)
    assert why.startswith(f"web: {what} names already\nhint: ")
    assert guests.state() == before
    config = guests.host.path("/chyves/tank/guests/web/.config/.cfg")
    config.write_text(config.read_text() + "".join(f"{word}\n" for word in line.split()))
    for start in ("web start --dry-run", "web start"):
        assert f"{what} names already" in guests(start, code=Exit.PRECONDITION).err
    guests(f"web unset {what.partition(':')[0]} -q")
    guests(f"web set {line.split()[0]} -q")


def test_what_is_for_a_tap_that_the_guest_does_not_have_is_named(guests: Chyves) -> None:
    guests("global set network_design_mode=system -q")
    assert guests("web set tap50_mtu=1400 net_ifaces=tap50,tap60 tap60_mtu=1400").said == []
    done = guests("web set tap61_mtu=1400 tap50_mac=58:9c:fc:00:00:01")
    assert done.said == ["chyves: web: tap61_mtu is for later: it has no tap61"]
    assert guests.json("web get tap61_mtu")["web"]["tap61_mtu"] == "1400"


@pytest.mark.parametrize("name", ["tap050_mac", "pcidev_01", "disk00_notes"])
def test_a_number_has_no_zero_in_front(name: str, guests: Chyves) -> None:
    why = guests.refused(f"web set {name}=58:9c:fc:00:00:07", code=Exit.NOT_FOUND)
    assert why.startswith(f"web: no such property: {name}\n")


def test_a_bridge_that_cannot_be_leads_nowhere(guests: Chyves) -> None:
    for name, code in (("bridge01", Exit.NOT_FOUND), ("bridge99999", Exit.USAGE)):
        guests.refused(f"global set {name}_phy_attach=private", code=code)
    assert "bridge0\t" in guests("list bridges -H").out
    assert len(guests("list bridges -H").out.splitlines()) == 1


BY_HAND = {
    "tap_start_offset": ("abc", "50"),
    "network_design_mode": ("maybe", "auto"),
    "prompt_on_destruction": ("perhaps", "yes"),
    "stdout_level": ("77", "2"),
    "check_for_updates": ("sometimes", "off"),
    "default_clone_flag": ("-x", "-iu"),
}
"""Values that an editor has written, and what they count as."""


@pytest.mark.parametrize("name", BY_HAND)
def test_what_is_no_value_of_the_host_counts_as_the_initial_one(name: str, guests: Chyves) -> None:
    value, initial = BY_HAND[name]
    guests.by_hand(name, value)
    said = guests("list").said
    assert len(said) == 1
    assert said[0].startswith(f"chyves: global {name}: ")
    assert said[0].endswith(f", and counts as {initial}; chyves global set {name}=<value>")
    assert guests("network web add tap -q").out == "web: has tap52\n"
    assert guests("web delete", code=Exit.NOT_PERMITTED).said[-1] == "hint: add --yes to go ahead"
    guests(f"global set {name}={initial}")
    assert guests("list").said == []


def test_who_lays_devices_out_anew_is_told_of_mac_addresses(guests: Chyves) -> None:
    assert guests("web unset pci_slots").said == []
    with guests.host.path(CFG).open("a") as file:
        file.write("pci_slots=4=disk:disk0,5=net:tap50\n")
    assert guests("web unset pci_slots").said == [
        "chyves: web: MAC addresses that no tap{n}_mac keeps can change with the places of its "
        "interfaces"
    ]
