"""What the tables of the console share: looked at without being changed, and at a price that does not grow with them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, cast

from django.contrib import admin, messages
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.html import format_html
from unfold.decorators import action
from unfold.paginator import InfinitePaginator

from billing.engine.types import SourceType, SubjectType
from billing.models import BillableEntity
from billing.models.entities import EntityType
from console.words import SOURCES, money, units
from mozaiks.kit.errors import Failure

if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin[Any]
    TabularInline = admin.TabularInline[Any, Any]
else:
    from unfold.admin import ModelAdmin, TabularInline  # noqa: F401 - the sections take it from here

__all__ = ["money", "units"]  # the sections take them from here

View = TypeVar("View", bound=Callable[..., Any])

#: How many words of a search are looked at, and how many customers one word may mean.
MOST_WORDS = 5
MOST_CUSTOMERS = 100
#: The longest number that fits into an id.
LONGEST_ID = 18
#: How many of the newest rows are looked through for what no index helps to find.
LOOKED_THROUGH = 100_000
#: The first steps from a row to its customer that have an index.
CUSTOMER_PATHS = ("subject", "billable_entity")
#: What may stand in an address beside filters.
NO_FILTERS = frozenset(("q", "p", "o", "e", "all", "_popup", "_to_field"))


class ReadOnly:
    """Nothing is added, changed or deleted here, whoever asks and however they ask."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class Told(ModelAdmin):
    """What a room refuses while a row is saved is told above the form; nothing was written."""

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        view: Callable[..., HttpResponse] = super().changeform_view
        try:
            return view(request, *args, **kwargs)
        except Failure as refused:
            self.message_user(request, refused.message, messages.ERROR)
            return HttpResponseRedirect(request.get_full_path())


class Table(ModelAdmin):
    """
    A table that may be long: newest first by its primary key, in pages that are never counted.

    Nothing is sorted by a click, since most columns have no index to sort by. What a row belongs to is read afterwards
    (``list_prefetch_related``): joined, MariaDB would rather begin with the smaller table and sort all of the larger one.
    """

    list_prefetch_related: ClassVar[tuple[str, ...]] = ()
    #: Instants with an index of their own, by which days are found however long ago they were.
    indexed_days: ClassVar[tuple[str, ...]] = ()
    paginator = InfinitePaginator
    show_full_result_count = False
    list_per_page = 50
    list_select_related = ()
    ordering = ("-pk",)
    sortable_by = ()

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).prefetch_related(*self.list_prefetch_related)

    def get_paginator(self, request: HttpRequest, queryset: QuerySet[Any], *args: Any, **kwargs: Any) -> Any:
        """
        Pages of what was asked for. A filter alone is looked for among the newest rows: most have no index, and what is rare
        would otherwise be looked for in all of the table. What leaves the list on other ways is not cut.
        """
        if self.is_filtered_only(request):
            newest = self.model._default_manager.order_by("-pk").values_list("pk", flat=True).first() or 0
            if newest > LOOKED_THROUGH:
                queryset = queryset.filter(pk__gt=newest - LOOKED_THROUGH)
                messages.info(
                    request,
                    f"Filters look through the newest {LOOKED_THROUGH:,} rows. Search for a customer for all of theirs.",
                )
        return super().get_paginator(request, queryset, *args, **kwargs)

    def is_filtered_only(self, request: HttpRequest) -> bool:
        """Whether nothing but filters says which rows: no search, no customer, no day."""
        found = request.GET.keys() - NO_FILTERS
        by_index = [name for name in found if name.endswith("__id__exact") and name.split("__")[0] in CUSTOMER_PATHS]
        dated = {f"{days}_{end}" for days in self.indexed_days for end in ("from", "to")} & found
        return bool(found) and not by_index and not dated and not request.GET.get("q")


class Lookup(ReadOnly, Table):
    """A read-only table that is searched by whole words: what a word may mean is said by ``matching``."""

    search_fields = ("pk",)  # shows the box

    def matching(self, word: str) -> Q:
        raise NotImplementedError

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        for word in search_term.split()[:MOST_WORDS]:
            queryset = queryset.filter(self.matching(word))
        return queryset, False


