"""Masking of visitors' addresses: IPv4 to /24, IPv6 to /48."""

from __future__ import annotations

import ipaddress
import re

import msgspec

_LIKE_IP = re.compile(
    rb"\b(\d{1,3}\.\d{1,3}\.\d{1,3})\.\d{1,3}\b|\b([0-9A-Fa-f]{1,4}(?::[0-9A-Fa-f]{0,4}){2,7})"
)


def mask_record(record: bytes) -> bytes:
    """Mask the `ip` of a click's record; whatever is no address there becomes null."""
    try:
        fields = msgspec.json.decode(record)
        fields["ip"] = _mask_ip(fields.get("ip"))
        return msgspec.json.encode(fields)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return mask(record)


def mask(text: bytes) -> bytes:
    """Mask all that looks like an address in any text, even where it may be something else."""

    def masked(match: re.Match[bytes]) -> bytes:
        if match[1]:
            return match[1] + b".0"
        return b":".join((match[2].split(b":") + [b"", b""])[:3]) + b"::"

    return _LIKE_IP.sub(masked, text)


def _mask_ip(ip: object) -> str | None:
    try:
        address = ipaddress.ip_address(ip if isinstance(ip, str) else "")
    except ValueError:
        return None
    kept = 24 if address.version == 4 else 48
    return str(ipaddress.ip_network(f"{address}/{kept}", strict=False).network_address)
