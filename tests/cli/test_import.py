# SPDX-License-Identifier: BSD-2-Clause
"""Media and firmware from other hosts, packed ones, and their checksums."""

import gzip
import hashlib
import json
import lzma
import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from chyves.backend import fetch, unpack
from chyves.errors import Exit
from chyves.simulator.control import fill
from chyves.simulator.opened import open_device
from chyves.simulator.world import World
from tests.cli.conftest import Chyves
from tests.cli.plans import same_as_the_real_run
from tests.cli.runs import run_on
from tests.servers import CERTIFICATE, FtpServer, WebServer, serving
from tests.simulator.living import living

CONTENT = random.Random(1).randbytes(600_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
FILE = "/chyves/tank/ISO/os.iso/os.iso"
PART = "/chyves/tank/ISO/os.iso/.download"
UNFINISHED = "tank/chyves/ISO/os.iso"


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "PAUSE", 0.0)


@pytest.fixture
def web() -> Iterator[WebServer]:
    server = WebServer()
    server.files["/os.iso"] = CONTENT
    with serving(server.server):
        yield server


@pytest.fixture
def ftp() -> Iterator[FtpServer]:
    server = FtpServer()
    server.files["pub/os.iso"] = CONTENT
    with serving(server):
        yield server


def imported(chyves: Chyves, content: bytes = CONTENT) -> None:
    """The resource is there, whole, and nothing else is."""
    path = chyves.host.path(FILE)
    assert path.read_bytes() == content
    assert [one.name for one in path.parent.iterdir()] == ["os.iso"]
    assert chyves.zfs("chyves:unfinished", UNFINISHED) == "-"


def nothing_left(chyves: Chyves) -> None:
    assert UNFINISHED not in chyves.datasets("tank/chyves/ISO")


# -- over HTTP ----------------------------------------------------------------------------------


def test_from_a_web_server(chyves: Chyves, web: WebServer) -> None:
    done = chyves("iso import", web.url("/os.iso?token=secret"), "--checksum", SHA256.upper())
    assert done.out == "os.iso: imported, 586K, SHA256 as expected\n"
    imported(chyves)
    agent = web.requests[0].headers["User-Agent"]
    assert agent.startswith("chyves/")


def test_firmware_from_a_web_server(chyves: Chyves, web: WebServer) -> None:
    web.files["/BHYVE_UEFI.fd.gz"] = gzip.compress(CONTENT)
    chyves("firmware import", web.url("/BHYVE_UEFI.fd.gz"))
    path = "/chyves/tank/Firmware/BHYVE_UEFI.fd/BHYVE_UEFI.fd"
    assert chyves.host.path(path).read_bytes() == CONTENT


def test_what_nothing_vouches_for_is_said(chyves: Chyves, web: WebServer) -> None:
    done = chyves("iso import", web.url("/os.iso"))
    assert done.said == [
        f"chyves: os.iso: compared with no checksum, for none was given; it is sha256:{SHA256}"
    ]
    chyves("iso delete os.iso --yes")
    told = json.loads(chyves("iso import", web.url("/os.iso"), "--json").out)
    assert [warning.split()[-1] for warning in told["warnings"]] == [f"sha256:{SHA256}"]
    (result,) = told["results"]
    assert result["checksum"] == f"sha256:{SHA256}"
    assert result["size"] == len(CONTENT)


def test_a_dry_run_vouches_only_for_what_it_has_seen(
    chyves: Chyves, web: WebServer, tmp_path: Path
) -> None:
    file = tmp_path / "own.iso"
    file.write_bytes(CONTENT)
    good, bad = f"--checksum={SHA256}", f"--checksum={'0' * 64}"
    assert "as expected" in chyves("iso import --dry-run", str(file), good).out
    assert "not what it should be" in chyves("iso import --dry-run", str(file), bad, code=1).err
    assert "as expected" not in chyves("iso import --dry-run", web.url("/os.iso"), bad).out


def test_a_server_that_tells_no_length(chyves: Chyves, web: WebServer) -> None:
    web.plain = True
    chyves("iso import", web.url("/os.iso"))
    imported(chyves)


def test_a_wrong_checksum(chyves: Chyves, web: WebServer) -> None:
    wrong = "0" * 128
    right = hashlib.sha512(CONTENT).hexdigest()
    why = chyves.refused("iso import", web.url("/os.iso"), "--checksum", wrong, code=Exit.FAILED)
    assert why.startswith(
        f"os.iso: it is not what it should be: its SHA512 is {right}, not {wrong}\n"
    )
    nothing_left(chyves)


