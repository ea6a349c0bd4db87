"""Files that mean harm, or are not what they say. Each with the code it must be refused with, or "read" and the rows it holds."""

import gzip
import io
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import xlsxwriter

TYPES = (
    '<?xml version="1.0" encoding="UTF-8"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
    '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    '<Default Extension="xml" ContentType="application/xml"/>'
    '<Override PartName="/xl/workbook.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/>'
    '<Override PartName="/xl/worksheets/sheet1.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"/>'
    "</Types>"
)
RELS = (
    '<?xml version="1.0"?><Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
    '<Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="xl/workbook.xml"/></Relationships>'
)
WORKBOOK = (
    '<?xml version="1.0"?><workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" '
    'xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"><sheets><sheet name="S" sheetId="1" r:id="rId1"/></sheets></workbook>'
)
WORKBOOK_RELS = (
    '<?xml version="1.0"?><Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
    '<Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet" Target="worksheets/sheet1.xml"/></Relationships>'
)
SHEET_HEAD = (
    '<?xml version="1.0"?><worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">'
)
ONE_ROW = '<row r="1"><c r="A1" t="inlineStr"><is><t>姓名</t></is></c></row>'


@dataclass(frozen=True)
class Hostile:
    """One file: what it is called, its bytes, and what must come of it (`refused` code, or rows read)."""

    what: str
    name: str
    data: bytes
    refused: str | tuple[str, ...] = ""
    rows: int | None = None


def parts(
    sheet: str | bytes = f"{SHEET_HEAD}<sheetData>{ONE_ROW}</sheetData></worksheet>", **other: str | bytes
) -> dict[str, str | bytes]:
    """Return the members of a small workbook, some of them replaced (`__` in a name stands for `/`)."""
    found: dict[str, str | bytes] = {
        "[Content_Types].xml": TYPES,
        "_rels/.rels": RELS,
        "xl/workbook.xml": WORKBOOK,
        "xl/_rels/workbook.xml.rels": WORKBOOK_RELS,
        "xl/worksheets/sheet1.xml": sheet,
    }
    return found | {name.replace("__", "/"): content for name, content in other.items()}


def packed(members: dict[str, str | bytes], level: int = 9) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=level) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return out.getvalue()


