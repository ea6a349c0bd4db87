"""`make run`: a working site with demo data. One process, so that a second start takes no longer than it must."""

import contextlib
import io
import json
import os
import sys
import time
from pathlib import Path
from typing import Any


def _demo_file() -> Path:
    return Path(os.environ["WUSHE_DATA"]).resolve() / "demo.json"


def _known_demo() -> dict[str, Any] | None:
    """Return the log-ins of an earlier run if its database still stands there; asking costs no start of Django.

    Only a file can be seen to stand there: on a database server the question is put to the database each time.
    """
    path = _demo_file()
    if (
        os.environ.get("WUSHE_DATABASE_URL")
        or not path.exists()
        or not path.with_name("wushe.sqlite3").exists()
    ):
        return None
    known: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return known


def _is_empty() -> bool:
    """True when nobody can log in yet, so that demo data is welcome."""
    from wushe.community.models import Account

    return not Account.objects.exists()


def _load_demo() -> dict[str, Any]:
    from wushe.cli.main import cli

    size = os.environ.get("WUSHE_DEMO_SIZE", "district")
    print(f"Loading demo data ({size}) …", flush=True)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        cli.main(["demo", "--size", size], prog_name="wushe", standalone_mode=False)
    text = printed.getvalue()
    found: dict[str, Any] = json.loads(text[text.index("{") :])
    path = _demo_file()
    path.write_text(json.dumps(found, ensure_ascii=False), encoding="utf-8")
    path.chmod(0o600)
    return found


def _print_logins(demo: dict[str, Any], port: str) -> None:
    rows = [["角色 role", "账号 account", "密码 password", "地点 place"]]
    rows += [
        [str(entry.get(name) or "—") for name in ("role", "account", "password", "place")]
        for entry in demo["logins"]
    ]
    print("\n演示账号 · Demo log-ins")
    for role, account, password, place in rows:
        print(f"  {role:<26}{account:<22}{password:<18}{place}")
    print(f"\nWushe 五社: http://127.0.0.1:{port}/   (Ctrl-C stops it)\n", flush=True)


def main() -> None:
    """Bring the database up, fill an empty one with demo data, print the log-ins, serve."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "wushe.config.settings")
    demo = _known_demo()
    if demo is None:
        began = time.monotonic()
        from wushe.cli.start import start

        start()
        if _is_empty():
            demo = _load_demo()
            print(f"Demo data loaded in {time.monotonic() - began:.0f} s")
        elif _demo_file().exists():
            demo = json.loads(_demo_file().read_text(encoding="utf-8"))
    if demo is not None:
        _print_logins(demo, os.environ["PORT"])
    # The site starts as anyone would start it, in this process's place.
    wushe = Path(sys.executable).with_name("wushe")
    os.execv(wushe, [str(wushe), "serve"])


if __name__ == "__main__":
    main()
