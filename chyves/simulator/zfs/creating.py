# SPDX-License-Identifier: BSD-2-Clause
"""``zfs create`` and ``zfs clone``."""

from dataclasses import dataclass, field

from chyves.model.volumes import reservation
from chyves.simulator.programs import Io
from chyves.simulator.world import World
from chyves.simulator.zfs import contents, mounting, names, nodes, properties, setting
from chyves.simulator.zfs.datasets import Datasets
from chyves.simulator.zfs.errors import RefusedError, UsageError
from chyves.simulator.zfs.moves import Moves, changing
from chyves.simulator.zfs.names import ANYTHING, DATASETS, FILESYSTEM, SNAPSHOT, VOLUME
from chyves.simulator.zfs.options import Options
from chyves.simulator.zfs.privilege import is_root
from chyves.simulator.zfs.setting import Checker
from chyves.simulator.zfs.sizes import parse_number
from chyves.simulator.zfs.space import has_room

_DEFAULT_BLOCK = {13: 8192, 14: 16384, 15: 16384}
_NOT_MOUNTED = "filesystem successfully created, but not mounted"


@dataclass
class Wish:
    """What ``zfs create`` was asked for."""

    given: dict[str, str] = field(default_factory=dict)
    is_volume: bool = False
    sparse: bool = False
    blocks_given: bool = False
    parents: bool = False
    dry: bool = False
    unmounted: bool = False
    verbose: bool = False
    parsable: bool = False

    @property
    def kind(self) -> str:
        return VOLUME if self.is_volume else FILESYSTEM


def zfs_create(world: World, arguments: list[str], io: Io) -> int:
    """``zfs create``."""
    wish, name = _read_wish(arguments)
    if wish.dry or wish.is_volume:
        with world.reading():
            _complete(world, wish, name, io)
    if wish.parents and not names.fault(name, frozenset({wish.kind})):
        with world.reading():
            if name in world.table("zfs"):
                return 0
        if wish.verbose:
            _tell_ancestors(wish, name, io)
        if not wish.dry:
            create_ancestors(world, name)
    if wish.verbose:
        _tell(wish, name, io)
    if wish.dry:
        return 0
    with changing(world) as (datasets, moves):
        create(datasets, moves, name, wish.kind, wish.given)
    if wish.unmounted or wish.is_volume:
        return 0
    return mount_new(world, name, io)


def _read_wish(arguments: list[str]) -> tuple[Wish, str]:
    wish = Wish()
    options = Options(arguments, ":PV:b:nso:puv", missing="missing size argument")
    for letter, argument in options:
        match letter:
            case "V":
                wish.is_volume = True
                wish.given["volsize"] = _parse_size("volume", argument)
            case "b":
                wish.blocks_given = True
                wish.given["volblocksize"] = _parse_size("volume block", argument)
            case "o":
                setting.parse_word(wish.given, argument)
            case "P":
                wish.verbose = wish.parsable = True
            case "v":
                wish.verbose = True
            case "p":
                wish.parents = True
            case "n":
                wish.dry = True
            case "s":
                wish.sparse = True
            case "u":
                wish.unmounted = True
    if (wish.blocks_given or wish.sparse) and not wish.is_volume:
        raise UsageError("'-s' and '-b' can only be used when creating a volume")
    if wish.unmounted and wish.is_volume:
        raise UsageError("'-u' can only be used when creating a filesystem")
    if not options.rest:
        raise UsageError(f"missing {wish.kind} argument")
    if len(options.rest) > 1:
        raise UsageError("too many arguments")
    return wish, options.rest[0]


def _parse_size(what: str, text: str) -> str:
    try:
        return str(parse_number(text))
    except ValueError as error:
        raise RefusedError(f"bad {what} size '{text}': {error}") from None


