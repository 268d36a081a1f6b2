# SPDX-License-Identifier: BSD-2-Clause
"""Releases of chyves: which is the newest, what it is made of, when to look for one."""

import re
from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from typing import Any, NamedTuple

DAYS: Mapping[str, int] = {"always": 0, "daily": 1, "weekly": 7, "monthly": 30}
"""Days between two looks, by the values of check_for_updates; the others are never."""

_VERSION = re.compile(r"v?(\d+(?:\.\d+)*)(?:[.-]?(dev|a|b|rc)(\d+))?")
_STAGES = ("dev", "a", "b", "rc", "")
_DIGEST = re.compile(r"sha256:([0-9a-f]{64})")


class Release(NamedTuple):
    """A release that can be installed: its version, and where its wheel is, with the SHA256 and
    the number of bytes that it has to have."""

    version: str
    url: str
    sha256: str
    size: int


def version_key(text: str) -> tuple[tuple[int, ...], int, int] | None:
    """Return a sort key of a version (``1.2``, ``v1.2.0rc1``, ``1.2.dev3``); None if it is none."""
    found = _VERSION.fullmatch(text)
    if not found:
        return None
    numbers = [int(number) for number in found[1].split(".")]
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers), _STAGES.index(found[2] or ""), int(found[3] or 0)


def is_newer(version: str, than: str) -> bool:
    """Tell whether one version comes after another; what is no version comes before all."""
    new, old = version_key(version), version_key(than)
    return new is not None and (old is None or new > old)


def newest(releases: Iterable[Mapping[str, Any]], *, early: bool) -> Release | None:
    """Return the newest of the releases that GitHub lists (docs.github.com/rest/releases), with
    ``early`` also of those before their time; None if there is none. One without a wheel that has
    a digest, or that is anywhere but there, is none. Raises KeyError, TypeError if the list is not
    as GitHub writes it."""
    found = []
    for one in releases:
        if one["draft"] or (one["prerelease"] and not early):
            continue
        version = str(one["tag_name"]).removeprefix("v")
        if version_key(version) is None:
            continue
        for asset in one["assets"]:
            digest = _DIGEST.fullmatch(str(asset.get("digest")))
            if asset["name"] == f"chyves-{version}-py3-none-any.whl" and digest:
                url = str(asset["browser_download_url"])
                found.append(Release(version, url, digest[1], int(asset["size"])))
    return max(found, key=lambda release: version_key(release.version) or (), default=None)


def newest_listed(releases: Iterable[Mapping[str, Any]], *, early: bool) -> str:
    """Return the newest version that GitHub lists, whether it can be installed or not; empty if
    there is none. Raises KeyError, TypeError as ``newest``."""
    listed = (one for one in releases if not one["draft"] and (early or not one["prerelease"]))
    versions = (str(one["tag_name"]).removeprefix("v") for one in listed)
    return max(filter(version_key, versions), key=lambda one: version_key(one) or (), default="")


def needed(installed: Mapping[str, float], starts: Iterable[float]) -> set[str]:
    """Return which versions processes still are of; both have times, of when the version was
    installed and of when the process was started."""
    found = set()
    for start in starts:
        before = [name for name, time in installed.items() if time <= start]
        if before:
            found.add(max(before, key=lambda name: installed[name]))
    return found


def is_due(interval: str, last: str, today: date) -> bool:
    """Tell whether it is time to look for a newer version. ``last`` is the day of the last look,
    YYYYMMDD; one that is no day, or is yet to come, was long ago."""
    if interval not in DAYS:
        return False
    try:
        day = date(int(last[:4]), int(last[4:6]), int(last[6:8]))
    except ValueError:
        return True
    return not today - timedelta(days=DAYS[interval]) < day <= today
