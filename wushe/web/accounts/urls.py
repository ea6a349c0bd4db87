"""Addresses of log-in, account and grant pages."""

from django.urls import path

from wushe.web.accounts import views

app_name = "accounts"
urlpatterns = [
    path("login/", views.login, name="login"),
    path("login/code/", views.second_factor, name="second_factor"),
    path("logout/", views.logout, name="logout"),
    path("enter/", views.enter, name="enter"),
    path("password/", views.first_password, name="first_password"),
    path("c/<str:token>/", views.card, name="card"),
    path("invitation/<str:token>/", views.invitation, name="invitation"),
    path("desk/accounts/", views.account_list, name="list"),
    path("desk/accounts/new/", views.account_new, name="new"),
    path("desk/accounts/<uuid:account_id>/", views.account_detail, name="detail"),
    path("desk/accounts/<uuid:account_id>/password/", views.account_password, name="reset_password"),
    path("desk/accounts/<uuid:account_id>/link/", views.account_invite, name="invite"),
    path("desk/accounts/<uuid:account_id>/link/end/", views.account_invite_end, name="invite_end"),
    path("desk/accounts/<uuid:account_id>/card/", views.account_card, name="card_new"),
    path("desk/accounts/<uuid:account_id>/card/end/", views.account_card_end, name="card_end"),
    path("desk/accounts/<uuid:account_id>/phone/", views.account_phone, name="phone"),
    path("desk/accounts/<uuid:account_id>/close/", views.account_close, name="close"),
    path("desk/accounts/<uuid:account_id>/reopen/", views.account_reopen, name="reopen"),
    path(
        "desk/accounts/<uuid:account_id>/second-factor/off/",
        views.account_second_factor_off,
        name="second_factor_off",
    ),
    path("desk/accounts/<uuid:account_id>/sessions/end/", views.account_sessions_end, name="sessions_end"),
    path("desk/accounts/<uuid:account_id>/grants/new/", views.grant_new, name="grant_new"),
    path("desk/grants/", views.grant_list, name="grants"),
    path("desk/grants/dangers/", views.grant_dangers, name="dangers"),
    path("desk/grants/<uuid:grant_id>/end/", views.grant_end, name="grant_end"),
    path("desk/grants/<uuid:grant_id>/prolong/", views.grant_prolong, name="grant_prolong"),
]
