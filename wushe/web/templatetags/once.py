"""The hidden key that makes a form count once; see `wushe.web.once`."""

import secrets

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

from wushe.web.once import KEY_FIELD

register = template.Library()


@register.simple_tag
def once_key() -> SafeString:
    """Return the hidden input with a new key."""
    return format_html('<input type="hidden" name="{}" value="{}">', KEY_FIELD, secrets.token_urlsafe(16))
