# SPDX-License-Identifier: BSD-2-Clause
"""In what OpenZFS on Linux is known to answer otherwise than on FreeBSD: the one table of it."""

import re
from typing import NamedTuple

from tests.lab.contract.session import Step


class Difference(NamedTuple):
    """What differs, how it is known, and how the answer on Linux reads on FreeBSD: ``pattern`` is
    replaced by ``freebsd`` in what the steps say whose act is matched by ``act``."""

    what: str
    source: str
    act: str
    pattern: str
    freebsd: str


DIFFERENCES: tuple[Difference, ...] = (
    Difference(
        "the usage names the properties of the platform (zoned, jailed), and its values",
        "FreeBSD 13.2: a recorded 'zfs list -t nosuch'; zfs_main.c prints its property table",
        "zfs .*",
        r"usage:[\s\S]*",
        "usage:",
    ),
    Difference(
        "getsubopt(3) of FreeBSD does not say which word of a list it does not know (until 2.2)",
        "FreeBSD 13.2: a recorded 'zfs list -t nosuchtype'",
        "zfs list -t nosuch",
        r"invalid type 'nosuch'",
        "invalid type '(null)'",
    ),
    Difference(
        "2.1 on Linux makes a node for a volume that is created with volmode=none",
        "FreeBSD 13.2: the recorded listing of /dev/zvol after 'zfs create -o volmode=none'",
        "nodes",
        r"vm/hidden\n",
        "",
    ),
)


def as_freebsd(step: Step) -> Step:
    """Return the step as it would have been on FreeBSD."""
    out, err = step.out, step.err
    for difference in DIFFERENCES:
        if re.fullmatch(difference.act, step.act, re.DOTALL):
            out = re.sub(difference.pattern, difference.freebsd, out)
            err = re.sub(difference.pattern, difference.freebsd, err)
    return step._replace(out=out, err=err)
