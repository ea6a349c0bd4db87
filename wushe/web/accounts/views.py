"""Pages of log-in, and the desk's pages about accounts and role grants."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST

from wushe.community.operations import accounts as operations
from wushe.community.operations import grants as grant_operations
from wushe.community.operations import log_in as log_in_operations
from wushe.community.queries import accounts as queries
from wushe.community.queries import people as people_queries
from wushe.kernel import policy
from wushe.kernel.network import client_address
from wushe.kernel.problems import Problem
from wushe.kernel.throttle import TooManyTries
from wushe.web.accounts import forms, labels, session
from wushe.web.accounts.qr import qr_svg
from wushe.web.forms import Form
from wushe.web.lists import Column, listing
from wushe.web.page import Request, page

# --- log-in -----------------------------------------------------------------------------------------------------------


def _safe_next(request: Request, given: str) -> str:
    safe = url_has_allowed_host_and_scheme(given, {request.get_host()}, require_https=request.is_secure())
    return given if safe else ""


def _enter(
    request: Request, opened: log_in_operations.LoggedIn, *, own_device: bool, next_url: str
) -> HttpResponse:
    if opened.needs_second_factor:
        session.wait_for_second_factor(request, opened, own_device=own_device, next_url=next_url)
        return redirect("accounts:second_factor")
    session.sign_in(request, opened, own_device=own_device)
    response = HttpResponseRedirect(next_url or reverse("accounts:enter"))
    if own_device:
        session.remember_device(request, response, opened.account_id)
    return response


def _refused(form: Form, problem: Problem) -> int:
    forms.add_problem(form, problem)
    if isinstance(problem, TooManyTries):
        form.add_error(
            None, _("着急的话：用登录卡和 PIN 码登录，用平时登录的那台设备，或请社区发一个新链接。")
        )
    return problem.status if problem.status == 429 else 422


@page(public=True)
@sensitive_post_parameters()
def login(request: Request) -> HttpResponse:
    """Phone, account number or volunteer number, and password."""
    next_url = _safe_next(request, request.POST.get("next", request.GET.get("next", "")))
    if request.method != "POST" and request.actor.is_signed_in:
        return HttpResponseRedirect(next_url or reverse("accounts:enter"))
    form = forms.LogInForm(request.POST or None)
    status = 422 if form.is_bound else 200
    if form.is_bound and form.is_valid():
        values = form.cleaned_data
        try:
            opened = log_in_operations.log_in(
                identifier=values["identifier"],
                password=values["password"],
                address=client_address(request),
                device=session.known_device(request),
            )
        except Problem as problem:
            status = _refused(form, problem)
        else:
            return _enter(request, opened, own_device=values["own_device"], next_url=next_url)
    return render(request, "accounts/login.html", {"form": form, "next": next_url}, status=status)


@page(public=True)
@sensitive_post_parameters()
def second_factor(request: Request) -> HttpResponse:
    """The second step of a log-in whose password was right."""
    waiting = session.pending(request)
    if waiting is None:
        return redirect("accounts:login")
    form = forms.CodeForm(request.POST or None)
    status = 422 if form.is_bound else 200
    if form.is_bound and form.is_valid():
        try:
            opened = log_in_operations.confirm_log_in(
                account_id=waiting.account_id, stamp=waiting.stamp, code=form.cleaned_data["code"]
            )
        except Problem as problem:
            status = _refused(form, problem)
        else:
            return _enter(request, opened, own_device=waiting.own_device, next_url=waiting.next)
    return render(request, "accounts/second_factor.html", {"form": form}, status=status)


@page(public=True)
@require_POST
def logout(request: Request) -> HttpResponse:
    """End this session."""
    session.sign_out(request)
    messages.success(request, _("已退出。"))
    return redirect("accounts:login")


@page(signed_in=True)
def enter(request: Request) -> HttpResponse:
    """Lead whoever has just logged in to where their work is."""
    if policy.allows_somewhere(request.actor, "view", "desk"):
        return redirect("desk:home")
    return redirect("me:home")


def _secret_address(response: HttpResponse) -> HttpResponse:
    # The address of this page is itself a secret: it must not travel on in a Referer, nor into a search engine.
    # Not no-referrer: the browser would then say "Origin: null" when the form is sent, and the form would be refused.
    response["Referrer-Policy"] = "strict-origin"
    response["X-Robots-Tag"] = "noindex"
    response["Cache-Control"] = "private, no-store"
    return response


@page(public=True)
@sensitive_post_parameters()
def card(request: Request, token: str) -> HttpResponse:
    """A card's QR code or a personal link leads here; the PIN opens it. Unknown links look the same."""
    form = forms.CardForm(request.POST or None)
    status = 422 if form.is_bound else 200
    if form.is_bound and form.is_valid():
        values = form.cleaned_data
        try:
            opened = log_in_operations.log_in_with_card(
                token=token, pin=values["pin"], address=client_address(request)
            )
        except Problem as problem:
            status = _refused(form, problem)
        else:
            return _secret_address(
                _enter(request, opened, own_device=values["own_device"], next_url=reverse("me:home"))
            )
    return _secret_address(render(request, "accounts/card.html", {"form": form}, status=status))


