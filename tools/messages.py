"""The English of every visible string. The strings themselves are Chinese and stand in code and templates.

    python -m tools.messages extract   print every string with the places it stands in
    python -m tools.messages missing   print entries, ready to fill in, for the strings without English
    python -m tools.messages check     exit 1 unless every string has English, nothing conflicts and nothing is left over
    python -m tools.messages compile   merge the fragments wushe/locale/en/LC_MESSAGES/*.po into django.mo

English lives in fragments, one per part of the program, so that two people seldom edit one file. `compile` is part of set-up
and uses the standard library only; `extract` and `check` need the development tools (Babel, Django).
"""

import ast
import re
import struct
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "wushe"
FRAGMENTS = PACKAGE / "locale" / "en" / "LC_MESSAGES"
CATALOG = FRAGMENTS / "django.mo"

HEADER = "Language: en\nMIME-Version: 1.0\nContent-Type: text/plain; charset=UTF-8\nPlural-Forms: nplurals=2; plural=(n != 1);\n"

# What marks a string in Python, with the arguments that are strings. `N_` marks one where Django may not be imported.
KEYWORDS: dict[str, tuple[int | tuple[int, str], ...] | None] = {
    "_": None,
    "N_": None,
    "gettext": None,
    "gettext_lazy": None,
    "gettext_noop": None,
    "ngettext": (1, 2),
    "ngettext_lazy": (1, 2),
    "pgettext": ((1, "c"), 2),
    "pgettext_lazy": ((1, "c"), 2),
    "npgettext": ((1, "c"), 2, 3),
    "npgettext_lazy": ((1, "c"), 2, 3),
}

CJK = re.compile(r"[\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003134f]")
LATIN = re.compile(r"[A-Za-z]{2,}")
PLACEHOLDER = re.compile(r"%\((\w+)\)[a-z]|%[sd]|\{(\w*)(?:[:!][^{}]*)?\}")

# Latin words that are the same in both languages.
NAMES = {
    "Wushe", "English", "CSV", "XLSX", "xlsx", "csv", "JSON", "PDF", "API", "OpenAPI", "GeoJSON", "PIN", "QR", "TOTP", "UTF",
    "GB", "WGS", "ID", "REST", "SROI", "CC", "URL", "Apache", "Ctrl", "Esc", "Enter", "HTTP", "UUID", "Demo", "data",
}  # fmt: skip
SHOWN_ATTRIBUTES = {
    "title",
    "alt",
    "aria-label",
    "aria-description",
    "placeholder",
    "label",
    "data-confirm",
    "summary",
}

Key = tuple[str, str]  # context ("" for none), msgid


@dataclass
class Entry:
    """One entry of a fragment."""

    context: str = ""
    msgid: str = ""
    plural: str = ""
    texts: dict[int, str] = field(default_factory=dict)
    fuzzy: bool = False
    file: str = ""
    line: int = 0

    @property
    def key(self) -> Key:
        return self.context, self.msgid


@dataclass
class Use:
    """A string found in the program, with the places it stands in."""

    plural: str = ""
    places: list[str] = field(default_factory=list)


class Unreadable(Exception):
    """A fragment is not a .po file; the message names the line."""


# --- reading and writing catalogs ---------------------------------------------------------------------------------------


def read_fragment(path: Path) -> list[Entry]:
    """Return the entries of a .po file, without its header. Raises `Unreadable`."""
    entries: list[Entry] = []
    entry = Entry(file=path.name)
    target = ""

    def finish() -> Entry:
        if entry.msgid:
            entries.append(entry)
        return Entry(file=path.name)

    for number, raw in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        line = raw.strip()
        if line.startswith("#~"):
            raise Unreadable(f"{path.name}:{number}: take obsolete entries out")
        if not line:
            entry, target = finish(), ""
            continue
        if line.startswith("#"):
            if target.startswith("msgstr"):
                entry, target = finish(), ""
            entry.fuzzy |= line.startswith("#,") and "fuzzy" in line
            continue
        match = re.fullmatch(r'(?:(msgctxt|msgid_plural|msgid|msgstr(?:\[\d\])?)\s+)?(".*")', line)
        if match is None:
            raise Unreadable(f"{path.name}:{number}: neither a keyword with a quoted text nor a comment")
        keyword, quoted = match.groups()
        try:
            text = str(ast.literal_eval(quoted))
        except (SyntaxError, ValueError):
            raise Unreadable(f"{path.name}:{number}: the quoted text does not parse") from None
        if keyword in ("msgctxt", "msgid") and target.startswith("msgstr"):
            entry = finish()
        target = keyword or target
        if target == "msgctxt":
            entry.context += text
        elif target == "msgid":
            entry.line = entry.line or number
            entry.msgid += text
        elif target == "msgid_plural":
            entry.plural += text
        elif target.startswith("msgstr"):
            index = int(target[7]) if "[" in target else 0
            entry.texts[index] = entry.texts.get(index, "") + text
        else:
            raise Unreadable(f"{path.name}:{number}: a text without a keyword")
    finish()
    return entries


