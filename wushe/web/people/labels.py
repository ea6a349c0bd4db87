"""Words of the people pages that the domain keeps as codes."""

from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

# Why two records look alike, or not.
REASONS: Final[dict[str, Promise]] = {
    "SAME_IDENTITY": _("证件号码相同"),
    "SAME_PHONE": _("电话相同"),
    "SAME_NAME": _("姓名相同"),
    "SIMILAR_NAME": _("姓名相近"),
    "SAME_BIRTH": _("出生日期相同"),
    "SAME_STREET": _("同一街道"),
    "OTHER_IDENTITY": _("证件号码不同"),
    "OTHER_BIRTH": _("出生日期不同"),
    "OTHER_SEX": _("性别不同"),
}

# By which kind of key a search found somebody.
WHY: Final[dict[str, Promise]] = {
    "T": _("电话"),
    "F": _("电话后四位"),
    "V": _("志愿者编号"),
    "Q": _("拼音（另一读音）"),
    "I": _("拼音首字母"),
    "S": _("姓名中间"),
}

# What follows when two records become one. A room built later shows its model's own name.
TABLES: Final[dict[str, Promise]] = {
    "community.ContactPoint": _("联系方式"),
    "community.Membership": _("任职与成员关系"),
    "community.HeldQualification": _("持有资质"),
    "community.Guardianship": _("监护关系"),
    "community.Consent": _("同意"),
    "community.Account": _("账号"),
    "community.Person": _("先前并入的记录"),
    "community.RoleGrant": _("授权"),
    "community.LoginCard": _("登录卡"),
    "community.ApiToken": _("接口令牌"),
    "community.Invitation": _("邀请"),
    "kernel.OutboxMessage": _("消息"),
    "kernel.AuditEvent": _("处理记录"),
}

FIELDS: Final[dict[str, Promise]] = {
    "name": _("姓名"),
    "sex": _("性别"),
    "birth_on": _("出生日期"),
    "place_id": _("所在社区"),
    "volunteer_number": _("志愿者编号"),
    "address": _("住址"),
    "identity_number": _("证件号码"),
    "note": _("备注"),
}


def title_of(label: str, otherwise: str) -> str:
    """Return the word for a table."""
    return str(TABLES.get(label, otherwise))


def reasons(codes: tuple[str, ...]) -> list[str]:
    """Return the reasons in words."""
    return [str(REASONS[code]) for code in codes]
