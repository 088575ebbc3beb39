"""What Redis's errors mean to the flow and to the page: which are waited for, and what is said of each.

An error is an OUTAGE if waiting may heal it, FINAL if someone has to change something, OURS for a wrong call.
What Redis says that is not known here is waited for and told word for word: a sink never costs the flow more.
"""

from __future__ import annotations

import redis
from redis import exceptions as errors

from flows.runtime.exits import Kind, one_line

_LOGIN = errors.AuthenticationError, errors.AuthorizationError, errors.AuthenticationWrongNumberOfArgsError
# What only a node of a Redis Cluster says to a client that does not know of it.
_CLUSTER = errors.AskError, errors.ClusterCrossSlotError, errors.ClusterError, errors.RedisClusterException
_ELSEWHERE = errors.MasterDownError, errors.ReadOnlyError
_FOREIGN = errors.InvalidResponse
_OURS = (
    errors.ChildDeadlockedError,
    errors.DataError,
    errors.ExternalAuthProviderError,
    errors.IncorrectPolicyType,
    errors.LockError,
    errors.ModuleError,
    errors.NoScriptError,
    errors.NoSuchFieldsetError,
    errors.PubSubError,
)


def kind(error: Exception) -> Kind:
    """Return what an error of redis-py, or of the operating system, calls for."""
    if isinstance(error, _OURS):
        return Kind.OURS
    if isinstance(error, _ELSEWHERE):
        return Kind.OUTAGE
    final = isinstance(error, (*_LOGIN, *_CLUSTER, _FOREIGN, errors.NoPermissionError))
    return Kind.FINAL if final or _wrong_database(error) else Kind.OUTAGE


def text_of(error: Exception) -> str:
    """Return the server's own words on one line; redis-py puts the command, with our data, before them."""
    return (
        one_line(str(error).rpartition(" of pipeline caused error: ")[2]).rstrip(".") or type(error).__name__
    )


def told(error: Exception, *, tls: bool = False) -> str:
    """Return what follows "Redis at HOST:PORT": what is wrong, in its own words, and what to do.

    `tls`: that is what the URL asks for.
    """
    text = text_of(error)
    if kind(error) is Kind.OURS:
        return f"is asked wrongly ({type(error).__name__}: {text}): that is an error of ours, report it"
    if isinstance(error, _LOGIN):
        return f"refuses this user or password ({text}): check REDIS_URL"
    if isinstance(error, errors.NoPermissionError):
        return f"forbids it ({text}): allow what README lists under Rights in Redis"
    if isinstance(error, _ELSEWHERE):
        return f"is a replica ({text}): set REDIS_URL to its primary"
    if isinstance(error, _CLUSTER) or "in cluster mode" in text:
        cure = "which keeps apart what is one board: set REDIS_URL to a single Redis"
        return f"is a Redis Cluster ({text}), {cure}"
    if _wrong_database(error):
        return f"has no such database ({text}): correct the number at the end of REDIS_URL"
    if _foreign_key(error):
        return f"holds something else under a name of ours ({text}): use a database of the flow's own"
    return _outage(error, text, tls=tls)


def _outage(error: Exception, text: str, *, tls: bool) -> str:
    if isinstance(error, errors.BusyLoadingError):
        return f"is loading its data ({text}): wait"
    if isinstance(error, redis.OutOfMemoryError):
        return f"is full ({text}): raise its maxmemory, or look what else it holds"
    if "max number of clients" in text or isinstance(error, errors.MaxConnectionsError):
        return f"takes no more clients ({text}): raise its maxclients, or see who is connected"
    if "SSL" in text or "certificate" in text.lower():
        return f"cannot be reached by TLS ({text}): check rediss:// and its certificates"
    if "Error -" in text and "connecting to" in text:
        return f"cannot be found ({text}): check the host in REDIS_URL"
    if isinstance(error, _FOREIGN):
        return f"speaks another protocol ({text}): is it the right port, and is it rediss:// that it wants?"
    # A connection that is lost while it watches a key is told by redis-py as a WatchError.
    if isinstance(error, (errors.ConnectionError, errors.WatchError, redis.TimeoutError, OSError)):
        more = ", and does it speak TLS" if tls else ""
        return f"does not answer ({text}): is it running{more}?"
    return f"answers with an error ({text}): look in its log"


def _wrong_database(error: Exception) -> bool:
    text = str(error)
    return isinstance(error, redis.ResponseError) and ("DB index" in text or "in cluster mode" in text)


def _foreign_key(error: Exception) -> bool:
    return isinstance(error, redis.ResponseError) and "WRONGTYPE" in str(error)
