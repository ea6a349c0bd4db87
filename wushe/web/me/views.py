"""Pages about oneself."""

import json
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST

from wushe.community.operations import accounts as account_operations
from wushe.community.operations import people as people_operations
from wushe.community.operations import privacy as privacy_operations
from wushe.community.queries import accounts as account_queries
from wushe.community.queries import me as queries
from wushe.community.queries import people as people_queries
from wushe.kernel import outbox
from wushe.kernel.problems import Problem
from wushe.web.accounts import forms as account_forms
from wushe.web.accounts import labels, session
from wushe.web.accounts.qr import qr_svg
from wushe.web.me import forms
from wushe.web.page import Request, page


def _me(request: Request) -> UUID:
    person_id = request.actor.person_id
    assert person_id is not None  # every account has a person, and the door let only accounts in
    return person_id


@page(signed_in=True)
def home(request: Request) -> HttpResponse:
    """Today: messages, roles, where one belongs, and the way to everything that is one's own."""
    mine = queries.my_page(request.actor)
    roles = [
        (grant, labels.role(grant.role), account_queries.where(request.actor, grant)) for grant in mine.grants
    ]
    return render(request, "me/home.html", {"mine": mine, "roles": roles})


@page(signed_in=True)
@require_POST
def message_seen(request: Request, message_id: UUID) -> HttpResponse:
    """Say that one has read a message: only now is one "reached"."""
    outbox.acknowledge(message_id=message_id, person_id=_me(request))
    return redirect("me:home")


@page(signed_in=True)
def data(request: Request) -> HttpResponse:
    """Everything kept about oneself, in one place."""
    file = people_queries.person_file(request.actor, _me(request))
    return render(request, "me/data.html", {"file": file})


@page(signed_in=True)
def contact_new(request: Request) -> HttpResponse:
    """Add a way to be reached."""
    form = forms.ContactForm(request.POST or None)
    status = 422 if form.is_bound else 200
    if form.is_bound and form.is_valid():
        try:
            people_operations.add_contact(by=request.actor, person_id=_me(request), **form.cleaned_data)
        except Problem as problem:
            account_forms.add_problem(form, problem)
        else:
            messages.success(request, _("已添加。"))
            return redirect("me:data")
    return render(request, "me/contact_new.html", {"form": form}, status=status)


@page(signed_in=True)
@require_POST
def contact_remove(request: Request, contact_id: UUID) -> HttpResponse:
    """Remove a way to be reached."""
    people_operations.remove_contact(by=request.actor, person_id=_me(request), contact_id=contact_id)
    messages.success(request, _("已删除。"))
    return redirect("me:data")


@page(signed_in=True)
@require_POST
def contact_prefer(request: Request, contact_id: UUID) -> HttpResponse:
    """Make it the one to try first."""
    people_operations.prefer_contact(by=request.actor, person_id=_me(request), contact_id=contact_id)
    messages.success(request, _("以后先用这个联系您。"))
    return redirect("me:data")


@page(signed_in=True)
def address(request: Request) -> HttpResponse:
    """Change where one lives."""
    person = people_queries.person(request.actor, _me(request))
    form = (
        forms.AddressForm(request.POST)
        if request.method == "POST"
        else forms.AddressForm(initial={"address": person.address})
    )
    status = 422 if form.is_bound else 200
    if form.is_bound and form.is_valid():
        try:
            people_operations.edit_person(
                by=request.actor,
                person_id=person.pk,
                seen=request.POST.get("seen", ""),
                address=form.cleaned_data["address"],
            )
        except Problem as problem:
            account_forms.add_problem(form, problem)
        else:
            messages.success(request, _("住址已更新。"))
            return redirect("me:data")
    context = {"form": form, "seen": people_operations.seen_token(person)}
    return render(request, "me/address.html", context, status=status)


@page(signed_in=True)
def consents(request: Request) -> HttpResponse:
    """What one agreed to, and what each agreement is for."""
    return render(request, "me/consents.html", {"purposes": queries.my_consents(request.actor)})


@page(signed_in=True)
@require_POST
def consent_give(request: Request) -> HttpResponse:
    """Agree to one purpose."""
    people_operations.give_consent(
        by=request.actor, person_id=_me(request), purpose=request.POST.get("purpose", ""), means="SELF"
    )
    messages.success(request, _("已记下您的同意。随时可以撤回。"))
    return redirect("me:consents")


