"""What the operators of one flow share: who holds which shard, their state, and the metrics of the board."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from flows.metrics.metric import Metric
from flows.shards.cluster import Cluster
from flows.state.state import State


@dataclass(frozen=True)
class Shards:
    """One a flow and process; `metrics` by the names of their operators, in the order of the flow."""

    cluster: Cluster
    state: State
    metrics: dict[str, Metric[Any]] = field(default_factory=dict)
