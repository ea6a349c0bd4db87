"""The words for the numbers, tiers and next steps of a place."""

from collections.abc import Mapping
from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

LEVELS: Mapping[int, Promise] = {
    1: _("省级"),
    2: _("地级"),
    3: _("区县"),
    4: _("街道/乡镇"),
    5: _("社区/村"),
    6: _("网格"),
    7: _("楼栋"),
}

TIERS: Mapping[str, Promise] = {
    "DISTRICT": _("区级社工总站"),
    "STREET": _("街道（乡镇）社工站"),
    "COMMUNITY": _("社区（村）社工室"),
    "GRID": _("网格服务点"),
}

PARTS: Mapping[str, Promise] = {
    "communities": _("社区和村（区划）"),
    "committees": _("居委会、村委会"),
    "owners_committees": pgettext_lazy("how many", "业主委员会"),
    "community_workers": pgettext_lazy("how many", "社区工作者"),
    "social_workers": pgettext_lazy("how many", "社会工作者"),
    "certified_social_workers": _("其中持证"),
    "community_organizations_registered": _("社区社会组织（已登记）"),
    "community_organizations_filed": _("社区社会组织（已备案）"),
    "community_organizations_other": _("社区社会组织（未登记）"),
    "agencies": pgettext_lazy("how many", "社会工作服务机构"),
    "other_organizations": pgettext_lazy("how many", "其他社会组织"),
    "dormant_organizations": _("其中休眠"),
    "volunteers": pgettext_lazy("how many", "志愿者"),
    "teams": _("志愿服务组织和队伍"),
    "charities": pgettext_lazy("how many", "慈善组织"),
    "foundations": pgettext_lazy("how many", "社区基金会"),
    "firms": pgettext_lazy("how many", "企业"),
    "universities": pgettext_lazy("how many", "高校"),
    "venues": _("开放的场地"),
}

UNITS: Mapping[str, Promise] = {
    "community": _("居委会和村委会"),
    "social_workers": _("有证没证都算"),
    "organizations": _("登记的、备案的都算"),
    "volunteers": _("有志愿者编号的人"),
    "charitable_resources": _("慈善组织、基金会、企业和高校"),
}


@dataclass(frozen=True, slots=True)
class StepText:
    """How a next step is said: what, with how many, and what to do about it. `url_name` is the desk page that does it."""

    title: Promise
    text: Promise
    url_name: str = ""
    needs: tuple[str, str] | None = None


STEPS: Mapping[str, StepText] = {
    "STREETS_WITHOUT_STATION": StepText(
        _("给还没有社工站的街道设站"),
        _("每个街道（乡镇）一个站，居民就近找得到人。"),
        "organizations:station_new",
        ("create", "station"),
    ),
    "STATIONS_WITHOUT_STAFF": StepText(
        _("给没有人的站点安排人员"),
        _("站点有人，事情才有人接。"),
        "organizations:stations",
        ("edit", "station"),
    ),
    "COMMUNITIES_WITHOUT_COMMITTEE": StepText(
        _("登记还没录入的居委会、村委会"),
        _("录入以后，居民能看到电话和办公时间。"),
        "organizations:new",
        ("create", "organization"),
    ),
    "NO_COMMITTEE": StepText(
        _("登记本社区的居委会或村委会"),
        _("录入以后，居民能看到电话和办公时间。"),
        "organizations:new",
        ("create", "organization"),
    ),
    "NO_SOCIAL_WORKERS": StepText(
        _("登记第一位社会工作者"),
        _("有证没证都可以，社区里做这件事的人都算。"),
        "organizations:stations",
        ("create", "membership"),
    ),
    "NO_ORGANIZATIONS": StepText(
        _("登记第一个社会组织"),
        _("合唱队、助老队也算；没有登记证，备案的、没备案的都可以先记下来。"),
        "organizations:new",
        ("create", "organization"),
    ),
    "NO_VOLUNTEERS": StepText(
        _("邀请第一位志愿者"),
        _("从已经在帮忙的邻居开始。"),
        "people:list",
        ("create", "person"),
    ),
    "NO_RESOURCES": StepText(
        _("找一家愿意帮忙的单位"),
        _("附近的商铺、学校、企业，一间会议室也是资源。"),
        "organizations:new",
        ("create", "organization"),
    ),
    "NO_VENUE": StepText(
        _("登记一处可用的场地"),
        _("活动室、院子、会议室都行，写上几点开门。"),
        "organizations:venue_new",
        ("create", "venue"),
    ),
    "COMMUNITIES_WITHOUT_VENUE": StepText(
        _("给还没有场地的社区登记场地"),
        _("活动室、院子、会议室都行，写上几点开门。"),
        "organizations:venue_new",
        ("create", "venue"),
    ),
    "DORMANT_ORGANIZATIONS": StepText(
        _("问问休眠的组织还能不能动起来"),
        _("也许只差一间屋子、一个带头人。"),
        "organizations:list",
        ("edit", "organization"),
    ),
    "BELOW_GOAL": StepText(
        _("培育社区社会组织"),
        _("离目标还差一些，从居民最想做的一件事开始。"),
        "organizations:list",
        ("create", "organization"),
    ),
}
