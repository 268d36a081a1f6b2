# SPDX-License-Identifier: BSD-2-Clause
"""``python -m chyves`` and the console script."""

import sys


def main() -> None:
    from chyves.cli import run

    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
