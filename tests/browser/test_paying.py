"""From the page of a workspace to the provider's and back: paying, and what arrives while one looks."""

from __future__ import annotations

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.db import connection
from playwright.sync_api import expect

from tests.browser.site import Site
from tests.browser.visitor import Visitor

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(connection.vendor != "sqlite", reason="the provider of the demo remembers beside a file"),
]


def test_a_plan_is_paid_for_and_arrives_by_itself(people: Visitor, site: Site) -> None:
    people.expects("status of 402")
    team = site.team()
    page = people.come_in("alice", f"/w/{team}/billing/plan?plan=pro")

    page.locator("form.actions").get_by_role("button").click()
    page.wait_for_url(re.compile(r"/pretend/checkout/"))
    page.get_by_role("radio", name="4000 0000 0000 0002").check()
    page.get_by_role("button", name="Pay").click()
    expect(page.get_by_role("alert")).to_have_text("Your card was declined.")
    faults = [fault["id"] for fault in Axe().run(page).response["violations"]]
    page.get_by_role("radio", name="4242 4242 4242 4242").check()
    page.get_by_role("button", name="Pay").click()

    page.wait_for_url(re.compile(rf"/w/{team}/billing"))
    expect(page.locator("[data-plan]")).to_have_text("Pro")
    expect(page.get_by_role("region", name="Purchases")).to_contain_text("19.00")
    assert faults == []


def test_who_leaves_the_page_has_paid_nothing(people: Visitor, site: Site) -> None:
    team = site.team()
    page = people.come_in("alice", f"/w/{team}/billing/plan?plan=pro")
    page.locator("form.actions").get_by_role("button").click()
    page.wait_for_url(re.compile(r"/pretend/checkout/"))

    page.get_by_role("button", name="Cancel").click()

    page.wait_for_url(re.compile(rf"/w/{team}/billing"))
    expect(page.locator("[data-plan]")).to_have_text("Free")
