# SPDX-License-Identifier: BSD-2-Clause
"""Which host: this machine, or one simulated in a directory."""

from pathlib import Path

from chyves.backend.host import Host


def open_host(simulated: Path | None) -> Host:
    """Return this machine, or the host simulated in a directory."""
    if simulated:
        from chyves.simulator.host import open_simulated_host

        return open_simulated_host(simulated)
    from chyves.backend.run import RealRunner

    return Host(RealRunner())
