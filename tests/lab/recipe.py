# SPDX-License-Identifier: BSD-2-Clause
"""How the lab is built: a Debian kernel, and OpenZFS from the source of Debian's zfs-dkms.

Packages come from the Debian mirror that apt is configured for on this machine, through an apt of
the lab's own (its lists and sources are in the cache): nothing of the machine is changed.
"""

import fcntl
import gzip
import hashlib
import lzma
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

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
    "qemu-system-x86_64": "qemu-system-x86",
    "strip": "binutils",
}
"""Programs of this machine, and the Debian packages they are in."""

_BOOT_MODULES = ("virtio_pci", "9p", "9pnet_virtio", "overlay")
_MODULES = ("virtio_console", "virtio_rng", "tun", "bridge", "kvm-amd", "kvm-intel")


class CannotBuild(Exception):
    """This machine cannot build the lab; the message says why, in one line."""


class Built(NamedTuple):
    """What a machine boots: an uncompressed kernel, its initramfs, and a tree laid over ``/``."""

    kernel: Path
    initramfs: Path
    tree: Path


def cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "chyves-lab"


def key() -> str:
    """Name the inputs: what is built is kept until one of them changes."""
    digest = hashlib.sha256()
    for source in ("recipe.py", "init.sh", "start.sh", "nodes.c", "warm.c"):
        digest.update((HERE / source).read_bytes())
    return digest.hexdigest()[:12]


def build(releases: Sequence[str]) -> dict[str, Built]:
    """Return the parts of these releases, built where the cache has them not.

    Raises CannotBuild; CalledProcessError if a step fails, whose output is in the cache.
    """
    home = cache() / key()
    missing = [release for release in releases if not (home / release / "tree").exists()]
    if missing:
        _check_this_machine()
        with _alone(cache()):
            _remove_old(home)
            home.mkdir(exist_ok=True)
            _build_missing(home, [r for r in missing if not (home / r / "tree").exists()])
    return {
        release: Built(home / "vmlinux", home / "initramfs", home / release / "tree")
        for release in releases
    }


def is_debian_12() -> bool:
    try:
        return f"VERSION_CODENAME={SUITES['2.1']}\n" in Path("/etc/os-release").read_text()
    except FileNotFoundError:
        return False


def _check_this_machine() -> None:
    if not is_debian_12():
        raise CannotBuild("the lab is built on Debian 12, from its packages; this is no Debian 12")
    absent = sorted({package for need, package in _NEEDS.items() if not shutil.which(need)})
    if absent:
        raise CannotBuild(
            f"to build the lab: apt-get install --no-install-recommends {' '.join(absent)}"
        )


@contextmanager
def _alone(directory: Path) -> Iterator[None]:
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _remove_old(home: Path) -> None:
    for old in home.parent.iterdir():
        if old.is_dir() and old != home:
            shutil.rmtree(old)


def _build_missing(home: Path, releases: Sequence[str]) -> None:
    """Build the kernel and releases side by side; what is finished is moved into place."""
    if not releases:
        return
    start = time.monotonic()
    with tempfile.TemporaryDirectory(dir=home.parent, prefix="work-") as directory:
        step = _Steps(Path(directory), home, start)
        step.prepare()
        with ThreadPoolExecutor(len(releases)) as pool:
            for built in [pool.submit(step.release, release) for release in releases]:
                built.result()
    step.say("ready")


