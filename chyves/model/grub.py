# SPDX-License-Identifier: BSD-2-Clause
"""What grub-bhyve is told to boot a system, by the guest's ``os``: a device map, a root device and,
where the system has no grub.cfg of its own that it could read, one of ours."""

import re
from collections.abc import Sequence
from typing import NamedTuple

CUSTOM = "custom"
"""The ``os`` whose files the user writes."""

DEVICE_MAP = "device.map"
GRUB_CFG = "grub.cfg"


class File(NamedTuple):
    """A text file that has to be there before a program runs."""

    path: str
    text: str


class Boot(NamedTuple):
    """Words for grub-bhyve's command line, and the files that they name."""

    words: tuple[str, ...]
    files: tuple[File, ...]


_INSTALL_OPENBSD = "kopenbsd -h com0 (cd0)/{release}/amd64/bsd.rd\nboot\n"
_RUN_OPENBSD = "kopenbsd -h com0 -r sd0a (hd0,openbsd1)/bsd\nboot\n"
_INSTALL_COREOS = "linux (cd0)/coreos/vmlinuz {login}\ninitrd (cd0)/coreos/cpio.gz\nboot\n"
_RUN_COREOS = "linux (hd0,1)/coreos/vmlinuz-a ro root=LABEL=ROOT usr=LABEL=USR-A{login}\nboot\n"
_CENTOS = "linux (cd0)/isolinux/vmlinuz\ninitrd (cd0)/isolinux/initrd.img\nboot\n"

_INSTALL = {
    "openbsd": _INSTALL_OPENBSD,
    "openbsd60": _INSTALL_OPENBSD.format(release="6.0"),
    "openbsd59": _INSTALL_OPENBSD.format(release="5.9"),
    "openbsd58": _INSTALL_OPENBSD.format(release="5.8"),
    "openbsd57": _INSTALL_OPENBSD.format(release="5.7"),
    "netbsd": "knetbsd -h -r cd0a (cd0)/netbsd\nboot\n",
    "centos6": _CENTOS,
    "centos7": _CENTOS,
    "arch": "linux (cd0)/arch/boot/x86_64/vmlinuz archisobasedir=arch archisolabel={label} ro\n"
    "initrd (cd0)/arch/boot/x86_64/archiso.img\nboot\n",
    "gentoo": "linux (cd0)/isolinux/gentoo root=/dev/ram0 init=/linuxrc  dokeymap "
    "looptype=squashfs loop=/image.squashfs  cdroot \ninitrd (cd0)/isolinux/gentoo.igz\nboot\n",
    "coreos": _INSTALL_COREOS.format(login="coreos.autologin "),
    "coreossecure": _INSTALL_COREOS.format(login=""),
    "vyos": "linux (cd0)/live/vmlinuz console=ttyS0 console=tty0 quiet "
    "initrd=(cd0)/live/initrd.img boot=live nopersistent noautologin nonetworking nouser "
    "hostname=vyos\ninitrd (cd0)/live/initrd.img\nboot\n",
}
"""The grub.cfg that starts an installer; what is not here has one on the medium."""

_RUN = {
    **dict.fromkeys(("openbsd", "openbsd60", "openbsd59", "openbsd58", "openbsd57"), _RUN_OPENBSD),
    "netbsd": "knetbsd -h -r wd0a (hd0,msdos1)/netbsd\nboot\n",
    "coreos": _RUN_COREOS.format(login=" coreos.autologin"),
    "coreossecure": _RUN_COREOS.format(login=""),
}
"""The grub.cfg that starts an installed system; what is not here has one on its first disk."""

_FOLDERS = {"d8lvm": "/grub", "centos6": "/grub", "centos7": "/grub2"}
"""Where on the first partition an installed system has its grub.cfg, if not in /boot/grub."""


def boot(
    system: str, disks: Sequence[str], media: str | None, label: str, *, ours: str, users: str
) -> Boot:
    """Return how a system is booted, from its medium if there is one.

    ``disks`` and ``media`` are paths, ``label`` the volume label of the medium. ``ours`` is the
    folder for files that are written, ``users`` the one with those of ``os`` custom.
    """
    if system == CUSTOM:
        return Boot(("-m", f"{users}/{DEVICE_MAP}", "-r", "host", "-d", users), ())
    devices = [("hd0", disk) for disk in disks[:1]] + [("cd0", path) for path in [media] if path]
    lines = "".join(f"({name}) {path}\n" for name, path in devices)
    files = [File(f"{ours}/{DEVICE_MAP}", lines)]
    where = ["-r", "cd0" if media else "hd0,msdos1"]
    config = (_INSTALL if media else _RUN).get(system)
    if config:
        facts = {"release": openbsd_release(label, media or ""), "label": arch_label(label, media)}
        files.append(File(f"{ours}/{GRUB_CFG}", config.format(**facts)))
        where = ["-r", "host", "-d", ours]
    elif not media and system in _FOLDERS:
        where += ["-d", _FOLDERS[system]]
    return Boot(("-m", files[0].path, *where), tuple(files))


def lacks(system: str, media: str | None, label: str) -> str:
    """Return what the medium does not tell and has to, to be booted; empty if nothing."""
    if not media:
        return ""
    if system == "openbsd" and not openbsd_release(label, media):
        return "the release of OpenBSD, as in install75.iso"
    if system == "arch" and not arch_label(label, media):
        return "the month of Arch Linux, as in archlinux-2016.09.03-dual.iso"
    return ""


def openbsd_release(label: str, media: str) -> str:
    """Return the release that an OpenBSD medium is of (``7.5``), by its label or its name."""
    name = media.rpartition("/")[2]
    found = re.search(r"OpenBSD/amd64 +([0-9])\.([0-9])", label) or re.search(
        r"(?<![0-9])([0-9])\.?([0-9])(?![0-9])", name
    )
    return f"{found[1]}.{found[2]}" if found else ""


def arch_label(label: str, media: str | None) -> str:
    """Return the label by which Arch Linux finds its medium (``ARCH_201609``)."""
    if re.fullmatch(r"ARCH_[0-9]{6}", label):
        return label
    found = re.search(r"(20[0-9]{2})[.-]([01][0-9])[.-]", (media or "").rpartition("/")[2])
    return f"ARCH_{found[1]}{found[2]}" if found else ""
