"""Servers that tests share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests.servers import RedisServer

# How long an example takes says nothing on a machine that does other things too.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
pytest.register_assert_rewrite("tests.published")
# Flows that run in the process of the tests leave its signals alone.
pytest.MonkeyPatch().setattr("flows.stopping.stop_on_signals", lambda: None)


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


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let a longer run take more seeds: `pytest tests/test_flow.py --seeds 200`."""
    parser.addoption("--seeds", type=int, default=20, help="how many random logs to compare")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give each random log its seed."""
    if "log_seed" in metafunc.fixturenames:
        metafunc.parametrize("log_seed", range(metafunc.config.getoption("--seeds")))