class _Steps:
    """The steps of a build, in a directory of its own."""

    def __init__(self, work: Path, home: Path, start: float) -> None:
        self.work = work
        self.home = home
        self.start = start
        self.version = ""

    def say(self, what: str) -> None:
        print(f"lab: {time.monotonic() - self.start:4.0f} s: {what}", file=sys.stderr, flush=True)

    def run(self, *argv: str, cwd: Path | None = None, log: str = "steps") -> str:
        """Run a step and return its output, which the log has if it fails."""
        done = subprocess.run(
            argv, cwd=cwd or self.work, capture_output=True, text=True, errors="replace"
        )
        if done.returncode:
            failed = self.home / f"{log}.log"
            failed.write_text(f"$ {' '.join(argv)}\n{done.stdout}{done.stderr}")
            self.say(f"failed: {' '.join(argv[:3])} ...; see {failed}")
        done.check_returncode()
        return done.stdout

    def apt(self, program: str, *argv: str, cwd: Path | None = None) -> str:
        apt = self.work / "apt"
        options = {
            "Dir::Etc::sourcelist": "/dev/null",
            "Dir::Etc::sourceparts": apt / "sources",
            "Dir::State::lists": apt / "lists",
            "Dir::Cache": apt / "cache",
            "APT::Sandbox::User": "",
        }
        words = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
        return self.run(program, *words, *argv, cwd=cwd)

    def unpack(self, target: Path, packages: Sequence[str], suite: str = SUITES["2.1"]) -> None:
        """Download packages and lay their files below ``target``."""
        target.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self.work) as directory:
            self.apt("apt-get", "download", "-q", "-t", suite, *packages, cwd=Path(directory))
            for package in sorted(Path(directory).glob("*.deb")):
                files = subprocess.Popen(
                    ["dpkg-deb", "--fsys-tarfile", str(package)], stdout=subprocess.PIPE
                )
                subprocess.run(
                    ["tar", "-x", "--keep-directory-symlink", "--no-same-owner", "-C", str(target)]
                    + ["--exclude=./usr/share/doc", "--exclude=./usr/share/man"],
                    stdin=files.stdout,
                    check=True,
                )
                if files.wait():
                    raise CannotBuild(f"{package.name} cannot be unpacked")

    def prepare(self) -> None:
        """Have the lists of packages, the kernel, what modules are built with, an initramfs."""
        self.say("building (several minutes, once)")
        self._sources()
        depends = self.apt("apt-cache", "depends", "linux-image-amd64")
        found = re.search(r"Depends: linux-image-([\w.+-]+)", depends)
        if not found:
            raise CannotBuild("apt knows no linux-image-amd64; try: apt-get update")
        self.version = version = found[1]
        flavour = version.removesuffix("-amd64")
        kbuild = f"linux-kbuild-{version.rpartition('.')[0]}"
        self.unpack(self.work / "kernel", [f"linux-image-{version}"])
        self.unpack(
            self.work / "headers",
            [f"linux-headers-{version}", f"linux-headers-{flavour}-common", kbuild],
        )
        sources = self.work / "headers" / "usr" / "src"
        makefile = sources / f"linux-headers-{version}" / "Makefile"
        makefile.write_text(f"include {sources}/linux-headers-{flavour}-common/Makefile\n")
        kernel = (self.work / "kernel" / "boot" / f"vmlinuz-{version}").read_bytes()
        _replace(self.home / "vmlinux", _uncompressed(kernel))
        _replace(self.home / "initramfs", self._initramfs())
        self.say(f"kernel {version}")

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

    def _initramfs(self) -> bytes:
        root = self.work / "initramfs"
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
        names = "\n".join(str(path.relative_to(root)) for path in sorted(root.rglob("*")))
        archive = subprocess.run(
            ["cpio", "--quiet", "-o", "-H", "newc", "-R", "0:0"],
            input=names.encode(),
            capture_output=True,
            cwd=root,
            check=True,
        ).stdout
        return gzip.compress(archive, 6)

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
        (self.home / release).mkdir(exist_ok=True)
        tree.rename(self.home / release / "tree")
        self.say(f"OpenZFS {release}")

    def _module(self, release: str) -> list[Path]:
        source = self.work / release / "source"
        self.unpack(source, ["zfs-dkms"], SUITES[release])
        zfs = next((source / "usr" / "src").glob("zfs-*"))
        headers = self.work / "headers" / "usr" / "src"
        flavour = self.version.removesuffix("-amd64")
        self.run(
            *("nice", "./configure", "-q", "--prefix=/usr", "--with-config=kernel"),
            f"--with-linux={headers}/linux-headers-{flavour}-common",
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


def _replace(path: Path, content: bytes) -> None:
    fresh = path.with_suffix(".new")
    fresh.write_bytes(content)
    fresh.replace(path)
