# SPDX-License-Identifier: BSD-2-Clause
"""``chyves upgrade``: another version of chyves itself, and the look for one every so often."""

import json
import threading
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import click

from chyves import __version__
from chyves.app import App
from chyves.backend import installation, locks, store, unpack
from chyves.backend.inventory import Inventory
from chyves.backend.run import leave_behind
from chyves.backend.survey import read_inventory
from chyves.commands.options import Mixed, argument
from chyves.errors import ChyvesError, HostError, Invalid, NotFound
from chyves.model import layout, release
from chyves.model.release import Release
from chyves.model.resource import source

RELEASES = "https://api.github.com/repos/chyves/chyves/releases?per_page=50"
"""What there is, as docs.github.com/rest/releases describes it."""

PAGE = "https://github.com/chyves/chyves/releases"

MOST = 1 << 22
"""More bytes than this a list of releases has not."""

KNOWN = "check_for_updates_last_check_status"
NEWEST = "check_for_updates_newest"
LAST = "check_for_updates_last_check"


@click.command("upgrade", cls=Mixed)
@argument("what", required=False, default="master", metavar="[master|dev|check]")
@click.pass_obj
def upgrade(app: App, what: str) -> None:
    """Install the newest release of chyves, or with dev the newest that is tried before one;
    with check only say what there is."""
    if what == "check":
        check(app)
    elif what in ("master", "dev"):
        upgrade_to(app, early=what == "dev")
    else:
        raise Invalid(f"no such branch: {what}", hint="chyves upgrade [master|dev|check]")


def check(app: App) -> None:
    """Say what there is."""
    seen = {"master": _look(early=False), "dev": _look(early=True)}
    versions = {word: one.release.version if one.release else None for word, one in seen.items()}
    app.report.data = {"installed": __version__, **versions}
    app.output.line(f"installed: {__version__}")
    for word, version in versions.items():
        if version:
            newer = release.is_newer(version, __version__)
            hint = f", newer: chyves upgrade {word} installs it" if newer else ""
            app.output.line(f"{word}: {version}{hint}")
    for listed in dict.fromkeys(one.cannot_be_had for one in seen.values()):
        if listed:
            app.report.warn(_cannot_be_had(listed))


class Seen(NamedTuple):
    """The newest release that can be installed, and the newest version that is listed."""

    release: Release | None
    listed: str

    @property
    def cannot_be_had(self) -> str:
        """The version that is newer than this chyves and than what can be installed, if any."""
        than = self.release.version if self.release else ""
        is_newest = release.is_newer(self.listed, than)
        return self.listed if is_newest and release.is_newer(self.listed, __version__) else ""


def _cannot_be_had(version: str) -> str:
    return f"chyves {version} is there, but has no wheel with a SHA256: it cannot be installed"


def _look(*, early: bool) -> Seen:
    """Return what releases there are. Raises HostError."""
    from chyves.backend import fetch

    text = fetch.read(RELEASES, MOST)
    try:
        listed: list[Mapping[str, Any]] = json.loads(text)
        if not isinstance(listed, list):
            raise TypeError
        return Seen(release.newest(listed, early=early), release.newest_listed(listed, early=early))
    except (ValueError, TypeError, KeyError, AttributeError):
        raise HostError("github.com answers with something else than a list of releases") from None


def upgrade_to(app: App, *, early: bool) -> None:
    """Install a release, if it is newer than this one."""
    app.require_root()
    package = installation.package_folder()
    installation.require_own(app.host, package)
    with app.report.item("chyves"), locks.upgrade_lock(app.host):
        seen = _look(early=early)
        found = seen.release
        if not seen.listed:
            raise NotFound("no release of chyves is listed", hint=f"see {PAGE}")
        if found is None or not release.is_newer(found.version, __version__):
            if seen.cannot_be_had:
                raise HostError(_cannot_be_had(seen.cannot_be_had), hint=f"see {PAGE}")
            app.report.done("chyves", f"{__version__} is the newest", changed=False)
            return
        if seen.cannot_be_had:
            app.report.warn(_cannot_be_had(seen.cannot_be_had))
        _fetch_and_install(app, found, package)
        _forget(app)
        done = f"upgraded from {__version__} to {found.version}"
        app.report.done("chyves", done, version=found.version)


