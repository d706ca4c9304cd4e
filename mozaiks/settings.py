"""
The settings, read once from the environment and ``.env`` through readers that refuse nonsense.

``.env.example`` lists every variable with a line each. Secrets that are absent shut the doors they belong to.
"""

import os
import socket
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from mozaiks.kit.databases import SCHEMES, database_settings
from mozaiks.kit.env import Environment
from mozaiks.kit.logs import logging_settings

BASE_DIR = Path(__file__).resolve().parent.parent
ENV = Environment.load(Path(os.environ.get("MOZAIKS_ENV_FILE", BASE_DIR / ".env")))

# --- What kind of installation this is -----------------------------------------------------------------------

DEBUG = ENV.flag("DEBUG", default=False)
MOZAIKS_MODE = ENV.choice("MOZAIKS_MODE", "self-hosted", among=("self-hosted", "platform"))
# Advisory unless somebody else's money is at stake: usage is recorded, excess is shown, nothing is blocked.
MOZAIKS_ENFORCE_QUOTAS = ENV.flag("MOZAIKS_ENFORCE_QUOTAS", default=MOZAIKS_MODE == "platform")
BILLING_EXPIRED_WORKSPACE = ENV.choice("BILLING_EXPIRED_WORKSPACE", "read-only", among=("read-only", "lock"))
BILLING_RECORD_DECISIONS = ENV.flag("BILLING_RECORD_DECISIONS", default=True)
MOZAIKS_CONFIGS_PATH = ENV.text("MOZAIKS_CONFIGS_PATH")

# --- Secrets and who may come in -----------------------------------------------------------------------------

DEVELOPMENT_SECRET_KEY = "development-only-" + "not-a-secret-" * 4
SECRET_KEY = ENV.text("SECRET_KEY", DEVELOPMENT_SECRET_KEY if DEBUG else "")
if not SECRET_KEY:
    raise ImproperlyConfigured("SECRET_KEY is not set: give it 50 random characters, or set DEBUG=true on your desk")
SECRET_KEY_FALLBACKS = ENV.secrets("SECRET_KEY_FALLBACKS")
ALLOWED_HOSTS = ENV.words("ALLOWED_HOSTS", ("localhost", "127.0.0.1", "[::1]") if DEBUG else ())
CSRF_TRUSTED_ORIGINS = ENV.origins("CSRF_TRUSTED_ORIGINS")
REALTIME_ALLOWED_ORIGINS = ENV.origins("REALTIME_ALLOWED_ORIGINS", tuple(CSRF_TRUSTED_ORIGINS))
INTERNAL_API_KEY = ENV.secrets("INTERNAL_API_KEY")
MOZAIKS_ALLOWED_SERVICE_KEYS = ENV.secrets("MOZAIKS_ALLOWED_SERVICE_KEYS")
METRICS_ALLOWED_NETWORKS = ENV.networks("METRICS_ALLOWED_NETWORKS")

# --- Payments ------------------------------------------------------------------------------------------------

# On a desk a provider of our own plays Stripe, with a page that plays the customer. Never in production: it takes no money.
BILLING_FAKE_PROVIDER = ENV.flag("BILLING_FAKE_PROVIDER", default=False)
STRIPE_SECRET_KEY = ENV.text("STRIPE_SECRET_KEY")
STRIPE_WEBHOOK_SECRET = ENV.secrets("STRIPE_WEBHOOK_SECRET")
MOCK_WEBHOOK_SECRET = ENV.secrets("MOCK_WEBHOOK_SECRET")
MOZAIKS_GATEWAY_BASE_URL = ENV.url("MOZAIKS_GATEWAY_BASE_URL", schemes=("https", "http"))
MOZAIKS_GATEWAY_API_KEY = ENV.text("MOZAIKS_GATEWAY_API_KEY")
MOZAIKS_GATEWAY_WEBHOOK_SECRET = ENV.secrets("MOZAIKS_GATEWAY_WEBHOOK_SECRET")
# Who takes payments: a dotted path, or nothing and what the keys above say.
BILLING_CONNECTOR = ENV.text("BILLING_CONNECTOR")
BILLING_PAST_DUE_GRACE_DAYS = ENV.integer("BILLING_PAST_DUE_GRACE_DAYS", 7, least=0, most=365)
BILLING_WEBHOOK_RETENTION_DAYS = ENV.integer("BILLING_WEBHOOK_RETENTION_DAYS", 90, least=1, most=3650)
# Where customers come back to from a provider's page; empty: the address the request was sent to.
PUBLIC_BASE_URL = ENV.url("PUBLIC_BASE_URL", schemes=("https", "http"))

