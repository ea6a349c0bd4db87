"""Forms of log-in, account and grant pages."""

from collections.abc import Iterable
from datetime import datetime, time, timedelta
from typing import Any

from django import forms
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from wushe.community.rules import accounts as rules
from wushe.kernel.actor import Actor
from wushe.kernel.policy import Refused
from wushe.kernel.problems import Problem
from wushe.web.accounts.labels import ROLE_HELP, ROLES
from wushe.web.forms import FilterForm, Form
from wushe.web.organizations.fields import OrganizationField
from wushe.web.places.fields import PlaceField


def _password(label: Any, *, new: bool = False, **options: Any) -> forms.CharField:
    widget = forms.PasswordInput(attrs={"autocomplete": "new-password" if new else "current-password"})
    return forms.CharField(
        label=label, widget=widget, strip=False, max_length=rules.PASSWORD_MOST * 2, **options
    )


def _digits(label: Any, length: int, autocomplete: str, **options: Any) -> forms.CharField:
    attrs = {"inputmode": "numeric", "autocomplete": autocomplete}
    return forms.CharField(label=label, max_length=length, widget=forms.TextInput(attrs=attrs), **options)


def _pin(label: Any, **options: Any) -> forms.CharField:
    attrs = {"inputmode": "numeric", "autocomplete": "off"}
    return forms.CharField(label=label, max_length=12, widget=forms.PasswordInput(attrs=attrs), **options)


class LogInForm(Form):
    """Who, and the secret only they know."""

    identifier = forms.CharField(
        label=_("手机号、账号或志愿者编号"),
        max_length=60,
        widget=forms.TextInput(
            attrs={"autocomplete": "username", "autocapitalize": "none", "spellcheck": "false"}
        ),
    )
    password = _password(_("密码"))
    own_device = forms.BooleanField(
        label=_("这是我自己的手机或电脑"),
        required=False,
        help_text=_("勾选后两周内不用再登录。在公用电脑上请不要勾选。"),
    )


class CardForm(Form):
    """The PIN of a card."""

    pin = _pin(_("6 位 PIN 码"))
    own_device = forms.BooleanField(
        label=_("这是我自己的手机"), required=False, help_text=_("勾选后两周内不用再输 PIN 码。")
    )


class CodeForm(Form):
    """A code of the second factor, or a recovery code."""

    code = _digits(
        _("验证码"),
        20,
        "one-time-code",
        help_text=_("手机验证器上正在显示的 6 位数字；手机不在身边时，填一个恢复码。"),
    )


class NewPasswordForm(Form):
    """A new password, twice."""

    password = _password(
        _("新密码"), new=True, help_text=_("至少 8 个字符。可以用一句好记的话；只用数字要 10 位以上。")
    )
    again = _password(_("再输一次"), new=True)

    def clean(self) -> dict[str, Any]:
        values: dict[str, Any] = super().clean() or {}
        if values.get("password") and values.get("again") and values["password"] != values["again"]:
            self.add_error("again", _("两次输入的密码不一样。"))
        return values


class ChangePasswordForm(NewPasswordForm):
    """The present password and a new one."""

    current = _password(_("现在的密码"))
    field_order = ("current", "password", "again")


class PasswordForm(Form):
    """One's password, to confirm something that matters."""

    password = _password(_("您的密码"))


class PinForm(Form):
    """A new PIN for one's own card."""

    current_pin = _pin(_("现在的 PIN 码"))
    new_pin = _pin(_("新 PIN 码"), help_text=_("6 位数字，不要用生日或连号。"))


class PhoneForm(Form):
    """The phone one logs in with."""

    phone = forms.CharField(
        label=_("登录用的手机号"),
        max_length=40,
        required=False,
        widget=forms.TextInput(attrs={"inputmode": "tel", "autocomplete": "tel"}),
        help_text=_("留空就只用账号登录。一个手机号只能登录一个账号。"),
    )


class NewAccountForm(Form):
    """How a person shall get in."""

    WAYS = (
        ("PASSWORD", _("当面告诉本人一个初始密码（首次登录要改）")),
        ("INVITATION", _("发给本人一个链接，自己设密码（七天内有效，只能用一次）")),
        ("CARD", _("打印一张登录卡，配 6 位 PIN 码（适合没有智能手机的人）")),
    )
    way = forms.ChoiceField(label=_("怎样登录"), choices=WAYS, widget=forms.RadioSelect, initial="PASSWORD")
    phone = forms.CharField(
        label=_("登录用的手机号"),
        max_length=40,
        required=False,
        widget=forms.TextInput(attrs={"inputmode": "tel"}),
        help_text=_("不填也可以：系统会给一个 8 位账号。"),
    )


