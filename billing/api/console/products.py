"""``/api/console/billing/products``: products for people who script their catalog."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema, extend_schema_view

from billing.api.console.doors import LIST_FAILURES, READ_FAILURES, WRITE_FAILURES, permissions_for
from billing.api.console.offers import Kind, OffersView, OfferView
from billing.api.console.shapes import CatalogProduct, CatalogProductChange, CatalogProductNew, CatalogProductPage
from billing.api.doors import FAILURES
from billing.api.paging import PAGES
from billing.catalog.publishing import publish_product
from billing.catalog.templates import product_entry
from billing.catalog.wire import PRODUCT, product_item
from billing.models import Product, ProductTemplate

TAGS = ["console: catalog"]


def _item(product: Any) -> dict[str, Any]:
    return product_item(product, map(product_entry, product.templates.all()))


PRODUCTS = Kind(
    name="product", table=Product, templates=ProductTemplate, wire=PRODUCT, item=_item, publish=publish_product
)


@extend_schema_view(
    get=extend_schema(
        operation_id="list_catalog_products",
        tags=TAGS,
        summary="All products, active or not, with what they grant",
        parameters=[*PAGES],
        responses={200: CatalogProductPage, **LIST_FAILURES},
    ),
    post=extend_schema(
        operation_id="create_catalog_product",
        tags=TAGS,
        summary="Make a product",
        description="By the rules of the console: written whole or not at all. What is wrong is told together, each with its"
        " path.",
        request=CatalogProductNew,
        responses={201: CatalogProduct, **WRITE_FAILURES},
    ),
)
class ProductsView(OffersView):
    """All products, and a new one."""

    kind = PRODUCTS
    permissions = permissions_for("product")


@extend_schema_view(
    get=extend_schema(
        operation_id="read_catalog_product",
        tags=TAGS,
        summary="One product",
        responses={200: CatalogProduct, **READ_FAILURES, 404: FAILURES[404]},
    ),
    patch=extend_schema(
        operation_id="change_catalog_product",
        tags=TAGS,
        summary="Change a product",
        description="Fields that are not sent stay. `entitlements` replaces all there are; `[]` clears them. Who"
        " bought it keeps what was granted.",
        request=CatalogProductChange,
        responses={200: CatalogProduct, **WRITE_FAILURES, 404: FAILURES[404]},
    ),
)
class ProductView(OfferView):
    """One product."""

    kind = PRODUCTS
    permissions = permissions_for("product")
