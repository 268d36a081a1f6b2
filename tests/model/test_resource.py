# SPDX-License-Identifier: BSD-2-Clause
"""Names of what is imported, and checksums."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chyves.errors import Invalid
from chyves.model import resource


@pytest.mark.parametrize(
    ("text", "name", "scheme", "packing", "shown"),
    [
        ("debian.iso", "debian.iso", "", "", "debian.iso"),
        ("/media/x/debian-13.iso.xz", "debian-13.iso", "", "xz", "/media/x/debian-13.iso.xz"),
        ("./fw.fd.gz", "fw.fd", "", "gz", "./fw.fd.gz"),
        ("https://h/a/x.img.zst", "x.img", "https", "zst", "https://h/a/x.img.zst"),
        ("HTTP://h:8080/x.iso?key=1#top", "x.iso", "http", "", "http://h:8080/x.iso"),
        ("ftp://me:word@h/pub/x.iso", "x.iso", "ftp", "", "ftp://h/pub/x.iso"),
        ("https://h/x%2D1%2e0.iso", "x-1.0.iso", "https", "", "https://h/x%2D1%2e0.iso"),
    ],
)
def test_what_a_source_is(text: str, name: str, scheme: str, packing: str, shown: str) -> None:
    found = resource.source(text)
    assert (found.name, found.scheme, found.packing, found.shown) == (name, scheme, packing, shown)


@pytest.mark.parametrize(
    "text",
    [
        "https://h/..%2f..%2fetc%2fpasswd",
        "https://h/..",
        "https://h/.iso",
        "https://h/%00.iso",
        "https://h/a%0ab.iso",
        "https://h/%ff.iso",
        "https://h/",
        "https://h",
        "https:///x.iso",
        "https://h:port/x.iso",
        "https://[::1/x.iso",
        "https://h/a b.iso",
        "https://h/x\n.iso",
        "file:///etc/passwd",
        "javascript://h/x.iso",
        "/media/.xz",
        "/media/-x.iso",
        "/",
        "",
    ],
)
def test_what_no_source_is(text: str) -> None:
    with pytest.raises(Invalid) as refusal:
        resource.source(text)
    assert refusal.value.hint


@given(st.text())
def test_no_name_leaves_its_folder(text: str) -> None:
    for whole in (text, f"https://h/{text}"):
        try:
            name = resource.source(whole).name
        except Invalid:
            continue
        assert "/" not in name
        assert not name.startswith(".")
        assert name.isascii()
        assert name.isprintable()


@pytest.mark.parametrize("algorithm", resource.ALGORITHMS)
def test_checksums(algorithm: str) -> None:
    digits = hashlib.new(algorithm, b"x").hexdigest()
    wanted = resource.Checksum(algorithm, digits)
    for text in (
        digits,
        digits.upper(),
        f" {algorithm}:{digits}\n",
        f"{algorithm.upper()}:{digits}",
        f"{algorithm.upper()} (x.iso) = {digits}",
        f"{digits}  x.iso",
        f"{digits} *x.iso",
    ):
        assert resource.checksum(text) == wanted


@pytest.mark.parametrize(
    "text", ["", "abc", "x" * 64, "sha1:" + "0" * 64, "sha384:" + "0" * 96, "sha256:", "0" * 63]
)
def test_what_no_checksum_is(text: str) -> None:
    with pytest.raises(Invalid) as refusal:
        resource.checksum(text)
    assert "SHA256 (64)" in refusal.value.hint
