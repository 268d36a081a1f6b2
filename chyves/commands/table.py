# SPDX-License-Identifier: BSD-2-Clause
"""Every command: its word, where it is, how it is written, what it does.

Help, completion, the manual page's test and the test of the whole synopsis iterate this table.
"""

import importlib
from typing import NamedTuple

import click


class Entry(NamedTuple):
    """A word of the command language. ``module`` is in chyves.commands; the synopsis has one line
    for each form."""

    module: str
    command: str
    synopsis: tuple[str, ...]
    summary: str

    def load(self) -> click.Command:
        """Import the command."""
        module = importlib.import_module(f"chyves.commands.{self.module}")
        command: click.Command = getattr(module, self.command)
        return command


TOP_COMMANDS: dict[str, Entry] = {
    "dataset": Entry(
        "dataset",
        "dataset",
        (
            "dataset <pool> install",
            "dataset <pool> offline|online",
            "dataset <pool> promote",
            "dataset <pool> uninstall [force]",
            "dataset <pool>|primary upgrade",
        ),
        "Set chyves up on a pool, upgrade it, put it away, take it off.",
    ),
    "debug": Entry("debug", "debug", ("debug",), "Show a report to paste into a bug report."),
    "dev": Entry(
        "dev",
        "dev",
        ("dev <function> [<argument>] [...]",),
        "Call a function of chyves itself: for those who work on it.",
    ),
    "firmware": Entry(
        "resources",
        "firmware",
        (
            "firmware list",
            "firmware import <file>|<url>",
            "firmware rename <name> <new>",
            "firmware delete <name>",
        ),
        "Keep UEFI firmware.",
    ),
    "help": Entry("help", "help_command", ("help [<command>]",), "Show this, or one command."),
    "host": Entry("host", "host_command", ("host",), "Show what this host can do."),
    "info": Entry("info", "info", ("info [-abcdhknprstuvwzlH]",), "Show guests in columns."),
    "iso": Entry(
        "resources",
        "iso",
        ("iso list", "iso import <file>|<url>", "iso rename <name> <new>", "iso delete <name>"),
        "Keep installation media.",
    ),
    "list": Entry(
        "lists",
        "list_command",
        (
            "list",
            "list bridges",
            "list clones",
            "list defaults",
            "list disks",
            "list firmware",
            "list global [<pool>|primary]",
            "list groups",
            "list iso",
            "list pools",
            "list processes [<guest>]",
            "list properties",
            "list snapshots [<guest>]",
            "list tap active",
            "list <property>",
        ),
        "Show guests, or what the word says.",
    ),
    "network": Entry(
        "network",
        "network_command",
        (
            "network bridge{n} attach <interface>",
            "network bridge{n} private",
            "network bridge{n} default",
            "network bridge{n} join tap{n}[,...]",
            "network bridge{n} unjoin tap{n}[,...]",
            "network bridge{n} migrate bridge{m}",
            "network bridge{n} delete",
            "network <guest>[,...]|all add tap|tap{n}|vale{s}[:{p}] [bridge{n}]",
            "network <guest>[,...]|all remove tap{n}|vale{s}[:{p}]",
            "network import",
        ),
        "Arrange bridges, and interfaces of guests.",
    ),
    "upgrade": Entry(
        "selfupgrade",
        "upgrade",
        ("upgrade [master|dev|check]",),
        "Install the newest version of chyves.",
    ),
    "version": Entry("help", "version", ("version",), "Show versions."),
}

GUEST_VERBS: dict[str, Entry] = {
    "clone": Entry(
        "clone",
        "clone",
        ("<guest> clone <new>[,...] [-ce|-cu|-ie|-iu] [@<name>] [<pool>]",),
        "Make guests of another one.",
    ),
    "console": Entry(
        "console",
        "console",
        (
            "<guest> console",
            "<guest>[,...]|all console reset|tmux",
            "<guest> console vnc",
        ),
        "Talk to a guest over its serial port, or see its screen.",
    ),
    "create": Entry(
        "create", "create", ("<guest>[,...] create [<size>] [<pool>]",), "Create guests."
    ),
    "delete": Entry(
        "delete", "delete", ("<guest>[,...]|all delete [force|keepnet]",), "Delete guests."
    ),
    "disk": Entry(
        "disk",
        "disk",
        (
            "<guest> disk list",
            "<guest> disk add [<size>]",
            "<guest> disk delete disk{n}",
            "<guest> disk resize disk{n} <size>",
            "<guest> disk disk{n} description|notes <text>",
        ),
        "Give a guest disks, resize, annotate and delete them.",
    ),
    "get": Entry(
        "properties",
        "get",
        ("<guest>[,...]|all|defaults|global get <property>|all",),
        "Show properties.",
    ),
    "group": Entry(
        "groups",
        "group",
        ("<guest>[,...]|all group add|remove :<group>[,...]",),
        "Put guests into groups, or take them out.",
    ),
    "log": Entry(
        "log",
        "log_command",
        ("<guest>[,...]|all|global log [<n>] [-f]",),
        "Show what happened to guests, or on the host.",
    ),
    "move": Entry(
        "move", "move", ("<guest>[,...]|all move <pool>",), "Take guests to another pool."
    ),
    "reclaim": Entry(
        "stop",
        "reclaim",
        ("<guest>[,...]|all reclaim",),
        "Take back what a guest has left in the kernel.",
    ),
    "reload": Entry(
        "reload",
        "reload",
        ("<guest>[,...]|all reload",),
        "Stop and start running guests, for changed properties to be taken up.",
    ),
    "rename": Entry("rename", "rename", ("<guest> rename <new>",), "Give a guest another name."),
    "run": Entry(
        "run", "run", ("<guest> run [<iso>]",), "Run a guest in the foreground, until it has ended."
    ),
    "set": Entry(
        "properties",
        "set_command",
        (
            "<guest>[,...]|all|defaults|global set <property>=<value> [...]"
            " [<guest>[,...] <property>=<value> [...]]",
        ),
        "Set properties.",
    ),
    "snapshot": Entry(
        "snapshot",
        "snapshot",
        (
            "<guest>[,...]|all snapshot [@<name>]",
            "<guest> snapshot list",
            "<guest> snapshot rollback [@<name>]",
            "<guest> snapshot delete [@<name>|@<first>%<last>]",
        ),
        "Take, list, roll back to and delete snapshots.",
    ),
    "start": Entry("start", "start", ("<guest>[,...]|all start [<iso>]",), "Start guests."),
    "stop": Entry("stop", "stop", ("<guest>[,...]|all stop [force]",), "Stop guests."),
    "unset": Entry(
        "properties",
        "unset",
        ("<guest>[,...]|all|defaults|global unset <property> [...]",),
        "Remove properties.",
    ),
    "upgrade": Entry(
        "upgrade", "upgrade", ("<guest>[,...]|all upgrade",), "Upgrade guests of older versions."
    ),
    "wait": Entry(
        "wait",
        "wait",
        ("<guest>[,...]|all wait --for running|stopped",),
        "Wait until guests run, or have ended.",
    ),
}
