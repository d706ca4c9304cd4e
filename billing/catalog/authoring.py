"""
Turns the JSON that authors write into typed entries; no other module reads entitlements from JSON.

Pure: definitions come in, entries or all broken rules go out. The admin, the REST catalog, import and backfill use it.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import Any, TypeVar

from billing.catalog import values
from billing.catalog.entries import DefinitionInfo, PlanEntry, ProductEntry
from billing.catalog.problems import Problems, RuleBroken, at_key, listed, shown
from billing.engine.types import EntitlementType
from billing.models.catalog import DurationPolicy, EffectivePolicy, PlanGrantKind, ProductGrantKind
from billing.models.fields import CODE_LENGTH

Entry = TypeVar("Entry", PlanEntry, ProductEntry)
Kind = TypeVar("Kind", bound=StrEnum)
Definitions = Mapping[str, DefinitionInfo]

#: More entries than anybody needs; it bounds the work a payload can cause.
MAX_ENTRIES = 500

ROOT = "entitlements"
PLAN_KEYS = (
    "code",
    "schemaVersion",
    "valueJson",
    "grantKind",
    "effectivePolicy",
    "durationPolicy",
    "durationDays",
    "metadataJson",
)
PRODUCT_KEYS = ("code", "amount", "grantKind", "durationDays", "metadataJson")
AMOUNT_KEYS = ("amount", "limit", "max")
SCHEMA_VERSIONS = (
    "1",
    "entitlement.quota.v1",
    "entitlement.boolean.v1",
    *(f"entitlement.{kind.value}.v1" for kind in EntitlementType),
)


def parse_plan_entries(raw: object, definitions: Definitions, *, strict: bool = False) -> list[PlanEntry]:
    """
    Read the ``entitlements`` of a plan. ``definitions`` are all known ones by code, inactive ones too.

    ``strict`` also refuses an entry whose ``valueJson`` names two different valid amounts.

    :raises CatalogInvalid: with every broken rule and its path.
    """
    problems = Problems()
    entries = read_plan_entries(raw, definitions, problems, strict=strict)
    problems.raise_if_any()
    return entries


def parse_product_entries(raw: object, definitions: Definitions) -> list[ProductEntry]:
    """
    Read the ``entitlements`` of a product. ``definitions`` are all known ones by code, inactive ones too.

    :raises CatalogInvalid: with every broken rule and its path.
    """
    problems = Problems()
    entries = read_product_entries(raw, definitions, problems)
    problems.raise_if_any()
    return entries


def read_plan_entries(
    raw: object, definitions: Definitions, problems: Problems, *, strict: bool = False
) -> list[PlanEntry]:
    """As :func:`parse_plan_entries`, noting what is wrong in ``problems``; the entries count only if nothing is."""
    return _read_all(raw, definitions, problems, lambda entry: _plan_entry(entry, strict=strict))


def read_product_entries(raw: object, definitions: Definitions, problems: Problems) -> list[ProductEntry]:
    """As :func:`parse_product_entries`, noting what is wrong in ``problems``."""
    return _read_all(raw, definitions, problems, _product_entry)


class _Raw:
    """One entry as it was written, with its path and the place where its problems go."""

    def __init__(self, item: Mapping[str, Any], path: str, definitions: Definitions, problems: Problems) -> None:
        self.item = item
        self.path = path
        self.problems = problems
        self._definitions = definitions

    def at(self, key: str) -> str:
        return f"{self.path}.{key}"

    def refuse_unknown_keys(self, known: Sequence[str]) -> None:
        for key in self.item:
            if key not in known:
                self.problems.add(at_key(self.path, key), f"unknown key; known are {listed(list(known))}")

    def definition(self) -> DefinitionInfo | None:
        return self.problems.attempt(self.at("code"), self._find_definition, otherwise=None)

    def _find_definition(self) -> DefinitionInfo | None:
        if "code" not in self.item:
            raise RuleBroken("is required")
        code = values.text(self.item["code"], least=1, most=CODE_LENGTH)
        found = self._definitions.get(code)
        if found is None:
            raise RuleBroken(f"unknown entitlement definition {shown(code)}{self._nearest(code)}")
        if not found.is_active:
            raise RuleBroken(f"entitlement definition {shown(code)} is inactive{self._nearest(code)}")
        return found

    def _nearest(self, code: str) -> str:
        active = {known.casefold(): known for known, info in self._definitions.items() if info.is_active}
        near = difflib.get_close_matches(code.casefold(), active, n=3, cutoff=0.0)
        return f"; nearest known: {listed([active[word] for word in near])}" if near else "; none are known"

    def kind(self, key: str, kind: type[Kind], default: Kind) -> Kind:
        """The value of ``key``; ``default`` when it is absent (or broken, which is noted)."""
        if key not in self.item:
            return default
        return self.problems.attempt(self.at(key), lambda: values.one_of(self.item[key], kind), otherwise=default)

    def duration_days(self, *, required_by: StrEnum, required: bool) -> int | None:
        """Days; required when ``required``, refused otherwise. An explicit null counts as absent."""
        given = self.item.get("durationDays")
        if given is None:
            if required:
                self.problems.add(self.at("durationDays"), f"is required for {required_by.value}")
            return None
        if not required:
            self.problems.add(self.at("durationDays"), f"must be absent or null for {required_by.value}")
            return None
        return self.problems.attempt(
            self.at("durationDays"),
            lambda: values.whole(given, least=1, most=values.MAX_DAYS),
            otherwise=None,
        )

    def metadata(self) -> Mapping[str, Any]:
        if "metadataJson" not in self.item:
            return {}
        return self.problems.attempt(
            self.at("metadataJson"), lambda: values.json_object(self.item["metadataJson"]), otherwise={}
        )


def _read_all(
    raw: object, definitions: Definitions, problems: Problems, read: Callable[[_Raw], Entry | None]
) -> list[Entry]:
    if not isinstance(raw, list):
        problems.add(ROOT, f"must be an array of entries, not {shown(raw)}")
        return []
    if len(raw) > MAX_ENTRIES:
        problems.add(ROOT, f"must have at most {MAX_ENTRIES} entries, not {len(raw)}")
        return []
    entries: list[Entry] = []
    first_at: dict[tuple[str, str], str] = {}
    for index, item in enumerate(raw):
        path = f"{ROOT}[{index}]"
        if not isinstance(item, dict):
            problems.add(path, f"must be an object, not {shown(item)}")
            continue
        entry = read(_Raw(item, path, definitions, problems))
        if entry is not None:
            _refuse_second(entry, path, first_at, problems)
            entries.append(entry)
    return entries


def _refuse_second(entry: Entry, path: str, first_at: dict[tuple[str, str], str], problems: Problems) -> None:
    first = first_at.setdefault((entry.code, entry.grant_kind.value), path)
    if first != path:
        problems.add(path, f"repeats {entry.code} as {entry.grant_kind.value} of {first}")


def _plan_entry(raw: _Raw, *, strict: bool) -> PlanEntry | None:
    raw.refuse_unknown_keys(PLAN_KEYS)
    definition = raw.definition()
    _check_schema_version(raw)
    amount = _plan_amount(raw, definition, strict=strict)
    grant_kind = raw.kind("grantKind", PlanGrantKind, PlanGrantKind.PLAN_BASE)
    before = len(raw.problems)
    effective = raw.kind("effectivePolicy", EffectivePolicy, EffectivePolicy.ON_ASSIGNMENT_CURRENT)
    duration = raw.kind("durationPolicy", DurationPolicy, DurationPolicy.WHILE_CURRENT)
    days = None
    if len(raw.problems) == before:
        days = raw.duration_days(required_by=duration, required=duration is DurationPolicy.FIXED_DURATION)
        _check_balance_policies(raw, definition, effective, duration)
    metadata = raw.metadata()
    if definition is None:
        return None
    return PlanEntry(
        definition_id=definition.id,
        code=definition.code,
        amount=amount,
        grant_kind=grant_kind,
        effective_policy=effective,
        duration_policy=duration,
        duration_days=days,
        metadata_json=metadata,
    )


def _product_entry(raw: _Raw) -> ProductEntry | None:
    raw.refuse_unknown_keys(PRODUCT_KEYS)
    definition = raw.definition()
    amount = raw.problems.attempt(raw.at("amount"), lambda: _product_amount(raw.item, definition), otherwise=None)
    grant_kind = _product_grant_kind(raw)
    days = None
    if grant_kind is not None:
        days = raw.duration_days(required_by=grant_kind, required=grant_kind is ProductGrantKind.TIMEBOXED_ADDON)
    metadata = raw.metadata()
    if definition is None or grant_kind is None:
        return None
    return ProductEntry(
        definition_id=definition.id,
        code=definition.code,
        amount=amount,
        grant_kind=grant_kind,
        duration_days=days,
        metadata_json=metadata,
    )


def _check_schema_version(raw: _Raw) -> None:
    if "schemaVersion" not in raw.item:
        return
    version = raw.item["schemaVersion"]
    known = version in SCHEMA_VERSIONS if isinstance(version, str) else values.is_whole(version) and version == 1
    if not known:
        said = f"must be 1 or one of {listed(SCHEMA_VERSIONS)}, not {shown(version)}"
        raw.problems.add(raw.at("schemaVersion"), said)


def _check_balance_policies(
    raw: _Raw, definition: DefinitionInfo | None, effective: EffectivePolicy, duration: DurationPolicy
) -> None:
    """Anything but credits per paid period would fill the balance again whenever plans are toggled."""
    if definition is None or definition.entitlement_type is not EntitlementType.BALANCE:
        return
    if effective is not EffectivePolicy.ON_PERIOD_PAID:
        raw.problems.add(raw.at("effectivePolicy"), "must be on_period_paid for a balance")
    if duration is not DurationPolicy.PERIOD_WINDOW:
        raw.problems.add(raw.at("durationPolicy"), "must be period_window for a balance")


def _plan_amount(raw: _Raw, definition: DefinitionInfo | None, *, strict: bool) -> int | None:
    path = raw.at("valueJson")
    value = raw.item.get("valueJson")
    if "valueJson" not in raw.item:
        raw.problems.add(path, "is required")
        return None
    if not isinstance(value, dict):
        raw.problems.add(path, f"must be an object, not {shown(value)}")
        return None
    if strict:
        _refuse_ambiguous(value, path, raw.problems)
    if definition is not None and definition.entitlement_type is EntitlementType.STATE:
        return _state_amount(value, path, raw.problems)
    return _first_amount(value, path, raw.problems)


def _first_amount(value: Mapping[str, Any], path: str, problems: Problems) -> int | None:
    """The first positive whole number among the amount keys; None when the first of them that is present is null."""
    present = [key for key in AMOUNT_KEYS if key in value]
    if not present:
        problems.add(path, f"must have one of {listed(AMOUNT_KEYS)}")
        return None
    if value[present[0]] is None:
        return None
    positive = [key for key in present if _is_positive(value[key])]
    for key in positive[:1] or present:
        problems.attempt(f"{path}.{key}", lambda key=key: _amount(value[key]), otherwise=None)  # type: ignore[misc]
    return int(value[positive[0]]) if positive else None


def _state_amount(value: Mapping[str, Any], path: str, problems: Problems) -> int | None:
    """A state is granted by ``enabled: true`` or an amount of 1; its grants have amount 1."""
    if value.get("enabled") is True:
        return 1
    if "enabled" in value:
        problems.add(f"{path}.enabled", f"must be true to grant a state, not {shown(value['enabled'])}")
        return None
    before = len(problems)
    amount = _first_amount(value, path, problems)
    if len(problems) == before and amount != 1:
        key = next(key for key in AMOUNT_KEYS if key in value)
        problems.add(f"{path}.{key}", "must be 1 for a state, or say enabled: true")
    return amount


def _refuse_ambiguous(value: Mapping[str, Any], path: str, problems: Problems) -> None:
    valid = {key: value[key] for key in AMOUNT_KEYS if key in value and _is_positive(value[key])}
    if len(set(valid.values())) > 1:
        said = listed([f"{key} {shown(number)}" for key, number in valid.items()])
        problems.add(path, f"is ambiguous: it says {said}")


def _product_amount(item: Mapping[str, Any], definition: DefinitionInfo | None) -> int | None:
    if "amount" not in item:
        raise RuleBroken("is required: a positive whole number, or null for unlimited")
    given = item["amount"]
    amount = None if given is None else _amount(given)
    if definition is not None and definition.entitlement_type is EntitlementType.STATE and amount != 1:
        raise RuleBroken(f"must be 1 for a state, not {shown(given)}")
    return amount


def _product_grant_kind(raw: _Raw) -> ProductGrantKind | None:
    if "grantKind" not in raw.item:
        raw.problems.add(raw.at("grantKind"), f"is required: one of {listed([k.value for k in ProductGrantKind])}")
        return None
    return raw.problems.attempt(
        raw.at("grantKind"), lambda: values.one_of(raw.item["grantKind"], ProductGrantKind), otherwise=None
    )


def _is_positive(value: object) -> bool:
    return values.is_whole(value) and value > 0  # type: ignore[operator]


def _amount(value: object) -> int:
    if not _is_positive(value):
        raise RuleBroken(f"must be a positive whole number, or null for unlimited, not {shown(value)}")
    return values.whole(value, least=1)
