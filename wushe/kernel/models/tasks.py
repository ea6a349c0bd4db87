"""What the workers share: due times of repeated work, and signs of life."""

from django.db import models


class Schedule(models.Model):
    """One row per repeated piece of work (定时任务): when it is due, who holds it, how it went.

    The code and the interval are not stored; `@scheduled` in the code names them. Queued tasks are `django_tasks_db` rows.
    """

    name = models.CharField(max_length=120, primary_key=True)
    due_at = models.DateTimeField()
    claimed_by = models.CharField(max_length=64, blank=True)
    claimed_until = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    failures = models.PositiveIntegerField(default=0)
    last_error = models.TextField(blank=True)

    class Meta:
        verbose_name = "定时任务"


class WorkerBeat(models.Model):
    """One row per running worker (后台进程心跳): when it was last alive. Rows of stopped workers are removed."""

    worker_id = models.CharField(max_length=64, primary_key=True)
    started_at = models.DateTimeField()
    beat_at = models.DateTimeField(db_index=True)

    class Meta:
        verbose_name = "后台进程心跳"
