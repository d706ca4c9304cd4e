"""It is noon, and there is a world."""

from collections.abc import Iterator

import pytest
import time_machine

from tests import NOON
from tests.api.world import World, make_world


@pytest.fixture(autouse=True)
def _noon() -> Iterator[None]:
    with time_machine.travel(NOON, tick=False):
        yield


@pytest.fixture
def world(db: None) -> World:
    return make_world()
