"""What every template may ask for without being handed it."""

from typing import Any

from django.http import HttpRequest
from django.utils import timezone

from wushe.kernel import policy


def shell(request: HttpRequest) -> dict[str, Any]:
    """Values of the frame around a page. No query is made here."""
    actor = getattr(request, "actor", None)
    return {
        "actor": actor,
        "may_desk": actor is not None and policy.allows_somewhere(actor, "view", "desk"),
        "demo": getattr(request, "is_demo", False),
        "large_type": getattr(request, "large_type", False),
        "today": timezone.localdate(),
    }
