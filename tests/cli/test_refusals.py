# SPDX-License-Identifier: BSD-2-Clause
"""What cannot be done is refused with one clear line, a hint, an exit code, and nothing changed."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from chyves.commands.table import GUEST_VERBS, TOP_COMMANDS
from chyves.errors import Exit
from chyves.simulator.control import fill
from chyves.simulator.world import Machine, World
from tests.cli.conftest import Chyves
from tests.cli.lines import ALONE, CHANGING, ON_PRIMARY, READING
from tests.guests import scripted_iso

OF_GUESTS = [line for line in CHANGING + READING if re.search(r"\bweb\b", line)]


def test_every_command_is_here() -> None:
    words = {word for line in CHANGING + READING + ALONE for word in line.split()}
    assert {*TOP_COMMANDS, *GUEST_VERBS} <= words


# -- who, and on what host ----------------------------------------------------------------------


@pytest.mark.parametrize("line", CHANGING)
def test_only_root_changes_things(
    line: str, stocked: Chyves, with_source: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHYVES_SIMULATE_USER", "nobody")
    assert stocked.refused(with_source(line), code=Exit.NOT_PERMITTED) == (
        "only root may do this\nhint: run it with doas or sudo, or look with --dry-run"
    )


@pytest.mark.parametrize("line", READING)
def test_everybody_may_look(line: str, stocked: Chyves, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHYVES_SIMULATE_USER", "nobody")
    before = stocked.state()
    done = stocked(line)
    assert done.out
    assert done.said == []
    assert stocked.state() == before


NOT_SET_UP = "chyves is not set up on any pool\nhint: chyves dataset <pool> install"


@pytest.fixture(params=["a pool", "no pool"])
def without_chyves(request: pytest.FixtureRequest, bare: Chyves, tmp_path: Path) -> Chyves:
    if request.param == "a pool":
        return bare
    World.make(tmp_path / "empty", Machine(pools={}))
    return Chyves(tmp_path / "empty")


@pytest.mark.parametrize("line", [line for line in CHANGING if not line.startswith("dataset")])
def test_chyves_has_to_be_set_up(
    line: str, without_chyves: Chyves, with_source: Callable[[str], str]
) -> None:
    assert without_chyves.refused(with_source(line), code=Exit.PRECONDITION).endswith(NOT_SET_UP)


@pytest.mark.parametrize("line", [line for line in READING if "web" not in line])
def test_looking_needs_no_pool(line: str, without_chyves: Chyves) -> None:
    needs = {"list defaults": Exit.PRECONDITION, "list ram": Exit.OK}
    without_chyves(line, code=needs.get(line, Exit.OK))


def test_install_needs_a_pool(without_chyves: Chyves) -> None:
    why = without_chyves.refused("dataset nowhere install", code=Exit.NOT_FOUND)
    said, pools = why.split("\nhint: pools: ")
    assert said == "nowhere: no such pool: nowhere"
    assert pools in ("none", "pool2, tank")


@pytest.mark.parametrize("line", ON_PRIMARY)
@pytest.mark.parametrize(
    ("version", "hint"),
    [
        ("0004", "older than 0005\nhint: chyves dataset tank upgrade"),
        ("0006", "newer than 0005\nhint: it was made by a newer chyves: upgrade this one"),
    ],
)
def test_datasets_of_another_version_are_not_changed(
    line: str, version: str, hint: str, stocked: Chyves, with_source: Callable[[str], str]
) -> None:
    pool = stocked.host.path("/chyves/tank/.config/pool.cfg")
    pool.write_text(pool.read_text().replace("0005", version))
    why = stocked.refused(with_source(line), code=Exit.PRECONDITION)
    assert why.endswith(f"the dataset on tank is of version {version}, {hint}")


@pytest.mark.parametrize("line", READING)
def test_datasets_of_another_version_are_shown(line: str, stocked: Chyves) -> None:
    pool = stocked.host.path("/chyves/tank/.config/pool.cfg")
    pool.write_text(pool.read_text().replace("0005", "0006"))
    stocked(line)


# -- what is not there, and what is there already -----------------------------------------------


@pytest.mark.parametrize("line", OF_GUESTS)
def test_a_guest_that_is_not_there(line: str, stocked: Chyves) -> None:
    why = stocked.refused(line.replace("web", "wbe"), code=Exit.NOT_FOUND)
    assert why == "no such guest: wbe\nhint: did you mean web?"


@pytest.mark.parametrize(
    "line", [line for line in OF_GUESTS if line.startswith("web ") and line != "web delete --yes"]
)
def test_none_is_touched_if_one_is_not_there(line: str, stocked: Chyves) -> None:
    why = stocked.refused(line.replace("web", "db,nobody"), code=Exit.NOT_FOUND)
    assert why.startswith("no such guest: nobody\n")


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("new create 1M pool2", "chyves is not set up on a pool pool2"),
        ("dataset nowhere install", "nowhere: no such pool: nowhere"),
        ("list global pool2", "chyves is not set up on a pool pool2"),
        ("list snapshots nobody", "no such guest: nobody"),
        ("web snapshot rollback @three --yes", "web: no such snapshot: web@three"),
        ("web snapshot delete @three --yes", "web: no such snapshot: web@three"),
        ("web snapshot delete @one%three --yes", "web: no such snapshot: web@three"),
        ("network bridge0 attach em7", "bridge0: no such interface: em7"),
        ("network web remove tap51", "web: web has no interface tap51"),
        ("network bridge7 default", "bridge7: no such bridge: bridge7"),
        ("network bridge7 delete", "bridge7: no such bridge: bridge7"),
        ("network bridge7 unjoin tap50", "bridge7: no such bridge: bridge7"),
        ("network bridge7 migrate bridge0", "bridge7: no such bridge: bridge7"),
        ("network bridge0 unjoin tap5", "bridge0: tap5 is not on bridge0"),
        ("iso delete b.img --yes", "b.img: no such ISO resource: b.img"),
        ("iso rename b.img c.img --yes", "b.img: no such ISO resource: b.img"),
        ("iso import /no/such/file", "/no/such/file: No such file or directory"),
        ("firmware delete b.img --yes", "b.img: no such Firmware resource: b.img"),
        ("web start b.img", "no such ISO: b.img"),
        ("web get colour", "web: no such property: colour"),
        ("web set colour=red", "web: no such property: colour"),
        ("web unset colour", "web: no such property: colour"),
        ("web get size", "web: size is no property of guests\nhint: it is one of the defaults"),
        (
            "defaults get stdout_level",
            "defaults: stdout_level is no property of the defaults\n"
            "hint: it is one of the host (global)",
        ),
        (
            "global get bridge7_phy_attach",
            "global: bridge7_phy_attach is not set\n"
            "hint: chyves global set bridge7_phy_attach=<value>",
        ),
        (
            "network bridge3 unjoin tap50",
            "bridge3: tap50 is not on bridge3\nhint: it is on bridge0; taps of bridge3: -",
        ),
    ],
)
def test_what_is_not_there(line: str, why: str, stocked: Chyves) -> None:
    assert f"{stocked.refused(line, code=Exit.NOT_FOUND)}\n".startswith(f"{why}\n")


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("web create 1M", "web: guest web exists already"),
        ("dataset tank install", "tank: chyves is already set up on tank"),
        ("web snapshot @one", "web: there is a snapshot @one already"),
        ("web rename db --yes", "web: guest db exists already"),
        ("iso import SOURCE/a.img", "a.img: ISO a.img is there already"),
        ("iso rename a.img a.img --yes", "a.img: ISO a.img is there already"),
        ("network web add tap50", "web: web has tap50 already"),
        ("network web add tap51", "web: tap51 belongs to guest db"),
        ("network bridge3 join tap50", "bridge3: tap50 belongs to bridge0"),
        ("network bridge0 delete", "bridge0: bridge0 has taps: tap50,tap51"),
    ],
)
def test_what_is_there_already(line: str, why: str, stocked: Chyves, tmp_path: Path) -> None:
    line = line.replace("SOURCE", str(tmp_path))
    assert stocked.refused(line, code=Exit.CONFLICT).startswith(why)


def test_a_name_that_is_taken_stops_no_other(guests: Chyves) -> None:
    done = guests("web,new create 1M", code=Exit.CONFLICT)
    assert done.said[0] == "chyves: web: guest web exists already"
    assert done.out.startswith("new: created on tank")


# -- words that are no good ---------------------------------------------------------------------

BAD_NAMES = [
    "-rf",
    ".hidden",
    "a/b",
    "a@b",
    "a b",
    "",
    "ü",
    "x" * 28,
    "a,a",
    "a,",
    "all",
    "global",
    "defaults",
    "start",
    "version",
    "..",
]


@pytest.mark.parametrize("name", BAD_NAMES)
def test_what_a_guest_cannot_be_called(name: str, guests: Chyves) -> None:
    before = guests.state()
    done = guests("-q --", name, "create", "1M", code=Exit.USAGE)
    complaint, hint = done.said
    assert complaint.startswith("chyves: ")
    assert hint.startswith("hint: ")
    assert guests.state() == before


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("new create lots", "not a size: 'lots'"),
        ("new create 0", "a size of 0 is nothing"),
        ("new create -- -1", "not a size: '-1'"),
        ("dataset tank instal", "no such dataset command: instal"),
        ("dataset tank", "Missing argument 'ACTION'"),
        ("dataset", "Missing argument 'POOL'"),
        ("web delete now --yes", "no such way to delete: now"),
        ("web stop now", "no such way to stop: now"),
        ("web get", "Missing argument"),
        ("web unset", "Missing argument"),
        ("web set ram=lots", "web: ram: not a size: 'lots'"),
        ("web snapshot rolback", "no such snapshot command: rolback"),
        ("web snapshot @a/b", "not a snapshot: '@a/b'"),
        ("web snapshot @", "not a snapshot: '@'"),
        ("web snapshot @..", "not a snapshot: '@..'"),
        ("web snapshot delete /disk0 --yes", "web: not a snapshot: '/disk0'"),
        ("web snapshot delete -- -2@one", "web: not a snapshot: '-2@one'"),
        ("web snapshot rollback one two", "no such snapshot command: rollback one two"),
        ("web,db snapshot rollback @one --yes", "this takes one guest"),
        ("all snapshot delete @one --yes", "this takes one guest"),
        ("web,db console", "this takes one guest"),
        ("network", "bridge{n}, <guest>[,...]|all, import is missing behind 'network'"),
        ("network bridge0 atach em0", "no such network command: bridge0 atach em0"),
        ("network bridge0 attach", "<interface> is missing behind 'network bridge0 attach'"),
        ("network web", "add, remove is missing behind 'network web'"),
        ("network bridge0 private em0", "network bridge0 private takes no more words: em0"),
        ("network web add", "tap|tap{n}|vale{s}[:{p}] is missing behind 'network web add'"),
        ("network bridge0 join", "tap{n}[,...] is missing behind 'network bridge0 join'"),
        ("network web,db add tap60", "tap60 is for one guest"),
        ("network bridge0 join tap", "not a tap: 'tap'"),
        ("network bridge0 join tap5,tap5", "tap5 is named twice"),
        ("network bridge0 unjoin vale0", "not a tap: 'vale0'"),
        ("network bridge0 migrate br1", "not a bridge: 'br1'"),
        ("network bridge0 migrate bridge0", "bridge0: bridge0 is the same bridge"),
        ("network import tank", "network import takes no more words: tank"),
        ("list tap", "nothing to list: tap\nhint: chyves list tap active"),
        ("list tap idle", "nothing to list: tap idle"),
        ("network br0 private", "not a bridge: 'br0'"),
        ("network bridge01 private", "not a bridge: 'bridge01'"),
        ("network bridge99999 default", "not a bridge: 'bridge99999'"),
        ("network bridge0 attach tap50", "bridge0: tap50 does not lead out of the host"),
        ("network bridge0 attach lo0", "bridge0: lo0 does not lead out of this host"),
        ("network web add em0", "not a tap: 'em0'"),
        ("network web add tap60 br0", "not a bridge: 'br0'"),
        ("network web add vale0 bridge0", "vale0 is on a VALE switch, not on bridge0"),
        ("iso", "list, import, rename, delete is missing behind 'iso'"),
        ("iso improt x", "no such iso command: improt x"),
        ("iso rename a.img", "<new> is missing behind 'iso rename a.img'"),
        ("iso rename a.img b/c --yes", "not a name: 'b/c'"),
        ("iso import /dev/null", "/dev/null is not a regular file"),
        ("iso import /tmp", "/tmp is not a regular file"),
        ("firmware import /etc/.x", "not a name: '.x'"),
        ("list colour", "nothing to list: colour"),
        ("list pools x", "list pools takes no more words: x"),
        ("list snapshots web db", "list snapshots takes no more words: web db"),
        ("info -q", "info has no flag q"),
        ("version x", "Got unexpected extra argument (x)"),
        ("web get ram cpu", "Got unexpected extra argument (cpu)"),
        ("web create 1M tank more", "Got unexpected extra argument (more)"),
        ("web reclaim now", "Got unexpected extra argument (now)"),
        ("web set -x cpu=2", "No such option"),
        ("list -x", "list takes no flags for columns: -x\nhint: info does: chyves info -h; "),
        ("list --jsn", "No such option"),
        ("info --dry-run", "no such option: --dry-run\nhint: chyves help info"),
        ("info web", "info takes flags only: web\nhint: of one guest: chyves web get all, "),
        ("info -a nobody", "info takes flags only: nobody\nhint: of all guests: chyves info -a"),
        (f"iso import /{'x' * 101}", "the name has 101 characters, at most 100 are possible: x"),
        ("global set default_list_flags=-h", "global: default_list_flags: no flag is called 'h'"),
        ("iso --force list", "No such option"),
        ("--froce list", "No such option"),
    ],
)
def test_words_that_are_no_good(line: str, why: str, stocked: Chyves) -> None:
    assert stocked.refused(line, code=Exit.USAGE).startswith(why)


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("lsit", "did you mean list?"),
        ("netwrok", "did you mean network?"),
        ("web strat", "did you mean start"),
        ("web snapshots", "did you mean snapshot?"),
        ("web", "if it is a guest: chyves web <verb>; see also 'chyves help'"),
        ("start", "chyves <guest>[,...]|all start [<iso>]"),
        ("set cpu=2", "chyves <guest>[,...]|all|defaults|global set "),
        ("list pool", "did you mean pools?"),
        ("web xyzzy", "'chyves help' shows all"),
        ("web info", "chyves info [-"),
        ("web list", "chyves help list"),
        ("all", "chyves all <verb>; see chyves help"),
        (":prod", "chyves :prod <verb>; see chyves help"),
        ("web,db", "chyves web,db <verb>; see chyves help"),
        ("list web", "of a guest: chyves web get all, chyves web disk list"),
    ],
)
def test_mistyped_words(line: str, hint: str, guests: Chyves) -> None:
    assert f"\nhint: {hint}" in guests.refused(line, code=Exit.USAGE)


@pytest.mark.parametrize("target", ["global", "defaults"])
@pytest.mark.parametrize(
    "verb", ["create 1M", "delete --yes", "start", "stop", "snapshot", "unset x", "console"]
)
def test_verbs_of_guests_are_for_guests(target: str, verb: str, guests: Chyves) -> None:
    guests.refused(f"{target} {verb}", code=Exit.USAGE if "create" in verb else Exit.NOT_FOUND)


# -- what the host cannot do now ----------------------------------------------------------------


@pytest.mark.parametrize(
    "line",
    [
        "new create 1M",
        "new create 1T",
        "iso import SOURCE",
        "firmware import SOURCE",
        "web set description=x",
        "network bridge0 attach em0",
        "network web add tap",
        "defaults set cpu=2",
    ],
)
def test_a_full_pool(line: str, stocked: Chyves, with_source: Callable[[str], str]) -> None:
    fill(World(stocked.directory), "tank")
    stocked.refused(with_source(line), code=Exit.PRECONDITION)


@pytest.mark.parametrize(
    "line",
    [
        *("new create", "web clone new", "web disk add", "web disk", "web delete", "web move"),
        *("web rename", "web snapshot", "web snapshot delete", "web snapshot rollback"),
        *("web start", "web stop", "web unset", "network web add tap", "network", "iso delete"),
        *("dataset tank", "dataset tank uninstall", "list snapshots", "web get", "web group add"),
    ],
)
def test_an_empty_word_does_not_mean_what_no_word_means(line: str, guests: Chyves) -> None:
    """As from a script whose variable is not set."""
    guests("web snapshot @one -q")
    said = guests.refused(line, "", code=Exit.USAGE)
    assert said.startswith("a word is empty\n")


def test_a_text_may_be_empty(guests: Chyves) -> None:
    guests("web disk disk0 notes", "")


def test_a_full_pool_can_be_emptied(stocked: Chyves) -> None:
    fill(World(stocked.directory), "tank")
    assert stocked("web delete --yes").out == "web: deleted\n"
    assert "bridge0_tap_members=tap51\n" in stocked.file("/chyves/tank/.config/global.cfg")
    assert not [name for name in stocked.datasets("tank") if "web" in name]
    fill(World(stocked.directory), "tank")
    stocked("db snapshot delete --yes")
    fill(World(stocked.directory), "tank")
    stocked("iso delete a.img --yes")
    fill(World(stocked.directory), "tank")
    stocked("db disk delete disk0 --yes")


def test_a_guest_on_a_full_pool_has_no_other_name(stocked: Chyves) -> None:
    fill(World(stocked.directory), "tank")
    why = stocked.refused("web rename mail", code=Exit.PRECONDITION)
    assert why.startswith("web: cannot rename web: out of space\nhint: tank has ")


def test_a_dry_run_knows_what_a_thick_disk_reserves(guests: Chyves) -> None:
    """More than its size."""
    free = int(guests.zfs("available", "tank"))
    almost = f"new create {(free >> 20) - 8}M"
    assert "out of space" in guests(f"{almost} --dry-run", code=Exit.PRECONDITION).err
    assert guests.refused(almost, code=Exit.PRECONDITION).startswith("new: ")


def test_one_guest_that_does_not_fit(guests: Chyves) -> None:
    why = guests.refused("new create 10T", code=Exit.PRECONDITION)
    assert why.startswith("new: ")


def test_install_on_a_full_pool(chyves: Chyves) -> None:
    fill(World(chyves.directory), "pool2")
    chyves.refused("dataset pool2 install", code=Exit.PRECONDITION)


@pytest.fixture
def running(guests: Chyves, tmp_path: Path) -> Iterator[Chyves]:
    """A host on which web runs."""
    guests("web snapshot @one -q")
    guests("iso import", str(scripted_iso(tmp_path / "boot.iso")), "-q")
    guests("web start boot.iso -q")
    yield guests
    guests("web stop force -q")


def test_a_guest_that_runs(running: Chyves) -> None:
    pid = running.json("list")[1]["pid"]
    for line, what in [
        ("web delete --yes", "delete it"),
        ("web snapshot rollback @one --yes", "roll back"),
        ("network web add tap", "change its interfaces"),
        ("network web remove tap50", "change its interfaces"),
        ("web set serial=nmdm99", "change serial"),
        ("web set template=yes cpu=2", "change template"),
    ]:
        assert running.refused(line, code=Exit.BUSY) == (
            f"web: cannot {what} while it runs (pid {pid})\nhint: chyves web stop"
        )
    for line in ("network bridge0 unjoin tap51,tap50", "network bridge0 migrate bridge1"):
        assert running.refused(line, code=Exit.BUSY) == (
            f"bridge0: tap50 is in use: web runs (pid {pid})\nhint: chyves web stop"
        )
    assert running("network bridge0 join tap50").out == "bridge0: has tap50\n"
    assert running("web set cpu=2").out == "web: set cpu=2\n"
    assert running("web snapshot @two").out == "web: snapshot @two-LIVE-SYSTEM taken\n"
    assert "(pid " in running("web start", code=Exit.OK).out


def test_a_question_that_nobody_can_answer(stocked: Chyves) -> None:
    for line in (
        "web delete",
        "web snapshot rollback @one",
        "web snapshot delete @one",
        "iso delete a.img",
        "firmware rename a.img b.img",
    ):
        before = stocked.state()
        done = stocked(line, code=Exit.NOT_PERMITTED)
        assert "not without a confirmation: " in done.said[-2]
        assert done.said[-1] == "hint: add --yes to go ahead"
        assert stocked.state() == before


def test_what_others_depend_on(stocked: Chyves) -> None:
    source = "tank/chyves/guests/web/disk0@one"
    stocked.run("zfs", "clone", source, "tank/chyves/guests/db/disk1")
    stocked("web snapshot @two -q")
    stocked("web set uefi_firmware=a.img -q")
    for line, why in [
        ("web delete --yes", "web: others are cloned from it: db"),
        ("web snapshot delete @one --yes", "web: tank/chyves/guests/web/disk0@one has clones"),
        ("firmware delete a.img --yes", "a.img: guests boot with a.img: web"),
        ("firmware rename a.img c.img --yes", "a.img: guests boot with a.img: web"),
    ]:
        assert stocked.refused(line, code=Exit.CONFLICT).startswith(why)
    stocked.run("zfs", "hold", "keep", "tank/chyves/guests/web@two")
    why = stocked.refused("web snapshot delete @two --yes", code=Exit.BUSY)
    assert "tank/chyves/guests/web@two is held" in why


def test_a_firmware_that_guests_of_elsewhere_or_new_ones_boot_with(stocked: Chyves) -> None:
    stocked("dataset pool2 install -q")
    stocked("far create 1M pool2 -q")
    stocked("far set uefi_firmware=a.img -q")
    stocked("dataset pool2 offline -q")
    for line in ("firmware delete a.img --yes", "firmware rename a.img b.img --yes"):
        why = stocked.refused(line, code=Exit.CONFLICT)
        assert why.startswith("a.img: guests boot with a.img: far\n")
    stocked("dataset pool2 online -q")
    stocked("far set uefi_firmware=- -q")
    stocked("defaults set uefi_firmware=a.img -q")
    assert stocked.refused("firmware delete a.img --yes", code=Exit.CONFLICT) == (
        "a.img: new guests boot with a.img\nhint: chyves defaults set uefi_firmware=- lets go of it"
    )


@pytest.mark.parametrize("line", ["iso delete null.iso --yes", "iso rename null.iso x --yes"])
def test_the_medium_of_chyves_itself_stays(line: str, stocked: Chyves) -> None:
    before = stocked.state()
    why = stocked.refused(line, code=Exit.PRECONDITION)
    assert why.startswith("null.iso: null.iso belongs to chyves")
    assert stocked.state() == before


def test_a_clone_of_two_kinds(guests: Chyves) -> None:
    why = guests.refused("web clone new -ie -cu", code=Exit.USAGE)
    assert why == "-ie and -cu exclude each other\nhint: say one of them"


def test_the_administrators_network_is_left_alone(guests: Chyves) -> None:
    guests("global set network_design_mode=system -q")
    for line in (
        "bridge0 attach em0",
        "bridge0 private",
        "bridge0 default",
        "bridge0 join tap5",
        "bridge0 unjoin tap50",
        "bridge0 migrate bridge1",
        "bridge3 delete",
        "web add tap",
        "web remove tap50",
    ):
        why = guests.refused(f"network {line}", code=Exit.PRECONDITION)
        assert why.endswith("hint: chyves global set network_design_mode=auto")
