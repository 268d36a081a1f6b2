# SPDX-License-Identifier: BSD-2-Clause
"""A Linux of a few megabytes, from Debian packages alone: kernel, busybox, isolinux.

It runs from memory, talks on the first serial port (115200 baud), lets root in without a password
and powers off when the power button is pressed. Its first disk, if it is blank, becomes an ext2
file system; it is mounted on /data, where root's shell starts. ``eth0`` has the address ``10.`` and
the last three octets of its MAC (``00:a0:98:6f:f9:18`` is 10.111.249.24/8), and the host is named
after it (``guest-111-249-24``). ``write FILE TEXT`` writes a file, as in the scripted guest.
"""

import gzip
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path

_HERE = Path(__file__).parent

_NEEDS = {
    "apt-get": "apt",
    "dpkg-deb": "dpkg",
    "xorriso": "xorriso",
    "cpio": "cpio",
    "/usr/lib/ISOLINUX/isolinux.bin": "isolinux",
    "/usr/lib/syslinux/modules/bios/ldlinux.c32": "syslinux-common",
    "/bin/busybox": "busybox-static",
}

_MODULES = {
    "virtio": ("virtio_pci", "virtio_blk", "virtio_net"),
    "e1000": ("e1000",),
    "ahci": ("ahci", "sd_mod"),
    "nvme": ("nvme",),
    "filesystem": ("crc32c_generic", "ext4"),
    "button": ("evdev", "button"),
}
"""What init.sh loads, by what it finds."""

_FILES = {
    "etc/inittab": "ttyS0::respawn:/sbin/getty -L 115200 ttyS0 vt100\n"
    "::ctrlaltdel:/sbin/reboot\n::shutdown:/bin/umount -a -r\n",
    "etc/passwd": "root::0:0:root:/data:/bin/sh\n",
    "etc/group": "root:x:0:\n",
    "etc/issue": "\n",
    "etc/profile": "PS1='# '\nstty rows 24 columns 80\n",
    "etc/securetty": "ttyS0\n",
    "bin/write": '#!/bin/sh\nfile=$1\nshift\necho "$*" >"$file"\nsync\n',
}

_ISOLINUX = """\
SERIAL 0 115200
DEFAULT linux
PROMPT 0
TIMEOUT 0
LABEL linux
  KERNEL /linux
  APPEND initrd=/initrd console=ttyS0,115200 quiet loglevel=3 mitigations=off random.trust_cpu=on \
no_timer_check
"""
"""Without no_timer_check Linux panics when a busy machine lets its first timer tick be late."""


class MissingPackages(Exception):
    """The machine lacks Debian packages; the message names them."""


def tiny_linux() -> Path:
    """Return the ISO, built on first use (which needs apt and half a minute) and kept in
    ``$XDG_CACHE_HOME/chyves-guests``. Raises MissingPackages."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "chyves-guests"
    iso = cache / f"tiny-linux-{_key()}.iso"
    if iso.exists():
        return iso
    missing = [package for need, package in _NEEDS.items() if not _is_there(need)]
    if missing:
        raise MissingPackages(f"to build a guest, install: apt-get install {' '.join(missing)}")
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as work:
        built = _build(Path(work))
        built.replace(iso)
    return iso


def _is_there(need: str) -> bool:
    return Path(need).exists() or shutil.which(need) is not None


def _key() -> str:
    digest = hashlib.sha256()
    for source in ("linux.py", "init.sh"):
        digest.update((_HERE / source).read_bytes())
    return digest.hexdigest()[:12]


def _build(work: Path) -> Path:
    kernel = _kernel_package(work)
    root, disc = work / "root", work / "disc"
    _fill_root(root, kernel)
    (disc / "isolinux").mkdir(parents=True)
    image = next((kernel / "boot").glob("vmlinuz-*"))
    shutil.copy(image, disc / "linux")
    (disc / "initrd").write_bytes(gzip.compress(_archive(root), 6))
    (disc / "isolinux" / "isolinux.cfg").write_text(_ISOLINUX)
    shutil.copy("/usr/lib/ISOLINUX/isolinux.bin", disc / "isolinux")
    shutil.copy("/usr/lib/syslinux/modules/bios/ldlinux.c32", disc / "isolinux")
    iso = work / "tiny.iso"
    _run(
        *("xorriso", "-as", "mkisofs", "-quiet", "-o", str(iso), "-V", "TINY", "-J", "-r"),
        *("-isohybrid-mbr", "/usr/lib/ISOLINUX/isohdpfx.bin", "-b", "isolinux/isolinux.bin"),
        *("-c", "isolinux/boot.cat", "-no-emul-boot", "-boot-load-size", "4", "-boot-info-table"),
        str(disc),
    )
    return iso


def _kernel_package(work: Path) -> Path:
    depends = _run("apt-cache", "depends", "linux-image-amd64")
    match = re.search(r"Depends: (linux-image-[\w.+-]+)", depends)
    if not match:
        raise MissingPackages("apt knows no package linux-image-amd64; try: apt-get update")
    _run("apt-get", "download", "-q", match[1], cwd=work)
    _run("dpkg-deb", "-x", str(next(work.glob("linux-image-*.deb"))), str(work / "kernel"))
    return work / "kernel"


def _fill_root(root: Path, kernel: Path) -> None:
    for name, text in _FILES.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o755 if name.startswith("bin/") else 0o644)
    shutil.copy("/bin/busybox", root / "bin" / "busybox")
    shutil.copy(_HERE / "init.sh", root / "init")
    (root / "init").chmod(0o755)
    (root / "modules").mkdir()
    for feature, names in _MODULES.items():
        order = _with_dependencies(kernel, names)
        for module in order:
            shutil.copy(module, root / "modules")
        text = "".join(f"{module.stem}\n" for module in order)
        (root / "modules" / feature).write_text(text)


def _with_dependencies(kernel: Path, names: Iterable[str]) -> list[Path]:
    """Return the module files in the order in which they must be loaded."""
    files = {path.stem.replace("-", "_"): path for path in kernel.glob("lib/modules/**/*.ko")}
    order: list[Path] = []

    def add(name: str) -> None:
        path = files.get(name.replace("-", "_"))
        if path is None or path in order:
            return
        for found in re.findall(rb"\0(?:depends=|softdep=pre: )([\w, -]*)", path.read_bytes()):
            for needed in filter(None, re.split(r"[ ,]+", found.decode())):
                add(needed)
        order.append(path)

    for name in names:
        add(name)
    return order


def _archive(root: Path) -> bytes:
    names = "\n".join(str(path.relative_to(root)) for path in sorted(root.rglob("*")))
    command = ["cpio", "--quiet", "-o", "-H", "newc", "-R", "0:0"]
    done = subprocess.run(command, input=names.encode(), capture_output=True, cwd=root, check=True)
    return done.stdout


def _run(*argv: str, cwd: Path | None = None) -> str:
    return subprocess.run(argv, cwd=cwd, capture_output=True, text=True, check=True).stdout
