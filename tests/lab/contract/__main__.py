# SPDX-License-Identifier: BSD-2-Clause
"""``python -m tests.lab.contract [SCENARIO ...]``: compare the simulated zfs of each release with
the recorded answers of a real one; the exit code tells whether it agrees."""

import sys

from tests.lab.contract.compare import REAL, disagreements, load_recorded, simulate


def main(scenarios: list[str]) -> int:
    found = 0
    for freebsd, openzfs in REAL.items():
        for scenario, real in load_recorded(openzfs).items():
            if scenarios and scenario not in scenarios:
                continue
            for said in disagreements(real, simulate(scenario, freebsd), freebsd):
                found += 1
                print(f"== {scenario}, FreeBSD {freebsd}, OpenZFS {openzfs}\n{said}\n")
    print(f"{found} answers differ")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
