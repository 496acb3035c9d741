"""Django's settings, read from the environment: the only module that reads it.

Every value is typed. All problems are raised together as one `ImproperlyConfigured`, each with an id that
`docs/errors.md` explains. A secret NAME may be given as NAME, or as the path of a file in NAME_FILE.
"""

from __future__ import annotations

import hmac
import logging
import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import structlog

from onestep.cpu_limit import cpu_limit, default_workers
from onestep.environment import (
    Environment,
    read_allowed_hosts,
    read_database,
    read_metrics_bind,
    read_pooler,
    read_secret_key,
    read_secret_key_fallbacks,
)

BASE_DIR = Path(__file__).resolve().parent

env = Environment(os.environ)

# --- What kind of environment this is ---------------------------------------------------------------------------------
DEBUG = env.boolean("DEBUG", default=False)
SECRET_KEY = read_secret_key(env, debug=DEBUG)
SECRET_KEY_FALLBACKS = read_secret_key_fallbacks(env, debug=DEBUG)
ALLOWED_HOSTS = read_allowed_hosts(env, debug=DEBUG)
CSRF_TRUSTED_ORIGINS = env.origins("CSRF_TRUSTED_ORIGINS")
CORS_ALLOWED_ORIGINS = env.origins("CORS_ALLOWED_ORIGINS")
# How many proxies of ours stand in front and append to X-Forwarded-For. 0: the header is not believed at all.
NUM_PROXIES = env.integer("NUM_PROXIES", 0, least=0, most=10)
# Whether clients reach the service by HTTPS (which a proxy in front ends). Off only where there is no certificate.
HTTPS = env.boolean("HTTPS", default=not DEBUG)

