"""
What is taken back from grants: units taken, grants frozen, released and ended, of one subject in one transaction.

Facts are written under keys of the caller, so that the same adjustment again changes nothing. Balances are brought along, and
units that a release sets free pay overage of the running window once, at the end. What the rules are: section 2 of the
entitlement specification, and ``engine.adjustment``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from billing.engine.adjustment import renews, units_to_take
from billing.engine.lots import Lot, in_burn_order, lot_of
from billing.engine.projection import Paid
from billing.engine.standing import Standing
from billing.engine.types import LIFETIME_START, AdjustmentKind, AdjustmentReason, EndingReason, GrantFacts, SourceType
from billing.entitlements.allowances import Allowance, lock_many
from billing.entitlements.announcements import source_of
from billing.entitlements.facts import Facts, LedgerLine, load_ledger, sum_up
from billing.entitlements.grants import look_at_schedule, write_endings
from billing.entitlements.passing import load_facts
from billing.entitlements.resolvers import definition_by_id
from billing.entitlements.spending import settle_overage
from billing.entitlements.writing import write
from billing.models import Grant, GrantAdjustment
from mozaiks.kit.db import requires_transaction

#: No window is longer, so that a grant never paid for a use of its windows that is older than it by more than this.
_LONGEST_WINDOW = timedelta(days=367)


@dataclass(frozen=True, kw_only=True, slots=True)
class Take:
    """``target`` units are taken back from a grant, None: all that is left; of what was used nothing is."""

    grant_id: int
    target: int | None
    reason: AdjustmentReason
    dedupe_key: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Freeze:
    """The grant's lots are closed until every freeze of it was released."""

    grant_id: int
    reason: AdjustmentReason
    dedupe_key: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Release:
    """The freeze with the key ``undoes`` is over. Where it was never written there is nothing to release."""

    grant_id: int
    reason: AdjustmentReason
    dedupe_key: str
    undoes: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Adjusted:
    """What was done just now: units taken by grant (0 where nothing was left), grants frozen, released and ended."""

    taken: dict[int, int] = field(default_factory=dict)
    frozen: tuple[int, ...] = ()
    released: tuple[int, ...] = ()
    ended: tuple[int, ...] = ()
    versions: dict[str, int] = field(default_factory=dict)


@requires_transaction
def adjust(
    subject_id: int,
    *,
    takes: Sequence[Take] = (),
    freezes: Sequence[Freeze] = (),
    releases: Sequence[Release] = (),
    ends: Sequence[int] = (),
    source: tuple[SourceType, str] = (SourceType.BILLING_PURCHASE, ""),
    now: datetime,
) -> Adjusted:
    """
    Take, freeze, release and end grants of one subject, in this order, and bring its balances along.

    Keys that are known are no-ops. From a grant that is over nothing is taken, and it is not frozen; ``ends`` ends grants
    now, whatever is left in them. Statements: a constant number, whatever the number of grants.

    :raises ValueError: a grant is not the subject's. :raises PlanChangeDue: see ``scheduled.perform``.
    """
    steps: list[Take | Freeze | Release] = [*takes, *freezes, *releases]
    wanted = {step.grant_id for step in steps} | set(ends)
    if not wanted:
        return Adjusted()
    scene = _survey(subject_id, wanted, source, now=now)
    taken = {take.grant_id: 0 for take in takes}
    for take in takes:
        taken[take.grant_id] += _take(scene, take)
    frozen = [freeze.grant_id for freeze in freezes if _freeze(scene, freeze)]
    released = [release.grant_id for release in releases if _release(scene, release)]
    GrantAdjustment.objects.bulk_create(scene.written)
    ended = _end(scene, set(ends))
    if not scene.written and not ended:
        return Adjusted()
    for allowance in scene.allowances.values():
        settle_overage(allowance)
    write(list(scene.allowances.values()), source=source_of([source[0]]))
    return Adjusted(
        taken=taken,
        frozen=tuple(frozen),
        released=tuple(released),
        ended=tuple(ended),
        versions={allowance.info.code: allowance.row.version for allowance in scene.allowances.values()},
    )


@dataclass(slots=True)
class _Scene:
    """Locked allowances by definition, the grants that are adjusted, and what was done to them before."""

    subject_id: int
    source: tuple[SourceType, str]
    allowances: dict[int, Allowance]
    grants: dict[int, Grant]
    known: set[str]
    freezes: Counter[int]
    written: list[GrantAdjustment] = field(default_factory=list)
    ledger: dict[tuple[int, int], list[LedgerLine]] | None = None

    def allowance(self, grant_id: int) -> Allowance:
        return self.allowances[self.grants[grant_id].definition_id]

    def live(self, grant_id: int) -> GrantFacts | None:
        """The grant as the facts say it now; None where it is over."""
        allowance = self.allowance(grant_id)
        for grant in _facts(allowance).grants:
            if grant.id == grant_id and grant.ever_active:
                return grant if grant.ends_at is None or grant.ends_at > allowance.at else None
        return None

    def change(self, grant: GrantFacts) -> None:
        facts = _facts(self.allowance(grant.id))
        facts.grants = [grant if each.id == grant.id else each for each in facts.grants]
        facts.adjusted = True

    def lot(self, grant_id: int) -> Lot | None:
        """The grant's lot while it is open."""
        lots = _standing(self.allowance(grant_id)).lots
        return next((lot for lot in lots if lot.grant_id == grant_id), None)

    def paid(self, grant: GrantFacts) -> Paid:
        """What a grant whose lot is not open paid. One statement that reads the ledger, the first time."""
        if self.ledger is None:
            self.ledger = load_ledger([self.subject_id], list(self.allowances), after=self._since())
        allowance = self.allowance(grant.id)
        lines = self.ledger.get((self.subject_id, allowance.info.id), [])
        return sum_up(lines, _standing(allowance).window.start).paid.get(grant.id, Paid())

    def _since(self) -> datetime:
        if all(allowance.info.rule.has_windows for allowance in self.allowances.values()):
            oldest = min(grant.effective_at for grant in self.grants.values())
            return max(LIFETIME_START, oldest - _LONGEST_WINDOW)
        return LIFETIME_START - _LONGEST_WINDOW

    def note(self, each: Take | Freeze | Release, kind: AdjustmentKind, *, amount: int = 0) -> None:
        at = self.allowance(each.grant_id).at
        self.known.add(each.dedupe_key)
        self.written.append(
            GrantAdjustment(
                subject_id=self.subject_id,
                definition_id=self.grants[each.grant_id].definition_id,
                grant_id=each.grant_id,
                kind=kind,
                amount=amount,
                reason=each.reason,
                source_type=self.source[0],
                source_id=self.source[1],
                occurred_at=at,
                dedupe_key=each.dedupe_key,
                created_at=at,
            )
        )


