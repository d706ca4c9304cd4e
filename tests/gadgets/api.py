"""One door over HTTP for everything gadgets do, so that the core can test refusals as clients meet them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from billing import limits
from mozaiks.kit.clock import now
from mozaiks.kit.errors import NotFound
from mozaiks.workspaces import access, roles
from tests.gadgets.limits import CHARGE, ENTER, PRESS, PRINT, PULSE, READ, TAKE_PLACE
from tests.gadgets.models import Place, Press

VERBS = {
    "press": PRESS,
    "pulse": PULSE,
    "read": READ,
    "charge": CHARGE,
    "place": TAKE_PLACE,
    "enter": ENTER,
    "print": PRINT,
}


class UseView(APIView):
    """``POST {"amount": 1}``: use a gadget."""

    @extend_schema(exclude=True)
    def post(self, request: Request, verb: str) -> Response:
        slug = request.headers.get("x-workspace-slug", "")
        workspace = access.enter(request.user, slug, roles.WORKSPACE_USE, now=now())
        if verb not in VERBS:
            raise NotFound("There is no such gadget.")
        command = limits.command_of(request)
        amount = dict(request.data).get("amount")
        entity = limits.entity_for_workspace(workspace.pk)
        at = now()
        done = limits.execute_with_entitlement_consumption(
            entity,
            VERBS[verb],
            action=_action(verb, entity, 1 if amount is None else amount),
            amount=amount,
            now=at,
            operation_key=command.operation_key,
            fingerprint=command.fingerprint,
            request_id=command.request_id,
            encode=lambda made: {"verb": verb, "made": made},
            status_code=201,
        )
        response = Response(done.answer, status=done.status_code)
        limits.mark_replay(response, replayed=done.replayed)
        return response


def _action(verb: str, entity: limits.BillableEntity, amount: int) -> Callable[[], Any]:
    """What is written beside the use; says how many rows."""

    def act() -> int:
        at = now()
        if verb == "press":
            Press.objects.create(entity=entity, key="over-http", created_at=at)
            return 1
        if verb == "place":
            return len(
                Place.objects.bulk_create(Place(entity=entity, name="taken", created_at=at) for _ in range(amount))
            )
        return 0

    return act