@page(public=True)
@sensitive_post_parameters()
def invitation(request: Request, token: str) -> HttpResponse:
    """Set one's own password by a link that works once."""
    found = queries.open_invitation(token)
    if found is None:
        return _secret_address(render(request, "accounts/invitation_spent.html", status=404))
    form = forms.NewPasswordForm(request.POST or None)
    status = 422 if form.is_bound else 200
    if form.is_bound and form.is_valid():
        try:
            opened = log_in_operations.accept_invitation(
                token=token, password=form.cleaned_data["password"], address=client_address(request)
            )
        except log_in_operations.LinkSpent:
            return _secret_address(render(request, "accounts/invitation_spent.html", status=404))
        except Problem as problem:
            status = _refused(form, problem)
        else:
            messages.success(
                request, _("密码已设好。您的账号是 %(number)s，请记下来。") % {"number": opened.number}
            )
            return _secret_address(_enter(request, opened, own_device=False, next_url=""))
    context = {"form": form, "account": found.account}
    return _secret_address(render(request, "accounts/invitation.html", context, status=status))


@page(signed_in=True)
@sensitive_post_parameters()
def first_password(request: Request) -> HttpResponse:
    """Replace the first password, which somebody else knows, by one's own."""
    form = forms.ChangePasswordForm(request.POST or None)
    status = 422 if form.is_bound else 200
    if form.is_bound and form.is_valid():
        try:
            stamp = operations.change_password(
                by=request.actor, current=form.cleaned_data["current"], new=form.cleaned_data["password"]
            )
        except Problem as problem:
            status = _refused(form, problem)
        else:
            session.renew(request, stamp)
            messages.success(request, _("密码已改好。"))
            return redirect("accounts:enter")
    return render(request, "accounts/first_password.html", {"form": form}, status=status)


first_password.before_password_change = True  # type: ignore[attr-defined]  # read by the middleware: the one page that stays open

# --- accounts on the desk ---------------------------------------------------------------------------------------------


@page(needs=("view", "account"))
def account_list(request: Request) -> HttpResponseBase:
    """The accounts of one's places and organizations."""
    filters = forms.AccountFilter(request.GET or None)
    shown = listing(
        request,
        queries.accounts(request.actor, **filters.values()),
        sorts={"number": "number", "place": "person__place__path", "created": "created_at"},
        default="number",
        filters=filters,
        columns=(
            Column(_("账号"), lambda row: row.number),
            Column(_("姓名"), queries.shown_name),
            Column(_("所在社区"), lambda row: row.person.place.name),
            Column(_("角色数"), lambda row: row.live_roles),
            Column(_("在用"), lambda row: _("是") if row.is_active else _("否")),
        ),
    )
    if shown.export:
        return shown.export_response("accounts")
    rows = [(row, queries.shown_name(row)) for row in shown.rows]
    may_create = policy.allows_somewhere(request.actor, "create", "account")
    return render(request, "accounts/list.html", {"listing": shown, "rows": rows, "may_create": may_create})


