"""Where the benchmarks measure: a database of one kind for the time of a block."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))


@contextmanager
def environment(kind: str, folder: Path, name: str, log_level: str = "WARNING") -> Iterator[dict[str, str]]:
    """Yield the environment of a program on a "sqlite" file `name` in `folder`, or on "postgresql".

    PostgreSQL is `WUSHE_BENCHMARK_POSTGRES_URL`, else a private server without fsync that ends with the block.
    """
    cluster = None
    if kind == "sqlite":
        url = f"sqlite:///{folder / name}.sqlite3"
    elif not (url := os.environ.get("WUSHE_BENCHMARK_POSTGRES_URL", "")):
        from tests.support.database import start_cluster

        cluster = start_cluster()
        url = cluster.url
    try:
        yield os.environ | {
            "WUSHE_DATA": str(folder),
            "WUSHE_DATABASE_URL": url,
            "DJANGO_SETTINGS_MODULE": "wushe.config.settings",
            "WUSHE_LOG_LEVEL": log_level,
        }
    finally:
        if cluster is not None:
            cluster.stop()
