"""Django settings. Every knob is an environment variable (`cihealing/settings`, and that of each
provider); nothing is edited here to deploy.
"""

from __future__ import annotations

import secrets
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from csp.constants import NONCE, NONE, SELF

from cihealing import providers
from cihealing.settings import BASE_DIR, Settings, data_directory
from config.beat import every
from config.databases import database
from config.logs import logging_configuration

DATA_DIR = data_directory()
ENVIRONMENT = Settings.read(providers.settings())
SERVER, RUNTIME = ENVIRONMENT.server, ENVIRONMENT.runtime
HTTPS = SERVER.url.startswith("https://")

# Without a stored key sessions last as long as the process: right for tests and one-off commands;
# `up` stores one before it starts.
SECRET_KEY = SERVER.secret_key.get_secret_value() or secrets.token_urlsafe(50)
DEBUG = False
ALLOWED_HOSTS = [
    *SERVER.allowed_hosts,
    *([urlsplit(SERVER.url).hostname or ""] if SERVER.url else []),
]

CI_HEALING: dict[str, Any] = {
    **{name.upper(): value for name, value in ENVIRONMENT.policy.model_dump().items()},
    **{name.upper(): value for name, value in ENVIRONMENT.edge.model_dump().items()},
    "ENV": SERVER.env,
    "DATA_DIR": DATA_DIR,
    "POLICY_FILE": SERVER.policy_file or DATA_DIR / "policy.yml",
    "RULES_DIR": SERVER.rules_dir,
    "POLICY_OVERRIDES": ENVIRONMENT.policy.overrides(),
    "SANDBOX": ENVIRONMENT.sandbox.sandbox,
    "URL": SERVER.url.rstrip("/"),
    "WEBHOOK_SECRETS": ENVIRONMENT.webhook_secrets(),
    "WEBHOOK_SECRET": SERVER.webhook_secret.get_secret_value(),
    "API_TOKEN": SERVER.api_token.get_secret_value(),
    "METRICS_TOKEN": SERVER.metrics_token.get_secret_value(),
    "METRICS_ALLOW": SERVER.metrics_allow,
    "TRUSTED_PROXIES": SERVER.trusted_proxies,
    "DAILY_COST_LIMIT_USD": ENVIRONMENT.models.daily_cost_limit_usd,
    "WORKERS": RUNTIME.workers,
}

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django_htmx",
    "csp",
    "axes",
    "rest_framework",
    "drf_spectacular",
    "cihealing",
    "dashboard",
]

MIDDLEWARE = [
    "cihealing.web.secret_paths.middleware",
    "cihealing.web.callers.middleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "cihealing.web.nostore.middleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "axes.middleware.AxesMiddleware",
]

ROOT_URLCONF = "config.urls"
ASGI_APPLICATION = "config.asgi.application"
WSGI_APPLICATION = "config.wsgi.application"
# A CI posts to exact paths; a redirect to one with a slash would turn its POST into a GET.
APPEND_SLASH = False

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "csp.context_processors.nonce",
            ]
        },
    }
]

