# SPDX-License-Identifier: BSD-2-Clause
"""Words of the command line: hints for those that chyves does not know, and what is secret."""

import re
from collections.abc import Iterable

SHOWN = 12
"""More known words than this are not listed in a hint."""


def near(word: str, known: Iterable[str], what: str) -> str:
    """Return a hint that names the nearest known words, or what words there are if none is near.

    ``what`` is a plural: ``guests``. The hint is empty if nothing helpful can be said.
    """
    import difflib  # needed after a mistake only

    words = list(dict.fromkeys(known))
    close = difflib.get_close_matches(word, words, n=3)
    if close:
        return f"did you mean {' or '.join(close)}?"
    return f"{what}: {', '.join(words)}" if 0 < len(words) <= SHOWN else ""


_IN_URL = re.compile(r"(:/{1,2})[^/@\s]+@")
_QUERY = re.compile(r"((?:https?|ftp):/{1,2}[^\s?#]*[?#])\S+?(?='?(?:\s|$))")
_NAMED = re.compile(
    r"((?:\bpw|passw(?:or)?d|passphrase|secret|token|unique_id|api_?key)\s*[=:]\s*"
    r"|--?passw(?:or)?d\s+)[^\s'&]+",
    re.IGNORECASE,
)
_OWN_CLIENT = re.compile(r"(uefi_vnc_client_custom_cmd=)[^'\n]+")
"""A command line of one's own is where a password is likely, written in whatever way."""


def without_secrets(text: str) -> str:
    """Return a text that can be shown to others: without what stands for a user in a URL, without
    its query, and without values of what is named a password or token."""
    for secret in (_OWN_CLIENT, _QUERY, _NAMED):
        text = secret.sub(r"\1***", text)
    return _IN_URL.sub(r"\1***@", text)
