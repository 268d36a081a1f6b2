# SPDX-License-Identifier: BSD-2-Clause
"""``chyves upgrade``: another version of chyves itself, and the look for one every so often."""

import json
import threading
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import click

from chyves import __version__
from chyves.app import App
from chyves.backend import installation, locks, store, unpack
from chyves.backend.inventory import Inventory
from chyves.backend.survey import read_inventory
from chyves.commands.options import Mixed, argument
from chyves.errors import ChyvesError, HostError, Invalid
from chyves.model import layout, release
from chyves.model.release import Release
from chyves.model.resource import source

RELEASES = "https://api.github.com/repos/chyves/chyves/releases?per_page=50"
"""What there is, as docs.github.com/rest/releases describes it."""

MOST = 1 << 22
"""More bytes than this a list of releases has not."""

KNOWN = "check_for_updates_last_check_status"
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
    stable, early = _look(early=False), _look(early=True)
    app.report.data = {
        "installed": __version__,
        "master": stable.version if stable else None,
        "dev": early.version if early else None,
    }
    app.output.line(f"installed: {__version__}")
    for word, found in (("master", stable), ("dev", early)):
        if found:
            newer = release.is_newer(found.version, __version__)
            hint = f", newer: chyves upgrade {word} installs it" if newer else ""
            app.output.line(f"{word}: {found.version}{hint}")


def _look(*, early: bool) -> Release | None:
    """Return the newest release there is. Raises HostError."""
    from chyves.backend import fetch

    text = fetch.read(RELEASES, MOST)
    try:
        return release.newest(json.loads(text), early=early)
    except (ValueError, TypeError, KeyError, AttributeError):
        raise HostError("github.com answers with something else than a list of releases") from None


def upgrade_to(app: App, *, early: bool) -> None:
    """Install a release, if it is newer than this one."""
    app.require_root()
    package = installation.package_folder()
    installation.require_own(app.host, package)
    with app.report.item("chyves"), locks.upgrade_lock(app.host):
        found = _look(early=early)
        if found is None or not release.is_newer(found.version, __version__):
            app.report.done("chyves", f"{__version__} is the newest", changed=False)
            return
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
    app.host.note(line, lambda: _install(target, found.version, package))


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


def _install(wheel: Path, version: str, package: Path) -> None:
    try:
        installation.install(wheel, version, package)
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
    """Say that there is a newer version, and look for one if it is time (check_for_updates).

    A look is written down before it is made, so that one that fails is not made again and again;
    it takes no longer than check_for_updates_timeout_seconds, and is left out while another chyves
    is at work. Nothing that goes wrong is told: nobody has asked.
    """
    settings = app.settings
    with suppress(ChyvesError, OSError, ValueError):
        today = datetime.now(UTC).date()
        if release.is_due(settings["check_for_updates"], settings[LAST], today):
            _look_again(app, int(settings["check_for_updates_timeout_seconds"]))
        elif settings[KNOWN] == "1":
            app.output.say("chyves: a newer chyves is there: chyves upgrade")


def _look_again(app: App, seconds: int) -> None:
    path = layout.global_config(read_inventory(app.host).primary().name)
    with locks.free_host_lock(app.host) as free:
        if not free:
            return
        today = datetime.now(UTC).strftime("%Y%m%d")
        store.set_values(app.host, path, {LAST: today})
    found = _within(seconds)
    newer = found is not None and release.is_newer(found.version, __version__)
    if newer and found:
        app.output.say(f"chyves: chyves {found.version} is there: chyves upgrade installs it")
    with locks.free_host_lock(app.host) as free:
        if free and found:
            store.set_values(app.host, path, {KNOWN: str(int(newer))})


def _within(seconds: int) -> Release | None:
    """Return the newest release, or None if that takes longer or does not work."""
    found: list[Release | None] = []

    def look() -> None:
        with suppress(Exception):
            found.append(_look(early=False))

    looking = threading.Thread(target=look, daemon=True)
    looking.start()
    looking.join(seconds)
    return found[0] if found else None
