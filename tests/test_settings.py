"""Every setting's default, forms and one-line errors."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from flows.settings import Settings, SettingsError, duration_s

READS = [
    ({}, "source", "demo:"),
    ({}, "redis_url", None),
    ({}, "state_dir", Path("state")),
    ({}, "shards", 16),
    ({}, "publish_every_ms", 1000),
    ({}, "mask_ip", False),
    ({}, "log_format", "text"),
    ({"CLICKS_LOG_FORMAT": "json"}, "log_format", "json"),
    ({}, "kafka", {}),
    ({"CLICKS_SOURCE": "kafka:a:9092,b:9092/clicks"}, "source", "kafka:a:9092,b:9092/clicks"),
    ({"CLICKS_SOURCE": "file:/var/log/clicks"}, "source", "file:/var/log/clicks"),
    ({"CLICKS_SOURCE": ""}, "source", "demo:"),
    (
        {"REDIS_URL": "rediss://user:secret@redis.example:6380/0"},
        "redis_url",
        "rediss://user:secret@redis.example:6380/0",
    ),
    ({"CLICKS_SHARDS": "64"}, "shards", 64),
    ({"CLICKS_PUBLISH_EVERY": "0.5s"}, "publish_every_ms", 500),
    ({"CLICKS_PUBLISH_EVERY": "1m30s"}, "publish_every_ms", 90_000),
    ({"CLICKS_MASK_IP": "1"}, "mask_ip", True),
    ({"CLICKS_SOURCE": "kafka:a:9092,b:9092/clicks"}, "log", "kafka:clicks"),
    ({"CLICKS_SOURCE": "file:a/b"}, "log", "file:a/b"),
    ({"KAFKA_SASL_USERNAME": "u", "KAFKA_EMPTY": ""}, "kafka", {"sasl.username": "u"}),
]

REFUSES = [
    (
        "CLICKS_SOURCE",
        "kafka:topic",
        "CLICKS_SOURCE is 'kafka:topic': set it to demo:, file:PATH or kafka:BROKERS/TOPIC",
    ),
    (
        "CLICKS_SOURCE",
        "http://x",
        "CLICKS_SOURCE is 'http://x': set it to demo:, file:PATH or kafka:BROKERS/TOPIC",
    ),
    ("CLICKS_SOURCE", "file:", "CLICKS_SOURCE is 'file:': set it to demo:, file:PATH or kafka:BROKERS/TOPIC"),
    ("REDIS_URL", "http://u:pw@x", "REDIS_URL is 'http': start it with redis://, rediss:// (TLS) or unix://"),
    (
        "REDIS_URL",
        "localhost:6379",
        "REDIS_URL is 'no URL': start it with redis://, rediss:// (TLS) or unix://",
    ),
    ("CLICKS_SHARDS", "0", "CLICKS_SHARDS is '0': set it to a whole number from 1 to 4096"),
    ("CLICKS_SHARDS", "many", "CLICKS_SHARDS is 'many': set it to a whole number from 1 to 4096"),
    (
        "CLICKS_PUBLISH_EVERY",
        "soon",
        "CLICKS_PUBLISH_EVERY is 'soon': set it to a duration from 0.1s to 1h, such as 1s",
    ),
    (
        "CLICKS_PUBLISH_EVERY",
        "2h",
        "CLICKS_PUBLISH_EVERY is '2h': set it to a duration from 0.1s to 1h, such as 1s",
    ),
    ("CLICKS_LOG_FORMAT", "xml", "CLICKS_LOG_FORMAT is 'xml': set it to text or json"),
    ("CLICKS_MASK_IP", "yes", "CLICKS_MASK_IP is 'yes': set it to 0 or 1"),
    (
        "CLICKS_OFFERS_TOPIC",
        "special-offers",
        "KAFKA_BOOTSTRAP_SERVERS is '': CLICKS_OFFERS_TOPIC needs brokers, set it to theirs, such as "
        "localhost:9092",
    ),
    (
        "CLICKS_REJECTED_TOPIC",
        "re/jected",
        "CLICKS_REJECTED_TOPIC is 're/jected': set it to the name of a Kafka topic",
    ),
]


@pytest.mark.parametrize(("env", "name", "value"), READS)
def test_reads(env: dict[str, str], name: str, value: Any) -> None:
    assert getattr(Settings.from_env(env), name) == value


@pytest.mark.parametrize(("variable", "value", "line"), REFUSES)
def test_refuses_with_one_line(variable: str, value: str, line: str) -> None:
    with pytest.raises(SettingsError) as error:
        Settings.from_env({variable: value})
    assert str(error.value) == line


@pytest.mark.parametrize(
    ("env", "brokers", "topics"),
    [
        ({"CLICKS_SOURCE": "kafka:a:1,b:2/clicks"}, "a:1,b:2", {}),
        (
            {
                "CLICKS_SOURCE": "kafka:a:1/clicks",
                "CLICKS_OFFERS_TOPIC": "o",
                "KAFKA_BOOTSTRAP_SERVERS": "b:2",
            },
            "a:1",
            {"special_offers": "o"},
        ),
        ({"CLICKS_REJECTED_TOPIC": "r", "KAFKA_BOOTSTRAP_SERVERS": "b:2"}, "b:2", {"rejected": "r"}),
    ],
)
def test_topics(env: dict[str, str], brokers: str, topics: dict[str, str]) -> None:
    settings = Settings.from_env(env)
    assert (settings.brokers, settings.topics) == (brokers, topics)


@pytest.mark.parametrize("topics", [{"OFFERS": "clicks"}, {"OFFERS": "same", "REJECTED": "same"}])
def test_topics_are_different_ones(topics: dict[str, str]) -> None:
    env = {f"CLICKS_{name}_TOPIC": topic for name, topic in topics.items()}
    with pytest.raises(SettingsError) as error:
        Settings.from_env({"CLICKS_SOURCE": "kafka:a:1/clicks", **env})
    name, topic = list(env.items())[-1]
    assert str(error.value) == f"{name} is '{topic}': set it to a topic of its own"


def test_the_line_is_all_that_a_user_sees() -> None:
    command = [sys.executable, "-m", "bytewax.run", "flows.clicks"]
    ended = subprocess.run(command, env={"CLICKS_SHARDS": "x"}, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == "CLICKS_SHARDS is 'x': set it to a whole number from 1 to 4096\n"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("8h30m", 30_600),
        ("90s", 90),
        ("0.25s", 0.25),
        ("1h1m1s", 3661),
        ("", None),
        ("5", None),
        ("s", None),
        ("m5", None),
    ],
)
def test_durations(text: str, seconds: float | None) -> None:
    assert duration_s(text) == seconds
