"""
The guard of expired workspaces: where ``workspace.access`` was granted and is not any more, apps may not be used.

What is granted now is read along with the membership: a workspace with access, or one of which access was never granted,
costs no statement. Only where neither holds is the limit brought forward and looked at, as everywhere else.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from django.db.models import BooleanField, Case, Exists, OuterRef, Q, Value, When
from django.db.models.expressions import Combinable

from billing.conf import expired_workspaces_are_locked
from billing.engine.types import LIFETIME_START, LockState, SubjectType
from billing.entitlements.allowances import Allowance
from billing.entitlements.core import WORKSPACE_ACCESS
from billing.entitlements.facts import load
from billing.entitlements.limitations import current_allowances
from billing.entitlements.policy import Decision, decide
from billing.entitlements.refusals import note_lenient, unlock_json
from billing.entitlements.unlock import ways_to_unlock
from billing.errors import WorkspaceExpired
from billing.models import Balance, BillableEntity, Grant
from billing.models.entities import EntityType
from mozaiks.kit.times import spoken, utc_z
from mozaiks.workspaces.gate import Entry

REASON = "workspace_expired"


class ExpiryGuard:
    """Refuses writes to a workspace whose access has run out, or everything where the settings say so."""

    def nothing_against(self, *, now: datetime) -> Combinable:
        """True where access is granted now, as a balance says that no boundary has passed, or where none ever began."""
        of_workspace = {
            "subject_type": SubjectType.BILLABLE_ENTITY.value,
            "subject__entity_type": EntityType.WORKSPACE.value,
            "subject__workspace": OuterRef("workspace"),
            "definition__code": WORKSPACE_ACCESS,
            "definition__is_active": True,
        }
        believable = Q(next_change_at__gt=now) | Q(next_change_at=None, last_recomputed_at__gt=LIFETIME_START)
        granted = Balance.objects.running().filter(believable, version__gt=0, granted_amount__gt=0, **of_workspace)
        begun = Grant.objects.filter(effective_at__lte=now, **of_workspace)
        return Case(
            When(Exists(granted) | ~Exists(begun), then=Value(True)),
            default=Value(False),
            output_field=BooleanField(),
        )

    def look(self, entry: Entry) -> None:
        """
        Bring the limit forward and decide by it. In advisory mode entry is granted, and that it would not have been is noted.

        :raises WorkspaceExpired: access has run out.
        """
        if entry.only_looks and not expired_workspaces_are_locked():
            return
        entity = BillableEntity.objects.for_workspace(entry.workspace.pk).first()
        if entity is None:
            return
        (allowance,) = current_allowances(entity, now=entry.now, codes=[WORKSPACE_ACCESS])
        if allowance.row.lock_state != LockState.WORKSPACE_EXPIRED:
            return
        decision = replace(decide(allowance, 1), code=WorkspaceExpired.default_code, reason=REASON)
        note_lenient(decision, entity, capability=entry.permission, request_id="", now=entry.now)
        if not decision.allowed:
            raise _refusal(allowance, decision, entry, entity)


def _refusal(allowance: Allowance, decision: Decision, entry: Entry, entity: BillableEntity) -> WorkspaceExpired:
    expired_at = _expired_at(allowance)
    since = f" since {spoken(expired_at)}" if expired_at else ""
    what = "it can only be looked at" if not expired_workspaces_are_locked() else "it is locked"
    ways = ways_to_unlock(entity.pk, allowance.info, allowance.row, decision)
    return WorkspaceExpired(
        f"The access of {entry.workspace.name} has run out{since}: {what} until it is granted again.",
        details={
            "workspaceSlug": entry.workspace.slug,
            "expiredAt": utc_z(expired_at) if expired_at else None,
            "unlock": unlock_json(replace(decision, unlock=ways)),
        },
    )


def _expired_at(allowance: Allowance) -> datetime | None:
    """When the last grant that had begun ended; None where one is frozen and would not have ended yet."""
    facts = load(allowance.row.subject_id, [allowance.info], since=LIFETIME_START)[allowance.info.id]
    begun = [grant for grant in facts.grants if grant.ever_active and grant.effective_at <= allowance.at]
    ends = [grant.ends_at for grant in begun if grant.ends_at is not None and grant.ends_at <= allowance.at]
    return max(ends, default=None) if len(ends) == len(begun) else None
