# SPDX-License-Identifier: BSD-2-Clause
"""``python -m chyves`` and the console script."""

import codecs
import io
import os
import sys


def main() -> None:
    """Run the command line of this process."""
    from chyves.cli import run

    if sys.stdout is None:  # its descriptor was closed by whoever started this
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115
    codecs.register_error("chyves", _unprintable)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="chyves")
    sys.exit(run(sys.argv[1:]))


def _unprintable(error: UnicodeError) -> tuple[str | bytes, int]:
    """Let bytes of a property file that are no text come out as they are, and write characters out
    that the user's locale does not have."""
    assert isinstance(error, UnicodeEncodeError)
    wrong = error.object[error.start]
    if "\udc80" <= wrong <= "\udcff":
        return bytes([ord(wrong) - 0xDC00]), error.start + 1
    return wrong.encode("ascii", "backslashreplace"), error.start + 1


if __name__ == "__main__":
    main()
