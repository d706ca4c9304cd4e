"""The metrics of sockets and events."""

from __future__ import annotations

import structlog
from prometheus_client import Counter, Gauge

from mozaiks.kit.metrics import REGISTRY

log = structlog.get_logger("realtime")

SOCKETS = Gauge("realtime_sockets", "Sockets open in this process.", registry=REGISTRY, multiprocess_mode="livesum")
PUBLISHED = Counter(
    "realtime_events_published_total", "Events handed to the channel layer, by topic.", ["topic"], registry=REGISTRY
)
FRAMES = Counter("realtime_frames_sent_total", "Frames written to sockets, events and answers.", registry=REGISTRY)
DELIVERED = Counter("realtime_events_delivered_total", "Events handed to sockets.", registry=REGISTRY)
FAILED = Counter(
    "realtime_publish_failures_total",
    "Events nobody will hear of, by reason (full, late, layer, composing).",
    ["reason"],
    registry=REGISTRY,
)
REFUSED = Counter(
    "realtime_sockets_refused_total",
    "Sockets that were not let in, by reason (origin, unauthenticated, too_many, unavailable).",
    ["reason"],
    registry=REGISTRY,
)
DROPPED = Counter(
    "realtime_sockets_dropped_total",
    "Sockets closed from here, by reason (flood, slow, shut_out).",
    ["reason"],
    registry=REGISTRY,
)