DATABASES = {
    "default": database(
        RUNTIME.database_url.get_secret_value(), data_directory=DATA_DIR, pool=RUNTIME.database_pool
    )
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en-us"
USE_I18N = False

STATIC_URL = "/static/"
STATICFILES_DIRS = [path for path in [BASE_DIR / "static"] if Path(path).is_dir()]
# Found where they lie at start: there is no collectstatic to forget, in either size.
WHITENOISE_USE_FINDERS = True
WHITENOISE_MAX_AGE = 3600


AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "django.contrib.auth.backends.ModelBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 12},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "/login"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "/login"
AXES_HANDLER = "cihealing.web.tries.LoginHandler"
AXES_CLIENT_IP_CALLABLE = "cihealing.web.tries.address"
# The handler counts by address, by name and together, and says how many of these limits are
# reached.
AXES_FAILURE_LIMIT = 1
AXES_COOLOFF_TIME = timedelta(seconds=900)
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
"""What a success forgets; not what is counted."""
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
"""What is tried while one has to wait must not lengthen the wait: others could then keep one out
for ever.
"""
AXES_RESET_ON_SUCCESS = True
AXES_DISABLE_ACCESS_LOG = True
AXES_VERBOSE = False
AXES_LOCKOUT_CALLABLE = "cihealing.web.tries.locked_out"

SESSION_COOKIE_NAME = "cihealing_session"
SESSION_COOKIE_AGE = 14 * 24 * 3600
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SECURE = HTTPS
CSRF_COOKIE_NAME = "cihealing_csrf"
CSRF_COOKIE_SECURE = HTTPS
CSRF_COOKIE_SAMESITE = "Lax"
CSRF_TRUSTED_ORIGINS = [CI_HEALING["URL"]] if SERVER.url else []
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_HSTS_SECONDS = 365 * 24 * 3600 if HTTPS else 0
# Put there by cihealing.web.callers for a trusted proxy alone: as the name of no header looks like
# this, nobody else can.
SECURE_PROXY_SSL_HEADER = ("cihealing.scheme", "https")
X_FRAME_OPTIONS = "DENY"
DATA_UPLOAD_MAX_MEMORY_SIZE = ENVIRONMENT.edge.max_body
# A body is never put on a disk before it is redacted or sealed; `max_bodies` bounds them all.
FILE_UPLOAD_MAX_MEMORY_SIZE = ENVIRONMENT.edge.max_body

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "script-src": [SELF, NONCE],
        "style-src": [SELF, NONCE],
        "img-src": [SELF, "data:"],
        "object-src": [NONE],
        "base-uri": [NONE],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
    }
}


REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "cihealing.web.api.authentication.BearerToken",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "cihealing",
    "DESCRIPTION": "Every red build ends as a proven fix, a proven flake or a named owner.",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SCHEMA_PATH_PREFIX": "/api/v1",
}


# (config/celery.py says why)

REDIS_URL = RUNTIME.redis_url.get_secret_value()
EMBEDDED_BROKER = not REDIS_URL
CELERY_BROKER_URL = REDIS_URL or "memory://localhost/"
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_ENABLE_UTC = True
CELERY_TASK_DEFAULT_QUEUE = "cihealing"
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_REDIRECT_STDOUTS = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BEAT_SCHEDULER = "celery.beat:Scheduler"
CELERY_BEAT_SCHEDULE = {
    "sweep": {
        "task": "cihealing.sweep",
        "schedule": every(1.0 if EMBEDDED_BROKER else 30.0),
        "options": {"expires": 30.0},
    }
}

if EMBEDDED_BROKER:
    # 10 ms costs 3 % of an idle CPU and answers in 11 ms; Celery's own pace of 1 s would show on
    # every page.
    CELERY_BROKER_TRANSPORT_OPTIONS: dict[str, Any] = {"polling_interval": 0.01}
    CELERY_TASK_ACKS_LATE = False
else:
    # A task may hold its message for 900 s; the broker must not hand it out again before.
    CELERY_BROKER_TRANSPORT_OPTIONS = {
        "visibility_timeout": 1800,
        "socket_timeout": 5,
        "socket_connect_timeout": 5,
    }
    CELERY_RESULT_BACKEND_TRANSPORT_OPTIONS = {"visibility_timeout": 1800}
    CELERY_VISIBILITY_TIMEOUT = 1800
    CELERY_TASK_ACKS_LATE = True
    CELERY_TASK_REJECT_ON_WORKER_LOST = True
    CELERY_WORKER_PREFETCH_MULTIPLIER = 1
    CELERY_TASK_SOFT_TIME_LIMIT = 840
    CELERY_TASK_TIME_LIMIT = 900
    CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT = 60
    CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = True

LOGGING_CONFIG = "config.logs.configure"
LOGGING = logging_configuration(
    level=RUNTIME.log_level, style=RUNTIME.log_format, per_minute=RUNTIME.log_per_minute
)
