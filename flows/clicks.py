"""The click analytics dataflow: `python -m bytewax.run flows.clicks`.

Each panel of the dashboard is one windowed operator over the clicks of a shard; the board puts their figures
together once a second and goes to Redis.
"""

from __future__ import annotations

import functools
import gc
import logging
import os
import sys

import bytewax.operators as op
from bytewax.dataflow import Dataflow

from flows.entries.outbox import Receipts
from flows.ingest.decode import decode
from flows.ingest.split import by_age, by_page, by_visitor
from flows.journeys.metric import Journeys
from flows.journeys.table import JOURNEYS, check
from flows.metrics.categories import Categories
from flows.metrics.devices import Devices
from flows.metrics.latest import Latest, Raw
from flows.metrics.pages import Pages
from flows.metrics.sessions import Sessions
from flows.metrics.totals import Totals
from flows.metrics.visitors import Visitors
from flows.operators.board import board
from flows.operators.meet import meet
from flows.operators.windowed import admitted, windowed
from flows.runtime.log_lines import set_up
from flows.runtime.ports import check_ports
from flows.runtime.signals import stop_on_signals
from flows.runtime.telemetry import watch_state
from flows.settings import Settings, unknown_variables
from flows.shards.clock import FlowClock
from flows.shards.cluster import Cluster
from flows.sinks.redis.sink import RedisSink
from flows.sources.source import source
from flows.state.state import State


def build(settings: Settings) -> Dataflow:
    """Build the flow; nothing is opened before it runs."""
    # What a flow holds is no garbage: looking for some at Python's pace would take a twentieth of its time.
    gc.set_threshold(100_000, 50, 100)
    flow = Dataflow("clicks")
    clock = FlowClock()
    cluster = Cluster(settings.shards, clock, settings.publish_every_ms)
    state = State(settings.state_dir, settings.shards, settings.log)
    watch_state(state)
    receipts = Receipts()
    journeys = check(JOURNEYS)

    meet("workers", flow, cluster, state)
    batches = op.input("source", flow, source(settings, cluster, state))
    clicks = op.map("decode", batches, functools.partial(decode, mask_ip=settings.mask_ip))
    split = op.flat_map("by_visitor", clicks, by_visitor(cluster, journeys))
    visits = admitted("visits", split, state, directory=True)
    views = admitted("views", op.flat_map("by_page", clicks, by_page(cluster)), state)
    newest = admitted("newest", op.flat_map("by_age", clicks, by_age(cluster)), state, everywhere=False)

    reports = [
        windowed("visitors", visits, Visitors, state),
        windowed("sessions", visits, Sessions, state),
        windowed("devices", visits, Devices, state),
        windowed("pages", views, Pages, state),
        windowed("latest", newest, Latest, state, everywhere=False),
        windowed("categories", visits, Categories, state),
        windowed("raw", newest, Raw, state, everywhere=False),
        windowed("totals", visits, functools.partial(Totals, receipts), state),
        windowed("journeys", visits, functools.partial(Journeys, receipts, journeys), state),
    ]
    made = op.branch("are_entries", op.merge("reports", *reports), lambda item: isinstance(item[1], list))
    boards = board("board", made.falses, state, cluster, settings.publish_every_ms)
    entries = op.key_rm("entries", made.trues)
    op.output("redis", op.merge("out", entries, boards), RedisSink(settings, receipts, clock.now_ms))
    if settings.topics:
        # Imported here: who writes to no topic needs no client of Kafka's.
        from flows.sinks.topics.sink import TopicsSink

        op.output("topics", entries, TopicsSink(settings, receipts))
    return flow


# What the flow writes holds visitors' addresses: it is for its user alone.
os.umask(0o077)
settings = Settings.from_env()
if sys.argv[0].endswith("run.py"):
    check_ports(os.environ, sys.argv[1:], trust_network=settings.trust_network)
set_up(settings.log_format)
for line in unknown_variables():
    logging.getLogger("clicks").warning("%s", line)
# Here, since of all that Bytewax calls only this import is sure to be in the main thread.
stop_on_signals()
flow = build(settings)
