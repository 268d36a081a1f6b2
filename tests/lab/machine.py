# SPDX-License-Identifier: BSD-2-Clause
"""A virtual machine with a real OpenZFS, under QEMU's software emulation."""

import os
import shlex
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Timer

from tests.lab.cache import Built

OUT = "/run/lab"
"""In the machine: a directory that is shared with the caller."""

QEMU = "qemu-system-x86_64"

CPU = "qemu64,+ssse3,+sse4.1,+sse4.2,+svm,+npt"
"""Without AVX, which is slow to emulate; with what a guest inside needs."""

FAST = "mitigations=off norandmaps init_on_alloc=0 apparmor=0 audit=0"
"""``norandmaps`` lets QEMU use what it has translated of a program again when the program starts
again. With it, and without AVX, commands take a third of the time."""


STARTED = "started"
"""In ``OUT``: a file that is made when the command begins."""


class Died(Exception):
    """The machine ended without its command having ended, or cannot be started."""


def run(
    built: Built,
    command: Sequence[str],
    *,
    out: Path,
    group: int,
    seconds: float,
    memory: str = "3G",
    environment: Mapping[str, str] | None = None,
    say: Callable[[str], None] = print,
) -> int:
    """Boot a machine, run a command in it and return its exit code, 124 if it takes too long.

    All files of this machine are there at their own paths, and nothing that is written to them
    comes back: only what is written to ``OUT``, which is the directory ``out``. The command runs
    as root in the current directory; each line that it says is given to ``say``. ``memory`` is
    spelled as QEMU's ``-m`` has it, and holds all that the command writes, pools as well. QEMU
    joins the process group ``group``. Raises Died, after having said the last words of the kernel.
    """
    if shutil.which(QEMU) is None:
        raise Died(f"no {QEMU} here: apt-get install --no-install-recommends qemu-system-x86")
    out.mkdir(exist_ok=True)
    ended, messages = out / "exit", out.with_name(f"{out.name}.kernel")
    ended.unlink(missing_ok=True)
    messages.write_text("")
    (out / "command").write_text(_script(command, environment or {}))
    start = time.monotonic()
    qemu = subprocess.Popen(
        _qemu(built, out, messages, memory),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        errors="replace",
        process_group=group,
    )
    late = Timer(seconds, qemu.kill)
    late.daemon = True
    assert qemu.stdout
    try:
        late.start()
        for line in qemu.stdout:
            say(line.rstrip("\n"))
        qemu.wait()
    finally:
        late.cancel()
        qemu.kill()
        qemu.stdout.close()
        code = qemu.wait()
    with suppress(FileNotFoundError, ValueError):
        return int(ended.read_text())
    if time.monotonic() >= start + seconds:
        say(f"lab: no end within {seconds:.0f} seconds")
        return 124
    for line in messages.read_text(errors="replace").splitlines()[-20:]:
        say(line)
    raise Died(f"the machine ended before its command; QEMU ended with {code}")


def _script(command: Sequence[str], environment: Mapping[str, str]) -> str:
    exports = [f"export {shlex.quote(f'{k}={v}')}" for k, v in environment.items()]
    begin = [f": >{OUT}/{STARTED}", *exports, f"cd {shlex.quote(os.getcwd())}"]
    return "\n".join([*begin, shlex.join(command), ""])


def _qemu(built: Built, shared: Path, messages: Path, memory: str) -> list[str]:
    def share(tag: str, path: Path, options: str) -> list[str]:
        where = f"local,id={tag},path={path},multidevs=remap,{options}"
        return ["-fsdev", where, "-device", f"virtio-9p-pci,fsdev={tag},mount_tag={tag}"]

    read_only = "security_model=none,readonly=on"
    return [
        *(QEMU, "-accel", "tcg,thread=multi,tb-size=1024"),
        *("-cpu", CPU, "-M", "q35", "-smp", "1", "-m", memory),
        *("-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"),
        *("-kernel", str(built.vmlinux), "-initrd", str(built.initramfs)),
        *share("host", Path("/"), read_only),
        *share("lab", built.tree, read_only),
        *share("run", shared, "security_model=none"),
        *("-object", "rng-random,filename=/dev/urandom,id=random"),
        *("-device", "virtio-rng-pci,rng=random"),
        *("-serial", f"file:{messages}"),
        *("-chardev", "stdio,id=out,signal=off", "-device", "virtio-serial-pci"),
        *("-device", "virtconsole,chardev=out"),
        *("-append", f"console=ttyS0 quiet panic=-1 {FAST}"),
    ]
