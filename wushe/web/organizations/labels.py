"""The words for kinds, states and capacities."""

from collections.abc import Mapping

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from wushe.web.components import SOCIETIES
from wushe.web.places.labels import TIERS

KINDS: Mapping[str, Promise] = {
    "PARTY_BODY": _("党组织"),
    "DEPARTMENT": _("政府部门"),
    "STREET_OFFICE": _("街道办事处（乡镇政府）"),
    "RESIDENTS_COMMITTEE": _("居民委员会"),
    "VILLAGERS_COMMITTEE": _("村民委员会"),
    "SOCIAL_WORK_AGENCY": _("社会工作服务机构"),
    "COMMUNITY_ORGANIZATION": _("社区社会组织"),
    "SOCIAL_ORGANIZATION": _("其他社会组织"),
    "VOLUNTEER_ORGANIZATION": _("志愿服务组织"),
    "VOLUNTEER_TEAM": _("志愿服务队伍"),
    "CHARITY": _("慈善组织"),
    "COMMUNITY_FOUNDATION": _("社区基金会"),
    "FIRM": _("企业"),
    "UNIVERSITY": _("高校"),
    "TRADE_ASSOCIATION": _("行业协会"),
    "OWNERS_COMMITTEE": _("业主委员会"),
    "PROPERTY_COMPANY": _("物业服务企业"),
    "PUBLIC_INSTITUTION": _("事业单位"),
}
REGISTRATIONS: Mapping[str, Promise] = {
    "REGISTERED": _("已登记"),
    "FILED": _("已备案"),
    "NONE": _("未登记"),
}
STATUSES: Mapping[str, Promise] = {"ACTIVE": _("活跃"), "DORMANT": _("休眠"), "CLOSED": _("已注销")}
CAPACITIES: Mapping[str, Promise] = {
    "LEADER": _("负责人"),
    "COMMUNITY_WORKER": _("社区工作者"),
    "SOCIAL_WORKER": _("社会工作者"),
    "SUPERVISOR": _("督导"),
    "STAFF": _("工作人员"),
    "VOLUNTEER": _("志愿者"),
    "MEMBER": _("成员"),
    "STUDENT": _("实习生"),
    "CONTACT": _("联系人"),
}
ANSWERING: Mapping[str, Promise] = {
    "OWNER": _("归口管理部门"),
    "OPERATOR": _("运营机构"),
    "REGISTRAR": _("登记或备案机关"),
}
LIKENESSES: Mapping[str, Promise] = {
    "CODE": _("统一社会信用代码相同"),
    "NAME": _("名称相同，在同一区县"),
    "SOUND": _("读音相同，在同一区县"),
}

KIND_CHOICES = list(KINDS.items())
REGISTRATION_CHOICES = list(REGISTRATIONS.items())
TIER_CHOICES = list(TIERS.items())
CAPACITY_CHOICES = list(CAPACITIES.items())
SOCIETY_CHOICES = [(key, society.label) for key, society in SOCIETIES.items()]
