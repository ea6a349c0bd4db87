"""Every place in the source where a gate stands, and the means to take one of them out.

A gate that can be removed without any test noticing proves nothing. So the suite finds each call of `.visible_to(` and
`policy.require(` by reading the source, and can run the matrix with exactly one of them switched off.
"""

import ast
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.db.models import manager

import wushe
from wushe.kernel import policy
from wushe.kernel.scoping import ScopedQuerySet

PACKAGE = Path(wushe.__file__).parent
# The gates themselves, and code that only describes them.
_NOT_SITES = {"kernel/scoping.py", "kernel/policy.py"}


@dataclass(frozen=True, order=True)
class Site:
    """One call of a gate: file below the package, the lines the call spans, which gate, and the function it stands in."""

    file: str
    first_line: int
    last_line: int
    gate: str
    function: str

    def __str__(self) -> str:
        return f"{self.file}:{self.first_line} {self.gate} in {self.function}"


def all_sites() -> list[Site]:
    """Return every gate call in the package, in source order."""
    found: list[Site] = []
    for path in sorted(PACKAGE.rglob("*.py")):
        name = path.relative_to(PACKAGE).as_posix()
        if name in _NOT_SITES:
            continue
        found.extend(_sites_in(name, ast.parse(path.read_text())))
    return sorted(found)


def _sites_in(name: str, tree: ast.AST) -> Iterator[Site]:
    def walk(node: ast.AST, function: str) -> Iterator[Site]:
        for child in ast.iter_child_nodes(node):
            inside = child.name if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)) else function
            if isinstance(child, ast.Call) and (gate := _gate(child)):
                yield Site(name, child.lineno, child.end_lineno or child.lineno, gate, inside)
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
def watched(touched: Callable[[Site], None]) -> Iterator[None]:
    """Call `touched` with each gate site that runs inside the block."""
    with _patched(touched, removed=None):
        yield


@contextmanager
def removed(site: Site) -> Iterator[None]:
    """Run the block with the gate at `site` taken out: it lets everything through, and every other gate stands."""
    with _patched(None, removed=site):
        yield


@contextmanager
def _patched(touched: Callable[[Site], None] | None, removed: Site | None) -> Iterator[None]:
    by_file: dict[tuple[str, str], list[Site]] = {}
    for site in all_sites() if removed is None else [removed]:
        by_file.setdefault((site.file, site.gate), []).append(site)

    def visible_to(self: Any, *args: Any, **kwargs: Any) -> Any:
        site = _site_of_caller(by_file, "visible_to")
        if site is not None and site == removed:
            return self
        if site is not None and touched is not None:
            touched(site)
        return _real_visible_to(self, *args, **kwargs)

    def require(*args: Any, **kwargs: Any) -> None:
        site = _site_of_caller(by_file, "require")
        if site is not None and site == removed:
            return
        if site is not None and touched is not None:
            touched(site)
        _real_require(*args, **kwargs)

    ScopedQuerySet.visible_to = visible_to  # type: ignore[method-assign]  # the point of this module
    policy.require = require
    try:
        yield
    finally:
        ScopedQuerySet.visible_to = _real_visible_to  # type: ignore[method-assign]  # put back
        policy.require = _real_require
