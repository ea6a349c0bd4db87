"""Pages of people: the list with its search box, one person, and what is changed about them."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST

from wushe.community.operations import memberships
from wushe.community.operations import people as operations
from wushe.community.queries import people as queries
from wushe.community.queries import places as place_queries
from wushe.community.queries import skills as skill_queries
from wushe.community.rules.people import NewPerson, cleaned
from wushe.community.rules.places import STREET
from wushe.kernel import audit, policy
from wushe.kernel.problems import Problem
from wushe.web.components import Step
from wushe.web.desk.acts import ACTS
from wushe.web.lists import Listing, listing
from wushe.web.once import once_per_form
from wushe.web.page import Request, page
from wushe.web.people import forms, labels
from wushe.web.places.submit import submitted


def add_problem(form: Any, problem: Problem) -> None:
    """Put what the domain refused beside the fields it concerns."""
    if isinstance(problem, policy.Refused):
        raise problem
    faults = [(fault.field, operations.explain(fault)) for fault in getattr(problem, "faults", ())]
    for field, message in faults or [(problem.field or "", problem.message)]:
        name = forms.FIELD_OF.get(field, field)
        form.add_error(name if name in form.fields else None, message)


# --- list and search --------------------------------------------------------------------------------------------------


@page(needs=("view", "person"))
def people_list(request: Request) -> HttpResponse:
    """Everybody one may see, in the order of pinyin; with something typed, those it finds."""
    filters = forms.PeopleFilter(request.GET or None, actor=request.actor)
    wanted = filters.values()
    text = wanted.get("q", "")
    where = {
        "within": wanted["place"].path if "place" in wanted else "/",
        "organization_path": wanted["organization"].path if "organization" in wanted else "",
        "capacity": wanted.get("capacity", ""),
    }
    shown: Listing
    if text:
        found = queries.search_people(request.actor, text, **where)
        shown = listing(request, found, filters=filters, sorts={"name": lambda row: row.name}, page_size=50)
        rows = list(shown.rows)
    else:
        keys = queries.people_list(request.actor, **where)
        shown = listing(request, keys, filters=filters, sorts={"name": "key"}, default="name", page_size=50)
        rows = queries.rows_of(request.actor, [key.person for key in shown.rows])
    context = {
        "listing": shown,
        "rows": [(row, labels.WHY.get(row.why, "")) for row in rows],
        "text": text,
        "full": bool(text) and len(rows) >= queries.SEARCH_LIMIT,
        "may_create": policy.allows_somewhere(request.actor, "create", "person"),
        "may_merge": policy.allows_somewhere(request.actor, "merge", "person"),
    }
    return render(request, "people/list.html", context)


# --- one person -------------------------------------------------------------------------------------------------------


@page(needs=("view", "person"))
def person_detail(request: Request, person_id: UUID) -> HttpResponse:
    """One person: who, how to reach them, where they belong, what they agreed to."""
    return _detail(request, person_id)


def _detail(request: Request, person_id: UUID, **more: Any) -> HttpResponse:
    file = queries.person_file(request.actor, person_id)
    if file.person.merged_into_id is not None:
        return redirect("people:detail", file.person.merged_into_id)
    context = {
        "file": file,
        "person": file.person,
        "duplicates": [(one, labels.reasons(one.reasons)) for one in file.duplicates],
        "may": {right.replace(" ", "_").replace(".", "_"): True for right in file.rights},
        "is_active": file.person.status == "ACTIVE",
        **more,
    }
    return render(request, "people/detail.html", context)


@page(needs=("view", "person.contact"))
@require_POST
def person_reveal(request: Request, person_id: UUID) -> HttpResponse:
    """Show a person's contacts in clear, once; it is written down who looked."""
    revealed = operations.reveal_contact(by=request.actor, person_id=person_id)
    return _detail(request, person_id, revealed={contact.id: contact.value for contact in revealed})


@page(needs=("view", "person.identity"))
@require_POST
def identity_reveal(request: Request, person_id: UUID) -> HttpResponse:
    """Show a person's identity number in clear, once; it is written down who looked."""
    return _detail(
        request, person_id, identity=operations.reveal_identity(by=request.actor, person_id=person_id)
    )


