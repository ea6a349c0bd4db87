"""Who acts: sets `request.actor` from the session, with the grants in force at this moment."""

from collections.abc import Callable
from typing import Any, cast

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from wushe.kernel.actor import Actor
from wushe.web.accounts import session
from wushe.web.page import Request

GetResponse = Callable[[HttpRequest], HttpResponse]


class WhoActs:
    """Sets `request.actor`: the session's account with its rights of this moment, or the anonymous visitor.

    Nothing about rights is kept in the session, so what is taken away is gone with the next request. Visitors without a session
    cookie cost no query, others one besides the session's own. A real `Actor`, not a lazy stand-in: the domain takes it apart.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        who = session.signed_in(request)
        cast(Request, request).actor = who.actor if who else Actor.anonymous()
        request.must_change_password = bool(who and who.must_change_password)  # type: ignore[attr-defined]  # read below
        return self.get_response(request)

    def process_view(self, request: HttpRequest, view: Any, args: Any, kwargs: Any) -> HttpResponse | None:
        """Lead whoever still has a first password to the page that changes it. (Their grants are held back anyway.)"""
        permission = getattr(view, "permission", None)
        if permission is None or permission.public or getattr(view, "before_password_change", False):
            return None
        if request.must_change_password:  # type: ignore[attr-defined]  # set above
            return HttpResponseRedirect(reverse("accounts:first_password"))
        return None
