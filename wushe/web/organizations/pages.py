"""What the views of this room share: the page around a form, time lines, the choice of a person."""

from collections.abc import Iterable
from typing import Any

from django.http import HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _

from wushe.community.queries import people as people_queries
from wushe.community.queries import responsibilities as answering
from wushe.web.components import Step
from wushe.web.organizations import forms, labels
from wushe.web.page import Request
from wushe.web.templatetags.wushe import day

PEOPLE_OFFERED = 20


def form_page(
    request: Request,
    form: Any,
    title: str,
    *,
    back: str,
    crumbs: Iterable[tuple[str, str]] = (),
    submit: str = "",
    after: str = "",
    danger: bool = False,
    **more: Any,
) -> HttpResponse:
    """The page around one form; 422 when it was sent and not taken."""
    context = {
        "form": form,
        "title": title,
        "submit": submit or _("保存"),
        "after": after,
        "danger": danger,
        "back": back,
        "crumbs": list(crumbs),
        **more,
    }
    return render(request, "organizations/form.html", context, status=422 if form.is_bound else 200)


def answering_steps(lines: Iterable[answering.Answering]) -> list[Step]:
    """Who answered for it, as a time line, the earliest first; times without anybody are said."""
    steps = []
    for line in reversed(list(lines)):
        until = _("至 %(day)s") % {"day": day(line.ended_on, "short")} if line.ended_on else _("至今")
        steps.append(
            Step(
                line.started_on,
                labels.ANSWERING[line.capacity],
                by=line.organization.name if line.organization else _("无人负责"),
                note=until,
                state="done" if line.ended_on or line.organization is None else "now",
            )
        )
    return steps


def found_people(request: Request, text: str) -> list[Any]:
    """The people a typed text may mean, for choosing one."""
    return people_queries.search_people(request.actor, text, limit=PEOPLE_OFFERED) if text.strip() else []


def person_search(request: Request) -> tuple[forms.PersonSearchForm, str]:
    """The search above a choice of people, and what was typed into it."""
    search = forms.PersonSearchForm(request.GET or None)
    return search, search.values().get("q", "")


def is_english(request: Request) -> bool:
    """True when the page is shown in English."""
    return str(getattr(request, "LANGUAGE_CODE", "")).startswith("en")
