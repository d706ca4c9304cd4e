"""Finding a customer by whatever a support question names: each word by an index, or in the table of customers itself."""

from __future__ import annotations

from collections.abc import Iterator

from django.db.models import Q
from django.db.models.functions import Lower
from django.db.models.lookups import Contains, StartsWith

from billing.engine.types import SubjectType
from billing.models import (
    AssignmentProviderDetail,
    BillableEntity,
    BillingEvent,
    Consumption,
    Grant,
    Operation,
    PlanAssignment,
    Purchase,
)
from billing.models.entities import EntityType
from console.admin.base import MOST_CUSTOMERS, is_id
from mozaiks.workspaces.models import Membership, User, Workspace

#: Shorter words are no ids of a provider and no keys.
SHORTEST_KEY = 6

#: How many workspaces one word may mean: many, since another word may choose among them.
MOST_NAMED = 1_000
#: What is known by a reference alone.
REFERRED = (EntityType.ORGANIZATION, EntityType.EXTERNAL)

_PROVIDER_IDS = (
    "provider_payment_id",
    "provider_invoice_id",
    "provider_checkout_session_id",
)


def customers_found(word: str) -> Q:
    """
    Customers a word may mean: by their own id or that of their workspace or purchase; by the beginning of a slug, a username, an
    e-mail address or a reference, of members too; by part of a workspace's name; by a whole id of a provider or a key.

    Names are looked for in their own tables, the newest first, and customers by what was found there: asked for in one
    statement, every customer would be joined with every name.
    """
    called = _begins("slug", word) | Q(Contains(Lower("name"), word.lower()))
    workspaces = Workspace.objects.filter(called).order_by("-pk").values_list("pk", flat=True)
    referred = BillableEntity.objects.filter(_begins("entity_ref", word), entity_type__in=REFERRED)
    found = Q(workspace__in=list(workspaces[:MOST_NAMED]))
    found |= Q(pk__in=list(referred.order_by("-pk").values_list("pk", flat=True)[:MOST_CUSTOMERS]))
    users = _begins("username", word) | _begins("email", word)
    people = list(User.objects.filter(users).values_list("pk", flat=True)[:MOST_CUSTOMERS])
    if people:
        member_of = Membership.objects.filter(user__in=people).values_list("workspace_id", flat=True)
        found |= Q(owner_user__in=people) | Q(workspace__in=list(member_of[:MOST_CUSTOMERS]))
    if is_id(word):
        found |= Q(pk=int(word)) | Q(workspace_id=int(word)) | Q(pk__in=_ids(Purchase.objects.filter(pk=int(word))))
    if len(word) >= SHORTEST_KEY:
        found |= Q(pk__in=set(_by_key(word)))
    return found


def _begins(field: str, word: str) -> Q:
    """Whatever the case: the collations of the house tell cases apart, so that ``LIKE`` does too."""
    return Q(StartsWith(Lower(field), word.lower()))


def _by_key(word: str) -> Iterator[int]:
    """Customers of what a provider or a request calls so. Each is found by a unique key, whoever the provider is."""
    providers = list(Purchase.objects.order_by().values_list("provider", flat=True).distinct())
    purchases = Purchase.objects.filter(provider__in=providers)
    for name in _PROVIDER_IDS:
        yield from _ids(purchases.filter(**{name: word}))
    yield from _ids(Purchase.objects.filter(dedupe_key=word))
    details = AssignmentProviderDetail.objects.order_by()
    of_provider = details.filter(provider__in=list(details.values_list("provider", flat=True).distinct()))
    for name in ("provider_subscription_id", "provider_customer_id"):
        named = list(of_provider.filter(**{name: word}).values_list("pk", flat=True)[:MOST_CUSTOMERS])
        assignments = PlanAssignment.objects.filter(pk__in=named)
        yield from assignments.values_list("billable_entity_id", flat=True)
    events = BillingEvent.objects.filter(
        provider__in=list(BillingEvent.objects.order_by().values_list("provider", flat=True).distinct()),
        provider_event_id=word,
        billable_entity__isnull=False,
    )
    yield from (key for key in events.values_list("billable_entity_id", flat=True)[:MOST_CUSTOMERS] if key)
    kind = SubjectType.BILLABLE_ENTITY.value
    for facts in (
        Operation.objects.filter(key=word, subject_type=kind),
        Grant.objects.filter(dedupe_key=word),
        Consumption.objects.filter(dedupe_key=word),
    ):
        yield from facts.values_list("subject_id", flat=True)[:MOST_CUSTOMERS]


def _ids(purchases: object) -> list[int]:
    rows = purchases.values_list("billable_entity_id", flat=True)  # type: ignore[attr-defined]
    return list(rows[:MOST_CUSTOMERS])
