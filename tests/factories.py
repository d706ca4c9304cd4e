"""Sensible wholes for tests: what a test does not say about a row does not matter to it."""

from typing import Any

import factory
from factory.django import DjangoModelFactory

from billing.engine.types import (
    AggregationMode,
    EnforcementMode,
    EntitlementType,
    GrantKind,
    Replenish,
    SourceType,
    WindowAnchor,
    WindowInterval,
)
from billing.entitlements import grants
from billing.entitlements.resolvers import definition_by_id
from billing.models import BillableEntity, Definition, Grant, Plan, PlanTemplate, Product, ProductTemplate
from billing.models.catalog import ProductGrantKind
from billing.models.entities import EntityType
from mozaiks.kit.db import run_in_transaction
from mozaiks.workspaces.models import Membership, User, Workspace
from mozaiks.workspaces.roles import Role
from tests import NOON


class UserFactory(DjangoModelFactory[User]):
    """Somebody who may sign in with the password ``open sesame``."""

    class Meta:
        model = User
        skip_postgeneration_save = True

    username = factory.Sequence(lambda number: f"user{number}")
    email = factory.LazyAttribute(lambda user: f"{user.username}@example.org")
    password = factory.django.Password("open sesame")
    date_joined = NOON


class WorkspaceFactory(DjangoModelFactory[Workspace]):
    """A workspace with nobody in it."""

    class Meta:
        model = Workspace

    name = factory.Sequence(lambda number: f"Workspace {number}")
    slug = factory.Sequence(lambda number: f"workspace-{number}")
    created_at = NOON


class MembershipFactory(DjangoModelFactory[Membership]):
    """A user who uses a workspace; both are made where none is given."""

    class Meta:
        model = Membership

    workspace = factory.SubFactory(WorkspaceFactory)
    user = factory.SubFactory(UserFactory)
    role = Role.MEMBER
    created_at = NOON


class BillableEntityFactory(DjangoModelFactory[BillableEntity]):
    """The billable entity of a workspace that is made with it."""

    class Meta:
        model = BillableEntity

    entity_type = EntityType.WORKSPACE
    workspace = factory.SubFactory(WorkspaceFactory)
    created_at = NOON
    updated_at = NOON


class DefinitionFactory(DjangoModelFactory[Definition]):
    """A quota per calendar month that refuses what does not fit; traits are the other types."""

    class Meta:
        model = Definition

    class Params:
        capacity = factory.Trait(
            entitlement_type=EntitlementType.CAPACITY,
            enforcement_mode=EnforcementMode.HARD_LOCK_RESOURCE,
            lock_state_name="locked_over_cap",
            window_interval=None,
            window_anchor=None,
        )
        balance = factory.Trait(entitlement_type=EntitlementType.BALANCE, window_interval=None, window_anchor=None)
        state = factory.Trait(
            entitlement_type=EntitlementType.STATE,
            aggregation_mode=AggregationMode.BOOLEAN_ANY_TRUE,
            window_interval=None,
            window_anchor=None,
        )

    code = factory.Sequence(lambda number: f"limit.{number}")
    name = factory.LazyAttribute(lambda definition: f"Limit {definition.code}")
    entitlement_type = EntitlementType.METERED_QUOTA
    unit = "unit"
    window_interval: WindowInterval | None = WindowInterval.MONTH
    window_anchor: WindowAnchor | None = WindowAnchor.CALENDAR_UTC
    aggregation_mode = AggregationMode.SUM
    created_at = NOON
    updated_at = NOON


class PlanFactory(DjangoModelFactory[Plan]):
    """An active free plan."""

    class Meta:
        model = Plan

    code = factory.Sequence(lambda number: f"plan-{number}")
    name = factory.LazyAttribute(lambda plan: f"Plan {plan.code}")
    checkout_unit_amount_minor = 0
    created_at = NOON
    updated_at = NOON


class PlanTemplateFactory(DjangoModelFactory[PlanTemplate]):
    """A plan grants 10 units of a monthly quota while it is current."""

    class Meta:
        model = PlanTemplate

    plan = factory.SubFactory(PlanFactory)
    definition = factory.SubFactory(DefinitionFactory)
    amount = 10


class ProductFactory(DjangoModelFactory[Product]):
    """An active product for 5.00 EUR that no provider sells."""

    class Meta:
        model = Product

    code = factory.Sequence(lambda number: f"product-{number}")
    name = factory.LazyAttribute(lambda product: f"Product {product.code}")
    currency = "EUR"
    unit_amount_minor = 500
    created_at = NOON
    updated_at = NOON


class ProductTemplateFactory(DjangoModelFactory[ProductTemplate]):
    """A product tops a monthly quota up by 10 units, once."""

    class Meta:
        model = ProductTemplate

    product = factory.SubFactory(ProductFactory)
    definition = factory.SubFactory(DefinitionFactory)
    amount = 10
    grant_kind = ProductGrantKind.ONE_OFF_TOPUP


class GrantFactory(factory.Factory):
    """
    Ten presses a month given by hand, recorded as the engine records them, so that the balance knows of them.

    ``recorded_at`` is when that happens; a plan's grant is ``GrantFactory(of_plan=True)``.
    """

    class Meta:
        model = Grant

    class Params:
        of_plan = factory.Trait(kind=GrantKind.PLAN_BASE, source_type=SourceType.PLAN_ASSIGNMENT)
        bonus_of_plan = factory.Trait(
            kind=GrantKind.PROMO, replenish=Replenish.PER_WINDOW, source_type=SourceType.PLAN_ASSIGNMENT
        )

    subject = factory.SubFactory(BillableEntityFactory)
    definition = factory.SubFactory("tests.gadgets.factories.PressesFactory")
    amount = 10
    kind = GrantKind.TOPUP
    replenish = factory.LazyAttribute(lambda grant: grants.REPLENISH[grant.kind])
    effective_at = NOON
    expires_at = None
    override = None
    source_type = SourceType.MANUAL_CONSOLE
    source_id = "tests"
    dedupe_key = factory.Sequence(lambda number: f"g1:test:{number}")
    recorded_at = NOON

    @classmethod
    def _create(cls, model_class: type[Grant], *args: Any, **given: Any) -> Grant:
        subject, definition, now = given.pop("subject"), given.pop("definition"), given.pop("recorded_at")
        new = grants.NewGrant(info=definition_by_id(definition.pk), **given)
        run_in_transaction(lambda: grants.record(subject.pk, new=[new], now=now))
        return Grant.objects.get(dedupe_key=new.dedupe_key)
