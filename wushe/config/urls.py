"""The map of the site: one line a room."""

from django.urls import include, path

from wushe.api.root import api

urlpatterns = [
    path("", include("wushe.web.portal.urls")),
    path("", include("wushe.web.places.urls")),
    path("", include("wushe.web.accounts.urls")),
    path("me/", include("wushe.web.me.urls")),
    path("desk/", include("wushe.web.desk.urls")),
    path("desk/people/", include("wushe.web.people.urls")),
    path("desk/organizations/", include("wushe.web.organizations.urls")),
    path("desk/exchange/", include("wushe.web.exchange.urls")),
    path("", include("wushe.api.health")),
    path("api/", api.urls),
]

handler400 = "wushe.web.errors.bad_request"
handler403 = "wushe.web.errors.forbidden"
handler404 = "wushe.web.errors.not_found"
handler500 = "wushe.web.errors.server_error"
