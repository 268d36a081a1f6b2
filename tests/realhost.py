# SPDX-License-Identifier: BSD-2-Clause
"""A supervisor on this machine as it is, only that its files are in a folder and the bhyve it runs
is any program that does no harm."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from chyves.model import layout

_SUPERVISE = """
import sys
from pathlib import Path
from chyves import supervise
from chyves.backend.host import Host
from chyves.backend.run import RealRunner
supervise.open_host = lambda _: Host(RealRunner(), Path(sys.argv[2]))
sys.exit(supervise.main())
"""


class RealSupervisor:
    """A supervisor of the guest ``guest``, that has just been started with ``programs`` as
    bhyve: the first until the guest's first reboot, the last from then on."""

    def __init__(
        self, root: Path, guest: str, *programs: Sequence[str], env: Mapping[str, str] = os.environ
    ) -> None:
        reading, writing = os.pipe()
        order = {
            "simulated": "",
            "guest": guest,
            "launches": [{"loader": None, "bhyve": list(argv)} for argv in programs],
            "eject_after": len(programs) - 1,
            "restarts": False,
            "revert": None,
            "pool": "tank",
            "taps": [],
            "sockets": [],
            "holding": {},
            "waits_for_client": False,
            "logs": [],
        }
        self._reports = os.fdopen(reading, "rb")
        argv = [sys.executable, "-I", "-c", _SUPERVISE, str(writing), str(root)]
        subprocess.run(
            argv,
            input=json.dumps(order).encode(),
            pass_fds=(writing,),
            start_new_session=True,
            env=env,
            check=True,
        )
        os.close(writing)
        try:
            self.wait_for("starting")
        except AssertionError:
            self.close()
            raise
        self.pid = int((root / layout.run_lock(guest).lstrip("/")).read_text())

    def wait_for(self, phase: str) -> Any:
        """Return the next report of a phase. Raises AssertionError if it ends before."""
        for line in self._reports:
            report = json.loads(line)
            if report["phase"] == phase:
                return report
        raise AssertionError(f"the supervisor ended before it was {phase}")

    def close(self) -> None:
        self._reports.close()