def read_fragments() -> list[Entry]:
    """Return the entries of every fragment, in the order of the files' names."""
    return [entry for path in sorted(FRAGMENTS.glob("*.po")) for entry in read_fragment(path)]


def write_catalog(entries: Iterable[Entry], path: Path) -> int:
    """Write a binary catalog as `gettext` reads it (little-endian, keys sorted, no hash table). Return the entries written."""
    texts: dict[bytes, bytes] = {b"": HEADER.encode()}
    for entry in entries:
        if not all(entry.texts.values()) or entry.fuzzy:
            continue
        key = f"{entry.context}\x04{entry.msgid}" if entry.context else entry.msgid
        if entry.plural:
            key += f"\x00{entry.plural}"
        texts[key.encode()] = "\x00".join(entry.texts[index] for index in sorted(entry.texts)).encode()
    keys = sorted(texts)
    offset = 28 + 16 * len(keys)
    table: list[tuple[int, int]] = []
    body = b""
    for part in [*keys, *(texts[key] for key in keys)]:
        table.append((len(part), offset + len(body)))
        body += part + b"\x00"
    head = struct.pack("<7I", 0x950412DE, 0, len(keys), 28, 28 + 8 * len(keys), 0, offset)
    beside = path.with_suffix(".mo-new")
    beside.write_bytes(head + b"".join(struct.pack("<2I", *pair) for pair in table) + body)
    beside.replace(path)
    return len(keys) - 1


# --- finding the strings ------------------------------------------------------------------------------------------------


def _template_files() -> list[Path]:
    return sorted(
        path for path in PACKAGE.rglob("templates/**/*") if path.suffix in (".html", ".txt", ".xml", ".svg")
    )


def _python_files() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def extract() -> dict[Key, Use]:
    """Return every string the program marks for translation, with the places it stands in."""
    from io import BytesIO

    from babel.messages.extract import extract as babel_extract
    from django.utils.translation.template import templatize

    found: dict[Key, Use] = {}
    sources: list[tuple[Path, bytes]] = [(path, path.read_bytes()) for path in _python_files()]
    for path in _template_files():
        # Django turns a template into calls between X's; without indentation Babel reads the lines as Python.
        calls = templatize(path.read_text(encoding="utf-8"))
        sources.append((path, "\n".join(line.lstrip() for line in calls.split("\n")).encode()))
    for path, content in sources:
        options = {"encoding": "utf-8"}
        for line, message, _comments, context in babel_extract(
            "python", BytesIO(content), KEYWORDS, (), options
        ):
            msgid, plural = message if isinstance(message, tuple) else (message, "")
            if not msgid:
                continue
            use = found.setdefault((context or "", msgid), Use())
            use.plural = use.plural or plural or ""
            use.places.append(f"{path.relative_to(ROOT)}:{line}")
    return found


# --- judging ------------------------------------------------------------------------------------------------------------


def _placeholders(text: str) -> set[str]:
    return {match.group(0) for match in PLACEHOLDER.finditer(text.replace("%%", ""))}


