"""The configuration: environment variables, read once, checked at start, each with a default."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from difflib import get_close_matches
from pathlib import Path
from typing import NoReturn

from flows.model.streams import StreamName
from flows.runtime.exits import SettingsError

# The same for flow and page whatever their environment: not what TMPDIR or HOME say.
EMBEDDED_DIRECTORY, EMBEDDED_SOCKET = Path(f"/tmp/clicks-{os.geteuid()}"), "valkey.sock"
EMBEDDED_URL = f"unix://{EMBEDDED_DIRECTORY / EMBEDDED_SOCKET}"
MAX_SHARDS = 4096

# The variable that names a stream's topic.
TOPIC_VARIABLES: dict[StreamName, str] = {
    "special_offers": "CLICKS_OFFERS_TOPIC",
    "rejected": "CLICKS_REJECTED_TOPIC",
}

VARIABLES = (
    *("CLICKS_SOURCE", "CLICKS_STATE_DIR", "CLICKS_SHARDS", "CLICKS_PUBLISH_EVERY", "CLICKS_FROM"),
    *("CLICKS_KEEP", "CLICKS_MASK_IP", "CLICKS_LOG_FORMAT", "CLICKS_TRUST_NETWORK", "CLICKS_BOTS"),
    "CLICKS_SHOW_VISITORS",
    *TOPIC_VARIABLES.values(),
)

# What Kubernetes puts into the environment of every pod beside a service named `clicks` or `kafka-...`.
_SERVICE_LINK = re.compile(r"(CLICKS|KAFKA)_(.+_)?(SERVICE_(HOST|PORT)|PORT)(_.+)?", re.IGNORECASE)
_TOPIC = re.compile(r"[a-zA-Z0-9._-]{1,249}")
_DURATION = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s)?")


@dataclass(frozen=True)
class Settings:
    """What the environment says; see the README for the meaning of each variable.

    `begin_ms` is where a new Kafka group begins, since 1970; 0: where the log does; None: 8 h 30 min back.
    `keep_ms` is how long entries of streams stay in Redis.
    """

    source: str = "demo:"
    redis_url: str | None = None
    state_dir: Path = Path("state")
    shards: int = 16
    publish_every_ms: int = 1000
    begin_ms: int | None = None
    keep_ms: int = 24 * 3_600_000
    mask_ip: bool = False
    trust_network: bool = False
    bots_apart: bool = True
    show_visitors: bool = True
    log_format: str = "text"
    kafka: Mapping[str, str] = field(default_factory=dict)
    topics: Mapping[StreamName, str] = field(default_factory=dict)

    @property
    def log(self) -> str:
        """What state belongs to: the source without the addresses of its brokers."""
        kind, _, rest = self.source.partition(":")
        return f"kafka:{rest.rpartition('/')[2]}" if kind == "kafka" else self.source

    @property
    def brokers(self) -> str:
        """Where topics are: at the source's brokers, or else those of KAFKA_BOOTSTRAP_SERVERS."""
        kind, _, rest = self.source.partition(":")
        return rest.rpartition("/")[0] if kind == "kafka" else self.kafka.get("bootstrap.servers", "")

    @classmethod
    def from_env(cls, env: Mapping[str, str] = os.environ) -> Settings:
        """Read and check the variables in `env`; raises SettingsError."""
        _check_texts(env)
        settings = cls(
            source=_source(env.get("CLICKS_SOURCE") or cls.source),
            redis_url=_redis_url(env.get("REDIS_URL")),
            state_dir=Path(env.get("CLICKS_STATE_DIR") or cls.state_dir),
            shards=_shards(env.get("CLICKS_SHARDS") or str(cls.shards)),
            publish_every_ms=_publish_every(env.get("CLICKS_PUBLISH_EVERY") or "1s"),
            begin_ms=_begin(env.get("CLICKS_FROM")),
            keep_ms=_keep(env.get("CLICKS_KEEP") or "24h"),
            log_format=_log_format(env.get("CLICKS_LOG_FORMAT") or cls.log_format),
            mask_ip=_flag("CLICKS_MASK_IP", env.get("CLICKS_MASK_IP") or "0"),
            trust_network=_flag("CLICKS_TRUST_NETWORK", env.get("CLICKS_TRUST_NETWORK") or "0"),
            show_visitors=_flag("CLICKS_SHOW_VISITORS", env.get("CLICKS_SHOW_VISITORS") or "1"),
            bots_apart=_bots(env.get("CLICKS_BOTS") or "apart"),
            kafka={
                name[len("KAFKA_") :].lower().replace("_", "."): value
                for name, value in env.items()
                if name.startswith("KAFKA_") and value and not _SERVICE_LINK.fullmatch(name)
            },
            topics={stream: env[name] for stream, name in TOPIC_VARIABLES.items() if env.get(name)},
        )
        _check_topics(settings)
        return settings


def unknown_variables(env: Mapping[str, str] = os.environ) -> list[str]:
    """Return a line for each variable that is named like ours but is none: it may be a slip of the pen."""
    lines = []
    for name in sorted(env):
        if not name.startswith("CLICKS_") or name in VARIABLES or _SERVICE_LINK.fullmatch(name):
            continue
        near = get_close_matches(name, VARIABLES, 1, cutoff=0.8)
        lines.append(f"{name} is no variable of this flow: {f'is {near[0]} meant?' if near else 'remove it'}")
    return lines


