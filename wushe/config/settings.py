"""The deployment: everything that depends on where Wushe runs, read from the environment with defaults that just work.

| variable | meaning | default |
|---|---|---|
| `WUSHE_DATA` | folder of the database, keys and uploads | `wushe-data` below the current folder |
| `WUSHE_DATABASE_URL` | `sqlite:///…` or `postgresql://…` | SQLite in `WUSHE_DATA` |
| `WUSHE_HOSTS` | host names the site answers to, comma-separated | this machine only |
| `WUSHE_HTTPS` | `1` when the site is reached by HTTPS: cookies become secure, HSTS is sent | `0` |
| `WUSHE_PROXY` | `1` when a reverse proxy sets X-Forwarded-For and X-Forwarded-Proto | `0` |
| `WUSHE_LOG_LEVEL` | DEBUG, INFO, WARNING … | `INFO` |
| `WUSHE_POOL` | connections the PostgreSQL pool may hold in one process | `8` |
| `WUSHE_AUDIT_HASH` | hash of the audit seals: `sha256`, or another that OpenSSL has (`sm3`); stored with each batch | `sha256` |
| `WUSHE_OUTBOX_ADAPTERS` | gateways for messages: `SMS=package.module.Class,WECOM=…` | none |
"""

import os
from pathlib import Path
from typing import Any

import dj_database_url
from django.utils.translation import gettext_lazy as _

from wushe.kernel import crypto


def _flag(name: str) -> bool:
    return os.environ.get(name, "0").lower() in ("1", "true", "yes", "on")


PACKAGE = Path(__file__).resolve().parent.parent
DATA = crypto.data_folder()
DATA.mkdir(parents=True, exist_ok=True)
crypto.create_keys()

SECRET_KEY = crypto.load_keys().django_secret
DEBUG = False
ALLOWED_HOSTS = [
    *filter(None, os.environ.get("WUSHE_HOSTS", "").split(",")),
    "localhost",
    "127.0.0.1",
    "[::1]",
]
HTTPS = _flag("WUSHE_HTTPS")
BEHIND_PROXY = _flag("WUSHE_PROXY")

INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",  # password hashing and log-in only: rights are kernel.policy's, its permission tables stay unused
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "django_htmx",
    "django_tasks",
    "django_tasks_db",
    "ninja",
    "wushe.kernel",
    "wushe.ledger",
    "wushe.community",
    "wushe.web",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "wushe.web.middleware.SecurityHeaders",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "wushe.web.accounts.middleware.WhoActs",
    "wushe.web.middleware.Preferences",
    "wushe.web.middleware.Problems",
]

ROOT_URLCONF = "wushe.config.urls"
WSGI_APPLICATION = "wushe.config.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [PACKAGE / "web" / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "django.contrib.messages.context_processors.messages",
                "wushe.web.context.shell",
            ],
            "builtins": [
                "django.templatetags.i18n",
                "django.templatetags.static",
                "wushe.web.templatetags.wushe",
            ],
        },
    }
]
FORM_RENDERER = "wushe.web.forms.Renderer"

# --- database ---------------------------------------------------------------------------------------------------------

DATABASE_URL = os.environ.get("WUSHE_DATABASE_URL") or f"sqlite:///{DATA / 'wushe.sqlite3'}"
DATABASES: dict[str, dict[str, Any]] = {"default": dict(dj_database_url.parse(DATABASE_URL))}
_default = DATABASES["default"]
if _default["ENGINE"].endswith("sqlite3"):
    # IMMEDIATE: a transaction that reads before it writes would otherwise fail at once under load, whatever the time-out.
    # FULL: an acknowledged commit survives a power cut.
    _default["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": (
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA cache_size=-65536; PRAGMA temp_store=MEMORY;"
            " PRAGMA mmap_size=268435456;"
        ),
    }
else:
    _default["CONN_MAX_AGE"] = (
        0  # the pool keeps connections open; Django must hand them back after each request
    )
    _default["OPTIONS"] = {
        **_default.get("OPTIONS", {}),
        "pool": {"min_size": 0, "max_size": int(os.environ.get("WUSHE_POOL", "8")), "timeout": 10},
    }
if suffix := os.environ.get("WUSHE_TEST_SUFFIX"):
    _default["TEST"] = {"NAME": f"test_wushe_{suffix}" if "postgresql" in _default["ENGINE"] else None}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
if _flag("WUSHE_NO_MIGRATIONS"):
    MIGRATION_MODULES = {"kernel": None, "ledger": None, "community": None}

# --- people -----------------------------------------------------------------------------------------------------------

AUTH_USER_MODEL = "community.Account"
LOGIN_URL = "/login/"
SESSION_COOKIE_NAME = "wushe_session"
SESSION_COOKIE_AGE = 14 * 24 * 3600
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_HTTPONLY = True
CSRF_FAILURE_VIEW = "wushe.web.errors.csrf_failure"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
if BEHIND_PROXY:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
CSRF_TRUSTED_ORIGINS = [f"https://{host}" for host in ALLOWED_HOSTS if HTTPS and not host.startswith("[")]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.ScryptPasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 8}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]

# --- language, time, files --------------------------------------------------------------------------------------------

LANGUAGE_CODE = "zh-hans"
LANGUAGES = [("zh-hans", _("中文")), ("en", _("English"))]
LANGUAGE_COOKIE_NAME = "wushe_language"
LOCALE_PATHS = [PACKAGE / "locale"]
USE_I18N = True
USE_TZ = True
TIME_ZONE = "Asia/Shanghai"

STATIC_URL = "/static/"
STATICFILES_DIRS: list[Path] = []
STATIC_ROOT = DATA / "static"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
# Served straight out of the installed package: no collectstatic step that a small office could forget.
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = False
WHITENOISE_MAX_AGE = 3600
MEDIA_ROOT = DATA / "uploads"
FILE_UPLOAD_MAX_MEMORY_SIZE = 2_621_440
DATA_UPLOAD_MAX_MEMORY_SIZE = 5_242_880
DATA_UPLOAD_MAX_NUMBER_FIELDS = 2_000

TASKS = {"default": {"BACKEND": "django_tasks_db.DatabaseBackend", "QUEUES": ["default", "long"]}}
WUSHE_AUDIT_HASH = os.environ.get("WUSHE_AUDIT_HASH", "sha256")
WUSHE_OUTBOX_ADAPTERS = dict(
    entry.split("=", 1) for entry in os.environ.get("WUSHE_OUTBOX_ADAPTERS", "").split(",") if "=" in entry
)

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{asctime} {levelname} {name}: {message}", "style": "{"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": os.environ.get("WUSHE_LOG_LEVEL", "INFO")},
    "loggers": {
        "django.request": {"level": "ERROR"},
        "django.security": {"level": "ERROR"},
    },
}
SILENCED_SYSTEM_CHECKS: list[str] = []
