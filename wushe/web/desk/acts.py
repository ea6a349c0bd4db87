"""Words for what the audit trail records. A verb without words here is shown as it is stored."""

from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

ACTS: Final[dict[str, Promise]] = {
    "account.create": _("开账号"),
    "account.close": _("停用账号"),
    "account.reopen": _("恢复账号"),
    "account.log_in": _("登录"),
    "account.phone_change": _("改登录手机号"),
    "account.password_change": _("改密码"),
    "account.password_reset": _("重设密码"),
    "account.sessions_end": _("全部退出"),
    "account.invite": _("发邀请链接"),
    "account.invitation_withdraw": _("作废邀请链接"),
    "account.invitation_accept": _("用邀请链接设密码"),
    "account.card_issue": _("办登录卡"),
    "account.card_revoke": _("停用登录卡"),
    "account.pin_change": _("改 PIN 码"),
    "account.second_factor_on": _("开启两步验证"),
    "account.second_factor_off": _("关闭两步验证"),
    "account.recovery_code_use": _("用恢复码登录"),
    "account.recovery_codes_renew": _("换恢复码"),
    "account.token_issue": _("制作接口令牌"),
    "account.token_revoke": _("停用接口令牌"),
    "grant.give": _("授予角色"),
    "grant.end": _("结束授权"),
    "grant.prolong": _("改授权期限"),
    "add": _("添加"),
    "audit.accept_late": _("补记迟到的审计"),
    "add_contact": _("添加联系方式"),
    "backup.restore": _("从备份恢复"),
    "close": _("关闭"),
    "create": _("新建"),
    "create_many": _("批量新建"),
    "distinct": _("确认不是同一个人"),
    "edit": _("修改"),
    "end": _("结束"),
    "erase": _("删除个人信息"),
    "export": _("导出"),
    "give": _("同意"),
    "hand_over": _("移交"),
    "import": _("导入"),
    "load": _("载入区划"),
    "merge": _("合并"),
    "merge_away": _("并入另一份"),
    "merge_undo": _("撤销合并"),
    "merge_undo_left": _("从合并中恢复"),
    "move": _("移动"),
    "number": _("发志愿者编号"),
    "open": _("启用"),
    "prefer_contact": _("改首选联系方式"),
    "record": _("登记"),
    "register": _("登记组织"),
    "remove": _("移除"),
    "remove_contact": _("删除联系方式"),
    "rename": _("改名"),
    "reopen": _("重新启用"),
    "reveal_contact": _("查看完整联系方式"),
    "reveal_identity": _("查看完整证件号码"),
    "rest": _("转为休眠"),
    "revoke": _("撤回"),
    "seed": _("写入演示数据"),
    "set_hours": _("改开放时间"),
    "set_point": _("改坐标"),
    "split": _("拆分"),
    "start": _("开始"),
    "undo": _("撤销导入"),
    "wake": _("恢复活跃"),
    "withdraw": _("撤回同意"),
}

KINDS: Final[dict[str, Promise]] = {
    "community.Account": _("账号"),
    "community.ApiToken": _("接口令牌"),
    "community.Consent": _("同意"),
    "community.ContactPoint": _("联系方式"),
    "community.DistinctPair": _("两个不同的人"),
    "community.Duty": _("职责"),
    "community.Guardianship": _("监护关系"),
    "community.HeldQualification": _("资质"),
    "community.ImportRun": _("导入"),
    "community.Membership": _("成员关系"),
    "community.Organization": _("组织"),
    "community.Person": _("人员"),
    "community.PersonMerge": _("人员合并"),
    "community.Place": _("地方"),
    "community.Responsibility": _("归口与运营关系"),
    "community.RoleGrant": _("授权"),
    "community.RuleValue": _("规则取值"),
    "community.Skill": _("技能"),
    "community.Station": _("社工站点"),
    "community.Venue": _("场地"),
    "kernel.AuditEvent": _("审计记录"),
    "kernel.Backup": _("备份"),
}


def kind(label: str) -> str:
    """Return the words for the kind of a recorded target in the active language."""
    return str(KINDS.get(label, label))


def act(verb: str) -> str:
    """Return the words for a recorded verb in the active language."""
    return str(ACTS.get(verb, verb))