# --- Apps ----------------------------------------------------------------------------------------------------

INSTALLED_APPS = [
    "unfold",
    "unfold.contrib.filters",
    "unfold.contrib.forms",
    "django_svelte_jsoneditor",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.forms",
    "servestatic",
    "channels",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "mozaiks.workspaces",
    "realtime",
    "billing",
    "console",
    # Guests: delete a folder and its line, and the house stays whole.
    "projects",
    "annuity",
]

MIDDLEWARE = [
    "mozaiks.kit.requests.request_id",
    "mozaiks.kit.lengths.length_required",
    "django.middleware.security.SecurityMiddleware",
    "mozaiks.kit.security.content_security_policy",
    "servestatic.middleware.ServeStaticMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "mozaiks.urls"
ASGI_APPLICATION = "mozaiks.asgi.application"
WSGI_APPLICATION = "mozaiks.wsgi.application"
FORM_RENDERER = "django.forms.renderers.TemplatesSetting"
TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "mozaiks" / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

# --- Data ----------------------------------------------------------------------------------------------------

DEFAULT_DATABASE = f"sqlite:///{BASE_DIR / 'var' / 'mozaiks.sqlite3'}"
if not ENV.has("DATABASE_URL"):
    (BASE_DIR / "var").mkdir(exist_ok=True)
# Set by mozaiks.wsgi: what a thread keeps is only worth keeping where threads live.
LONG_LIVED_THREADS = ENV.flag("MOZAIKS_LONG_LIVED_THREADS", default=False)
DATABASES = {
    "default": database_settings(
        ENV.url("DATABASE_URL", DEFAULT_DATABASE, schemes=SCHEMES),
        conn_max_age=ENV.integer("DATABASE_CONN_MAX_AGE", 60 if LONG_LIVED_THREADS else 0, least=0, most=3600),
    ),
}
# Whether `manage.py serve` also does what is due by the clock; servers of a production have workers of their own.
BILLING_EMBEDDED_WORKER = ENV.flag(
    "BILLING_EMBEDDED_WORKER", default=DEBUG or DATABASES["default"]["ENGINE"].endswith("sqlite3")
)
# Django checks index names against Oracle's 30 characters; ours may have the 64 of MySQL, and a test counts them.
SILENCED_SYSTEM_CHECKS = ["models.E034"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

REDIS_URL = ENV.url("REDIS_URL", schemes=("redis", "rediss", "unix"))
if REDIS_URL:
    # redis-py's default read timeout would cut idle subscriptions off; a pool of 100 would refuse the 101st.
    REDIS_HOST: dict[str, Any] = {"address": REDIS_URL, "socket_timeout": None, "max_connections": 10_000}
    if not REDIS_URL.startswith("unix"):
        # Who only listens would never learn that the other end is gone: the kernel asks, after 15 seconds of silence.
        keepalive = {"TCP_KEEPIDLE": 15, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 3}
        REDIS_HOST["socket_keepalive"] = True
        REDIS_HOST["socket_keepalive_options"] = {
            getattr(socket, name): value for name, value in keepalive.items() if hasattr(socket, name)
        }
    CHANNEL_LAYERS: dict[str, Any] = {
        "default": {
            "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
            "CONFIG": {"hosts": [REDIS_HOST], "prefix": ENV.text("REDIS_PREFIX", "mozaiks")},
        },
    }
else:
    CHANNEL_LAYERS = {
        "default": {"BACKEND": "channels.layers.InMemoryChannelLayer", "CONFIG": {"capacity": 10_000}},
    }

# --- People --------------------------------------------------------------------------------------------------

AUTH_USER_MODEL = "workspaces.User"
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "admin:index"
LOGOUT_REDIRECT_URL = "home"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]

# --- Language, time, files -----------------------------------------------------------------------------------

LANGUAGE_CODE = "en"
USE_I18N = False
TIME_ZONE = "UTC"
USE_TZ = True
FORMAT_MODULE_PATH = "console.formats"
STATIC_URL = "/static/"
STATIC_ROOT = BASE_DIR / "var" / "static"
STATICFILES_DIRS = [BASE_DIR / "mozaiks" / "static"]
SERVESTATIC_USE_FINDERS = DEBUG
SERVESTATIC_AUTOREFRESH = DEBUG
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "servestatic.storage.CompressedManifestStaticFilesStorage",
    },
}
HOST = ENV.text("HOST", "127.0.0.1")
PORT = ENV.integer("PORT", 8000, least=1, most=65_535)
LOGGING = logging_settings(
    level=ENV.choice("LOG_LEVEL", "INFO", among=("DEBUG", "INFO", "WARNING", "ERROR")),
    as_json=ENV.flag("LOG_JSON", default=not DEBUG),
)

