"""Pages for people: signed in or sent to sign in, refused in a sentence, and given in parts to a script that keeps them fresh."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from hashlib import sha256
from typing import Any, Concatenate, ParamSpec, cast
from uuid import uuid4

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views import defaults
from django.views.decorators.cache import never_cache

from mozaiks.kit.api import failure_headers, status_of
from mozaiks.kit.commands import HEADERS, Command
from mozaiks.kit.errors import Failure, NotFound
from mozaiks.kit.requests import request_id_of

P = ParamSpec("P")
View = Callable[Concatenate[HttpRequest, P], HttpResponse]

#: The parameter that asks for one part of a page, and the field with the key of a form.
PART = "part"
KEY_FIELD = "key"


def page(view: View[P]) -> View[P]:
    """
    A view for somebody who is signed in. What refuses inside it becomes a page with its sentence and its status.

    No browser keeps the page: what it shows has changed by the time it is looked at again.
    """

    @wraps(view)
    def answered(request: HttpRequest, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        try:
            return view(request, *args, **kwargs)
        except NotFound as refused:
            return defaults.page_not_found(request, refused)
        except Failure as refused:
            return refusal_page(request, refused)

    return cast("View[P]", never_cache(login_required(answered)))


def refusal_page(request: HttpRequest, refused: Failure) -> HttpResponse:
    """The sentence of a failure, alone."""
    return shown(request, "refused.html", {"refused": refused}, refused=refused)


def shown(
    request: HttpRequest, template: str, context: dict[str, Any], *, refused: Failure | None = None
) -> HttpResponse:
    """A page; one that was refused something has the status and the headers of the refusal."""
    answer = render(request, template, context, status=200 if refused is None else status_of(refused))
    for name, value in (failure_headers(refused) if refused is not None else {}).items():
        answer[name] = value
    return answer


def part_of(request: HttpRequest, parts: dict[str, str]) -> str | None:
    """The template of the part that is asked for (``?part=``), None for the whole page or a part it does not have."""
    return parts.get(request.GET.get(PART, ""))


def new_key() -> str:
    """A key for one form, in its field ``key``."""
    return uuid4().hex


def command_of_form(request: HttpRequest, *, told: dict[str, Any]) -> Command:
    """
    The command of a form that was sent: a form that is sent twice with the same words is carried out once.

    The key is the form's own together with ``told``: whoever goes back and sends it with other words means something new.
    """
    content = sha256(repr((request.path, sorted(told.items()))).encode()).hexdigest()
    key = request.headers.get(HEADERS[0]) or request.POST.get(KEY_FIELD, "")
    usable = key.isascii() and key.isprintable() and " " not in key
    return Command(
        operation_key=f"{key[:100]}:{content[:32]}" if key and usable else None,
        fingerprint=content,
        request_id=request_id_of(request),
    )
