"""What servers say of themselves: every error of redis-py is classed on purpose, and real ones are told."""

from __future__ import annotations

import inspect
import logging
import shutil
import socketserver
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
import redis
from bytewax.outputs import StatelessSinkPartition
from redis import exceptions

from dashboard.data.reader import BoardError, Reader, UnreachableError
from dashboard.page import layout
from flows.model.board import Board
from flows.runtime.exits import Kind
from flows.settings import Settings
from flows.sinks.redis.backlog import Item
from flows.sinks.redis.errors import kind, told
from flows.sinks.redis.sink import RedisSink
from tests.support.processes import Flow
from tests.support.servers import RedisServer, free_port, wait_until

CLASSES = {
    name: made
    for name, made in inspect.getmembers(exceptions, inspect.isclass)
    if issubclass(made, Exception) and made.__module__ == "redis.exceptions"
}
WAITED_FOR = {
    "BusyLoadingError": "is loading its data (said): wait",
    "ConnectionError": "does not answer (said): is it running?",
    "ExecAbortError": "answers with an error (said): look in its log",
    "MasterDownError": "is a replica (said): set REDIS_URL to its primary",
    "MaxConnectionsError": "takes no more clients (said): raise its maxclients, or see who is connected",
    "OutOfMemoryError": "is full (said): raise its maxmemory, or look what else it holds",
    "ReadOnlyError": "is a replica (said): set REDIS_URL to its primary",
    "RedisError": "answers with an error (said): look in its log",
    "ResponseError": "answers with an error (said): look in its log",
    "TimeoutError": "does not answer (said): is it running?",
    "TryAgainError": "answers with an error (said): look in its log",
    "WatchError": "does not answer (said): is it running?",
}
LOGIN = "refuses this user or password (said): check REDIS_URL"
CLUSTER = "is a Redis Cluster (said), which keeps apart what is one board: set REDIS_URL to a single Redis"
FINAL = {
    "AskError": CLUSTER,
    "AuthenticationError": LOGIN,
    "AuthenticationWrongNumberOfArgsError": LOGIN,
    "AuthorizationError": LOGIN,
    "ClusterCrossSlotError": CLUSTER,
    "ClusterDownError": CLUSTER,
    "ClusterError": CLUSTER,
    "CrossSlotTransactionError": CLUSTER,
    "InvalidPipelineStack": CLUSTER,
    "InvalidResponse": (
        "speaks another protocol (said): is it the right port, and is it rediss:// that it wants?"
    ),
    "MovedError": CLUSTER,
    "NoPermissionError": "forbids it (said): allow what README lists under Rights in Redis",
    "RedisClusterException": CLUSTER,
    "SlotNotCoveredError": CLUSTER,
}
OURS = (
    *("ChildDeadlockedError", "DataError", "ExternalAuthProviderError", "IncorrectPolicyType", "LockError"),
    *("LockNotOwnedError", "ModuleError", "NoScriptError", "NoSuchFieldsetError", "PubSubError"),
)
FACTS = {"board": '{"as_of": 1000}'}


def made(name: str) -> Exception:
    """Return an error of a class that says "said"."""
    if issubclass(CLASSES[name], exceptions.AskError):
        error: Exception = CLASSES[name]("1 127.0.0.1:1")
        error.args = ("said",)
        return error
    return CLASSES[name]("said")


def test_every_class_is_classed_on_purpose() -> None:
    """A class that a new version of the client brings is looked at before it is added here."""
    assert sorted([*WAITED_FOR, *FINAL, *OURS]) == sorted(CLASSES)


@pytest.mark.parametrize("name", sorted(CLASSES))
def test_what_is_told_of_each(name: str) -> None:
    error = made(name)
    if name in OURS:
        assert (kind(error), told(error)) == (
            Kind.OURS,
            f"is asked wrongly ({name}: said): that is an error of ours, report it",
        )
    else:
        assert kind(error) is (Kind.FINAL if name in FINAL else Kind.OUTAGE)
        assert told(error) == (WAITED_FOR | FINAL)[name]


def test_what_is_told_of_the_system_and_of_our_data() -> None:
    assert told(OSError(113, "No route to host")) == (
        "does not answer ([Errno 113] No route to host): is it running?"
    )
    error = redis.ResponseError("Command # 1 (MSET board visitors) of pipeline caused error: NEW WORDS")
    assert told(error) == "answers with an error (NEW WORDS): look in its log"