class Ledger(Lookup):
    """
    What happened to customers. Searched by the id or the name of a customer and by whole keys, which indexes help to find.

    ``customer_path`` leads to the customer; ``key_fields`` are compared with a word as a whole, those of them that are
    ``recent_keys`` in the newest rows only.
    """

    customer_path = "subject"
    key_fields: ClassVar[tuple[str, ...]] = ()
    recent_keys: ClassVar[tuple[str, ...]] = ()
    search_help_text = "Customer id, workspace, or a whole key"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Rows with their customer. Those of one customer are found by an index, which begins with the subject's type."""
        rows = super().get_queryset(request).prefetch_related(*customer_of(self.customer_path))
        one_customer = f"{self.customer_path}__id__exact" in request.GET
        return rows.filter(self.kind_of_customer()) if one_customer else rows

    def kind_of_customer(self) -> Q:
        return Q(subject_type=SubjectType.BILLABLE_ENTITY.value) if hasattr(self.model, "subject_type") else Q()

    def matching(self, word: str) -> Q:
        """An id of the row or of its customer; a customer's name; a key."""
        if is_id(word):
            return Q(pk=int(word)) | self.of_customers([int(word)])
        means = self.of_customers(customers_called(word))
        return means | Q(pk__in=self.keyed(word)) if self.key_fields else means

    def of_customers(self, keys: list[int]) -> Q:
        """Rows of these customers, by an index: what lies between is looked up first."""
        step, _, further = self.customer_path.partition("__")
        if not further:
            return Q(**{f"{step}__in": keys}) & self.kind_of_customer()
        between = cast("type[Model]", self.model._meta.get_field(step).related_model)._default_manager
        found = between.filter(**{f"{further}__in": keys}).order_by().values_list("pk", flat=True)
        return Q(**{f"{step}__in": list(found[:MOST_CUSTOMERS])})

    def keyed(self, word: str) -> list[int]:
        """
        Rows that have ``word`` as one of their keys, each key looked up alone, so that each finds its index.

        Ids of providers are unique together with the provider; a key without an index is looked for among the newest rows.
        """
        rows = self.model._default_manager.order_by()
        found: list[int] = []
        for key in self.key_fields:
            named = rows.filter(**{key: word})
            if key.startswith("provider_"):
                named = named.filter(provider__in=list(rows.values_list("provider", flat=True).distinct()))
            elif key in self.recent_keys:
                newest = rows.order_by("-pk").values_list("pk", flat=True).first() or 0
                named = named.filter(pk__gt=newest - LOOKED_THROUGH)
            found += named.values_list("pk", flat=True)[:MOST_CUSTOMERS]
        return found

    @admin.display(description="Customer")
    def customer(self, row: Any) -> str:
        found: Any = row
        for step in self.customer_path.split("__"):
            found = getattr(found, step)
        return customer_link(found)


def is_id(word: str) -> bool:
    """Whether a word of a search can be an id."""
    return word.isascii() and word.isdecimal() and len(word) <= LONGEST_ID


def customer_of(path: str) -> tuple[str, str]:
    """What has to be read to name the customer at ``path``."""
    return f"{path}__workspace", f"{path}__owner_user"


def customers_called(word: str) -> list[int]:
    """Ids of customers whose workspace, user or reference is called ``word``. Each is looked up by its own index."""
    named = (
        Q(workspace__slug=word),
        Q(owner_user__username=word),
        Q(entity_type__in=(EntityType.ORGANIZATION, EntityType.EXTERNAL), entity_ref=word),
    )
    first, *others = (BillableEntity.objects.filter(one).values_list("pk", flat=True) for one in named)
    return list(first.union(*others)[:MOST_CUSTOMERS])


def customer_name(entity: BillableEntity | None) -> str:
    """What an operator calls a customer."""
    if entity is None:
        return "-"
    if entity.workspace is not None:
        return f"{entity.workspace.name} ({entity.workspace.slug})"
    if entity.entity_type == EntityType.USER and entity.owner_user is not None:
        return entity.owner_user.get_username()
    return f"{entity.entity_type} {entity.entity_ref}"


def customer_link(entity: BillableEntity | None) -> str:
    return "-" if entity is None else link(entity, customer_name(entity))


def link(row: Model | None, text: object = None) -> str:
    """A link to the page of ``row`` in the console."""
    if row is None:
        return "-"
    options = row._meta
    return link_to(f"{options.app_label}_{options.model_name}", row.pk, row if text is None else text)


def link_to(table: str, key: object, text: object) -> str:
    """A link to the page of the row ``key`` of a table, without reading the row."""
    address = reverse(f"admin:{table}_change", args=[key])
    return format_html('<a href="{}" class="text-primary-600 dark:text-primary-500">{}</a>', address, text)


def source_link(source_type: str, source_id: str) -> str:
    """What a grant, an ending or an adjustment was made for, with the way there where there is one."""
    words = f"{source_type.replace('_', ' ')} {source_id}".strip()
    table = SOURCES.get(SourceType(source_type))
    return words if table is None or not source_id.isdecimal() else link_to(table, source_id, words)


def button(*, text: str, path: str, permission: str, icon: str) -> Callable[[View], View]:
    """Make a method a button on the page of a row, for those whom ``has_<permission>_permission`` lets."""
    made = action(description=text, url_path=path, permissions=[permission], icon=icon)
    return cast("Callable[[View], View]", made)
