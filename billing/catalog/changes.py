"""Who wants to know that the catalog changed: caches of this process refresh themselves after the commit."""

from __future__ import annotations

from django.db import transaction

from mozaiks.kit.listeners import Listeners

catalog_changed: Listeners[[]] = Listeners()

on_catalog_changed = catalog_changed.register


def tell_after_commit() -> None:
    """Once what was written is visible to everybody; a listener that fails does not undo it."""
    transaction.on_commit(catalog_changed.tell, robust=True)
