# SPDX-License-Identifier: BSD-2-Clause
"""How the lab is built: a Debian kernel, and OpenZFS from the source of Debian's zfs-dkms.

Packages come from the Debian mirror that apt is configured for on this machine, through an apt of
the lab's own, whose lists and sources are in a temporary folder: nothing of the machine is changed.
"""

import lzma
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import wait
from contextlib import suppress
from pathlib import Path

from tests.lab.processes import Workplace, workplace

HERE = Path(__file__).parent

SUITES = {"2.1": "bookworm", "2.3": "bookworm-backports"}
"""The releases of OpenZFS, and the suite of Debian each is in."""

_LIBRARIES = {"2.1": ("libzfs4linux", "libzpool5linux"), "2.3": ("libzfs6linux", "libzpool6linux")}
_OPENZFS = ("zfsutils-linux", "python3-pyzfs", "libnvpair3linux", "libuutil3linux")
_BESIDES = ("libudev1", "kmod", "libkmod2", "libtirpc3")

_NEEDS = {
    "apt-get": "apt",
    "busybox": "busybox-static",
    "cpio": "cpio",
    "depmod": "kmod",
    "dpkg-deb": "dpkg",
    "gcc-12": "gcc-12",
    "make": "make",
    "/usr/include/stdio.h": "libc6-dev",
    "/usr/lib/x86_64-linux-gnu/libelf.so.1": "libelf1",
    "qemu-system-x86_64": "qemu-system-x86",
    "strip": "binutils",
}
"""Programs and files of this machine, and the Debian packages they are in."""

_BOOT_MODULES = ("virtio_pci", "9p", "9pnet_virtio", "overlay")
_MODULES = ("virtio_console", "virtio_rng", "tun", "bridge", "kvm-amd", "kvm-intel")


class CannotBuild(Exception):
    """This machine cannot build the lab; the message says why, in one line."""


class Failed(Exception):
    """A step of the build failed; the message says which and why, in one line."""


def is_debian_12() -> bool:
    try:
        return f"VERSION_CODENAME={SUITES['2.1']}\n" in Path("/etc/os-release").read_text()
    except FileNotFoundError:
        return False


def check_this_machine() -> None:
    """Raise CannotBuild where it is plain that nothing can be built."""
    if not is_debian_12():
        raise CannotBuild("the lab is built on Debian 12, from its packages; this is no Debian 12")
    asked = ("dpkg", "--print-architecture")
    if (here := subprocess.run(asked, capture_output=True, text=True).stdout.strip()) != "amd64":
        raise CannotBuild(f"the lab is built on amd64, from its packages; this is {here}")
    absent = sorted({package for need, package in _NEEDS.items() if not _is_there(need)})
    if absent:
        raise CannotBuild(
            f"to build the lab: apt-get install --no-install-recommends {' '.join(absent)}"
        )


def _is_there(need: str) -> bool:
    return Path(need).exists() if need.startswith("/") else shutil.which(need) is not None


def build(home: Path, releases: Sequence[str]) -> None:
    """Build releases side by side, and move what is finished into ``home``: a folder for each with
    its kernel, as modules fit no other. What was built from the packages there are now stays.

    Raises CannotBuild; Failed if a step fails, whose output is in ``home``.
    """
    with workplace("work-", home) as place:
        step = _Steps(place, home)
        step.say("building (several minutes, once)")
        step.find_packages()
        due = [release for release in releases if step.is_due(release)]
        if due:
            step.prepare()
        built = [place.pool.submit(step.release, release) for release in due]
        wait(built)
        for each in built:
            each.result()
        step.say("ready")


