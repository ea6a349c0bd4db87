"""The product's own settings, with what makes a thousand tests bearable: a quick password hash and no waiting for the disk."""

import os

from wushe.config.settings import *  # noqa: F403  # the whole point: the tests run on the settings that ship
from wushe.config.settings import DATA, DATABASES

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

_default = DATABASES["default"]
_suffix = "".join(c if c.isalnum() else "_" for c in os.environ.get("WUSHE_TEST_SUFFIX", ""))
if _default["ENGINE"].endswith("sqlite3"):
    # A file, not memory: two connections, locks and a crash then behave as they do in an office.
    _default["TEST"] = {"NAME": str(DATA / "test.sqlite3")}
    _default["OPTIONS"]["init_command"] = _default["OPTIONS"]["init_command"].replace(
        "synchronous=FULL", "synchronous=OFF"
    )
else:
    _default["TEST"] = {"NAME": f"test_wushe_{_suffix}" if _suffix else "test_wushe"}
