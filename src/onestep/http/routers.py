"""The root of the API, which lists its resources."""

from __future__ import annotations

from rest_framework.permissions import AllowAny
from rest_framework.routers import APIRootView, DefaultRouter


class ApiRootView(APIRootView):
    """The resources of the API. Log in to browse them."""

    name = "OneStep API"
    permission_classes = (AllowAny,)


class Router(DefaultRouter):
    """Routes resources, and their root."""

    APIRootView = ApiRootView
    include_format_suffixes = False
