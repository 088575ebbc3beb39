"""What Kafka's errors mean to a flow: which no waiting can heal, and the line that then ends it."""

from __future__ import annotations

import re
from typing import Any, NamedTuple, NoReturn

from confluent_kafka import KafkaError, KafkaException

from flows.failing import fail, one_line

UNKNOWN = {KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC, KafkaError._UNKNOWN_PARTITION}
LOGIN = {KafkaError._AUTHENTICATION, KafkaError.SASL_AUTHENTICATION_FAILED}
FORBIDDEN = {
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.GROUP_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
}
DOWN = {KafkaError._ALL_BROKERS_DOWN, KafkaError._TRANSPORT, KafkaError._RESOLVE, KafkaError._TIMED_OUT}


class Place(NamedTuple):
    """Where a client works: its brokers, its topic, the variable that names that, and the rights it needs."""

    brokers: str
    topic: str
    variable: str
    rights: str

    def hopeless(self, error: KafkaError, *, met: bool) -> str | None:
        """Return the line for an error that no waiting can heal, or None; `met`: the broker has answered."""
        code, text, where = error.code(), one_line(error.str()), f"Kafka at {self.brokers}"
        if code in UNKNOWN:
            return f"{where} has no topic {self.topic!r}: create it, or correct {self.variable}"
        if code in LOGIN and "transport failure" not in text:
            return f"{where} refuses the login: {text}: correct KAFKA_SECURITY_PROTOCOL and KAFKA_SASL_..."
        if code == KafkaError._SSL and not met:
            return f"{where}: no TLS: {text}: correct KAFKA_SECURITY_PROTOCOL and KAFKA_SSL_..."
        if code in FORBIDDEN:
            return f"{where} forbids it: {text}: allow {self.rights}"
        return None


def variable(name: str) -> str:
    """Return the environment variable that sets a librdkafka property."""
    return f"KAFKA_{name.upper().replace('.', '_')}"


def wrong_setting(error: KafkaException) -> NoReturn:
    """End the flow with the line for settings that librdkafka does not take."""
    text = one_line(error.args[0].str())
    name = re.search(r'property[^"]*"([^"]+)"', text)
    fail(f"{variable(name[1]) if name else 'a KAFKA_ variable'}: {text}: correct or unset it")


def checked(answers: list[Any]) -> list[Any]:
    """Return answers of the broker; raises KafkaException if one is an error."""
    for answer in answers:
        if answer.error is not None:
            raise KafkaException(answer.error)
    return answers