@page(needs=("view", "audit"))
def person_history(request: Request, person_id: UUID) -> HttpResponse:
    """What was changed about a person, by whom, when."""
    person = queries.person(request.actor, person_id)
    events = queries.history(request.actor, person)
    steps = [
        Step(event.at, ACTS.get(event.verb, event.verb), by=name)
        for event, name in zip(events, audit.actor_labels(events), strict=True)
    ]
    return render(request, "people/history.html", {"person": person, "steps": steps})


# --- new and changed --------------------------------------------------------------------------------------------------


@page(needs=("create", "person"))
@sensitive_post_parameters()
@once_per_form
def person_new(request: Request) -> HttpResponseBase:
    """Put somebody on record. Who looks like them is shown before anything is stored."""
    with_identity = policy.allows_somewhere(request.actor, "edit", "person.identity")
    form = forms.PersonForm(
        request.POST or None, actor=request.actor, with_identity=with_identity, initial=_home(request)
    )
    duplicates: tuple[queries.Duplicate, ...] = ()
    if form.is_bound and form.is_valid():
        values = _new_person(form.cleaned_data)
        if not form.cleaned_data["confirmed"]:
            duplicates = queries.duplicates_of_new(
                request.actor, cleaned(values), form.cleaned_data["place"].path
            )
        if duplicates:
            form.ask_to_confirm()
        else:
            try:
                person = operations.create_person(by=request.actor, values=values)
            except Problem as problem:
                add_problem(form, problem)
            else:
                messages.success(request, _("已登记“%(name)s”。") % {"name": person.name})
                return redirect("people:detail", person.pk)
    context = {"form": form, "duplicates": [(one, labels.reasons(one.reasons)) for one in duplicates]}
    return render(request, "people/new.html", context, status=422 if form.is_bound else 200)


def _home(request: Request) -> dict[str, Any]:
    """The place a worker most likely means: the only one they work in."""
    paths = policy.reach(request.actor, "create", "person").place_paths
    places = place_queries.places_by_path(request.actor, paths) if len(paths) == 1 else []
    return {"place": places[0]} if places and places[0].level >= STREET else {}


def _new_person(data: dict[str, Any]) -> NewPerson:
    organization = data.get("organization")
    return NewPerson(
        name=data["name"],
        place_id=data["place"].pk,
        sex=data["sex"],
        birth_on=data["birth_on"],
        phones=(data["phone"],) if data["phone"] else (),
        volunteer_number=data["volunteer_number"],
        is_volunteer=data["is_volunteer"],
        identity_number=data.get("identity_number", ""),
        address=data["address"],
        note=data["note"],
        organization_id=organization.pk if organization else None,
        capacity=data["capacity"],
        guardian_name=data["guardian_name"],
        guardian_phone=data["guardian_phone"],
        guardian_relation=data["guardian_relation"],
        consent_means=data["consent_means"],
    )


@page(needs=("edit", "person"))
@sensitive_post_parameters()
@once_per_form
def person_edit(request: Request, person_id: UUID) -> HttpResponseBase:
    """Change a person's own values; what somebody else changed meanwhile is shown, not overwritten."""
    file = queries.person_file(request.actor, person_id)
    policy.require(request.actor, "edit", file.person.facts())
    person = file.person
    rights = {
        "with_contact": file.may("edit person.contact"),
        "with_identity": file.may("edit person.identity"),
    }
    initial = {
        "name": person.name,
        "birth_on": person.birth_on,
        "sex": person.sex,
        "place": person.place,
        "volunteer_number": person.volunteer_number or "",
        "address": file.address,
        "note": file.note,
        "seen": operations.seen_token(person),
    }
    form = forms.PersonEditForm(request.POST or None, actor=request.actor, initial=initial, **rights)
    theirs: list[tuple[Any, Any]] = []
    if form.is_bound and form.is_valid():
        changes = {name: value for name, value in form.cleaned_data.items() if name not in ("seen", "place")}
        if not changes.get("identity_number"):
            changes.pop("identity_number", None)
        try:
            operations.edit_person(
                by=request.actor, person_id=person.pk, seen=form.cleaned_data["seen"],
                place_id=form.cleaned_data["place"].pk, **changes,
            )  # fmt: skip
        except operations.EditConflict as conflict:
            add_problem(form, conflict)
            theirs = _differences(form, conflict.current)
            form.data = {**request.POST.dict(), "seen": operations.seen_token(conflict.current)}
        except Problem as problem:
            add_problem(form, problem)
        else:
            messages.success(request, _("已保存。"))
            return redirect("people:detail", person.pk)
    context = {"form": form, "person": person, "theirs": theirs}
    return render(request, "people/edit.html", context, status=422 if form.is_bound else 200)