def check_fragments(entries: list[Entry], found: dict[Key, Use]) -> list[str]:
    """Return what is wrong with the English: missing, empty, conflicting, left over, or with other placeholders."""
    faults: list[str] = []
    known: dict[Key, Entry] = {}
    for entry in entries:
        where = f"{entry.file}:{entry.line}"
        if entry.key in known:
            other = known[entry.key]
            if (other.texts, other.plural) != (entry.texts, entry.plural):
                faults.append(f"{where}: {entry.msgid!r} reads otherwise in {other.file}:{other.line}")
            elif other.file == entry.file:
                faults.append(f"{where}: {entry.msgid!r} stands twice in this file")
            continue
        known[entry.key] = entry
        if entry.key not in found:
            faults.append(f"{where}: {entry.msgid!r} is used nowhere")
            continue
        if entry.fuzzy:
            faults.append(f"{where}: {entry.msgid!r} is marked fuzzy")
        wanted = {0, 1} if found[entry.key].plural else {0}
        if set(entry.texts) != wanted or not all(entry.texts.values()):
            faults.append(
                f"{where}: {entry.msgid!r} lacks its English ({'singular and plural' if 1 in wanted else 'one text'})"
            )
            continue
        if found[entry.key].plural != entry.plural:
            faults.append(
                f"{where}: {entry.msgid!r} has another plural in the program: {found[entry.key].plural!r}"
            )
        # The singular may say "one" instead of the number.
        allowed = _placeholders(entry.msgid) | _placeholders(entry.plural)
        for index, text in entry.texts.items():
            given = _placeholders(text)
            if given != allowed and not (1 in wanted and index == 0 and given < allowed):
                faults.append(f"{where}: placeholders differ: {entry.msgid!r} → {text!r}")
        if any(CJK.search(text) for text in entry.texts.values()) and not CJK.sub("", entry.msgid).strip(
            "： ()（）"
        ):
            faults.append(f"{where}: the English of {entry.msgid!r} is Chinese")
    for key, use in sorted(found.items(), key=lambda item: item[1].places[0]):
        if key not in known:
            faults.append(f"{use.places[0]}: no English for {key[1]!r}")
        if not CJK.search(key[1]) and LATIN.search(PLACEHOLDER.sub("", key[1])) and not _only_names(key[1]):
            faults.append(
                f"{use.places[0]}: {key[1]!r} is not Chinese; the program's own language is Chinese"
            )
    return faults


def _only_names(text: str) -> bool:
    return all(word in NAMES for word in LATIN.findall(re.sub(r"&\w+;", " ", text)))


