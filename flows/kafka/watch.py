"""A topic that becomes another one while it is read is noticed: created anew, or grown by partitions.

A consumer would go on at its old offset in the new topic, and never learn of new partitions.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import Event, Thread

from confluent_kafka import KafkaException

from flows.runtime.exits import fail

EVERY_S = 5.0
ANEW = "set CLICKS_STATE_DIR to another directory and KAFKA_GROUP_ID to another group"


class Watch(Thread):
    """Looks at a topic every EVERY_S seconds, and ends the flow with one line if it is not what it was.

    `look` returns the topic's id ("": unknown) and number of partitions, or raises KafkaException: what a
    broker that is down means to the flow, others say.
    """

    def __init__(
        self, topic: str, topic_id: str, partitions: int, look: Callable[[], tuple[str, int]]
    ) -> None:
        super().__init__(name="topic-watch", daemon=True)
        self._topic, self._id, self._partitions, self._look = topic, topic_id, partitions, look
        self._stopped = Event()

    def run(self) -> None:
        """Look until stopped."""
        while not self._stopped.wait(EVERY_S):
            try:
                topic_id, partitions = self._look()
            except KafkaException:
                continue
            if not self._stopped.is_set() and (line := self.line(topic_id, partitions)):
                fail(line)

    def line(self, topic_id: str, partitions: int) -> str | None:
        """Return the line for a topic that is found like this now, None if it is what it was."""
        if self._id and topic_id and topic_id != self._id:
            return f"the topic {self._topic!r} was deleted and created anew while it was read: {ANEW}"
        if partitions > self._partitions:
            return (
                f"the topic {self._topic!r} has {partitions} partitions by now, {self._partitions} are read: "
                "start the flow again, it goes on where it was and reads all of them"
            )
        return None

    def stop(self) -> None:
        """Look no more."""
        self._stopped.set()
