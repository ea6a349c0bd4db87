"""Forms of organizations, stations, venues and responsibilities."""

from typing import Any, ClassVar

from django import forms
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from wushe.kernel.actor import Actor
from wushe.web.forms import FilterForm, Form
from wushe.web.organizations import labels
from wushe.web.organizations.fields import HoursField, OrganizationField, VenueField, YuanField
from wushe.web.places.fields import PlaceField

_ANY = ("", _("全部"))


def _search(label: Any) -> forms.CharField:
    return forms.CharField(label=label, max_length=60, widget=forms.TextInput(attrs={"type": "search"}))


def _today(label: Any) -> forms.DateField:
    return forms.DateField(label=label, initial=timezone.localdate)


class ActorForm(Form):
    """A form whose fields look things up on behalf of somebody. `lookups` makes those fields, in front of the declared ones."""

    def lookups(self, actor: Actor) -> dict[str, forms.Field]:
        """The fields that need to know who asks."""
        return {}

    order: ClassVar[tuple[str, ...]] = ()

    def __init__(self, *args: Any, actor: Actor, **kwargs: Any) -> None:
        self.base_fields = {**type(self).base_fields, **self.lookups(actor)}  # type: ignore[misc]  # the constructor reads it from the instance
        self.field_order = self.order
        super().__init__(*args, **kwargs)


# --- organizations ----------------------------------------------------------------------------------------------------


class OrganizationFilter(FilterForm):
    """Filters of the list of organizations."""

    text = _search(_("名称、拼音、信用代码"))
    society = forms.ChoiceField(label=_("五社"), choices=[_ANY, *labels.SOCIETY_CHOICES])
    kind = forms.ChoiceField(label=_("类型"), choices=[_ANY, *labels.KIND_CHOICES])
    registration = forms.ChoiceField(label=_("登记情况"), choices=[_ANY, *labels.REGISTRATION_CHOICES])
    status = forms.ChoiceField(
        label=_("状态"),
        choices=[("", _("在册")), ("ACTIVE", _("活跃")), ("DORMANT", _("休眠")), ("CLOSED", _("已注销"))],
    )


class OrganizationForm(ActorForm):
    """A new organization."""

    name = forms.CharField(label=_("名称"), max_length=200)
    kind = forms.ChoiceField(label=_("类型"), choices=labels.KIND_CHOICES, initial="COMMUNITY_ORGANIZATION")
    registration = forms.ChoiceField(
        label=_("登记情况"),
        choices=labels.REGISTRATION_CHOICES,
        initial="NONE",
        help_text=_("已登记：有登记证。已备案：在街道（乡镇）备过案。都没有也可以先记下来。"),
    )
    credit_code = forms.CharField(label=_("统一社会信用代码"), required=False, max_length=30)
    purpose = forms.CharField(label=_("宗旨与业务"), required=False, max_length=2000, widget=forms.Textarea)
    address = forms.CharField(label=_("地址"), required=False, max_length=300)
    office_phone = forms.CharField(
        label=_("公开电话"), required=False, max_length=40, help_text=_("办公电话，会显示在公开页面上。")
    )
    contact_name = forms.CharField(label=_("联系人"), required=False, max_length=100, help_text=_("不公开。"))
    contact_phone = forms.CharField(
        label=_("联系人电话"), required=False, max_length=100, help_text=_("不公开。")
    )
    founded_on = forms.DateField(label=_("成立日期"), required=False)
    is_public = forms.BooleanField(label=_("在公开页面显示"), required=False, initial=True)
    folded: ClassVar[tuple[str, ...]] = (
        "purpose",
        "address",
        "contact_name",
        "contact_phone",
        "founded_on",
        "parent",
    )
    draft = "organization-new"
    order: ClassVar[tuple[str, ...]] = (
        "name",
        "kind",
        "place",
        "registration",
        "credit_code",
        "office_phone",
    )

    def lookups(self, actor: Actor) -> dict[str, forms.Field]:
        return {
            "place": PlaceField(actor=actor),
            "parent": OrganizationField(actor=actor, label=_("上级组织"), required=False),
        }


