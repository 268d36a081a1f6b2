# SPDX-License-Identifier: BSD-2-Clause
"""``python -m chyves.simulator DIR PROGRAM [ARG ...]``: be a program of a simulated host.

Besides its programs a host answers to ``make`` (make it), ``fault`` (order a failure) and
``reboot`` (forget what lives in memory only).
"""

import sys
from pathlib import Path

from chyves.errors import ChyvesError
from chyves.simulator.programs import as_process
from chyves.simulator.world import World


def main(arguments: list[str]) -> int:
    if len(arguments) < 2 or arguments[0].startswith("-"):
        sys.stderr.write(f"{__doc__}\n")
        return 2
    directory, word = Path(arguments[0]), arguments[1]
    try:
        if word in ("make", "fault", "reboot"):
            from chyves.simulator import control

            return control.main(directory, word, arguments[2:])
        return as_process(World(directory), arguments[1:])
    except ChyvesError as error:
        sys.stderr.write(f"{error.message}\n")
        if error.hint:
            sys.stderr.write(f"hint: {error.hint}\n")
        return int(error.code)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
