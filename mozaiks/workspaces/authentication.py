"""Lets REST consumers in by bearer token."""

from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from mozaiks.kit import clock
from mozaiks.kit.errors import Unauthenticated
from mozaiks.workspaces import tokens
from mozaiks.workspaces.models import ApiToken, User

SCHEME = "Bearer"


class BearerTokenAuthentication(BaseAuthentication):
    """``Authorization: Bearer mzk_…``. Other bearers are left to whoever knows them."""

    def authenticate(self, request: Request) -> tuple[User, ApiToken] | None:
        """:raises AuthenticationFailed: the token looks like ours and is not, or not any more."""
        scheme, _, credentials = get_authorization_header(request).decode("latin-1").partition(" ")
        secret = credentials.strip()
        if scheme.lower() != SCHEME.lower() or not secret.startswith(tokens.SECRET_PREFIX):
            return None
        try:
            token = tokens.authenticate(secret, now=clock.now())
        except Unauthenticated as refused:
            raise AuthenticationFailed(refused.message) from refused
        return token.user, token

    def authenticate_header(self, request: Request) -> str:
        """First in the list of authentications, this makes a missing login a 401 and not a 403."""
        return f'{SCHEME} realm="mozaiks"'
