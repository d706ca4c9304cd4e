"""What the ``entitlements`` of a plan may say."""

from typing import Any

import pytest

from billing.catalog.authoring import parse_plan_entries
from billing.catalog.entries import PlanEntry
from billing.catalog.problems import CatalogInvalid
from billing.models.catalog import DurationPolicy, EffectivePolicy, PlanGrantKind
from mozaiks.kit.errors import Invalid
from tests.catalog.examples import DEFINITIONS, plan_entry


def parse(*entries: Any, strict: bool = False) -> list[PlanEntry]:
    return parse_plan_entries(list(entries), DEFINITIONS, strict=strict)


def amount_of(value: dict[str, Any], *, code: str = "projects.max", strict: bool = False) -> int | None:
    return parse(plan_entry(code=code, valueJson=value), strict=strict)[0].amount


def refusal(*entries: Any, strict: bool = False) -> dict[str, list[str]]:
    with pytest.raises(CatalogInvalid) as refused:
        parse(*entries, strict=strict)
    return refused.value.field_errors


def paths(*entries: Any, strict: bool = False) -> set[str]:
    return set(refusal(*entries, strict=strict))


def test_an_entry_needs_a_code_and_a_value_and_the_rest_has_defaults() -> None:
    entry = parse({"code": "projects.max", "valueJson": {"amount": 3}})[0]

    assert entry == PlanEntry(
        definition_id=1,
        code="projects.max",
        amount=3,
        grant_kind=PlanGrantKind.PLAN_BASE,
        effective_policy=EffectivePolicy.ON_ASSIGNMENT_CURRENT,
        duration_policy=DurationPolicy.WHILE_CURRENT,
        duration_days=None,
        metadata_json={},
    )


def test_an_entry_may_say_everything() -> None:
    entry = parse(
        {
            "code": "projects.max",
            "schemaVersion": "entitlement.capacity.v1",
            "valueJson": {"max": 3},
            "grantKind": "plan_bonus",
            "effectivePolicy": "on_period_paid",
            "durationPolicy": "fixed_duration",
            "durationDays": 30,
            "metadataJson": {"why": ["spring", 1, None]},
        }
    )[0]

    assert entry.grant_kind is PlanGrantKind.PLAN_BONUS
    assert entry.effective_policy is EffectivePolicy.ON_PERIOD_PAID
    assert entry.duration_policy is DurationPolicy.FIXED_DURATION
    assert entry.duration_days == 30
    assert entry.metadata_json == {"why": ["spring", 1, None]}


def test_no_entries_are_a_valid_list() -> None:
    assert parse() == []


@pytest.mark.parametrize("raw", [None, {}, "[]", 5, True])
def test_anything_but_a_list_is_refused(raw: object) -> None:
    with pytest.raises(CatalogInvalid) as refused:
        parse_plan_entries(raw, DEFINITIONS)

    assert set(refused.value.field_errors) == {"entitlements"}


def test_an_endless_list_is_refused_as_one() -> None:
    assert paths(*[None] * 501) == {"entitlements"}


@pytest.mark.parametrize("item", [None, [], "projects.max", 5])
def test_an_entry_is_an_object(item: object) -> None:
    assert paths(plan_entry(), item) == {"entitlements[1]"}


class TestAmount:
    @pytest.mark.parametrize(
        ("value", "amount"),
        [
            ({"amount": 1}, 1),
            ({"limit": 2}, 2),
            ({"max": 3}, 3),
            ({"max": 3, "limit": 2, "amount": 1}, 1),
            ({"max": 3, "limit": 2}, 2),
            ({"amount": 0, "limit": 2}, 2),
            ({"amount": -1, "max": 3}, 3),
            ({"amount": "1", "limit": True, "max": 3}, 3),
            ({"amount": 1.5, "limit": 2}, 2),
            ({"amount": 5.0}, 5),
            ({"amount": 2**63 - 1}, 2**63 - 1),
        ],
    )
    def test_is_the_first_positive_whole_number(self, value: dict[str, Any], amount: int) -> None:
        assert amount_of(value) == amount

    def test_that_is_a_float_without_a_fraction_becomes_an_integer(self) -> None:
        assert isinstance(amount_of({"amount": 5.0}), int)

    @pytest.mark.parametrize("value", [{"amount": None}, {"amount": None, "limit": 5}, {"limit": None, "max": 2}])
    def test_is_unlimited_when_the_first_that_is_present_is_null(self, value: dict[str, Any]) -> None:
        assert amount_of(value) is None

    @pytest.mark.parametrize("value", [{"amount": 0, "limit": None}, {"limit": "x", "max": None}])
    def test_is_not_unlimited_by_a_later_null(self, value: dict[str, Any]) -> None:
        assert all(path.startswith("entitlements[0].valueJson.") for path in paths(plan_entry(valueJson=value)))

    @pytest.mark.parametrize("bad", [0, -1, "5", "", True, False, 1.5, float("nan"), float("inf"), [], {}, [5]])
    def test_that_is_not_valid_is_named_by_its_key(self, bad: object) -> None:
        assert paths(plan_entry(), plan_entry(code="calculations.monthly", valueJson={"limit": bad})) == {
            "entitlements[1].valueJson.limit"
        }

    def test_beyond_64_bits_is_refused(self) -> None:
        assert paths(plan_entry(valueJson={"amount": 2**63, "limit": 5})) == {"entitlements[0].valueJson.amount"}

    def test_of_absurd_length_is_refused_like_any_other(self) -> None:
        assert paths(plan_entry(valueJson={"amount": 10**5000})) == {"entitlements[0].valueJson.amount"}
        assert paths(plan_entry(valueJson={"amount": -(10**5000)})) == {"entitlements[0].valueJson.amount"}

    @pytest.mark.parametrize("value", [{}, {"enabled": True}, {"AMOUNT": 5}])
    def test_is_required(self, value: dict[str, Any]) -> None:
        assert paths(plan_entry(valueJson=value)) == {"entitlements[0].valueJson"}

    @pytest.mark.parametrize("value", [..., None, 5, [5], "5"])
    def test_stands_in_an_object(self, value: object) -> None:
        assert paths(plan_entry(valueJson=value)) == {"entitlements[0].valueJson"}

    def test_may_stand_beside_keys_nobody_knows(self) -> None:
        assert amount_of({"limit": 5, "unit": "project", "note": {"deep": [1]}}) == 5


