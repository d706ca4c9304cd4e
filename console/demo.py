"""
The demo: who can sign in, and what there is to see. Loading it again changes nothing.

Everything is made through the doors everybody uses: the catalog publishes, workspaces are created and welcomed, plans are
assigned, and guests that offer ``load_demo`` on their AppConfig use what is limited through their own services.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from django.apps import apps
from django.db import transaction

from billing.catalog.definitions import known_definitions
from billing.catalog.publishing import publish_plan, publish_product
from billing.models import BillableEntity, Plan, Product
from billing.models.assignments import AssignmentSource
from billing.models.catalog import PriceInterval, ProductGrantKind
from billing.subscriptions.assignments import assign
from billing.subscriptions.welcome import welcome_workspace
from mozaiks.workspaces import tokens
from mozaiks.workspaces.creation import create_user, create_workspace
from mozaiks.workspaces.members import add_member
from mozaiks.workspaces.models import ApiToken, Membership, User, Workspace
from mozaiks.workspaces.roles import Role

PASSWORD: Final = "demo"  # noqa: S105 - printed at every start of the demo
ACME: Final = "acme"
GLOBEX: Final = "globex"
TOKEN_NAME: Final = "demo"  # noqa: S105 - what the token is called, no secret
PROJECTS: Final = "projects.max"
CALCULATIONS: Final = "annuity.calculations.monthly"
#: When Globex came, and when it went from Free to Pro.
GLOBEX_FOUNDED: Final = timedelta(days=60)
GLOBEX_UPGRADED: Final = timedelta(days=45)
ADDON_DAYS: Final = 60
#: Whose prices these are: an account of Stripe's, or the provider of the demo, which learns them from this catalog.
PROVIDER: Final = "stripe"


@dataclass(frozen=True, kw_only=True)
class Login:
    """Somebody in the demo, with their role in each workspace; an operator has none."""

    username: str
    roles: Mapping[str, Role] = field(default_factory=dict)
    what: str


LOGINS: Final = (
    Login(username="operator", what="operates the console"),
    Login(username="alice", roles={ACME: Role.OWNER}, what="owns the workspace acme, on Free with nothing used yet"),
    Login(username="bob", roles={ACME: Role.MEMBER, GLOBEX: Role.VIEWER}, what="uses acme, may look at globex"),
    Login(username="charlie", roles={ACME: Role.VIEWER}, what="may look at acme"),
    Login(username="dana", roles={GLOBEX: Role.OWNER}, what="owns the workspace globex, on Pro with some usage"),
)


@dataclass(frozen=True, kw_only=True)
class Offer:
    """A plan or a product of the demo: its fields, and units by the code of the definition (None: unlimited)."""

    fields: Mapping[str, Any]
    units: Mapping[str, int | None]


PLANS: Final = (
    Offer(
        fields={"code": "free", "name": "Free", "description": "To try it.", "checkout_unit_amount_minor": 0},
        units={PROJECTS: 3, CALCULATIONS: 20},
    ),
    Offer(
        fields={
            "code": "pro",
            "name": "Pro",
            "description": "To work with it.",
            "checkout_unit_amount_minor": 1900,
            "checkout_provider": PROVIDER,
            "checkout_provider_price_id": "price_pro_monthly",
        },
        units={PROJECTS: 25, CALCULATIONS: 1000},
    ),
    Offer(
        fields={
            "code": "unlimited",
            "name": "Unlimited",
            "description": "Not to think of it.",
            "checkout_unit_amount_minor": 9900,
            "checkout_provider": PROVIDER,
            "checkout_provider_price_id": "price_unlimited_monthly",
        },
        units={PROJECTS: None, CALCULATIONS: None},
    ),
)
DEFAULT_PLAN: Final = "free"
MONTHLY: Final = {"checkout_currency": "EUR", "checkout_interval": PriceInterval.MONTH.value}

PRODUCTS: Final = (
    Offer(
        fields={
            "code": "extra_projects_pack_2m",
            "name": "Extra projects, 60 days",
            "description": "5 more projects and 100 more calculations a month, for 60 days.",
            "currency": "EUR",
            "unit_amount_minor": 900,
            "provider": PROVIDER,
            "provider_price_id": "price_extra_projects_60_days",
        },
        units={PROJECTS: 5, CALCULATIONS: 100},
    ),
    Offer(
        fields={
            "code": "calculation_credits_100",
            "name": "100 calculations",
            "description": "100 calculations, until they are used.",
            "currency": "EUR",
            "unit_amount_minor": 500,
            "provider": PROVIDER,
            "provider_price_id": "price_100_calculations",
        },
        units={CALCULATIONS: 100},
    ),
)
TIMEBOXED: Final = frozenset({"extra_projects_pack_2m"})


@dataclass(frozen=True, kw_only=True)
class Made:
    """One line of what was made; ``secret`` is shown this one time."""

    what: str
    which: str
    secret: str = ""


def load(*, now: datetime) -> list[Made]:
    """Make what is missing of the demo, and say what it was: nothing when all of it is there."""
    return [*_load_catalog(now=now), *_load_people(now=now), *_load_acme(now=now), *_load_globex(now=now)]


def _load_catalog(*, now: datetime) -> Iterator[Made]:
    """Plans and products that are missing; of what no guest counts here they grant nothing."""
    known = {code for code, definition in known_definitions().items() if definition.is_active}
    for offer in PLANS:
        if not Plan.objects.filter(code=offer.fields["code"]).exists():
            entries = [{"code": code, "valueJson": {"amount": units}} for code, units in _of(offer, known)]
            plan = publish_plan({**MONTHLY, **offer.fields, **_default(offer)}, entries, now=now, only="create")
            yield Made(what="plan", which=plan.name)
    for offer in PRODUCTS:
        if not Product.objects.filter(code=offer.fields["code"]).exists():
            entries = [_product_entry(offer, code, units) for code, units in _of(offer, known)]
            product = publish_product(offer.fields, entries, now=now, only="create")
            yield Made(what="product", which=product.name)


def _of(offer: Offer, known: Iterable[str]) -> list[tuple[str, int | None]]:
    return [(code, units) for code, units in offer.units.items() if code in known]


def _default(offer: Offer) -> dict[str, bool]:
    """The demo never takes the place of a default plan that somebody chose."""
    if offer.fields["code"] != DEFAULT_PLAN or Plan.objects.filter(is_default=True).exists():
        return {}
    return {"is_default": True}


def _product_entry(offer: Offer, code: str, units: int | None) -> dict[str, Any]:
    if offer.fields["code"] not in TIMEBOXED:
        return {"code": code, "amount": units, "grantKind": ProductGrantKind.ONE_OFF_TOPUP.value}
    timeboxed = ProductGrantKind.TIMEBOXED_ADDON.value
    return {"code": code, "amount": units, "grantKind": timeboxed, "durationDays": ADDON_DAYS}


def _load_people(*, now: datetime) -> Iterator[Made]:
    for login in LOGINS:
        if not User.objects.filter(username=login.username).exists():
            operator = not login.roles
            user = create_user(
                username=login.username,
                email=f"{login.username}@example.org",
                password=PASSWORD,
                now=now,
                is_staff=operator,
                is_superuser=operator,
            )
            yield Made(what="user", which=user.username)


def _load_acme(*, now: datetime) -> Iterator[Made]:
    """A workspace that has used nothing: the first limit it meets is the one to be shown."""
    acme = Workspace.objects.filter(slug=ACME).first()
    if acme is None:
        acme = create_workspace(name="Acme", slug=ACME, owner=_owner_of(ACME), now=now)
        yield Made(what="workspace", which=f"{acme.name}, on Free")
    else:
        welcome_workspace(acme, now)
    yield from _load_members(acme, now=now)
    alice = _owner_of(ACME)
    if not ApiToken.objects.filter(user=alice, name=TOKEN_NAME).exists():
        _, secret = tokens.issue(alice, name=TOKEN_NAME, now=now)
        yield Made(what="API token", which=f"of {alice.username}, shown this once", secret=secret)


def _load_globex(*, now: datetime) -> Iterator[Made]:
    """A workspace with a history, which is made at the times it would have happened, all of it or nothing."""
    if Workspace.objects.filter(slug=GLOBEX).exists():
        return
    with transaction.atomic():
        founded = now - GLOBEX_FOUNDED
        globex = create_workspace(name="Globex", slug=GLOBEX, owner=_owner_of(GLOBEX), now=founded)
        members = list(_load_members(globex, now=founded))
        _assign_pro(globex, now=now - GLOBEX_UPGRADED)
        _use(globex, since=now - GLOBEX_UPGRADED, now=now)
    yield Made(what="workspace", which=f"{globex.name}, on Pro, with some usage")
    yield from members


def _assign_pro(workspace: Workspace, *, now: datetime) -> None:
    assign(
        BillableEntity.objects.for_workspace(workspace.pk).get(),
        Plan.objects.get(code="pro"),
        source=AssignmentSource.MANUAL,
        billing_cycle="monthly",
        actor="operator",
        reason="Upgraded by telephone.",
        now=now,
    )


def _use(workspace: Workspace, *, since: datetime, now: datetime) -> None:
    """Let every guest that can use what it limits, from ``since`` to ``now``."""
    for app in apps.get_app_configs():
        if hasattr(app, "load_demo"):
            app.load_demo(workspace, since=since, now=now)


def _load_members(workspace: Workspace, *, now: datetime) -> Iterator[Made]:
    members = set(Membership.objects.filter(workspace=workspace).values_list("user__username", flat=True))
    for login in LOGINS:
        role = login.roles.get(workspace.slug)
        if role is not None and login.username not in members:
            add_member(workspace, User.objects.get(username=login.username), role=role, now=now)
            yield Made(what="member", which=f"{login.username}, {role} of {workspace.name}")


def _owner_of(slug: str) -> User:
    username = next(login.username for login in LOGINS if login.roles.get(slug) is Role.OWNER)
    return User.objects.get(username=username)
