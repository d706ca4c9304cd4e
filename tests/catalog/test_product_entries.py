"""What the ``entitlements`` of a product may say."""

from typing import Any

import pytest

from billing.catalog.authoring import parse_product_entries
from billing.catalog.entries import ProductEntry
from billing.catalog.problems import CatalogInvalid
from billing.models.catalog import ProductGrantKind
from tests.catalog.examples import DEFINITIONS, product_entry


def parse(*entries: Any) -> list[ProductEntry]:
    return parse_product_entries(list(entries), DEFINITIONS)


def paths(*entries: Any) -> set[str]:
    with pytest.raises(CatalogInvalid) as refused:
        parse(*entries)
    return set(refused.value.field_errors)


def test_a_top_up_is_given_once() -> None:
    entry = parse(product_entry())[0]

    assert entry == ProductEntry(
        definition_id=1, code="projects.max", amount=5, grant_kind=ProductGrantKind.ONE_OFF_TOPUP
    )


def test_an_add_on_lives_its_days() -> None:
    entry = parse(product_entry(grantKind="timeboxed_addon", durationDays=60, metadataJson={"a": 1}))[0]

    assert (entry.grant_kind, entry.duration_days) == (ProductGrantKind.TIMEBOXED_ADDON, 60)
    assert entry.metadata_json == {"a": 1}


def test_null_is_unlimited_and_must_be_said() -> None:
    assert parse(product_entry(amount=None))[0].amount is None
    assert paths(product_entry(amount=...)) == {"entitlements[0].amount"}


@pytest.mark.parametrize("bad", [0, -5, 1.5, "5", True, 2**63, [], {}, float("nan")])
def test_an_amount_is_a_positive_whole_number(bad: object) -> None:
    assert paths(product_entry(amount=bad)) == {"entitlements[0].amount"}


@pytest.mark.parametrize("bad", [None, 2])
def test_a_state_is_granted_by_one_only(bad: object) -> None:
    assert parse(product_entry(code="workspace.access", amount=1))[0].amount == 1
    assert paths(product_entry(code="workspace.access", amount=bad)) == {"entitlements[0].amount"}


@pytest.mark.parametrize("bad", [..., None, "plan_base", "topup", 1, []])
def test_the_grant_kind_is_one_of_two(bad: object) -> None:
    assert paths(product_entry(grantKind=bad)) == {"entitlements[0].grantKind"}


def test_an_add_on_needs_its_days() -> None:
    assert paths(product_entry(grantKind="timeboxed_addon")) == {"entitlements[0].durationDays"}
    assert paths(product_entry(grantKind="timeboxed_addon", durationDays=None)) == {"entitlements[0].durationDays"}


@pytest.mark.parametrize("bad", [0, -1, 0.5, "60", False, 36_501])
def test_the_days_of_an_add_on_are_a_positive_number(bad: object) -> None:
    assert paths(product_entry(grantKind="timeboxed_addon", durationDays=bad)) == {"entitlements[0].durationDays"}


def test_a_top_up_has_no_days() -> None:
    assert paths(product_entry(durationDays=60)) == {"entitlements[0].durationDays"}
    assert parse(product_entry(durationDays=None))[0].duration_days is None


@pytest.mark.parametrize("bad", [None, [], "x", 1])
def test_metadata_is_an_object_or_absent(bad: object) -> None:
    assert paths(product_entry(metadataJson=bad)) == {"entitlements[0].metadataJson"}


def test_keys_of_a_plan_are_unknown_here() -> None:
    assert paths(product_entry(valueJson={"amount": 5}, schemaVersion=1)) == {
        "entitlements[0].valueJson",
        "entitlements[0].schemaVersion",
    }


def test_a_balance_can_be_bought() -> None:
    assert parse(product_entry(code="credits"))[0].definition_id == 3


def test_two_entries_of_one_code_and_kind_are_refused() -> None:
    add_on = product_entry(grantKind="timeboxed_addon", durationDays=1)

    assert len(parse(product_entry(), add_on)) == 2
    assert paths(product_entry(), add_on, product_entry(amount=9)) == {"entitlements[2]"}


def test_everything_wrong_is_told_at_once() -> None:
    assert paths(None, product_entry(code="nope", amount=0, grantKind="x", durationDays="y", metadataJson=1)) == {
        "entitlements[0]",
        "entitlements[1].code",
        "entitlements[1].amount",
        "entitlements[1].grantKind",
        "entitlements[1].metadataJson",
    }