def _differences(form: Any, current: Any) -> list[tuple[Any, Any]]:
    """Return (label, what is stored now) of every field in which the form differs from the row."""
    found = []
    for name, value in form.cleaned_data.items():
        if name in ("seen", "identity_number"):
            continue
        now = getattr(current, name)
        if (now or "") != (value or ""):
            shown = current.get_sex_display() if name == "sex" else now.name if name == "place" else now
            found.append((form.fields[name].label, shown or "—"))
    return found


@page(needs=("edit", "person"))
@require_POST
def person_number(request: Request, person_id: UUID) -> HttpResponse:
    """Give a volunteer number."""
    number = operations.give_volunteer_number(by=request.actor, person_id=person_id)
    messages.success(request, _("志愿者编号：%(number)s") % {"number": number})
    return redirect("people:detail", person_id)


# --- contacts ---------------------------------------------------------------------------------------------------------


@page(needs=("edit", "person.contact"))
@sensitive_post_parameters()
@once_per_form
def contact_new(request: Request, person_id: UUID) -> HttpResponseBase:
    """Add a way to reach somebody."""
    person = queries.person(request.actor, person_id)
    policy.require(request.actor, "edit", person.facts("person.contact"))
    form = forms.ContactForm(request.POST or None)
    done = submitted(
        form, lambda **data: operations.add_contact(by=request.actor, person_id=person.pk, **data)
    )
    if done:
        messages.success(request, _("已添加。"))
        return redirect("people:detail", person.pk)
    return _form_page(request, person, form, _("添加联系方式"), _("添加"))


@page(needs=("edit", "person.contact"))
@require_POST
def contact_remove(request: Request, person_id: UUID, contact_point_id: UUID) -> HttpResponse:
    """Remove a way to reach somebody."""
    operations.remove_contact(by=request.actor, person_id=person_id, contact_id=contact_point_id)
    messages.success(request, _("已删除。"))
    return redirect("people:detail", person_id)


@page(needs=("edit", "person.contact"))
@require_POST
def contact_prefer(request: Request, person_id: UUID, contact_point_id: UUID) -> HttpResponse:
    """Make it the one to try first."""
    operations.prefer_contact(by=request.actor, person_id=person_id, contact_id=contact_point_id)
    messages.success(request, _("已设为首选。"))
    return redirect("people:detail", person_id)


# --- where one belongs, what one holds --------------------------------------------------------------------------------


@page(needs=("create", "membership"))
@once_per_form
def membership_new(request: Request, person_id: UUID) -> HttpResponseBase:
    """Add a person to an organization."""
    person = queries.person(request.actor, person_id)
    policy.require(request.actor, "create", person.facts("membership"))
    form = forms.MembershipForm(request.POST or None, actor=request.actor)
    done = submitted(
        form, lambda **data: memberships.start_membership(by=request.actor, person=person, **data)
    )
    if done:
        messages.success(request, _("已添加。"))
        return redirect("people:detail", person.pk)
    return _form_page(
        request, person, form, _("加入组织"), _("添加"), _("此人会出现在这个组织的成员名单里。")
    )


@page(needs=("create", "qualification"))
@once_per_form
def qualification_new(request: Request, person_id: UUID) -> HttpResponseBase:
    """Record a qualification."""
    person = queries.person(request.actor, person_id)
    policy.require(request.actor, "create", person.facts("qualification"))
    skills = [(str(skill.pk), skill_queries.name_of(skill)) for skill in skill_queries.skills(request.actor)]
    form = forms.QualificationForm(request.POST or None, skills=skills)

    def act(skill: str, **data: Any) -> Any:
        return operations.add_qualification(
            by=request.actor, person_id=person.pk, skill_id=UUID(skill), **data
        )

    if submitted(form, act):
        messages.success(request, _("已添加。"))
        return redirect("people:detail", person.pk)
    return _form_page(request, person, form, _("登记资质"), _("保存"))


