"""Servers that tests share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.servers import RedisServer

pytest.register_assert_rewrite("tests.published")


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
