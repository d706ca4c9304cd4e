"""The page of annuity: what is left of the month, the form, and the server's sentence where nothing is left."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import time_machine
from django.test import Client

from annuity.models import AnnuityCalculation
from annuity.tests.support import allow, member, used, workspace
from mozaiks.workspaces.models import Workspace
from mozaiks.workspaces.roles import Role
from tests import NOON
from tests.pages.reader import Reader, words

PAGE = "/w/acme/annuity"
LIMIT = "Annuity calculations a month"
TYPED = {
    "mode": "fv", "timing": "ordinary", "payment": "100", "annualRate": "10", "annualGrowthRate": "", "years": "3",
    "paymentsPerYear": "1",
}  # fmt: skip


@pytest.fixture(autouse=True)
def _noon() -> Iterator[None]:
    with time_machine.travel(NOON, tick=False):
        yield


@pytest.fixture
def acme(db: None) -> Workspace:
    """Two calculations."""
    made = workspace("acme")
    allow(made, 2)
    return made


@pytest.fixture
def bob(acme: Workspace) -> Reader:
    client = Client()
    client.force_login(member(acme, "bob", Role.MEMBER))
    return Reader(client)


def calculate(bob: Reader, **typed: str) -> Any:
    return bob.client.post(PAGE, {**TYPED, **typed})


def test_a_calculation_tells_the_value_and_uses_one(acme: Workspace, bob: Reader) -> None:
    response = bob.client.post(PAGE, TYPED, follow=True)

    assert "The value is 331.00." in words(response.content.decode())
    assert "1 of 2 used, 1 left." in bob.limit(LIMIT, PAGE)
    assert "2026-02-21 12:00 UTC 100.00 10 % 3 331.00" in bob.text(PAGE)


def test_a_form_that_is_sent_twice_uses_one(acme: Workspace, bob: Reader) -> None:
    for _ in range(2):
        calculate(bob, key="of-this-form")

    assert (AnnuityCalculation.objects.count(), used(acme)) == (1, 1)


def test_the_third_is_refused_with_the_sentence_of_the_limit_and_everything_typed_stays(bob: Reader) -> None:
    for years in "12":
        calculate(bob, years=years)

    response = calculate(bob, payment="77")

    html = response.content.decode()
    assert response.status_code == 429
    assert int(response["Retry-After"]) > 0
    assert 'role="alert" data-refused>Annuity calculations a month: the limit is reached, 0 left of 2' in html
    assert 'name="payment" value="77"' in html


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ({"payment": "much"}, "Payment: A valid number is required."),
        ({"payment": "-1"}, "Payment: Ensure this value is greater than 0."),
        ({"years": ""}, "Years: This field is required unless isPerpetual is true."),
        ({"mode": "nonsense"}, "Value: "),
        ({"isPerpetual": "yes"}, "Never ends: Only a present value"),
    ],
)
def test_what_cannot_be_calculated_uses_nothing_and_is_named(
    acme: Workspace, bob: Reader, typed: dict[str, str], sentence: str
) -> None:
    response = calculate(bob, **typed)

    assert response.status_code == 400
    assert sentence in words(response.content.decode())
    assert used(acme) == 0


def test_payments_that_never_end(bob: Reader) -> None:
    response = calculate(bob, mode="pv", isPerpetual="yes", years="")

    assert response.status_code == 302
    assert "100.00 10 % no end 1,000.00" in bob.text(PAGE)


def test_who_may_only_look_calculates_nothing(acme: Workspace) -> None:
    client = Client()
    client.force_login(member(acme, "vera", Role.VIEWER))

    assert client.post(PAGE, TYPED).status_code == 403
    assert "Calculate" not in Reader(client).text(PAGE)


def test_a_part_is_a_part(bob: Reader) -> None:
    calculate(bob)

    assert "331.00" in bob.text(f"{PAGE}?part=history")
    assert "1 of 2 used" in bob.text(f"{PAGE}?part=limit")
    assert "<html" not in bob.get(f"{PAGE}?part=limit").content.decode()


def test_a_value_is_rounded_as_people_do_and_never_short_of_digits(bob: Reader) -> None:
    response = bob.client.post(PAGE, {**TYPED, "payment": f"{10**36}", "annualRate": "3.5"}, follow=True)

    assert f"The value is {3_106_225 * 10**30:,}.00." in words(response.content.decode())
    assert "The value is 110.25." in words(
        bob.client.post(
            PAGE, {**TYPED, "payment": "52.4991", "annualRate": "10", "years": "2"}, follow=True
        ).content.decode()
    )
