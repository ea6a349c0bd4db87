"""The inner half of reading a workbook: runs in a process of its own with little memory and no rights worth having.

A workbook is a program for its parser. Whatever a hostile one does to this process (a grid of 17 billion cells, a panic, a
loop) ends here: the limit on memory or time kills it, and the parent reports one clear line. Started by `sheets.read`
as `python -m wushe.community.exchange.reading`: bytes of the file on standard input, one JSON value a line on
standard output. Imports nothing but the parser and the standard library, so that it starts in a few milliseconds.
"""

import datetime as dt
import io
import json
import sys
from typing import Any

ROWS_A_LINE = 500
MERGES = 20_000


def limit(memory_bytes: int, seconds: int) -> None:
    """Bound this process. Address space is only bounded where the system can (Linux); the parent's checks hold everywhere."""
    try:
        import resource
    except ImportError:  # no such module on Windows
        return
    for name, amount in (("RLIMIT_CPU", seconds), ("RLIMIT_AS", memory_bytes), ("RLIMIT_CORE", 0)):
        kind = getattr(resource, name, None)
        if kind is None:
            continue
        try:
            resource.setrlimit(kind, (amount, amount))
        except (ValueError, OSError):
            continue


def plain(value: Any) -> Any:
    """Return a cell that JSON has no word for as {"t": kind, "v": ISO text}."""
    match value:
        case dt.datetime():
            return {"t": "datetime", "v": value.isoformat()}
        case dt.date():
            return {"t": "date", "v": value.isoformat()}
        case dt.time():
            return {"t": "time", "v": value.isoformat()}
        case dt.timedelta():
            return {"t": "span", "v": str(value.total_seconds())}
        case _:
            return str(value)


def write_sheets(data: bytes, out: Any) -> None:
    """Write every worksheet of the workbook `data` as lines: a head, its rows in batches (blank ones left out), its end."""
    from python_calamine import CalamineWorkbook, SheetTypeEnum, SheetVisibleEnum

    with CalamineWorkbook.from_filelike(io.BytesIO(data)) as workbook:
        for index, about in enumerate(workbook.sheets_metadata):
            if about.typ != SheetTypeEnum.WorkSheet:
                continue
            head: dict[str, Any] = {"sheet": about.name, "hidden": about.visible != SheetVisibleEnum.Visible}
            sheet = workbook.get_sheet_by_index(index)
            left = sheet.start[1] if sheet.start else 0
            merges = sheet.merged_cell_ranges or []
            head["merges"] = (
                [[*first, *last] for first, last in merges[:MERGES]] if len(merges) <= MERGES else []
            )
            head["too_many_merges"] = len(merges) > MERGES
            out.write(json.dumps(head) + "\n")
            batch: list[Any] = []
            for number, cells in enumerate(sheet.iter_rows(), start=1):
                values = cells
                while values and isinstance(values[-1], str) and not values[-1].strip():
                    values.pop()
                if values:
                    batch.append([number, left, values])
                    if len(batch) == ROWS_A_LINE:
                        out.write(json.dumps({"rows": batch}, default=plain) + "\n")
                        batch = []
            if batch:
                out.write(json.dumps({"rows": batch}, default=plain) + "\n")
            out.write('{"sheet_end": true}\n')
        out.write(json.dumps({"end": True}) + "\n")


def main() -> int:
    """Read the limits from the arguments, the file from standard input; exit 0, or 3 with {"refused": reason}."""
    memory_bytes, seconds = int(sys.argv[1]), int(sys.argv[2])
    data = sys.stdin.buffer.read()
    limit(memory_bytes + len(data), seconds)
    from python_calamine import CalamineError, PasswordError

    try:
        write_sheets(data, sys.stdout)
    except PasswordError:
        sys.stdout.write('{"refused": "encrypted"}\n')
        return 3
    except (CalamineError, ValueError, OSError):
        sys.stdout.write('{"refused": "damaged"}\n')
        return 3
    except MemoryError:
        return 4
    except BrokenPipeError:
        return 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
