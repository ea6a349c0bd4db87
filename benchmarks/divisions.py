"""The official divisions of the whole nation: time to load, and 95th percentiles of subtree, ancestors and search, beside naive peers.

    .venv/bin/python benchmarks/divisions.py [--database sqlite|postgresql|both] [--rounds 300] [--keep FOLDER]

The load is what `wushe divisions load --all` does: 665,276 divisions out of the package in the wheel into a new database, with
every index, key and constraint in place, one transaction for each province. SQLite runs as it ships (WAL, synchronous=FULL).
PostgreSQL is `WUSHE_BENCHMARK_POSTGRES_URL`, else a private server without fsync, which the output says.

Every query is the room's own, for a place drawn at random, and is asked of the national tree. Peers run in turn in the same
rounds: a recursive walk over `parent_id` for the subtree and its counts, one look-up per step for the ancestors, and
`name__icontains` for the search. A search whose place is not among its answers, although there was room for it, stops the run.
"""

import argparse
import random
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from _databases import ROOT, environment

LOAD_GOAL_SECONDS = 60.0
GOAL_MS = 20.0


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--database", choices=("sqlite", "postgresql", "both"), default="both")
    parser.add_argument("--rounds", type=int, default=300, help="how often each query is asked")
    parser.add_argument("--keep", help="folder to keep the SQLite database in, and to use it again")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        measure(given)
        return
    failed = False
    for kind in ("sqlite", "postgresql") if given.database == "both" else (given.database,):
        with tempfile.TemporaryDirectory(prefix="wushe-benchmark-") as temporary:
            folder = Path(given.keep or temporary)
            folder.mkdir(parents=True, exist_ok=True)
            child = [sys.executable, __file__, "--child", kind, "--rounds", str(given.rounds)]
            with environment(kind, folder, "divisions") as env:
                failed |= subprocess.run(child, env=env, cwd=ROOT, check=False).returncode != 0
    sys.exit(1 if failed else 0)


def measure(given: argparse.Namespace) -> None:
    import django

    django.setup()
    from django.core.management import call_command
    from django.db import connection

    from wushe.community.exchange import divisions
    from wushe.community.models import Place
    from wushe.kernel.actor import Actor

    call_command("migrate", run_syncdb=True, verbosity=0)
    seconds, worked = None, 0.0
    if not Place.objects.exists():
        started, worked = time.perf_counter(), time.process_time()
        divisions.load(by=Actor.operator("benchmark"), codes=None)
        seconds, worked = time.perf_counter() - started, time.process_time() - worked
    total = Place.objects.count()
    durable = ""
    if given.child == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT current_setting('fsync'), current_setting('server_version')")
            fsync, version = cursor.fetchone()
        durable = f" {version}, fsync {fsync}"
    print(f"\n== {given.child}{durable}: {total:,} divisions ==")
    if seconds is not None:
        print(
            f"full national load: {seconds:.1f} s, {worked:.1f} s of them this process's own work", flush=True
        )
    worst = Rounds(random.Random(20260101), given.rounds).run()
    met = worst <= GOAL_MS and (seconds is None or seconds <= LOAD_GOAL_SECONDS)
    print(
        f"goals (p95 ≤ {GOAL_MS:.0f} ms in every class, load ≤ {LOAD_GOAL_SECONDS:.0f} s): {'met' if met else 'missed'}"
    )
    sys.exit(0 if met else 1)


