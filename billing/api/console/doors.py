"""What every view of the console's API shares: staff with the permission the console asks for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse
from rest_framework.authentication import SessionAuthentication
from rest_framework.request import Request

from billing.api.doors import FAILURES, BillingView
from billing.catalog.problems import shown
from billing.catalog.revisions import REASON, Author
from mozaiks.kit.errors import Denied, Invalid
from mozaiks.workspaces.authentication import BearerTokenAuthentication

READ_FAILURES = {
    401: FAILURES[401],
    403: OpenApiResponse(OpenApiTypes.OBJECT, "Not staff, or without the permission (`details.permission`)."),
}
LIST_FAILURES = READ_FAILURES | {400: FAILURES[400]}
WRITE_FAILURES = LIST_FAILURES | {
    409: OpenApiResponse(OpenApiTypes.OBJECT, "The code is taken."),
}


class ConsoleView(BillingView):
    """A door for staff. ``permissions`` names, by method, those of which one is needed."""

    authentication_classes = (BearerTokenAuthentication, SessionAuthentication)  # type: ignore[assignment]
    permissions: ClassVar[Mapping[str, tuple[str, ...]]] = {}

    def check_permissions(self, request: Request) -> None:
        """
        :raises NotAuthenticated: nobody is signed in.
        :raises Denied: somebody is, and may not do this.
        """
        super().check_permissions(request)
        if not request.user.is_staff:
            raise Denied("Only staff may do this.", details={"permission": "staff"})
        wanted = self.permissions.get(str(request.method), ())
        if wanted and not any(request.user.has_perm(permission) for permission in wanted):
            raise Denied(f"This needs the permission {wanted[0]}.", details={"permission": wanted[0]})


def permissions_for(model: str) -> dict[str, tuple[str, ...]]:
    """As the console has them: who may change may look."""
    change = f"billing.change_{model}"
    looking = (f"billing.view_{model}", change)
    return {"GET": looking, "HEAD": looking, "POST": (f"billing.add_{model}",), "PATCH": (change,)}


def body_of(request: Request) -> tuple[dict[str, Any], Author]:
    """
    What the request says of a row, and who says it, with the ``reason`` it brings for the history.

    :raises Invalid: the body is no object, or the reason no text.
    """
    body = request.data
    if not isinstance(body, dict):
        raise Invalid(f"The body must be an object, not {shown(body)}.")
    item = dict(body)
    reason = item.pop(REASON, None)
    if reason is not None and not isinstance(reason, str):
        raise Invalid("reason: Must be text.", field_errors={REASON: ["Must be text."]})
    return item, Author(actor=request.user.get_username(), reason=reason or "")


def refuse_other_code(item: dict[str, Any], code: str) -> None:
    """:raises Invalid: the body names another code than the address: codes never change."""
    if item.pop("code", code) != code:
        rule = "Cannot change: it is the name by which everything else knows this."
        raise Invalid(f"code: {rule}", field_errors={"code": [rule]})
