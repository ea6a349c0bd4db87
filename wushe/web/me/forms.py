"""Forms of the pages about oneself."""

from django import forms
from django.utils.translation import gettext_lazy as _

from wushe.web.forms import Form


class ContactForm(Form):
    """One more way to be reached."""

    KINDS = (("PHONE", _("电话")), ("EMAIL", _("电子邮箱")), ("WECHAT", _("微信号")))
    kind = forms.ChoiceField(label=_("方式"), choices=KINDS, widget=forms.RadioSelect, initial="PHONE")
    value = forms.CharField(label=_("号码或地址"), max_length=100)


class AddressForm(Form):
    """Where one lives."""

    address = forms.CharField(
        label=_("住址"), max_length=300, required=False, widget=forms.Textarea(attrs={"rows": "2"})
    )


class EraseForm(Form):
    """The second step before everything about oneself goes."""

    secret = forms.CharField(
        label=_("您的密码或 PIN 码"),
        strip=False,
        max_length=256,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )
    sure = forms.BooleanField(label=_("我知道删除后不能恢复"))
