# SPDX-License-Identifier: BSD-2-Clause
"""Guests to boot: a small real Linux on an ISO, and images for the scripted guest."""

from tests.guests.linux import MissingPackages, tiny_linux
from tests.guests.scripted import scripted_iso

__all__ = ["MissingPackages", "scripted_iso", "tiny_linux"]