@contextmanager
def writing(url: str) -> Iterator[StatelessSinkPartition[Item]]:
    with closing(RedisSink(Settings(redis_url=url)).build("redis", 0, 1)) as partition:
        yield partition


def line_of(tmp_path: Path, url: str) -> str:
    """Return the line with which a flow ends that is to write there."""
    with Flow(tmp_path, {"CLICKS_SOURCE": "demo:?rate=20&history=5m", "REDIS_URL": url}) as flow:
        assert flow.end() == [1], flow.output
        return flow.output.splitlines()[-1]


def page_of(url: str, error: type[BoardError] = UnreachableError) -> str:
    """Return what the page says of it."""
    with pytest.raises(error) as caught:
        Reader(url, layout.TABLES).read()
    return str(caught.value)


def test_a_cluster(tmp_path: Path) -> None:
    with RedisServer("redis", options={"cluster-enabled": "yes", "cluster-port": str(free_port())}) as server:
        where = f"Redis at 127.0.0.1:{server.port}"
        url = f"redis://127.0.0.1:{server.port}"
        down = CLUSTER.replace("said", "Hash slot not served")
        assert page_of(url) == f"{where} {down}"
        with server.client() as client:
            client.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
            wait_until(
                lambda: "cluster_state:ok" in str(client.execute_command("CLUSTER", "INFO")), "it is up"
            )
        apart = CLUSTER.replace("said", "Keys in request don't hash to the same slot")
        assert page_of(url) == f"{where} {apart}"
        assert line_of(tmp_path, url) == f"{where} {apart}"
        no_databases = CLUSTER.replace("said", "SELECT is not allowed in cluster mode")
        assert page_of(f"{url}/1") == f"{where}/1 {no_databases}"


def test_a_database_that_is_not_there(tmp_path: Path) -> None:
    with RedisServer() as server:
        url = f"redis://127.0.0.1:{server.port}/99"
        line = (
            f"Redis at 127.0.0.1:{server.port}/99 has no such database (DB index is out of range): correct "
            "the number at the end of REDIS_URL"
        )
        assert page_of(url) == line
        assert line_of(tmp_path, url) == line


def test_no_more_clients() -> None:
    with RedisServer(options={"maxclients": "1"}) as server, server.client() as client:
        client.ping()
        assert page_of(server.url) == (
            f"Redis at 127.0.0.1:{server.port}/0 takes no more clients (max number of clients reached): "
            "raise its maxclients, or see who is connected"
        )


def test_a_name_that_is_not_known() -> None:
    line = page_of("redis://no-such-host.invalid:6379/0")
    assert line.startswith("Redis at no-such-host.invalid:6379/0 cannot be found (Error -")
    assert line.endswith("): check the host in REDIS_URL")


def certificate(folder: Path) -> dict[str, str]:
    """Make a certificate that nobody trusts; returns the options of a server that speaks nothing but TLS."""
    key, cert = folder / "key.pem", folder / "cert.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=x"]
    subprocess.run([*command, "-keyout", str(key), "-out", str(cert)], check=True, capture_output=True)
    options = {"tls-cert-file": str(cert), "tls-key-file": str(key), "tls-ca-cert-file": str(cert)}
    return options | {"tls-auth-clients": "no"}


@pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl in the PATH")
def test_tls(tmp_path: Path) -> None:
    with RedisServer("redis", options=certificate(tmp_path)) as server:
        with server.client() as client:
            client.config_set("tls-port", tls_port := free_port())
        where = f"127.0.0.1:{tls_port}"
        line = page_of(f"rediss://{where}/0")
        assert line.startswith(f"Redis at {where}/0 cannot be reached by TLS (")
        assert "CERTIFICATE_VERIFY_FAILED" in line
        assert line.endswith("): check rediss:// and its certificates")
        assert Reader(f"rediss://{where}/0?ssl_cert_reqs=none").read() is None
        line = page_of(f"redis://{where}/0")
        assert "rediss://" in line or line.endswith("): is it running?")


def test_another_protocol() -> None:
    class Web(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.rfile.readline()
            self.wfile.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Web) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        line = page_of(f"redis://127.0.0.1:{server.server_address[1]}")
        server.shutdown()
    assert line.endswith("): is it the right port, and is it rediss:// that it wants?")


