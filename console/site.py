"""The sections of the console: what stands where in the sidebar and on the first page."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.templatetags.static import static

from console import overview
from mozaiks.kit import clock


@dataclass(frozen=True, kw_only=True, slots=True)
class Section:
    """A group of tables, each with the icon it has in the sidebar."""

    title: str
    tables: dict[str, str]


SECTIONS = (
    Section(
        title="Catalog",
        tables={
            "billing.plan": "inventory_2",
            "billing.product": "shopping_bag",
            "billing.definition": "rule",
            "billing.plantemplate": "list_alt",
            "billing.producttemplate": "list",
            "billing.rollout": "rocket_launch",
            "billing.catalogrevision": "history",
        },
    ),
    Section(
        title="Customers",
        tables={
            "billing.billableentity": "badge",
            "billing.planassignment": "assignment_ind",
            "billing.assignmentproviderdetail": "link",
        },
    ),
    Section(
        title="Entitlements",
        tables={
            "billing.balance": "account_balance_wallet",
            "billing.grant": "add_card",
            "billing.consumption": "trending_down",
            "billing.allocation": "call_split",
            "billing.grantending": "event_busy",
            "billing.grantadjustment": "tune",
            "billing.openlot": "stacks",
            "billing.hold": "pause_circle",
            "billing.holdevent": "history",
            "billing.operation": "key",
            "billing.decision": "block",
            "billing.resourcesnapshot": "photo_camera",
            "billing.workerheartbeat": "monitor_heart",
        },
    ),
    Section(
        title="Payments",
        tables={
            "billing.purchase": "payments",
            "billing.purchaseadjustment": "currency_exchange",
            "billing.billingevent": "inbox",
            "billing.checkoutsession": "shopping_cart_checkout",
            "billing.billingcustomer": "contact_page",
            "billing.providersubscription": "autorenew",
            "billing.paymentmethod": "credit_card",
            "billing.requestidempotency": "replay",
        },
    ),
    Section(
        title="Usage",
        tables={
            "billing.usageday": "calendar_month",
            "billing.usagetotal": "bar_chart",
            "billing.usagemark": "flag",
        },
    ),
    Section(
        title="Workspaces",
        tables={
            "workspaces.workspace": "domain",
            "workspaces.membership": "groups",
            "workspaces.user": "person",
            "workspaces.apitoken": "vpn_key",
            "auth.group": "shield_person",
        },
    ),
)
#: Where tables stand that no section names: those of the guests.
REST = Section(title="Apps", tables={})
ICON_OF_REST = "widgets"


#: The table in which customers are found.
CUSTOMERS = "billing.billableentity"


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """The sidebar: the sections, with the tables this user may see."""
    return [
        {
            "title": section.title,
            "separator": True,
            "items": [
                {"title": str(table["name"]), "link": table["admin_url"], "icon": table["icon"]} for table in tables
            ],
        }
        for section, tables in _visible(request)
    ]


def first_page(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """What the first page shows: a way to a customer, the overview, and the sections instead of Django's apps."""
    sections = list(_visible(request))
    seen = {_label(table): table["admin_url"] for _, tables in sections for table in tables}
    context["find_customer"] = seen.get(CUSTOMERS)
    if request.user.has_perm(overview.PERMISSION):
        context["overview"] = overview.page(request, now=clock.now())
    context["app_list"] = [
        {"name": section.title, "app_label": section.title.lower(), "app_url": "", "models": tables}
        for section, tables in sections
    ]
    return context


def icon(request: HttpRequest) -> str:
    """The address of the icon; asked at run time, since in production it carries a hash."""
    return static("mozaiks/icon.svg")


def styles_without_scripts(request: HttpRequest) -> str:
    """The address of the styles that show the pages where no scripts run."""
    return static("console/without-scripts.css")


def _visible(request: HttpRequest) -> Iterator[tuple[Section, list[dict[str, Any]]]]:
    """Each section that has something for this user, with Django's descriptions of its tables."""
    found = [table for app in admin.site.get_app_list(request) for table in app["models"] if table["admin_url"]]
    by_label = {_label(table): table for table in found}
    for section in SECTIONS:
        tables = [
            {**by_label.pop(label), "icon": icon_name}
            for label, icon_name in section.tables.items()
            if label in by_label
        ]
        if tables:
            yield section, tables
    if by_label:
        yield REST, [{**table, "icon": ICON_OF_REST} for table in by_label.values()]


def _label(table: dict[str, Any]) -> str:
    return str(table["model"]._meta.label_lower)
