"""A real Apache Kafka for tests: one node in KRaft mode, from the jars that `make kafka` brings."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from tests.support.brokers import Server
from tests.support.servers import free_port

JARS = Path(__file__).parents[2] / ".cache" / "kafka"

_JAVA = ["-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
_QUIET = "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"
_SETTINGS = """
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{control}
listeners=CLIENT://127.0.0.1:{port},CONTROL://127.0.0.1:{control}
advertised.listeners=CLIENT://127.0.0.1:{port}
inter.broker.listener.name=CLIENT
controller.listener.names=CONTROL
listener.security.protocol.map=CLIENT:PLAINTEXT,CONTROL:PLAINTEXT
log.dirs={directory}/log
log.retention.ms=-1
auto.create.topics.enable=true
group.initial.rebalance.delay.ms=0
offsets.topic.num.partitions=1
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
"""


def missing() -> str:
    """Return why there can be no Apache Kafka here, "" if there can."""
    if shutil.which("java") is None:
        return "no java in the PATH"
    return "" if list(JARS.glob("kafka_*.jar")) else "no Apache Kafka in .cache/kafka: run `make kafka`"


class Apache(Server):
    """An Apache Kafka that keeps its log and its groups' offsets across restarts, until it is left.

    It deletes no record for its age: tests have records of 1970.
    """

    start_s = 60.0

    def __init__(self) -> None:
        super().__init__()
        settings = _SETTINGS.format(port=self.port, control=free_port(), directory=self.directory.name)
        self._settings = Path(self.directory.name) / "server.properties"
        self._settings.write_text(settings)
        formatting = [*self._java("kafka.tools.StorageTool"), "format", "-t", "AAAAAAAAAAAAAAAAAAAAAQ"]
        subprocess.run([*formatting, "-c", str(self._settings)], check=True, capture_output=True)

    def command(self) -> list[str]:
        """Return the command that is the broker."""
        return [*self._java("kafka.Kafka"), str(self._settings)]

    def lose(self, topic: str) -> None:
        """Empty the log of a topic's first partition, while the broker is stopped; its id stays."""
        for file in (Path(self.directory.name) / "log" / f"{topic}-0").iterdir():
            if file.name != "partition.metadata":
                file.unlink()

    def _java(self, main: str) -> list[str]:
        return ["java", *_JAVA, _QUIET, "-cp", f"{JARS}/*", main]