@page(needs=("view", "account"))
def account_detail(request: Request, account_id: UUID) -> HttpResponse:
    """One account: how its holder logs in, what they may do."""
    record = queries.account_record(request.actor, queries.account(request.actor, account_id))
    return render(request, "accounts/detail.html", {"record": record, "may_give": _may_give(request)})


def _may_give(request: Request) -> bool:
    return bool(queries.roles_to_give(request.actor)) and policy.allows_somewhere(
        request.actor, "create", "grant"
    )


@page(needs=("create", "account"))
@sensitive_post_parameters()
def account_new(request: Request) -> HttpResponse:
    """Open an account for a person on record: first find the person, then choose how they get in."""
    person_id = request.GET.get("person", "")
    if not person_id:
        text = request.GET.get("q", "").strip()[:60]
        found = people_queries.search_people(request.actor, text, limit=20) if text else []
        return render(request, "accounts/new_find.html", {"text": text, "found": found})
    try:
        person = people_queries.person(request.actor, UUID(person_id))
    except ValueError:
        raise people_queries.PersonNotFound(_("没有找到这个人。请重新查找。")) from None
    existing = queries.account_of_person(request.actor, person)
    if existing is not None:
        return redirect("accounts:detail", account_id=existing.pk)
    form = forms.NewAccountForm(request.POST or None)
    status = 422 if form.is_bound else 200
    if form.is_bound and form.is_valid():
        way = form.cleaned_data["way"]
        try:
            made = operations.open_account(
                by=request.actor, person=person, phone=form.cleaned_data["phone"], way=way
            )
        except Problem as problem:
            forms.add_problem(form, problem)
            status = 422
        else:
            return _hand_over(request, made)
    return render(request, "accounts/new.html", {"form": form, "person": person}, status=status)


def _hand_over(request: Request, made: operations.HandedOver) -> HttpResponse:
    """Show a secret once. It is in this answer and nowhere else."""
    context: dict[str, Any] = {"made": made, "account": made.account, "person": made.account.person}
    if made.token:
        name = "accounts:card" if made.pin else "accounts:invitation"
        context["link"] = request.build_absolute_uri(reverse(name, kwargs={"token": made.token}))
    else:
        context["link"] = request.build_absolute_uri(reverse("accounts:login"))
    if made.pin:
        context["qr"] = qr_svg(context["link"])
        return render(request, "accounts/card_sheet.html", context)
    return render(request, "accounts/shown_once.html", context)


@page(needs=("edit", "account"))
@require_POST
def account_password(request: Request, account_id: UUID) -> HttpResponse:
    """Give somebody who cannot log in a new first password."""
    account = queries.account(request.actor, account_id)
    made = operations.reset_password(by=request.actor, account=account)
    return _hand_over(request, operations.HandedOver(account, password=made.password))


@page(needs=("edit", "account"))
@require_POST
def account_invite(request: Request, account_id: UUID) -> HttpResponse:
    """Make a link by which the person sets their own password."""
    account = queries.account(request.actor, account_id)
    made = operations.invite(by=request.actor, account=account)
    return _hand_over(request, operations.HandedOver(account, token=made.token))


@page(needs=("edit", "account"))
@require_POST
def account_invite_end(request: Request, account_id: UUID) -> HttpResponse:
    """Withdraw the open link."""
    operations.withdraw_invitation(by=request.actor, account=queries.account(request.actor, account_id))
    messages.success(request, _("链接已作废。"))
    return redirect("accounts:detail", account_id=account_id)


