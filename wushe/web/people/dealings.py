"""Two records that may be one, a copy of one's data, and being forgotten."""

import json
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from wushe.community.operations import merging, privacy
from wushe.community.operations import people as operations
from wushe.community.queries import people as queries
from wushe.community.rules import people as rules
from wushe.kernel import policy
from wushe.kernel.problems import Problem
from wushe.kernel.text import mask_identity
from wushe.web.once import once_per_form
from wushe.web.page import Request, page
from wushe.web.people import forms, labels
from wushe.web.places.submit import submitted
from wushe.web.templatetags.wushe import day


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


@page(needs=("merge", "person"))
def duplicates(request: Request) -> HttpResponse:
    """Likely pairs among the next stretch of people, and a way on to the following stretch."""
    sweep = queries.duplicate_sweep(request.actor, after=request.GET.get("after", "")[:60])
    context = {
        "pairs": [(pair, labels.reasons(pair.reasons)) for pair in sweep.pairs],
        "looked_at": sweep.looked_at,
        "next_after": sweep.next_after,
        "merges": queries.recent_merges(request.actor)[:20],
        "now": timezone.now(),
    }
    return render(request, "people/duplicates.html", context)


@page(needs=("merge", "person"))
@once_per_form
def merge(request: Request, person_id: UUID) -> HttpResponseBase:
    """Two records side by side: which values stay, what follows, and the button. Without `with`, first find the other one."""
    kept = queries.person(request.actor, person_id)
    policy.require(request.actor, "merge", kept.facts())
    other_id = _uuid(request.GET.get("with", ""))
    if other_id is None:
        text = request.GET.get("q", "")[:60]
        found = (
            [row for row in queries.search_people(request.actor, text, limit=20) if row.id != kept.pk]
            if text
            else []
        )
        near = [
            (one, labels.reasons(one.reasons)) for one in queries.possible_duplicates(request.actor, kept)
        ]
        return render(
            request, "people/merge_find.html", {"person": kept, "text": text, "found": found, "near": near}
        )
    gone = queries.person(request.actor, other_id)
    followers = merging.what_follows(by=request.actor, gone_id=gone.pk)
    same, differing = _compared(request, kept, gone)
    form = forms.MergeForm(request.POST or None, differing=differing)
    if request.method == "POST":
        form.is_bound = True

        def act(**choices: str) -> Any:
            return merging.merge_people(by=request.actor, kept_id=kept.pk, gone_id=gone.pk, choices=choices)

        done = submitted(form, act)
        if done:
            messages.success(request, _("已合并。期限内可以撤销。"))
            return redirect("people:detail", kept.pk)
    context = {
        "kept": kept,
        "gone": gone,
        "form": form,
        "same": same,
        "followers": [(labels.title_of(one.label, one.title), one) for one in followers],
        "swap": f"{reverse('people:merge', args=[gone.pk])}?with={kept.pk}",
        "back": reverse("people:detail", args=[kept.pk]),
        "days": queries.rule_number(request.actor, rules.MERGE_UNDO_DAYS, place_path=kept.place.path),
    }
    return render(request, "people/merge.html", context, status=422 if form.is_bound else 200)


def _compared(
    request: Request, kept: Any, gone: Any
) -> tuple[list[tuple[Any, str]], list[tuple[str, Any, str, str]]]:
    same: list[tuple[Any, str]] = []
    differing: list[tuple[str, Any, str, str]] = []
    sees = {
        part: all(policy.allows(request.actor, "view", row.facts(part)) for row in (kept, gone))
        for part in ("person.contact", "person.identity")
    }
    for name in merging.CHOOSABLE:
        mine, theirs = (_words(row, name) for row in (kept, gone))
        part = {
            "address": "person.contact",
            "note": "person.contact",
            "identity_number": "person.identity",
        }.get(name)
        if part and not sees[part]:
            continue
        if mine == theirs:
            if mine:
                same.append((labels.FIELDS[name], mine))
        else:
            differing.append((name, labels.FIELDS[name], mine, theirs))
    return same, differing


def _words(row: Any, name: str) -> str:
    if name == "place_id":
        return str(row.place.name)
    if name == "sex":
        return "" if row.sex == "UNKNOWN" else str(row.get_sex_display())
    if name == "birth_on":
        return day(row.birth_on, "short")
    if name == "identity_number":
        return mask_identity(row.identity_number)
    return str(getattr(row, name) or "")


@page(needs=("merge", "person"))
def merged(request: Request, person_merge_id: UUID) -> HttpResponse:
    """One merge: what became what, and the way back."""
    row = queries.merge(request.actor, person_merge_id)
    policy.require(request.actor, "merge", row.kept.facts())
    context = {"merge": row, "open": row.undone_at is None and row.undo_until > timezone.now()}
    return render(request, "people/merged.html", context)


@page(needs=("merge", "person"))
@require_POST
def merge_undo(request: Request, person_merge_id: UUID) -> HttpResponse:
    """Make two of the one again."""
    row = merging.undo_merge(by=request.actor, merge_id=person_merge_id)
    messages.success(request, _("合并已撤销，两份记录都回到了原来的样子。"))
    return redirect("people:detail", row.gone_id)


@page(needs=("edit", "person"))
@require_POST
def distinct(request: Request, person_id: UUID) -> HttpResponse:
    """Two who look alike are two."""
    other_id = _uuid(request.POST.get("other", ""))
    if other_id is None:
        raise queries.PersonNotFound(_("没有找到这个人，请重新查找。"))
    operations.mark_distinct(by=request.actor, one_id=person_id, other_id=other_id)
    messages.success(request, _("记下了，不会再提示这两个人。"))
    return redirect("people:detail", person_id)


@page(needs=("export", "person"))
def copy(request: Request, person_id: UUID) -> HttpResponse:
    """A copy of everything about a person: the page says what it is, the button makes it, to read or as a file."""
    person = queries.person(request.actor, person_id)
    policy.require(request.actor, "export", person.facts())
    if request.method != "POST":
        return render(request, "people/copy.html", {"person": person})
    data = privacy.export_person(by=request.actor, person_id=person.pk)
    if request.POST.get("form") == "page":
        sections = [(labels.title_of(section.label, section.title), section) for section in data.sections]
        return render(
            request, "people/copy_read.html", {"person": person, "data": data, "sections": sections}
        )
    text = json.dumps(data.as_json(), ensure_ascii=False, indent=1)
    response = HttpResponse(text, content_type="application/json; charset=utf-8")
    response.headers["Content-Disposition"] = f'attachment; filename="wushe-{person.pk}.json"'
    return response


@page(needs=("erase", "person"))
@once_per_form
def erase(request: Request, person_id: UUID) -> HttpResponseBase:
    """Say what goes and what stays, ask for the name, and erase."""
    person = queries.person(request.actor, person_id)
    policy.require(request.actor, "erase", person.facts())
    form = forms.EraseForm(request.POST or None, expected=person.name)
    if form.is_bound and form.is_valid():
        own = person.pk == request.actor.person_id
        try:
            privacy.erase_person(by=request.actor, person_id=person.pk)
        except policy.Refused:
            raise
        except Problem as problem:
            form.add_error(None, problem.message)
        else:
            if own:
                return redirect("/")
            messages.success(request, _("个人信息已删除。"))
            return redirect("people:list")
    context = {"person": person, "form": form, "back": reverse("people:detail", args=[person.pk])}
    return render(request, "people/erase.html", context, status=422 if form.is_bound else 200)
