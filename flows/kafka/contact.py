"""The contact of a client with its brokers: whether they have ever answered, and why they do not now.

What they say is judged in one way for all clients: an answer that no waiting heals ends the flow with one
line; what a connection says while brokers come and go counts only where it is certain.
"""

from __future__ import annotations

from collections.abc import Container

from confluent_kafka import KafkaError

from flows.kafka.errors import DOWN, Place
from flows.runtime.exits import fail, one_line

# Errors that only say that nobody is there, and not why.
_NO_REASON = (KafkaError._ALL_BROKERS_DOWN, KafkaError._TIMED_OUT)


class Contact:
    """`met`: a broker has answered before. `reason`: why none does, in librdkafka's words.

    Errors of the codes in `patience` are waited for, whatever they say.
    """

    def __init__(self) -> None:
        self.met, self.reason = False, "no answer"
        self.patience: Container[int] = ()

    def answered(self, place: Place, error: KafkaError) -> None:
        """Take in the answer to a question; ends the flow if it is final."""
        if error.code() not in DOWN:
            self.reason = one_line(error.str())
        self._end_if(place.verdict(error, met=self.met), error)

    def overheard(self, place: Place, error: KafkaError) -> None:
        """Take in what a connection says; ends the flow if that is certain, and final."""
        if error.code() not in _NO_REASON:
            self.reason = one_line(error.str())
        self._end_if(place.verdict_overheard(error, met=self.met), error)

    def _end_if(self, line: str | None, error: KafkaError) -> None:
        if line and error.code() not in self.patience:
            fail(line)
