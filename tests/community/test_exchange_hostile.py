"""Hostile files: refused with their reason or read harmlessly, in bounded time and memory, and the reader goes on living."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.exchange_corpus import hostile
from wushe.community.exchange import sheets

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 5.0
MEGABYTES = 300


def test_fifty_hostile_files_in_one_bounded_process(tmp_path: Path) -> None:
    """One process reads them all: whatever one of them does, the next is still answered."""
    reader = subprocess.Popen(
        [sys.executable, "-m", "tests.exchange_corpus.drive", str(MEGABYTES)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT,
    )  # fmt: skip
    assert reader.stdin is not None
    assert reader.stdout is not None
    wrong: list[str] = []
    count = 0
    for file in hostile.all_files():
        count += 1
        path = tmp_path / file.name
        path.write_bytes(file.data)
        reader.stdin.write(f"{path}\n")
        reader.stdin.flush()
        line = reader.stdout.readline()
        assert line, f"{file.what}: the reader died"
        found = json.loads(line)
        path.unlink()
        expected = (file.refused,) if isinstance(file.refused, str) else file.refused
        if found["code"] not in expected or (
            found["code"] == "" and file.rows is not None and found["rows"] != file.rows
        ):
            wrong.append(f"{file.what}: {found}, expected {file.refused or file.rows}")
        if found["seconds"] > SECONDS or found["rss_mb"] > MEGABYTES:
            wrong.append(f"{file.what}: too dear: {found}")
    reader.stdin.close()
    assert reader.wait(timeout=10) == 0
    assert not wrong, "\n".join(wrong)
    assert count >= 30


def test_the_limit_on_the_parser_is_what_holds(
    monkeypatch: pytest.MonkeyPatch, fault_fired: Callable[[str], None]
) -> None:
    """With the check of far cells taken out, the parser's own process runs into its limit and the caller gets one clear refusal."""
    monkeypatch.setattr(sheets, "_FAR_CELL", sheets.re.compile(rb"(never)(seen)(at)(all)"))
    workbook = sheets.open_file(hostile.far_cell(), "corner.xlsx")
    with pytest.raises(sheets.FileRefused) as refused:
        list(sheets.rows_of(workbook.sheets()))
    assert refused.value.code == "file.too_heavy"
    fault_fired("the parser was stopped by its memory limit")
