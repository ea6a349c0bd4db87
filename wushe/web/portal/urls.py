"""Addresses of the public face."""

from django.urls import path

from wushe.web.portal import views

app_name = "portal"
urlpatterns = [
    path("", views.home, name="home"),
    path("about/", views.about, name="about"),
    path("accessibility/", views.accessibility, name="accessibility"),
    path("privacy/", views.privacy, name="privacy"),
    path("preferences/language/", views.language, name="language"),
    path("preferences/type-size/", views.type_size, name="type_size"),
]
