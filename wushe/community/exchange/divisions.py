"""Read the official divisions that travel in the wheel, and load them. `tools/build_divisions.py` tells their format."""

import gc
import json
import lzma
import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from django.utils.translation import gettext as _

from wushe.community.operations import places as operations
from wushe.community.rules import places as rules
from wushe.kernel import policy
from wushe.kernel.actor import Actor
from wushe.kernel.problems import Problem
from wushe.kernel.text import fold_name

DATA: Final = operations.DATA
_WIDTHS: Final = (2, 2, 2, 3, 3)
_ENDS: Final = (0, 2, 4, 6, 9)
_HEAD: Final = re.compile("[1-5][0-9]*")
_PLAIN: Final = re.compile("[\u4e00-\u9fa5]+")
Progress = Callable[[int, int], None]
"""Called with the number of divisions done and the number to do."""


class NoDivisionsPackage(Problem):
    """The data package was never built into this copy of the program."""

    code = "divisions.no_package"


class UnknownDivision(Problem):
    """The code asked for is not in the data package."""

    code = "divisions.unknown_code"


class DamagedDivisions(Problem):
    """A file of the data package is not what its manifest says."""

    code = "divisions.damaged"


def manifest() -> dict[str, Any]:
    """Return where the package comes from, its date (`as_of`), counts and checksums. Raises `NoDivisionsPackage`."""
    try:
        found: dict[str, Any] = json.loads((DATA / "manifest.json").read_text("utf-8"))
    except FileNotFoundError:
        raise NoDivisionsPackage(
            _("没有区划数据包：请先运行 make assets（或安装带数据的 wheel），然后重试。")
        ) from None
    return found


def provinces() -> list[str]:
    """Return the two-digit codes of the provinces in the package."""
    return sorted(manifest()["counts_by_province"])


def divisions(codes: Sequence[str]) -> Iterator[rules.Division]:
    """Yield the divisions `codes` with everything below and above them, in code order.

    All codes must lie in one province. Raises `UnknownDivision`, `DamagedDivisions`, `NoDivisionsPackage`.
    """
    provinces_named = {code[:2] for code in codes}
    if len(provinces_named) != 1:
        raise ValueError("divisions() reads one province at a time")
    province = provinces_named.pop()
    wanted = tuple(codes)
    above = {code for named in codes for code in rules.codes_above(named)}
    missing = set(codes)
    everything = province in missing
    for division in _read(province, operations.readings_table(), above if not everything else None, wanted):
        missing.discard(division.code)
        yield division
    if missing:
        raise UnknownDivision(_unknown(min(missing)))


def load(*, by: Actor, codes: Sequence[str] | None, progress: Progress | None = None) -> operations.Loaded:
    """Load the divisions `codes` (all of the nation when None) with what lies above and below them.

    One transaction and one audit row per province, so that nobody waits long for the write lock and a load that was
    stopped goes on where it was. Repeating it changes nothing. Unknown codes are refused before anything is written.
    """
    policy.require(by, "create", policy.Facts("place", place_paths=frozenset({rules.NATION})))
    package = manifest()
    by_province = _by_province(codes, package)
    collecting = gc.isenabled()
    gc.disable()  # hundreds of thousands of small tuples, none in a ring: looking through them costs a sixth of the time
    try:
        return _load(by, package, by_province, progress)
    finally:
        if collecting:
            gc.enable()


