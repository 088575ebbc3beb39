"""Every setting's default, forms and one-line errors."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from flows.runtime.exits import SettingsError
from flows.settings import Settings, duration_s, unknown_variables

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
    ({"CLICKS_KEEP": "1m"}, "keep_ms", 60_000),
    ({}, "keep_ms", 86_400_000),
    ({}, "begin_ms", None),
    ({"CLICKS_FROM": "beginning"}, "begin_ms", 0),
    ({"CLICKS_FROM": "2024-03-01T12:00:00Z"}, "begin_ms", 1_709_294_400_000),
    ({"CLICKS_FROM": "2024-03-01 13:00:00.5+01:00"}, "begin_ms", 1_709_294_400_500),
    ({"CLICKS_FROM": "2024-03-01"}, "begin_ms", 1_709_251_200_000),
    ({"CLICKS_MASK_IP": "1"}, "mask_ip", True),
    ({}, "bots_apart", True),
    ({"CLICKS_BOTS": "apart"}, "bots_apart", True),
    ({"CLICKS_BOTS": "count"}, "bots_apart", False),
    ({}, "show_visitors", True),
    ({"CLICKS_SHOW_VISITORS": "0"}, "show_visitors", False),
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
        "CLICKS_SOURCE",
        "kafka://localhost:9092/clicks",
        "CLICKS_SOURCE is 'kafka://localhost:9092/clicks': write it without slashes, as "
        "kafka:localhost:9092/clicks",
    ),
    (
        "CLICKS_SOURCE",
        "kafka:me:s3cret@localhost:9092/clicks",
        "CLICKS_SOURCE has a login in it: set KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD instead",
    ),
    *(
        (
            "CLICKS_SOURCE",
            f"kafka:localhost:9092/{topic}",
            f"CLICKS_SOURCE is 'kafka:localhost:9092/{topic}': its topic is no name that Kafka takes, set it "
            "to kafka:BROKERS/TOPIC",
        )
        for topic in ("my topic", "..", "x" * 250)
    ),
    *(
        (name, text, f"{name} is no UTF-8: set it to a text that is; a file may have a link of such a name")
        for name, text in (("CLICKS_SOURCE", "file:/tmp/\udcff"), ("CLICKS_STATE_DIR", "\udce9tat"))
    ),
    *(
        (name, text, f"{name} begins or ends with a blank or a line end (of Windows?): remove it")
        for name, text in (
            ("CLICKS_SOURCE", "kafka:localhost:9092/t\r"),
            ("KAFKA_GROUP_ID", "\r"),
            ("KAFKA_SASL_PASSWORD", " s3cret"),
            ("REDIS_URL", "redis://:s3cret@h\n"),
        )
    ),
    *(
        ("CLICKS_KEEP", text, f"CLICKS_KEEP is '{text}': set it to a duration from 1m to 8760h, such as 24h")
        for text in ("59s", "8761h", "a day")
    ),
    (
        "CLICKS_PUBLISH_EVERY",
        "2h",
        "CLICKS_PUBLISH_EVERY is '2h': set it to a duration from 0.1s to 1h, such as 1s",
    ),
    ("CLICKS_LOG_FORMAT", "xml", "CLICKS_LOG_FORMAT is 'xml': set it to text or json"),
    (
        "CLICKS_FROM",
        "yesterday",
        "CLICKS_FROM is 'yesterday': set it to beginning, or to a moment such as 2026-03-01T12:00:00Z",
    ),
    (
        "CLICKS_FROM",
        "1969-03-01",
        "CLICKS_FROM is '1969-03-01': set it to beginning, or to a moment after 1970",
    ),
    ("CLICKS_MASK_IP", "yes", "CLICKS_MASK_IP is 'yes': set it to 0 or 1"),
    ("CLICKS_BOTS", "no", "CLICKS_BOTS is 'no': set it to apart or count"),
    ("CLICKS_SHOW_VISITORS", "no", "CLICKS_SHOW_VISITORS is 'no': set it to 0 or 1"),
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


def test_a_slip_of_the_pen_is_told() -> None:
    env = {"CLICKS_PUBLISH_EVRY": "1s", "CLICKS_X": "1", "CLICKS_SHARDS": "2", "KAFKA_ANYTHING": "1"}
    env |= {"CLICKS_PORT_9999_TCP": "tcp://10.0.0.1:9999", "CLICKS_METRICS_SERVICE_HOST": "10.0.0.1"}
    assert unknown_variables(env) == [
        "CLICKS_PUBLISH_EVRY is no variable of this flow: is CLICKS_PUBLISH_EVERY meant?",
        "CLICKS_X is no variable of this flow: remove it",
    ]


def test_a_certificate_may_end_with_a_line_end() -> None:
    pem = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
    assert Settings.from_env({"KAFKA_SSL_CA_PEM": pem}).kafka == {"ssl.ca.pem": pem}
