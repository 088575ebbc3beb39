"""Which names the page answers to: visitors' addresses are on it, so only under its own.

A page elsewhere could let its own name lead to this machine (DNS rebinding), and read what a browser here may
read. Such a request bears that name in its Host header, which is none of ours.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection
from urllib.parse import urlsplit


def is_own(host: str | None, names: Collection[str]) -> bool:
    """Return whether a Host header is of this page: an address, `localhost`, or one of `names`."""
    if not host:  # no browser's
        return True
    try:
        name = (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return False
    if name == "localhost" or name.endswith(".localhost") or name in {own.lower() for own in names}:
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def refusal(host: str) -> str:
    """Return the line for a Host header that is not the page's."""
    name = host.rpartition(":")[0] or host
    return (
        f"This page is not served as {name[:253]!r}: open it by its address, or, if that is its name, start "
        "it with STREAMLIT_BROWSER_SERVER_ADDRESS set to it."
    )
