# SPDX-License-Identifier: BSD-2-Clause
"""The console of a guest as far as it needs no terminal, and the screen of one that has it."""

import json
import re
import signal

import pytest

from chyves.errors import Exit
from tests.cli.conftest import Chyves

VNC = "web set loader=uefi uefi_console_output=vnc"


def test_where_the_screen_is(guests: Chyves) -> None:
    guests(f"{VNC} uefi_vnc_port=5907 uefi_vnc_pause_until_client_connect=yes -q")
    done = guests("web console vnc")
    assert done.out == "guest: web\naddress: 127.0.0.1\nport: 5907\nresolution: 800x600\n"
    assert "chyves: web does not run: nothing is there to connect to yet" in done.said
    assert any("ssh -L 5907:127.0.0.1:5907 " in line for line in done.said)
    assert guests("web console vnc -H").out == "web\t127.0.0.1\t5907\t800x600\n"
    assert guests.json("web console vnc") == {
        "guest": "web",
        "address": "127.0.0.1",
        "port": 5907,
        "resolution": "800x600",
    }


def test_everybody_may_ask_where_the_screen_is(
    guests: Chyves, monkeypatch: pytest.MonkeyPatch
) -> None:
    guests(f"{VNC} -q")
    monkeypatch.setenv("CHYVES_SIMULATE_USER", "nobody")
    assert "port: 5900" in guests("web console vnc").out


def test_a_guest_without_a_screen(guests: Chyves) -> None:
    assert "uefi_console_output=vnc" in guests.refused("web console vnc", code=Exit.PRECONDITION)


def test_a_screen_that_is_not_to_be_shown(guests: Chyves) -> None:
    guests(f"{VNC} uefi_vnc_client=off -q")
    assert "uefi_vnc_client=print" in guests.refused("web console vnc", code=Exit.PRECONDITION)


@pytest.mark.parametrize("client", ["freerdp", "custom"])
def test_a_client_that_is_not_installed(client: str, guests: Chyves) -> None:
    guests(f"{VNC} uefi_vnc_client={client} uefi_vnc_client_custom_cmd=xfreerdp -q")
    before = signal.getsignal(signal.SIGPIPE)
    for line in ("web console vnc", "web console vnc -n"):
        done = guests(line, code=Exit.PRECONDITION)
        assert (done.out, done.said[-2]) == ("", "chyves: xfreerdp: No such file or directory")
    assert signal.getsignal(signal.SIGPIPE) == before, "a closed pipe ends nothing in silence"


def test_an_address_of_ipv6_is_in_brackets(guests: Chyves) -> None:
    guests(f"{VNC} uefi_vnc_ip=::1 uefi_vnc_port=5907 -q")
    assert any("ssh -L 5907:[::1]:5907 " in line for line in guests("web console vnc").said)
    client = guests.host.world.bin / "vncviewer"
    client.write_text("")
    client.chmod(0o755)
    guests("web set uefi_vnc_client=custom", "uefi_vnc_client_custom_cmd=vncviewer %h::%p", "-q")
    assert guests("web console vnc -n").out == "vncviewer '[::1]::5907'\n"


def test_a_screen_without_a_port(guests: Chyves) -> None:
    guests(f"{VNC} -q")
    file = guests.host.path("/chyves/tank/guests/web/.config/.cfg")
    file.write_text(re.sub("uefi_vnc_port=.*\n", "", file.read_text()))
    cure = "web set uefi_console_output=vnc"
    assert f"chyves {cure} chooses one" in guests.refused("web console vnc", code=Exit.USAGE)
    guests(f"{cure} -q")
    guests("web console vnc")


def test_a_command_of_which_a_quote_stays_open(guests: Chyves) -> None:
    guests(f"{VNC} uefi_vnc_client=custom -q")
    line = "uefi_vnc_client_custom_cmd=vncviewer '%h"
    assert "No closing quotation" in guests.refused("web set", line, code=Exit.USAGE)
    file = guests.host.path("/chyves/tank/guests/web/.config/.cfg")
    file.write_text(re.sub("uefi_vnc_client_custom_cmd=.*", line, file.read_text()))
    assert "No closing quotation" in guests.refused("web console vnc", code=Exit.USAGE)


def test_a_word_that_is_no_console(guests: Chyves) -> None:
    assert "console [reset|tmux|vnc]" in guests.refused("web console vcn", code=Exit.USAGE)


def test_a_guest_without_a_serial_port(guests: Chyves) -> None:
    path = "/chyves/tank/guests/web/.config/.cfg"
    text = guests.file(path)
    guests.host.path(path).write_text(text.replace("serial=nmdm50\n", ""))
    for line in ("web console", "web console reset", "web console tmux"):
        assert "set serial=" in guests(line, code=Exit.PRECONDITION).err
    done = guests("all console reset", code=Exit.PRECONDITION)
    assert done.out == "db: nobody is at its console\n"


def test_what_would_be_run(guests: Chyves) -> None:
    assert guests("web console --dry-run").out.endswith("\ncu -l /dev/nmdm50B -s 9600\n")
    (tmux,) = guests("all console tmux --dry-run").out.splitlines()
    assert tmux.startswith("tmux new-session -d -s chyves -n db -c ")
    assert tmux.endswith(" start ' ';' attach-session -t =chyves")


@pytest.mark.parametrize("line", ["web console", "web console tmux", "web console vnc"])
def test_what_a_program_shows_is_no_json(line: str, guests: Chyves) -> None:
    guests(f"{VNC} uefi_vnc_client=freerdp -q")
    error = json.loads(guests(f"{line} --json", code=Exit.USAGE).out)["errors"][0]
    assert error["message"] == "what a console shows is no JSON"
