"""Addresses below desk/organizations/."""

from django.urls import path

from wushe.web.organizations import duties, stations, venues, views

app_name = "organizations"
urlpatterns = [
    path("", views.listed, name="list"),
    path("suggest/", views.suggest, name="suggest"),
    path("new/", views.new, name="new"),
    path("<uuid:organization_id>/", views.detail, name="detail"),
    path("<uuid:organization_id>/edit/", views.edit, name="edit"),
    path("<uuid:organization_id>/parent/", views.parent, name="parent"),
    path("<uuid:organization_id>/close/", views.close, name="close"),
    path("<uuid:organization_id>/reopen/", views.reopen, name="reopen"),
    path("<uuid:organization_id>/rest/", views.rest, name="rest"),
    path("<uuid:organization_id>/wake/", views.wake, name="wake"),
    path("<uuid:organization_id>/members/", views.members, name="members"),
    path("<uuid:organization_id>/members/add/", views.add_member, name="add_member"),
    path("memberships/<uuid:membership_id>/end/", views.end_membership, name="end_membership"),
    path("stations/", stations.listed, name="stations"),
    path("stations/new/", stations.new, name="station_new"),
    path("stations/<uuid:station_id>/", stations.detail, name="station"),
    path("stations/<uuid:station_id>/edit/", stations.edit, name="station_edit"),
    path("stations/<uuid:station_id>/hand-over/", stations.hand_over, name="station_hand_over"),
    path("stations/<uuid:station_id>/past/", stations.past, name="station_past"),
    path("stations/<uuid:station_id>/staff/add/", stations.add_staff, name="station_add_staff"),
    path("stations/<uuid:station_id>/close/", stations.close, name="station_close"),
    path("stations/<uuid:station_id>/reopen/", stations.reopen, name="station_reopen"),
    path("responsibilities/<uuid:responsibility_id>/end/", duties.end, name="end_responsibility"),
    path("venues/", venues.listed, name="venues"),
    path("venues/suggest/", venues.suggest, name="venue_suggest"),
    path("venues/new/", venues.new, name="venue_new"),
    path("venues/<uuid:venue_id>/", venues.detail, name="venue"),
    path("venues/<uuid:venue_id>/edit/", venues.edit, name="venue_edit"),
    path("duties/", duties.listed, name="duties"),
    path("duties/<uuid:place_id>/", duties.of_place, name="duties_of_place"),
    path("duties/<uuid:place_id>/hand-over/", duties.hand_over, name="duty_hand_over"),
]
