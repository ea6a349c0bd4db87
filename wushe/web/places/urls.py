"""Addresses of places: the public pages, and the desk pages that change the tree."""

from django.urls import path

from wushe.web.places import administration, views

app_name = "places"
urlpatterns = [
    path("places/", views.search, name="search"),
    path("places/suggest/", views.suggest, name="suggest"),
    path("places/nation/", views.nation, name="nation"),
    path("places/<uuid:place_id>/", views.detail, name="detail"),
    path("p/<str:place_code>/", views.by_code, name="by_code"),
    path("desk/places/", administration.listed, name="desk"),
    path("desk/places/<uuid:place_id>/", administration.record, name="record"),
    path("desk/places/<uuid:place_id>/add/", administration.add, name="add"),
    path("desk/places/<uuid:place_id>/rename/", administration.rename, name="rename"),
    path("desk/places/<uuid:place_id>/point/", administration.point, name="point"),
    path("desk/places/<uuid:place_id>/move/", administration.move, name="move"),
    path("desk/places/<uuid:place_id>/merge/", administration.merge, name="merge"),
    path("desk/places/<uuid:place_id>/split/", administration.split, name="split"),
    path("desk/places/<uuid:place_id>/close/", administration.close, name="close"),
]
