"""
The items of the catalog in the OpenAPI description: the JSON Schema of the catalog document, under names.

The serializers here carry a schema and nothing else; what is read and answered is the catalog's own (``catalog.wire``).
"""

# ruff: noqa: N815 - fields of serializers are named as they are on the wire

from __future__ import annotations

from typing import Any

from drf_spectacular.extensions import OpenApiSerializerExtension
from rest_framework import serializers

from billing.catalog.document_schema import (
    Schema,
    definition_schema,
    plan_schema,
    product_schema,
    required_of_new,
)
from billing.catalog.wire import PLAN, PRODUCT

INSTANT: Schema = {"type": "string", "format": "date-time", "readOnly": True}
REASON: Schema = {
    "type": "string",
    "description": "Why, for the history. Required where something that was there changes.",
}


class Shape(serializers.Serializer[Any]):
    """A serializer that is described by a schema of its own."""

    @classmethod
    def described(cls) -> Schema:
        """The schema."""
        raise NotImplementedError


class ShapeExtension(OpenApiSerializerExtension):
    """Tells drf-spectacular to take the schema as it is."""

    target_class = "billing.api.console.shapes.Shape"
    match_subclasses = True

    def map_serializer(self, auto_schema: Any, direction: str) -> Schema:
        described: Schema = self.target.described()
        return described


def _answer(item: Schema) -> Schema:
    """As it is answered: every field is there, but for what a plan never said it grants."""
    properties = item["properties"] | {"createdAt": INSTANT, "updatedAt": INSTANT}
    required = [name for name in properties if name != "entitlements"]
    return {"type": "object", "properties": properties, "required": required}


def _body(item: Schema) -> Schema:
    return item | {"properties": item["properties"] | {"reason": REASON}}


class CatalogPlan(Shape):
    """A plan with what it grants."""

    @classmethod
    def described(cls) -> Schema:
        return _answer(plan_schema())


class CatalogPlanNew(Shape):
    """A plan that is not there yet."""

    @classmethod
    def described(cls) -> Schema:
        return _body(plan_schema(required=required_of_new(PLAN)))


class CatalogPlanChange(Shape):
    """What changes of a plan; the rest stays."""

    @classmethod
    def described(cls) -> Schema:
        return _body(plan_schema(required=()))


class CatalogProduct(Shape):
    """A product with what one unit of it grants."""

    @classmethod
    def described(cls) -> Schema:
        return _answer(product_schema())


class CatalogProductNew(Shape):
    """A product that is not there yet."""

    @classmethod
    def described(cls) -> Schema:
        return _body(product_schema(required=required_of_new(PRODUCT)))


class CatalogProductChange(Shape):
    """What changes of a product; the rest stays."""

    @classmethod
    def described(cls) -> Schema:
        return _body(product_schema(required=()))


class CatalogDefinition(Shape):
    """What can be granted at all."""

    @classmethod
    def described(cls) -> Schema:
        return _answer(definition_schema())


class Page(serializers.Serializer[Any]):
    """One page of a list."""

    page = serializers.IntegerField()
    pageSize = serializers.IntegerField()
    hasMore = serializers.BooleanField()


class CatalogPlanPage(Page):
    """Plans, by code."""

    entries = CatalogPlan(many=True)


class CatalogProductPage(Page):
    """Products, by code."""

    entries = CatalogProduct(many=True)


class CatalogDefinitionPage(Page):
    """Definitions, by code."""

    entries = CatalogDefinition(many=True)
