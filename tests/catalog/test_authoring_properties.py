"""Whatever JSON comes in is accepted or refused with a path, and never anything else."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from billing.catalog.authoring import AMOUNT_KEYS, PLAN_KEYS, PRODUCT_KEYS, parse_plan_entries, parse_product_entries
from billing.catalog.problems import CatalogInvalid
from billing.catalog.schema import plan_entries_schema, product_entries_schema
from billing.models.catalog import DurationPolicy, EffectivePolicy, PlanGrantKind, ProductGrantKind
from tests.catalog.examples import DEFINITIONS, plan_entry, product_entry

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([0, 1, 5, 30, 2**63 - 1, 2**63, 5.0])
    | st.floats()
    | st.text(st.characters(), max_size=8)
)
anything = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)
codes = st.sampled_from([*DEFINITIONS, "nope", ""]) | anything


def words(kind: Any) -> st.SearchStrategy[Any]:
    return st.sampled_from([member.value for member in kind]) | anything


def objects(keys: tuple[str, ...], **better: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Objects that are right often enough to get past the first rule."""
    return st.fixed_dictionaries({}, optional={key: better.get(key, anything) for key in keys})


plan_entries = objects(
    PLAN_KEYS,
    code=codes,
    valueJson=objects((*AMOUNT_KEYS, "enabled")) | anything,
    schemaVersion=st.sampled_from([1, "1", 2, True]) | anything,
    grantKind=words(PlanGrantKind),
    effectivePolicy=words(EffectivePolicy),
    durationPolicy=words(DurationPolicy),
)
product_entries = objects(PRODUCT_KEYS, code=codes, grantKind=words(ProductGrantKind))

amounts = st.none() | st.integers(min_value=1, max_value=2**63 - 1)
whole_plan_entries = st.builds(
    lambda policy, **keys: {**keys, "durationPolicy": policy, **({"durationDays": 30} if "fixed" in policy else {})},
    policy=st.sampled_from([member.value for member in DurationPolicy]),
    code=st.sampled_from(["projects.max", "calculations.monthly"]),
    valueJson=st.builds(lambda key, amount: {key: amount}, st.sampled_from(AMOUNT_KEYS), amounts),
    grantKind=st.sampled_from([member.value for member in PlanGrantKind]),
    effectivePolicy=st.sampled_from([member.value for member in EffectivePolicy]),
)
whole_product_entries = st.builds(
    lambda days, **keys: {
        **keys,
        "grantKind": "one_off_topup" if days is None else "timeboxed_addon",
        "durationDays": days,
    },
    days=st.none() | st.integers(min_value=1, max_value=36_500),
    code=st.sampled_from(["projects.max", "calculations.monthly", "credits"]),
    amount=amounts,
)


def assert_paths_are_told(refused: CatalogInvalid) -> None:
    assert refused.field_errors
    assert all(path.startswith("entitlements") and said for path, said in refused.field_errors.items())
    assert json.dumps(refused.field_errors, ensure_ascii=False).encode()


@settings(max_examples=400, deadline=None)
@given(raw=anything | st.lists(plan_entries | whole_plan_entries, max_size=4), strict=st.booleans())
def test_any_json_is_a_plan_or_is_refused_with_paths(raw: Any, strict: bool) -> None:
    try:
        parse_plan_entries(raw, DEFINITIONS, strict=strict)
    except CatalogInvalid as refused:
        assert_paths_are_told(refused)
    else:
        assert Draft202012Validator(plan_entries_schema(DEFINITIONS)).is_valid(raw)


@settings(max_examples=400, deadline=None)
@given(raw=anything | st.lists(product_entries | whole_product_entries, max_size=4))
def test_any_json_is_a_product_or_is_refused_with_paths(raw: Any) -> None:
    try:
        parse_product_entries(raw, DEFINITIONS)
    except CatalogInvalid as refused:
        assert_paths_are_told(refused)
    else:
        assert Draft202012Validator(product_entries_schema(DEFINITIONS)).is_valid(raw)


@settings(deadline=None)
@given(raw=st.lists(whole_plan_entries, max_size=4, unique_by=lambda entry: (entry["code"], entry["grantKind"])))
def test_what_a_plan_says_can_be_written_and_read_again(raw: list[dict[str, Any]]) -> None:
    entries = parse_plan_entries(raw, DEFINITIONS)

    again = parse_plan_entries([entry.as_json() for entry in entries], DEFINITIONS, strict=True)

    assert again == entries


@settings(deadline=None)
@given(raw=st.lists(whole_product_entries, max_size=4, unique_by=lambda entry: (entry["code"], entry["grantKind"])))
def test_what_a_product_says_can_be_written_and_read_again(raw: list[dict[str, Any]]) -> None:
    entries = parse_product_entries(raw, DEFINITIONS)

    again = parse_product_entries([entry.as_json() for entry in entries], DEFINITIONS)

    assert again == entries


@pytest.mark.parametrize("schema", [plan_entries_schema(), product_entries_schema(), plan_entries_schema(DEFINITIONS)])
def test_the_schemas_are_schemas(schema: dict[str, Any]) -> None:
    Draft202012Validator.check_schema(schema)


@pytest.mark.parametrize(
    "wrong",
    [
        plan_entry(code=5),
        plan_entry(valueJson={}),
        plan_entry(grantKind="topup"),
        plan_entry(schemaVersion=2),
        plan_entry(durationPolicy="fixed_duration"),
        plan_entry(durationDays=3),
        plan_entry(colour="red"),
    ],
)
def test_an_editor_sees_what_is_wrong_with_a_plan_while_typing(wrong: dict[str, Any]) -> None:
    assert not Draft202012Validator(plan_entries_schema(DEFINITIONS)).is_valid([wrong])


@pytest.mark.parametrize(
    "wrong",
    [
        product_entry(code="nope"),
        product_entry(amount=0),
        product_entry(amount=...),
        product_entry(grantKind="plan_base"),
        product_entry(grantKind="timeboxed_addon"),
        product_entry(durationDays=3),
        product_entry(colour="red"),
    ],
)
def test_an_editor_sees_what_is_wrong_with_a_product_while_typing(wrong: dict[str, Any]) -> None:
    assert not Draft202012Validator(product_entries_schema(DEFINITIONS)).is_valid([wrong])