class CardIssueForm(Form):
    """The PIN of a new card, chosen with the person or left to the system."""

    pin = forms.CharField(
        label=_("PIN 码"),
        max_length=12,
        required=False,
        widget=forms.TextInput(attrs={"inputmode": "numeric", "autocomplete": "off"}),
        help_text=_("请本人想 6 位数字；留空由系统来定。"),
    )


def end_of_day(day: Any) -> datetime | None:
    """Return the instant at which `day` is over, here."""
    if day is None:
        return None
    return timezone.make_aware(datetime.combine(day + timedelta(days=1), time.min))


class ProlongForm(Form):
    """Until when a grant shall count."""

    ends_on = forms.DateField(label=_("最后一天"), required=False, help_text=_("留空表示长期有效。"))


class GrantForm(Form):
    """A role for a place or for an organization."""

    role = forms.ChoiceField(label=_("角色"), widget=forms.RadioSelect)
    ends_on = forms.DateField(
        label=_("最后一天"), required=False, help_text=_("到这一天为止；留空表示长期有效。")
    )

    def __init__(self, *args: Any, actor: Actor, roles: Iterable[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["role"].choices = [  # type: ignore[attr-defined]  # a ChoiceField
            (code, f"{ROLES[code]}：{ROLE_HELP[code]}") for code in roles
        ]
        self.fields["place"] = PlaceField(actor=actor, label=_("地方"), required=False)
        self.fields["organization"] = OrganizationField(
            actor=actor,
            label=_("组织"),
            required=False,
            help_text=_("组织管理员填组织；其他角色一般填地方。两项只填一项。"),
        )
        for name in ("place", "organization"):
            self.fields[name].widget.attrs.setdefault("class", "form-control")
        self.order_fields(("role", "place", "organization", "ends_on"))

    def clean(self) -> dict[str, Any]:
        values: dict[str, Any] = super().clean() or {}
        if not self.errors and bool(values.get("place")) == bool(values.get("organization")):
            self.add_error("place", _("请填一个地方，或者一个组织，只填一项。"))
        return values


class TokenForm(Form):
    """A new API token."""

    name = forms.CharField(label=_("用途"), max_length=80, help_text=_("例如：每月报表。"))
    grant = forms.ChoiceField(label=_("用哪项授权"), help_text=_("令牌能做的，就是这一项授权能做的。"))
    ends_on = forms.DateField(label=_("最后一天"), help_text=_("最长一年。"))
    may_write = forms.BooleanField(label=_("允许修改数据"), required=False, help_text=_("不勾选就只能读取。"))

    def __init__(self, *args: Any, grants: Iterable[tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["grant"].choices = list(grants)  # type: ignore[attr-defined]  # a ChoiceField


class AccountFilter(FilterForm):
    """The filters above the list of accounts."""

    text = forms.CharField(label=_("账号、姓名或手机号"), max_length=60)
    role = forms.ChoiceField(label=_("角色"), choices=[("", _("全部")), *ROLES.items()])
    state = forms.ChoiceField(
        label=_("状态"),
        choices=[
            ("", _("全部")),
            ("ACTIVE", _("在用")),
            ("CLOSED", _("已停用")),
            ("FIRST_PASSWORD", _("还没改初始密码")),
            ("WITHOUT_SECOND_FACTOR", _("有角色、没有两步验证")),
        ],
    )


class GrantFilter(FilterForm):
    """The filters above the list of grants."""

    role = forms.ChoiceField(label=_("角色"), choices=[("", _("全部")), *ROLES.items()])
    state = forms.ChoiceField(
        label=_("状态"),
        choices=[
            ("", _("全部")),
            ("IN_FORCE", _("生效中")),
            ("ENDING", _("30 天内到期")),
            ("EXPIRED", _("已到期、未结束")),
            ("ENDED", _("已结束")),
        ],
    )


def add_problem(form: Form, problem: Problem) -> None:
    """Put what the domain refused beside the field it concerns, or on top of the form. A missing right stays a 403 page."""
    if isinstance(problem, Refused):
        raise problem
    form.add_error(problem.field if problem.field in form.fields else None, problem.message)
