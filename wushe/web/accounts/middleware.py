"""Who acts: sets `request.actor`, built from the session when it is first asked for, with the grants in force at that moment."""

from collections.abc import Callable
from typing import Any, cast

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.functional import SimpleLazyObject

from wushe.kernel.actor import Actor
from wushe.web.accounts import session
from wushe.web.page import Request

GetResponse = Callable[[HttpRequest], HttpResponse]


class WhoActs:
    """Sets `request.actor`: the session's account with its rights of this moment, or the anonymous visitor.

    Nothing about rights is kept in the session, so what is taken away is gone with the next request. Visitors without a session
    cookie cost no query, others one besides the session's own.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        who = SimpleLazyObject(lambda: session.signed_in(request))
        request.signed_in = who  # type: ignore[attr-defined]  # read below, by this middleware alone
        cast(Request, request).actor = cast(
            Actor, SimpleLazyObject(lambda: who.actor if who else Actor.anonymous())
        )
        return self.get_response(request)

    def process_view(self, request: HttpRequest, view: Any, args: Any, kwargs: Any) -> HttpResponse | None:
        """Lead whoever still has a first password to the page that changes it. (Their grants are held back anyway.)"""
        permission = getattr(view, "permission", None)
        if permission is None or permission.public or getattr(view, "before_password_change", False):
            return None
        who = request.signed_in  # type: ignore[attr-defined]  # set above
        if who and who.must_change_password:
            return HttpResponseRedirect(reverse("accounts:first_password"))
        return None
