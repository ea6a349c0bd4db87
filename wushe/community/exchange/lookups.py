"""Which place and which organization a cell means: by code or by name, inside what the actor may touch, and never by guessing."""

import re
from collections.abc import Iterable, Sequence
from uuid import UUID

from django.db.models import Q, QuerySet

from wushe.community.exchange import values
from wushe.community.exchange.values import Fault
from wushe.community.models import Organization, Place, PlaceKey
from wushe.community.rules import organizations as organization_rules
from wushe.community.rules import places as rules
from wushe.kernel import policy
from wushe.kernel.actor import Actor
from wushe.kernel.text import fold_name

PlaceText = tuple[str, ...]
"""What a row says of its place, the widest first: ("龙岗区", "坂田街道", "示范社区"); the last names the place itself."""

_SEPARATORS = re.compile(r"\s*[/\\>＞|｜、,，;；·→]\s*|\s+[-–—]\s+|\s+")
_LEVEL_ENDS = re.compile(
    r".+?(?:特别行政区|自治区|自治州|自治县|自治旗|地区|省|市|盟|新区|开发区|区|县|旗|街道办事处|街道|镇|乡|苏木|社区居委会|社区居民委员会|居民委员会|"
    r"村民委员会|居委会|村委会|社区|村|嘎查|网格|栋|号楼)(?=.)"
)
_SAYS_LEVEL = (
    (re.compile(r"(?:网格)$"), rules.GRID),
    (re.compile(r"(?:\d+[栋幢]|号楼|楼栋)$"), rules.BUILDING),
    (re.compile(r"(?:社区|居委会|村委会|居民委员会|村民委员会|村|嘎查)$"), rules.COMMUNITY),
    (re.compile(r"(?:街道|街道办事处|街道办|镇|乡|苏木)$"), rules.STREET),
    (re.compile(r"(?:县|区|旗)$"), rules.COUNTY),
)
_CODE_LENGTHS = (12, 9, 6, 4, 2)


