"""The route map: the only one."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path, re_path
from drf_spectacular.views import SpectacularAPIView, SpectacularRedocView, SpectacularSwaggerView
from rest_framework.routers import SimpleRouter

from onestep.http.problems import NotFoundView
from onestep.people.views import PersonViewSet

handler400 = "onestep.http.problems.bad_request"
handler403 = "onestep.http.problems.permission_denied"
handler404 = "onestep.http.problems.page_not_found"
handler500 = "onestep.http.problems.server_error"

router = SimpleRouter()
router.register("people", PersonViewSet, basename="person")

urlpatterns = [
    path("api/v1/", include(router.urls)),
    path("api/schema/", SpectacularAPIView.as_view(), name="schema"),
    path("api/docs/", SpectacularSwaggerView.as_view(url_name="schema"), name="docs"),
    path("api/redoc/", SpectacularRedocView.as_view(url_name="schema"), name="redoc"),
    re_path(r"^api/", NotFoundView.as_view()),
    path("admin/", admin.site.urls),
]
