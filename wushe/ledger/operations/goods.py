"""The vocabulary of goods (物品种类) that the book counts."""

from django.db import transaction
from django.utils.translation import gettext as _

from wushe.kernel import audit, policy
from wushe.kernel.actor import Actor
from wushe.kernel.problems import Problem
from wushe.ledger import rules
from wushe.ledger.models import GoodsItem


class GoodsItemInvalid(Problem):
    """Code, name or unit is missing or too long."""

    code = "ledger.item_invalid"


class GoodsItemDiffers(Problem):
    """The code already stands for other goods or another unit."""

    code = "ledger.item_differs"
    status = 409


@transaction.atomic
def add_goods_item(
    *, by: Actor, code: str, name: str, unit_name: str, name_en: str = "", unit_name_en: str = ""
) -> GoodsItem:
    """Put a kind of goods on the list, or return it when it is there in the same words; a count already booked keeps its unit.

    `unit_name` is what one is ("袋", "箱", "件"). Raises `GoodsItemInvalid`, `GoodsItemDiffers`.
    """
    policy.require(by, "create", policy.Facts("ledger.item"))
    values = {
        "name": name.strip(),
        "name_en": name_en.strip(),
        "unit_name": unit_name.strip(),
        "unit_name_en": unit_name_en.strip(),
    }
    lengths = {"name": 100, "name_en": 100, "unit_name": 30, "unit_name_en": 30}
    code = code.strip()
    if not (code and values["name"] and values["unit_name"]) or len(code) > rules.CODE_LENGTH:
        raise GoodsItemInvalid(_("物品种类要有编码（60 字以内）、名称和计量单位：请补全后重试。"))
    if any(len(values[field]) > limit for field, limit in lengths.items()):
        raise GoodsItemInvalid(_("名称最多 100 字，计量单位最多 30 字：请缩短后重试。"))
    new = GoodsItem(code=code, **values)
    GoodsItem.objects.bulk_create([new], ignore_conflicts=True)
    row = GoodsItem.objects.get(code=code)
    if row.pk == new.pk:
        audit.record(by=by, verb="create", target=row, after=row)
    elif any(getattr(row, field) != value for field, value in values.items()):
        raise GoodsItemDiffers(
            _("编码“%(code)s”已用于“%(name)s”（%(unit)s）：请换一个编码。")
            % {"code": code, "name": row.name, "unit": row.unit_name}
        )
    return row
