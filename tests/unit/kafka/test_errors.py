"""Every error of librdkafka is classed on purpose, and the line of those that end the flow is true."""

from __future__ import annotations

import pytest
from confluent_kafka import KafkaError

from flows.kafka.errors import Place, kind
from flows.runtime.exits import Kind


def names(text: str) -> list[str]:
    return text.split()


CODES = {
    name: getattr(KafkaError, name)
    for name in dir(KafkaError)
    if name.strip("_").isupper() and name != "NO_ERROR"
}
OUTAGE = names(
    """
    BROKER_NOT_AVAILABLE CONCURRENT_TRANSACTIONS COORDINATOR_LOAD_IN_PROGRESS COORDINATOR_NOT_AVAILABLE
    ELIGIBLE_LEADERS_NOT_AVAILABLE FENCED_LEADER_EPOCH FETCH_SESSION_ID_NOT_FOUND INCONSISTENT_TOPIC_ID
    INVALID_FETCH_SESSION_EPOCH KAFKA_STORAGE_ERROR LEADER_NOT_AVAILABLE LISTENER_NOT_FOUND
    NETWORK_EXCEPTION NOT_CONTROLLER NOT_COORDINATOR NOT_ENOUGH_REPLICAS NOT_ENOUGH_REPLICAS_AFTER_APPEND
    NOT_LEADER_FOR_PARTITION OFFSET_NOT_AVAILABLE OPERATION_NOT_ATTEMPTED PREFERRED_LEADER_NOT_AVAILABLE
    REASSIGNMENT_IN_PROGRESS REBALANCE_IN_PROGRESS REBOOTSTRAP_REQUIRED REPLICA_NOT_AVAILABLE
    REQUEST_TIMED_OUT STALE_BROKER_EPOCH STALE_CTRL_EPOCH THROTTLING_QUOTA_EXCEEDED UNKNOWN_LEADER_EPOCH
    UNKNOWN_TOPIC_ID UNSTABLE_OFFSET_COMMIT _ALL_BROKERS_DOWN _DESTROY_BROKER _FAIL _INTR _IN_PROGRESS
    _ISR_INSUFF _MSG_TIMED_OUT _NODE_UPDATE _OUTDATED _PARTIAL _PREV_IN_PROGRESS _PURGE_INFLIGHT
    _PURGE_QUEUE _QUEUE_FULL _RESOLVE _RETRY _TIMED_OUT _TIMED_OUT_QUEUE _TRANSPORT _UNKNOWN_BROKER
    _WAIT_CACHE _WAIT_COORD
    """
)
OURS = names(
    """
    _APPLICATION _ASSIGNMENT_LOST _ASSIGN_PARTITIONS _CONFLICT _DESTROY _EXISTING_SUBSCRIPTION
    _GAPLESS_GUARANTEE _INCONSISTENT _INVALID_ARG _INVALID_TYPE _KEY_DESERIALIZATION _KEY_SERIALIZATION
    _MAX_POLL_EXCEEDED _NOENT _NOOP _NOT_CONFIGURED _NO_OFFSET _READ_ONLY _REVOKE_PARTITIONS _STATE
    _UNDERFLOW _UNKNOWN_GROUP _UNKNOWN_PROTOCOL _VALUE_DESERIALIZATION _VALUE_SERIALIZATION
    """
)
FINAL = names(
    """
    CLUSTER_AUTHORIZATION_FAILED DELEGATION_TOKEN_AUTHORIZATION_FAILED DELEGATION_TOKEN_AUTH_DISABLED
    DELEGATION_TOKEN_EXPIRED DELEGATION_TOKEN_NOT_FOUND DELEGATION_TOKEN_OWNER_MISMATCH
    DELEGATION_TOKEN_REQUEST_NOT_ALLOWED DUPLICATE_RESOURCE DUPLICATE_SEQUENCE_NUMBER DUPLICATE_VOTER
    ELECTION_NOT_NEEDED FEATURE_UPDATE_FAILED FENCED_INSTANCE_ID FENCED_MEMBER_EPOCH FENCED_STATE_EPOCH
    GROUP_AUTHORIZATION_FAILED GROUP_ID_NOT_FOUND GROUP_MAX_SIZE_REACHED GROUP_SUBSCRIBED_TO_TOPIC
    ILLEGAL_GENERATION ILLEGAL_SASL_STATE INCONSISTENT_GROUP_PROTOCOL INCONSISTENT_VOTER_SET
    INVALID_COMMIT_OFFSET_SIZE INVALID_CONFIG INVALID_GROUP_ID INVALID_MSG INVALID_MSG_SIZE
    INVALID_PARTITIONS INVALID_PRINCIPAL_TYPE INVALID_PRODUCER_EPOCH INVALID_PRODUCER_ID_MAPPING
    INVALID_RECORD INVALID_RECORD_STATE INVALID_REGISTRATION INVALID_REGULAR_EXPRESSION
    INVALID_REPLICATION_FACTOR INVALID_REPLICA_ASSIGNMENT INVALID_REQUEST INVALID_REQUIRED_ACKS
    INVALID_SESSION_TIMEOUT INVALID_SHARE_SESSION_EPOCH INVALID_TIMESTAMP INVALID_TRANSACTION_TIMEOUT
    INVALID_TXN_STATE INVALID_UPDATE_VERSION INVALID_VOTER_KEY LOG_DIR_NOT_FOUND MEMBER_ID_REQUIRED
    MISMATCHED_ENDPOINT_TYPE MSG_SIZE_TOO_LARGE NON_EMPTY_GROUP NO_REASSIGNMENT_IN_PROGRESS
    OFFSET_METADATA_TOO_LARGE OFFSET_OUT_OF_RANGE OUT_OF_ORDER_SEQUENCE_NUMBER POLICY_VIOLATION
    PRINCIPAL_DESERIALIZATION_FAILURE PRODUCER_FENCED RECORD_LIST_TOO_LARGE RESOURCE_NOT_FOUND
    SASL_AUTHENTICATION_FAILED SECURITY_DISABLED SHARE_SESSION_LIMIT_REACHED SHARE_SESSION_NOT_FOUND
    STALE_MEMBER_EPOCH STREAMS_INVALID_TOPOLOGY STREAMS_INVALID_TOPOLOGY_EPOCH STREAMS_TOPOLOGY_FENCED
    TELEMETRY_TOO_LARGE TOPIC_ALREADY_EXISTS TOPIC_AUTHORIZATION_FAILED TOPIC_DELETION_DISABLED
    TOPIC_EXCEPTION TRANSACTIONAL_ID_AUTHORIZATION_FAILED TRANSACTION_ABORTABLE
    TRANSACTION_COORDINATOR_FENCED UNACCEPTABLE_CREDENTIAL UNKNOWN UNKNOWN_CONTROLLER_ID
    UNKNOWN_MEMBER_ID UNKNOWN_PRODUCER_ID UNKNOWN_SUBSCRIPTION_ID UNKNOWN_TOPIC_OR_PART
    UNRELEASED_INSTANCE_ID UNSUPPORTED_ASSIGNOR UNSUPPORTED_COMPRESSION_TYPE UNSUPPORTED_ENDPOINT_TYPE
    UNSUPPORTED_FOR_MESSAGE_FORMAT UNSUPPORTED_SASL_MECHANISM UNSUPPORTED_VERSION VOTER_NOT_FOUND
    _AUTHENTICATION _AUTO_OFFSET_RESET _BAD_COMPRESSION _BAD_MSG _CRIT_SYS_RESOURCE _FATAL _FENCED _FS
    _INVALID_DIFFERENT_RECORD _LOG_TRUNCATION _NOT_IMPLEMENTED _PARTITION_EOF _SSL _UNKNOWN_PARTITION
    _UNKNOWN_TOPIC _UNSUPPORTED_FEATURE
    """
)
PLACE = Place("kafka:9092", "clicks", "CLICKS_SOURCE", "reading of topic 'clicks' and of the group", "shop")
WORDS = {
    "UNKNOWN_TOPIC_OR_PART": "Kafka at kafka:9092 has no topic 'clicks': create it, or correct CLICKS_SOURCE",
    "SASL_AUTHENTICATION_FAILED": (
        "Kafka at kafka:9092 refuses the login: Broker: SASL Authentication failed: correct "
        "KAFKA_SECURITY_PROTOCOL and KAFKA_SASL_..."
    ),
    "_SSL": (
        "Kafka at kafka:9092: no TLS: Local: SSL error: correct KAFKA_SECURITY_PROTOCOL and KAFKA_SSL_..."
    ),
    "GROUP_AUTHORIZATION_FAILED": (
        "Kafka at kafka:9092 forbids it: Broker: Group authorization failed: allow reading of topic 'clicks' "
        "and of the group"
    ),
    "UNKNOWN_MEMBER_ID": (
        "Kafka's group 'shop' is held by another application (Broker: Unknown member): set KAFKA_GROUP_ID to "
        "a group of this flow's own"
    ),
    "TOPIC_EXCEPTION": (
        "Kafka at kafka:9092 takes 'clicks' for no topic's name (Broker: Invalid topic): correct "
        "CLICKS_SOURCE"
    ),
    "POLICY_VIOLATION": (
        "Kafka at kafka:9092 answers 'Broker: Policy violation', which no waiting heals: see its log, then "
        "start the flow again"
    ),
    "_INVALID_ARG": (
        "Kafka's client: Local: Invalid argument or configuration: correct the KAFKA_ variables, or report "
        "it if there are none"
    ),
}


