"""Words for the codes of roles, dangers and recorded acts. The codes are what is stored; these are what people read."""

from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from wushe.kernel import policy

ROLES: Final[dict[str, Promise]] = {
    policy.PLATFORM_OPERATOR: _("平台运维"),
    policy.DISTRICT_ADMIN: _("区县管理员"),
    policy.DISTRICT_VIEWER: _("区县只读"),
    policy.STREET_SUPERVISOR: _("街道（乡镇）主管"),
    policy.COMMUNITY_WORKER: _("社区工作者"),
    policy.SOCIAL_WORKER: _("社会工作者"),
    policy.ORGANIZATION_MANAGER: _("组织管理员"),
    policy.EVALUATOR: _("评估人员"),
    policy.AUDITOR: _("审计员"),
}

ROLE_HELP: Final[dict[str, Promise]] = {
    policy.PLATFORM_OPERATOR: _("管系统参数和区划，看不到居民的个人信息。"),
    policy.DISTRICT_ADMIN: _("管辖区内的人员、组织、站点和授权。"),
    policy.DISTRICT_VIEWER: _("看组织、站点和统计，看不到居民。"),
    policy.STREET_SUPERVISOR: _("管本街道（乡镇）的人员、组织、站点，可授权社区和社工。"),
    policy.COMMUNITY_WORKER: _("管本社区的人员和组织，可为居民开账号。"),
    policy.SOCIAL_WORKER: _("在服务范围内登记和修改人员。"),
    policy.ORGANIZATION_MANAGER: _("管本组织的资料、成员和场地。"),
    policy.EVALUATOR: _("看组织和站点，用于评估。"),
    policy.AUDITOR: _("看审计记录和授权，不能修改任何内容。"),
}

DANGERS: Final[dict[str, Promise]] = {
    "EXPIRED_NOT_ENDED": _("已到期，但没有人结束它"),
    "UNKNOWN_ROLE": _("系统已不认识这个角色"),
    "ROLE_WITHOUT_EFFECT": _("角色与范围不匹配，没有任何作用"),
    "NATIONAL": _("范围是全国"),
    "WIDE": _("范围大于一个区县"),
    "INACTIVE_ACCOUNT": _("账号已停用，但授权还在"),
    "NO_SECOND_FACTOR": _("权限很大，但没有开启两步验证"),
    "CARD_WITH_POWER": _("权限很大，却还有登录卡"),
    "FIRST_PASSWORD": _("初始密码还没有改"),
    "CLOSED_SCOPE": _("地方已撤销或组织已注销"),
    "BAD_TOGETHER": _("一人同时监督和被监督"),
    "OLD_TOKEN": _("接口令牌已用了半年以上"),
    "ENDLESS_TOKEN": _("接口令牌的有效期太长"),
}

ENDED_SECRETS: Final[dict[str, Promise]] = {
    "INVITATION": _("别人发的邀请链接"),
    "CARD": _("别人办的登录卡"),
    "PASSWORD": _("别人设的初始密码"),
}


def role(code: str) -> str:
    """Return the word for a role in the active language; a code nobody knows any more stays as it is."""
    return str(ROLES.get(code, code))
