"""What every template may ask for without being handed it."""

from typing import Any

from django.http import HttpRequest
from django.utils import timezone


def shell(request: HttpRequest) -> dict[str, Any]:
    """Values of the frame around a page. No query is made here."""
    return {
        "actor": getattr(request, "actor", None),
        "demo": getattr(request, "is_demo", False),
        "large_type": getattr(request, "large_type", False),
        "today": timezone.localdate(),
    }
