"""
One call to Stripe: with a key of ours, a bounded wait, and failures in our words.

What was refused was not done. What was not answered, or not in words that can be read, may have been done: only calling again
with the same key tells. Texts never hold a key.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import stripe

from billing.payments.connectors.base import OutcomeUnknown, ProviderError

if TYPE_CHECKING:
    from stripe import RequestOptions

TIMEOUT_SECONDS: Final = 10
#: Reading twice does no harm; what we key ourselves is called again by whoever recorded the intent.
READ: Final[RequestOptions] = {"max_network_retries": 1}
SECRET: Final = re.compile(r"\b(?:sk|rk|pk|whsec)_[A-Za-z0-9_*.]+")


def keyed(operation_key: str, step: str) -> RequestOptions:
    """Options of one step of an operation: the same step of the same operation is done once."""
    return {"idempotency_key": f"{operation_key}:{step}", "max_network_retries": 0}


def client_of(secret_key: str, http_client: stripe.HTTPClient | None = None) -> stripe.StripeClient:
    """A client that gives up after ten seconds and sends no telemetry."""
    stripe.enable_telemetry = False
    return stripe.StripeClient(secret_key, http_client=http_client or _connections(), max_network_retries=0)


@cache
def _connections() -> stripe.HTTPClient:
    """The connections of this process, kept open from call to call; each thread has its own."""
    return stripe.RequestsClient(timeout=TIMEOUT_SECONDS)


@contextmanager
def answered() -> Iterator[None]:
    """:raises ProviderError: Stripe refused. :raises OutcomeUnknown: it did not answer, or nonsense."""
    try:
        yield
    except stripe.APIConnectionError as error:
        raise OutcomeUnknown("The payment provider did not answer in time.") from error
    except (stripe.AuthenticationError, stripe.PermissionError) as error:
        raise ProviderError("The payment provider did not accept our key.", details=_details(error)) from error
    except stripe.RateLimitError as error:
        raise ProviderError("The payment provider is too busy; try again shortly.") from error
    except (stripe.CardError, stripe.InvalidRequestError, stripe.IdempotencyError) as error:
        raise ProviderError(said(error), details=_details(error)) from error
    except stripe.StripeError as error:
        raise OutcomeUnknown("The payment provider failed; what became of the request is not known.") from error
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise OutcomeUnknown("The payment provider's answer cannot be read.") from error


def said(error: stripe.StripeError) -> str:
    """Stripe's own sentence, without anything that looks like a key."""
    return SECRET.sub("…", error.user_message or "The payment provider refused.")


def plain(answer: stripe.StripeObject) -> dict[str, Any]:
    """An answer as JSON, which the same readers understand as read events."""
    found: dict[str, Any] = answer.to_dict()
    return found


def _details(error: stripe.StripeError) -> dict[str, str]:
    """What a program may react to: Stripe's code, and why a card was declined."""
    declined = getattr(error.error, "decline_code", None) if error.error else None
    found = {"providerCode": error.code, "declineCode": declined}
    return {key: value for key, value in found.items() if isinstance(value, str)}
