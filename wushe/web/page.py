"""The door of every page: each view declares who may knock, and the door turns others away before the view runs."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.utils.cache import patch_cache_control

from wushe.kernel import policy
from wushe.kernel.actor import Actor

if TYPE_CHECKING:
    from django_htmx.middleware import HtmxDetails


class Request(HttpRequest):
    """What the middleware makes of a request; views annotate with it. Never instantiated."""

    actor: Actor
    htmx: "HtmxDetails"
    is_demo: bool
    large_type: bool


@dataclass(frozen=True, slots=True)
class Permission:
    """What a page declares: open to everyone, to any account, or to whoever may `verb` some row of `data_class`."""

    public: bool = False
    signed_in: bool = False
    verb: str | None = None
    data_class: str | None = None


View = Callable[..., HttpResponseBase]


def page(
    *, needs: tuple[str, str] | None = None, public: bool = False, signed_in: bool = False
) -> Callable[[View], View]:
    """Declare who may open a page. Exactly one of the three.

    `needs` is (verb, data class): the visitor must be allowed that somewhere; which rows is the query's business.
    Visitors who are not signed in are sent to the log-in and back; signed-in ones without the right get the 403 page
    (`policy.Refused`). The declaration is readable as `view.permission`. Pages that are not public are never cached.
    """
    if sum((needs is not None, public, signed_in)) != 1:
        raise TypeError("page() takes exactly one of needs=, public=True, signed_in=True")
    permission = Permission(public, signed_in, *(needs or (None, None)))

    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(request: Request, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if not _may_enter(request.actor, permission):
                if request.actor.is_signed_in:
                    raise policy.Refused(code=f"refused.{permission.data_class}.{permission.verb}")
                response: HttpResponseBase = _to_login(request)
            else:
                response = view(request, *args, **kwargs)
            if not permission.public:
                patch_cache_control(response, private=True, no_store=True)
            return response

        guarded.permission = permission  # type: ignore[attr-defined]  # read by the permission matrix test
        return guarded

    return decorate


def _may_enter(actor: Actor, permission: Permission) -> bool:
    if permission.public:
        return True
    if permission.signed_in:
        return actor.is_signed_in
    assert permission.verb is not None
    assert permission.data_class is not None
    return policy.allows_somewhere(actor, permission.verb, permission.data_class)


def _to_login(request: Request) -> HttpResponse:
    # A form cannot be sent again by a redirect: after log-in the visitor comes back to the page that held it.
    here = request.get_full_path() if request.method in ("GET", "HEAD") else "/"
    # Not django.contrib.auth's own: that module needs tables this house does not have.
    redirect = HttpResponseRedirect(f"{settings.LOGIN_URL}?{urlencode({'next': here})}")
    if request.headers.get("HX-Request") == "true":
        return HttpResponse(status=204, headers={"HX-Redirect": redirect.url})
    return redirect
