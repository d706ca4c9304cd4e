"""What the settings say about billing, read at the moment it is asked."""

from __future__ import annotations

from django.conf import settings


def quotas_enforced() -> bool:
    """False in advisory mode: usage is recorded, excess is shown, nothing is blocked."""
    return bool(settings.MOZAIKS_ENFORCE_QUOTAS)


def is_platform() -> bool:
    """Whether refusals ask for payment (402) instead of patience (429)."""
    return bool(settings.MOZAIKS_MODE == "platform")


def expired_workspaces_are_locked() -> bool:
    """Whether a workspace whose access has run out may not even be looked at; otherwise only writes are refused."""
    return bool(settings.BILLING_EXPIRED_WORKSPACE == "lock")
