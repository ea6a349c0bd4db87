"""Fixtures of the page tests."""

import pytest
from django.test import Client
from pytest_django.fixtures import Settings


@pytest.fixture
def guide(settings: Settings) -> Client:
    """A client of the style guide: the real frame and middleware around pages that exist only in tests."""
    settings.ROOT_URLCONF = "tests.web.styleguide.site"
    settings.MIDDLEWARE = [
        "tests.web.styleguide.site.StandInActor" if name.endswith(".WhoActs") else name
        for name in settings.MIDDLEWARE
    ]
    settings.MESSAGE_STORAGE = "django.contrib.messages.storage.cookie.CookieStorage"
    return Client()
