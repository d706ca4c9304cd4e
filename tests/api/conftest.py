"""It is noon, and there is a world."""

from collections.abc import Iterator

import pytest
import time_machine

from billing.payments.connectors import choosing
from tests import NOON
from tests.api.world import World, make_world
from tests.payments.scripted import Scripted


@pytest.fixture(autouse=True)
def _noon() -> Iterator[None]:
    with time_machine.travel(NOON, tick=False):
        yield


@pytest.fixture
def world(db: None) -> World:
    return make_world()


@pytest.fixture
def stripe(monkeypatch: pytest.MonkeyPatch) -> Scripted:
    """A scripted provider behind every door."""
    scripted = Scripted()
    monkeypatch.setattr(choosing, "connector", lambda: scripted)
    monkeypatch.setattr(choosing, "connector_named", lambda provider: scripted)
    return scripted
