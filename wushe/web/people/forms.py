"""Forms of people, contacts, guardians, consents, qualifications."""

from typing import Any

from django import forms
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from wushe.kernel.actor import Actor
from wushe.web.forms import FilterForm, Form
from wushe.web.organizations.fields import OrganizationField
from wushe.web.organizations.labels import CAPACITY_CHOICES
from wushe.web.places.fields import PlaceField

SEX_CHOICES = [("UNKNOWN", _("未填")), ("FEMALE", _("女")), ("MALE", _("男"))]
CONTACT_CHOICES = [("PHONE", _("电话")), ("EMAIL", _("电子邮箱")), ("WECHAT", _("微信号"))]
MEANS_CHOICES = [("PAPER", _("纸质签字")), ("SPOKEN", _("口头（有见证）"))]
PURPOSE_CHOICES = [
    ("CONTACT", _("联系我")),
    ("SERVICE", _("为提供服务而处理我的信息")),
    ("SENSITIVE", _("处理敏感个人信息")),
    ("MINOR", _("处理未成年人的信息")),
    ("PUBLIC_NAME", _("公开我的姓名")),
    ("RESEARCH", _("用于评估研究")),
]
_NAME_HELP = _("按证件上的写，生僻字、间隔号都可以。")
# The domain's names for what a form asks under another name.
FIELD_OF = {
    "phones": "phone",
    "place_id": "place",
    "organization_id": "organization",
    "guardian_id": "guardian_name",
    "skill_id": "skill",
    "given_by_id": "given_by",
}


def _ask(form: Form, fields: dict[str, forms.Field]) -> None:
    """Let one form ask these fields in place of its class's: some of them need to know who asks."""
    vars(form)["base_fields"] = fields


class PeopleFilter(FilterForm):
    """The search box above the list, and where to look."""

    q = forms.CharField(
        label=_("找人"),
        max_length=60,
        widget=forms.TextInput(attrs={"type": "search"}),
    )
    capacity = forms.ChoiceField(label=_("身份"), choices=[("", _("全部")), *CAPACITY_CHOICES])

    def __init__(self, *args: Any, actor: Actor, **kwargs: Any) -> None:
        _ask(
            self,
            {
                "q": type(self).base_fields["q"],
                "place": PlaceField(actor=actor, label=_("地方"), help_text=""),
                "organization": OrganizationField(actor=actor, help_text=""),
                "capacity": type(self).base_fields["capacity"],
            },
        )
        super().__init__(*args, **kwargs)


class PersonForm(Form):
    """A new person."""

    name = forms.CharField(label=_("姓名"), help_text=_NAME_HELP, strip=False)
    phone = forms.CharField(
        label=_("电话"), required=False, help_text=_("家人共用一个电话也可以。"), max_length=100,
        widget=forms.TextInput(attrs={"inputmode": "tel", "autocomplete": "off"}),
    )  # fmt: skip
    birth_on = forms.DateField(
        label=_("出生日期"), required=False, help_text=_("未到法定年龄的孩子，请在“补充信息”里填监护人。")
    )
    sex = forms.ChoiceField(
        label=_("性别"), choices=SEX_CHOICES, required=False, widget=forms.RadioSelect, initial="UNKNOWN"
    )
    is_volunteer = forms.BooleanField(
        label=_("是志愿者"), required=False, help_text=_("系统给一个随机编号，里面没有个人信息。")
    )
    volunteer_number = forms.CharField(
        label=_("已有的志愿者编号"),
        required=False,
        max_length=40,
        help_text=_("别的系统发过的，照填就能查到。"),
    )
    identity_number = forms.CharField(
        label=_("证件号码"), required=False, max_length=40, help_text=_("居民身份证。加密保存，用来核对是不是同一个人；没有必要就不填。"),
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )  # fmt: skip
    address = forms.CharField(label=_("住址"), required=False)
    capacity = forms.ChoiceField(
        label=_("在组织里的身份"), choices=[("", _("不填")), *CAPACITY_CHOICES], required=False
    )
    note = forms.CharField(
        label=_("备注"), required=False, widget=forms.Textarea, help_text=_("只写工作需要的。")
    )
    guardian_name = forms.CharField(label=_("监护人姓名"), required=False, strip=False)
    guardian_phone = forms.CharField(
        label=_("监护人电话"),
        required=False,
        max_length=100,
        help_text=_("已经登记过的监护人，按姓名和电话对上，不会重复。"),
    )
    guardian_relation = forms.CharField(
        label=_("监护关系"), required=False, help_text=_("例如母亲、父亲、祖父母。")
    )
    consent_means = forms.ChoiceField(
        label=_("监护人怎样同意"), choices=[("", _("不填")), *MEANS_CHOICES], required=False
    )
    confirmed = forms.BooleanField(label=_("我看过了，不是同一个人，仍然新建"), required=False)
    folded = (
        "guardian_name", "guardian_phone", "guardian_relation", "consent_means",
        "volunteer_number", "identity_number", "address", "organization", "capacity", "note",
    )  # fmt: skip

    def __init__(self, *args: Any, actor: Actor, with_identity: bool, **kwargs: Any) -> None:
        declared = dict(type(self).base_fields)
        if not with_identity:
            del declared["identity_number"]
        _ask(
            self,
            {
                **declared,
                "place": PlaceField(actor=actor, label=_("所在社区")),
                "organization": OrganizationField(actor=actor, required=False),
            },
        )
        self.field_order = ("name", "phone", "place", "birth_on", "sex", "is_volunteer")
        super().__init__(*args, **kwargs)
        self.fields["confirmed"].widget = forms.HiddenInput()

    def ask_to_confirm(self) -> None:
        """Show the box that says two people who look alike are two."""
        self.fields["confirmed"].widget = forms.CheckboxInput(attrs={"class": "form-check-input"})


