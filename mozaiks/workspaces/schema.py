"""Describes the bearer token in the OpenAPI schema."""

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension


class BearerTokenScheme(OpenApiAuthenticationExtension):
    """Shown by the Swagger page as a field to paste a token into."""

    target_class = "mozaiks.workspaces.authentication.BearerTokenAuthentication"
    name = "bearerToken"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "bearerFormat": "mzk_…"}


def register() -> None:
    """Importing this module is what registers the scheme; this gives the import a name."""
