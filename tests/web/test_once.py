"""A form sent twice is carried out once."""

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.db import transaction
from django.http import HttpResponse, HttpResponseRedirect
from django.template import Context, Template
from django.test import RequestFactory

from wushe.kernel import audit
from wushe.kernel.actor import Actor
from wushe.kernel.idempotency import KeyReused
from wushe.kernel.models import AuditEvent
from wushe.web.once import once_per_form

ACCOUNT = Actor(kind="account", account_id=uuid.uuid4())


@once_per_form
def save(request: Any) -> HttpResponse:
    """Have an effect; refuse afterwards when told to."""
    with transaction.atomic():
        audit.record(by=Actor.operator("t"), verb="test.effect", target=("a.B", "1"))
    if request.POST.get("name") == "wrong":
        return HttpResponse("mistakes", status=422)
    return HttpResponseRedirect("/saved/")


@pytest.fixture
def send(rf: RequestFactory) -> Callable[..., HttpResponse]:
    def post(key: str = "key-00000001", actor: Actor = ACCOUNT, **fields: str) -> HttpResponse:
        request = rf.post("/form/", {"once_key": key, "csrfmiddlewaretoken": uuid.uuid4().hex, **fields})
        request.actor = actor  # type: ignore[attr-defined]  # as the middleware does
        response: HttpResponse = save(request)
        return response

    return post


def effects() -> int:
    return AuditEvent.objects.count()


@pytest.mark.django_db
def test_a_double_click_counts_once(send: Callable[..., HttpResponse]) -> None:
    first, second = send(name="a"), send(name="a")
    assert (first.status_code, second.status_code, second.headers["Location"]) == (302, 302, "/saved/")
    assert effects() == 1


@pytest.mark.django_db
def test_a_form_with_mistakes_leaves_nothing_and_can_be_corrected(send: Callable[..., HttpResponse]) -> None:
    assert send(name="wrong").status_code == 422
    assert effects() == 0
    assert send(name="right").status_code == 302
    assert effects() == 1


@pytest.mark.django_db
def test_other_content_under_a_used_key_is_refused_and_other_accounts_are_apart(
    send: Callable[..., HttpResponse],
) -> None:
    send(name="a")
    with pytest.raises(KeyReused):
        send(name="b")
    send(name="b", actor=Actor(kind="account", account_id=uuid.uuid4()))
    assert effects() == 2


@pytest.mark.django_db
def test_without_a_key_or_an_account_a_form_works_as_any_other(send: Callable[..., HttpResponse]) -> None:
    for _ in range(2):
        send(key="")
        send(actor=Actor.anonymous())
    assert effects() == 4


def test_the_tag_writes_a_new_key_each_time() -> None:
    template = Template("{% load once %}{% once_key %}")
    one, two = template.render(Context()), template.render(Context())
    assert one != two
    assert 'type="hidden" name="once_key"' in one
