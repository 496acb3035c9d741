"""The root of the API, which lists its resources."""

from __future__ import annotations

from rest_framework.routers import APIRootView, DefaultRouter


class ApiRootView(APIRootView):
    """The resources of the API. The reference is at [/api/docs/](/api/docs/)."""

    name = "OneStep API"


class Router(DefaultRouter):
    """Routes resources, and their root."""

    APIRootView = ApiRootView
    include_format_suffixes = False