class TestStrict:
    def test_mode_refuses_two_different_valid_amounts(self) -> None:
        entry = plan_entry(valueJson={"amount": 5, "max": 6})

        assert parse(entry)[0].amount == 5
        assert paths(entry, strict=True) == {"entitlements[0].valueJson"}

    @pytest.mark.parametrize(
        "value",
        [{"amount": 5, "max": 5}, {"amount": 5, "max": "6"}, {"amount": 5.0, "limit": 5}, {"amount": 0, "max": 5}],
    )
    def test_mode_accepts_one_amount_however_often_it_is_said(self, value: dict[str, Any]) -> None:
        assert amount_of(value, strict=True) == 5


class TestState:
    @pytest.mark.parametrize(
        "value", [{"enabled": True}, {"amount": 1}, {"limit": 1}, {"enabled": True, "limit": None}]
    )
    def test_is_granted_by_enabled_or_one(self, value: dict[str, Any]) -> None:
        assert amount_of(value, code="workspace.access") == 1

    @pytest.mark.parametrize(
        ("value", "path"),
        [
            ({"enabled": False}, "enabled"),
            ({"enabled": False, "amount": 1}, "enabled"),
            ({"enabled": 1}, "enabled"),
            ({"enabled": "true"}, "enabled"),
            ({"enabled": None}, "enabled"),
            ({"amount": 2}, "amount"),
            ({"limit": None}, "limit"),
            ({"max": 0}, "max"),
        ],
    )
    def test_is_granted_by_nothing_else(self, value: dict[str, Any], path: str) -> None:
        assert paths(plan_entry(code="workspace.access", valueJson=value)) == {f"entitlements[0].valueJson.{path}"}


class TestCode:
    def test_that_nobody_knows_is_named_with_its_index_and_the_nearest(self) -> None:
        said = refusal(plan_entry(), plan_entry(code="project.max"))["entitlements[1].code"][0]

        assert '"project.max"' in said
        assert "nearest known: projects.max" in said

    def test_is_compared_byte_for_byte(self) -> None:
        assert paths(plan_entry(code="Projects.max")) == {"entitlements[0].code"}

    def test_of_an_inactive_definition_is_refused_and_not_recommended(self) -> None:
        said = refusal(plan_entry(code="projects.legacy"))["entitlements[0].code"][0]

        assert "inactive" in said
        assert "projects.legacy," not in said.partition("nearest known: ")[2] + ","

    @pytest.mark.parametrize("code", [..., None, "", "  ", 5, ["projects.max"], "x" * 121])
    def test_is_short_text(self, code: object) -> None:
        assert paths(plan_entry(code=code)) == {"entitlements[0].code"}

    def test_is_refused_with_a_sentence_when_nothing_is_defined(self) -> None:
        with pytest.raises(CatalogInvalid, match="none are known"):
            parse_plan_entries([plan_entry()], {})


class TestSchemaVersion:
    @pytest.mark.parametrize(
        "version",
        [
            ...,
            1,
            "1",
            "entitlement.quota.v1",
            "entitlement.boolean.v1",
            "entitlement.capacity.v1",
            "entitlement.metered_quota.v1",
            "entitlement.balance.v1",
            "entitlement.state.v1",
        ],
    )
    def test_is_one_of_those_in_use(self, version: object) -> None:
        assert parse(plan_entry(schemaVersion=version))[0].amount == 5

    @pytest.mark.parametrize("version", [2, "2", "1.0", 0, True, None, "", "entitlement.v1", [1], {}])
    def test_is_nothing_else(self, version: object) -> None:
        assert paths(plan_entry(schemaVersion=version)) == {"entitlements[0].schemaVersion"}


