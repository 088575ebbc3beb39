"""The source that the settings name."""

from __future__ import annotations

from pathlib import Path

from bytewax.inputs import FixedPartitionedSource

from flows.model.batch import Batch
from flows.settings import Settings
from flows.shards.cluster import Cluster
from flows.sources.demo import DemoSource
from flows.sources.file import FileSource
from flows.sources.shop.shop import Shop
from flows.state.state import State


def source(settings: Settings, cluster: Cluster, state: State) -> FixedPartitionedSource[Batch, int | None]:
    """Return the source that `settings` name; raises SettingsError if its options are wrong."""
    kind, _, rest = settings.source.partition(":")
    if kind == "demo":
        return DemoSource(Shop.parse(settings.source), cluster, state, settings.publish_every_ms)
    if kind == "file":
        return FileSource(Path(rest), cluster, state, settings.publish_every_ms)
    # Imported here, since flows.sources.kafka builds on this module.
    from flows.sources.kafka import KafkaSource

    return KafkaSource(settings, cluster, state)
