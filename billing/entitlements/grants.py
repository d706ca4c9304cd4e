"""
Units given and ended: the one way in which grants reach a subject. What a plan grants is in ``plan_state``.

Everything here is idempotent by the grant's dedupe key: an existing key is a no-op, whatever its template says by now.
Grants take effect at the time of the event behind them, never at arrival; endings happen now.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Protocol

from django.db import connection

from billing.engine import keys
from billing.engine.lots import in_burn_order, lot_of
from billing.engine.standing import Standing
from billing.engine.types import (
    EndingReason,
    EnforcementOverride,
    GrantFacts,
    GrantKind,
    Replenish,
    SourceType,
    SubjectType,
)
from billing.entitlements import sql, telemetry
from billing.entitlements.allowances import Allowance, lock_many
from billing.entitlements.announcements import source_of
from billing.entitlements.facts import Facts, load_schedule
from billing.entitlements.passing import load_facts, load_lots, place_window
from billing.entitlements.resolvers import DefinitionInfo, definition_by_id
from billing.entitlements.spending import settle_overage
from billing.entitlements.writing import write
from billing.models import Grant, GrantEnding, ProductTemplate, Purchase
from billing.models.catalog import ProductGrantKind
from mozaiks.kit.cursors import execute, fetch
from mozaiks.kit.db import db_time, requires_transaction

#: What a grant of each kind gives: its amount in every window, or once in its life.
REPLENISH = {
    GrantKind.PLAN_BASE: Replenish.PER_WINDOW,
    GrantKind.ADDON_TIMEBOXED: Replenish.PER_WINDOW,
    GrantKind.TOPUP: Replenish.ONCE,
    GrantKind.PROMO: Replenish.ONCE,
    GrantKind.MANUAL_ADJUSTMENT: Replenish.ONCE,
    GrantKind.CORRECTION: Replenish.ONCE,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class NewGrant:
    """A grant to be recorded. ``amount`` None is unlimited, ``expires_at`` None is never."""

    info: DefinitionInfo
    amount: int | None
    kind: GrantKind
    replenish: Replenish
    effective_at: datetime
    source_type: SourceType
    source_id: str
    dedupe_key: str
    expires_at: datetime | None = None
    template_id: int | None = None
    override: EnforcementOverride | None = None
    operation_key: str = ""
    provider: str = ""
    provider_event_id: str = ""
    metadata: dict[str, Any] = field(default_factory=dict)

    def fingerprint(self, subject_id: int) -> str:
        """Source, subject, template and period; not the amount, which a template may change later."""
        return keys.fingerprint(
            {
                "source": [self.source_type.value, self.source_id],
                "subject": subject_id,
                "template": self.template_id,
                "period": [self.effective_at, self.expires_at],
            }
        )


class Gives(Protocol):
    """A template of a product: what one unit of it grants of one definition."""

    @property
    def pk(self) -> int: ...
    @property
    def definition_id(self) -> int: ...
    @property
    def amount(self) -> int | None: ...
    @property
    def grant_kind(self) -> str: ...
    @property
    def duration_days(self) -> int | None: ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Recorded:
    """What became of a request: grants inserted, keys that existed before, grants ended; the balances' versions after it."""

    inserted: tuple[int, ...] = ()
    existing: int = 0
    ended: tuple[int, ...] = ()
    versions: dict[str, int] = field(default_factory=dict)


@requires_transaction
def grant_entitlements_for_purchase(
    purchase: Purchase, *, gives: Sequence[Gives] | None = None, fresh: bool = False, now: datetime
) -> Recorded:
    """
    Turn the product's templates into grants of a confirmed purchase; quantity multiplies. A product is required.

    ``gives`` are its templates where the caller has read them. ``fresh``: see ``record``.
    """
    if purchase.product_id is None:
        raise ValueError("a purchase without a product grants nothing; it is kept and flagged")
    if gives is None:
        gives = list(ProductTemplate.objects.filter(product_id=purchase.product_id).order_by("pk"))
    new = [
        NewGrant(
            info=definition_by_id(template.definition_id),
            amount=None if template.amount is None else template.amount * purchase.quantity,
            kind=ProductGrantKind(template.grant_kind).grant_kind,
            replenish=REPLENISH[ProductGrantKind(template.grant_kind).grant_kind],
            effective_at=purchase.purchased_at,
            expires_at=_after_days(purchase.purchased_at, template.duration_days),
            source_type=SourceType.BILLING_PURCHASE,
            source_id=str(purchase.pk),
            template_id=template.pk,
            dedupe_key=keys.purchase_grant_key(purchase.pk, template.pk),
            provider=purchase.provider,
        )
        for template in gives
    ]
    return record(purchase.billable_entity_id, new=new, fresh=fresh, now=now)


