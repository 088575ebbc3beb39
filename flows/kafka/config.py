"""librdkafka's settings: those of the user, and what the flow needs."""

from __future__ import annotations

from flows.kafka.errors import variable
from flows.runtime.exits import fail
from flows.settings import Settings


def consumer_config(brokers: str, settings: Settings) -> dict[str, str]:
    """Return librdkafka's settings; ends the flow with one line if a KAFKA_ variable contradicts the flow."""
    return client_config(brokers, settings, _DEFAULTS, _FIXED)


def client_config(
    brokers: str, settings: Settings, defaults: dict[str, str], fixed: dict[str, str]
) -> dict[str, str]:
    """Return librdkafka's settings of any client; a consumer passes over those of a producer, and so on.

    Ends the flow with one line if a KAFKA_ variable contradicts what is `fixed`.
    """
    given = dict(settings.kafka)
    for name, value in fixed.items():
        if given.get(name, value).lower() != value:
            fail(f"{variable(name)} is {given[name]!r}: unset it, the flow needs {value!r}")
    # librdkafka would print a line for every attempt to connect; the flow says what matters.
    quiet = {} if "debug" in given else {"log_level": "0"}
    return defaults | quiet | given | fixed | {"bootstrap.servers": brokers}


_DEFAULTS = {
    "group.id": "clicks",
    "client.id": "clicks",
    "queued.max.messages.kbytes": "32768",
    # A longer wait for records keeps everything else that is asked of the broker waiting too.
    "fetch.wait.max.ms": "200",
    "reconnect.backoff.max.ms": "1000",
    # How long a fetch is put off once enough is queued: in the second it is by default, all is used up.
    "fetch.queue.backoff.ms": "20",
}


_FIXED = {"enable.auto.commit": "false", "enable.partition.eof": "true", "auto.offset.reset": "error"}