# --- Database ---------------------------------------------------------------------------------------------------------
_address = read_database(env, debug=DEBUG)
DB_CONNECT_TIMEOUT = env.integer("DB_CONNECT_TIMEOUT", 3, least=1, most=60)  # seconds
DB_STATEMENT_TIMEOUT = env.integer("DB_STATEMENT_TIMEOUT", 10, least=1, most=3600)  # seconds
DB_LOCK_TIMEOUT = env.integer("DB_LOCK_TIMEOUT", 5, least=1, most=3600)  # seconds
DB_WAIT_TIMEOUT = env.integer("DB_WAIT_TIMEOUT", 60, least=1, most=3600)  # seconds; `onestep wait_for_database`
# Whether a pooler that lends a connection for one transaction stands before the database. It gives the sessions their
# time limits then: a pooler does not pass a start-up parameter on.
DB_TRANSACTION_POOLING = env.boolean("DB_TRANSACTION_POOLING", default=False)
# The server behind the pooler: asked whether it is there when a statement gets no answer, for the pooler always is.
DB_POOLED_SERVER = env.address("DB_POOLED_SERVER", "")
_limits = (
    f"-c statement_timeout={DB_STATEMENT_TIMEOUT}s -c lock_timeout={DB_LOCK_TIMEOUT}s "
    f"-c idle_in_transaction_session_timeout={DB_STATEMENT_TIMEOUT * 3}s"
)
MIGRATE_WAIT_TIMEOUT = env.integer("MIGRATE_WAIT_TIMEOUT", 600, least=0, most=86400)  # seconds, for another runner
MIGRATE_LOCK_TIMEOUT = env.integer("MIGRATE_LOCK_TIMEOUT", 5, least=1, most=3600)  # seconds, for a lock on a table
MIGRATE_ATTEMPTS = env.integer("MIGRATE_ATTEMPTS", 8, least=1, most=100)  # where a failure may be gone the next time
DATABASES = {
    "default": {
        **_address,
        "ENGINE": "onestep.operations.postgresql",
        "CONN_MAX_AGE": env.integer("DB_CONN_MAX_AGE", 600, least=0, most=86400),  # seconds
        "CONN_HEALTH_CHECKS": True,
        "DISABLE_SERVER_SIDE_CURSORS": DB_TRANSACTION_POOLING,
        "OPTIONS": {
            "connect_timeout": DB_CONNECT_TIMEOUT,
            "application_name": "onestep",
            "client_encoding": "UTF8",
            **({} if DB_TRANSACTION_POOLING else {"options": _limits}),
            # A network that swallows packets ends a connection within 25 seconds, and one with data under way in 15.
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 3,
            "tcp_user_timeout": 15_000,  # milliseconds
            **_address["OPTIONS"],
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
    "staticfiles": {"BACKEND": "onestep.operations.static_files.StaticFilesStorage"},
}
WHITENOISE_KEEP_ONLY_HASHED_FILES = True
# Source maps, which the image leaves out, and what is compressed by its format.
WHITENOISE_SKIP_COMPRESS_EXTENSIONS = ["gif", "jpg", "map", "png", "webp", "woff", "woff2"]
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
    "onestep.operations.request_ids.RequestIdMiddleware",
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
LOGIN_HISTORY_DAYS = env.integer("LOGIN_HISTORY_DAYS", 365, least=1, most=3650)  # for `onestep housekeeping`
AXES_HANDLER = "onestep.accounts.attempts.AttemptHandler"
AXES_LOCKOUT_CALLABLE = "onestep.accounts.attempts.refuse"
AXES_CLIENT_IP_CALLABLE = "onestep.accounts.attempts.counted_address"
AXES_RESET_ON_SUCCESS = True
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False  # who keeps trying does not wait longer
AXES_DISABLE_ACCESS_LOG = True  # the handler keeps its own, without making a session for a token
AXES_ENABLE_ADMIN = False  # `accounts.admin` shows less
AXES_SENSITIVE_PARAMETERS = ["username", "ip_address", "csrfmiddlewaretoken"]  # what forms hold is stored without them
AXES_VERBOSE = False
# Tokens are signed with a key of their own, derived so that it has full length whatever the secret's. Those signed with
# a fallback are taken too.
TOKEN_KEYS = [
    hmac.digest(key.encode(), b"onestep.tokens", "sha256").hex() for key in [SECRET_KEY, *SECRET_KEY_FALLBACKS]
]
SIMPLE_JWT = {
    "SIGNING_KEY": TOKEN_KEYS[0],
    "ACCESS_TOKEN_LIFETIME": timedelta(minutes=env.integer("ACCESS_TOKEN_MINUTES", 15, least=1, most=1440)),
    "REFRESH_TOKEN_LIFETIME": timedelta(days=env.integer("REFRESH_TOKEN_DAYS", 7, least=1, most=365)),
    "CHECK_REVOKE_TOKEN": True,  # a changed password ends the tokens made with the old one
    "ISSUER": "onestep",
}

# --- The API ----------------------------------------------------------------------------------------------------------
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "onestep.accounts.authentication.TokenAuthentication",
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
    "ENUM_NAME_OVERRIDES": {
        "GroupKindEnum": "onestep.groups.models.Group.Kind",
        "InitiativeKindEnum": "onestep.initiatives.models.Initiative.Kind",
        "TeamRoleEnum": "onestep.initiatives.models.TeamMember.Role",
    },
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
BIND = env.address("BIND", "0.0.0.0:8000")
_workers = env.integer("WEB_WORKERS", 0, least=1, most=64)
WEB_WORKERS_GIVEN = _workers > 0
WEB_WORKERS = _workers or default_workers(cpu_limit())
WEB_THREADS = env.integer("WEB_THREADS", 4, least=1, most=64)
MAX_REQUEST_LINE = 8190  # bytes: the longest search and a cursor of the longest name have room in an address
# How long a connection without a request stays open: longer than a balancer in front keeps its own idle ones.
KEEPALIVE_SECONDS = env.integer("KEEPALIVE_SECONDS", 5, least=0, most=300)
DRAIN_SECONDS = env.integer("DRAIN_SECONDS", 3, least=0, most=300)
GRACEFUL_TIMEOUT = env.integer("GRACEFUL_TIMEOUT", 20, least=1, most=600)  # seconds

# --- The connection budget: what runs beside this process, as far as it is told (operations/budget.py) ----------------
WEB_REPLICAS = env.integer("WEB_REPLICAS", 0, least=1, most=1000)  # 0: not told
WEB_SURGE = env.integer("WEB_SURGE", 0, least=0, most=1000)  # replicas that a rollout runs beside those
# The defaults of docker/pgbouncer. Who connects directly beside a pooler, as `onestep migrate`, is told its size.
POOL_SIZE = env.integer("POOL_SIZE", 20 if DB_TRANSACTION_POOLING else 0, least=1, most=10_000)
POOL_MAX_CLIENTS = env.integer("POOL_MAX_CLIENTS", 200, least=1, most=100_000)
BACKUP_CONNECTIONS = env.integer("BACKUP_CONNECTIONS", 3, least=0, most=100)
DB_RESERVE_CONNECTIONS = env.integer("DB_RESERVE_CONNECTIONS", 5, least=0, most=1000)

# --- Backups: what the service that makes them says, for /health/ready and the metrics --------------------------------
BACKUP_STATUS = env.text("BACKUP_STATUS")  # the path of its status.json
BACKUP_MAX_AGE_HOURS = env.integer("BACKUP_MAX_AGE_HOURS", 26, least=1, most=8760)  # of the last good one
# How old it may be where `onestep migrate` changes a database that is in use. 0: nobody asks.
MIGRATE_BACKUP_MAX_AGE = env.integer("MIGRATE_BACKUP_MAX_AGE", 0, least=0, most=525600)  # minutes

# --- Metrics ----------------------------------------------------------------------------------------------------------
METRICS_BIND = read_metrics_bind(env, bind=BIND)  # empty: none
if METRICS_BIND:
    MIDDLEWARE.insert(0, "onestep.operations.metrics.MetricsMiddleware")
PGBOUNCER_ADMIN, PGBOUNCER_STATS_PASSWORD = read_pooler(env)
REVISION = env.text("REVISION", "unknown")  # the commit that the image was built of

# --- Logs -------------------------------------------------------------------------------------------------------------
LOG_LEVEL = env.choice("LOG_LEVEL", "INFO", ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"])
LOG_DIR = env.text("LOG_DIR")  # where it is set, the lines go to a rotating file in it as well
# One line for each request, when it has finished; who and from where come from onestep.operations.logs.
DJANGO_STRUCTLOG_STATUS_START_LOG_LEVEL = logging.DEBUG
DJANGO_STRUCTLOG_TRUST_UPSTREAM_REQUEST_ID = True  # RequestIdMiddleware has looked at it
DJANGO_STRUCTLOG_IP_LOGGING_ENABLED = False  # it would believe any X-Forwarded-For
DJANGO_STRUCTLOG_USER_ID_FIELD = None  # it would read the session from the database for the log's sake
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
    "loggers": {
        "django": {},  # takes away the handlers that Django gives it
        # What these say of a request stands in its own line already.
        "django.request": {"level": "CRITICAL"},
        "django.server": {"level": "CRITICAL"},
        "axes": {"level": "ERROR"},  # `accounts.attempts` says the same in one line
    },
}
if LOG_DIR:
    LOGGING["handlers"]["file"] = {
        "class": "onestep.operations.logs.SharedRotatingFileHandler",
        "filename": str(Path(LOG_DIR) / "onestep.json.log"),
        "maxBytes": 10 * 1024 * 1024,
        "backupCount": 5,
        "formatter": "json",
    }
    LOGGING["root"]["handlers"].append("file")

env.raise_problems()