def _load(
    by: Actor, package: dict[str, Any], by_province: dict[str, list[str]], progress: Progress | None
) -> operations.Loaded:
    total = operations.Loaded()
    to_do = sum(package["counts_by_province"][province] for province in by_province)
    walked = 0
    with ThreadPoolExecutor(
        max_workers=1
    ) as ahead:  # reads the next province while the database takes in this one
        batches = sorted(by_province.items())
        coming = ahead.submit(_batch, batches[0][1])
        for (province, named), (_next, following) in zip(batches, [*batches[1:], ("", [])], strict=True):
            rows = coming.result()
            if following:
                coming = ahead.submit(_batch, following)
            # What was asked for may be a small part of the province; say so as soon as it is known.
            to_do += len(rows) - package["counts_by_province"][province]

            def step(done: int, walked: int = walked, to_do: int = to_do) -> None:
                if progress is not None:
                    progress(walked + done, to_do)

            total += operations.load_divisions(
                by=by,
                rows=rows,
                as_of=date.fromisoformat(package["as_of"]),
                source=package["source"],
                complete=tuple(named),
                progress=step,
            )
            walked += len(rows)
    return total


def _batch(named: Sequence[str]) -> list[rules.Division]:
    return list(divisions(named))


def _by_province(codes: Sequence[str] | None, package: dict[str, Any]) -> dict[str, list[str]]:
    """Group the outermost of `codes` by province; refuse what the package does not hold, before anything is written."""
    known = package["counts_by_province"]
    if codes is None:
        return {province: [province] for province in known}
    grouped: dict[str, list[str]] = {}
    for code in sorted({code.strip() for code in codes}):
        if rules.level_of_code(code) is None or code[:2] not in known:
            raise UnknownDivision(_unknown(code))
        named = grouped.setdefault(code[:2], [])
        if not any(code.startswith(outer) for outer in named):
            named.append(code)
    for province, named in grouped.items():
        if named != [province]:
            present = {line[0] for line in _lines(province)}
            for code in named:
                if code not in present:
                    raise UnknownDivision(_unknown(code))
    return grouped


def _unknown(code: str) -> str:
    message = _("没有代码为 %(code)s 的区划：请核对 2、4、6、9 或 12 位的统计用区划代码。") % {
        "code": code[:20]
    }
    return str(message)


@lru_cache(maxsize=1)
def _checksums() -> dict[str, str]:
    found: dict[str, str] = manifest()["sha256"]
    return found


def _lines(province: str) -> Iterator[tuple[str, int, list[str]]]:
    """Yield code, level and columns of each line of a province's file."""
    path: Path = DATA / f"{province}.xz"
    content = path.read_bytes() if path.exists() else b""
    if sha256(content).hexdigest() != _checksums().get(path.name):
        message = _("区划数据文件 %(file)s 缺失或损坏：请重新运行 make assets 或重新安装。") % {
            "file": path.name
        }
        raise DamagedDivisions(message)
    text = lzma.decompress(content).decode("utf-8")
    last: dict[str, int] = {}
    current = ""
    for line in text.splitlines():
        columns = line.split("\t")
        level, step = rules.COMMUNITY, 1
        if _HEAD.fullmatch(columns[0]):
            head = columns.pop(0)
            level, step = int(head[0]), int(head[1:] or 1)
        above = current[: _ENDS[level - 1]]
        number = last[above] = last.get(above, 0) + step
        current = above + str(number).zfill(_WIDTHS[level - 1])
        yield current, level, columns


def _read(
    province: str,
    table: dict[str, tuple[str, ...]],
    above: set[str] | None,
    wanted: tuple[str, ...],
) -> Iterator[rules.Division]:
    known: dict[str, rules.SearchKeys] = {}
    for code, level, columns in _lines(province):
        if above is not None and not code.startswith(wanted) and code not in above:
            continue
        name = columns[0]
        core = rules.core_name(name, level)
        case = core if len(columns) == 1 else "\t".join([core, *columns[1:]])
        keys = known.get(case)
        if keys is None:
            here = dict(map(_special, columns[1:]))
            folded = core if _PLAIN.fullmatch(core) else fold_name(core)
            keys = known[case] = rules.search_keys(folded, rules.readings_of(core, table, here))
        yield rules.Division(code, name, level, rules.kind_of(name, level), keys)


def _special(column: str) -> tuple[int, str]:
    digits = len(column) - len(column.lstrip("0123456789"))
    return int(column[:digits]), column[digits:]
