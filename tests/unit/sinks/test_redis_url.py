"""REDIS_URL is checked once, by one function, and never told with a password."""

from __future__ import annotations

import pytest

from dashboard.data.reader import Reader, UnreachableError
from flows.runtime.exits import SettingsError
from flows.settings import Settings
from flows.sinks.redis.sink import RedisSink
from flows.sinks.redis.url import ENCODE, address

PORT = "REDIS_URL has a port that is none: set it to a number from 1 to 65535"


@pytest.mark.parametrize(
    ("url", "where"),
    [
        ("redis://127.0.0.1", "127.0.0.1:6379"),
        ("redis://user:s3cret@host:6380/2", "host:6380/2"),
        ("rediss://:p%40ss@host", "host:6379"),
        ("redis://host/0?password=s3@cret", "host:6379/0"),
        ("redis://h?client_name=a@b&db=1", "h:6379"),
        ("redis://[::1]:6380/1", "::1:6380/1"),
        ("unix://user:s3cret@/run/redis.sock?db=1&password=s3cret", "/run/redis.sock"),
        ("unix:///run/r.sock?password=p@q", "/run/r.sock"),
    ],
)
def test_an_address_has_no_credentials(url: str, where: str) -> None:
    assert address(url) == Reader(url).address == where


@pytest.mark.parametrize(
    ("url", "line"),
    [
        *(
            (url, ENCODE)
            for url in (
                *("redis://:s3/cret@host:6379", "redis://user:12/cret@host:6379", "redis://u:s3/cret@h#x"),
                *(
                    "redis://user:12#cret@host:6379",
                    "redis://user:12?cret@host:6379",
                    "rediss://:[s3cret@h:1",
                ),
            )
        ),
        *(
            (url, PORT)
            for url in ("redis://h:99999/0", "redis://h:abc/0", "redis://h:6379:0", "redis://h:0/0")
        ),
        ("redis://u:s3cret@h/prod", "REDIS_URL has the database 'prod': set it to a number, such as /0"),
        (
            "redis://u:s3cret@h/0#x",
            "REDIS_URL has a '#' with what follows: remove it, or percent-encode it if it is of the password",
        ),
        *(
            (
                f"redis://u:s3cret@h/0?{name}=1",
                f"REDIS_URL has the option '{name}', which redis-py does not know: remove it",
            )
            for name in ("foo", "ssl_cert_reqs", "tls")
        ),
        *(
            (f"redis://h/0?{name}=many", f"REDIS_URL has an option '{name}' that cannot be read: mend it")
            for name in ("socket_timeout", "max_connections", "db")
        ),
    ],
)
def test_what_is_wrong_is_one_line_for_the_flow_and_the_page(url: str, line: str) -> None:
    with pytest.raises(SettingsError) as error:
        RedisSink(Settings(redis_url=url))
    assert str(error.value) == line
    assert "s3" not in line
    with pytest.raises(UnreachableError) as told:
        Reader(url)
    assert str(told.value) == f"{line}."
