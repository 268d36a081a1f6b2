# SPDX-License-Identifier: BSD-2-Clause
"""``python -m chyves.supervise``: the process that ``start`` leaves with a guest.

Its order comes as JSON on standard input; it reports on the descriptor it is given.
"""

import json
import os
import sys
from pathlib import Path

from chyves.backend.supervisor import Supervisor
from chyves.hosts import open_host


def main() -> int:
    order = json.load(sys.stdin)
    os.umask(0o022)
    if os.fork():
        os._exit(0)  # whoever started us reaps this, and init the one who stays
    host = open_host(Path(order["simulated"]) if order["simulated"] else None)
    return Supervisor(host, order, report=int(sys.argv[1])).run()


if __name__ == "__main__":
    sys.exit(main())
