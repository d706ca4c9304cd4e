"""Plans and products at the doors of the console: listed, read, made and changed by the same few lines."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from django.db.models import Prefetch, QuerySet
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from billing.api.console.doors import ConsoleView, body_of, refuse_other_code
from billing.api.paging import page_of
from billing.catalog.publishing import OMITTED
from billing.catalog.templates import BY_CODE
from billing.catalog.wire import ENTITLEMENTS, Wire
from billing.models import Plan, PlanTemplate, Product, ProductTemplate
from mozaiks.kit.clock import now
from mozaiks.kit.db import run_in_transaction
from mozaiks.kit.errors import NotFound
from mozaiks.kit.times import utc_z

Offer = Plan | Product


@dataclass(frozen=True, kw_only=True, slots=True)
class Kind:
    """How plans differ from products here. ``item`` is the row with its templates as a document has it."""

    name: str
    table: type[Plan] | type[Product]
    templates: type[PlanTemplate] | type[ProductTemplate]
    wire: Wire
    item: Callable[[Any], dict[str, Any]]
    publish: Callable[..., Offer]

    def rows(self) -> QuerySet[Any]:
        """By code, with their templates in one more query."""
        templates = self.templates._default_manager.select_related("definition").order_by(*BY_CODE)
        return self.table._default_manager.order_by("code").prefetch_related(Prefetch("templates", queryset=templates))

    def present(self, row: Any) -> dict[str, Any]:
        """What is answered of a row."""
        return self.item(row) | {"createdAt": utc_z(row.created_at), "updatedAt": utc_z(row.updated_at)}

    def find(self, code: str) -> dict[str, Any]:
        """:raises NotFound: there is none with this code."""
        row = self.rows().filter(code=code).first()
        if row is None:
            raise NotFound(f"There is no {self.name} with this code.")
        return self.present(row)


class OffersView(ConsoleView):
    """All of a kind, and a new one."""

    kind: ClassVar[Kind]

    def get(self, request: Request) -> Response:
        return Response(page_of(request, self.kind.rows(), self.kind.present))

    def post(self, request: Request) -> Response:
        item, by = body_of(request)
        entitlements = item.get(ENTITLEMENTS, OMITTED)
        at, kind = now(), self.kind

        def create() -> Offer:
            return kind.wire.publish(
                item, lambda fields: kind.publish(fields, entitlements, now=at, only="create", by=by)
            )

        made = run_in_transaction(create)
        return Response(kind.find(made.code), status=status.HTTP_201_CREATED)


class OfferView(ConsoleView):
    """One of a kind."""

    kind: ClassVar[Kind]

    def get(self, request: Request, code: str) -> Response:
        return Response(self.kind.find(code))

    def patch(self, request: Request, code: str) -> Response:
        kind, at = self.kind, now()
        kind.find(code)
        item, by = body_of(request)
        refuse_other_code(item, code)
        entitlements = item.get(ENTITLEMENTS, OMITTED)

        def change() -> Offer:
            return kind.wire.publish(
                {**item, "code": code},
                lambda fields: kind.publish(fields, entitlements, now=at, only="update", by=by),
            )

        run_in_transaction(change)
        return Response(kind.find(code))
