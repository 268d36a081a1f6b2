# SPDX-License-Identifier: BSD-2-Clause
"""``python -m chyves`` and the console script."""

import io
import os
import sys


def main() -> None:
    """Run the command line of this process. Bytes of a property file that are no text in the
    user's locale are printed as they are."""
    from chyves.cli import run

    if sys.stdout is None:  # its descriptor was closed by whoever started this
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="surrogateescape")
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