class PersonEditForm(Form):
    """A person's own values. What the actor may not change is not asked."""

    name = forms.CharField(label=_("姓名"), help_text=_NAME_HELP, strip=False)
    birth_on = forms.DateField(label=_("出生日期"), required=False)
    sex = forms.ChoiceField(label=_("性别"), choices=SEX_CHOICES, required=False, widget=forms.RadioSelect)
    volunteer_number = forms.CharField(label=_("志愿者编号"), required=False, max_length=40)
    identity_number = forms.CharField(
        label=_("证件号码"), required=False, max_length=40, help_text=_("空着就不改。"),
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )  # fmt: skip
    address = forms.CharField(label=_("住址"), required=False)
    note = forms.CharField(label=_("备注"), required=False, widget=forms.Textarea)
    seen = forms.CharField(widget=forms.HiddenInput)

    def __init__(
        self, *args: Any, actor: Actor, with_contact: bool, with_identity: bool, **kwargs: Any
    ) -> None:
        declared = dict(type(self).base_fields)
        for name, wanted in (
            ("address", with_contact),
            ("note", with_contact),
            ("identity_number", with_identity),
        ):
            if not wanted:
                del declared[name]
        _ask(self, {**declared, "place": PlaceField(actor=actor, label=_("所在社区"))})
        self.field_order = ("name", "place", "birth_on", "sex")
        super().__init__(*args, **kwargs)


class ContactForm(Form):
    """A further way to reach somebody."""

    kind = forms.ChoiceField(label=_("种类"), choices=CONTACT_CHOICES)
    value = forms.CharField(
        label=_("号码或地址"), max_length=254, widget=forms.TextInput(attrs={"autocomplete": "off"})
    )
    primary = forms.BooleanField(label=_("以后先用这个"), required=False)


class MembershipForm(Form):
    """To which organization somebody belongs, as what."""

    capacity = forms.ChoiceField(label=_("身份"), choices=CAPACITY_CHOICES, initial="VOLUNTEER")
    title = forms.CharField(label=_("职务"), required=False, max_length=80)
    started_on = forms.DateField(label=_("开始日期"), required=False)

    def __init__(self, *args: Any, actor: Actor, **kwargs: Any) -> None:
        _ask(self, {"organization": OrganizationField(actor=actor), **type(self).base_fields})
        super().__init__(*args, **kwargs)


class QualificationForm(Form):
    """A qualification somebody holds."""

    issuer = forms.CharField(label=_("发证机构"), required=False, max_length=200)
    number = forms.CharField(label=_("证书编号"), required=False, max_length=80)
    issued_on = forms.DateField(label=_("发证日期"), required=False)
    valid_until = forms.DateField(label=_("有效期至"), required=False)

    def __init__(self, *args: Any, skills: list[tuple[str, str]], **kwargs: Any) -> None:
        _ask(
            self,
            {
                "skill": forms.ChoiceField(label=_("技能或资质"), choices=skills),
                **type(self).base_fields,
            },
        )
        super().__init__(*args, **kwargs)


class GuardianForm(Form):
    """Who is the guardian, from whom to whom chosen before."""

    relation = forms.CharField(label=_("监护关系"), max_length=40, help_text=_("例如母亲、父亲、祖父母。"))
    started_on = forms.DateField(label=_("开始日期"), initial=timezone.localdate)

    def __init__(self, *args: Any, people: list[tuple[str, str]], **kwargs: Any) -> None:
        _ask(
            self,
            {
                "guardian": forms.ChoiceField(label=_("监护人"), choices=people, widget=forms.RadioSelect),
                **type(self).base_fields,
            },
        )
        super().__init__(*args, **kwargs)


class ConsentForm(Form):
    """A consent given on paper or aloud, entered by a worker."""

    purpose = forms.ChoiceField(label=_("同意什么"), choices=PURPOSE_CHOICES)
    means = forms.ChoiceField(label=_("怎样同意的"), choices=MEANS_CHOICES, widget=forms.RadioSelect)

    def __init__(self, *args: Any, givers: list[tuple[str, str]], **kwargs: Any) -> None:
        _ask(
            self,
            {
                **type(self).base_fields,
                "given_by": forms.ChoiceField(label=_("谁同意的"), choices=givers, widget=forms.RadioSelect),
            },
        )
        super().__init__(*args, **kwargs)


class MergeForm(Form):
    """Which value stays, for each that differs."""

    def __init__(self, *args: Any, differing: list[tuple[str, Any, str, str]], **kwargs: Any) -> None:
        _ask(self, {
            name: forms.ChoiceField(
                label=label, choices=[("kept", kept or _("（空着）")), ("gone", gone or _("（空着）"))], widget=forms.RadioSelect,
                initial="kept" if kept else "gone",
            )
            for name, label, kept, gone in differing
        })  # fmt: skip
        super().__init__(*args, **kwargs)


class EraseForm(Form):
    """The name typed again, so that nobody erases somebody by a slip."""

    name = forms.CharField(
        label=_("请输入此人的姓名"),
        help_text=_("删除以后不能恢复。"),
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )

    def __init__(self, *args: Any, expected: str, **kwargs: Any) -> None:
        self.expected = expected
        super().__init__(*args, **kwargs)

    def clean_name(self) -> str:
        typed: str = self.cleaned_data["name"].strip()
        if typed != self.expected:
            raise forms.ValidationError(_("和这份记录的姓名不一样，没有删除。"))
        return typed
