# SPDX-License-Identifier: BSD-2-Clause
"""Which release is the newest, and when to look for one."""

from datetime import date
from typing import Any

import pytest

from chyves.model import release

IN_ORDER = ["0.2.0", "1.0.0.dev0", "v1.0.0a1", "1.0.0a2", "1.0b1", "1.0.0-rc1", "1.0", "1.0.1"]


def test_versions_are_in_order() -> None:
    for number, old in enumerate(IN_ORDER):
        for new in IN_ORDER[number + 1 :]:
            assert release.is_newer(new, old)
            assert not release.is_newer(old, new)
    assert not release.is_newer("1.0.0", "1.0")
    assert not release.is_newer("1.10", "1.10.0")
    assert release.is_newer("1.10", "1.9")


@pytest.mark.parametrize("text", ["", "latest", "1.0;rm", "1..0", "1.0/../x", "1.0\n", "../1.0"])
def test_what_no_version_is(text: str) -> None:
    assert release.version_key(text) is None
    assert not release.is_newer(text, "0.1")


def listed(tag: str, *, early: bool = False, draft: bool = False, **asset: Any) -> dict[str, Any]:
    version = tag.removeprefix("v")
    wheel = {
        "name": f"chyves-{version}-py3-none-any.whl",
        "digest": "sha256:" + "0" * 64,
        "size": 5,
        "browser_download_url": f"https://github.com/{version}",
    }
    return {"tag_name": tag, "draft": draft, "prerelease": early, "assets": [{**wheel, **asset}]}


def test_the_newest_release() -> None:
    releases = [
        listed("v1.2.0"),
        listed("v1.10.0"),
        listed("v1.11.0rc1", early=True),
        listed("v9.0.0", draft=True),
        listed("v8.0.0", digest=None),
        listed("v7.0.0", digest="md5:" + "0" * 32),
        listed("v6.0.0", name="chyves-6.0.0.tar.gz"),
        listed("nightly"),
    ]
    stable = release.newest(releases, early=False)
    assert stable == ("1.10.0", "https://github.com/1.10.0", "0" * 64, 5)
    early = release.newest(releases, early=True)
    assert early
    assert early.version == "1.11.0rc1"
    assert release.newest(releases[3:], early=False) is None
    assert release.newest([], early=True) is None


@pytest.mark.parametrize(
    ("interval", "last", "due"),
    [
        ("off", "20200101", False),
        ("never heard of", "20200101", False),
        ("always", "20261126", True),
        ("daily", "20261126", False),
        ("daily", "20261125", True),
        ("weekly", "20261120", False),
        ("weekly", "20261119", True),
        ("monthly", "20261028", False),
        ("monthly", "20261027", True),
        ("monthly", "", True),
        ("monthly", "20269999", True),
        ("monthly", "20991231", True),
    ],
)
def test_when_to_look(interval: str, last: str, due: bool) -> None:
    assert release.is_due(interval, last, date(2026, 11, 26)) is due
