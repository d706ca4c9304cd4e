"""Access tokens: what is kept, what lets in, what does not any more."""

import hashlib
from datetime import timedelta

import pytest
from django.forms.models import model_to_dict
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.test import APIClient, APIRequestFactory
from rest_framework.views import APIView

from mozaiks.kit import clock
from mozaiks.kit.errors import Invalid, Unauthenticated
from mozaiks.workspaces import tokens
from mozaiks.workspaces.models import ApiToken
from tests import NOON
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db

LATER = NOON + timedelta(hours=1)


class Door(APIView):
    """A door with the house's default locks."""

    permission_classes = [IsAuthenticated]

    def get(self, request: Request) -> Response:
        return Response({"user": request.user.get_username()})

    def post(self, request: Request) -> Response:
        return Response({"user": request.user.get_username()})


def knock(authorization: str | None, *, method: str = "get") -> Response:
    headers = {"Authorization": authorization} if authorization is not None else {}
    request = getattr(APIRequestFactory(), method)("/", headers=headers)
    response = Door.as_view()(request)
    response.render()
    return response


def test_the_secret_is_long_and_only_its_hash_is_kept() -> None:
    token, secret = tokens.issue(UserFactory(), name="reporting", now=NOON)

    assert secret.startswith("mzk_")
    assert len(secret) >= 36
    token.refresh_from_db()
    assert token.digest == hashlib.sha256(secret.encode()).hexdigest()
    assert token.prefix == secret[:12]
    assert all(secret not in str(value) for value in model_to_dict(token).values())


def test_two_secrets_are_never_the_same() -> None:
    user = UserFactory()

    assert tokens.issue(user, name="a", now=NOON)[1] != tokens.issue(user, name="a", now=NOON)[1]


@pytest.mark.parametrize("name", ["", "   ", "x" * 121])
def test_a_token_needs_a_name(name: str) -> None:
    with pytest.raises(Invalid) as refused:
        tokens.issue(UserFactory(), name=name, now=NOON)

    assert "name" in refused.value.field_errors


def test_a_token_that_would_be_expired_is_refused() -> None:
    with pytest.raises(Invalid) as refused:
        tokens.issue(UserFactory(), name="late", now=NOON, expires_at=NOON)

    assert "expiresAt" in refused.value.field_errors


def test_a_token_acts_as_its_user() -> None:
    user = UserFactory()
    _, secret = tokens.issue(user, name="reporting", now=NOON)

    assert tokens.authenticate(secret, now=NOON).user == user


@pytest.mark.parametrize("secret", ["", "mzk_", "mzk_wrong", "MZK_", "ünïcode"])
def test_an_unknown_secret_lets_nobody_in(secret: str) -> None:
    tokens.issue(UserFactory(), name="reporting", now=NOON)

    with pytest.raises(Unauthenticated):
        tokens.authenticate(secret, now=NOON)


def test_the_hash_itself_is_no_secret() -> None:
    token, _ = tokens.issue(UserFactory(), name="reporting", now=NOON)

    with pytest.raises(Unauthenticated):
        tokens.authenticate(token.digest, now=NOON)


def test_a_revoked_token_is_shut_out_and_keeps_its_first_revocation() -> None:
    token, secret = tokens.issue(UserFactory(), name="reporting", now=NOON)

    tokens.revoke(token, now=NOON)
    tokens.revoke(token, now=LATER)

    assert token.revoked_at == NOON
    with pytest.raises(Unauthenticated):
        tokens.authenticate(secret, now=NOON)


def test_a_token_expires_at_the_instant_it_says() -> None:
    _, secret = tokens.issue(UserFactory(), name="reporting", now=NOON, expires_at=LATER)

    assert tokens.authenticate(secret, now=LATER - timedelta(milliseconds=1))
    with pytest.raises(Unauthenticated):
        tokens.authenticate(secret, now=LATER)


def test_a_user_who_may_not_sign_in_has_no_working_tokens() -> None:
    user = UserFactory()
    _, secret = tokens.issue(user, name="reporting", now=NOON)
    user.is_active = False
    user.save(update_fields=["is_active"])

    with pytest.raises(Unauthenticated):
        tokens.authenticate(secret, now=NOON)


def test_the_last_use_is_stamped_once_a_minute() -> None:
    token, secret = tokens.issue(UserFactory(), name="reporting", now=NOON)

    stamps = []
    for seconds in (0, 59, 60):
        tokens.authenticate(secret, now=NOON + timedelta(seconds=seconds))
        token.refresh_from_db()
        stamps.append(token.last_used_at)

    assert stamps == [NOON, NOON, NOON + timedelta(minutes=1)]


def test_no_login_is_a_401_that_says_how() -> None:
    response = knock(None)

    assert response.status_code == 401
    assert response["WWW-Authenticate"].startswith("Bearer")
    assert response.data["code"] == "NOT_AUTHENTICATED"


@pytest.mark.parametrize(
    "authorization", ["Bearer mzk_wrong", "Bearer mzk_", "bearer  mzk_x y", "Bearer someone-elses", "Basic eDp5"]
)
def test_a_wrong_token_is_a_401(authorization: str) -> None:
    assert knock(authorization).status_code == 401


def test_a_token_opens_reads_and_writes_without_csrf() -> None:
    user = UserFactory()
    _, secret = tokens.issue(user, name="reporting", now=clock.now())

    for method in ("get", "post"):
        response = knock(f"Bearer {secret}", method=method)

        assert response.status_code == 200
        assert response.data == {"user": user.username}


def test_unknown_revoked_and_expired_answer_the_same_words() -> None:
    user = UserFactory()
    revoked, first = tokens.issue(user, name="a", now=NOON)
    tokens.revoke(revoked, now=NOON)
    _, second = tokens.issue(user, name="b", now=NOON, expires_at=LATER)
    ApiToken.objects.filter(name="b").update(expires_at=NOON + timedelta(seconds=1))

    answers = {str(knock(f"Bearer {secret}").data) for secret in (first, second, "mzk_unknown")}

    assert len(answers) == 1


def test_a_session_needs_the_csrf_token_to_write(api: APIClient) -> None:
    user = UserFactory()
    request = APIRequestFactory(enforce_csrf_checks=True).post("/")
    request.user = user

    response = Door.as_view()(request)

    assert response.status_code == 403
    assert response.data["code"] == "PERMISSION_DENIED"
    assert "CSRF" in response.data["error"]