class Rounds:
    """Asks every kind of question in turn, ours and the peers', and prints median and p95 of each."""

    def __init__(self, chance: random.Random, rounds: int) -> None:
        from wushe.community.models import Place
        from wushe.kernel.actor import Actor

        self.chance, self.rounds = chance, rounds
        self.actor = Actor.anonymous()
        self.times: dict[str, list[float]] = defaultdict(list)
        self.by_level = {
            level: list(Place.objects.filter(level=level).order_by("path")) for level in (1, 2, 3)
        }
        streets = list(Place.objects.filter(level=4).order_by("path").values_list("pk", flat=True))
        communities = list(Place.objects.filter(level=5).order_by("path").values_list("pk", flat=True))
        self.by_level[4] = list(Place.objects.filter(pk__in=chance.sample(streets, 400)).order_by("path"))
        self.by_level[5] = list(Place.objects.filter(pk__in=chance.sample(communities, 400)).order_by("path"))

    def run(self) -> float:
        for number in range(self.rounds):
            self.tree(peers=number % 10 == 0)
            self.search(peers=number % 10 == 0)
        print(f"{'':42}{'n':>6}{'median ms':>12}{'p95 ms':>10}")
        worst = 0.0
        for name, times in self.times.items():
            median, p95 = percentile(times, 0.5), percentile(times, 0.95)
            print(f"{name:42}{len(times):>6}{median:>12.2f}{p95:>10.2f}")
            if not name.startswith("peer"):
                worst = max(worst, p95)
        return worst

    def timed(self, name: str, ask: Callable[[], Any]) -> Any:
        started = time.perf_counter()
        answer = ask()
        self.times[name].append((time.perf_counter() - started) * 1000)
        return answer

    def pick(self, level: int) -> Any:
        return self.chance.choice(self.by_level[level])

    def tree(self, *, peers: bool) -> None:
        from wushe.community.models import Place
        from wushe.community.queries import places as queries

        street, county, city, province = self.pick(4), self.pick(3), self.pick(2), self.pick(1)
        community = self.pick(5)
        self.timed("subtree of a street, all rows", lambda: list(queries.subtree(self.actor, street)))
        self.timed("subtree of a county, all rows", lambda: list(queries.subtree(self.actor, county)))
        self.timed("streets of a city", lambda: list(queries.subtree(self.actor, city, level=4)))
        mine = self.timed("roll-up of a county", lambda: queries.counts_by_level(self.actor, county))
        self.timed("roll-up of a city", lambda: queries.counts_by_level(self.actor, city))
        self.timed("roll-up of a province", lambda: queries.counts_by_level(self.actor, province))
        above = self.timed("ancestors of a community", lambda: queries.ancestors(self.actor, community))
        if peers:
            theirs = self.timed(
                "peer: recursive walk, roll-up of a county", lambda: recursive_counts(county.pk)
            )
            assert theirs == mine
            self.timed("peer: recursive walk, roll-up of a province", lambda: recursive_counts(province.pk))

            def walk() -> list[Any]:
                found, parent = [], community.parent_id
                while parent is not None:
                    place = Place.objects.get(pk=parent)
                    found.append(place)
                    parent = place.parent_id
                return found[::-1]

            assert self.timed("peer: ancestors one by one", walk) == above

    def search(self, *, peers: bool) -> None:
        from wushe.community.models import Place, PlaceKey
        from wushe.community.queries import places as queries
        from wushe.community.rules import places as rules

        target = self.pick(self.chance.choice((1, 2, 3, 3, 4, 4, 5, 5, 5)))
        county = self.pick(3)
        inside = self.chance.choice(list(queries.subtree(self.actor, county)[:200]))
        core = rules.core_name(target.name, target.level)
        questions = [
            ("search: beginning of the name", core[: self.chance.randint(1, len(core))], target),
            ("search: name with its suffix", target.name, target),
            ("search: beginning of the pinyin", target.pinyin[: self.chance.randint(2, 12)], target),
            ("search: initials", target.initials, target),
            (
                "search: nowhere to be found",
                self.chance.choice(("不存在的某处", "qzqzqz", "永无此地街道")),
                None,
            ),
        ]
        further = list(PlaceKey.objects.filter(place=target).values_list("key", flat=True))
        if further:
            questions.append(("search: another reading", self.chance.choice(further), target))
        for name, text, wanted in questions:
            hits = self.timed(name, partial(queries.search_places, self.actor, text))
            found = [hit.place for hit in hits]
            if wanted is not None and len(hits) < 20 and wanted not in found:
                sys.exit(f"{wanted.name} is not among the answers to {text!r}")
        part = rules.core_name(inside.name, inside.level)[-2:]
        hits = self.timed(
            "search: inside a county", lambda: queries.search_places(self.actor, part, within=county)
        )
        if len(hits) < 20 and inside not in [hit.place for hit in hits]:
            sys.exit(f"{inside.name} is not among the answers to {part!r} in {county.name}")
        if peers:
            self.timed(
                "peer: name__icontains nationally",
                lambda: list(Place.objects.filter(name__icontains=core).order_by("level", "name")[:20]),
            )


def recursive_counts(root: Any) -> dict[int, int]:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(
            "WITH RECURSIVE below(id, level) AS (SELECT id, level FROM community_place WHERE parent_id = %s"
            " UNION ALL SELECT p.id, p.level FROM community_place p JOIN below ON p.parent_id = below.id)"
            " SELECT level, count(*) FROM below GROUP BY level ORDER BY level",
            [root if connection.vendor == "postgresql" else root.hex],
        )
        return dict(cursor.fetchall())


def percentile(times: list[float], share: float) -> float:
    ordered = sorted(times)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


if __name__ == "__main__":
    main()
