"""Masking of visitors' addresses: IPv4 to /24, IPv6 to /48.

An IPv6 address that has an IPv4 one in it is masked by that: IPv4-mapped (`::ffff:203.0.113.7`) to its /24,
6to4 (`2002:cb00:7107::1`, the same address in hexadecimal) likewise. All here takes time in proportion to the
length of what it looks at.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

# A run of what addresses are written with: no two runs touch, so none is looked at twice.
_RUN = re.compile(rb"[0-9A-Fa-f:.]+")
_V4 = re.compile(rb"(\d{1,3}\.\d{1,3}\.\d{1,3})\.\d+")
_NUMBER = re.compile(rb'("ip"\s*:\s*)-?\d+')


def mask(text: bytes) -> bytes:
    """Mask all that looks like an address in any text, even where it may be something else."""
    # UTF-16 and -32 hide an address between NULs.
    text = _NUMBER.sub(rb"\1null", text.replace(b"\0", b""))
    return _RUN.sub(_masked_run, text)


def _masked_run(match: re.Match[bytes]) -> bytes:
    run = match[0]
    if run.count(b":") < 2:
        return _V4.sub(rb"\1.0", run)
    # The three groups to keep end where "::" stands for groups of zeros.
    return b":".join(run.partition(b"::")[0].split(b":")[:3]) + b"::"


def mask_ip(ip: object) -> str | None:
    """Return an address masked; None if it is none.

    Of a list, as X-Forwarded-For has one, the first address; a port goes.
    """
    address = _address(ip.partition(",")[0].strip()[:64]) if isinstance(ip, str) else None
    if address is None:
        return None
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return f"::ffff:{_network(address.ipv4_mapped, 24)}"
        if address.sixtofour is not None:
            return _network(address, 16 + 24)
        return _network(address, 48)
    return _network(address, 24)


def _network(address: IPv4Address | IPv6Address, bits: int) -> str:
    return str(ip_network((address, bits), strict=False).network_address)


def _address(text: str) -> IPv4Address | IPv6Address | None:
    """Read an address: alone, or with a port as in `203.0.113.7:443` and `[2001:db8::1]:443`."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        return ip_address(text)
    except ValueError:
        return None