@page(needs=("edit", "account"))
@sensitive_post_parameters()
def account_card(request: Request, account_id: UUID) -> HttpResponse:
    """Print a new card; the old one ends."""
    account = queries.account(request.actor, account_id)
    form = forms.CardIssueForm(request.POST or None) if request.method == "POST" else forms.CardIssueForm()
    status = 422 if request.method == "POST" else 200
    if request.method == "POST":
        form = forms.CardIssueForm(request.POST)
        if form.is_valid():
            try:
                made = operations.issue_card(by=request.actor, account=account, pin=form.cleaned_data["pin"])
            except Problem as problem:
                forms.add_problem(form, problem)
                status = problem.status if problem.status == 403 else 422
            else:
                return _hand_over(request, operations.HandedOver(account, token=made.token, pin=made.pin))
    record = queries.account_record(request.actor, account)
    return render(request, "accounts/card_new.html", {"form": form, "record": record}, status=status)


@page(needs=("edit", "account"))
@require_POST
def account_card_end(request: Request, account_id: UUID) -> HttpResponse:
    """End the card."""
    operations.revoke_card(by=request.actor, account=queries.account(request.actor, account_id))
    messages.success(request, _("登录卡已停用。"))
    return redirect("accounts:detail", account_id=account_id)


@page(needs=("edit", "account"))
def account_phone(request: Request, account_id: UUID) -> HttpResponse:
    """Change the phone the person logs in with."""
    account = queries.account(request.actor, account_id)
    form = forms.PhoneForm(request.POST) if request.method == "POST" else forms.PhoneForm()
    status = 422 if form.is_bound else 200
    if form.is_bound and form.is_valid():
        try:
            operations.set_log_in_phone(by=request.actor, account=account, phone=form.cleaned_data["phone"])
        except Problem as problem:
            forms.add_problem(form, problem)
            status = problem.status if problem.status == 403 else 422
        else:
            messages.success(request, _("登录手机号已更新。"))
            return redirect("accounts:detail", account_id=account_id)
    record = queries.account_record(request.actor, account)
    return render(request, "accounts/phone.html", {"form": form, "record": record}, status=status)


@page(needs=("edit", "account"))
@require_POST
def account_close(request: Request, account_id: UUID) -> HttpResponse:
    """Close the account."""
    operations.close_account(by=request.actor, account=queries.account(request.actor, account_id))
    messages.success(request, _("账号已停用，正在使用的会话已全部退出。"))
    return redirect("accounts:detail", account_id=account_id)


@page(needs=("edit", "account"))
@require_POST
def account_reopen(request: Request, account_id: UUID) -> HttpResponse:
    """Open a closed account again."""
    operations.reopen_account(by=request.actor, account=queries.account(request.actor, account_id))
    messages.success(request, _("账号已恢复使用。"))
    return redirect("accounts:detail", account_id=account_id)


@page(needs=("edit", "account"))
@require_POST
def account_second_factor_off(request: Request, account_id: UUID) -> HttpResponse:
    """Turn off the second factor of somebody who lost their phone."""
    operations.stop_second_factor(by=request.actor, account=queries.account(request.actor, account_id))
    messages.success(request, _("两步验证已关闭，请提醒本人重新开启。"))
    return redirect("accounts:detail", account_id=account_id)


@page(needs=("edit", "account"))
@require_POST
def account_sessions_end(request: Request, account_id: UUID) -> HttpResponse:
    """Log the person out everywhere."""
    operations.log_out_everywhere(by=request.actor, account=queries.account(request.actor, account_id))
    messages.success(request, _("此人在所有设备上都已退出。"))
    return redirect("accounts:detail", account_id=account_id)


# --- grants -----------------------------------------------------------------------------------------------------------


@page(needs=("view", "grant"))
def grant_list(request: Request) -> HttpResponseBase:
    """Who may do what, where; and what is dangerous about it."""
    filters = forms.GrantFilter(request.GET or None)
    shown = listing(
        request,
        queries.grants(request.actor, **filters.values()),
        sorts={"given": "granted_at", "ends": "expires_at", "role": "role", "number": "account__number"},
        default="-given",
        filters=filters,
        columns=(
            Column(_("账号"), lambda row: row.account.number),
            Column(_("姓名"), lambda row: queries.shown_name_of_grant(row)),
            Column(_("角色"), lambda row: labels.role(row.role)),
            Column(_("范围"), lambda row: queries.where(request.actor, row)),
            Column(_("授予时间"), lambda row: row.granted_at),
            Column(_("到期"), lambda row: row.expires_at),
            Column(_("结束时间"), lambda row: row.revoked_at),
        ),
    )
    if shown.export:
        return shown.export_response("grants")
    rows = [
        (row, queries.shown_name_of_grant(row), queries.where(request.actor, row), labels.role(row.role))
        for row in shown.rows
    ]
    return render(request, "accounts/grants.html", {"listing": shown, "rows": rows})


