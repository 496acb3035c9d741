"""The route map: the only one."""

from __future__ import annotations

from django.conf import settings
from django.contrib import admin
from django.contrib.auth.views import LoginView, LogoutView
from django.urls import include, path, re_path
from drf_spectacular.views import SpectacularAPIView, SpectacularRedocView, SpectacularSwaggerSplitView

from onestep.accounts.views import LogOutView, MeView, ObtainTokensView, RotateTokensView, VerifyTokenView
from onestep.groups.views import CampusViewSet, GroupViewSet, KnowledgeAreaViewSet, LeadershipViewSet
from onestep.home import favicon, home
from onestep.http.problems import NotFoundView
from onestep.http.routers import Router
from onestep.http.security_headers import content_security_policy
from onestep.initiatives.attachment_views import AttachmentViewSet, MediaView
from onestep.initiatives.views import InitiativeViewSet
from onestep.operations.health import live, ready
from onestep.people.views import PersonViewSet

handler400 = "onestep.http.failures.bad_request"
handler403 = "onestep.http.failures.permission_denied"
handler404 = "onestep.http.failures.page_not_found"
handler500 = "onestep.http.failures.server_error"

router = Router()
router.register("people", PersonViewSet, basename="person")
router.register("campuses", CampusViewSet, basename="campus")
router.register("knowledge-areas", KnowledgeAreaViewSet, basename="knowledge-area")
router.register("groups", GroupViewSet, basename="group")
router.register("leaderships", LeadershipViewSet, basename="leadership")
router.register("initiatives", InitiativeViewSet, basename="initiative")
router.register("attachments", AttachmentViewSet, basename="attachment")

# Redoc's search runs in a worker that it makes of a blob, and its styles stand in elements that it adds to the page.
redoc_policy = content_security_policy({"style-src": "'self' 'unsafe-inline'", "worker-src": "blob:"})

urlpatterns = [
    path("", home, name="home"),
    path("api/v1/", include(router.urls)),
    path("api/v1/auth/token/", ObtainTokensView.as_view(), name="obtain-tokens"),
    path("api/v1/auth/token/refresh/", RotateTokensView.as_view(), name="rotate-tokens"),
    path("api/v1/auth/token/verify/", VerifyTokenView.as_view(), name="verify-token"),
    path("api/v1/auth/logout/", LogOutView.as_view(), name="log-out"),
    path("api/v1/auth/me/", MeView.as_view(), name="me"),
    path("api/schema/", SpectacularAPIView.as_view(), name="schema"),
    path("api/docs/", SpectacularSwaggerSplitView.as_view(url_name="schema"), name="docs"),
    path("api/redoc/", redoc_policy(SpectacularRedocView.as_view(url_name="schema")), name="redoc"),
    re_path(r"^api/", NotFoundView.as_view()),
    path("login/", LoginView.as_view(template_name="login.html", next_page="api-root"), name="login"),
    path("logout/", LogoutView.as_view(next_page="home"), name="logout"),
    path(f"{settings.MEDIA_URL.lstrip('/')}<path:name>", MediaView.as_view(), name="media"),
    path("admin/", admin.site.urls),
    path("favicon.ico", favicon),
    # With and without a slash, since a probe does not follow redirects. HealthMiddleware calls these.
    re_path(r"^health/live/?$", live, name="health-live"),
    re_path(r"^health/ready/?$", ready, name="health-ready"),
]
