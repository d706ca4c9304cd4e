"""Every page of every guest asks the gate of its workspace, and shows the way to open it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from pytest_django import Settings

from billing.entitlements.core import WORKSPACE_ACCESS
from billing.models import BillableEntity, Definition
from mozaiks.workspaces.pages import places_in
from tests import NOON
from tests.factories import GrantFactory
from tests.pages.reader import Reader, words


@pytest.fixture
def expired(acme: BillableEntity) -> list[str]:
    """The pages of guests in a workspace whose access has run out."""
    began, access = NOON - timedelta(days=9), Definition.objects.get(code=WORKSPACE_ACCESS)
    GrantFactory(subject=acme, definition=access, amount=1, effective_at=began, recorded_at=began, expires_at=NOON)
    assert acme.workspace is not None
    return [place.url for place in places_in(acme.workspace) if not place.url.endswith("/billing")]


def test_pages_can_be_looked_at_and_their_forms_are_refused(expired: list[str], owner: Reader) -> None:
    for url in expired:
        refused = owner.client.post(url, {"deed": "create", "name": "Apollo"})

        assert owner.get(url).status_code == 200
        assert refused.status_code == 402
        assert "The access of Acme has run out since 2026-02-21 12:00 UTC" in words(refused.content.decode())


def test_where_the_settings_lock_there_is_only_the_way_to_billing(
    expired: list[str], owner: Reader, settings: Settings
) -> None:
    settings.BILLING_EXPIRED_WORKSPACE = "lock"

    for url in expired:
        shut = owner.get(url)

        assert shut.status_code == 402
        assert 'href="/w/acme/billing"' in shut.content.decode()
        assert "it is locked until it is granted again" in words(shut.content.decode())
    assert owner.get("/w/acme/billing").status_code == 200
