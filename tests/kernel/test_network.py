"""Under which address tries are counted: nobody chooses their own."""

from typing import Any

import pytest
from django.test import RequestFactory

from wushe.kernel.network import client_address


@pytest.mark.parametrize(
    ("behind_proxy", "forwarded", "expected"),
    [
        (False, "", "192.0.2.1"),
        (False, "198.51.100.7", "192.0.2.1"),
        (True, "", "192.0.2.1"),
        (True, " , ", "192.0.2.1"),
        (True, "198.51.100.7", "198.51.100.7"),
        (True, "203.0.113.5, 198.51.100.7", "198.51.100.7"),
        (True, "2001:db8::1 ,  2001:db8::2 ", "2001:db8::2"),
    ],
)
def test_only_the_declared_proxy_is_believed(
    settings: Any, behind_proxy: bool, forwarded: str, expected: str
) -> None:
    settings.BEHIND_PROXY = behind_proxy
    headers = {"X-Forwarded-For": forwarded} if forwarded else {}
    request = RequestFactory().get("/", headers=headers, REMOTE_ADDR="192.0.2.1")
    assert client_address(request) == expected
