# SPDX-License-Identifier: BSD-2-Clause
"""Importing costs little and does nothing."""

import sys

from tests.tools import run

IMPORT_ALL = """
import importlib, pkgutil, sys

def refuse(event, arguments):
    if event in {"subprocess.Popen", "os.system", "os.exec", "os.fork", "os.posix_spawn",
                 "socket.connect", "os.mkdir", "os.rename", "os.remove", "signal.pthread_kill"}:
        raise RuntimeError(f"{event} while importing: {arguments}")
    if event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+"):
        raise RuntimeError(f"writes while importing: {arguments}")

sys.addaudithook(refuse)
import chyves
names = [found.name for found in pkgutil.walk_packages(chyves.__path__, "chyves.")]
for name in names:
    importlib.import_module(name)
print(len(names))
"""


def test_every_module_imports_and_does_nothing_else() -> None:
    done = run(sys.executable, "-B", "-c", IMPORT_ALL)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 30
    assert done.stderr == ""


def test_version_imports_nothing_heavy() -> None:
    done = run(sys.executable, "-X", "importtime", "-m", "chyves", "version")
    assert done.returncode == 0, done.stderr
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "chyves.cli" in imported
    assert not imported & {"tabulate", "requests", "psutil", "http", "importlib.metadata"}