class TestPolicies:
    @pytest.mark.parametrize("key", ["grantKind", "effectivePolicy", "durationPolicy"])
    @pytest.mark.parametrize("bad", ["topup", "", None, 1, ["plan_base"], "PLAN_BASE"])
    def test_are_words_from_a_list(self, key: str, bad: object) -> None:
        assert paths(plan_entry(**{key: bad})) == {f"entitlements[0].{key}"}

    def test_of_fixed_duration_need_days(self) -> None:
        assert paths(plan_entry(durationPolicy="fixed_duration")) == {"entitlements[0].durationDays"}

    @pytest.mark.parametrize("bad", [0, -1, 1.5, "30", True, 36_501, 2**70])
    def test_of_fixed_duration_need_positive_days_within_a_century(self, bad: object) -> None:
        entry = plan_entry(durationPolicy="fixed_duration", durationDays=bad)

        assert paths(entry) == {"entitlements[0].durationDays"}

    @pytest.mark.parametrize("policy", [..., "while_current", "period_window"])
    def test_of_other_durations_refuse_days(self, policy: object) -> None:
        assert paths(plan_entry(durationPolicy=policy, durationDays=30)) == {"entitlements[0].durationDays"}
        assert parse(plan_entry(durationPolicy=policy, durationDays=None))[0].duration_days is None

    @pytest.mark.parametrize(
        ("policies", "wrong"),
        [
            ({}, {"effectivePolicy", "durationPolicy"}),
            ({"effectivePolicy": "on_period_paid"}, {"durationPolicy"}),
            ({"durationPolicy": "period_window"}, {"effectivePolicy"}),
            (
                {"effectivePolicy": "on_period_paid", "durationPolicy": "fixed_duration", "durationDays": 30},
                {"durationPolicy"},
            ),
        ],
    )
    def test_of_a_balance_are_credits_per_paid_period_only(self, policies: dict[str, Any], wrong: set[str]) -> None:
        assert paths(plan_entry(code="credits", **policies)) == {f"entitlements[0].{key}" for key in wrong}

    def test_of_a_balance_are_accepted_as_credits_per_paid_period(self) -> None:
        entry = plan_entry(code="credits", effectivePolicy="on_period_paid", durationPolicy="period_window")

        assert parse(entry)[0].duration_policy is DurationPolicy.PERIOD_WINDOW


class TestMetadata:
    @pytest.mark.parametrize("bad", [None, [], "x", 1, True])
    def test_is_an_object(self, bad: object) -> None:
        assert paths(plan_entry(metadataJson=bad)) == {"entitlements[0].metadataJson"}

    def test_that_could_not_be_stored_or_sent_again_is_refused(self) -> None:
        deep: dict[str, Any] = {}
        for _ in range(40):
            deep = {"deeper": deep}
        for bad in (deep, {"x": float("nan")}, {"x": "\ud800"}, {"\udfff": 1}, {"x": [2**64]}, {1: 2}, {"x": object()}):
            assert paths(plan_entry(metadataJson=bad)) == {"entitlements[0].metadataJson"}


def test_keys_nobody_knows_are_refused_by_name() -> None:
    assert paths(plan_entry(amount=5, grant_kind="plan_base")) == {
        "entitlements[0].amount",
        "entitlements[0].grant_kind",
    }


def test_two_entries_of_one_code_and_kind_are_refused() -> None:
    said = refusal(plan_entry(), plan_entry(grantKind="plan_bonus"), plan_entry(grantKind="plan_base"))

    assert said == {"entitlements[2]": ["repeats projects.max as plan_base of entitlements[0]"]}


def test_everything_wrong_is_told_at_once() -> None:
    with pytest.raises(CatalogInvalid) as refused:
        parse(
            "nonsense",
            plan_entry(code="nope", schemaVersion=9),
            plan_entry(valueJson={"limit": "5"}, durationDays=3, colour="red"),
            plan_entry(code="credits"),
        )

    assert set(refused.value.field_errors) == {
        "entitlements[0]",
        "entitlements[1].code",
        "entitlements[1].schemaVersion",
        "entitlements[2].valueJson.limit",
        "entitlements[2].durationDays",
        "entitlements[2].colour",
        "entitlements[3].effectivePolicy",
        "entitlements[3].durationPolicy",
    }
    assert isinstance(refused.value, Invalid)
    assert "and 7 more" in refused.value.message


def test_a_refusal_can_be_sent_whatever_it_repeats() -> None:
    said = refusal(plan_entry(**{"\ud800": 1, "x" * 500: 2}, code="\ud800" * 90))

    assert all(len(path) < 120 for path in said)
    assert str(said).encode()