class OrganizationNewForm(OrganizationForm):
    """A new organization; asks once more when it looks like one that is there (`ask`)."""

    not_a_duplicate = forms.BooleanField(
        label=_("都不是，照样登记"), required=False, help_text=_("上面列出的组织里没有它。")
    )

    def __init__(self, *args: Any, ask: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not ask:
            del self.fields["not_a_duplicate"]


class OrganizationEditForm(OrganizationForm):
    """An organization's own facts; where it stands in the tree is changed apart."""

    draft = ""
    folded: ClassVar[tuple[str, ...]] = ("purpose", "address", "contact_name", "contact_phone", "founded_on")

    def __init__(self, *args: Any, with_contact: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not with_contact:
            del self.fields["contact_name"], self.fields["contact_phone"]

    def lookups(self, actor: Actor) -> dict[str, forms.Field]:
        return {"place": PlaceField(actor=actor)}


class ParentForm(ActorForm):
    """Under which organization."""

    def lookups(self, actor: Actor) -> dict[str, forms.Field]:
        return {
            "parent": OrganizationField(
                actor=actor,
                label=_("上级组织"),
                required=False,
                help_text=_("空着就是没有上级。它的下级会一起移动。"),
            )
        }


class DayForm(Form):
    """One day."""

    on = _today(_("日期"))


# --- members and staff ------------------------------------------------------------------------------------------------


class MemberForm(Form):
    """As what a chosen person belongs to an organization."""

    capacity = forms.ChoiceField(label=_("身份"), choices=labels.CAPACITY_CHOICES, initial="MEMBER")
    title = forms.CharField(label=_("职务"), required=False, max_length=80)
    started_on = forms.DateField(label=_("开始"), required=False)

    def __init__(self, *args: Any, people: Any = (), bodies: Any = (), **kwargs: Any) -> None:
        chosen: dict[str, forms.Field] = {
            "person": forms.ChoiceField(
                label=_("选一个人"),
                choices=[(str(row.id), _person_line(row)) for row in people],
                widget=forms.RadioSelect,
            )
        }
        if bodies:
            chosen["organization"] = forms.ChoiceField(
                label=_("所属单位"), choices=[(str(body.pk), body.name) for body in bodies]
            )
        self.base_fields = {**chosen, **type(self).base_fields}  # type: ignore[misc]  # the constructor reads it from the instance
        super().__init__(*args, **kwargs)


def _person_line(row: Any) -> str:
    return " · ".join(part for part in (row.name, row.place_name, row.phone, row.volunteer_number) if part)


class PersonSearchForm(FilterForm):
    """Find the person to add."""

    q = _search(_("姓名、拼音、电话后四位、编号"))


# --- stations ---------------------------------------------------------------------------------------------------------


class StationFilter(FilterForm):
    """Filters of the list of stations."""

    text = _search(_("站点名称"))
    tier = forms.ChoiceField(label=_("层级"), choices=[_ANY, *labels.TIER_CHOICES])
    lacking = forms.ChoiceField(
        label=_("缺什么"),
        choices=[
            _ANY,
            ("STAFF", _("没有人员")),
            ("OWNER", _("没有归口部门")),
            ("OPERATOR", _("没有运营机构")),
        ],
    )
    state = forms.ChoiceField(
        label=_("状态"), choices=[("", _("在用")), ("CLOSED", _("已停用")), ("ALL", _("全部"))]
    )


class StationForm(ActorForm):
    """A station's own facts."""

    name = forms.CharField(label=_("名称"), max_length=200)
    tier = forms.ChoiceField(label=_("层级"), choices=labels.TIER_CHOICES, initial="STREET")
    address = forms.CharField(label=_("地址"), required=False, max_length=300)
    phone = forms.CharField(label=_("公开电话"), required=False, max_length=40)
    opened_on = forms.DateField(label=_("启用日期"), required=False)
    yearly_budget_fen = YuanField(label=_("年度经费（元）"), required=False)
    is_public = forms.BooleanField(label=_("在公开页面显示"), required=False, initial=True)
    folded: ClassVar[tuple[str, ...]] = ("address", "opened_on", "yearly_budget_fen", "venue")
    order: ClassVar[tuple[str, ...]] = ("name", "tier", "place", "phone", "owner", "operator")

    def lookups(self, actor: Actor) -> dict[str, forms.Field]:
        return {
            "place": PlaceField(actor=actor, label=_("服务区域")),
            "venue": VenueField(actor=actor, required=False),
        }


class StationNewForm(StationForm):
    """A new station, with who answers for it and who runs it."""

    draft = "station-new"

    def lookups(self, actor: Actor) -> dict[str, forms.Field]:
        return {
            **super().lookups(actor),
            "owner": OrganizationField(actor=actor, label=_("归口管理部门"), required=False),
            "operator": OrganizationField(actor=actor, label=_("运营机构"), required=False),
        }


class HandOverForm(ActorForm):
    """To whom, in which capacity, from which day."""

    capacity = forms.ChoiceField(
        label=_("交接什么"), choices=[("OWNER", _("归口管理部门")), ("OPERATOR", _("运营机构"))]
    )
    on = _today(_("从哪天起"))
    gap_is_meant = forms.BooleanField(label=_("这段时间确实无人负责"), required=False)
    order: ClassVar[tuple[str, ...]] = ("capacity", "to", "on")

    def lookups(self, actor: Actor) -> dict[str, forms.Field]:
        return {"to": OrganizationField(actor=actor, label=_("交给哪个单位"))}


class PastForm(ActorForm):
    """A period that is over."""

    capacity = forms.ChoiceField(
        label=_("补录什么"), choices=[("OWNER", _("归口管理部门")), ("OPERATOR", _("运营机构"))]
    )
    started_on = forms.DateField(label=_("从"))
    ended_on = forms.DateField(label=_("到（不含这一天）"))
    order: ClassVar[tuple[str, ...]] = ("capacity", "organization", "started_on", "ended_on")

    def lookups(self, actor: Actor) -> dict[str, forms.Field]:
        return {"organization": OrganizationField(actor=actor, label=_("当时负责的单位"))}


# --- duties -----------------------------------------------------------------------------------------------------------


class DutyPlaceForm(FilterForm):
    """Whose duties to look at."""

    q = _search(_("地方的名字"))


class DutyForm(ActorForm):
    """Who answers for a duty in a place from a day on."""

    on = _today(_("从哪天起"))
    gap_is_meant = forms.BooleanField(label=_("这段时间确实无人负责"), required=False)
    order: ClassVar[tuple[str, ...]] = ("duty", "to", "on")

    def __init__(self, *args: Any, duties: Any = (), english: bool = False, **kwargs: Any) -> None:
        self._choices = [(duty.code, duty.name_en if english else duty.name) for duty in duties]
        super().__init__(*args, **kwargs)

    def lookups(self, actor: Actor) -> dict[str, forms.Field]:
        return {
            "duty": forms.ChoiceField(label=_("职责"), choices=self._choices),
            "to": OrganizationField(actor=actor, label=_("由哪个单位负责")),
        }


# --- venues -----------------------------------------------------------------------------------------------------------


class VenueFilter(FilterForm):
    """Filters of the list of venues."""

    text = _search(_("场地名称"))
    at_least = forms.IntegerField(label=_("至少容纳"), min_value=1, max_value=1_000_000)
    step_free = forms.BooleanField(label=_("无障碍通行"))
    state = forms.ChoiceField(
        label=_("状态"), choices=[("", _("在用")), ("CLOSED", _("停用")), ("ALL", _("全部"))]
    )


class VenueForm(ActorForm):
    """A venue with its opening hours."""

    name = forms.CharField(label=_("名称"), max_length=200)
    hours = HoursField(required=False)
    capacity = forms.IntegerField(label=_("容纳人数"), required=False, min_value=0, max_value=1_000_000)
    is_step_free = forms.BooleanField(
        label=_("无障碍通行"), required=False, help_text=_("从门口到座位没有台阶，或有坡道、电梯。")
    )
    phone = forms.CharField(label=_("公开电话"), required=False, max_length=40)
    address = forms.CharField(label=_("地址"), required=False, max_length=300)
    equipment = forms.CharField(label=_("设备"), required=False, max_length=500)
    latitude = forms.DecimalField(
        label=_("纬度"), required=False, help_text=_("WGS-84 坐标，例如 39.60812。可以不填。")
    )
    longitude = forms.DecimalField(label=_("经度"), required=False)
    is_open = forms.BooleanField(label=_("在用"), required=False, initial=True)
    is_public = forms.BooleanField(label=_("在公开页面显示"), required=False, initial=True)
    folded: ClassVar[tuple[str, ...]] = ("address", "equipment", "latitude", "longitude", "organization")
    draft = "venue-new"
    order: ClassVar[tuple[str, ...]] = ("name", "place", "hours", "capacity")

    def lookups(self, actor: Actor) -> dict[str, forms.Field]:
        return {
            "place": PlaceField(actor=actor),
            "organization": OrganizationField(actor=actor, label=_("管理单位"), required=False),
        }


class VenueEditForm(VenueForm):
    """A venue being changed."""

    draft = ""
