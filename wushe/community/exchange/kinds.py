"""Which kinds of tables go in and out, by the name the command line uses."""

from collections.abc import Callable
from typing import Any, Final

from django.utils.translation import gettext as _

from wushe.community.exchange import organizations, people, stations, venues
from wushe.community.exchange.columns import Kind
from wushe.community.operations.imports import shape_of
from wushe.kernel.problems import Problem


class UnknownKind(Problem):
    """There is no such kind of table."""

    code = "import.unknown_kind"
    status = 404


_KINDS: Final[dict[str, Kind]] = {
    module.KIND.code: module.KIND for module in (people, organizations, stations, venues)
}
_HANDLERS: Final[dict[str, Callable[[], Any]]] = {
    "people": people.People,
    "organizations": organizations.Organizations,
    "stations": stations.Stations,
    "venues": venues.Venues,
}


def all_kinds() -> list[Kind]:
    """Return every kind, in the order pages show them."""
    return list(_KINDS.values())


def kind(code: str) -> Kind:
    """Return the kind of this name. Raises `UnknownKind`."""
    if code not in _KINDS:
        raise UnknownKind(
            _("没有“%(code)s”这种表格。可以是：%(known)s。")
            % {"code": code[:40], "known": _("、").join(_KINDS)}
        )
    return _KINDS[code]


def handler(code: str) -> Any:
    """Return a fresh handler for one file of this kind."""
    kind(code)
    return _HANDLERS[code]()


def shape(code: str) -> str:
    """Return a mark of the tables the payloads of this kind are written for."""
    return shape_of(_HANDLERS[code].tables)  # type: ignore[attr-defined]  # every handler names its tables