def test_every_code_is_classed_on_purpose() -> None:
    """A code that a new version of the client brings is looked at before it is added here."""
    classed = [*OUTAGE, *OURS, *FINAL]
    assert sorted(classed) == sorted(CODES)
    assert {name: kind(CODES[name]) for name in OUTAGE} == dict.fromkeys(OUTAGE, Kind.OUTAGE)
    assert {name: kind(CODES[name]) for name in OURS} == dict.fromkeys(OURS, Kind.OURS)
    assert {name: kind(CODES[name]) for name in FINAL} == dict.fromkeys(FINAL, Kind.FINAL)


@pytest.mark.parametrize("name", sorted(CODES))
def test_an_answer_is_waited_for_or_ends_the_flow_with_its_words(name: str) -> None:
    error = KafkaError(CODES[name])
    line = PLACE.verdict(error, met=False)
    assert (line is None) == (kind(error.code()) is Kind.OUTAGE)
    if name in WORDS:
        assert line == WORDS[name]
    elif line is not None:
        assert error.str() in line or "has no topic" in line
        assert "\n" not in line


def test_a_code_that_is_not_known_yet_ends_the_flow_word_for_word() -> None:
    assert kind(9999) is Kind.FINAL
    assert "'9999'" in (PLACE.verdict(KafkaError(9999, "9999"), met=True) or "")


def test_a_certificate_that_was_right_before_is_waited_for() -> None:
    assert PLACE.verdict(KafkaError(KafkaError._SSL), met=True) is None
    broken = KafkaError(KafkaError._AUTHENTICATION, "during authentication: Broker transport failure")
    assert PLACE.verdict(broken, met=False) is None


def test_what_a_connection_says_ends_the_flow_only_where_that_is_certain() -> None:
    assert PLACE.verdict_overheard(KafkaError(KafkaError.POLICY_VIOLATION), met=False) is None
    assert PLACE.verdict_overheard(KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED), met=False) is not None
