"""An event of a provider, processed again because an operator says so."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse

from billing.entitlements.manual import ByHand
from billing.models import BillingEvent
from billing.models.events import EventStatus, EventType
from billing.payments import webhooks
from console.admin.base import button, is_id
from console.admin.operations import OperationPage, Reasoned, page
from mozaiks.kit import clock
from mozaiks.kit.times import spoken

REPLAY = "billing.replay_events"


class ReplayEvent(OperationPage):
    """Take a stored event up again. What it did before it does not do twice, so a second click harms nobody."""

    title = "Replay"
    form_class = Reasoned
    row: BillingEvent

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not request.user.has_perm(REPLAY):
            raise PermissionDenied
        return super().dispatch(request, *args, **kwargs)

    def act(self, said: dict[str, Any]) -> str:
        by = ByHand(actor=self.actor, reason=said["reason"])
        outcome = webhooks.replay(self.row.pk, by=by, now=clock.now())
        if outcome.status is EventStatus.PROCESSED:
            return f"Event {self.row.pk} was processed."
        if outcome.status is EventStatus.IGNORED:
            return f"Event {self.row.pk} changes nothing: {outcome.text}"
        if outcome.status is None:
            return f"Event {self.row.pk} is being processed by a worker."
        again = f" It is tried again after {spoken(outcome.retry_at)}." if outcome.retry_at else ""
        return f"Event {self.row.pk} failed again: {outcome.text}{again}"


class Replayed:
    """Events of providers have a button that takes them up again, for those who may."""

    actions_detail: tuple[str, ...] = ("replay",)

    def has_replay_events_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm(REPLAY) and self._is_of_provider(obj)

    def _is_of_provider(self, key: Any) -> bool:
        """What operators did is no event of a provider. The theme asks with the row's key."""
        if key is None:
            return True
        others = BillingEvent.objects.exclude(event_type=EventType.WEBHOOK)
        return is_id(str(key)) and not others.filter(pk=key).exists()

    @button(text="Replay", path="replay", permission="replay_events", icon="replay")
    def replay(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return page(ReplayEvent, self, request, object_id)
