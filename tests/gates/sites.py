"""Every place in the source where a gate stands, and the means to take one of them out.

A gate that can be removed without any test noticing proves nothing. So the suite finds each call of `.visible_to(` and
`policy.require(` by reading the source, and can run the matrix with exactly one of them switched off.
"""

import ast
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from django.db.models import manager

import wushe
from wushe.kernel import policy
from wushe.kernel.actor import Actor
from wushe.kernel.scoping import ScopedQuerySet

PACKAGE = Path(wushe.__file__).parent
# The gates themselves, and code that only describes them.
_NOT_SITES = {"kernel/scoping.py", "kernel/policy.py"}


@dataclass(frozen=True, order=True)
class Site:
    """One call of a gate: file below the package, the lines the call spans, which gate, the function it stands in, and the
    how-manieth of its kind it is there."""

    file: str
    first_line: int
    last_line: int
    gate: str
    function: str
    number: int = 1

    def __str__(self) -> str:
        return f"{self.file} {self.function} {self.gate} {self.number}"


@cache
def all_sites() -> tuple[Site, ...]:
    """Return every gate call in the package, in source order."""
    found: list[Site] = []
    for path in sorted(PACKAGE.rglob("*.py")):
        name = path.relative_to(PACKAGE).as_posix()
        if name in _NOT_SITES:
            continue
        # By the end of the call: of two gates on one line the first ends first.
        calls = sorted(
            _calls_in(ast.parse(path.read_text())), key=lambda c: (c[0].end_lineno, c[0].end_col_offset)
        )
        count: Counter[tuple[str, str]] = Counter()
        for call, gate, function in calls:
            count[function, gate] += 1
            last = call.end_lineno or call.lineno
            found.append(Site(name, call.lineno, last, gate, function, count[function, gate]))
    return tuple(sorted(found))


def _calls_in(tree: ast.AST) -> Iterator[tuple[ast.Call, str, str]]:
    def walk(node: ast.AST, function: str) -> Iterator[tuple[ast.Call, str, str]]:
        for child in ast.iter_child_nodes(node):
            inside = child.name if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)) else function
            if isinstance(child, ast.Call) and (gate := _gate(child)):
                yield child, gate, inside
            yield from walk(child, inside)

    yield from walk(tree, "<module>")


def _gate(call: ast.Call) -> str | None:
    function = call.func
    if not isinstance(function, ast.Attribute):
        return None
    if function.attr == "visible_to":
        return "visible_to"
    if function.attr == "require" and isinstance(function.value, ast.Name) and function.value.id == "policy":
        return "require"
    return None


_real_visible_to = ScopedQuerySet.visible_to
_real_require = policy.require


def _site_of_caller(sites: dict[tuple[str, str], list[Site]], gate: str) -> Site | None:
    frame = sys._getframe(2)
    # `Model.objects.visible_to` reaches the queryset through a method that Django's manager makes at run time.
    while frame.f_code.co_filename == manager.__file__ and frame.f_back is not None:
        frame = frame.f_back
    file = Path(frame.f_code.co_filename)
    if not file.is_relative_to(PACKAGE):
        return None
    name = file.relative_to(PACKAGE).as_posix()
    line = frame.f_lineno
    fitting = [s for s in sites.get((name, gate), []) if s.first_line <= line <= s.last_line]
    return min(fitting, key=lambda s: s.last_line - s.first_line) if fitting else None


@contextmanager
def watched(passed: Callable[[Site, str, str], None]) -> Iterator[None]:
    """Call `passed` with each gate that is run inside the block, and the verb and data class asked for there."""
    with _patched(passed, removed=None):
        yield


@contextmanager
def removed(site: Site) -> Iterator[None]:
    """Run the block with the gate at `site` taken out: it lets everything through, and every other gate stands."""
    with _patched(None, removed=site):
        yield


@contextmanager
def _patched(passed: Callable[[Site, str, str], None] | None, removed: Site | None) -> Iterator[None]:
    by_file: dict[tuple[str, str], list[Site]] = {}
    for site in all_sites() if removed is None else [removed]:
        by_file.setdefault((site.file, site.gate), []).append(site)

    def visible_to(self: Any, actor: Actor, verb: str = "view", data_class: str | None = None) -> Any:
        site = _site_of_caller(by_file, "visible_to")
        if site is not None and site == removed:
            return self
        if site is not None and passed is not None:
            passed(site, verb, data_class or self.model.Scope.data_class)
        return _real_visible_to(self, actor, verb, data_class)

    def require(actor: Actor, verb: str, facts: policy.Facts) -> None:
        site = _site_of_caller(by_file, "require")
        if site is not None and site == removed:
            return
        if site is not None and passed is not None:
            passed(site, verb, facts.data_class)
        _real_require(actor, verb, facts)

    ScopedQuerySet.visible_to = visible_to  # type: ignore[method-assign]  # the point of this module
    policy.require = require
    try:
        yield
    finally:
        ScopedQuerySet.visible_to = _real_visible_to  # type: ignore[method-assign]  # put back
        policy.require = _real_require
