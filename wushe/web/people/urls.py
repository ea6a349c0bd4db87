"""Addresses of the people pages."""

from django.urls import path

from wushe.web.people import dealings, views

app_name = "people"
urlpatterns = [
    path("", views.people_list, name="list"),
    path("new/", views.person_new, name="new"),
    path("duplicates/", dealings.duplicates, name="duplicates"),
    path("<uuid:person_id>/", views.person_detail, name="detail"),
    path("<uuid:person_id>/edit/", views.person_edit, name="edit"),
    path("<uuid:person_id>/number/", views.person_number, name="number"),
    path("<uuid:person_id>/history/", views.person_history, name="history"),
    path("<uuid:person_id>/reveal/", views.person_reveal, name="reveal"),
    path("<uuid:person_id>/identity/", views.identity_reveal, name="identity"),
    path("<uuid:person_id>/contacts/new/", views.contact_new, name="contact_new"),
    path(
        "<uuid:person_id>/contacts/<uuid:contact_point_id>/remove/",
        views.contact_remove,
        name="contact_remove",
    ),
    path(
        "<uuid:person_id>/contacts/<uuid:contact_point_id>/prefer/",
        views.contact_prefer,
        name="contact_prefer",
    ),
    path("<uuid:person_id>/organizations/new/", views.membership_new, name="membership_new"),
    path("<uuid:person_id>/qualifications/new/", views.qualification_new, name="qualification_new"),
    path(
        "qualifications/<uuid:held_qualification_id>/remove/",
        views.qualification_remove,
        name="qualification_remove",
    ),
    path("<uuid:person_id>/consents/", views.consents, name="consents"),
    path("consents/<uuid:consent_id>/withdraw/", views.consent_withdraw, name="consent_withdraw"),
    path("<uuid:person_id>/guardians/new/", views.guardian_new, name="guardian_new"),
    path("guardians/<uuid:guardianship_id>/end/", views.guardian_end, name="guardian_end"),
    path("<uuid:person_id>/merge/", dealings.merge, name="merge"),
    path("<uuid:person_id>/distinct/", dealings.distinct, name="distinct"),
    path("merges/<uuid:person_merge_id>/", dealings.merged, name="merged"),
    path("merges/<uuid:person_merge_id>/undo/", dealings.merge_undo, name="merge_undo"),
    path("<uuid:person_id>/copy/", dealings.copy, name="copy"),
    path("<uuid:person_id>/erase/", dealings.erase, name="erase"),
]
