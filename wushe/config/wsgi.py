"""The WSGI entry that granian, or any other server, loads."""

import os
import signal
import threading
import time

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "wushe.config.settings")
application = get_wsgi_application()


def _end_with(parent: int) -> None:
    """Stop this process once `parent` is gone: a server killed outright must leave neither its port nor its database held."""
    while os.getppid() == parent:
        time.sleep(1)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(10)
    os._exit(1)


# Set by `wushe serve`; other servers look after their own processes.
if served_by := os.environ.get("WUSHE_SERVED_BY"):
    threading.Thread(target=_end_with, args=(int(served_by),), name="end-with-parent", daemon=True).start()