class _Shown(HTMLParser):
    """Collects what a reader sees or hears of a page: text, and the attributes that are shown or read out."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=False)
        self.texts: list[tuple[int, str]] = []
        self._silent = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if value and (name in SHOWN_ATTRIBUTES or (name == "value" and tag == "button")):
                self.texts.append((self.getpos()[0], value))
        if tag in ("script", "style", "code", "kbd", "samp"):
            self._silent += 1

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self._silent -= tag in ("script", "style", "code", "kbd", "samp")

    def handle_endtag(self, tag: str) -> None:
        self._silent -= tag in ("script", "style", "code", "kbd", "samp")

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self.texts.append((self.getpos()[0], data))


def untranslated_in_templates() -> list[str]:
    """Return the visible words of templates that stand outside of the translation tags."""
    from django.template.base import Lexer, TokenType

    faults: list[str] = []
    for path in _template_files():
        name = path.relative_to(ROOT)
        plain: list[str] = []
        silent = ""
        for token in Lexer(path.read_text(encoding="utf-8")).tokenize():
            words = token.contents.split()
            filler = "\n" * token.contents.count("\n")
            if token.token_type == TokenType.BLOCK and words:
                if not silent and words[0] in ("comment", "blocktranslate", "blocktrans", "verbatim"):
                    silent = f"end{words[0]}"
                elif words[0] == silent:
                    silent = ""
                elif words[0] not in ("translate", "trans", "blocktranslate", "blocktrans") and not silent:
                    for literal in re.findall(r"(_\()?(\"[^\"]*\"|'[^']*')", token.contents):
                        if CJK.search(literal[1]) and not literal[0]:
                            faults.append(f"{name}:{token.lineno}: not translated: {literal[1]}")
                plain.append(filler)
            elif token.token_type == TokenType.TEXT and not silent:
                plain.append(token.contents)
            else:
                plain.append(filler)
                if token.token_type == TokenType.VAR and CJK.search(
                    re.sub(r"_\((\"[^\"]*\"|'[^']*')\)", "", token.contents)
                ):
                    faults.append(f"{name}:{token.lineno}: not translated: {token.contents}")
        text = "".join(plain)
        if path.suffix == ".txt":
            shown = [(number, line) for number, line in enumerate(text.splitlines(), 1)]
        else:
            parser = _Shown()
            parser.feed(text)
            shown = parser.texts
        for line, piece in shown:
            if CJK.search(piece) or not _only_names(piece):
                faults.append(f"{name}:{line}: not translated: {' '.join(piece.split())[:80]!r}")
    return faults


def untranslated_in_scripts() -> list[str]:
    """Return the lines of our own scripts that hold Chinese: words reach a script in the page, translated."""
    faults: list[str] = []
    for path in sorted((PACKAGE / "web" / "static" / "js").rglob("*.js")):
        code = re.sub(
            r"/\*.*?\*/",
            lambda m: "\n" * m.group(0).count("\n"),
            path.read_text(encoding="utf-8"),
            flags=re.DOTALL,
        )
        for number, line in enumerate(code.split("\n"), 1):
            if CJK.search(re.sub(r"(^|\s)//.*", "", line)):
                faults.append(f"{path.relative_to(ROOT)}:{number}: Chinese in a script: {line.strip()[:80]}")
    return faults


def untranslated_in_python() -> list[str]:
    """Return the Chinese literals of pages and API that are not marked for translation.

    A line that must hold one as it is (a fixed mark, a column name of a file) says why: `# zh: <reason>`.
    """
    faults: list[str] = []
    for path in sorted([*(PACKAGE / "web").rglob("*.py"), *(PACKAGE / "api").rglob("*.py")]):
        source = path.read_text(encoding="utf-8")
        lines = source.split("\n")
        tree = ast.parse(source)
        marked: set[int] = set()
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
                if name in KEYWORDS:
                    marked.update(id(inner) for argument in node.args for inner in ast.walk(argument))
            elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
                marked.add(id(node.value))  # a docstring
        for node in ast.walk(tree):
            if not (
                isinstance(node, ast.Constant) and isinstance(node.value, str) and CJK.search(node.value)
            ):
                continue
            reasons = lines[node.lineno - 1] + lines[(node.end_lineno or node.lineno) - 1]
            if id(node) not in marked and not re.search(r"# zh: \S", reasons):
                faults.append(f"{path.relative_to(ROOT)}:{node.lineno}: not translated: {node.value[:60]!r}")
    return faults


# --- the command --------------------------------------------------------------------------------------------------------


def _quote(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
    return f'"{escaped}"'


def _entry(key: Key, use: Use) -> str:
    lines = [f"#: {use.places[0]}"]
    if key[0]:
        lines.append(f"msgctxt {_quote(key[0])}")
    lines.append(f"msgid {_quote(key[1])}")
    if use.plural:
        lines += [f"msgid_plural {_quote(use.plural)}", 'msgstr[0] ""', 'msgstr[1] ""']
    else:
        lines.append('msgstr ""')
    return "\n".join(lines) + "\n"


def main(arguments: list[str]) -> int:
    """Run one command; return the exit code."""
    command = arguments[0] if arguments else "check"
    if command == "compile":
        FRAGMENTS.mkdir(parents=True, exist_ok=True)
        unique = {entry.key: entry for entry in reversed(read_fragments())}
        written = write_catalog(unique.values(), CATALOG)
        print(f"Compiled {written} messages to {CATALOG.relative_to(ROOT)}")
        return 0
    if command in ("extract", "missing"):
        known = {entry.key for entry in read_fragments()} if command == "missing" else set()
        # Further words narrow it to the files whose path starts with one of them.
        for key, use in sorted(extract().items(), key=lambda item: item[1].places[0]):
            if key not in known and (not arguments[1:] or use.places[0].startswith(tuple(arguments[1:]))):
                print(_entry(key, use))
        return 0
    if command == "check":
        found = extract()
        faults = [
            *check_fragments(read_fragments(), found),
            *untranslated_in_templates(),
            *untranslated_in_scripts(),
            *untranslated_in_python(),
        ]
        print("\n".join(faults) if faults else f"{len(found)} messages, all in English too")
        return 1 if faults else 0
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except Unreadable as error:
        sys.exit(f"tools.messages: {error}")
