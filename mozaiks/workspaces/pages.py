"""Signing in by a browser."""

from django.conf import settings
from django.contrib.auth.views import LoginView
from django.urls import reverse

from mozaiks.workspaces.models import User


class SignIn(LoginView):
    """Whoever comes without a page in mind goes where they may be: staff to the console, others to the start."""

    redirect_authenticated_user = True

    def get_default_redirect_url(self) -> str:
        user = self.request.user
        return reverse(settings.LOGIN_REDIRECT_URL if isinstance(user, User) and user.is_staff else "home")
