# SPDX-License-Identifier: BSD-2-Clause
"""``iso import`` and ``firmware import``: a file of this host or of another becomes a resource."""

import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from chyves.app import App
from chyves.backend import locks, unpack, zfs
from chyves.backend.inventory import Inventory
from chyves.commands.resources import current, require_new
from chyves.errors import ChyvesError, Invalid, NotFound, Precondition
from chyves.model import kinds, layout, places
from chyves.model.resource import Checksum, Source
from chyves.model.resource import checksum as parse_checksum
from chyves.model.resource import source as parse_source

PART = ".download"
"""The file of another host as far as it has come; no resource has a name with a dot in front."""


def import_resource(app: App, kind: str, text: str, checksum: str | None) -> None:
    """Bring a file in, check it and unpack it. Its dataset is marked as unfinished, and no
    resource, until all of that is done. What a download that was broken off has left stays, and
    the same line said again goes on with it; every other failure leaves nothing."""
    app.require_root()
    source = parse_source(text)
    if not source.scheme:
        source = _local(app, source)
    wanted = parse_checksum(checksum) if checksum is not None else _ask_for_checksum(app, source)
    name = source.name
    with app.report.item(name), locks.resource_lock(app.host, kind, name):
        inventory = current(app)
        require_new(inventory, kind, name)
        pool = inventory.primary().name
        _begin(app, inventory, source, layout.resource_dataset(pool, kind, name))
        _finish(app, source, wanted, pool, kind)


def _ask_for_checksum(app: App, source: Source) -> Checksum | None:
    if not source.scheme:
        return None
    answer = app.output.ask("Its checksum, an MD5, SHA1, SHA256 or SHA512; nothing if unknown")
    return parse_checksum(answer) if answer.strip() else None


def _local(app: App, source: Source) -> Source:
    """Return a file of this machine; or else of the simulated host, as hints name it."""
    if app.host.simulated and not Path(source.text).exists():
        there = app.host.path(source.text)
        if there.exists():
            source = source._replace(text=str(there))
    _require_regular_file(Path(source.text))
    return source


def _require_regular_file(path: Path) -> None:
    hint = "import takes a file, or an URL"
    try:
        status = path.stat()
    except OSError as error:
        raise NotFound(f"{path}: {error.strerror}", hint=hint) from None
    if not stat.S_ISREG(status.st_mode):
        raise Invalid(f"{path} is not a regular file", hint=hint)
    if status.st_size == 0:
        raise Invalid(f"{path} is empty", hint=hint)


def _begin(app: App, inventory: Inventory, source: Source, dataset: str) -> None:
    """Have a dataset for it: one with a part of it, or a new one."""
    left = inventory.datasets.get(dataset)
    if left and source.scheme and left.is_mounted:
        return
    if left:
        zfs.destroy(app.host, dataset)
    if not source.scheme:
        pool = dataset.partition("/")[0]
        unpack.require_room(Path(source.text).stat().st_size, _room(app, pool))
    zfs.create_filesystem(app.host, dataset, {zfs.UNFINISHED: zfs.MAKERS[places.Resource]})


def _room(app: App, pool: str) -> int:
    return zfs.available(app.host, layout.root_dataset(pool))


def _finish(app: App, source: Source, wanted: Checksum | None, pool: str, kind: str) -> None:
    """Fill the dataset, and make it a resource."""
    target = layout.resource_file(pool, kind, source.name)
    dataset = layout.resource_dataset(pool, kind, source.name)
    try:
        with _understood(source):
            found = _fill(app, source, wanted, target, pool)
        zfs.inherit_property(app.host, dataset, zfs.UNFINISHED)
    except BaseException as error:
        if not _may_go_on(app, error, target):
            with suppress(ChyvesError):
                zfs.destroy(app.host, dataset)
        raise
    if found and not wanted:
        app.report.warn(
            f"{source.name}: compared with no checksum, for none was given; it is {found}"
        )
    file = app.host.path(target) if app.host.plan is None else Path(source.text)
    size = file.stat().st_size if file.exists() else None
    told = "" if size is None else f", {kinds.format_bytes(size)}"
    proof = f", {wanted.algorithm.upper()} as expected" if wanted and found else ""
    checksum = str(found) if found else None
    app.report.done(source.name, f"imported{told}{proof}", size=size, checksum=checksum)


def _may_go_on(app: App, error: BaseException, target: str) -> bool:
    """Tell whether a download was broken off, and there is something to go on with."""
    if isinstance(error, ChyvesError):
        from chyves.backend.fetch import BrokenOff

        return isinstance(error, BrokenOff)
    part = app.host.path(target).with_name(PART)
    return isinstance(error, KeyboardInterrupt) and part.exists() and part.stat().st_size > 0


def _fill(
    app: App, source: Source, wanted: Checksum | None, target: str, pool: str
) -> Checksum | None:
    """Put the file where it is to be; return its checksum if it has one to be compared with."""
    final = app.host.path(target)
    file = Path(source.text)
    if source.scheme:
        file = final.with_name(PART)
        app.host.note(f"fetch {source.shown}", lambda: _fetch(app, source, file, target, pool))
    found = _check(app, source, wanted, file)
    if source.packing:
        line = f"unpack {source.file} to {target}"
        app.host.note(line, lambda: _unpack(app, source, file, target, pool))
    elif source.scheme:
        app.host.note(f"mv {PART} {target}", lambda: os.replace(file, final))
    else:
        app.host.note(f"cp {source.text} {target}", lambda: _copy(app, file, target))
    if source.scheme and app.host.plan is None:
        from chyves.backend.fetch import notes

        for left in (file, notes(file)):
            left.unlink(missing_ok=True)
    return found


def _fetch(app: App, source: Source, file: Path, target: str, pool: str) -> None:
    from chyves.backend import fetch

    app.host.may_write(target)
    fetch.download(source, file, _room(app, pool), app.output.progress)


def _check(app: App, source: Source, wanted: Checksum | None, file: Path) -> Checksum | None:
    """Compare the file, as it is before it is unpacked, with its checksum. Raises ChyvesError."""
    algorithm = wanted.algorithm if wanted else "sha256"
    if (app.host.plan is not None and source.scheme) or not (wanted or source.scheme):
        return None
    if file.stat().st_size == 0:
        raise ChyvesError("an empty file has come", hint="nothing was imported")
    found = Checksum(algorithm, unpack.checksum(file, algorithm))
    if wanted and found != wanted:
        raise ChyvesError(
            f"it is not what it should be: its {algorithm.upper()} is {found.digits}, "
            f"not {wanted.digits}",
            hint="nothing was imported; compare with what the maker of the file says",
        )
    return found


def _unpack(app: App, source: Source, file: Path, target: str, pool: str) -> None:
    app.host.may_write(target)
    room = _room(app, pool)
    with (
        app.host.path(target).open("wb") as final,
        app.output.progress(f"unpacking {source.file}", lambda: file.stat().st_size) as moved,
    ):
        unpack.unpack(file, source.packing, final, room, moved)
        final.flush()
        os.fsync(final.fileno())


def _copy(app: App, source: Path, target: str) -> None:
    app.host.may_write(target)
    final = app.host.path(target)
    shutil.copyfile(source, final)
    with final.open("rb") as copied:
        os.fsync(copied.fileno())


@contextmanager
def _understood(source: Source) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Precondition(
            f"cannot import {source.shown}: {error.strerror or error}",
            hint="see that it can be read, and zfs get readonly,available,mounted",
        ) from error
