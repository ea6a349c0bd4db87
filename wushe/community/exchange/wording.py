"""Faults, notes and headings in words that an office worker understands, in the language of who reads them.

What is stored with a run are codes and details; the words are chosen when a page, a file or the command line shows them.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _

from wushe.community.operations.people import explain
from wushe.community.rules import people

SENTENCES: Final[dict[str, Any]] = {
    # --- cells
    "cell.missing": _("没有填写。这一列必须填。"),
    "cell.error": _("这个单元格里的公式出错了（例如 #N/A）。请改成文字或数字。"),
    "cell.ditto_first": _("写了“同上”，但上面没有可以沿用的内容。"),
    "cell.ditto_not_here": _("这一列不能写“同上”，每个人都要写自己的。"),
    "text.too_long": _("有 %(length)s 个字，最多 %(limit)s 个字。请缩短。"),
    "text.lost_character": _("有的字在保存文件时已经丢失（%(value)s）。请在原表里重新输入，另存为 .xlsx。"),
    "text.control_character": _("含有看不见的控制字符。请在原表里重新输入这一格。"),
    "name.is_a_number": _("“%(value)s”是数字或日期，不是姓名。可能列名对应错了。"),
    "name.no_letters": _("“%(value)s”里没有一个字，不像姓名。"),
    "date.not_a_date": _("“%(value)s”看不懂是哪一天。请写成 2024-03-05 这样。"),
    "date.no_such_day": _("没有“%(value)s”这一天。请核对。"),
    "date.no_day": _("“%(value)s”只有年和月，没有日。请补上日，不知道就空着。"),
    "date.only_year": _("“%(value)s”只有年份。请补上月和日，不知道就空着。"),
    "date.day_or_month": _("“%(value)s”分不清哪个是月、哪个是日。请写成 2024-03-05 这样。"),
    "date.which_century": _("“%(value)s”可能是 %(early)s 年，也可能是 %(late)s 年。请写四位年份。"),
    "date.out_of_range": _("“%(value)s”离现在太远，请核对年份。"),
    "date.in_the_future": _("%(value)s 还没有到。请核对。"),
    "date.too_long_ago": _("%(value)s 是一百多年以前，请核对年份。"),
    "date.birth_differs": _("出生日期 %(value)s 与证件号码里的出生日期不一致。请核对哪一个是对的。"),
    "number.digits_lost": _(
        "号码被表格软件当成数字，后面几位已经丢失。请先把这一列设为“文本”格式，再重新输入。"
    ),
    "number.became_date": _(
        "号码被表格软件变成了日期（%(value)s）。请先把这一列设为“文本”格式，再重新输入。"
    ),
    "identity.not_one": _("证件号码不对。请核对位数和最后一位。"),
    "identity.wrong": _("证件号码没有通过校验，可能抄错了一位。请对照证件核对。"),
    "phone.not_one": _("“%(value)s”不是完整的电话号码。手机 11 位；座机请加区号。"),
    "phone.masked": _("电话里有星号（%(value)s），是打了码的号码。请填完整号码，或者空着。"),
    "phone.too_many": _("一格里有 %(count)s 个电话，最多 5 个。"),
    "email.not_one": _("“%(value)s”不是邮箱地址。"),
    "code.not_one": _("不是编号。"),
    "count.not_one": _("“%(value)s”不是整数。"),
    "count.too_big": _("“%(value)s”太大了，最多 %(most)s。"),
    "money.not_one": _("“%(value)s”不是金额。请写成 120000 或 12万。"),
    "degrees.not_one": _("“%(value)s”不是经纬度。请写成小数，例如 109.80000。"),
    "degrees.half": _("经度和纬度要么都填，要么都不填。"),
    "hours.not_clear": _(
        "“%(value)s”没看懂。可以这样写：周一至周五 9:00-12:00、14:00-17:30；周六 9:00-12:00"
    ),
    "sex.not_one": _("“%(value)s”不是性别。请写男或女，不知道就空着。"),
    "yes_no.not_one": _("“%(value)s”请改成“是”或“否”。"),
    "choice.not_one": _("“%(value)s”不在可选的%(what)s里。可选：%(options)s。"),
    "credit_code.wrong": _("统一社会信用代码应为 18 位且通过校验。请对照证照检查，特别是 0 和 O、1 和 I。"),
    # --- places and organizations
    "place.missing": _("没有写所在社区，导入时也没有选定统一的社区。"),
    "place.not_found": _("在您的辖区里没有找到“%(value)s”。请核对名称，或改用区划代码。"),
    "place.ambiguous": _("“%(value)s”不止一个：%(candidates)s。请写上街道，例如“某街道/某社区”。"),
    "place.grid_not_found": _("“%(place)s”下面没有叫“%(value)s”的网格或楼栋。请先在地方页面添加，或者空着。"),
    "place.no_right": _("您不能在这个地方登记。"),
    "organization.not_found": _("没有找到名为“%(value)s”的组织。请核对名称，或先导入组织。"),
    "organization.ambiguous": _("名为“%(value)s”的组织不止一个：%(candidates)s。请改写统一社会信用代码。"),
    "organization.no_right": _("您不能往“%(value)s”里添加成员。"),
    "membership.organization_missing": _("写了身份或职务，却没有写组织。"),
    "venue.not_found": _("没有找到名为“%(value)s”的场地。请核对名称，或先导入场地。"),
    "station.tier_does_not_fit": _("“%(tier)s”不设在“%(place)s”这一级。请换一个层级，或另选服务区域。"),
    "station.owner_differs": _("现在由“%(present)s”负责。换单位要写明日期，请在站点页面办理交接。"),
    "station.closed": _("这个站点已经停用，不能修改。如果是误停用，请先恢复。"),
    "organization.parent_differs": _("现在的上级是“%(present)s”。换上级请在组织页面办理。"),
    "organization.code_taken": _("这个统一社会信用代码不能用在这里：可能已经登记在别处。请核对。"),
    # --- whole rows
    "row.twice": _("与第 %(line)s 行是同一个（%(by)s），内容却不同。请只留一行。"),
    "row.number_taken": _("这个志愿者编号不能用于此人：请核对，或者空着。"),
    "row.number_of_another": _("这个志愿者编号登记在另一个姓名下。请核对编号和姓名。"),
    "row.identity_of_another": _("这个证件号码登记在另一个姓名下。请核对证件号码和姓名。"),
    "row.identity_differs": _("此人已登记的证件号码与表里的不同。请核对。"),
    "row.several_match": _(
        "现有记录里有 %(count)s 个人都像是这一个。请写上志愿者编号、电话或出生日期，或先合并重复的记录。"
    ),
    "row.no_edit_right": _("已有这条记录，但您不能修改它。"),
    # --- notes: taken over, but worth a look
    "row.hidden": _("这一行在表格里是隐藏的（可能是筛选留下的），也会一起导入。"),
    "row.same_as": _("与第 %(line)s 行完全相同，只算一次。"),
    "row.maybe_duplicate": _("同一社区已有同名的人，可能是同一个。导入后请在“可能重复”里核对。"),
    "row.maybe_duplicate_name": _("辖区里已有同名的记录，请核对是不是同一个。"),
    "row.guardian_added": _("作为监护人一起登记。"),
    "birth.from_identity": _("出生日期按证件号码填写。"),
    "sex.from_identity": _("性别按证件号码填写。"),
    "name.blank_removed": _("姓名中间的空格已去掉：%(value)s。"),
    # --- notes on a file
    "sheet.hidden": _("工作表“%(sheet)s”是隐藏的，没有读取。"),
    "sheet.no_header": _("工作表“%(sheet)s”里没有找到表头，没有读取。"),
    "sheet.too_many_merges": _("工作表“%(sheet)s”合并的单元格太多，合并没有展开。"),
    "sheet.asides": _("跳过了 %(count)s 行合计、附注或重复的表头。"),
    "column.no_right": _("您没有读写“%(column)s”的权限，这一列没有导入。"),
}

FALLBACK: Final = _("这一行无法导入（%(code)s）。")


def sentence(code: str, details: Mapping[str, Any], options: Sequence[str] = ()) -> str:
    """Return the sentence for a fault or note in the active language. An unknown code is named, never hidden."""
    text = SENTENCES.get(code)
    if text is None and code.startswith("person."):
        return explain(people.Fault("", code, dict(details)))
    if text is None:
        return str(FALLBACK) % {"code": code}
    filled: dict[str, Any] = {
        key: _joined(value) if isinstance(value, list | tuple) else value for key, value in details.items()
    }
    filled.setdefault("options", _joined(options))
    filled.setdefault("value", "")
    for name in ("what", "by"):  # these are themselves words to be translated
        if filled.get(name):
            filled[name] = _now(str(filled[name]))
    return str(text) % filled


def _joined(items: Sequence[Any]) -> str:
    return _now("、").join(str(item) for item in items)
