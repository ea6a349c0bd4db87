"""Reads hostile files in a process of its own under a limit on memory, and prints what came of each as one JSON line.

python -m tests.exchange_corpus.drive MEGABYTES < list of paths
"""

import json
import resource
import sys
import time
from pathlib import Path

import django

from wushe.community.exchange import sheets


def outcome(path: Path) -> dict[str, object]:
    """Return the refusal's code, or the number of rows read, with seconds."""
    began = time.monotonic()
    code, rows = "", 0
    try:
        workbook = sheets.open_file(path.read_bytes(), path.name)
        for sheet in workbook.sheets():
            for row in sheet.rows:
                rows += 1
                assert not any(isinstance(cell, str) and "\ufffd" in cell for cell in row.cells)
    except sheets.FileRefused as refusal:
        code = refusal.code
    return {"code": code, "rows": rows, "seconds": round(time.monotonic() - began, 2)}


def main() -> None:
    django.setup()  # for the sentences of the refusals
    usage = (
        int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        if Path("/proc/self/statm").exists()
        else 2**30
    )
    limit = usage + int(sys.argv[1]) * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for line in sys.stdin:
        found = outcome(Path(line.rstrip("\n")))
        found["rss_mb"] = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024
        found["child_rss_mb"] = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024
        sys.stdout.write(json.dumps(found) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
