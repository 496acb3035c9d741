"""The service's settings with the routes and the renderer of plain Django REST framework."""

from onestep.settings import *  # noqa: F403
from onestep.settings import REST_FRAMEWORK as _REST_FRAMEWORK

ROOT_URLCONF = "bench.plain"
REST_FRAMEWORK = _REST_FRAMEWORK | {
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
}
