# SPDX-License-Identifier: BSD-2-Clause
"""Names of datasets, files and devices; those of chyves 0.2.0 are as it made them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chyves.model import layout, places
from chyves.model.places import Deleted, GuestPart, GuestRoot, Part, Resource, Root, classify

WORDS = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,12}", fullmatch=True)


@pytest.mark.parametrize(
    ("dataset", "place"),
    [
        ("tank/chyves", Root("tank")),
        ("tank/chyves/.config", Part("tank", ".config")),
        ("tank/chyves/guests", Part("tank", "guests")),
        ("tank/chyves/logs", Part("tank", "logs")),
        ("tank/chyves/ISO", Part("tank", "ISO")),
        ("tank/chyves/Firmware", Part("tank", "Firmware")),
        ("tank/chyves/ISO/null.iso", Resource("tank", "ISO", "null.iso")),
        ("tank/chyves/Firmware/X.fd", Resource("tank", "Firmware", "X.fd")),
        ("tank/chyves/guests/g1", GuestRoot("tank", "g1")),
        ("tank/chyves/guests/g1/.config", GuestPart("tank", "g1", ".config")),
        ("tank/chyves/guests/g1/disk0", GuestPart("tank", "g1", "disk0")),
        ("tank/chyves/guests/g1/img/more", GuestPart("tank", "g1", "img/more")),
        ("tank/chyves/.deleted-web-2-1700000000", Deleted("tank", "web-2", "1700000000")),
    ],
)
def test_datasets_are_known_for_what_they_are(dataset: str, place: places.Place) -> None:
    assert classify(dataset) == place


@pytest.mark.parametrize(
    "dataset",
    [
        "tank",
        "tank/other",
        "tank/chyves2",
        "tank/chyves_offline/guests/g1",
        "tank/chyves/mine",
        "tank/chyves/.deleted-",
        "tank/chyves/.deleted-web",
        "tank/chyves/ISO/a/b",
        "backup/tank/chyves/guests/g1",
        "backup/tank/chyves",
        "tank/chyves/guests/g1@one",
        "tank/chyves/guests/g1#mark",
        "tank/chyves/guests/",
        "",
    ],
)
def test_what_is_not_of_chyves_is_nothing(dataset: str) -> None:
    assert classify(dataset) is None


@given(WORDS, WORDS, st.from_regex(r"[0-9]{1,10}", fullmatch=True))
def test_names_that_are_made_are_recognized(pool: str, name: str, stamp: str) -> None:
    assert classify(layout.root_dataset(pool)) == Root(pool)
    assert classify(layout.config_dataset(pool)) == Part(pool, ".config")
    assert classify(layout.guests_dataset(pool)) == Part(pool, "guests")
    assert classify(layout.logs_dataset(pool)) == Part(pool, "logs")
    assert classify(layout.resource_dataset(pool, layout.ISO)) == Part(pool, "ISO")
    assert classify(layout.resource_dataset(pool, "Firmware", name)) == Resource(
        pool, layout.FIRMWARE, name
    )
    assert classify(layout.guest_dataset(pool, name)) == GuestRoot(pool, name)
    assert classify(layout.deleted_dataset(pool, name, stamp)) == Deleted(pool, name, stamp)


def test_files_are_where_chyves_0_2_0_has_them() -> None:
    assert layout.root_mountpoint("tank") == "/chyves/tank"
    assert layout.pool_config("tank") == "/chyves/tank/.config/pool.cfg"
    assert layout.global_config("tank") == "/chyves/tank/.config/global.cfg"
    assert layout.defaults_config("tank") == "/chyves/tank/guests/.defaults"
    assert layout.guest_config("tank", "g1") == "/chyves/tank/guests/g1/.config/.cfg"
    assert layout.guest_images("tank", "g1") == "/chyves/tank/guests/g1/img"
    assert layout.resource_file("tank", "ISO", "a.iso") == "/chyves/tank/ISO/a.iso/a.iso"
    assert layout.log_file(layout.host_logs("tank"), "202611") == "/chyves/tank/logs/202611.log"
    assert layout.guest_logs("tank", "g1") == "/chyves/tank/guests/g1/logs"


def test_devices_are_where_freebsd_has_them() -> None:
    assert layout.loader_console("nmdm50") == "/dev/nmdm50A"
    assert layout.console_device("nmdm50") == "/dev/nmdm50B"
    volume = f"{layout.guest_dataset('tank', 'g1')}/disk0"
    assert layout.vm_name("g1") == "chy-g1"
    assert layout.volume_device(volume) == "/dev/zvol/tank/chyves/guests/g1/disk0"


def test_what_is_kept_of_a_running_guest_never_meets_that_of_another() -> None:
    files = [
        path(guest)
        for guest in ("a", "a.lock", "host.lock", "guests")
        for path in (layout.guest_lock, layout.run_lock, layout.state_file, layout.bhyve_log)
    ]
    assert len({*files, layout.HOST_LOCK}) == len(files) + 1
    assert all(file.startswith("/var/run/chyves/") for file in files)


def test_numbers_in_names_are_sorted_as_numbers() -> None:
    names = ["web10", "web2", "web", "web2-b", "web2-a10", "web2-a9", "2", "10", "web02"]
    assert sorted(names, key=layout.version_key) == [
        "2", "10", "web", "web02", "web2", "web2-a9", "web2-a10", "web2-b", "web10",
    ]  # fmt: skip


@given(st.lists(st.text(max_size=8)))
def test_any_names_can_be_sorted_in_one_way(names: list[str]) -> None:
    backwards = names[::-1]
    assert sorted(names, key=layout.version_key) == sorted(backwards, key=layout.version_key)


def test_roles_are_the_words_in_the_files() -> None:
    assert [*layout.PoolRole] == ["primary", "secondary", "offline"]
