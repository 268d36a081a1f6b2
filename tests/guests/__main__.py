# SPDX-License-Identifier: BSD-2-Clause
"""``python -m tests.guests OUT.iso``: build the tiny Linux and copy it there."""

import shutil
import sys

from tests.guests import MissingPackages, tiny_linux


def main(arguments: list[str]) -> int:
    if len(arguments) != 1:
        sys.stderr.write(f"{__doc__}\n")
        return 2
    try:
        shutil.copy(tiny_linux(), arguments[0])
    except MissingPackages as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