@requires_transaction
def record(
    subject_id: int,
    *,
    new: Sequence[NewGrant] = (),
    ending: Sequence[Grant] = (),
    touching: Sequence[DefinitionInfo] = (),
    reason: EndingReason = EndingReason.CANCELED,
    source: tuple[SourceType, str] = (SourceType.MANUAL_CONSOLE, ""),
    fresh: bool = False,
    now: datetime,
) -> Recorded:
    """
    Record grants and endings of one subject and bring its balances along: all in the caller's transaction.

    Units that become free pay overage of the running window once, at the end. ``touching`` names definitions that are
    brought along although no grant of theirs changes. ``fresh``: what the keys name was made in this transaction.
    """
    infos = [grant.info for grant in new] + [definition_by_id(grant.definition_id) for grant in ending]
    infos += touching
    if not infos:
        return Recorded()
    anchors = {grant.info.id: grant.effective_at for grant in reversed(new)}
    allowances = lock_many(subject_id, infos, now=now, anchors=anchors)
    quick = [] if ending or touching else [each for each in allowances if _tells_all(each, new)]
    load_lots(quick)
    load_facts([allowance for allowance in allowances if allowance.standing is None])
    by_definition = {allowance.info.id: allowance for allowance in allowances}
    ended = write_endings(subject_id, ending, by_definition, reason=reason, source=source)
    inserted, existing = _insert(subject_id, new, by_definition, fresh=fresh)
    if not ended and not inserted and not touching:
        return Recorded(existing=existing)
    look_at_schedule(subject_id, by_definition)
    for allowance in allowances:
        settle_overage(allowance)
    write(allowances, source=source_of([grant.source_type for grant in new] or [source[0]]))
    versions = {allowance.info.code: allowance.row.version for allowance in allowances}
    return Recorded(inserted=tuple(inserted), existing=existing, ended=tuple(ended), versions=versions)


def _tells_all(allowance: Allowance, new: Sequence[NewGrant]) -> bool:
    """
    Whether the row and its open lots are enough to add these grants: nothing of those before has to be known.

    A capacity or state keeps no lots, a scheduled change may be about plan grants, and an override is compared with all others.
    """
    mine = [grant for grant in new if grant.info.id == allowance.info.id]
    plain = all(grant.override is None and grant.source_type is not SourceType.PLAN_ASSIGNMENT for grant in mine)
    return plain and allowance.info.rule.is_consumable and not allowance.is_due


def look_at_schedule(subject_id: int, allowances: dict[int, Allowance]) -> None:
    """What a scheduled plan change will end has changed where grants of plans ended or were given."""
    facts = {definition_id: each.facts for definition_id, each in allowances.items() if each.facts is not None}
    if any(each.upcoming for each in facts.values()):
        load_schedule(subject_id, facts)


def write_endings(
    subject_id: int,
    ending: Sequence[Grant],
    allowances: dict[int, Allowance],
    *,
    reason: EndingReason,
    source: tuple[SourceType, str],
) -> list[int]:
    """Write endings of grants that have none yet; under the lock, so nobody else ends them meanwhile."""
    if not ending:
        return []
    ids = [grant.pk for grant in ending]
    over = set(GrantEnding.objects.filter(grant_id__in=ids).values_list("grant_id", flat=True))
    live = [grant for grant in ending if grant.pk not in over]
    GrantEnding.objects.bulk_create(
        GrantEnding(
            subject_id=subject_id,
            grant_id=grant.pk,
            ended_at=allowances[grant.definition_id].at,
            reason=reason,
            source_type=source[0],
            source_id=source[1],
            dedupe_key=keys.ending_key(grant.pk),
            created_at=allowances[grant.definition_id].at,
        )
        for grant in live
    )
    for grant in live:
        _close_lot(allowances[grant.definition_id], grant.pk)
    return [grant.pk for grant in live]


