"""House rules that no linter knows: reasons, names, and nothing inline in templates."""

import ast
import io
import re
import tokenize
from collections.abc import Iterator

from tests.repository.tree import files, matching

OURS = ("wushe/", "tools/", "tests/", "benchmarks/")

BRITISH = re.compile(
    r"organis|authoris|recognis|normalis|initialis|serialis|synchronis|anonymis|pseudonymis|summaris|finalis|minimis|maximis"
    r"|categoris|prioritis|utilis|customis|localis|capitalis|colour|behaviour|favour|neighbour|honour|centre|metre(?!d)"
    r"|programme(?!d|r)|cancelled|labelled|modelling|travell|enrolment|fulfil(?!l)|licence|catalogue|dialogue|analyse"
    r"|defence|offence|grey|judgement|acknowledgement|ageing|cheque(?!r)"
)
VAGUE_FILES = re.compile(r"(^|/)(services?|utils?|helpers?|managers?|misc|common)\.py$")
VAGUE_CLASSES = {"Event", "Context", "Resource", "Session", "Manager", "Helper", "Util", "Utils", "Service"}


def python() -> dict[str, str]:
    return {name: text for name, text in matching(".py").items() if name.startswith(OURS)}


def comments(text: str) -> Iterator[tuple[int, str]]:
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


def test_every_silenced_check_gives_its_reason() -> None:
    faults: list[str] = []
    silenced = 0
    for name, text in python().items():
        for line, comment in comments(text):
            if re.search(r"#\s*(noqa|type:\s*ignore|nosec|pragma)", comment):
                silenced += 1
                if not re.search(
                    r"#\s*(?:noqa: [A-Z]+\d+(?:, ?[A-Z]+\d+)*|type: ignore\[[\w\-, ]+\])\s+[#-]\s*\S+.*",
                    comment,
                ):
                    faults.append(f"{name}:{line}: {comment}")
    assert not faults, "name the rule and give the reason:\n" + "\n".join(faults)
    assert silenced > 0


def test_every_unscoped_query_gives_its_reason() -> None:
    faults: list[str] = []
    for name, text in python().items():
        if not name.startswith("wushe/"):
            continue
        for node in ast.walk(ast.parse(text)):
            if (
                isinstance(node, ast.FunctionDef)
                and node.name.endswith("_unscoped")
                and not (ast.get_docstring(node) or "")
            ):
                faults.append(f"{name}:{node.lineno}: {node.name}")
    assert not faults, "the docstring says why no actor is asked for:\n" + "\n".join(faults)


def test_identifiers_are_spelled_the_american_way() -> None:
    faults: list[str] = []
    for name, text in python().items():
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type == tokenize.NAME and BRITISH.search(token.string.lower()):
                faults.append(f"{name}:{token.start[0]}: {token.string}")
    faults += [str(path) for path in files() if BRITISH.search(path.name.lower())]
    assert not faults, "\n".join(faults)


def test_no_module_and_no_class_has_a_name_that_says_nothing() -> None:
    faults = [name for name in python() if name.startswith("wushe/") and VAGUE_FILES.search(name)]
    for name, text in python().items():
        if name.startswith(("wushe/community", "wushe/kernel")):
            faults += [
                f"{name}:{node.lineno}: class {node.name}"
                for node in ast.walk(ast.parse(text))
                if isinstance(node, ast.ClassDef) and node.name in VAGUE_CLASSES
            ]
    assert not faults, "\n".join(faults)


def test_nothing_is_left_for_later() -> None:
    pattern = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK)\b")
    faults = [
        f"{name}:{number}: {line.strip()[:100]}"
        for name, text in matching(
            ".py", ".html", ".js", ".css", ".sh", ".md", "Makefile", ".ci/run", ".toml"
        ).items()
        for number, line in enumerate(text.split("\n"), 1)
        if pattern.search(line) and name != "tests/repository/test_style.py"
    ]
    for name, text in python().items():
        if not name.startswith("wushe/"):
            continue
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Raise) and "NotImplementedError" in ast.dump(node):
                faults.append(f"{name}:{node.lineno}: not implemented")
    assert not faults, "\n".join(faults)


def test_no_test_is_skipped_or_expected_to_fail() -> None:
    marks = {"skip", "skipif", "xfail", "importorskip", "skipTest", "expectedFailure"}
    faults = [
        f"{name}:{node.lineno}: {node.attr}"
        for name, text in python().items()
        if name.startswith("tests/")
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Attribute) and node.attr in marks
    ]
    assert not faults, "\n".join(faults)


# Calls that judge on the test's behalf: pytest's and Playwright's own, and ours whose name says so.
JUDGES = re.compile(
    r"^_?(check|assert|expect|refuse|verify|must|at_most|raises|fail|warns|wait_for|run_state_machine)"
)


def judging_functions(tree: ast.Module) -> set[str]:
    """Return the functions of a module that assert, themselves or through one another."""
    functions = {node.name: node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    judging: set[str] = set()
    while True:
        more = {name for name, node in functions.items() if name not in judging and judges(node, judging)}
        if not more:
            return judging
        judging |= more


def judges(function: ast.FunctionDef, known: set[str]) -> bool:
    for node in ast.walk(function):
        if isinstance(node, ast.Assert):
            return True
        if isinstance(node, ast.Call):
            name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
            if name in known or JUDGES.match(name):
                return True
    return False


def test_every_test_can_fail() -> None:
    faults: list[str] = []
    counted = 0
    for name, text in python().items():
        if not name.startswith("tests/"):
            continue
        tree = ast.parse(text)
        judging = judging_functions(tree)
        tests = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef) and n.name.startswith("test_")]
        counted += len(tests)
        faults += [
            f"{name}:{node.lineno}: {node.name} asserts nothing" for node in tests if node.name not in judging
        ]
    assert not faults, "\n".join(faults)
    assert counted > 10


def test_a_test_that_asserts_nothing_is_seen() -> None:
    source = "def test_a():\n    look()\n\ndef look():\n    assert 1\n\ndef test_b():\n    print(1)\n"
    assert judging_functions(ast.parse(source)) == {"test_a", "look"}


def test_templates_hold_no_script_and_no_style_of_their_own() -> None:
    inline = re.compile(
        r"<style\b|<script\b(?![^>]*\bsrc=)(?![^>]*type=[\"']application/(?:json|ld\+json)[\"'])|\sstyle\s*=\s*[\"']"
        r"|\son[a-z]+\s*=\s*[\"']|javascript:|\shx-on[:\-]|hx-vals\s*=\s*[\"']js:",
        re.IGNORECASE,
    )
    pages = matching(".html", ".svg", below="wushe/")
    faults = [
        f"{name}:{text[: found.start()].count(chr(10)) + 1}: {found.group(0).strip()}"
        for name, text in pages.items()
        for found in inline.finditer(
            re.sub(r"\{#.*?#\}|\{% comment %\}.*?\{% endcomment %\}", "", text, flags=re.DOTALL)
        )
    ]
    assert pages
    assert not faults, "\n".join(faults)


def test_templates_mark_nothing_safe_and_switch_no_escaping_off() -> None:
    faults = [
        f"{name}:{number}: {line.strip()[:100]}"
        for name, text in matching(".html", below="wushe/").items()
        for number, line in enumerate(text.split("\n"), 1)
        if re.search(r"\|\s*safe\b|autoescape off", line)
    ]
    assert not faults, "\n".join(faults)