class PlaceFinder:
    """Finds places for one actor. Ask with `prepare` for a batch, then `find` one by one without further queries.

    Only places in which the actor may `verb` rows of `data_class` are ever found or named; for others the fault is the same
    as for places that do not exist.
    """

    def __init__(self, actor: Actor, data_class: str, verb: str = "create") -> None:
        reach = policy.reach(actor, verb, data_class)
        self._everything = reach.everything
        self._roots = sorted(reach.place_paths)
        if not reach.everything and reach.organization_paths:
            # Who acts for an organization adds what lies in its county.
            own = Q()
            for path in sorted(reach.organization_paths):
                own |= Q(path__prefix=path)
            homes = (
                Organization.objects.visible_to(actor)
                .filter(own)
                .values_list("place__path", flat=True)
                .distinct()
            )
            self._roots = sorted({*self._roots, *(organization_rules.county_path(path) for path in homes)})
        self._actor = actor
        self._known: dict[PlaceText, Place | Fault] = {}
        self._names: dict[str, str] = {}
        self._by_key: dict[str, list[Place]] = {}
        self._by_code: dict[str, Place] = {}
        self._former: dict[UUID, set[str]] = {}

    def prepare(self, texts: Iterable[PlaceText]) -> None:
        """Look up everything a batch of rows mentions, in a handful of queries."""
        new = {text for text in texts if text and text not in self._known}
        if not new or not (self._everything or self._roots):
            return
        codes: set[str] = set()
        keys: set[str] = set()
        for text in new:
            for parts in _ways_to_read(text):
                digits = _digits(parts[-1])
                if digits:
                    codes.update(_codes(digits))
                else:
                    keys.update(_keys(parts[-1]))
        keys -= self._by_key.keys()
        for start in range(0, len(keys), 400):
            piece = sorted(keys)[start : start + 400]
            for key in piece:
                self._by_key[key] = []
            for place in self._allowed(
                Place.objects.visible_to(self._actor).filter(level__in=rules.LEVELS, name_key__in=piece)
            ):
                self._by_key[place.name_key].append(place)
            for row in PlaceKey.objects.filter(level__in=rules.LEVELS, key__in=piece).values_list(
                "key", "place_id"
            ):
                self._former.setdefault(row[1], set()).add(row[0])
        self._add_former()
        codes -= self._by_code.keys()
        for start in range(0, len(codes), 400):
            for place in self._allowed(
                Place.objects.visible_to(self._actor).filter(code__in=sorted(codes)[start : start + 400])
            ):
                self._by_code[str(place.code)] = place
        self._learn_names([place for places in self._by_key.values() for place in places])
        for text in new:
            self._known[text] = self._resolve(text)

    def find(self, text: PlaceText) -> Place:
        """Return the place; raises `Fault` when there is none, or several, in the actor's reach."""
        if text not in self._known:
            self.prepare([text])
        found = self._known.get(text)
        if isinstance(found, Place):
            return found
        if found is None:
            raise Fault("place.not_found", value=values.shown(" ".join(text), 60))
        raise found

    def full_name(self, place: Place) -> str:
        """Return the place's name with those above it up to the county, slashes between: what `find` reads back."""
        self._learn_names([place])
        above = [self._names[path] for path in rules.paths_above(place.path) if path in self._names]
        return "/".join([*above[2:], place.name]) if place.level > rules.COUNTY else place.name

    # -- inside

    def _allowed(self, found: QuerySet[Place]) -> QuerySet[Place]:
        found = found.filter(valid_until__isnull=True)
        if self._everything:
            return found
        inside = Q()
        for root in self._roots:
            inside |= Q(path__prefix=root)
        return found.filter(inside)

    def _add_former(self) -> None:
        ids = list(self._former)
        for start in range(0, len(ids), 400):
            for place in self._allowed(
                Place.objects.visible_to(self._actor).filter(pk__in=ids[start : start + 400])
            ):
                for key in self._former[place.id]:
                    bucket = self._by_key.setdefault(key, [])
                    if all(one.id != place.id for one in bucket):
                        bucket.append(place)
        self._former = {}

    def _learn_names(self, places: Sequence[Place]) -> None:
        wanted = {path for place in places for path in rules.paths_above(place.path)} - self._names.keys()
        for place in places:
            self._names[place.path] = place.name
        for start in range(0, len(wanted), 400):
            rows = Place.objects.visible_to(self._actor).filter(path__in=sorted(wanted)[start : start + 400])
            self._names.update(rows.values_list("path", "name"))

    def _resolve(self, text: PlaceText) -> Place | Fault:
        ambiguous: list[Place] = []
        for parts in _ways_to_read(text):
            digits = _digits(parts[-1])
            if digits:
                by_code = next(
                    (self._by_code[code] for code in _codes(digits) if code in self._by_code), None
                )
                if by_code is not None:
                    return by_code
                continue
            found = self._named(parts)
            if len(found) == 1:
                return found[0]
            if len(found) > 1 and not ambiguous:
                ambiguous = found
        if ambiguous:
            named = [self.full_name(place) for place in ambiguous[:5]]
            return Fault(
                "place.ambiguous",
                value=values.shown(text[-1]),
                candidates=named,
                more=max(len(ambiguous) - 5, 0),
            )
        return Fault("place.not_found", value=values.shown(" ".join(text), 60))

    def _named(self, parts: PlaceText) -> list[Place]:
        name = fold_name(parts[-1])
        level = _level_said(parts[-1])
        candidates = {place.id: place for key in _keys(parts[-1]) for place in self._by_key.get(key, ())}
        fitting = [place for place in candidates.values() if self._lies_below(place, parts[:-1])]
        exact = [place for place in fitting if fold_name(place.name) == name]
        if exact:
            return exact
        if level is not None:
            said = [place for place in fitting if place.level == level]
            # A bare ending such as 区 or 村 may also be part of a proper name.
            if said:
                return said
            return []
        return fitting

    def _lies_below(self, place: Place, above: PlaceText) -> bool:
        names = [self._names[path] for path in rules.paths_above(place.path) if path in self._names]
        return all(any(_same(part, name) for name in names) or _is_code_above(part, place) for part in above)


def _is_code_above(part: str, place: Place) -> bool:
    digits = _digits(part)
    return bool(digits) and any(f"/{code}/" in place.path for code in _codes(digits))


