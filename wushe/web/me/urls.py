"""Addresses of the pages about oneself."""

from django.urls import path

from wushe.web.me import views

app_name = "me"
urlpatterns = [
    path("", views.home, name="home"),
    path("messages/<uuid:message_id>/seen/", views.message_seen, name="message_seen"),
    path("data/", views.data, name="data"),
    path("data/contacts/new/", views.contact_new, name="contact_new"),
    path("data/contacts/<uuid:contact_id>/remove/", views.contact_remove, name="contact_remove"),
    path("data/contacts/<uuid:contact_id>/prefer/", views.contact_prefer, name="contact_prefer"),
    path("data/address/", views.address, name="address"),
    path("data/export/", views.export, name="export"),
    path("data/erase/", views.erase, name="erase"),
    path("data/erase/sure/", views.erase_sure, name="erase_sure"),
    path("erased/", views.erased, name="erased"),
    path("consents/", views.consents, name="consents"),
    path("consents/give/", views.consent_give, name="consent_give"),
    path("consents/<uuid:consent_id>/withdraw/", views.consent_withdraw, name="consent_withdraw"),
    path("security/", views.security, name="security"),
    path("security/password/", views.password, name="password"),
    path("security/phone/", views.phone, name="phone"),
    path("security/pin/", views.pin, name="pin"),
    path("security/card/end/", views.card_end, name="card_end"),
    path("security/sessions/end/", views.sessions_end, name="sessions_end"),
    path("security/second-factor/", views.second_factor, name="second_factor"),
    path("security/second-factor/off/", views.second_factor_off, name="second_factor_off"),
    path("security/second-factor/codes/", views.recovery_codes, name="recovery_codes"),
    path("security/tokens/new/", views.token_new, name="token_new"),
    path("security/tokens/<uuid:token_id>/end/", views.token_end, name="token_end"),
    path("settings/", views.settings, name="settings"),
]
