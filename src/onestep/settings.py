"""Django's settings, read from the environment: the only module that reads it.

Every value is typed. All problems are collected and raised together as one `ImproperlyConfigured`, each with an
id that `docs/errors.md` explains. A secret NAME may be given as NAME, or as the path of a file in NAME_FILE.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg2.extensions
import structlog
from django.core.exceptions import ImproperlyConfigured

BASE_DIR = Path(__file__).resolve().parent


class Environment:
    """Typed reads of the environment that collect what is wrong instead of stopping at the first."""

    def __init__(self) -> None:
        self.problems: list[str] = []

    def problem(self, error_id: str, name: str, what: str, todo: str) -> None:
        """Note that the variable `name` is wrong: what it is, and what to do."""
        self.problems.append(f"onestep.{error_id} {name}: {what}\n    {todo}")

    def text(self, name: str, default: str = "") -> str:
        """Return the variable, or the default where it is unset or empty (Compose passes an unset one as empty)."""
        return os.environ.get(name) or default

    def secret(self, name: str, default: str = "") -> str:
        """Return NAME, or the content of the file that NAME_FILE names less one trailing newline."""
        path = os.environ.get(f"{name}_FILE")
        if not path:
            return self.text(name, default)
        if os.environ.get(name):
            self.problem("E003", name, f"{name} and {name}_FILE are both set.", "Keep one of the two.")
            return default
        try:
            value = Path(path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
            self.problem(
                "E004",
                f"{name}_FILE",
                f"the file {path} cannot be read: {reason}.",
                f"Create the file with the secret in it, readable by user id {os.getuid()}, or set {name} instead.",
            )
            return default
        return value.removesuffix("\n").removesuffix("\r") or default

    def _typed(self, name: str, default: Any, parse: Callable[[str], Any], expected: str) -> Any:
        raw = self.text(name)
        if not raw:
            return default
        try:
            return parse(raw)
        except ValueError:
            self.problem("E002", name, f"{raw!r} is not {expected}.", f"Set {name} to {expected}, or leave it out.")
            return default

    def boolean(self, name: str, *, default: bool) -> bool:
        """Return a switch: 1, true, yes or on; 0, false, no or off."""
        words = {
            "1": True,
            "true": True,
            "yes": True,
            "on": True,
            "0": False,
            "false": False,
            "no": False,
            "off": False,
        }

        def parse(raw: str) -> bool:
            if raw.strip().lower() not in words:
                raise ValueError(raw)
            return words[raw.strip().lower()]

        return bool(self._typed(name, default, parse, "one of 1, true, yes, on, 0, false, no, off"))

    def integer(self, name: str, default: int, *, least: int, most: int) -> int:
        """Return a whole number from `least` to `most`."""

        def parse(raw: str) -> int:
            if not re.fullmatch(r"\d{1,18}", raw.strip()) or not least <= int(raw) <= most:
                raise ValueError(raw)
            return int(raw)

        return int(self._typed(name, default, parse, f"a whole number from {least} to {most}"))

    def names(self, name: str) -> list[str]:
        """Return a list that is separated by commas."""
        return [item.strip() for item in self.text(name).split(",") if item.strip()]

    def origins(self, name: str) -> list[str]:
        """Return a list of web origins: scheme and host, without a path."""
        items = self.names(name)
        for item in items:
            parts = urlsplit(item)
            if parts.scheme not in {"http", "https"} or not parts.netloc or parts.path or parts.query:
                self.problem(
                    "E002",
                    name,
                    f"{item!r} is not an origin.",
                    "Give scheme and host without a path, separated by commas: https://app.example.org",
                )
        return items


# The passwords and keys that every attacker tries first, and those of `.env.dev`.
DEFAULT_PASSWORDS = {
    "postgres",
    "password",
    "passwd",
    "admin",
    "root",
    "secret",
    "changeme",
    "change-me",
    "onestep",
    "123456",
}


def read_database(environment: Environment) -> dict[str, Any]:
    """Return the database's address from DATABASE_URL, or from POSTGRES_* with DB_HOST and DB_PORT.

    The URL is parsed by libpq itself (`psycopg2.extensions.parse_dsn`), so it means here what it means to psql:
    https://www.postgresql.org/docs/15/libpq-connect.html#LIBPQ-CONNSTRING
    """
    parts = {
        "NAME": environment.text("POSTGRES_DB"),
        "USER": environment.text("POSTGRES_USER"),
        "PASSWORD": environment.secret("POSTGRES_PASSWORD"),
        "HOST": environment.text("DB_HOST"),
        "PORT": str(environment.integer("DB_PORT", 0, least=1, most=65535) or ""),
    }
    defaults = {"NAME": "onestep", "USER": "postgres", "PASSWORD": "", "HOST": "db", "PORT": "5432"}
    url = environment.secret("DATABASE_URL")
    if not url:
        return {key: value or defaults[key] for key, value in parts.items()} | {"URL_OPTIONS": {}}

    encode = "In a URL a user or password needs @ : / % # ? [ ] and spaces percent-encoded, such as %40 for @."
    try:
        dsn = psycopg2.extensions.parse_dsn(url)
    except psycopg2.ProgrammingError:
        environment.problem(
            "E009",
            "DATABASE_URL",
            "it is not a PostgreSQL URL.",
            f"Write postgresql://USER:PASSWORD@HOST:PORT/NAME. {encode}",
        )
        return defaults | {"URL_OPTIONS": {}}
    found = {
        "NAME": dsn.pop("dbname", ""),
        "USER": dsn.pop("user", ""),
        "PASSWORD": dsn.pop("password", ""),
        "HOST": dsn.pop("host", ""),
        "PORT": dsn.pop("port", "5432"),
    }
    if not url.startswith(("postgres://", "postgresql://")):
        environment.problem(
            "E009",
            "DATABASE_URL",
            "it does not begin with postgresql://.",
            "Write postgresql://USER:PASSWORD@HOST:PORT/NAME.",
        )
    elif not found["PORT"].isdigit() or "@" in found["HOST"]:
        # The value is not shown: a password that was cut at a reserved character stands in these parts.
        environment.problem("E009", "DATABASE_URL", "its host or port is not one.", encode)
    elif not found["NAME"] or not found["USER"]:
        environment.problem(
            "E009",
            "DATABASE_URL",
            "it names no user or no database.",
            "Write postgresql://USER:PASSWORD@HOST:PORT/NAME.",
        )
    names = {
        "NAME": "POSTGRES_DB",
        "USER": "POSTGRES_USER",
        "PASSWORD": "POSTGRES_PASSWORD",
        "HOST": "DB_HOST",
        "PORT": "DB_PORT",
    }
    conflicts = [names[key] for key, value in parts.items() if value and found[key] and value != found[key]]
    if conflicts:
        environment.problem(
            "E008",
            "DATABASE_URL",
            f"it says something else than {', '.join(conflicts)}.",
            "Give the database's address once: by DATABASE_URL, or by POSTGRES_DB, POSTGRES_USER, POSTGRES_PASSWORD, "
            f"DB_HOST and DB_PORT. {encode}",
        )
    return {key: found[key] or parts[key] or defaults[key] for key in defaults} | {"URL_OPTIONS": dsn}


env = Environment()

# --- What kind of environment this is ---------------------------------------------------------------------------------
DEBUG = env.boolean("DEBUG", default=False)
SECRET_KEY = env.secret("SECRET_KEY", "development-only-key-never-for-production" if DEBUG else "")
SECRET_KEY_FALLBACKS = [key for key in env.secret("SECRET_KEY_FALLBACKS").split(",") if key]
ALLOWED_HOSTS = env.names("ALLOWED_HOSTS") or (["localhost", "127.0.0.1", "[::1]"] if DEBUG else [])
CSRF_TRUSTED_ORIGINS = env.origins("CSRF_TRUSTED_ORIGINS")
CORS_ALLOWED_ORIGINS = env.origins("CORS_ALLOWED_ORIGINS")
# How many proxies of ours stand in front and append to X-Forwarded-For. 0: the header is not believed at all.
NUM_PROXIES = env.integer("NUM_PROXIES", 0, least=0, most=10)
# Whether clients reach the service by HTTPS (which a proxy in front ends). Off only where there is no certificate.
HTTPS = env.boolean("HTTPS", default=not DEBUG)

# --- Database ---------------------------------------------------------------------------------------------------------
_address = read_database(env)
DB_CONNECT_TIMEOUT = env.integer("DB_CONNECT_TIMEOUT", 3, least=1, most=60)  # seconds
DB_STATEMENT_TIMEOUT = env.integer("DB_STATEMENT_TIMEOUT", 10, least=1, most=3600)  # seconds
DB_LOCK_TIMEOUT = env.integer("DB_LOCK_TIMEOUT", 5, least=1, most=3600)  # seconds
DB_WAIT_TIMEOUT = env.integer("DB_WAIT_TIMEOUT", 60, least=1, most=3600)  # seconds; `onestep wait_for_database`
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        **{key: value for key, value in _address.items() if key != "URL_OPTIONS"},
        "CONN_MAX_AGE": env.integer("DB_CONN_MAX_AGE", 600, least=0, most=86400),  # seconds
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {
            "connect_timeout": DB_CONNECT_TIMEOUT,
            "application_name": "onestep",
            "client_encoding": "UTF8",
            "options": f"-c statement_timeout={DB_STATEMENT_TIMEOUT}s -c lock_timeout={DB_LOCK_TIMEOUT}s "
            f"-c idle_in_transaction_session_timeout={DB_STATEMENT_TIMEOUT * 3}s",
            **_address["URL_OPTIONS"],
        },
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- Files ------------------------------------------------------------------------------------------------------------
STATIC_URL = "/static/"
STATIC_ROOT = Path(env.text("STATIC_ROOT", "/app/staticfiles"))
STATICFILES_DIRS = [BASE_DIR / "static"]
MEDIA_URL = "/media/"
MEDIA_ROOT = Path(env.text("MEDIA_ROOT", "/app/media"))
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}
WHITENOISE_KEEP_ONLY_HASHED_FILES = True
ATTACHMENT_MAX_BYTES = env.integer("ATTACHMENT_MAX_MEGABYTES", 25, least=1, most=1024) * 1024 * 1024
FILE_UPLOAD_PERMISSIONS = 0o640

# --- The application --------------------------------------------------------------------------------------------------
ROOT_URLCONF = "onestep.urls"
WSGI_APPLICATION = "onestep.wsgi.application"
AUTH_USER_MODEL = "accounts.User"
INSTALLED_APPS = [
    "onestep.operations",  # first: its `migrate` stands in for Django's
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "axes",
    "corsheaders",
    "django_filters",
    "django_structlog",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "rest_framework",
    "rest_framework_simplejwt.token_blacklist",
    "onestep.people",
    "onestep.groups",
    "onestep.initiatives",
    "onestep.accounts",  # last: it makes the roles when all permissions are there
]
MIDDLEWARE = [
    "onestep.operations.health.HealthMiddleware",  # first: a probe needs neither host nor session
    "django_structlog.middlewares.RequestMiddleware",
    "onestep.http.security_headers.SecurityHeadersMiddleware",
    "onestep.http.failures.FailureMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "corsheaders.middleware.CorsMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "axes.middleware.AxesMiddleware",
]
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
            ]
        },
    }
]
LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True

# --- Who may come in --------------------------------------------------------------------------------------------------
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",  # first: it refuses who has tried too often
    "onestep.accounts.backends.PermissionsBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
LOGIN_URL = "login"
AXES_FAILURE_LIMIT = env.integer("LOGIN_ATTEMPT_LIMIT", 5, least=1, most=1000)
AXES_COOLOFF_TIME = timedelta(minutes=env.integer("LOGIN_LOCKOUT_MINUTES", 15, least=1, most=1440))
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_VERBOSE = False
AXES_LOCKOUT_CALLABLE = "onestep.http.failures.too_many_attempts"
AXES_RESET_ON_SUCCESS = True
AXES_CLIENT_IP_CALLABLE = "onestep.http.client_address.client_address"
SIMPLE_JWT = {
    "ACCESS_TOKEN_LIFETIME": timedelta(minutes=env.integer("ACCESS_TOKEN_MINUTES", 15, least=1, most=1440)),
    "REFRESH_TOKEN_LIFETIME": timedelta(days=env.integer("REFRESH_TOKEN_DAYS", 7, least=1, most=365)),
    "ROTATE_REFRESH_TOKENS": True,
    "BLACKLIST_AFTER_ROTATION": True,
    "CHECK_REVOKE_TOKEN": True,  # a changed password ends the tokens made with the old one
    "UPDATE_LAST_LOGIN": True,
    "ISSUER": "onestep",
}

# --- The API ----------------------------------------------------------------------------------------------------------
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "rest_framework_simplejwt.authentication.JWTAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["onestep.http.permissions.ModelPermissions"],
    "DEFAULT_RENDERER_CLASSES": ["onestep.http.rendering.JSONRenderer", "onestep.http.rendering.BrowsableRenderer"],
    "DEFAULT_PARSER_CLASSES": ["onestep.http.rendering.JSONParser"],
    "DEFAULT_SCHEMA_CLASS": "onestep.http.openapi.Schema",
    "EXCEPTION_HANDLER": "onestep.http.problems.handle_exception",
    "DEFAULT_PAGINATION_CLASS": None,
    "NUM_PROXIES": NUM_PROXIES,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "OneStep API",
    "VERSION": "1",
    "DESCRIPTION": (BASE_DIR / "http" / "api_description.md").read_text(encoding="utf-8"),
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PUBLIC": True,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "COMPONENT_SPLIT_REQUEST": True,
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "SWAGGER_UI_SETTINGS": {"deepLinking": True, "persistAuthorization": False},
}
CORS_URLS_REGEX = r"^/api/.*$"
CORS_EXPOSE_HEADERS = ["ETag", "Location", "Retry-After", "X-Request-ID"]

# --- Security headers -------------------------------------------------------------------------------------------------
SECURE_SSL_REDIRECT = HTTPS
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if NUM_PROXIES else None
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0  # one year
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SESSION_COOKIE_HTTPONLY = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CSRF_FAILURE_VIEW = "onestep.http.failures.csrf_failure"
# W005 and W021 ask for HSTS on every subdomain and in the browsers' preload list: what runs on an organisation's other
# names is not for this service to decide.
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]

# --- Server -----------------------------------------------------------------------------------------------------------
BIND = env.text("BIND", "0.0.0.0:8000")
WEB_WORKERS = env.integer("WEB_WORKERS", 2, least=1, most=64)
WEB_THREADS = env.integer("WEB_THREADS", 4, least=1, most=64)
DRAIN_SECONDS = env.integer("DRAIN_SECONDS", 3, least=0, most=300)
GRACEFUL_TIMEOUT = env.integer("GRACEFUL_TIMEOUT", 20, least=1, most=600)  # seconds

# --- Logs -------------------------------------------------------------------------------------------------------------
LOG_LEVEL = env.text("LOG_LEVEL", "INFO").upper()
LOG_DIR = env.text("LOG_DIR")
if LOG_LEVEL not in {"DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"}:
    env.problem(
        "E002", "LOG_LEVEL", f"{LOG_LEVEL!r} is not a level.", "Set it to DEBUG, INFO, WARNING, ERROR or CRITICAL."
    )
    LOG_LEVEL = "INFO"
DJANGO_STRUCTLOG_COMMAND_LOGGING_ENABLED = False
_shared_processors: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]
structlog.configure(
    processors=[
        structlog.stdlib.filter_by_level,
        *_shared_processors,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
    ],
    logger_factory=structlog.stdlib.LoggerFactory(),
    cache_logger_on_first_use=True,
)
LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "json": {
            "()": structlog.stdlib.ProcessorFormatter,
            "foreign_pre_chain": _shared_processors,
            "processors": [
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                structlog.processors.JSONRenderer(),
            ],
        }
    },
    "handlers": {"stdout": {"class": "logging.StreamHandler", "stream": "ext://sys.stdout", "formatter": "json"}},
    "root": {"handlers": ["stdout"], "level": LOG_LEVEL},
    "loggers": {"django.server": {"handlers": [], "propagate": False}},
}
if LOG_DIR:
    LOGGING["handlers"]["file"] = {
        "class": "logging.handlers.RotatingFileHandler",
        "filename": str(Path(LOG_DIR) / "onestep.json.log"),
        "maxBytes": 10 * 1024 * 1024,
        "backupCount": 5,
        "delay": True,
        "formatter": "json",
    }
    LOGGING["root"]["handlers"].append("file")

# --- What must not reach production -----------------------------------------------------------------------------------
if not DEBUG:
    if not SECRET_KEY:
        env.problem(
            "E001",
            "SECRET_KEY",
            "it is not set.",
            'Set SECRET_KEY or SECRET_KEY_FILE; `python3 -c "import secrets; print(secrets.token_urlsafe(64))"` makes one.',
        )
    elif len(SECRET_KEY) < 50 or len(set(SECRET_KEY)) < 5 or SECRET_KEY.startswith(("django-insecure-", "dev")):
        env.problem(
            "E005",
            "SECRET_KEY",
            "it is too weak: shorter than 50 characters, of fewer than 5 different ones, or a development key.",
            '`python3 -c "import secrets; print(secrets.token_urlsafe(64))"` makes a good one.',
        )
    if not ALLOWED_HOSTS:
        env.problem(
            "E006",
            "ALLOWED_HOSTS",
            "it is empty, so every request would be refused.",
            "Set the names clients use: api.example.org",
        )
    _password = DATABASES["default"]["PASSWORD"]
    if not _password:
        env.problem(
            "E001",
            "POSTGRES_PASSWORD",
            "the database's password is not set.",
            "Set POSTGRES_PASSWORD, POSTGRES_PASSWORD_FILE or DATABASE_URL.",
        )
    elif str(_password).lower() in DEFAULT_PASSWORDS | {str(DATABASES["default"]["USER"]).lower()}:
        env.problem(
            "E007",
            "POSTGRES_PASSWORD",
            "it is a default password.",
            'Change it; `python3 -c "import secrets; print(secrets.token_urlsafe(32))"` makes one.',
        )

if env.problems:
    _count = len(env.problems)
    raise ImproperlyConfigured(
        f"OneStep cannot start: {_count} problem{'s' if _count > 1 else ''} in the environment (docs/errors.md explains each id).\n"
        + "\n".join(f"  {problem}" for problem in env.problems)
    )
