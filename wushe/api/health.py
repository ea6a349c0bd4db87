"""Signs of life for whoever watches the machine: `/healthz` (this process), `/readyz` (database, migrations, worker)."""

import logging
from typing import Any

from django.db import DatabaseError, InterfaceError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path
from django.views.decorators.http import require_safe

from wushe.api.declares import Permission
from wushe.kernel import worker

logger = logging.getLogger(__name__)

_migrated = False


def healthz(request: HttpRequest) -> HttpResponse:
    """200 as long as this process answers at all."""
    return HttpResponse("ok\n", content_type="text/plain", headers={"Cache-Control": "no-store"})


def readyz(request: HttpRequest) -> HttpResponse:
    """200 when the database answers, every migration is applied and a worker is alive; else 503. JSON says which failed."""
    checks = {"database": False, "migrations": False, "worker": False}
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        checks["database"] = True
        checks["migrations"] = _is_migrated()
        checks["worker"] = worker.is_alive()
    except (DatabaseError, InterfaceError) as error:
        logger.warning("not ready: %s", type(error).__name__)
    ready = all(checks.values())
    return JsonResponse(
        {"ready": ready, **checks}, status=200 if ready else 503, headers={"Cache-Control": "no-store"}
    )


def _is_migrated() -> bool:
    # Looking costs a read of every migration; once applied they stay applied while this process runs.
    global _migrated
    if not _migrated:
        executor = MigrationExecutor(connection)
        _migrated = not executor.migration_plan(executor.loader.graph.leaf_nodes())
    return _migrated


def _public(view: Any) -> Any:
    view = require_safe(view)
    view.permission = Permission(public=True)
    return view


urlpatterns = [
    path("healthz", _public(healthz), name="healthz"),
    path("readyz", _public(readyz), name="readyz"),
]