def test_a_name_and_a_password_are_used_and_never_shown(chyves: Chyves, web: WebServer) -> None:
    url = web.url("/os.iso", user="me:geheim@")
    done = chyves("iso import -v", url)
    assert web.requests[0].headers["Authorization"] == "Basic bWU6Z2VoZWlt"
    again = chyves("iso import", web.url("/none.iso", user="me:geheim@"), code=Exit.NOT_FOUND)
    plan = chyves("iso import --dry-run", url.replace("os.iso", "other.iso"))
    assert "geheim" not in done.out + done.err + again.err + plan.out + plan.err
    assert "geheim" not in "".join(map(str, chyves.commands()))


@pytest.mark.parametrize("plain", [False, True])
def test_a_connection_that_is_lost_is_made_again(
    plain: bool, chyves: Chyves, web: WebServer
) -> None:
    web.plain = plain
    web.breaks_after = [] if plain else [200_000, 300_000]
    chyves("iso import", web.url("/os.iso"), "--checksum", SHA256)
    imported(chyves)
    if not plain:
        ranges = [request.headers.get("Range") for request in web.requests]
        first, second, third = ranges
        assert first is None
        assert second
        assert third
        assert 0 < int(second[6:-1]) < int(third[6:-1])


def broken_off(chyves: Chyves, url: str) -> str:
    """Import what breaks off; return what was said."""
    done = chyves("iso import", url, code=Exit.HOST)
    assert chyves.host.path(PART).stat().st_size > 0
    assert "os.iso" not in chyves("iso list").out
    assert done.said[1] == "hint: what has come is kept; the same command goes on with it"
    return done.said[0]


@pytest.fixture
def no_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "TRIES", 1)


@pytest.mark.usefixtures("no_patience")
def test_the_same_line_goes_on_with_what_was_broken_off(chyves: Chyves, web: WebServer) -> None:
    web.breaks_after = [400_000]
    url = web.url("/os.iso")
    assert broken_off(chyves, url).startswith(f"chyves: os.iso: cannot fetch {url}: ")
    have = chyves.host.path(PART).stat().st_size
    chyves("iso import", url, "--checksum", SHA256)
    assert web.requests[-1].headers["Range"] == f"bytes={have}-"
    imported(chyves)


@pytest.mark.usefixtures("no_patience")
def test_a_part_of_an_older_file_is_not_gone_on_with(chyves: Chyves, web: WebServer) -> None:
    web.breaks_after = [400_000]
    broken_off(chyves, web.url("/os.iso"))
    web.files["/os.iso"] = newer = CONTENT[::-1]
    web.tag = '"2"'
    chyves("iso import", web.url("/os.iso"))
    imported(chyves, newer)


@pytest.mark.usefixtures("no_patience")
def test_a_part_of_something_else_is_not_gone_on_with(
    chyves: Chyves, web: WebServer, tmp_path: Path
) -> None:
    web.files["/new/os.iso"] = newer = CONTENT[::-1]
    web.breaks_after = [400_000]
    broken_off(chyves, web.url("/os.iso"))
    chyves("iso import", web.url("/new/os.iso"))
    imported(chyves, newer)
    chyves("iso delete os.iso --yes")
    web.breaks_after = [400_000]
    broken_off(chyves, web.url("/os.iso"))
    (tmp_path / "os.iso").write_bytes(b"local")
    chyves("iso import", str(tmp_path / "os.iso"))
    imported(chyves, b"local")


@pytest.mark.usefixtures("no_patience")
def test_what_was_broken_off_can_be_deleted(chyves: Chyves, web: WebServer) -> None:
    web.breaks_after = [400_000]
    broken_off(chyves, web.url("/os.iso"))
    assert chyves("iso delete os.iso --yes").out == "os.iso: deleted\n"
    nothing_left(chyves)


