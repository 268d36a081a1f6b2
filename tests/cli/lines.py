# SPDX-License-Identifier: BSD-2-Clause
"""Lines that can be typed on the host of the fixture ``stocked``, one at least for each verb."""

ON_PRIMARY = [
    "new create 1M",
    "web clone other",
    "web move tank",
    "web delete --yes",
    "web disk add 1M",
    "web disk resize disk0 2M",
    "web disk delete disk0 --yes",
    "web disk disk0 notes text",
    "web set cpu=2",
    "defaults set cpu=2",
    "global set log_mode=off",
    "web unset pcidev_1",
    "web group add :prod",
    "web snapshot @two",
    "web snapshot rollback @one --yes",
    "web snapshot delete @one --yes",
    "network bridge0 attach em0",
    "network bridge0 private",
    "network bridge0 default",
    "network web add tap",
    "network web remove tap50",
    "iso import SOURCE",
    "iso rename a.img b.img --yes",
    "iso delete a.img --yes",
    "firmware import SOURCE",
    "firmware rename a.img b.img --yes",
    "firmware delete a.img --yes",
    "web rename new --yes",
    "web start",
]
"""Lines that change something on the host ``stocked``."""

CHANGING = [
    *ON_PRIMARY,
    "dataset pool2 install",
    "dataset tank upgrade",
    "web upgrade",
    "web stop",
    "web reclaim",
    "web console",
]
"""All lines that only root may type."""

READING = [
    "help",
    "version",
    "info -a",
    "list",
    "list bridges",
    "list defaults",
    "list disks",
    "list firmware",
    "list global",
    "list groups",
    "list iso",
    "list pools",
    "list properties",
    "list snapshots",
    "list ram",
    "web get all",
    "web disk list",
    "web snapshot list",
    "iso list",
    "firmware list",
]