# --- Transport -----------------------------------------------------------------------------------------------

# Cookies and redirects need TLS in front; a server on a closed network may switch it off, and says so.
SECURE_TRANSPORT = ENV.flag("SECURE_TRANSPORT", default=not DEBUG)
SECURE_SSL_REDIRECT = ENV.flag("SECURE_SSL_REDIRECT", default=SECURE_TRANSPORT)
SECURE_REDIRECT_EXEMPT = [r"^health$"]
SECURE_HSTS_SECONDS = ENV.integer("SECURE_HSTS_SECONDS", 31_536_000 if SECURE_TRANSPORT else 0, least=0)
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_TRANSPORT
SECURE_HSTS_PRELOAD = SECURE_TRANSPORT
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
if ENV.flag("BEHIND_TLS_PROXY", default=False):
    # Only where the proxy always sets or strips this header; otherwise anybody could claim to be on TLS.
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_TRANSPORT
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
X_FRAME_OPTIONS = "DENY"

# --- The HTTP API --------------------------------------------------------------------------------------------

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "mozaiks.workspaces.authentication.BearerTokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["mozaiks.kit.parsers.StrictJSONParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "mozaiks.kit.api.exception_handler",
    "LIST_SERIALIZER_ERRORS_AS_DICT": True,
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "mozaiks",
    "DESCRIPTION": "Billing console and entitlement engine.",
    "VERSION": "1.0.0",
    "OAS_VERSION": "3.1.1",
    "COMPONENT_SPLIT_REQUEST": True,
    "PREPROCESSING_HOOKS": ["billing.api.schema.leave_out_aliases"],
    # Enums stay where they are used: names of their own would collide between apps that do not know each other.
    "POSTPROCESSING_HOOKS": ["mozaiks.kit.schema.describe_failures"],
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
}

# --- The console: what stands where is said in console/site.py ------------------------------------------------

UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "mozaiks console",
    "SITE_HEADER": "mozaiks",
    "SITE_SUBHEADER": "console",
    "SITE_URL": "/",
    "SITE_ICON": "console.site.icon",
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": "console.site.icon"}],
    "SHOW_VIEW_ON_SITE": False,
    "STYLES": ["console.site.styles_without_scripts"],
    "SIDEBAR": {"navigation": "console.site.navigation"},
    "DASHBOARD_CALLBACK": "console.site.first_page",
}