def _check_texts(env: Mapping[str, str]) -> None:
    """Refuse what is no UTF-8, and blanks or line ends around a value, as files of Windows have them."""
    for name, value in env.items():
        if not name.startswith(("CLICKS_", "KAFKA_")) and name != "REDIS_URL":
            continue
        if value != value.strip() and "-----BEGIN" not in value:
            message = f"{name} begins or ends with a blank or a line end (of Windows?): remove it"
            raise SettingsError(message)
        if value.encode(errors="replace").decode() != value:
            message = f"{name} is no UTF-8: set it to a text that is; a file may have a link of such a name"
            raise SettingsError(message)


def duration_s(text: str) -> float | None:
    """Seconds in a duration such as `8h30m`, `90s` or `0.5s`; None if it is not one."""
    match = _DURATION.fullmatch(text)
    if not text or match is None:
        return None
    hours, minutes, seconds = match.groups()
    return int(hours or 0) * 3600 + int(minutes or 0) * 60 + float(seconds or 0)


def _refuse(variable: str, found: str, remedy: str) -> NoReturn:
    message = f"{variable} is {found!r}: {remedy}"
    raise SettingsError(message)


def _source(text: str) -> str:
    kind, _, rest = text.partition(":")
    brokers, _, topic = rest.rpartition("/")
    if kind == "kafka" and "@" in brokers:
        message = "CLICKS_SOURCE has a login in it: set KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD instead"
        raise SettingsError(message)
    if kind == "kafka" and rest.startswith("//"):
        _refuse("CLICKS_SOURCE", text, f"write it without slashes, as kafka:{rest.strip('/')}")
    if kind == "kafka" and brokers and (not _TOPIC.fullmatch(topic) or topic in (".", "..")):
        remedy = "its topic is no name that Kafka takes, set it to kafka:BROKERS/TOPIC"
        _refuse("CLICKS_SOURCE", text, remedy)
    if kind == "demo" and (not rest or rest.startswith("?")):
        return text
    if (kind == "file" and rest) or (kind == "kafka" and brokers and topic):
        return text
    remedy = "set it to demo:, file:PATH or kafka:BROKERS/TOPIC"
    _refuse("CLICKS_SOURCE", text, remedy)


def _redis_url(text: str | None) -> str | None:
    if not text:
        return None
    if not text.startswith(("redis://", "rediss://", "unix://")):
        # The value itself may hold a password: only its scheme is shown.
        scheme = text.partition(":")[0] if "://" in text else "no URL"
        remedy = "start it with redis://, rediss:// (TLS) or unix://"
        _refuse("REDIS_URL", scheme, remedy)
    return text


def _shards(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= MAX_SHARDS:
        _refuse("CLICKS_SHARDS", text, f"set it to a whole number from 1 to {MAX_SHARDS}")
    return int(text)


def _publish_every(text: str) -> int:
    seconds = duration_s(text)
    if seconds is None or not 0.1 <= seconds <= 3600:
        _refuse("CLICKS_PUBLISH_EVERY", text, "set it to a duration from 0.1s to 1h, such as 1s")
    return round(seconds * 1000)


def _keep(text: str) -> int:
    seconds = duration_s(text)
    if seconds is None or not 60 <= seconds <= 8760 * 3600:
        _refuse("CLICKS_KEEP", text, "set it to a duration from 1m to 8760h, such as 24h")
    return round(seconds * 1000)


def _begin(text: str | None) -> int | None:
    if not text:
        return None
    if text == "beginning":
        return 0
    try:
        # Python 3.10 reads no Z.
        moment = datetime.fromisoformat(text.replace("Z", "+00:00").replace("z", "+00:00"))
    except ValueError:
        _refuse("CLICKS_FROM", text, "set it to beginning, or to a moment such as 2026-03-01T12:00:00Z")
    begin_ms = round(moment.replace(tzinfo=moment.tzinfo or timezone.utc).timestamp() * 1000)
    if begin_ms <= 0:
        _refuse("CLICKS_FROM", text, "set it to beginning, or to a moment after 1970")
    return begin_ms


def _log_format(text: str) -> str:
    if text not in ("text", "json"):
        _refuse("CLICKS_LOG_FORMAT", text, "set it to text or json")
    return text


def _bots(text: str) -> bool:
    if text not in ("apart", "count"):
        _refuse("CLICKS_BOTS", text, "set it to apart or count")
    return text == "apart"


def _check_topics(settings: Settings) -> None:
    taken = [settings.source.rpartition("/")[2]] if settings.source.startswith("kafka:") else []
    for stream, topic in settings.topics.items():
        if not _TOPIC.fullmatch(topic):
            _refuse(TOPIC_VARIABLES[stream], topic, "set it to the name of a Kafka topic")
        if topic in taken:
            _refuse(TOPIC_VARIABLES[stream], topic, "set it to a topic of its own")
        if not settings.brokers:
            remedy = f"{TOPIC_VARIABLES[stream]} needs brokers, set it to theirs, such as localhost:9092"
            _refuse("KAFKA_BOOTSTRAP_SERVERS", "", remedy)
        taken.append(topic)


def _flag(variable: str, text: str) -> bool:
    if text not in ("0", "1"):
        _refuse(variable, text, "set it to 0 or 1")
    return text == "1"
