"""Pages of the public face."""

from django.conf import settings
from django.core.exceptions import BadRequest
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

from wushe.web.components import SOCIETIES
from wushe.web.middleware import LARGE_TYPE_COOKIE
from wushe.web.page import Request, page

A_YEAR = 365 * 24 * 3600


@page(public=True)
def home(request: Request) -> HttpResponse:
    """The three things people come for, and the way to one's own community."""
    return render(request, "portal/home.html", {"societies": SOCIETIES.values()})


@page(public=True)
def about(request: Request) -> HttpResponse:
    """What the five societies are, in plain words."""
    return render(request, "portal/about.html", {"societies": SOCIETIES.values()})


@page(public=True)
def accessibility(request: Request) -> HttpResponse:
    """What the site does for people who see, hear or move differently, and what to do where it fails."""
    return render(request, "portal/accessibility.html")


@page(public=True)
def privacy(request: Request) -> HttpResponse:
    """What is kept about a person, why, and how to see, correct or erase it."""
    return render(request, "portal/privacy.html")


@page(public=True)
@require_POST
def language(request: Request) -> HttpResponse:
    """Keep the chosen language in a cookie and go back to where the visitor was."""
    chosen = request.POST.get("language", "")
    if chosen not in dict(settings.LANGUAGES):
        raise BadRequest("unknown language")
    return _back_with(request, settings.LANGUAGE_COOKIE_NAME, chosen)


@page(public=True)
@require_POST
def type_size(request: Request) -> HttpResponse:
    """Keep the chosen type size in a cookie and go back to where the visitor was."""
    return _back_with(request, LARGE_TYPE_COOKIE, "1" if request.POST.get("large") == "1" else "0")


def _back_with(request: Request, cookie: str, value: str) -> HttpResponse:
    target = request.POST.get("next", "/")
    if not url_has_allowed_host_and_scheme(target, {request.get_host()}, require_https=request.is_secure()):
        target = "/"
    response = HttpResponseRedirect(target)
    response.set_cookie(
        cookie,
        value,
        max_age=A_YEAR,
        samesite="Lax",
        secure=bool(settings.SESSION_COOKIE_SECURE),
        httponly=True,
    )
    return response
