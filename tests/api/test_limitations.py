"""``GET /api/billing/limitations``: the answer to the letter, its tag, its filter, and what it costs."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from billing.api.answers import LimitationAnswer, LimitationsAnswer, present_limitation, present_limitations
from billing.entitlements.limitations import resolve_effective_limitations
from billing.models import Balance, Definition
from tests import NOON
from tests.api.goldens import assert_golden
from tests.api.lives import EVERY_KIND, lived_in
from tests.api.world import World
from tests.factories import DefinitionFactory, GrantFactory
from tests.gadgets.limits import PRESSES, PULSES
from tests.gadgets.services import press

URL = "/api/billing/limitations"


@pytest.fixture
def client(world: World) -> APIClient:
    lived_in(world.entity)
    return world.in_acme("viewer")


def get(client: APIClient, **headers: str) -> Any:
    return client.get(URL, {"codes": ",".join(EVERY_KIND)}, headers=headers)


def test_the_answer_is_the_contract_to_the_letter(client: APIClient) -> None:
    response = get(client)

    assert response.status_code == 200
    assert_golden("limitations", response.json())


def test_the_older_address_answers_the_same(client: APIClient) -> None:
    assert client.get("/api/v1/billing/limitations").json() == client.get(URL).json()


def test_without_a_filter_every_limit_in_use_is_there_sorted_by_code(client: APIClient) -> None:
    DefinitionFactory(code="nobody.uses")

    codes = [limitation["code"] for limitation in client.get(URL).json()["limitations"]]

    assert codes == sorted(codes)
    assert {"ai.tokens.monthly", "workspace.access", *EVERY_KIND} <= set(codes)
    assert "nobody.uses" not in codes


def test_a_limit_nobody_was_given_is_there_with_zeros(client: APIClient) -> None:
    (tokens,) = client.get(URL, {"codes": "ai.tokens.monthly"}).json()["limitations"]

    assert (tokens["grantedAmount"], tokens["consumedAmount"], tokens["effectiveAmount"]) == (0, 0, 0)
    assert (tokens["unlimited"], tokens["overLimit"], tokens["version"]) == (False, False, 0)
    assert tokens["lastRecomputedAt"] is None


def test_only_the_named_limits_are_answered(client: APIClient) -> None:
    found = client.get(f"{URL}?codes={PULSES},%20{PRESSES}&codes=workspace.access").json()["limitations"]

    assert [limitation["code"] for limitation in found] == [PRESSES, PULSES, "workspace.access"]


@pytest.mark.parametrize("codes", ["no.such.limit", "gadgets.presses.monthly,nonsense", "", ",", "a," * 201, "\0", "ÿ"])
def test_codes_that_name_nothing_are_refused_by_name(client: APIClient, codes: str) -> None:
    response = client.get(URL, {"codes": codes})

    assert response.status_code == 400
    assert response.json()["code"] == "INVALID_REQUEST"
    assert list(response.json()["fieldErrors"]) == ["codes"]


def test_a_read_writes_nothing_and_is_right_all_the_same(client: APIClient) -> None:
    before = list(Balance.objects.values())

    with time_machine.travel(NOON + timedelta(days=10), tick=False):
        found = {each["code"]: each for each in get(client).json()["limitations"]}

    assert (found[PRESSES]["grantedAmount"], found[PRESSES]["consumedAmount"]) == (130, 0)
    assert found[PRESSES]["windowStartAt"] == "2026-03-01T00:00:00.000Z"
    assert found[PULSES]["windowStartAt"] == "2026-03-02T12:00:00.000Z"
    assert list(Balance.objects.values()) == before


def test_the_answer_is_private_and_says_what_it_depends_on(client: APIClient) -> None:
    response = get(client)

    assert response["Cache-Control"] == "private, no-cache"
    varies = {name.strip().lower() for name in response["Vary"].split(",")}
    assert {"authorization", "cookie", "x-workspace-slug", "x-billable-entity-id", "x-internal-api-key"} <= varies


def test_who_has_the_answer_already_is_told_so(client: APIClient) -> None:
    first = get(client)
    with time_machine.travel(NOON + timedelta(seconds=30), tick=False):
        again = get(client, **{"If-None-Match": first["ETag"]})

    assert again.status_code == 304
    assert again.content == b""
    assert again["ETag"] == first["ETag"]
    assert again["Cache-Control"] == "private, no-cache"


@pytest.mark.parametrize("sent", ["*", 'W/"other", {}', "{strong}"])
def test_tags_compare_as_the_standard_says(client: APIClient, sent: str) -> None:
    tag = get(client)["ETag"]

    header = sent.format(tag, strong=tag.removeprefix("W/"))

    assert get(client, **{"If-None-Match": header}).status_code == 304


@pytest.mark.parametrize("sent", ['W/"other"', "nonsense", "", '"'])
def test_another_tag_gets_the_answer(client: APIClient, sent: str) -> None:
    assert get(client, **{"If-None-Match": sent}).status_code == 200


def test_a_change_is_another_tag(client: APIClient, world: World) -> None:
    before = get(client)["ETag"]
    press(world.entity, "one more")

    assert get(client)["ETag"] != before


def test_another_subject_is_another_tag(world: World) -> None:
    mine = world.client("viewer").get(URL)["ETag"]
    theirs = world.client("stranger").get(URL)["ETag"]

    assert mine != theirs


def test_head_answers_without_a_body(client: APIClient) -> None:
    response = client.head(URL)

    assert (response.status_code, response.content) == (200, b"")
    assert response["ETag"]


def test_the_fast_way_gives_what_the_serializers_describe(world: World) -> None:
    found = resolve_effective_limitations(lived_in(world.entity), now=NOON)
    shown = present_limitations(found)

    assert [LimitationAnswer(each).data for each in found.limitations] == [
        present_limitation(each) for each in found.limitations
    ]
    assert list(shown) == list(LimitationsAnswer().fields)
    assert shown["billableEntity"] == dict(LimitationsAnswer().fields["billableEntity"].to_representation(found.entity))


@pytest.mark.django_db(transaction=True)
class TestCost:
    """Statements of one request: token, workspace, entity; then one for all limits and one count for each capacity."""

    BEFORE = 3

    @pytest.fixture
    def capacities(self, client: APIClient) -> int:
        client.get(URL)
        return Definition.objects.filter(entitlement_type="capacity").count()

    @staticmethod
    def statements(client: APIClient) -> int:
        with CaptureQueriesContext(connection) as captured:
            assert client.get(URL).status_code == 200
        return len(captured)

    def test_limits_that_are_up_to_date_are_read_in_one_statement(
        self, client: APIClient, world: World, capacities: int
    ) -> None:
        for definition in Definition.objects.exclude(pk__in=Balance.objects.values("definition")):
            GrantFactory(subject=world.entity, definition=definition, amount=1)

        assert self.statements(client) == self.BEFORE + 1 + capacities

    def test_rows_that_are_due_or_missing_cost_one_more_however_many(self, client: APIClient, capacities: int) -> None:
        rolling = 1  # whose uses have left the span since

        with time_machine.travel(NOON + timedelta(days=40), tick=False):
            client.get(URL)  # the token is stamped as used
            assert self.statements(client) == self.BEFORE + 1 + 1 + capacities + rolling