def _complete(world: World, wish: Wish, name: str, io: Io) -> None:
    """Round the size of a volume, choose its block size, and add its reservation."""
    pool = names.pool_of(name) if "/" in name else name
    if pool not in world.table("zpool"):
        raise RefusedError(f"cannot open '{pool}': no such pool")
    action = f"cannot {'verify' if wish.dry else 'create'} '{name}'"
    checked = Checker(world.release.major, wish.kind, action, new=True).check(wish.given)
    if not wish.is_volume:
        return
    default = _DEFAULT_BLOCK[world.release.major]
    block = int(checked.get("volblocksize", default))
    if block < default:
        io.err(
            f"Warning: volblocksize ({block}) is less than the default minimum block size"
            f" ({default}).\nTo reduce wasted space a volblocksize of {default} is recommended."
        )
    if block != default:
        wish.given["volblocksize"] = str(block)
    size = int(checked["volsize"])
    wish.given["volsize"] = str(-(-size // block) * block)
    if not wish.sparse and "refreservation" not in wish.given:
        wish.given["refreservation"] = str(reservation(int(wish.given["volsize"]), block))


def _tell_ancestors(wish: Wish, name: str, io: Io) -> None:
    if wish.parsable:
        io.out(f"create_ancestors\t{name}")
    else:
        io.out(f"{'would create' if wish.dry else 'create'} ancestors of {name}")


def _tell(wish: Wish, name: str, io: Io) -> None:
    if wish.parsable:
        io.out(f"create\t{name}")
    else:
        io.out(f"{'would create' if wish.dry else 'create'} {name}")
    for key, value in wish.given.items():
        io.out(f"property\t{key}\t{value}" if wish.parsable else f"\t{key}={value}")


def check_parent(datasets: Datasets, action: str, name: str) -> None:
    """Raise RefusedError unless the dataset ``name`` would lie in a filesystem."""
    parent = names.parent_of(name)
    if not parent:
        raise RefusedError(f"{action}: missing dataset name")
    if names.pool_of(name) not in datasets:
        raise RefusedError(f"{action}: no such pool '{names.pool_of(name)}'")
    if parent not in datasets:
        raise RefusedError(f"{action}: parent does not exist")
    if datasets[parent]["type"] != FILESYSTEM:
        raise RefusedError(f"{action}: parent is not a filesystem")


def create_ancestors(world: World, name: str) -> None:
    """Create and mount the filesystems above ``name`` that are missing."""
    action = f"cannot create '{name}'"
    names.check(action, name, ANYTHING)
    with changing(world) as (datasets, moves):
        missing = []
        above = names.parent_of(name)
        while above and above not in datasets:
            missing.append(above)
            above = names.parent_of(above)
        if not above:
            raise RefusedError(f"{action}: no such pool '{names.pool_of(name)}'")
        if datasets[above]["type"] != FILESYSTEM:
            raise RefusedError(f"{action}: parent is not a filesystem")
        for ancestor in reversed(missing):
            create(datasets, moves, ancestor, FILESYSTEM, {})
            mounting.mount(datasets, moves, ancestor)


def create(datasets: Datasets, moves: Moves, name: str, kind: str, given: dict[str, str]) -> None:
    """Create a filesystem (not mounted yet) or a volume. Raises RefusedError."""
    action = f"cannot create '{name}'"
    names.check(action, name, frozenset({kind}))
    if names.is_too_deep(name):
        raise RefusedError(f"{action}: maximum name nesting depth exceeded")
    check_parent(datasets, action, name)
    if name in datasets:
        raise RefusedError(f"{action}: dataset already exists")
    local = Checker(datasets.major, kind, action, new=True).check(given)
    block = int(local.pop("volblocksize", _DEFAULT_BLOCK[datasets.major]))
    if kind == VOLUME and local["volsize"] == "0":
        raise RefusedError(f"{action}: volume size cannot be zero")
    if not is_root():
        raise RefusedError(f"{action}: permission denied")
    _check_room(datasets, action, name, local)
    record = {
        "type": kind,
        **datasets.birth(names.pool_of(name)),
        "content": contents.fresh(),
        "local": {key: value for key, value in local.items() if value != "0"},
    }
    if kind == VOLUME:
        record["volblocksize"] = block
    datasets[name] = record
    place = contents.stored(datasets.world, record)
    if kind == VOLUME:
        contents.make_volume(place, int(local["volsize"]))
        nodes.appear_for_new(datasets, moves, name)
    else:
        moves.make_directory(place)


def _check_room(datasets: Datasets, action: str, name: str, local: dict[str, str]) -> None:
    """Only ``zfs set`` works out ``refreservation=auto``; for anything new it is more than any pool
    has. An empty dataset is past no quota, even where there is no room left."""
    refreservation = local.get("refreservation", "0")
    if refreservation == setting.AUTO:
        refreservation = properties.UNLIMITED
    wanted = max(int(refreservation), int(local.get("reservation", 0)))
    charged = names.parent_of(name) if wanted else names.pool_of(name)
    if not has_room(datasets, charged, wanted):
        raise RefusedError(f"{action}: out of space")


def mount_new(world: World, name: str, io: Io) -> int:
    """Mount a filesystem just created or cloned; if that fails, it is there all the same."""
    try:
        with changing(world) as (datasets, moves):
            if datasets.value(name, "canmount") == "on":
                mounting.mount(datasets, moves, name)
    except RefusedError as refused:
        io.err(refused.message)
        io.err(_NOT_MOUNTED)
        return 1
    return 0


def zfs_clone(world: World, arguments: list[str], io: Io) -> int:
    """``zfs clone``."""
    given: dict[str, str] = {}
    parents = False
    options = Options(arguments, "o:p")
    for letter, argument in options:
        if letter == "o":
            setting.parse_word(given, argument)
        else:
            parents = True
    if not options.rest:
        raise UsageError("missing source dataset argument")
    if len(options.rest) < 2:
        raise UsageError("missing target dataset argument")
    if len(options.rest) > 2:
        raise UsageError("too many arguments")
    snapshot, name = options.rest
    with world.reading():
        datasets = Datasets(world)
        datasets.open(snapshot, frozenset({SNAPSHOT}))
        exists = name in datasets
    if parents and not names.fault(name, DATASETS):
        if exists:
            return 0
        create_ancestors(world, name)
    with changing(world) as (datasets, moves):
        clone(datasets, moves, snapshot, name, given)
        kind = datasets[name]["type"]
    return mount_new(world, name, io) if kind == FILESYSTEM else 0


def clone(
    datasets: Datasets, moves: Moves, snapshot: str, name: str, given: dict[str, str]
) -> None:
    """Make a dataset with the content of a snapshot. Raises RefusedError."""
    action = f"cannot create '{name}'"
    source = datasets.open(snapshot, frozenset({SNAPSHOT}))
    kind = source["of"]
    names.check(action, name, frozenset({FILESYSTEM}))
    check_parent(datasets, action, name)
    if names.is_too_deep(name):
        raise RefusedError(f"{action}: dataset name is too long")
    block = int(source.get("volblocksize", 0))
    checker = Checker(datasets.major, kind, action, new=True, volblocksize=block)
    local: dict[str, str] = checker.check(given)
    if name in datasets:
        raise RefusedError(f"{action}: dataset already exists")
    if names.pool_of(name) != names.pool_of(snapshot):
        raise RefusedError(f"{action}: source and target pools differ")
    if not is_root():
        raise RefusedError(f"{action}: permission denied")
    record = {
        "type": kind,
        **datasets.birth(names.pool_of(name)),
        "content": contents.fresh(),
        "origin": snapshot,
        "local": local,
    }
    if kind == VOLUME:
        local.setdefault("volsize", str(source["volsize"]))
        record["volblocksize"] = block
    _check_room(datasets, action, name, local)
    datasets[name] = record
    original = contents.stored(datasets.world, source)
    place = contents.stored(datasets.world, record)
    if kind == VOLUME:
        contents.copy_volume(original, place, source["print"][0])
        nodes.appear_for_new(datasets, moves, name)
    else:
        contents.copy_tree(original, place)