class _Steps:
    """The steps of a build, in a directory of its own."""

    def __init__(self, place: Workplace, home: Path) -> None:
        self.work = place.folder
        self.group = place.group
        self.home = home
        self.start = time.monotonic()
        self.version = ""

    def say(self, what: str) -> None:
        print(f"lab: {time.monotonic() - self.start:4.0f} s: {what}", file=sys.stderr, flush=True)

    def run(
        self,
        *argv: str,
        cwd: Path | None = None,
        name: str = "",
        log: str = "steps",
        failure: type[Exception] = Failed,
    ) -> str:
        """Run a step and return its output, which the log has if it fails."""
        done = subprocess.run(
            argv,
            cwd=cwd or self.work,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            process_group=self.group,
        )
        if done.returncode:
            said = f"{done.stdout}\n{done.stderr}".strip() or f"exit {done.returncode}"
            file = self.home / f"{log}.log"
            with suppress(OSError):  # a full disk, which is likely why
                file.write_text(f"$ {' '.join(argv)}\n{said}\n")
            lines = said.splitlines()
            known = (line for line in lines if re.search(r"^E: |No space left", line))
            why = next(known, lines[-1])
            raise failure(f"{name or ' '.join(argv[:3])}: {why} (see {file})")
        return done.stdout

    def apt(self, program: str, *argv: str, cwd: Path | None = None) -> str:
        apt = self.work / "apt"
        options = {
            "Dir::Etc::sourcelist": "/dev/null",
            "Dir::Etc::sourceparts": apt / "sources",
            "Dir::State::lists": apt / "lists",
            "Dir::Cache": apt / "cache",
            "APT::Sandbox::User": "",
            "APT::Update::Error-Mode": "any",
        }
        words = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
        name = f"{program} {argv[0]}"
        return self.run(program, *words, *argv, cwd=cwd, name=name, failure=CannotBuild)

    def unpack(self, target: Path, packages: Sequence[str], suite: str = SUITES["2.1"]) -> None:
        """Download packages and lay their files below ``target``."""
        target.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self.work) as directory:
            self.apt("apt-get", "download", "-q", "-t", suite, *packages, cwd=Path(directory))
            for package in sorted(Path(directory).glob("*.deb")):
                self.pipe(
                    f"unpacking {package.name}",
                    'dpkg-deb --fsys-tarfile "$1" | tar -x -C "$2" --keep-directory-symlink'
                    " --no-same-owner --exclude=./usr/share/doc --exclude=./usr/share/man",
                    *(str(package), str(target)),
                )

    def pipe(self, name: str, line: str, *words: str, cwd: Path | None = None) -> None:
        """Run a line of shell, of which each program has to end well."""
        self.run("bash", "-o", "pipefail", "-c", line, "bash", *words, cwd=cwd, name=name)

    def find_packages(self) -> None:
        """Have the lists of packages, and know which kernel there is."""
        self._sources()
        depends = self.apt("apt-cache", "depends", "linux-image-amd64")
        found = re.search(r"Depends: linux-image-([\w.+-]+)", depends)
        if not found:
            raise CannotBuild("apt knows no linux-image-amd64; try: apt-get update")
        self.version = found[1]

    @property
    def flavour(self) -> str:
        return self.version.removesuffix("-amd64")

    @property
    def headers(self) -> tuple[str, ...]:
        kbuild = f"linux-kbuild-{self.version.rpartition('.')[0]}"
        return f"linux-headers-{self.version}", f"linux-headers-{self.flavour}-common", kbuild

    def is_due(self, release: str) -> bool:
        """Tell whether a release was not built from the packages that there are now."""
        try:
            return (self.home / release / "packages").read_text() != self._packages(release)
        except FileNotFoundError:
            return True

    def _packages(self, release: str) -> str:
        """Name the packages with their versions that a release is built from now."""
        of_debian = (f"linux-image-{self.version}", *self.headers, *_BESIDES)
        of_release = ("zfs-dkms", *_OPENZFS, *_LIBRARIES[release])
        asked = ("apt-get", "download", "--print-uris", "-q", "-t")
        listed = self.apt(*asked, SUITES["2.1"], *of_debian)
        listed += self.apt(*asked, SUITES[release], *of_release)
        return "".join(sorted(f"{name}\n" for name in re.findall(r"(?m)^'\S+' (\S+)", listed)))

    def prepare(self) -> None:
        """Have the kernel, what modules are built with, and an initramfs."""
        self.unpack(self.work / "kernel", [f"linux-image-{self.version}"])
        self.unpack(self.work / "headers", self.headers)
        sources = self.work / "headers" / "usr" / "src"
        makefile = sources / f"linux-headers-{self.version}" / "Makefile"
        makefile.write_text(f"include {sources}/linux-headers-{self.flavour}-common/Makefile\n")
        kernel = (self.work / "kernel" / "boot" / f"vmlinuz-{self.version}").read_bytes()
        (self.work / "vmlinux").write_bytes(_uncompressed(kernel))
        self._initramfs()
        self.say(f"kernel {self.version}")

    def _sources(self) -> None:
        """Write the stanza of the lab's apt: the machine's own mirror, with contrib, where ZFS is,
        and backports."""
        form = "$(REPO_URI) $(RELEASE) $(COMPONENT)"
        targets = self.run("apt-get", "indextargets", "--format", form, "Created-By: Packages")
        lines = (line.split(" ", 1) for line in targets.splitlines())
        mirror = {suite: uri for uri, suite in lines}.get("bookworm main")
        if not mirror:
            raise CannotBuild("apt on this machine is not configured for bookworm main")
        for name in ("sources", "lists/partial", "cache/archives/partial"):
            (self.work / "apt" / name).mkdir(parents=True)
        (self.work / "apt" / "sources" / "lab.sources").write_text(
            f"Types: deb\nURIs: {mirror}\nSuites: {' '.join(SUITES.values())}\n"
            "Components: main contrib\n"
            "Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n"
        )
        self.apt("apt-get", "update", "-q")

    def _initramfs(self) -> None:
        root = self.work / "root"
        for name in ("bin", "proc", "sys", "dev", "modules", "host", "lab", "changes", "new"):
            (root / name).mkdir(parents=True)
        shutil.copy(shutil.which("busybox") or "/bin/busybox", root / "bin")
        shutil.copy(HERE / "init.sh", root / "init")
        (root / "init").chmod(0o755)
        modules = _Modules(self.work / "kernel" / "lib" / "modules" / self.version)
        order = modules.with_dependencies(_BOOT_MODULES)
        for module in order:
            shutil.copy(module, root / "modules")
        (root / "modules" / "order").write_text("".join(f"{module.name}\n" for module in order))
        pack = 'find . -mindepth 1 | sort | cpio --quiet -o -H newc -R 0:0 | gzip -6n >"$1"'
        self.pipe("packing the initramfs", pack, str(self.work / "initramfs"), cwd=root)

    def release(self, release: str) -> None:
        """Build the module of a release, and gather its tools and the kernel's modules."""
        suite = SUITES[release]
        built = self._module(release)
        tree = self.work / release / "tree"
        for name in ("lib", "lib64", "bin", "sbin"):
            (tree / "usr" / name).mkdir(parents=True, exist_ok=True)
            (tree / name).symlink_to(f"usr/{name}")
        self.unpack(tree, _OPENZFS + _LIBRARIES[release], suite)
        self.unpack(tree, _BESIDES)
        shutil.rmtree(tree / "etc" / "init.d", ignore_errors=True)
        target = tree / "usr" / "lib" / "modules" / self.version
        target.mkdir(parents=True)
        source = self.work / "kernel" / "lib" / "modules" / self.version
        modules = [*_Modules(source).with_dependencies(_MODULES), *built]
        for module in modules:
            self.run("strip", "--strip-debug", "-o", str(target / module.name), str(module))
        self.run("depmod", "-b", str(tree), self.version)
        lab = tree / "opt" / "lab"
        (lab / "python").mkdir(parents=True)
        (lab / "python" / "libzfs_core").symlink_to("/usr/lib/python3/dist-packages/libzfs_core")
        shutil.copy(HERE / "start.sh", lab / "start")
        (lab / "start").chmod(0o755)
        compiler = ("gcc-12", "-O2", "-Wall", "-Wextra", "-Werror")
        self.run(*compiler, "-o", str(lab / "nodes"), str(HERE / "nodes.c"))
        library = (str(lab / "warm.so"), str(HERE / "warm.c"))
        self.run(*compiler, "-shared", "-fPIC", "-o", *library)
        self._let_find_libraries(tree)
        for part in ("vmlinux", "initramfs"):
            os.link(self.work / part, tree.parent / part)
        (tree.parent / "packages").write_text(self._packages(release))
        shutil.rmtree(self.home / release, ignore_errors=True)
        tree.parent.rename(self.home / release)
        self.say(f"OpenZFS {release}")

    def _module(self, release: str) -> list[Path]:
        source = self.work / f"source-{release}"
        self.unpack(source, ["zfs-dkms"], SUITES[release])
        zfs = next((source / "usr" / "src").glob("zfs-*"))
        headers = self.work / "headers" / "usr" / "src"
        self.run(
            *("nice", "./configure", "-q", "--prefix=/usr", "--with-config=kernel"),
            f"--with-linux={headers}/linux-headers-{self.flavour}-common",
            f"--with-linux-obj={headers}/linux-headers-{self.version}",
            cwd=zfs,
            log=f"configure-{release}",
        )
        self.say(f"OpenZFS {release}: configured")
        jobs = f"-j{os.cpu_count()}"
        self.run("nice", "make", "-s", jobs, "KCFLAGS=-g0", cwd=zfs, log=f"make-{release}")
        return sorted((zfs / "module").rglob("*.ko"))

    def _let_find_libraries(self, tree: Path) -> None:
        """Let ctypes find the libraries that were laid over: it asks ``ldconfig -p``, whose cache
        knows only those of the machine below."""
        real = tree / "opt" / "lab" / "ldconfig"
        shutil.copy("/sbin/ldconfig", real)
        libraries = sorted(
            path.name
            for path in (tree / "usr" / "lib" / "x86_64-linux-gnu").glob("lib*.so.*")
            if re.fullmatch(r"lib(zfs_core|zfs|nvpair)\.so\.\d+", path.name)
        )
        lines = "".join(
            f"\\t{name} (libc6,x86-64) => /lib/x86_64-linux-gnu/{name}\\n" for name in libraries
        )
        script = tree / "usr" / "sbin" / "ldconfig"
        script.write_text(
            f'#!/bin/sh\n/opt/lab/ldconfig "$@" || exit\n[ "$*" != -p ] || printf \'{lines}\'\n'
        )
        script.chmod(0o755)


class _Modules:
    """The modules of a kernel."""

    def __init__(self, directory: Path) -> None:
        self.files = {_plain(path.name): path for path in directory.rglob("*.ko")}

    def with_dependencies(self, names: Sequence[str]) -> list[Path]:
        """Return the files of modules in the order in which they can be loaded."""
        order: list[Path] = []

        def add(name: str) -> None:
            path = self.files.get(_plain(name))
            if path is None or path in order:
                return
            for found in re.findall(rb"\0(?:depends=|softdep=pre: )([\w, -]*)", path.read_bytes()):
                for needed in filter(None, re.split(r"[ ,]+", found.decode())):
                    add(needed)
            order.append(path)

        for name in names:
            add(name)
        return order


def _plain(name: str) -> str:
    return name.removesuffix(".ko").replace("-", "_")


def _uncompressed(image: bytes) -> bytes:
    """Return the ELF image in a compressed kernel; QEMU boots it without the seconds that emulated
    decompression takes."""
    elf = lzma.LZMADecompressor().decompress(image[image.index(b"\xfd7zXZ\0") :])
    if not elf.startswith(b"\x7fELF"):
        raise CannotBuild("Debian's kernel is compressed in a way that is not known here")
    return elf
