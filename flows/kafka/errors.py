"""What Kafka's errors mean to a flow: which are waited for, and the line with which the others end it.

`kind(code)` is OUTAGE for what waiting heals (no broker, no leader yet, a coordinator that starts), OURS for
what only a wrong call or setting of the client's can bring about, and FINAL for everything else, so also for
codes that are not known yet: a flow that ends with the broker's own words beats one that waits for ever.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple, NoReturn

from confluent_kafka import KafkaError, KafkaException

from flows.runtime.exits import Kind, fail, one_line

UNKNOWN = {KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC, KafkaError._UNKNOWN_PARTITION}
# Nobody is there, or nobody answers.
DOWN = {
    KafkaError._ALL_BROKERS_DOWN,
    KafkaError._TRANSPORT,
    KafkaError._RESOLVE,
    KafkaError._TIMED_OUT,
    KafkaError._TIMED_OUT_QUEUE,
    KafkaError._FAIL,
    KafkaError.NETWORK_EXCEPTION,
    KafkaError.REQUEST_TIMED_OUT,
}
# There is someone who cannot answer yet.
_NOT_READY = {
    KafkaError._DESTROY_BROKER,
    KafkaError._IN_PROGRESS,
    KafkaError._INTR,
    KafkaError._ISR_INSUFF,
    KafkaError._MSG_TIMED_OUT,
    KafkaError._NODE_UPDATE,
    KafkaError._OUTDATED,
    KafkaError._PARTIAL,
    KafkaError._PREV_IN_PROGRESS,
    KafkaError._PURGE_INFLIGHT,
    KafkaError._PURGE_QUEUE,
    KafkaError._QUEUE_FULL,
    KafkaError._RETRY,
    KafkaError._UNKNOWN_BROKER,
    KafkaError._WAIT_CACHE,
    KafkaError._WAIT_COORD,
    KafkaError.BROKER_NOT_AVAILABLE,
    KafkaError.CONCURRENT_TRANSACTIONS,
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.ELIGIBLE_LEADERS_NOT_AVAILABLE,
    KafkaError.FENCED_LEADER_EPOCH,
    KafkaError.FETCH_SESSION_ID_NOT_FOUND,
    KafkaError.INCONSISTENT_TOPIC_ID,
    KafkaError.INVALID_FETCH_SESSION_EPOCH,
    KafkaError.KAFKA_STORAGE_ERROR,
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.LISTENER_NOT_FOUND,
    KafkaError.NOT_CONTROLLER,
    KafkaError.NOT_COORDINATOR,
    KafkaError.NOT_ENOUGH_REPLICAS,
    KafkaError.NOT_ENOUGH_REPLICAS_AFTER_APPEND,
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.OFFSET_NOT_AVAILABLE,
    KafkaError.OPERATION_NOT_ATTEMPTED,
    KafkaError.PREFERRED_LEADER_NOT_AVAILABLE,
    KafkaError.REASSIGNMENT_IN_PROGRESS,
    KafkaError.REBALANCE_IN_PROGRESS,
    KafkaError.REBOOTSTRAP_REQUIRED,
    KafkaError.REPLICA_NOT_AVAILABLE,
    KafkaError.STALE_BROKER_EPOCH,
    KafkaError.STALE_CTRL_EPOCH,
    KafkaError.THROTTLING_QUOTA_EXCEEDED,
    KafkaError.UNKNOWN_LEADER_EPOCH,
    KafkaError.UNKNOWN_TOPIC_ID,
    KafkaError.UNSTABLE_OFFSET_COMMIT,
}
_OURS = {
    KafkaError._APPLICATION,
    KafkaError._ASSIGN_PARTITIONS,
    KafkaError._ASSIGNMENT_LOST,
    KafkaError._CONFLICT,
    KafkaError._DESTROY,
    KafkaError._EXISTING_SUBSCRIPTION,
    KafkaError._GAPLESS_GUARANTEE,
    KafkaError._INCONSISTENT,
    KafkaError._INVALID_ARG,
    KafkaError._INVALID_TYPE,
    KafkaError._KEY_DESERIALIZATION,
    KafkaError._KEY_SERIALIZATION,
    KafkaError._MAX_POLL_EXCEEDED,
    KafkaError._NOENT,
    KafkaError._NOOP,
    KafkaError._NOT_CONFIGURED,
    KafkaError._NO_OFFSET,
    KafkaError._READ_ONLY,
    KafkaError._REVOKE_PARTITIONS,
    KafkaError._STATE,
    KafkaError._UNDERFLOW,
    KafkaError._UNKNOWN_GROUP,
    KafkaError._UNKNOWN_PROTOCOL,
    KafkaError._VALUE_DESERIALIZATION,
    KafkaError._VALUE_SERIALIZATION,
}
_LOGIN = {
    KafkaError._AUTHENTICATION,
    KafkaError.DELEGATION_TOKEN_AUTH_DISABLED,
    KafkaError.DELEGATION_TOKEN_EXPIRED,
    KafkaError.DELEGATION_TOKEN_NOT_FOUND,
    KafkaError.DELEGATION_TOKEN_OWNER_MISMATCH,
    KafkaError.DELEGATION_TOKEN_REQUEST_NOT_ALLOWED,
    KafkaError.ILLEGAL_SASL_STATE,
    KafkaError.SASL_AUTHENTICATION_FAILED,
    KafkaError.SECURITY_DISABLED,
    KafkaError.UNACCEPTABLE_CREDENTIAL,
    KafkaError.UNSUPPORTED_SASL_MECHANISM,
}
_FORBIDDEN = {
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    KafkaError.DELEGATION_TOKEN_AUTHORIZATION_FAILED,
    KafkaError.GROUP_AUTHORIZATION_FAILED,
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
}
# Offsets are committed without joining the group: a broker takes them only while it has no members.
_HELD = {
    KafkaError.FENCED_INSTANCE_ID,
    KafkaError.FENCED_MEMBER_EPOCH,
    KafkaError.ILLEGAL_GENERATION,
    KafkaError.INCONSISTENT_GROUP_PROTOCOL,
    KafkaError.MEMBER_ID_REQUIRED,
    KafkaError.NON_EMPTY_GROUP,
    KafkaError.STALE_MEMBER_EPOCH,
    KafkaError.UNKNOWN_MEMBER_ID,
    KafkaError.UNRELEASED_INSTANCE_ID,
}


def kind(code: int) -> Kind:
    """Return what an error code calls for."""
    if code in DOWN | _NOT_READY:
        return Kind.OUTAGE
    return Kind.OURS if code in _OURS else Kind.FINAL


class Place(NamedTuple):
    """Where a client works: its brokers, its topic, the variable that names that, and the rights it needs."""

    brokers: str
    topic: str
    variable: str
    rights: str
    group: str = ""

    def verdict(self, error: KafkaError, *, met: bool) -> str | None:
        """Return the line for an answer that ends the flow, None for what is waited for.

        `met`: the broker has answered before, so that its certificate was right.
        """
        code, text = error.code(), one_line(error.str())
        if kind(code) is Kind.OUTAGE or (code in _LOGIN and "transport failure" in text):
            return None
        return None if code == KafkaError._SSL and met else self.line(error)

    def verdict_overheard(self, error: KafkaError, *, met: bool) -> str | None:
        """Return the line for what a connection says that no waiting can heal, or None.

        A connection may say more than it means while brokers come and go: only what is certain counts here.
        """
        certain = error.code() in UNKNOWN | _LOGIN | _FORBIDDEN | {KafkaError._SSL}
        return self.verdict(error, met=met) if certain else None

    def line(self, error: KafkaError) -> str:
        """Return the line that ends a flow for an answer that is no outage."""
        code, text, where = error.code(), one_line(error.str()), f"Kafka at {self.brokers}"
        if code in UNKNOWN:
            return f"{where} has no topic {self.topic!r}: create it, or correct {self.variable}"
        if code in _LOGIN:
            return f"{where} refuses the login: {text}: correct KAFKA_SECURITY_PROTOCOL and KAFKA_SASL_..."
        if code == KafkaError._SSL:
            return f"{where}: no TLS: {text}: correct KAFKA_SECURITY_PROTOCOL and KAFKA_SSL_..."
        if code in _FORBIDDEN:
            return f"{where} forbids it: {text}: allow {self.rights}"
        if code in _HELD:
            return (
                f"Kafka's group {self.group!r} is held by another application ({text}): set KAFKA_GROUP_ID "
                "to a group of this flow's own"
            )
        if code == KafkaError.TOPIC_EXCEPTION:
            return f"{where} takes {self.topic!r} for no topic's name ({text}): correct {self.variable}"
        if kind(code) is Kind.OURS:
            return f"Kafka's client: {text}: correct the KAFKA_ variables, or report it if there are none"
        return f"{where} answers {text!r}, which no waiting heals: see its log, then start the flow again"


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


def is_read(error: KafkaError | None) -> bool:
    """Return whether a partition is being read that gave this error, or a record."""
    return error is None or error.code() == KafkaError._PARTITION_EOF
