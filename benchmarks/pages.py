"""Lists and place pages on a city's data: queries and 95th percentiles of each page, on SQLite and PostgreSQL.

    .venv/bin/python benchmarks/pages.py [--size city] [--rounds 40] [--database sqlite|postgresql|both] [--keep FOLDER]

Fills an empty database with all official divisions of the nation and the demo of that size, signs in by the log-in form with
the demo log-in named beside each page, and asks for each page in turn, round after round, in this process: the whole way
through the middleware, the view, the queries and the template. A page that answers anything but 200 stops the run. Connections stay
open as on a running site. There is no peer: no other program shows these pages.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from _databases import ROOT, environment

GOAL_MS, MOST_QUERIES = 200.0, 15
ADMIN, WORKER, OPERATOR = "DISTRICT_ADMIN", "COMMUNITY_WORKER", "PLATFORM_OPERATOR"
# (name, address, log-in); parts in braces come out of what `wushe demo` printed.
PAGES = (
    ("home", "/", ""),
    ("nation", "/places/nation/", ""),
    ("province", "/p/15/", ""),
    ("county", "/p/150603/", ""),
    ("county of 55 stations", "/p/440307/", ""),
    ("city-scale place", "/p/4401/", ""),
    ("street", "/p/150603001/", ""),
    ("community", "/p/150603001001/", ""),
    ("place search", "/places/?q=kang", ""),
    ("desk, worker", "/desk/", WORKER),
    ("desk, administrator", "/desk/", ADMIN),
    ("desk, operator", "/desk/", OPERATOR),
    ("search box", "/desk/search/?q=wang", ADMIN),
    ("people, worker", "/desk/people/", WORKER),
    ("people, administrator", "/desk/people/", ADMIN),
    ("people, a late page", "/desk/people/?page=25", ADMIN),
    ("people, searched", "/desk/people/?q=wang", ADMIN),
    ("person", "/desk/people/{ids[person][0]}/", ADMIN),
    ("duplicates", "/desk/people/duplicates/", ADMIN),
    ("organizations", "/desk/organizations/", ADMIN),
    ("organization", "/desk/organizations/{ids[organization][0]}/", ADMIN),
    ("stations", "/desk/organizations/stations/", ADMIN),
    ("station", "/desk/organizations/stations/{ids[station][0]}/", ADMIN),
    ("venues", "/desk/organizations/venues/", ADMIN),
    ("duties", "/desk/organizations/duties/", ADMIN),
    ("places", "/desk/places/", ADMIN),
    ("imports", "/desk/exchange/imports/", ADMIN),
    ("accounts", "/desk/accounts/", ADMIN),
    ("grants", "/desk/grants/", ADMIN),
    ("records", "/desk/audit/", ADMIN),
    ("my page", "/me/", "VOLUNTEER"),
)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", choices=("small", "district", "city"), default="city")
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--database", choices=("sqlite", "postgresql", "both"), default="both")
    parser.add_argument(
        "--keep", type=Path, help="folder to keep the SQLite database in, and to use it again"
    )
    parser.add_argument("--child", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        measure(given)
        return
    failed = False
    for kind in ("sqlite", "postgresql") if given.database == "both" else (given.database,):
        with tempfile.TemporaryDirectory(prefix="wushe-benchmark-") as temporary:
            folder = given.keep.resolve() if given.keep else Path(temporary)
            folder.mkdir(parents=True, exist_ok=True)
            with environment(kind, folder, "pages", "ERROR") as env:
                printed = folder / f"demo-{kind}.json"
                if not printed.exists():
                    began = time.perf_counter()
                    for arguments in (["init"], ["divisions", "load", "--all"]):
                        subprocess.run(
                            [sys.executable, "-m", "wushe.cli.main", *arguments],
                            env=env, cwd=ROOT, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                        )  # fmt: skip
                    with printed.open("wb") as output:
                        subprocess.run(
                            [sys.executable, "-m", "wushe.cli.main", "demo", "--size", given.size],
                            env=env, cwd=ROOT, check=True, stdout=output, stderr=subprocess.DEVNULL,
                        )  # fmt: skip
                    print(
                        f"{kind}: demo data of size {given.size} in {time.perf_counter() - began:.0f} s",
                        flush=True,
                    )
                child = [sys.executable, __file__, "--child", str(printed), "--rounds", str(given.rounds)]
                failed |= subprocess.run(child, env=env, cwd=ROOT, check=False).returncode != 0
    sys.exit(1 if failed else 0)


class Queries:
    """Counts what goes to the database."""

    count = 0

    def __call__(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        self.count += 1
        return execute(sql, params, many, context)


def measure(given: argparse.Namespace) -> None:
    import django

    django.setup()
    from django.conf import settings
    from django.db import connection
    from django.test import Client
    from django.utils import translation

    from wushe.community.models import Organization, Person, Place

    settings.ALLOWED_HOSTS = ["127.0.0.1"]
    demo = json.loads(Path(given.child).read_text(encoding="utf-8"))
    translation.activate("en")
    logins = {entry["role"]: entry for entry in reversed(demo["logins"])}  # the first of each role
    clients = {"": Client(SERVER_NAME="127.0.0.1", raise_request_exception=True)}
    for role in {role for _name, _url, role in PAGES if role}:
        clients[role] = Client(SERVER_NAME="127.0.0.1", raise_request_exception=True)
        answer = clients[role].post(
            "/login/",
            {"identifier": logins[role]["account"], "password": logins[role]["password"]},
        )
        assert answer.status_code == 302, (role, answer.status_code)
    counts = [f"{m.objects.count():,} {m._meta.verbose_name_plural}" for m in (Person, Organization, Place)]
    print(f"\n== {connection.vendor}: {', '.join(counts)} ==", flush=True)
    print(f"{'page':24} {'queries':>8} {'median ms':>10} {'p95 ms':>8} {'KB':>6}")
    spent: dict[str, list[float]] = {name: [] for name, _url, _role in PAGES}
    asked: dict[str, int] = dict.fromkeys(spent, 0)
    size: dict[str, int] = {}
    for number in range(given.rounds + 2):
        for name, pattern, role in PAGES:
            queries = Queries()
            began = time.perf_counter()
            with connection.execute_wrapper(queries):
                answer = clients[role].get(pattern.format(**demo))
                content = answer.content
            took = (time.perf_counter() - began) * 1000
            if answer.status_code != 200:
                sys.exit(f"{name} answers {answer.status_code}: {answer.headers.get('location', '')}")
            size[name] = len(content)
            if number >= 2:  # templates and caches are warm, as on a running site
                spent[name].append(took)
                asked[name] = max(asked[name], queries.count)
    missed = []
    for name, times in spent.items():
        p95 = statistics.quantiles(times, n=20)[18]
        print(
            f"{name:24} {asked[name]:8} {statistics.median(times):10.1f} {p95:8.1f} {size[name] / 1024:6.0f}"
        )
        if p95 > GOAL_MS or asked[name] > MOST_QUERIES:
            missed.append(name)
    print(
        f"goal at most {MOST_QUERIES} queries, p95 ≤ {GOAL_MS:.0f} ms: {'missed by ' + ', '.join(missed) if missed else 'met'}"
    )
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