def _insert(
    subject_id: int, new: Sequence[NewGrant], allowances: dict[int, Allowance], *, fresh: bool
) -> tuple[list[int], int]:
    """Insert the grants whose keys are new, and open their lots; returns ids and the number of known keys."""
    if not new:
        return [], 0
    wanted = {grant.dedupe_key: grant for grant in new}
    known: set[str] = set()
    if not fresh:
        known = set(Grant.objects.filter(dedupe_key__in=wanted).values_list("dedupe_key", flat=True))
    if known:
        telemetry.log.info("grants_deduped", subject_id=subject_id, number=len(known))
    unknown = [grant for key, grant in wanted.items() if key not in known]
    if not unknown:
        return [], len(known)
    ids = _write(subject_id, unknown, allowances)
    telemetry.GRANTS_INSERTED.inc(len(unknown))
    for grant in unknown:
        _open_lot(allowances[grant.info.id], _facts_of(grant, ids[grant.dedupe_key]))
    return sorted(ids.values()), len(known)


def _close_lot(allowance: Allowance, grant_id: int) -> None:
    facts, standing = allowance.facts, allowance.standing
    if facts is None or standing is None:
        raise ValueError("grants change only on an allowance whose facts were read")
    facts.grants = [
        replace(grant, ends_at=min(grant.ends_at or allowance.at, allowance.at)) if grant.id == grant_id else grant
        for grant in facts.grants
    ]
    standing.lots = [lot for lot in standing.lots if lot.grant_id != grant_id]


def _open_lot(allowance: Allowance, grant: GrantFacts) -> None:
    facts, standing = allowance.facts, allowance.standing
    if standing is None:
        raise ValueError("grants change only on an allowance whose lots were read")
    if facts is None:
        _note_boundaries(allowance, grant)
    else:
        if allowance.info.needs_anchor and facts.anchor_at is None:
            _anchor(allowance, facts, standing, grant.effective_at)
        facts.grants.append(grant)
    if grant.active_at(allowance.at):
        standing.lots = in_burn_order([*standing.lots, lot_of(standing.rule, grant, standing.window)])


def _note_boundaries(allowance: Allowance, grant: GrantFacts) -> None:
    """One grant more: what comes next is what came next before, or its start, or its end."""
    instants = [allowance.row.next_change_at, grant.effective_at, grant.ends_at]
    later = [instant for instant in instants if instant is not None and instant > allowance.at]
    allowance.row.next_change_at = min(later, default=None)


def _anchor(allowance: Allowance, facts: Facts, standing: Standing, anchor_at: datetime) -> None:
    """
    Without any assignment the grant that is recorded first says where anniversary windows begin.

    A window that was used before there was a grant goes on to its end.
    """
    facts.anchor_at = anchor_at
    if allowance.row.version == 0 and not allowance.closed_rows:
        place_window(allowance, facts)
        standing.window = allowance.window


def _facts_of(grant: NewGrant, grant_id: int) -> GrantFacts:
    return GrantFacts(
        id=grant_id,
        amount=grant.amount,
        kind=grant.kind,
        replenish=grant.replenish,
        source=grant.source_type,
        effective_at=grant.effective_at,
        ends_at=grant.expires_at,
        override=grant.override,
    )


def _write(subject_id: int, new: Sequence[NewGrant], allowances: dict[int, Allowance]) -> dict[str, int]:
    """Insert grants; returns their ids by their keys. One statement, where the server says which ids it gave."""
    returning = connection.features.can_return_rows_from_bulk_insert
    statement = sql.insert_grants(len(new), returning=returning)
    values = [value for grant in new for value in _values(subject_id, grant, allowances[grant.info.id].at)]
    if returning:
        return {key: grant_id for key, grant_id in fetch(statement, values)}  # noqa: C416 - rows of a cursor
    execute(statement, values)
    return dict(Grant.objects.filter(dedupe_key__in=[each.dedupe_key for each in new]).values_list("dedupe_key", "id"))


def _values(subject_id: int, grant: NewGrant, at: datetime) -> tuple[Any, ...]:
    """In the order of the columns of ``sql.insert_grants``."""
    return (
        subject_id,
        grant.info.id,
        grant.amount,
        grant.kind.value,
        grant.replenish.value,
        grant.override.value if grant.override else None,
        db_time(grant.effective_at),
        db_time(grant.expires_at) if grant.expires_at else None,
        grant.source_type.value,
        grant.source_id,
        grant.template_id,
        grant.operation_key,
        grant.provider,
        grant.provider_event_id,
        grant.dedupe_key,
        grant.fingerprint(subject_id),
        json.dumps(grant.metadata) if grant.metadata else "{}",
        db_time(at),
        SubjectType.BILLABLE_ENTITY.value,
    )


def _after_days(start: datetime, days: int | None) -> datetime | None:
    return None if days is None else start + timedelta(days=days)
