# SPDX-License-Identifier: BSD-2-Clause
"""chyves itself: where it is installed, and how another version takes its place.

The other version is put beside the one that is there, in a folder of its own within the package;
``__init__.py`` of the package, replaced as a whole, is what makes Python take it from there. A
chyves that runs meanwhile goes on with its own files.
"""

import os
import shutil
import sys
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

import chyves
from chyves.backend.host import Host
from chyves.backend.run import RealRunner
from chyves.errors import ChyvesError, Precondition
from chyves.model import release

DOWNLOAD = "_download"
"""The folder in the package where a release is fetched to."""

MODULES = ("site-packages", "dist-packages")

TRIAL = """
import sys
sys.path.insert(0, sys.argv[1])
import importlib, pkgutil, chyves
for found in pkgutil.walk_packages(chyves.__path__, "chyves."):
    importlib.import_module(found.name)
print(chyves.__version__)
"""
"""Imports all of a version that is not installed yet."""

LEADS_THERE = """
import os as _os

__path__ = [_os.path.join(_os.path.dirname(__file__), "_{version}", "chyves")]
"""


def package_folder() -> Path:
    """Return the folder that this chyves was imported from."""
    return Path(chyves.__file__).parent


def require_own(host: Host, package: Path) -> None:
    """Raise Precondition unless chyves may be replaced there by itself: it was installed by its
    Makefile or by pip, and no package of the system owns it (pkg-which(8))."""
    owner = host.try_ask("pkg", "-N", "which", "-q", str(package / "__init__.py"), timeout=60)
    if owner.code == 0:
        name = owner.stdout.strip()
        raise Precondition(f"the package {name} owns chyves", hint="pkg upgrade chyves")
    is_installed = package.parent.name in MODULES and package.parents[2].name == "lib"
    if not is_installed:
        raise Precondition(
            f"chyves runs from {package}, where it was not installed",
            hint="git pull, if that is a checkout; make install",
        )


def install(wheel: Path, version: str, package: Path, starts: Iterable[float]) -> None:
    """Let a version take the place of the one that is installed; ``package`` is its folder, below
    ``<prefix>/lib/python3.x/site-packages``. Of the older ones those stay that processes of chyves
    may be of, which have been started at ``starts``: they import some modules late.

    Raises ChyvesError if the wheel does not work here, Precondition if it cannot be written.
    """
    folder = package / f"_{version}"
    prefix = package.parents[3]
    with _as_precondition(package), _readable(), zipfile.ZipFile(wheel) as archive:
        _empty(folder)
        for member, name in _modules(archive):
            _write(folder / name, archive.read(member), 0o644)
        try:
            _require_working(folder, version)
        except ChyvesError:
            _empty(folder)
            raise
        for member, name in _data(archive, version):
            mode = 0o755 if member.external_attr >> 16 & 0o111 else 0o644
            _write(prefix / name, archive.read(member), mode)
        text = (folder / "chyves/__init__.py").read_text() + LEADS_THERE.format(version=version)
        _write(package / "__init__.py", text.encode(), 0o644)
        os.utime(folder)  # until now everybody has begun with the version before
    installed = {str(old): old.stat().st_mtime for old in package.glob("_[0-9]*")}
    used = {str(folder), *_used(package), *release.needed(installed, starts)}
    for old in installed.keys() - used:
        shutil.rmtree(old, ignore_errors=True)


def _used(package: Path) -> Iterator[str]:
    """Yield the folders that this process is of."""
    for path in chyves.__path__:
        if Path(path).is_relative_to(package):
            yield str(Path(path).parent)


def _empty(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)


def _modules(archive: zipfile.ZipFile) -> Iterator[tuple[zipfile.ZipInfo, str]]:
    for member in archive.infolist():
        if member.filename.startswith("chyves/") and not member.is_dir():
            yield member, _inside(member.filename)


def _data(archive: zipfile.ZipFile, version: str) -> Iterator[tuple[zipfile.ZipInfo, str]]:
    """Yield what is installed below the prefix: the manual page, the rc.d script and so on."""
    start = f"chyves-{version}.data/data/"
    for member in archive.infolist():
        if member.filename.startswith(start) and not member.is_dir():
            yield member, _inside(member.filename.removeprefix(start))


def _inside(name: str) -> str:
    """Return the name of a file that stays in its folder. Raises ChyvesError for another."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts:
        raise ChyvesError(f"the release has a file that would leave its folder: {name!r}")
    return name


def _require_working(folder: Path, version: str) -> None:
    """Raise ChyvesError unless this Python can import all of a version."""
    done = RealRunner().run([sys.executable, "-I", "-B", "-c", TRIAL, str(folder)], timeout=120)
    if done.code != 0 or done.stdout.strip() != version:
        said = done.complaint().rpartition("; ")[2]
        raise ChyvesError(
            f"{version} does not work here: {said}",
            hint="chyves stays as it was; a newer Python or another package may be needed",
        )


def _write(path: Path, content: bytes, mode: int) -> None:
    """Write a file as a whole: whoever looks sees the old one or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.new")
    with fresh.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    fresh.chmod(mode)
    os.replace(fresh, path)


@contextmanager
def _readable() -> Iterator[None]:
    """Let everybody read what is written, whatever root's umask is."""
    umask = os.umask(0o022)
    try:
        yield
    finally:
        os.umask(umask)


@contextmanager
def _as_precondition(package: Path) -> Iterator[None]:
    try:
        yield
    except (zipfile.BadZipFile, KeyError) as error:
        raise ChyvesError(f"the release is damaged: {error}") from error
    except OSError as error:
        raise Precondition(
            f"cannot write {error.filename or package}: {error.strerror}",
            hint="chyves stays as it was",
        ) from error
