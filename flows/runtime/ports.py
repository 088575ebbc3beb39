"""The ports that a process opens through Bytewax, checked before it does: what goes wrong there is no line.

The process port (`-a`) is for the flow's other processes: what comes in is unpickled, so it runs code for
whoever reaches it. The web server's (`BYTEWAX_DATAFLOW_API_...`) serves `/metrics`.
"""

from __future__ import annotations

import argparse
import ipaddress
import os
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path

from flows.runtime.exits import SettingsError

API_PORT = 3030
_OFF = ("", "0", "false", "no", "off")
# Of providers and clusters, as private as the others.
_SHARED = ipaddress.ip_network("100.64.0.0/10")


def check_ports(env: Mapping[str, str], arguments: Sequence[str], *, trust_network: bool) -> None:
    """Raise SettingsError for a port that this process must not, or cannot, open.

    `arguments` are those of `python -m bytewax.run`; a network that is trusted may be any.
    """
    if not trust_network:
        _check_process_port(env, arguments)
    if "BYTEWAX_DATAFLOW_API_ENABLED" in env:
        _check_api(env)


def _check_process_port(env: Mapping[str, str], arguments: Sequence[str]) -> None:
    own = _own_address(env, arguments)
    if own is None:
        return
    host = own.rpartition(":")[0].strip("[]")
    if not all(_is_closed(address) for address in _addresses(host)):
        _refuse(
            f"the process port {own} runs code for whoever reaches it, and its address is neither loopback "
            "nor private: close it to all but the flow's processes, then set CLICKS_TRUST_NETWORK=1"
        )


def _own_address(env: Mapping[str, str], arguments: Sequence[str]) -> str | None:
    """Return where this process listens for others, as Bytewax finds it; None if it does not."""
    parser = argparse.ArgumentParser(add_help=False, exit_on_error=False)
    parser.add_argument("-i", "--process-id", default=env.get("BYTEWAX_PROCESS_ID"))
    parser.add_argument("-a", "--addresses", default=env.get("BYTEWAX_ADDRESSES"))
    try:
        found, _ = parser.parse_known_args(list(arguments))
    except argparse.ArgumentError:
        return None
    number, addresses = found.process_id, found.addresses
    pod, whole = env.get("BYTEWAX_POD_NAME"), env.get("BYTEWAX_STATEFULSET_NAME")
    if number is None and pod and whole:
        number = pod.removeprefix(f"{whole}-")
    hosts = Path(env.get("BYTEWAX_HOSTFILE_PATH", ""))
    if addresses is None and hosts.is_file():
        addresses = ";".join(filter(None, map(str.strip, hosts.read_text().splitlines())))
    every = (addresses or "").split(";")
    # What is no number, or too large a one, Bytewax itself refuses.
    known = number is not None and number.isdecimal() and int(number) < len(every)
    return (every[int(number)] or None) if known else None


def _addresses(host: str) -> list[str]:
    """Return the addresses of a host, none where it is not known yet."""
    try:
        return [str(found[4][0]) for found in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)]
    except OSError:
        return []


def _is_closed(address: str) -> bool:
    found = ipaddress.ip_address(address.partition("%")[0])
    return not found.is_unspecified and (found.is_private or found.is_link_local or found in _SHARED)


def _check_api(env: Mapping[str, str]) -> None:
    enabled = env["BYTEWAX_DATAFLOW_API_ENABLED"]
    if enabled.lower() in _OFF:
        _refuse(f"BYTEWAX_DATAFLOW_API_ENABLED is {enabled!r}, which Bytewax takes for yes: unset it")
    port = env.get("BYTEWAX_DATAFLOW_API_PORT", str(API_PORT))
    if not port.isdecimal() or not 0 < int(port) < 65536:
        _refuse(f"BYTEWAX_DATAFLOW_API_PORT is {port!r}: set it to a number from 1 to 65535")
    try:
        socket.create_server(("", int(port))).close()
    except OSError as error:
        reason = os.strerror(error.errno or 0)
        _refuse(f"BYTEWAX_DATAFLOW_API_PORT {port} cannot be had ({reason}): set it to a free port")
    folder = env.get("BYTEWAX_DATAFLOW_API_CACHE_PATH", ".")
    if not os.path.isdir(folder) or not os.access(folder, os.W_OK | os.X_OK):
        _refuse(
            f"Bytewax's web server writes dataflow.json to {folder!r}, and cannot: set "
            "BYTEWAX_DATAFLOW_API_CACHE_PATH to a directory that this user may write to"
        )


def _refuse(message: str) -> None:
    raise SettingsError(message)
