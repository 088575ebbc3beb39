"""REDIS_URL: checked and connected to in one way by the flow and by the page; never shown with a password."""

from __future__ import annotations

import re
from typing import NoReturn
from urllib.parse import urlsplit

import redis
from redis.backoff import NoBackoff
from redis.maint_notifications import MaintNotificationsConfig
from redis.retry import Retry

from flows.runtime.exits import SettingsError

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


def client(url: str, connect_s: float, answer_s: float, *, decode: bool = False) -> redis.Redis:
    """Make a client that never waits long and leaves trying again to its user.

    It speaks the protocol that every server and proxy knows: RESP2, without HELLO and CLIENT SETINFO.
    """
    made: redis.Redis = redis.Redis.from_url(
        url,
        protocol=2,
        driver_info=None,
        socket_connect_timeout=connect_s,
        socket_timeout=answer_s,
        retry=Retry(NoBackoff(), 0),
        decode_responses=decode,
        encoding_errors="replace",  # half a surrogate pair in a click must not block the board
        maint_notifications_config=MaintNotificationsConfig(enabled=False),  # it would stretch the timeouts
    )
    return made


def own_words(made: redis.Redis, error: Exception) -> Exception:
    """Return what a server says before it closes a connection, which redis-py only calls "not ready"."""
    if "not ready" not in str(error):
        return error
    connection = made.connection_pool.make_connection()
    try:
        connection.connect()  # type: ignore[no-untyped-call]
        connection.read_response()
    except (redis.RedisError, OSError) as own:
        return own
    finally:
        connection.disconnect()  # type: ignore[no-untyped-call]
    return error


def uses_tls(url: str) -> bool:
    """Return whether a URL asks for TLS."""
    return url.startswith("rediss:")


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