@page(signed_in=True)
@require_POST
def consent_withdraw(request: Request, consent_id: UUID) -> HttpResponse:
    """Take an agreement back."""
    people_operations.withdraw_consent(by=request.actor, consent_id=consent_id)
    messages.success(request, _("已撤回，从现在起生效。"))
    return redirect("me:consents")


@page(signed_in=True)
@require_POST
def export(request: Request) -> HttpResponse:
    """Everything kept about oneself, as one file."""
    found = privacy_operations.export_person(by=request.actor, person_id=_me(request))
    text = json.dumps(found.as_json(), ensure_ascii=False, indent=2, default=str)
    response = HttpResponse(text, content_type="application/json; charset=utf-8")
    name = f"wushe-{timezone.localdate():%Y%m%d}.json"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


@page(signed_in=True)
def erase(request: Request) -> HttpResponse:
    """First step of being forgotten: what goes, what stays, and why."""
    return render(request, "me/erase.html")


@page(signed_in=True)
@sensitive_post_parameters()
def erase_sure(request: Request) -> HttpResponse:
    """Second step: the password once more, then everything about oneself goes. Two calls: the secret's try must count even if nothing is erased."""
    form = forms.EraseForm(request.POST or None)
    status = 422 if form.is_bound else 200
    if form.is_bound and form.is_valid():
        try:
            account_operations.confirm_it_is_me(by=request.actor, secret=form.cleaned_data["secret"])
            privacy_operations.erase_person(by=request.actor, person_id=_me(request))
        except Problem as problem:
            account_forms.add_problem(form, problem)
        else:
            session.sign_out(request)
            return redirect("me:erased")
    return render(request, "me/erase_sure.html", {"form": form}, status=status)


@page(public=True)
def erased(request: Request) -> HttpResponse:
    """Good-bye."""
    return render(request, "me/erased.html")


# --- security ---------------------------------------------------------------------------------------------------------


@page(signed_in=True)
def security(request: Request) -> HttpResponse:
    """Password, card, second factor, devices, API tokens."""
    record = account_queries.account_record(request.actor, account_queries.own_account(request.actor))
    return render(request, "me/security.html", {"record": record})


@page(signed_in=True)
@sensitive_post_parameters()
def password(request: Request) -> HttpResponse:
    """Change one's password; every other device is logged out."""
    form = account_forms.ChangePasswordForm(request.POST or None)
    status = 422 if form.is_bound else 200
    if form.is_bound and form.is_valid():
        try:
            stamp = account_operations.change_password(
                by=request.actor, current=form.cleaned_data["current"], new=form.cleaned_data["password"]
            )
        except Problem as problem:
            account_forms.add_problem(form, problem)
            status = problem.status
        else:
            session.renew(request, stamp)
            messages.success(request, _("密码已改好，其他设备都已退出。"))
            return redirect("me:security")
    return render(request, "me/password.html", {"form": form}, status=status)


@page(signed_in=True)
def phone(request: Request) -> HttpResponse:
    """Change the phone one logs in with."""
    account = account_queries.own_account(request.actor)
    form = account_forms.PhoneForm(request.POST) if request.method == "POST" else account_forms.PhoneForm()
    status = 422 if form.is_bound else 200
    if form.is_bound and form.is_valid():
        try:
            account_operations.set_log_in_phone(
                by=request.actor, account=account, phone=form.cleaned_data["phone"]
            )
        except Problem as problem:
            account_forms.add_problem(form, problem)
        else:
            messages.success(request, _("登录手机号已更新。"))
            return redirect("me:security")
    return render(request, "me/phone.html", {"form": form}, status=status)


@page(signed_in=True)
@sensitive_post_parameters()
def pin(request: Request) -> HttpResponse:
    """Choose another PIN for one's card."""
    form = account_forms.PinForm(request.POST or None)
    status = 422 if form.is_bound else 200
    if form.is_bound and form.is_valid():
        try:
            account_operations.change_pin(
                by=request.actor, current=form.cleaned_data["current_pin"], new=form.cleaned_data["new_pin"]
            )
        except Problem as problem:
            account_forms.add_problem(form, problem)
            status = problem.status
        else:
            messages.success(request, _("PIN 码已改好，现在只有您自己知道。"))
            return redirect("me:security")
    return render(request, "me/pin.html", {"form": form}, status=status)


