"""The engine's metrics (section 12 of the entitlement specification) and its guardrail log events."""

from __future__ import annotations

import structlog
from prometheus_client import Counter, Gauge, Histogram

from mozaiks.kit.metrics import REGISTRY

log = structlog.get_logger("billing.guardrail")


def _counter(name: str, text: str, *labels: str) -> Counter:
    return Counter(name, text, labels, registry=REGISTRY)


GRANTS_INSERTED = _counter("entitlement_grant_insert_total", "Grants recorded.")
CONSUMPTIONS_INSERTED = _counter("entitlement_consumption_insert_total", "Consumptions and reversals recorded.")
REPLAYS = _counter("entitlement_replay_total", "Answers given again under a key that was used before.")
REFUSALS = _counter("entitlement_refusal_total", "Requests that did not fit, by code.", "code")
RECOMPUTES = _counter("entitlement_projection_recompute_total", "Balances rebuilt from the facts.")
LOCK_STATES = _counter("entitlement_lock_state_transition_total", "Changes of a lock state, by the new one.", "state")
DECISIONS_DROPPED = _counter("entitlement_decisions_dropped_total", "Refusals that were not noted.")
DRIFT = Gauge("entitlement_drift_rows", "Differences the last verification found.", registry=REGISTRY)
ENFORCEMENT_SECONDS = Histogram(
    "entitlement_enforcement_seconds",
    "Time from the start of an enforced operation to its commit.",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5),
    registry=REGISTRY,
)
RECOMPUTE_SECONDS = Histogram(
    "entitlement_recompute_seconds",
    "Time to rebuild the balances of one subject.",
    buckets=(0.005, 0.025, 0.1, 0.5, 1, 5, 30),
    registry=REGISTRY,
)
