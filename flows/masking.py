"""Masking of visitors' addresses: IPv4 to /24, IPv6 to /48."""

from __future__ import annotations

import ipaddress
import re

import msgspec

_IP_V4 = re.compile(rb"(\d{1,3}(?:\.\d{1,3}){2})\.\d+")
# Any run of what IPv6 is written with that has two colons, an IPv4 address at its end included.
_IP_V6 = re.compile(rb"[0-9A-Fa-f]*:[0-9A-Fa-f]*:[0-9A-Fa-f:.]*")
_NUMBER = re.compile(rb'("ip"\s*:\s*)-?\d+')


def mask_record(record: bytes) -> bytes:
    """Mask the `ip` of a click's record; whatever is no address there becomes null."""
    try:
        fields = msgspec.json.decode(record)
        fields["ip"] = _mask_ip(fields.get("ip"))
        return msgspec.json.encode(fields)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return mask(record)


def mask(text: bytes) -> bytes:
    """Mask all that looks like an address in any text, even where it may be something else."""

    def masked(match: re.Match[bytes]) -> bytes:
        # The three groups to keep end where "::" stands for groups of zeros.
        return b":".join(match[0].partition(b"::")[0].split(b":")[:3]) + b"::"

    # UTF-16 and -32 hide an address between NULs.
    text = _NUMBER.sub(rb"\1null", text.replace(b"\0", b""))
    return _IP_V4.sub(rb"\1.0", _IP_V6.sub(masked, text))


def _mask_ip(ip: object) -> str | None:
    try:
        address = ipaddress.ip_address(ip if isinstance(ip, str) else "")
    except ValueError:
        return None
    kept = 24 if address.version == 4 else 48
    return str(ipaddress.ip_network(f"{address}/{kept}", strict=False).network_address)
