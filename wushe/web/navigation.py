"""What stands in the menus of the three faces. Each room adds its own entries; whoever has no right to a page does not see it."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from wushe.kernel import policy
from wushe.kernel.actor import Actor

Face = Literal["desk", "portal", "me"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a menu. `needs` is (verb, data class), or None where everyone who sees the face may go."""

    face: Face
    url_name: str
    label: Promise
    icon: str
    needs: tuple[str, str] | None = None
    group: Promise | None = None
    signed_in: bool = False


@dataclass(frozen=True, slots=True)
class Link:
    """An entry as one visitor sees it on one page."""

    href: str
    label: Promise
    icon: str
    current: bool
    group: Promise | None


ENTRIES: list[Entry] = [
    Entry("portal", "portal:home", _("首页"), "house"),
    Entry("portal", "places:search", _("找地方"), "search"),
    Entry("portal", "portal:about", _("关于五社"), "info"),
    Entry("desk", "desk:home", _("今天的工作"), "list", ("view", "desk")),
    Entry("desk", "people:list", _("人员"), "people", ("view", "person"), group=_("五社各方")),
    Entry("desk", "organizations:list", _("组织"), "building", ("view", "desk"), group=_("五社各方")),
    Entry("desk", "organizations:stations", _("社工站点"), "badge", ("view", "desk"), group=_("五社各方")),
    Entry("desk", "organizations:venues", _("场地"), "door", ("view", "desk"), group=_("五社各方")),
    Entry("desk", "organizations:duties", _("职责"), "flag", ("view", "duty"), group=_("五社各方")),
    Entry("desk", "places:desk", _("地方"), "map", ("edit", "place"), group=_("五社各方")),
    Entry("desk", "exchange:home", _("导入与导出"), "upload", ("view", "desk"), group=_("管理")),
    Entry("desk", "accounts:list", _("账号管理"), "key", ("view", "account"), group=_("管理")),
    Entry("desk", "accounts:grants", _("授权"), "shield", ("view", "grant"), group=_("管理")),
    Entry("desk", "desk:audit", _("审计记录"), "history", ("view", "audit"), group=_("管理")),
    Entry("me", "me:home", _("首页"), "house", signed_in=True),
    Entry("me", "me:data", _("我的资料"), "person", signed_in=True),
    Entry("me", "me:consents", _("我的同意"), "hand", signed_in=True),
    Entry("me", "me:security", _("安全"), "shield", signed_in=True),
]


def links(face: Face, actor: Actor | None, path: str) -> Iterator[Link]:
    """Yield the entries of `face` that `actor` may follow; the one whose address is the longest head of `path` is current."""
    actor = actor or Actor.anonymous()
    entries = [entry for entry in ENTRIES if entry.face == face and _open_to(entry, actor)]
    addresses = [reverse(entry.url_name) for entry in entries]
    here = max(
        (a for a in addresses if path == a or (path.startswith(a) and a.count("/") > 2)), key=len, default=""
    )
    for entry, address in zip(entries, addresses, strict=True):
        yield Link(address, entry.label, entry.icon, address == here, entry.group)


def _open_to(entry: Entry, actor: Actor) -> bool:
    if entry.signed_in and not actor.is_signed_in:
        return False
    if entry.needs is None:
        return True
    if entry.face == "desk":
        # Everyone may see their own account and grants; that is no reason to put the lists of them into a menu.
        return not replace(policy.reach(actor, *entry.needs), own=None).is_empty
    return policy.allows_somewhere(actor, *entry.needs)
