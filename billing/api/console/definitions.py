"""``/api/console/billing/entitlement-definitions``: what can be granted at all."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from billing.api.console.doors import LIST_FAILURES, ConsoleView, permissions_for
from billing.api.console.plans import TAGS
from billing.api.console.shapes import CatalogDefinitionPage
from billing.api.paging import PAGES, page_of
from billing.catalog.wire import definition_item
from billing.models import Definition
from mozaiks.kit.times import utc_z


def _present(row: Definition) -> dict[str, Any]:
    return definition_item(row) | {"createdAt": utc_z(row.created_at), "updatedAt": utc_z(row.updated_at)}


class DefinitionsView(ConsoleView):
    """All definitions."""

    permissions = permissions_for("definition")

    @extend_schema(
        operation_id="list_entitlement_definitions",
        tags=TAGS,
        summary="All entitlement definitions, active or not",
        parameters=[*PAGES],
        responses={200: CatalogDefinitionPage, **LIST_FAILURES},
    )
    def get(self, request: Request) -> Response:
        return Response(page_of(request, Definition.objects.order_by("code"), _present))
