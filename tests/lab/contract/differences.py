# SPDX-License-Identifier: BSD-2-Clause
"""In what the OpenZFS of the lab is known to answer otherwise than that of a FreeBSD: the one table
of it."""

import re
from typing import NamedTuple

from tests.lab.contract.session import Step

NEWER = ("14.3", "15.0")
"""Releases of FreeBSD whose OpenZFS (2.2.7, 2.4) is not quite that of the lab (2.3)."""

EACH = ("13.2", *NEWER)


class Difference(NamedTuple):
    """What differs, how it is known, on which releases of FreeBSD, and how the answer of the lab
    reads there: ``pattern`` is replaced by ``freebsd`` in what the steps say whose act is matched
    by ``act``. What is ``beside_the_point`` is not compared at all."""

    what: str
    source: str
    releases: tuple[str, ...]
    act: str
    pattern: str
    freebsd: str
    beside_the_point: bool = False


DIFFERENCES: tuple[Difference, ...] = (
    Difference(
        "the usage has jails of the platform, on Linux 2.3 namespaces and 2.1 nothing",
        "FreeBSD 13.2: the recorded usage; zfs_main.c",
        ("13.2",),
        "zfs .*",
        r"(\twait \[-t <activity>\] <filesystem>\n)",
        r"\1\tjail <jailid|jailname> <filesystem>\n\tunjail <jailid|jailname> <filesystem>\n",
    ),
    Difference(
        "the properties of the platform: jailed for zoned, and no edonr before 2.2",
        "FreeBSD 13.2: a recorded 'zfs list -t nosuch'; zfs_prop.c",
        ("13.2",),
        "zfs .*",
        r"(?s)\n\t(keyformat .*?)\n\tzoned ( *[^\n]*)",
        r"\n\tjailed\2\n\t\1",
    ),
    Difference(
        "no edonr on FreeBSD before 2.2",
        "FreeBSD 13.2: a recorded 'zfs list -t nosuch'; zfs_prop.c",
        ("13.2",),
        "zfs .*",
        r" \| edonr(,verify)?(?=\n)",
        "",
    ),
    Difference(
        "zfs send -V came with 2.1.10; FreeBSD 13.2 has 2.1.9",
        "FreeBSD 13.2: the recorded usage; zfs_main.c",
        ("13.2",),
        "zfs .*",
        r"(\tsend \[-\w*)V(\w*\])",
        r"\1\2",
    ),
    Difference(
        "getsubopt(3) of FreeBSD does not say which word of a list it does not know (until 2.2)",
        "FreeBSD 13.2: a recorded 'zfs list -t nosuchtype'",
        ("13.2",),
        "zfs list -t nosuch",
        r"invalid type 'nosuch'",
        "invalid type '(null)'",
    ),
    Difference(
        "a volume created with its own volmode has no node, and 'zfs set volmode' acts a step late",
        "FreeBSD 13.2: the recorded listings of /dev/zvol with volmode",
        ("13.2", *NEWER),
        "nodes|bytes",
        r"own-mode\b",
        "late-mode",
    ),
    Difference(
        "the usage as a whole is that of the release",
        "zfs_main.c of 2.2.7, 2.3.2 and 2.4.0: other commands, in another order",
        NEWER,
        "zfs frobnicate .*",
        r"(?<=is one of the following:)[\s\S]*",
        "",
        beside_the_point=True,
    ),
    Difference(
        "the table of properties is that of the release and of the platform",
        "zfs_prop.c of 2.2.7, 2.3.2 and 2.4.0: other properties, limits and widths",
        NEWER,
        "zfs .*",
        r"(?<=The following properties are supported:)[\s\S]*",
        "",
        beside_the_point=True,
    ),
    Difference(
        "what a volume on Linux says to a write is the word of its block layer",
        "zvol_os.c of FreeBSD: zvol_cdev_write and zvol_geom_bio_strategy return the error itself",
        EACH,
        "flood [^/].*",
        "Input/output error",
        "No space left on device",
    ),
    Difference(
        "the words for EDQUOT",
        "lib/libc/gen/errlst.c",
        EACH,
        "zfs .*",
        "Disk quota exceeded",
        "Disc quota exceeded",
    ),
    Difference(
        "JSON came with 2.3",
        "zfs_main.c of 2.2.7 and 2.3.2",
        ("14.3",),
        "zfs .*",
        r" \[-j \[--json-int\]\]",
        "",
    ),
    Difference(
        "what holds a snapshot is said in 2.4 and by Debian's 2.3, not in 2.2",
        "libzfs_dataset.c of 2.2.7, zfs_destroy_snaps_nvl",
        ("14.3",),
        "zfs destroy .*",
        r"it's being held\. Run 'zfs holds -r \S+' to see holders\.",
        "dataset is busy",
    ),
)


def as_freebsd(step: Step, release: str) -> Step:
    """Return the step of the lab as it would have been on a release of FreeBSD."""
    return _changed(step, [one for one in DIFFERENCES if release in one.releases])


def to_the_point(step: Step, release: str) -> Step:
    """Return the step of a simulated FreeBSD without what is not compared."""
    rows = [one for one in DIFFERENCES if release in one.releases and one.beside_the_point]
    return _changed(step, rows)


def _changed(step: Step, differences: list[Difference]) -> Step:
    out, err = step.out, step.err
    for difference in differences:
        if re.fullmatch(difference.act, step.act, re.DOTALL):
            out = re.sub(difference.pattern, difference.freebsd, out)
            err = re.sub(difference.pattern, difference.freebsd, err)
    return step._replace(out=out, err=err)
