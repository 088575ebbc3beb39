"""The click analytics dataflow: `python -m bytewax.run flows.clicks`.

Each panel of the dashboard is one windowed operator over the clicks of a shard; the board puts their figures
together once a second and goes to Redis.
"""

from __future__ import annotations

import bytewax.operators as op
from bytewax.dataflow import Dataflow

from flows.entries.outbox import Receipts
from flows.ingest.ahead import Decoder
from flows.ingest.split import by_age, by_page, by_visitor
from flows.journeys.metric import Journeys
from flows.journeys.table import JOURNEYS, check, judge
from flows.metrics.audience import Audience
from flows.metrics.bots import Bots
from flows.metrics.categories import Categories
from flows.metrics.devices import Devices
from flows.metrics.latest import Latest, Raw
from flows.metrics.looking_at import LookingAt
from flows.metrics.pages import Pages
from flows.metrics.sessions import Sessions
from flows.metrics.totals import Totals
from flows.metrics.trending import Trending
from flows.metrics.visitors import Visitors
from flows.model.event_time import HOUR_S, MINUTE_S
from flows.model.shard_clicks import ShardClicks
from flows.operators.admitted import admitted
from flows.operators.board import board
from flows.operators.meet import meet
from flows.operators.shards import Shards
from flows.operators.windowed import windowed
from flows.runtime.process import prepare
from flows.runtime.telemetry import watch_state
from flows.settings import Settings, unknown_variables
from flows.shards.clock import FlowClock
from flows.shards.cluster import Cluster
from flows.sinks.redis.sink import RedisSink
from flows.sources.source import source
from flows.state.state import State


def flow() -> Dataflow:
    """Build the flow that the environment describes; raises SettingsError, one line, if that is wrong."""
    settings = Settings.from_env()
    prepare(settings.log_format, trust_network=settings.trust_network, warnings=unknown_variables())
    return build(settings)


def build(settings: Settings) -> Dataflow:
    """Build the flow; nothing is opened before it runs."""
    flow = Dataflow("clicks")
    clock = FlowClock()
    shards = Shards(
        Cluster(settings.shards, clock, settings.publish_every_ms),
        State(settings.state_dir, settings.shards, settings.log),
    )
    watch_state(shards.state)
    decoder = Decoder(mask_ip=settings.mask_ip)
    shards.cluster.may_look_ahead, shards.cluster.begin_decoding = decoder.has_room, decoder.begin
    receipts, keys, journeys = Receipts(), shards.cluster.shard_keys, check(JOURNEYS)

    meet("workers", flow, shards)
    batches = op.input("source", flow, source(settings, shards.cluster, shards.state))
    clicks = op.map("decode", batches, decoder)
    of_visitors = op.flat_map(
        "by_visitor", clicks, by_visitor(keys, judge(journeys), bots_apart=settings.bots_apart)
    )
    of_pages = op.flat_map("by_page", clicks, by_page(keys, bots_apart=settings.bots_apart))
    newest = op.flat_map("by_age", clicks, by_age(keys, bots_apart=settings.bots_apart))

    everyone = admitted("visits", of_visitors, shards, directory=True)
    visits = op.map_value("people", everyone, ShardClicks.people) if settings.bots_apart else everyone
    views = admitted("views", of_pages, shards)
    recent = admitted("newest", newest, shards, everywhere=False)

    panels = [
        windowed("looking_at", visits, LookingAt(window_s=5 * MINUTE_S, top=10), shards),
        windowed("trending", views, Trending(window_s=HOUR_S, recent_s=15 * MINUTE_S), shards),
        windowed("visitors", visits, Visitors(window_s=15 * MINUTE_S), shards),
        windowed("sessions", visits, Sessions(window_s=8 * HOUR_S, active_s=30 * MINUTE_S), shards),
        windowed("devices", visits, Devices(window_s=10 * MINUTE_S), shards),
        windowed("pages", views, Pages(window_s=HOUR_S, top=10), shards),
        windowed("latest", recent, Latest(window_s=HOUR_S), shards, everywhere=False),
        windowed("categories", visits, Categories(window_s=HOUR_S, top=100), shards),
        windowed("raw", recent, Raw(window_s=HOUR_S), shards, everywhere=False),
        windowed("audience", visits, Audience(window_s=15 * MINUTE_S, top=10), shards),
        windowed("bots", everyone, Bots(window_s=HOUR_S, visitors_s=15 * MINUTE_S, top=10), shards),
        windowed("journeys", visits, Journeys(receipts, journeys, window_s=HOUR_S), shards),
        windowed("totals", everyone, Totals(receipts, bots_apart=settings.bots_apart), shards),
    ]
    boards = board("board", op.merge("reports", *(panel.reports for panel in panels)), shards)
    entries = op.key_rm("entries", op.merge("made", *(panel.entries for panel in panels)))
    op.output("redis", op.merge("out", entries, boards), RedisSink(settings, receipts, clock.now_ms))
    if settings.topics:
        # Imported here: who writes to no topic needs no client of Kafka's.
        from flows.sinks.topics.sink import TopicsSink

        op.output("topics", entries, TopicsSink(settings, receipts))
    return flow
