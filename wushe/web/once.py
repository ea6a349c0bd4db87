"""A form sent twice is carried out once: a double click, a reload, a browser that tries again.

    @page(needs=("create", "venue"))
    @once_per_form
    def open_venue(request): ...

and `{% load once %}{% once_key %}` inside the form. Without the hidden key (an old page, a script) the form works as any other. An
answer of 400 or more rolls back what the view did and is not kept, so a form with mistakes (422) can be corrected and sent again.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import HttpResponse
from django.http.response import HttpResponseBase

from wushe.kernel import idempotency
from wushe.web.page import Request

KEY_FIELD = "once_key"
_KEPT_HEADERS = ("Content-Type", "Location", "HX-Redirect", "HX-Location")

View = Callable[..., HttpResponseBase]


def once_per_form(view: View) -> View:
    """Carry a posted form out once per hidden key and account."""

    @wraps(view)
    def guarded(request: Request, *args: Any, **kwargs: Any) -> HttpResponseBase:
        key = request.POST.get(KEY_FIELD, "")
        # Without an account there is nobody to keep an answer for: two strangers must never meet under one key.
        if request.method != "POST" or not key or request.actor.account_id is None:
            return view(request, *args, **kwargs)
        scope = f"form {request.actor.account_id} {request.path}"
        with idempotency.once(key, scope, _digest(request)) as claim:
            if claim.earlier is not None:
                return HttpResponse(
                    claim.earlier.body, status=claim.earlier.status, headers=claim.earlier.headers
                )
            response = view(request, *args, **kwargs)
            if response.status_code >= 400:
                claim.give_up()
            elif isinstance(response, HttpResponse):
                kept = {name: response.headers[name] for name in _KEPT_HEADERS if name in response.headers}
                claim.keep(idempotency.Answer(response.status_code, response.content.decode(), kept))
            return response

    return guarded


def _digest(request: Request) -> str:
    typed = [
        f"{name}={values!r}"
        for name, values in sorted(request.POST.lists())
        if name not in (KEY_FIELD, "csrfmiddlewaretoken")
    ]
    files: list[tuple[str, Any]] = sorted(request.FILES.items())
    sent = [f"{name}:{file.name}:{file.size}" for name, file in files]
    return idempotency.digest(*typed, *sent)
