"""REDIS_URL: checked by the flow and by the page before anything connects; never shown with a password."""

from __future__ import annotations

import re
from typing import NoReturn
from urllib.parse import urlsplit

import redis

from flows.settings import SettingsError

_PORT, _DATABASE = re.compile(r"[0-9]{1,5}"), re.compile(r"(/[0-9]{0,9})?")
_UNKNOWN = re.compile(r"unexpected keyword argument '(\w+)'")
_UNREADABLE = re.compile(r"Invalid value for '(\w+)'")
ENCODE = "REDIS_URL cannot be understood: percent-encode the special characters of its password"


def address(url: str) -> str:
    """Return where a Redis URL leads (host:port/path), without its credentials; raises SettingsError."""
    try:
        parts = urlsplit(url)
        # An unescaped / # ? in the password cuts it in two, one of which would pass for host or path.
        cut = "@" in parts.path or "@" in parts.fragment or ("@" in parts.query and "=" not in parts.query)
        if cut:
            raise ValueError
        host = parts.hostname
    except ValueError:
        raise SettingsError(ENCODE) from None  # value and cause may hold the password
    if parts.fragment:
        _refuse("a '#' with what follows: remove it, or percent-encode it if it is of the password")
    if parts.scheme == "unix":
        where = parts.path
    else:
        port = parts.netloc.rpartition("@")[2].rpartition("]")[2].partition(":")[2] or "6379"
        if not _PORT.fullmatch(port) or not 0 < int(port) < 65536:
            _refuse("a port that is none: set it to a number from 1 to 65535")
        if not _DATABASE.fullmatch(parts.path):
            _refuse(f"the database {parts.path[1:]!r}: set it to a number, such as /0")
        where = f"{host or 'localhost'}:{port}{parts.path}"
    _check_options(url)
    return where


def _check_options(url: str) -> None:
    """Raise SettingsError for an option that redis-py does not know or cannot read."""
    try:
        redis.ConnectionPool.from_url(url).make_connection()
    except (TypeError, ValueError, redis.RedisError) as error:
        text = str(error)
        if unknown := _UNKNOWN.search(text):
            _refuse(f"the option {unknown[1]!r}, which redis-py does not know: remove it")
        if unreadable := _UNREADABLE.search(text):
            _refuse(f"an option {unreadable[1]!r} that cannot be read: mend it")
        _refuse(f"an option that redis-py does not take ({type(error).__name__}): remove what follows the ?")


def _refuse(what: str) -> NoReturn:
    message = f"REDIS_URL has {what}"
    raise SettingsError(message)
