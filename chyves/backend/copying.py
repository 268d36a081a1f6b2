# SPDX-License-Identifier: BSD-2-Clause
"""Folders with all their files, copied to another dataset and waited for until they are on disk."""

import os
import shutil
from collections.abc import Sequence

from chyves.backend.host import Host
from chyves.backend.run import Progress
from chyves.errors import Precondition


def copy_folder(
    host: Host, source: str, target: str, progress: Progress, *, without: Sequence[str] = ()
) -> None:
    """Copy what is in a folder of the host, but for ``without`` at its top; ``progress`` is told
    the bytes of each file. Raises Precondition where that cannot be."""
    top = str(host.path(source))

    def copy_file(file: str, to: str) -> None:
        shutil.copy2(file, to, follow_symlinks=False)
        _sync(to)
        progress(os.lstat(file).st_size)

    try:
        host.may_write(f"{target}/x")
        shutil.copytree(
            top,
            host.path(target),
            symlinks=True,
            dirs_exist_ok=True,
            ignore=lambda folder, _: without if folder == top else [],
            copy_function=copy_file,
        )
    except (OSError, shutil.Error) as error:
        raise Precondition(
            f"cannot copy {source} to {target}: {error}",
            hint="see zfs get readonly,available,mounted",
        ) from error


def bytes_in(host: Host, folders: Sequence[str]) -> int:
    """Return the size of all files in folders of the host and below."""
    return sum(
        os.lstat(os.path.join(folder, name)).st_size
        for top in folders
        for folder, _, names in os.walk(host.path(top))
        for name in names
    )


def _sync(path: str) -> None:
    if os.path.islink(path) or not os.path.isfile(path):
        return
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
