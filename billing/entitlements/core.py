"""What the core itself limits: access to a workspace, and the tokens of AI runtimes. Their definitions come by migration."""

from __future__ import annotations

from typing import Final

from billing.entitlements.capabilities import declare

WORKSPACE_ACCESS: Final = "workspace.access"
AI_TOKENS: Final = "ai.tokens"
AI_TOKENS_DAILY: Final = "ai.tokens.daily"
AI_TOKENS_WEEKLY: Final = "ai.tokens.weekly"
AI_TOKENS_MONTHLY: Final = "ai.tokens.monthly"
AI_TOKENS_LIFETIME: Final = "ai.tokens.lifetime"


def declare_core() -> None:
    """Tokens are taken from every budget the subject was given, and from the monthly one where it was given none."""
    declare(
        capability=AI_TOKENS,
        limitation=(AI_TOKENS_MONTHLY, AI_TOKENS_DAILY, AI_TOKENS_WEEKLY, AI_TOKENS_LIFETIME),
        reason="ai.tokens",
        where_granted=True,
    )