@page(signed_in=True)
@require_POST
def card_end(request: Request) -> HttpResponse:
    """End one's own card."""
    account_operations.revoke_card(by=request.actor, account=account_queries.own_account(request.actor))
    messages.success(request, _("登录卡已停用。"))
    return redirect("me:security")


@page(signed_in=True)
@require_POST
def sessions_end(request: Request) -> HttpResponse:
    """Log out on every other device."""
    stamp = account_operations.log_out_everywhere(
        by=request.actor, account=account_queries.own_account(request.actor)
    )
    session.renew(request, stamp)
    messages.success(request, _("其他设备都已退出，只有这里还登录着。"))
    return redirect("me:security")


@page(signed_in=True)
@sensitive_post_parameters()
def second_factor(request: Request) -> HttpResponse:
    """Turn the second factor on: scan, then type the first code."""
    form = account_forms.CodeForm(request.POST or None)
    status = 422 if form.is_bound else 200
    if form.is_bound and form.is_valid():
        try:
            codes = account_operations.confirm_second_factor(by=request.actor, code=form.cleaned_data["code"])
        except Problem as problem:
            account_forms.add_problem(form, problem)
            status = problem.status
        else:
            return render(request, "me/recovery_codes.html", {"codes": codes, "text": "\n".join(codes)})
    enrollment = account_operations.start_second_factor(by=request.actor)
    context = {"form": form, "secret": enrollment.secret, "qr": qr_svg(enrollment.uri)}
    return render(request, "me/second_factor.html", context, status=status)


@page(signed_in=True)
@sensitive_post_parameters()
def second_factor_off(request: Request) -> HttpResponse:
    """Turn the second factor off."""
    form = account_forms.PasswordForm(request.POST or None)
    status = 422 if form.is_bound else 200
    if form.is_bound and form.is_valid():
        try:
            account_operations.stop_own_second_factor(
                by=request.actor, password=form.cleaned_data["password"]
            )
        except Problem as problem:
            account_forms.add_problem(form, problem)
            status = problem.status
        else:
            session.renew(request, account_operations.stamp_of(account_queries.own_account(request.actor)))
            messages.success(request, _("两步验证已关闭。"))
            return redirect("me:security")
    return render(request, "me/second_factor_off.html", {"form": form}, status=status)


@page(signed_in=True)
@sensitive_post_parameters()
def recovery_codes(request: Request) -> HttpResponse:
    """Replace one's recovery codes."""
    form = account_forms.PasswordForm(request.POST or None)
    status = 422 if form.is_bound else 200
    if form.is_bound and form.is_valid():
        try:
            codes = account_operations.renew_recovery_codes(
                by=request.actor, password=form.cleaned_data["password"]
            )
        except Problem as problem:
            account_forms.add_problem(form, problem)
            status = problem.status
        else:
            return render(request, "me/recovery_codes.html", {"codes": codes, "text": "\n".join(codes)})
    return render(request, "me/recovery_codes_renew.html", {"form": form}, status=status)


@page(signed_in=True)
def token_new(request: Request) -> HttpResponse:
    """Make an API token for one of one's grants."""
    grants = account_queries.own_grants(request.actor)
    choices = [
        (str(g.pk), f"{labels.role(g.role)} · {account_queries.where(request.actor, g)}") for g in grants
    ]
    form = account_forms.TokenForm(request.POST or None, grants=choices)
    status = 422 if form.is_bound else 200
    if form.is_bound and form.is_valid():
        values = form.cleaned_data
        try:
            issued = account_operations.issue_api_token(
                by=request.actor,
                grant=next(grant for grant in grants if str(grant.pk) == values["grant"]),
                name=values["name"],
                expires_at=account_forms.end_of_day(values["ends_on"]) or timezone.now(),
                is_read_only=not values["may_write"],
            )
        except Problem as problem:
            account_forms.add_problem(form, problem)
        else:
            return render(request, "me/token_once.html", {"issued": issued})
    return render(request, "me/token_new.html", {"form": form, "has_grants": bool(grants)}, status=status)


@page(signed_in=True)
@require_POST
def token_end(request: Request, token_id: UUID) -> HttpResponse:
    """End one of one's API tokens."""
    account_operations.revoke_api_token(
        by=request.actor, api_token=account_queries.api_token(request.actor, token_id)
    )
    messages.success(request, _("令牌已停用。"))
    return redirect("me:security")


@page(signed_in=True)
def settings(request: Request) -> HttpResponse:
    """Language and type size."""
    return render(request, "me/settings.html")
