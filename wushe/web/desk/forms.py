"""Forms of the desk's own pages."""

from django import forms
from django.utils.translation import gettext_lazy as _

from wushe.web.forms import FilterForm


class AuditFilter(FilterForm):
    """The filters above the audit trail."""

    since = forms.DateField(label=_("从"))
    until = forms.DateField(label=_("到"))
    account = forms.CharField(label=_("谁（账号）"), max_length=20)
    verb = forms.CharField(label=_("做了什么（代码）"), max_length=80)
    text = forms.CharField(label=_("对象（类型或编号）"), max_length=80)
