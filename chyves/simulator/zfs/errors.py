# SPDX-License-Identifier: BSD-2-Clause
"""How a zfs or zpool command of the simulated host ends badly."""


class RefusedError(Exception):
    """The command failed: ``message`` goes to standard error, ``code`` is its exit code."""

    def __init__(self, message: str, code: int = 1) -> None:
        super().__init__(message)
        self.message = message
        self.code = code


class UsageError(Exception):
    """The arguments are wrong: ``message`` (unless empty) and the usage go to standard error,
    the exit code is 2."""

    def __init__(self, message: str = "") -> None:
        super().__init__(message)
        self.message = message
