"""What happened stays what happened, in the console too."""

import pytest
from django.db import models
from django.test import Client

from tests.console.support import LEDGERS, MAKERS, address, named

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("model", LEDGERS, ids=named)
def test_nobody_adds_a_row(operator: Client, model: type[models.Model]) -> None:
    assert operator.get(address(model, "add")).status_code == 403
    assert operator.post(address(model, "add"), {}).status_code == 403
    assert not model._default_manager.exists()


@pytest.mark.parametrize("model", LEDGERS, ids=named)
def test_a_row_is_looked_at_and_not_changed(operator: Client, model: type[models.Model]) -> None:
    row = MAKERS[model]()
    before = model._default_manager.filter(pk=row.pk).values().get()

    page = operator.get(address(model, "change", row.pk))
    answer = operator.post(address(model, "change", row.pk), dict.fromkeys(before, "1"))

    assert page.status_code == 200
    assert b'name="_save"' not in page.content
    assert answer.status_code == 403
    assert model._default_manager.filter(pk=row.pk).values().get() == before


@pytest.mark.parametrize("model", LEDGERS, ids=named)
def test_a_row_is_not_deleted(operator: Client, model: type[models.Model]) -> None:
    row = MAKERS[model]()

    assert operator.get(address(model, "delete", row.pk)).status_code == 403
    assert operator.post(address(model, "delete", row.pk), {"post": "yes"}).status_code == 403
    assert model._default_manager.filter(pk=row.pk).exists()


@pytest.mark.parametrize("model", LEDGERS, ids=named)
def test_no_action_deletes_rows(operator: Client, model: type[models.Model]) -> None:
    row = MAKERS[model]()

    operator.post(
        address(model, "changelist"),
        {"action": "delete_selected", "_selected_action": [row.pk], "post": "yes", "index": 0},
    )

    assert model._default_manager.filter(pk=row.pk).exists()