def _stream(pieces: Iterator[bytes], name: str, rest: dict[str, str | bytes]) -> bytes:
    """Pack one huge member without ever holding it."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        with archive.open(name, "w", force_zip64=True) as member:
            for piece in pieces:
                member.write(piece)
        for other, content in rest.items():
            archive.writestr(other, content)
    return out.getvalue()


def without_sheet() -> dict[str, str | bytes]:
    found = parts()
    del found["xl/worksheets/sheet1.xml"]
    return found


def zip_bomb() -> bytes:
    block = b"<!-- " + b"0" * (2**20) + b" -->"
    head, tail = SHEET_HEAD.encode(), f"<sheetData>{ONE_ROW}</sheetData></worksheet>".encode()
    return _stream(iter([head, *[block] * 600, tail]), "xl/worksheets/sheet1.xml", without_sheet())


def lying_sizes() -> bytes:
    """A bomb whose directory says it unpacks to a hundred bytes."""
    raw = SHEET_HEAD.encode() + b" " * (40 * 2**20)
    content = zlib.compress(raw, 9)[2:-4]
    data = bytearray(packed(without_sheet() | {"xl/worksheets/sheet1.xml": b"X" * 100}))
    marker = b"xl/worksheets/sheet1.xml"
    # Rebuilt by hand: local header, content, directory with false sizes.
    out = io.BytesIO()
    entries: list[tuple[bytes, int, bytes, int, int]] = []
    for info in zipfile.ZipFile(io.BytesIO(bytes(data))).infolist():
        name = info.filename.encode()
        body = (
            content
            if name == marker
            else zlib.compress(zipfile.ZipFile(io.BytesIO(bytes(data))).read(info), 9)[2:-4]
        )
        size = 100 if name == marker else info.file_size
        crc = info.CRC
        entries.append((name, crc, body, size, out.tell()))
        out.write(
            struct.pack("<IHHHHHIIIHH", 0x04034B50, 20, 0, 8, 0, 0, crc, len(body), size, len(name), 0)
            + name
            + body
        )
    start = out.tell()
    for name, crc, body, size, at in entries:
        out.write(
            struct.pack(
                "<IHHHHHHIIIHHHHHII",
                0x02014B50,
                20,
                20,
                0,
                8,
                0,
                0,
                crc,
                len(body),
                size,
                len(name),
                0,
                0,
                0,
                0,
                0,
                at,
            )
            + name
        )
    out.write(
        struct.pack("<IHHHHIIH", 0x06054B50, 0, 0, len(entries), len(entries), out.tell() - start, start, 0)
    )
    return out.getvalue()


def many_members() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for number in range(30_000):
            archive.writestr(f"xl/x{number}.xml", b"")
    return out.getvalue()


def false_count() -> bytes:
    """Thirty thousand members, of which the end record admits one."""
    data = bytearray(many_members())
    at = data.rfind(b"PK\x05\x06")
    struct.pack_into("<HH", data, at + 8, 1, 1)
    return bytes(data)


def nested_zip() -> bytes:
    inner = packed({"big.xml": b"0" * 2**20})
    for _ in range(4):
        inner = packed({f"{number}.zip": inner for number in range(8)})
    return inner


def twice_the_same_name() -> bytes:
    data = packed(parts(aa__one="1", bb__two="2"))
    return data.replace(b"bb/two", b"aa/one")


def billion_laughs() -> bytes:
    entities = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 12))
    strings = (
        f'<?xml version="1.0"?><!DOCTYPE sst [<!ENTITY l0 "lol">{entities}]><sst><si><t>&l11;</t></si></sst>'
    )
    return packed(parts(xl__sharedStrings="", **{"xl/sharedStrings.xml": strings}))


def outside_entity() -> bytes:
    text = WORKBOOK.replace(
        "<workbook", '<!DOCTYPE w [<!ENTITY x SYSTEM "file:///etc/passwd">]><workbook'
    ).replace('name="S"', 'name="&x;"')
    return packed(parts(**{"xl/workbook.xml": text}))


def blown_up_entity() -> bytes:
    sheet = (
        '<?xml version="1.0"?><!DOCTYPE s [<!ENTITY a "'
        + "a" * 50_000
        + '">]>'
        + SHEET_HEAD[21:]
        + "<sheetData>"
        + ONE_ROW.replace("姓名", "&a;" * 50_000)
        + "</sheetData></worksheet>"
    )
    return packed(parts(sheet))


def external_link() -> bytes:
    out = io.BytesIO()
    workbook = xlsxwriter.Workbook(out, {"in_memory": True})
    sheet = workbook.add_worksheet()
    sheet.write_string(0, 0, "姓名")
    sheet.write_formula(1, 0, "='file:///etc/[passwd]Sheet1'!A1", None, "已存的值")
    sheet.write_url(2, 0, "http://192.0.2.1/never", string="合成甲")
    workbook.close()
    return out.getvalue()


def formulas() -> bytes:
    out = io.BytesIO()
    workbook = xlsxwriter.Workbook(out, {"in_memory": True})
    sheet = workbook.add_worksheet()
    sheet.write_formula(0, 0, '=WEBSERVICE("http://192.0.2.1/")', None, "姓名")
    sheet.write_formula(1, 0, "=1/0", None, "#DIV/0!")
    sheet.write_formula(2, 0, '=HYPERLINK("http://192.0.2.1/","x")', None, "合成甲")
    workbook.close()
    return out.getvalue()


def blank_rows(cell: str = "") -> bytes:
    pieces = (
        "".join(
            f'<row r="{row}">{cell.format(row)}</row>' if cell else f'<row r="{row}"/>'
            for row in range(start, start + 4096)
        ).encode()
        for start in range(2, 1_040_000, 4096)
    )
    head = f"{SHEET_HEAD}<sheetData>{ONE_ROW}".encode()

    def whole() -> Iterator[bytes]:
        yield head
        yield from pieces
        yield b"</sheetData></worksheet>"

    return _stream(whole(), "xl/worksheets/sheet1.xml", without_sheet())


def far_cell() -> bytes:
    return packed(
        parts(
            f'{SHEET_HEAD}<sheetData>{ONE_ROW}<row r="1048576"><c r="XFD1048576"><v>1</v></c></row></sheetData></worksheet>'
        )
    )


def far_cell_in_disguise() -> bytes:
    """The same corner, spelled so that a search over the text does not see it."""
    cell = '<c t="n" note="/" r="&#88;FD1048576"><v>1</v></c>'
    return packed(
        parts(f'{SHEET_HEAD}<sheetData>{ONE_ROW}<row r="1048576">{cell}</row></sheetData></worksheet>')
    )


def wide_sheet() -> bytes:
    cells = "".join(f'<c r="{column}1"><v>1</v></c>' for column in ("A", "ZZ", "XFD"))
    return packed(parts(f'{SHEET_HEAD}<sheetData><row r="1">{cells}</row></sheetData></worksheet>'))


def ods(content: str) -> bytes:
    head = (
        '<?xml version="1.0"?><office:document-content xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0" '
        'xmlns:table="urn:oasis:names:tc:opendocument:xmlns:table:1.0" xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0">'
        '<office:body><office:spreadsheet><table:table table:name="S">'
    )
    tail = "</table:table></office:spreadsheet></office:body></office:document-content>"
    return packed(
        {
            "mimetype": "application/vnd.oasis.opendocument.spreadsheet",
            "META-INF/manifest.xml": '<?xml version="1.0"?><manifest:manifest xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"/>',
            "content.xml": head + content + tail,
        }
    )


def repeated_ods() -> bytes:
    cell = '<table:table-cell office:value-type="string" table:number-columns-repeated="300"><text:p>x</text:p></table:table-cell>'
    return ods(f'<table:table-row table:number-rows-repeated="1048576">{cell}</table:table-row>')


def wide_ods() -> bytes:
    cell = '<table:table-cell office:value-type="string" table:number-columns-repeated="1000000"><text:p>x</text:p></table:table-cell>'
    return ods(f"<table:table-row>{cell}</table:table-row>")


def merges() -> bytes:
    ranges = "".join('<mergeCell ref="A1:XFD1048576"/>' for _ in range(50_000))
    return packed(
        parts(f"{SHEET_HEAD}<sheetData>{ONE_ROW}</sheetData><mergeCells>{ranges}</mergeCells></worksheet>")
    )


def deep_xml() -> bytes:
    return packed(parts(SHEET_HEAD + "<a>" * 300_000 + "</a>" * 300_000 + "</worksheet>"))


def bad_string_index() -> bytes:
    cell = '<c r="A1" t="s"><v>99999999</v></c><c r="B1" t="s"><v>-5</v></c>'
    return packed(parts(f'{SHEET_HEAD}<sheetData><row r="1">{cell}</row></sheetData></worksheet>'))


def traversal() -> bytes:
    return packed(
        parts(
            **{
                "xl/_rels/workbook.xml.rels": WORKBOOK_RELS.replace(
                    "worksheets/sheet1.xml", "../../../../etc/passwd"
                )
            }
        )
    )


def utf16_xml() -> bytes:
    sheet = f"{SHEET_HEAD}<sheetData>{ONE_ROW}</sheetData></worksheet>".replace(
        'version="1.0"', 'version="1.0" encoding="UTF-16"'
    )
    return packed(parts(sheet.encode("utf-16")))


def truncated() -> bytes:
    data = packed(parts())
    return data[: len(data) // 2]


def flipped() -> bytes:
    data = bytearray(packed(parts(), level=0))
    at = data.find(b"sheetData")
    data[at : at + 4] = b"\xff\x00\xfe\x01"
    return bytes(data)


def compound(*names: str) -> bytes:
    """The beginning of a compound file with these stream names in its directory."""
    return (
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
        + b"\x00" * 1024
        + b"".join(name.encode("utf-16-le") + b"\x00" * 64 for name in names)
    )


def encrypted_zip() -> bytes:
    data = bytearray(packed(parts()))
    at = data.find(b"PK\x01\x02")
    while at >= 0:
        data[at + 8] |= 1
        at = data.find(b"PK\x01\x02", at + 4)
    return bytes(data)


_MAKERS: tuple[tuple[str, str, Callable[[], bytes], str | tuple[str, ...], int | None], ...] = (
    ("zip bomb", "bomb.xlsx", zip_bomb, "file.bomb", None),
    ("zip bomb that lies about its size", "liar.xlsx", lying_sizes, ("file.bomb", "file.damaged"), None),
    ("thirty thousand members", "many.xlsx", many_members, "file.bomb", None),
    ("thirty thousand members, one admitted", "few.xlsx", false_count, ("file.bomb", "file.damaged"), None),
    ("zip in zip in zip", "nested.xlsx", nested_zip, "file.not_a_table", None),
    ("two members of one name", "twice.xlsx", twice_the_same_name, "file.damaged", None),
    ("a billion laughs", "laughs.xlsx", billion_laughs, "file.xml_entities", None),
    ("entity that reads a file", "xxe.xlsx", outside_entity, "file.xml_entities", None),
    ("quadratic entity", "quadratic.xlsx", blown_up_entity, "file.xml_entities", None),
    ("links to other files", "links.xlsx", external_link, "", 3),
    ("formulas that call out", "formulas.xlsx", formulas, "", 2),
    (
        "macros renamed",
        "macros.xlsx",
        lambda: packed(parts(**{"xl/vbaProject.bin": b"\xd0\xcf\x11\xe0"})),
        "file.macros",
        None,
    ),
    (
        "binary workbook",
        "binary.xlsx",
        lambda: packed({"[Content_Types].xml": TYPES, "xl/workbook.bin": b"\x83\x01"}),
        "file.xlsb",
        None,
    ),
    ("a million blank rows", "blank.xlsx", blank_rows, "", 1),
    ("a million blank formatted cells", "formatted.xlsx", lambda: blank_rows('<c r="A{0}" s="0"/>'), "", 1),
    (
        "one cell in the farthest corner",
        "corner.xlsx",
        far_cell,
        ("file.too_many_columns", "file.too_spread"),
        None,
    ),
    (
        "the farthest corner in disguise",
        "disguise.xlsx",
        far_cell_in_disguise,
        ("file.too_heavy", "file.damaged"),
        None,
    ),
    ("16,384 columns", "wide.xlsx", wide_sheet, "file.too_many_columns", None),
    (
        "a million empty columns as text",
        "wide.csv",
        lambda: b"a" + b"," * 1_000_000 + b"b\n",
        ("file.too_many_columns", "file.line_too_long"),
        None,
    ),
    (
        "ods that repeats itself",
        "repeat.ods",
        repeated_ods,
        ("file.too_heavy", "file.too_many_rows", "file.damaged"),
        None,
    ),
    ("ods of a million columns", "wide.ods", wide_ods, "file.too_many_columns", None),
    ("fifty thousand overlapping merges", "merges.xlsx", merges, "", 1),
    ("XML 300,000 deep", "deep.xlsx", deep_xml, "file.bomb", None),
    (
        "shared strings that are not there",
        "index.xlsx",
        bad_string_index,
        ("", "file.damaged", "file.too_heavy"),
        None,
    ),
    ("a sheet outside the archive", "traversal.xlsx", traversal, ("", "file.damaged"), None),
    ("XML in UTF-16", "utf16.xlsx", utf16_xml, "file.damaged", None),
    ("cut in half", "half.xlsx", truncated, "file.damaged", None),
    ("flipped bytes", "flipped.xlsx", flipped, "file.damaged", None),
    (
        "password, new kind",
        "secret.xlsx",
        lambda: compound("EncryptionInfo", "EncryptedPackage"),
        "file.encrypted",
        None,
    ),
    ("password on the archive", "locked.xlsx", encrypted_zip, "file.encrypted", None),
    (
        "Word document",
        "letter.xlsx",
        lambda: packed({"[Content_Types].xml": TYPES, "word/document.xml": "<w/>"}),
        "file.not_a_table",
        None,
    ),
    ("old Word document", "letter.xls", lambda: compound("WordDocument"), "file.not_a_table", None),
    (
        "old workbook with macros",
        "macros.xls",
        lambda: compound("Workbook", "_VBA_PROJECT"),
        "file.macros",
        None,
    ),
    ("old workbook that is none", "none.xls", lambda: compound("Workbook"), "file.damaged", None),
    ("program", "list.xlsx", lambda: b"MZ\x90\x00" + b"\x00" * 500, "file.not_a_table", None),
    ("PDF", "list.xlsx", lambda: b"%PDF-1.7\n" + b"x" * 500, "file.not_a_table", None),
    ("picture", "list.csv", lambda: b"\x89PNG\r\n\x1a\n" + b"\x00" * 500, "file.not_a_table", None),
    ("gzip", "list.csv", lambda: gzip.compress(b"name\n" * 500), "file.not_a_table", None),
    (
        "web page",
        "list.xls",
        lambda: "<html><table><tr><td>姓名</td></tr></table></html>".encode(),
        "file.web_page",
        None,
    ),
    (
        "XML table of 2003",
        "list.xls",
        lambda: b'<?xml version="1.0"?><Workbook xmlns="urn:schemas-microsoft-com:office:spreadsheet"/>',
        "file.xml",
        None,
    ),
    ("text called xlsx", "list.xlsx", lambda: "姓名,电话\n".encode(), "file.wrong_type", None),
    ("nothing", "list.csv", lambda: b"", "file.empty", None),
    ("blanks", "list.csv", lambda: b" \r\n\t\r\n", "file.empty", None),
    (
        "a quote that never ends",
        "quote.csv",
        lambda: '姓名,备注\n"合成甲,x\n'.encode() + b"y,z\n" * 100_000,
        "file.open_quote",
        None,
    ),
    ("one line of 40 MB", "line.csv", lambda: b"a" * 40 * 2**20, "file.line_too_long", None),
    (
        "binary called csv",
        "data.csv",
        lambda: b"name,phone\n" + bytes(range(256)) * 50,
        ("file.binary", "file.bad_encoding"),
        None,
    ),
    (
        "a million blank lines",
        "blank.csv",
        lambda: "姓名\n".encode() + b"\n" * 1_000_000 + "合成甲\n".encode(),
        "",
        2,
    ),
    (
        "a cell of a million characters",
        "cell.csv",
        lambda: "姓名\n".encode() + b"a" * 1_000_000 + b"\n",
        ("file.open_quote", "file.line_too_long"),
        None,
    ),
    (
        "UTF-16 cut in the middle",
        "cut.csv",
        lambda: "姓名,电话\n合成甲".encode("utf-16")[:-1],
        "file.bad_encoding",
        None,
    ),
    ("too large", "large.csv", lambda: b"a,b\n" * (17 * 2**20), "file.too_big", None),
)


def all_files() -> Iterator[Hostile]:
    """Yield the files one after the other; only one is held at a time."""
    for what, name, make, refused, rows in _MAKERS:
        yield Hostile(what, name, make(), refused, rows)
