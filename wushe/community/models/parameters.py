"""Numbers that somebody could dispute: each with the day it holds from, where it holds, and who says so."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from wushe.kernel.fields import KeyField
from wushe.kernel.scoping import ScopedModel


class RuleValue(ScopedModel):
    """One row per value a rule takes from a day on in a region (规则参数), such as a target, a threshold, a notice period.

    A later value is a further row; nothing is overwritten, so that an old figure can be told again. `region` is the official
    code of the area it holds in, "" for the whole nation; the nearest area wins. Not stored: what the number is used for.
    """

    class Scope:
        data_class = "rule"
        public = True

    code = KeyField(_("参数"), max_length=40)
    region = KeyField(_("适用地区"), max_length=12, blank=True)
    value = models.DecimalField(_("数值"), max_digits=14, decimal_places=4)
    valid_from = models.DateField(_("起始日期"))
    source = models.CharField(_("依据"), max_length=300)
    source_en = models.CharField(max_length=300, blank=True)
    is_verified = models.BooleanField(_("已核实"), default=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["code", "region", "valid_from"], name="rule_value_once"),
            models.CheckConstraint(name="rule_value_has_source", condition=~Q(source="")),
        ]

    def __str__(self) -> str:
        return f"{self.code} {self.value}"
