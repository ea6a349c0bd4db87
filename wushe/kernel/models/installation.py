"""Facts about this installation as a whole."""

from django.db import models

from wushe.kernel.fields import KeyField


class InstallationFact(models.Model):
    """One row per fact about this installation (安装标记), such as that it holds demo data. Not stored: settings, which are environment variables."""

    code = KeyField(max_length=40, primary_key=True)
    value = models.CharField(max_length=200)
    noted_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.code