def test_a_server_without_hello(tmp_path: Path) -> None:
    """As proxies and servers that know no RESP3: the flow writes and the page reads."""
    with RedisServer("redis", options={"rename-command HELLO": ""}) as server:
        environment = {"CLICKS_SOURCE": "demo:?rate=20&history=5m", "REDIS_URL": server.url}
        with Flow(tmp_path, environment) as flow:
            wait_until(lambda: Reader(server.url).read() is not None, "a board", 30)
            assert "WARNING" not in flow.output


# Rights, as README lists them under "Rights in Redis"
README = (Path(__file__).parents[2] / "README.md").read_text()


def rights(user: str) -> list[str]:
    """Return what README says that a user is to be allowed."""
    [line] = [line for line in README.splitlines() if line.strip().startswith(f"ACL SETUSER {user} ")]
    return line.split()[3:]


def test_the_rights_of_readme_are_enough(tmp_path: Path) -> None:
    with RedisServer("redis") as server, server.client() as client:
        for user in ("clicks-writer", "clicks-page"):
            client.execute_command("ACL", "SETUSER", user, *rights(user))
        writer = f"redis://clicks-writer:SECRET@127.0.0.1:{server.port}/0"
        page = f"redis://clicks-page:SECRET@127.0.0.1:{server.port}/0"
        with Flow(tmp_path, {"CLICKS_SOURCE": "demo:?rate=200&history=5m", "REDIS_URL": writer}) as flow:
            wait_until(lambda: (found := Reader(page).read()) is not None and bool(found.log), "a log", 30)
            assert "WARNING" not in flow.output
        assert [line for line in client.acl_log() if line["reason"] != "auth"] == []


def test_who_may_not_publish_writes_boards_all_the_same(tmp_path: Path) -> None:
    with RedisServer("redis") as server, server.client() as client:
        client.execute_command("ACL", "SETUSER", "clicks", "on", ">pw", "~*", "+@all")
        url = f"redis://clicks:pw@127.0.0.1:{server.port}/0"
        with Flow(tmp_path, {"CLICKS_SOURCE": "demo:?rate=200&history=5m", "REDIS_URL": url}) as flow:
            wait_until(lambda: (found := Reader(url).read()) is not None and bool(found.log), "a log", 30)
            [line] = [line for line in flow.output.splitlines() if "WARNING" in line]
        assert line.partition(" WARNING ")[2].startswith(
            f"Redis at 127.0.0.1:{server.port}/0: boards are written, but not announced ("
        )
        assert line.endswith("): allow the channel boards")


def test_who_may_not_write_is_told(tmp_path: Path) -> None:
    with RedisServer("redis") as server, server.client() as client:
        client.execute_command("ACL", "SETUSER", "clicks", "on", ">pw", "~*", "&*", "+@all", "-mset")
        line = line_of(tmp_path, f"redis://clicks:pw@127.0.0.1:{server.port}/0")
        assert line.startswith(f"Redis at 127.0.0.1:{server.port}/0 forbids it (")
        assert line.endswith("): allow what README lists under Rights in Redis")


def test_a_wrong_password_ends_the_flow(tmp_path: Path) -> None:
    with RedisServer("redis", password="right") as server:
        line = line_of(tmp_path, server.url.replace("right", "wr0ng"))
        assert line.endswith(" is disabled): check REDIS_URL")
        assert "wr0ng" not in line


def test_a_policy_that_may_drop_keys_is_a_warning(tmp_path: Path) -> None:
    with RedisServer(options={"maxmemory-policy": "allkeys-lru"}) as server:
        environment = {"CLICKS_SOURCE": "demo:?rate=20&history=5m", "REDIS_URL": server.url}
        with Flow(tmp_path, environment) as flow:
            flow.wait_for(
                f"Redis at 127.0.0.1:{server.port}/0 may drop keys of the board (maxmemory-policy "
                "allkeys-lru): set it to noeviction"
            )


# Two flows


def test_two_flows_that_write_to_one_redis_are_told(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "clicks.redis")
    line = (
        "another flow writes its boards over those of this one: end it, or give each a database of its own "
        "in REDIS_URL (/1, /2, ...)"
    )
    with (
        RedisServer() as server,
        server.client() as client,
        writing(server.url) as one,
        writing(server.url) as other,
    ):
        for number in range(3):
            for partition in (one, other):
                before = client.get("board")
                partition.write_batch([Board(number, FACTS)])
                wait_until(lambda: client.get("board") != before, "the board")  # noqa: B023
    said = [record.getMessage().partition("/0: ")[2] for record in caplog.records]
    assert said == [line, line]
