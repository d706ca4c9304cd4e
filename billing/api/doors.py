"""What every view of billing shares: who may come in, and that nobody on the way keeps an answer for somebody else."""

from __future__ import annotations

from typing import Any

from django.utils.cache import patch_vary_headers
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse
from rest_framework.authentication import SessionAuthentication
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from billing.api.internal_key import InternalKeyAuthentication
from billing.api.subject import ENTITY_HEADER, ENTITY_QUERY, WORKSPACE_HEADER, WORKSPACE_QUERY
from mozaiks.kit.keys import INTERNAL_KEY_HEADER
from mozaiks.workspaces.authentication import BearerTokenAuthentication

#: What an answer depends on beside its address.
VARIES_BY = ("Authorization", "Cookie", ENTITY_HEADER, WORKSPACE_HEADER, INTERNAL_KEY_HEADER)


class BillingView(APIView):
    """A door of billing: for people by session or token, and for our own services by their key."""

    authentication_classes = (InternalKeyAuthentication, BearerTokenAuthentication, SessionAuthentication)

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Response:
        """Say on every answer, refusals too, that it is private and on what it depends."""
        final = super().finalize_response(request, response, *args, **kwargs)
        final.headers.setdefault("Cache-Control", "private, no-cache")
        patch_vary_headers(final, VARIES_BY)
        return final


#: The ways to say whose limits are meant; the first that is there counts.
SELECTORS = (
    OpenApiParameter(
        ENTITY_HEADER,
        OpenApiTypes.INT64,
        OpenApiParameter.HEADER,
        description="Whose limits: the id of a billable entity. Comes before all other selectors.",
    ),
    OpenApiParameter(ENTITY_QUERY, OpenApiTypes.INT64, OpenApiParameter.QUERY, description="The same as a parameter."),
    OpenApiParameter(
        WORKSPACE_HEADER,
        OpenApiTypes.STR,
        OpenApiParameter.HEADER,
        description="Whose limits: the slug of a workspace. Without any selector they are the caller's own.",
    ),
    OpenApiParameter(WORKSPACE_QUERY, OpenApiTypes.STR, OpenApiParameter.QUERY, description="The same as a parameter."),
)

#: The refusals of every door that reads.
FAILURES = {
    400: OpenApiResponse(OpenApiTypes.OBJECT, "The request breaks a rule; `fieldErrors` names fields and rules."),
    401: OpenApiResponse(OpenApiTypes.OBJECT, "Nobody is signed in."),
    404: OpenApiResponse(OpenApiTypes.OBJECT, "There is no such thing, or the caller may not know of it."),
}
#: And of those that need a permission.
WRITE_FAILURES = FAILURES | {
    403: OpenApiResponse(OpenApiTypes.OBJECT, "The role in the workspace does not allow this (`details.permission`).")
}
