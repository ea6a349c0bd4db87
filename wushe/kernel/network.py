"""From where a request comes: used only to count tries and calls, never stored in clear."""

from django.conf import settings
from django.http import HttpRequest


def client_address(request: HttpRequest) -> str:
    """Return the network address tries are counted under: the proxy's word where one is declared, else the connection's.

    Of X-Forwarded-For only the last entry is the proxy's own; the rest is whatever the visitor sent.
    """
    if settings.BEHIND_PROXY:
        seen_by_proxy = request.headers.get("X-Forwarded-For", "").rpartition(",")[2].strip()
        if seen_by_proxy:
            return seen_by_proxy
    return str(request.META.get("REMOTE_ADDR", ""))