def _same(typed: str, name: str) -> bool:
    one, other = fold_name(typed), fold_name(name)
    if one == other:
        return True
    cores = {fold_name(rules.core_name(name, level)) for level in rules.OFFICIAL_LEVELS}
    return one in cores or bool(cores & set(_keys(typed)))


def _ways_to_read(text: PlaceText) -> list[PlaceText]:
    """Return the ways to cut what a row says into names: as it stands, at separators, and after the words for levels."""
    *above, last = text
    ways: list[PlaceText] = [text]
    pieces = [piece for piece in _SEPARATORS.split(last) if piece]
    if len(pieces) > 1:
        ways.append((*above, *pieces))
        ways.append((*above, "".join(pieces)))
    joined = "".join(pieces)
    cut: list[str] = []
    at = 0
    while (found := _LEVEL_ENDS.match(joined, at)) and len(cut) < 8:
        cut.append(found.group())
        at = found.end()
    if cut:
        ways.append((*above, *cut, joined[at:]))
    return [way for way in ways if way[-1]]


def _digits(text: str) -> str:
    narrow = values.narrow(text).removesuffix(".0")
    return narrow if narrow.isascii() and narrow.isdigit() else ""


def _codes(digits: str) -> list[str]:
    """Return the official codes the digits may stand for: themselves, or without the zeros that fill them up."""
    found = [digits]
    for length in _CODE_LENGTHS:
        if length < len(digits) and set(digits[length:]) == {"0"}:
            found.append(digits[:length])
    return [code for code in found if len(code) in _CODE_LENGTHS]


def _keys(part: str) -> list[str]:
    folded = fold_name(part)[: rules.NAME_LIMIT]
    cores = [fold_name(rules.core_name(part, level)) for level in rules.OFFICIAL_LEVELS]
    return list(dict.fromkeys([folded, *cores, *(typed.core for typed in rules.typed_names(folded))]))


def _level_said(part: str) -> int | None:
    return next((level for ending, level in _SAYS_LEVEL if ending.search(part)), None)


class OrganizationFinder:
    """Finds organizations by name or credit code among those of which the actor may `verb` rows of `data_class`."""

    def __init__(self, actor: Actor, verb: str = "view", data_class: str = "organization") -> None:
        self._visible = Organization.objects.visible_to(actor, verb, data_class).exclude(
            status=Organization.Status.CLOSED
        )
        self._by_key: dict[str, list[Organization]] = {}

    def prepare(self, texts: Iterable[str]) -> None:
        """Look up the names of a batch of rows in a handful of queries."""
        keys = sorted({_organization_key(text) for text in texts if text} - self._by_key.keys())
        for start in range(0, len(keys), 400):
            piece = keys[start : start + 400]
            self._by_key.update({key: [] for key in piece})
            for row in self._visible.select_related("place").filter(name_key__in=piece):
                self._by_key[row.name_key].append(row)
            codes = {key.upper(): key for key in piece if key.isascii() and len(key) == 18}
            for row in self._visible.select_related("place").filter(credit_code__in=codes) if codes else ():
                self._by_key[codes[str(row.credit_code)]].append(row)

    def find(self, text: str, near: Place | None = None) -> Organization:
        """Return the organization; of several equal names the one in `near` or its county. Raises `Fault`."""
        self.prepare([text])
        found = self._by_key[_organization_key(text)]
        if not found:
            raise Fault("organization.not_found", value=values.shown(text))
        if len(found) > 1 and near is not None:
            for root in (near.path, organization_rules.county_path(near.path)):
                inside = [row for row in found if row.place.path.startswith(root)]
                if len(inside) == 1:
                    return inside[0]
                above = [row for row in found if near.path.startswith(row.place.path)]
                if len(above) == 1:
                    return above[0]
        if len(found) > 1:
            raise Fault(
                "organization.ambiguous",
                value=values.shown(text),
                candidates=[f"{row.name}（{row.place.name}）" for row in found[:5]],
            )
        return found[0]

    def add(self, organization: Organization) -> None:
        """Let rows further down name an organization that the same file is about to make."""
        self._by_key.setdefault(organization.name_key, []).append(organization)


def _organization_key(text: str) -> str:
    return fold_name(text)[:200]
