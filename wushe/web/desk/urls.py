"""Addresses of the desk's own pages."""

from django.urls import path

from wushe.web.desk import views

app_name = "desk"
urlpatterns = [
    path("", views.home, name="home"),
    path("start/", views.start, name="start"),
    path("search/", views.search, name="search"),
    path("audit/", views.audit, name="audit"),
    path("audit/<uuid:event_id>/", views.audit_event, name="audit_event"),
]