def _survey(subject_id: int, grant_ids: set[int], source: tuple[SourceType, str], *, now: datetime) -> _Scene:
    """Lock the balances, and see what was done to the grants before; nobody adds to it meanwhile."""
    grants = list(Grant.objects.for_subject(subject_id).filter(pk__in=grant_ids).order_by("pk"))
    if len(grants) != len(grant_ids):
        raise ValueError("grants are adjusted for the subject they were given to")
    allowances = lock_many(subject_id, [definition_by_id(grant.definition_id) for grant in grants], now=now)
    load_facts(allowances)
    known: set[str] = set()
    freezes: Counter[int] = Counter()
    said = GrantAdjustment.objects.filter(grant_id__in=[grant.pk for grant in grants])
    for key, grant_id, kind in said.values_list("dedupe_key", "grant_id", "kind"):
        known.add(key)
        freezes[grant_id] += {AdjustmentKind.FREEZE: 1, AdjustmentKind.RELEASE: -1}.get(AdjustmentKind(kind), 0)
    return _Scene(
        subject_id=subject_id,
        source=source,
        allowances={allowance.info.id: allowance for allowance in allowances},
        grants={grant.pk: grant for grant in grants},
        known=known,
        freezes=freezes,
    )


def _end(scene: _Scene, grant_ids: set[int]) -> list[int]:
    """End grants that are not over yet."""
    ending = [scene.grants[grant_id] for grant_id in sorted(grant_ids) if scene.live(grant_id) is not None]
    ended = write_endings(scene.subject_id, ending, scene.allowances, reason=EndingReason.CANCELED, source=scene.source)
    if ended:
        look_at_schedule(scene.subject_id, scene.allowances)
    return ended


def _take(scene: _Scene, take: Take) -> int:
    if take.dedupe_key in scene.known:
        return 0
    grant = scene.live(take.grant_id)
    units = 0 if grant is None else _units(scene, grant, take.target)
    scene.note(take, AdjustmentKind.TAKE, amount=units)
    if grant is not None and units:
        scene.change(replace(grant, taken=grant.taken + units))
        lot = scene.lot(grant.id)
        if lot is not None and lot.granted is not None:
            lot.granted -= units
            lot.remaining -= units
    return units


def _units(scene: _Scene, grant: GrantFacts, target: int | None) -> int:
    rule = scene.allowance(grant.id).info.rule
    lot, left = scene.lot(grant.id), 0
    if lot is not None:
        left = lot.remaining
    elif grant.amount is not None and rule.is_consumable and not renews(rule, grant):
        paid = scene.paid(grant)
        left = grant.amount - grant.taken - paid.here - paid.elsewhere
    return units_to_take(rule, grant, target, left=left)


def _freeze(scene: _Scene, freeze: Freeze) -> bool:
    grant = scene.live(freeze.grant_id)
    if freeze.dedupe_key in scene.known or grant is None:
        return False
    scene.note(freeze, AdjustmentKind.FREEZE)
    scene.freezes[grant.id] += 1
    scene.change(replace(grant, frozen=True))
    standing = _standing(scene.allowance(grant.id))
    standing.lots = [lot for lot in standing.lots if lot.grant_id != grant.id]
    return True


def _release(scene: _Scene, release: Release) -> bool:
    if release.dedupe_key in scene.known or release.undoes not in scene.known:
        return False
    scene.note(release, AdjustmentKind.RELEASE)
    scene.freezes[release.grant_id] -= 1
    grant = scene.live(release.grant_id)
    if grant is not None and scene.freezes[grant.id] <= 0:
        _thaw(scene, replace(grant, frozen=False))
    return True


def _thaw(scene: _Scene, grant: GrantFacts) -> None:
    """The last freeze is over: the lot is open again, with what it has left."""
    scene.change(grant)
    allowance = scene.allowance(grant.id)
    if not grant.active_at(allowance.at):
        return
    standing = _standing(allowance)
    paid = scene.paid(grant) if allowance.info.rule.is_consumable else Paid()
    lot = lot_of(standing.rule, grant, standing.window, used=paid.here, used_elsewhere=paid.elsewhere)
    standing.lots = in_burn_order([*standing.lots, lot])


def _facts(allowance: Allowance) -> Facts:
    if allowance.facts is None:
        raise ValueError("grants are adjusted only on an allowance whose facts were read")
    return allowance.facts


def _standing(allowance: Allowance) -> Standing:
    if allowance.standing is None:
        raise ValueError("grants are adjusted only on an allowance whose facts were read")
    return allowance.standing