@page(needs=("view", "grant"))
def grant_dangers(request: Request) -> HttpResponse:
    """The dangerous grants one may see, each with what to do."""
    found = [
        (danger, labels.DANGERS[danger.code], labels.role(danger.role))
        for danger in queries.dangers(request.actor)
    ]
    shown = listing(
        request,
        found,
        sorts={"account": lambda row: row[0].account_number, "danger": lambda row: row[0].code},
        default="account",
    )
    return render(request, "accounts/dangers.html", {"listing": shown})


@page(needs=("create", "grant"))
def grant_new(request: Request, account_id: UUID) -> HttpResponse:
    """Give a role for a place or an organization."""
    actor = request.actor
    account = queries.account(actor, account_id)
    form = forms.GrantForm(request.POST or None, actor=actor, roles=queries.roles_to_give(actor))
    status = 422 if form.is_bound else 200
    if form.is_bound and form.is_valid():
        values = form.cleaned_data
        try:
            given = grant_operations.give_grant(
                by=actor, account=account, role=values["role"], place=values["place"], organization=values["organization"],
                expires_at=forms.end_of_day(values["ends_on"]),
            )  # fmt: skip
        except policy.Refused:
            form.add_error(
                "place" if values["place"] else "organization",
                _("这个地方或组织不在您负责的范围内，您不能在这里授权。"),
            )
        except Problem as problem:
            forms.add_problem(form, problem)
        else:
            _tell_given(request, given)
            return redirect("accounts:detail", account_id=account_id)
    record = queries.account_record(actor, account)
    return render(request, "accounts/grant_new.html", {"form": form, "record": record}, status=status)


def _tell_given(request: Request, given: grant_operations.Given) -> None:
    messages.success(request, _("已授权，此人下一次打开页面时生效。"))
    if given.ended_secrets:
        ended = "、".join(str(labels.ENDED_SECRETS[code]) for code in given.ended_secrets)
        messages.warning(request, _("为了安全，%(ended)s已同时作废，请重新为此人办理。") % {"ended": ended})


@page(needs=("edit", "grant"))
@require_POST
def grant_end(request: Request, grant_id: UUID) -> HttpResponse:
    """End a grant."""
    grant = queries.grant(request.actor, grant_id)
    grant_operations.end_grant(by=request.actor, grant=grant)
    messages.success(request, _("授权已结束。"))
    return redirect("accounts:detail", account_id=grant.account_id)


@page(needs=("edit", "grant"))
def grant_prolong(request: Request, grant_id: UUID) -> HttpResponse:
    """Let a grant run longer, or end on another day."""
    grant = queries.grant(request.actor, grant_id)
    form = forms.ProlongForm(request.POST) if request.method == "POST" else forms.ProlongForm()
    status = 422 if form.is_bound else 200
    if form.is_bound and form.is_valid():
        try:
            given = grant_operations.prolong_grant(
                by=request.actor, grant=grant, expires_at=forms.end_of_day(form.cleaned_data["ends_on"])
            )
        except Problem as problem:
            forms.add_problem(form, problem)
            status = problem.status if problem.status == 403 else 422
        else:
            _tell_given(request, given)
            return redirect("accounts:detail", account_id=grant.account_id)
    context = {
        "form": form,
        "grant": grant,
        "where": queries.where(request.actor, grant),
        "role": labels.role(grant.role),
    }
    return render(request, "accounts/grant_prolong.html", context, status=status)
