"""Addresses of import and export. One address a kind of table, so that each declares its own right."""

from django.urls import path

from wushe.web.exchange import views

app_name = "exchange"
urlpatterns = [
    path("", views.home, name="home"),
    path("imports/", views.imports, name="imports"),
    *(path(f"{kind}/import/", view, name=f"import_{kind}") for kind, view in views.UPLOADS.items()),
    *(path(f"{kind}/template/", view, name=f"template_{kind}") for kind, view in views.TEMPLATES.items()),
    *(path(f"{kind}/export/", view, name=f"export_{kind}") for kind, view in views.EXPORTS.items()),
    path("imports/<uuid:import_id>/", views.show, name="import"),
    path("imports/<uuid:import_id>/columns/", views.columns, name="columns"),
    path("imports/<uuid:import_id>/check/", views.check, name="check"),
    path("imports/<uuid:import_id>/do/", views.carry_out, name="do"),
    path("imports/<uuid:import_id>/undo/", views.undo, name="undo"),
    path("imports/<uuid:import_id>/discard/", views.discard, name="discard"),
    path("imports/<uuid:import_id>/faults/", views.faults, name="faults"),
]