@page(needs=("edit", "qualification"))
@require_POST
def qualification_remove(request: Request, held_qualification_id: UUID) -> HttpResponse:
    """Take a wrongly recorded qualification off."""
    person_id = operations.remove_qualification(by=request.actor, qualification_id=held_qualification_id)
    messages.success(request, _("已删除。"))
    return redirect("people:detail", person_id)


# --- guardians and consents -------------------------------------------------------------------------------------------


@page(needs=("create", "guardianship"))
@once_per_form
def guardian_new(request: Request, person_id: UUID) -> HttpResponseBase:
    """First find the guardian among those on record, then say what they are to the person."""
    person = queries.person(request.actor, person_id)
    policy.require(request.actor, "create", person.facts("guardianship"))
    text = request.GET.get("q", "")[:60]
    found = (
        [row for row in queries.search_people(request.actor, text, limit=20) if row.id != person.pk]
        if text
        else []
    )
    choices = [
        (str(row.id), " · ".join(filter(None, (row.name, row.place_name, row.phone)))) for row in found
    ]
    form = forms.GuardianForm(request.POST or None, people=choices)

    def act(guardian: str, **data: Any) -> Any:
        return operations.start_guardianship(
            by=request.actor, ward_id=person.pk, guardian_id=UUID(guardian), **data
        )

    if submitted(form, act):
        messages.success(request, _("监护关系已登记。接着请登记监护人的同意。"))
        return redirect("people:consents", person.pk)
    context = {"person": person, "form": form if found else None, "text": text}
    return render(request, "people/guardian_new.html", context, status=422 if form.is_bound else 200)


@page(needs=("edit", "guardianship"))
@require_POST
def guardian_end(request: Request, guardianship_id: UUID) -> HttpResponse:
    """End a guardianship."""
    person_id = operations.end_guardianship(by=request.actor, guardianship_id=guardianship_id)
    messages.success(request, _("监护关系已结束，监护人此前的同意同时失效。"))
    return redirect("people:detail", person_id)


@page(needs=("view", "consent"))
@once_per_form
def consents(request: Request, person_id: UUID) -> HttpResponseBase:
    """What a person, or their guardian, agreed to; a further consent on paper or aloud is entered here."""
    file = queries.person_file(request.actor, person_id)
    person = file.person
    givers = [] if file.needs_guardian else [(str(person.pk), _("本人（%(name)s）") % {"name": person.name})]
    givers += [
        (
            str(tie.person_id),
            _("监护人 %(name)s（%(relation)s）") % {"name": tie.name, "relation": tie.relation},
        )
        for tie in file.ties
        if tie.is_guardian and tie.ended_on is None
    ]
    form = None
    if file.may("create consent") and person.status == "ACTIVE" and givers:
        form = forms.ConsentForm(request.POST or None, givers=givers, initial={"given_by": givers[0][0]})

        def act(given_by: str, **data: Any) -> Any:
            return operations.give_consent(
                by=request.actor, person_id=person.pk, given_by_id=UUID(given_by), **data
            )

        if submitted(form, act):
            messages.success(request, _("已记下同意。可以随时撤回。"))
            return redirect("people:consents", person.pk)
    context = {"file": file, "person": person, "form": form, "may_withdraw": file.may("edit consent")}
    return render(
        request, "people/consents.html", context, status=422 if form is not None and form.is_bound else 200
    )


@page(needs=("edit", "consent"))
@require_POST
def consent_withdraw(request: Request, consent_id: UUID) -> HttpResponse:
    """Take a consent back."""
    consent = operations.withdraw_consent(by=request.actor, consent_id=consent_id)
    messages.success(request, _("已撤回，立即生效。"))
    return redirect("people:consents", consent.person_id)


def _form_page(
    request: Request, person: Any, form: Any, title: str, submit: str, after: str = ""
) -> HttpResponse:
    context = {
        "person": person, "form": form, "title": title, "submit": submit, "after": after,
        "back": reverse("people:detail", args=[person.pk]), "today": timezone.localdate(),
    }  # fmt: skip
    return render(request, "people/form.html", context, status=422 if form.is_bound else 200)
