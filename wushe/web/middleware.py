"""The edge of the site: security headers, the visitor's two preferences, and problems turned into pages."""

from collections.abc import Callable
from typing import Final, cast

from django.conf import settings
from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse
from django.utils import translation
from django.utils.functional import SimpleLazyObject

from wushe.kernel import installation
from wushe.kernel.policy import Refused
from wushe.kernel.problems import Problem
from wushe.web import errors
from wushe.web.page import Request

GetResponse = Callable[[HttpRequest], HttpResponse]

CONTENT_SECURITY_POLICY: Final = (
    "default-src 'self'; img-src 'self' data: blob:; style-src 'self'; script-src 'self'; "
    "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
HEADERS: Final = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Permissions-Policy": "camera=(self), geolocation=(), microphone=(), payment=(), usb=(), browsing-topics=()",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
}
LARGE_TYPE_COOKIE: Final = "wushe_large"


class SecurityHeaders:
    """Sends the headers with every response. A view that needs a narrower policy sets its own header first."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        return response


class Preferences:
    """Language and type size as the visitor chose them, by cookie; and whether the data are a demo's.

    Without a choice the language is the site's, not the browser's: many offices run an English browser they never set.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        language = request.COOKIES.get(settings.LANGUAGE_COOKIE_NAME, "")
        if language not in dict(settings.LANGUAGES):
            language = settings.LANGUAGE_CODE
        translation.activate(language)
        request.LANGUAGE_CODE = language
        if not hasattr(request, "is_demo"):
            cast(Request, request).is_demo = cast(bool, SimpleLazyObject(installation.is_demo))
        cast(Request, request).large_type = request.COOKIES.get(LARGE_TYPE_COOKIE) == "1"
        response = self.get_response(request)
        response.headers.setdefault("Content-Language", translation.get_language() or settings.LANGUAGE_CODE)
        return response


class Problems:
    """Turns what a domain refuses into a page that says what to do next. The API answers for itself."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if isinstance(exception, Refused):
            return errors.forbidden(request, exception)
        if isinstance(exception, Problem):
            return errors.problem(request, exception)
        if isinstance(exception, BadRequest):
            return errors.bad_request(request, exception)
        return None
