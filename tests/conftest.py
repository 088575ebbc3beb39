"""Servers that tests share."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from flows.settings import EMBEDDED_DIRECTORY
from tests.support import apache
from tests.support.apache import Apache
from tests.support.brokers import Broker, Cluster, Server
from tests.support.servers import RedisServer

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from tests.kafka.kafka_flow import KafkaFlow

# How long an example takes says nothing on a machine that does other things too.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
pytest.register_assert_rewrite("tests.support.published", "tests.kafka.kafka_flow")

OTHER = os.environ.get("KAFKA_BOOTSTRAP_SERVERS")
LONGEST = ("test_crash", "test_time")
_topics = count()


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """Return a Redis of this run's own."""
    with RedisServer() as server:
        yield server


@pytest.fixture
def redis_url(redis_server: RedisServer) -> str:
    """Return the URL of an empty Redis."""
    redis_server.client().flushall()
    return redis_server.url


@pytest.fixture(scope="module")
def fixed_place() -> Iterator[None]:
    """Keep the embedded server's place to one module, of whatever process that runs tests."""
    with (Path(tempfile.gettempdir()) / f"{EMBEDDED_DIRECTORY.name}-tests.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Return a browser of this run's own."""
    from tests.dashboard.conftest import chromium

    with chromium() as started:
        yield started


@pytest.fixture(scope="session")
def tansu() -> Iterator[Broker]:
    """Return an embedded broker of this run's own."""
    with Broker() as started:
        yield started


@pytest.fixture(scope="session")
def kafka() -> Iterator[Apache]:
    """Return an Apache Kafka of this run's own."""
    if reason := apache.missing():
        pytest.skip(reason)
    with Apache() as started:
        yield started


@pytest.fixture(scope="session", params=["other"] if OTHER else ["tansu", "kafka"])
def broker(request: pytest.FixtureRequest) -> Cluster:
    """Return each kind of broker in turn, or the one that KAFKA_BOOTSTRAP_SERVERS names."""
    made: Cluster = Cluster(OTHER) if OTHER else request.getfixturevalue(request.param)
    return made


@pytest.fixture(params=["tansu", "kafka"])
def restartable(request: pytest.FixtureRequest) -> Iterator[Server]:
    """Return each kind of broker in turn, one that keeps what it holds across restarts."""
    if request.param == "kafka":
        yield request.getfixturevalue("kafka")
    else:
        with Broker("kept") as started:
            yield started


@pytest.fixture
def topic() -> str:
    """Return a name that no other test uses, for a topic and a group."""
    return f"clicks-{os.getpid()}-{next(_topics)}"


@pytest.fixture
def kafka_flow(tmp_path: Path, broker: Cluster, topic: str, redis_url: str) -> Iterator[KafkaFlow]:
    """Return a flow over the topic that is not running yet."""
    from tests.kafka.kafka_flow import KafkaFlow

    flow = KafkaFlow(tmp_path, broker.address, topic, redis_url)
    yield flow
    flow.close()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let a longer run take more seeds: `pytest tests/flow/test_flow.py --seeds 200`."""
    parser.addoption("--seeds", type=int, default=20, help="how many random logs to compare")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take longest: what begins last decides when all is done."""
    items.sort(key=lambda item: LONGEST.index(item.path.stem) if item.path.stem in LONGEST else len(LONGEST))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give each random log its seed."""
    if "log_seed" in metafunc.fixturenames:
        metafunc.parametrize("log_seed", range(metafunc.config.getoption("--seeds")))