def _fetch_and_install(app: App, found: Release, package: Path) -> None:
    wheel = source(found.url)
    if wheel.scheme != "https":
        raise HostError(f"the release is at {wheel.shown}, which is not https")
    target = package / installation.DOWNLOAD / wheel.file
    app.host.note(f"fetch {wheel.shown}", lambda: _fetch(app, found, target))
    line = f"put chyves {found.version} into {package}"
    app.host.note(line, lambda: _install(app, target, found.version, package))


def _fetch(app: App, found: Release, target: Path) -> None:
    """Fetch a release. Raises ChyvesError unless it is what the list of releases says."""
    from chyves.backend import fetch

    target.parent.mkdir(exist_ok=True)
    fetch.download(source(found.url), target, found.size, app.output.progress)
    fetch.notes(target).unlink(missing_ok=True)
    sha256 = unpack.checksum(target, "sha256")
    if sha256 != found.sha256:
        target.unlink()
        raise ChyvesError(
            f"the release is not what it should be: its SHA256 is {sha256}, not {found.sha256}",
            hint="nothing was installed",
        )


def _install(app: App, wheel: Path, version: str, package: Path) -> None:
    starts = [one.started for one in app.host.processes() if "chyves" in one.title]
    try:
        installation.install(wheel, version, package, starts)
    finally:
        wheel.unlink(missing_ok=True)


def _forget(app: App) -> None:
    """Take back that a newer version is known."""
    inventory = app.inventory
    if inventory.globals.get(KNOWN) == "1":
        _write(app, inventory, {KNOWN: "0"})


def _write(app: App, inventory: Inventory, values: dict[str, str]) -> None:
    path = layout.global_config(inventory.primary().name)
    with locks.host_lock(app.host):
        store.set_values(app.host, path, values)


# -- every so often -----------------------------------------------------------------------------


def remind(app: App) -> None:
    """Say that there is a newer version, and have one looked for if it is time (check_for_updates).

    Nothing that goes wrong is told: nobody has asked.
    """
    settings = app.settings
    newest = settings[NEWEST]
    if release.is_newer(newest, __version__):
        app.output.say(f"chyves: chyves {newest} is there: chyves upgrade installs it")
    with suppress(ChyvesError, OSError, ValueError):
        today = datetime.now(UTC).date()
        if release.is_due(settings["check_for_updates"], settings[LAST], today):
            _have_it_looked_for(app, int(settings["check_for_updates_timeout_seconds"]))


def _have_it_looked_for(app: App, seconds: int) -> None:
    """Leave a process behind that looks for a newer version, so that nobody waits for it. It is
    written down before, so that a look that fails is not made again and again, and left out while
    another chyves is at work."""
    path = layout.global_config(read_inventory(app.host).primary().name)
    with locks.free_host_lock(app.host) as free:
        if not free:
            return
        today = datetime.now(UTC).strftime("%Y%m%d")
        store.set_values(app.host, path, {LAST: today})
    leave_behind(lambda: _look_again(app, path, seconds))


def _look_again(app: App, path: str, seconds: int) -> None:
    found = _within(seconds)
    if found is None:
        return
    newer = release.is_newer(found.version, __version__)
    with locks.free_host_lock(app.host) as free:
        if free:
            values = {KNOWN: str(int(newer)), NEWEST: found.version}
            store.set_values(app.host, path, values)


def _within(seconds: int) -> Release | None:
    """Return the newest release, or None if that takes longer or does not work."""
    found: list[Release | None] = []

    def look() -> None:
        with suppress(Exception):
            found.append(_look(early=False).release)

    looking = threading.Thread(target=look, daemon=True)
    looking.start()
    looking.join(seconds)
    return found[0] if found else None