@pytest.mark.usefixtures("no_patience")
def test_all_of_it_had_come(
    chyves: Chyves, web: WebServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Interrupted while it was unpacked, for example."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(unpack, "checksum", interrupt)
        chyves("iso import", web.url("/os.iso"), code=Exit.INTERRUPTED)
    assert chyves.host.path(PART).read_bytes() == CONTENT
    chyves("iso import", web.url("/os.iso"), "--checksum", SHA256)
    imported(chyves)
    assert web.requests[-1].headers["Range"] == f"bytes={len(CONTENT)}-"


def test_where_a_server_leads(chyves: Chyves, web: WebServer) -> None:
    web.redirects = {"/latest.iso": "/a/b", "/a/b": web.url("/os.iso")}
    chyves("iso import", web.url("/latest.iso"))
    assert chyves.host.path("/chyves/tank/ISO/latest.iso/latest.iso").read_bytes() == CONTENT


@pytest.mark.parametrize(
    "target", ["file:///etc/passwd", "ftp://localhost/os.iso", "javascript:x", "/circle.iso"]
)
def test_where_nobody_follows(target: str, chyves: Chyves, web: WebServer) -> None:
    web.redirects = {"/circle.iso": target}
    before = chyves.state()
    code = Exit.HOST if target.startswith("/") else Exit.USAGE
    chyves("iso import", web.url("/circle.iso"), code=code)
    assert chyves.state() == before


def test_over_https(chyves: Chyves, monkeypatch: pytest.MonkeyPatch, web: WebServer) -> None:
    safe = WebServer(safe=True)
    safe.files["/os.iso"] = CONTENT
    safe.redirects["/plain.iso"] = web.url("/os.iso")
    with serving(safe.server):
        why = chyves.refused("iso import", safe.url("/os.iso"), code=Exit.HOST)
        assert "self-signed certificate" in why
        monkeypatch.setattr(fetch, "TRUST", str(CERTIFICATE))
        why = chyves.refused("iso import", safe.url("/plain.iso"), code=Exit.USAGE)
        assert "the server leads to http://" in why
        chyves("iso import", safe.url("/os.iso"))
    imported(chyves)


def test_a_server_that_is_not_there(chyves: Chyves, web: WebServer) -> None:
    why = chyves.refused("iso import http://localhost:1/os.iso", code=Exit.HOST)
    assert why == (
        "os.iso: cannot fetch http://localhost:1/os.iso: Connection refused\n"
        "hint: see that the host can reach it"
    )
    why = chyves.refused("iso import", web.url("/none.iso"), code=Exit.NOT_FOUND)
    assert why.startswith(f"none.iso: there is no {web.url('/none.iso')}\n")


def test_an_empty_file_is_no_medium(chyves: Chyves, web: WebServer, tmp_path: Path) -> None:
    web.files["/os.iso"] = b""
    why = chyves.refused("iso import", web.url("/os.iso"), code=Exit.FAILED)
    assert why == "os.iso: an empty file has come\nhint: nothing was imported"
    nothing_left(chyves)
    (tmp_path / "os.iso").touch()
    why = chyves.refused("iso import", str(tmp_path / "os.iso"), code=Exit.USAGE)
    assert why.startswith(f"{tmp_path / 'os.iso'} is empty\n")


def test_a_file_of_the_simulated_host_is_found_as_hints_name_it(chyves: Chyves) -> None:
    path = "/usr/local/share/uefi-firmware/OTHER.fd"
    chyves.host.path(path).parent.mkdir(parents=True, exist_ok=True)
    chyves.host.path(path).write_bytes(b"firmware")
    chyves(f"firmware import {path} -q")
    assert [one["name"] for one in chyves.json("firmware list")] == ["OTHER.fd"]


def test_what_the_pool_has_no_room_for(
    chyves: Chyves, web: WebServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chyves.backend.zfs.available", lambda *_: 100_000)
    for plain in (False, True):
        web.plain = plain
        why = chyves.refused("iso import", web.url("/os.iso"), code=Exit.PRECONDITION)
        assert why.startswith("os.iso: no room for it: ")
        nothing_left(chyves)


def test_a_full_pool(chyves: Chyves, web: WebServer) -> None:
    fill(World(chyves.directory), "tank")
    chyves.refused("iso import", web.url("/os.iso"), code=Exit.PRECONDITION)


# -- over FTP -----------------------------------------------------------------------------------


def test_from_an_ftp_server(chyves: Chyves, ftp: FtpServer) -> None:
    ftp.breaks_after = [300_000]
    done = chyves("iso import", ftp.url("/pub/os.iso", user="me:geheim@"), "--checksum", SHA256)
    imported(chyves)
    assert "REST 300000" in ftp.commands
    assert "USER me" in ftp.commands
    assert "geheim" not in done.out + done.err


def test_what_an_ftp_server_has_not(chyves: Chyves, ftp: FtpServer) -> None:
    why = chyves.refused("iso import", ftp.url("/os.iso"), code=Exit.NOT_FOUND)
    assert why.startswith(f"os.iso: there is no {ftp.url('/os.iso')}\n")
    why = chyves.refused("iso import ftp://localhost:1/os.iso", code=Exit.HOST)
    assert "Connection refused" in why


# -- packed -------------------------------------------------------------------------------------


def zstd(data: bytes) -> bytes:
    module = unpack._zstd()
    return bytes(module.compress(data))


PACK: dict[str, Callable[[bytes], bytes]] = {
    "gz": gzip.compress,
    "xz": lzma.compress,
    "zst": zstd,
}


@pytest.mark.parametrize("packing", PACK)
def test_packed_files(packing: str, chyves: Chyves, web: WebServer, tmp_path: Path) -> None:
    packed = PACK[packing](CONTENT) + PACK[packing](CONTENT[:1000])
    content = CONTENT + CONTENT[:1000]
    digits = hashlib.sha1(packed).hexdigest()
    web.files[f"/os.iso.{packing}"] = packed
    done = chyves("iso import", web.url(f"/os.iso.{packing}"), "--checksum", f"sha1:{digits}")
    assert done.out == "os.iso: imported, 587K, SHA1 as expected\n"
    imported(chyves, content)
    chyves("iso delete os.iso --yes")
    (tmp_path / f"os.iso.{packing}").write_bytes(packed)
    chyves("iso import", str(tmp_path / f"os.iso.{packing}"), "--checksum", digits)
    imported(chyves, content)


@pytest.mark.parametrize("packing", PACK)
@pytest.mark.parametrize("harm", ["cut", "changed", "changed behind", "rubbish behind", "none"])
def test_damaged_files(packing: str, harm: str, chyves: Chyves, tmp_path: Path) -> None:
    packed = bytearray(PACK[packing](CONTENT))
    if harm == "cut":
        del packed[-5000:]
    elif harm == "changed":
        packed[10:30] = bytes(20)
    elif harm == "changed behind":
        second = bytearray(packed)
        second[2:30] = bytes(28)
        packed += second
    elif harm == "rubbish behind":
        packed += b"rubbish"
    else:
        packed = bytearray(b"no such thing")
    (tmp_path / f"os.iso.{packing}").write_bytes(packed)
    why = chyves.refused("iso import", str(tmp_path / f"os.iso.{packing}"), code=Exit.FAILED)
    assert why.startswith("os.iso: cannot unpack it: ")
    nothing_left(chyves)


def test_xz_streams_with_zeros_between_them(chyves: Chyves, tmp_path: Path) -> None:
    half = len(CONTENT) // 2
    halves = [lzma.compress(CONTENT[:half]), lzma.compress(CONTENT[half:])]
    packed = bytes(4).join([*halves, b""]) + bytes(1 << 20)
    (tmp_path / "os.iso.xz").write_bytes(packed)
    chyves("iso import", str(tmp_path / "os.iso.xz"))
    imported(chyves)


def test_what_is_small_only_while_it_is_packed(
    chyves: Chyves, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "os.iso.gz").write_bytes(gzip.compress(bytes(5_000_000)))
    monkeypatch.setattr("chyves.backend.zfs.available", lambda *_: 1_000_000)
    why = chyves.refused("iso import", str(tmp_path / "os.iso.gz"), code=Exit.PRECONDITION)
    assert why.startswith("os.iso: no room for it: ")


def test_a_python_without_zstandard(
    chyves: Chyves, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "os.iso.zst").write_bytes(zstd(CONTENT))
    for name in ("compression.zstd", "backports.zstd"):
        monkeypatch.setitem(__import__("sys").modules, name, None)
    why = chyves.refused("iso import", str(tmp_path / "os.iso.zst"), code=Exit.PRECONDITION)
    assert "backports.zstd" in why


# -- local ones ---------------------------------------------------------------------------------


def test_the_checksum_of_a_local_file(chyves: Chyves, tmp_path: Path) -> None:
    path = tmp_path / "os.iso"
    path.write_bytes(CONTENT)
    md5 = hashlib.md5(CONTENT).hexdigest()
    line = f"MD5 ({path.name}) = {md5}"
    assert chyves("iso import", str(path), "--checksum", line).out.endswith(", MD5 as expected\n")
    imported(chyves)
    chyves("iso delete os.iso --yes")
    chyves.refused("iso import", str(path), "--checksum", "0" * 32, code=Exit.FAILED)
    nothing_left(chyves)


def test_what_no_local_file_is(chyves: Chyves, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.iso")
    why = chyves.refused("iso import", str(tmp_path / "pipe.iso"), code=Exit.USAGE)
    assert "is not a regular file" in why


@pytest.mark.parametrize(
    "line",
    [
        "iso import SOURCE --checksum 12345",
        "iso list --checksum 12345",
        "iso import sftp://h/x.iso",
        "iso import https://h/..%2fx.iso",
    ],
)
def test_words_that_are_no_good(
    line: str, stocked: Chyves, with_source: Callable[[str], str]
) -> None:
    stocked.refused(with_source(line), code=Exit.USAGE)


def test_the_plan_is_what_is_run(chyves: Chyves, web: WebServer) -> None:
    web.files["/os.iso.xz"] = lzma.compress(CONTENT)
    url = web.url("/os.iso.xz")
    plan = chyves("iso import --dry-run", url)
    assert not web.requests
    assert plan.out == (
        "os.iso: imported\n"
        "zfs create -o chyves:unfinished=import tank/chyves/ISO/os.iso\n"
        f"# fetch {url}\n"
        f"# unpack os.iso.xz to {FILE}\n"
        "zfs inherit chyves:unfinished tank/chyves/ISO/os.iso\n"
    )
    assert same_as_the_real_run(chyves, "iso import", url)


# -- what others have left -----------------------------------------------------------------------


@pytest.mark.parametrize("content", [(), ("os.iso.xz",)])
def test_a_dataset_without_its_file_can_be_deleted(
    content: tuple[str, ...], chyves: Chyves, web: WebServer
) -> None:
    """chyves 0.2.0 left one where an import failed."""
    chyves.run("zfs", "create", UNFINISHED)
    for name in content:
        chyves.host.path(FILE).with_name(name).write_text("packed")
    why = chyves.refused("iso import", web.url("/os.iso"), code=Exit.CONFLICT)
    assert "chyves iso delete os.iso" in why
    chyves.refused("iso rename os.iso new.iso --yes", code=Exit.NOT_FOUND)
    assert chyves("iso delete os.iso", code=Exit.NOT_PERMITTED).out == ""
    assert same_as_the_real_run(chyves, "iso delete os.iso")
    nothing_left(chyves)
    chyves("iso import", web.url("/os.iso"))


def test_what_chyves_did_not_make_below_a_medium_stays(chyves: Chyves, web: WebServer) -> None:
    chyves("iso import", web.url("/os.iso"))
    chyves.run("zfs", "create", f"{UNFINISHED}/notes")
    assert f"did not make {UNFINISHED}/notes" in chyves.refused(
        "iso delete os.iso --yes", code=Exit.CONFLICT
    )
    chyves.refused("iso delete os.iso/notes --yes", code=Exit.NOT_FOUND)


# -- in use -------------------------------------------------------------------------------------


def test_what_a_running_guest_has_in_its_drive_stays(chyves: Chyves) -> None:
    with run_on(chyves) as runs:
        runs.create()
        runs.chyves(f"web start {runs.medium()}")
        for line in ("iso delete os.iso", "iso rename os.iso new.iso"):
            for option in ("--yes", "--dry-run"):
                done = chyves(f"{line} {option}", code=Exit.BUSY)
                assert done.said == [
                    "chyves: os.iso: os.iso is in the drive of web",
                    "hint: chyves web stop",
                ]
        assert "os.iso" in chyves("iso list").out
        chyves("web stop force")
        chyves("iso delete os.iso --yes")
    nothing_left(chyves)


def test_what_another_program_has_open_stays(chyves: Chyves, web: WebServer) -> None:
    chyves("iso import", web.url("/os.iso"))
    world = World(chyves.directory)
    with living(world, f"tail -f {FILE}") as reader:
        open_device(world, FILE, reader)
        for line in ("iso delete os.iso --yes", "iso rename os.iso new.iso --yes"):
            done = chyves(line, code=Exit.BUSY)
            assert done.said == ["chyves: os.iso: os.iso is in use", f"hint: fstat {FILE} tells"]
        assert "os.iso" in chyves("iso list").out
    chyves("iso delete os.iso --yes")
    nothing_left(chyves)
