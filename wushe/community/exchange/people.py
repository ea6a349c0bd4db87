"""People (人员) in and out of spreadsheets, with what usually stands beside them: phones, guardian, organization.

Who is already on record is found by volunteer number, identity number, phone and name, name and birth date; and, where a row says no
more than a name, by name and community. Two rows of a file that mean one person are told apart or merged the same way, so that
the same file brought a second time changes nothing.
"""

import datetime as dt
import json
from array import array
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from wushe.community.exchange import plans, values
from wushe.community.exchange.columns import YES_NO, Column, Found, Kind, choice_of
from wushe.community.exchange.lookups import OrganizationFinder, PlaceFinder
from wushe.community.exchange.plans import CREATE, SAME, UPDATE, Check, Planned
from wushe.community.exchange.sheets import Cell
from wushe.community.exchange.values import Fault, Reading
from wushe.community.models import (
    Consent,
    ContactPoint,
    Guardianship,
    ImportedRow,
    ImportRun,
    Membership,
    Organization,
    Person,
    PersonKey,
    Place,
)
from wushe.community.operations import imports as operations
from wushe.community.operations import people as people_operations
from wushe.community.operations.imports import ImportOutdated
from wushe.community.queries import people as queries
from wushe.community.rules import people as rules
from wushe.community.rules.people import NewPerson
from wushe.kernel import crypto, personal, policy
from wushe.kernel.actor import Actor
from wushe.kernel.ids import new_id
from wushe.kernel.text import fold_name

_CAPACITY_WORDS = {
    "LEADER": ("负责人", "队长", "会长", "理事长", "主任", "书记", "站长", "leader"),
    "COMMUNITY_WORKER": ("社区工作者", "社区干部", "两委", "两委成员", "网格员", "community worker"),
    "SOCIAL_WORKER": ("社会工作者", "社工", "专职社工", "社工师", "social worker"),
    "SUPERVISOR": ("督导", "supervisor"),
    "STAFF": ("工作人员", "职工", "员工", "staff"),
    "VOLUNTEER": ("志愿者", "义工", "volunteer"),
    "MEMBER": ("成员", "会员", "队员", "member"),
    "STUDENT": ("实习生", "学生", "student", "intern"),
    "CONTACT": ("联系人", "contact"),
}
_MEANS_WORDS = {
    "PAPER": ("纸质", "书面", "签字", "纸质签字", "paper"),
    "SPOKEN": ("口头", "口头同意", "spoken"),
    "SELF": ("本人在线", "线上", "self"),
}


def _identity(cell: Cell, reading: Reading) -> str:
    return rules.clean_identity(values.identity(cell, reading))


def _volunteer_number(cell: Cell, reading: Reading) -> str:
    return rules.clean_number(values.code(cell, reading, limit=rules.NUMBER_LIMIT))


def _one_phone(cell: Cell, reading: Reading) -> str:
    return values.phones(cell, reading)[0]


_READ, _WRITE = ("view", "person.contact"), ("edit", "person.contact")

KIND = Kind(
    "people",
    _("人员"),
    "person",
    (
        Column(
            "name",
            _("姓名"),
            (
                "名字",
                "居民姓名",
                "人员姓名",
                "志愿者姓名",
                "真实姓名",
                "成员姓名",
                "队员姓名",
                "姓 名",
                "name",
                "full name",
            ),
            values.person_name,
            example="示例甲",
            required=True,
            ditto=False,
        ),
        *plans.place_columns(
            ("所在社区", "居住社区", "户籍社区", "常住社区"),
            _("所在社区"),
            _("社区的名称或官方代码；同名时写“街道/社区”。"),
        ),
        Column(
            "sex",
            _("性别"),
            ("男/女", "男女", "sex", "gender"),
            values.sex,
            labels=dict(Person.Sex.choices),
            example="女",
        ),
        Column(
            "birth_on",
            _("出生日期"),
            (
                "出生年月日",
                "出生年月",
                "生日",
                "出生",
                "出生时间",
                "birth date",
                "date of birth",
                "birthday",
                "dob",
            ),
            values.birth_date,
            example="1956-03-08",
            help=_("几种写法都可以：1956-03-08、1956年3月8日、1956.3.8。"),
            ditto=False,
        ),
        Column(
            "phone",
            _("电话"),
            (
                "手机",
                "手机号",
                "手机号码",
                "联系电话",
                "联系方式",
                "电话号码",
                "移动电话",
                "联系手机",
                "本人电话",
                "手机/电话",
                "phone",
                "mobile",
                "telephone",
            ),
            values.phones,
            example="13800000000",
            help=_("几个号码用顿号隔开，第一个是常用的。"),
            ditto=False,
            read_right=_READ,
            write_right=_WRITE,
        ),
        Column(
            "identity_number",
            _("证件号码"),
            (
                "身份证",
                "身份证号",
                "身份证号码",
                "公民身份号码",
                "居民身份证号",
                "证件号",
                "identity number",
                "id number",
                "id card",
            ),
            _identity,
            help=_("只在必要时填写。请先把这一列设为“文本”格式。"),
            ditto=False,
            read_right=("view", "person.identity"),
            write_right=("edit", "person.identity"),
        ),
        Column(
            "volunteer_number",
            _("志愿者编号"),
            ("志愿者号", "志愿编号", "注册编号", "注册号", "志愿者证号", "volunteer number", "volunteer id"),
            _volunteer_number,
            ditto=False,
        ),
        Column(
            "is_volunteer",
            _("是否志愿者"),
            ("志愿者", "是否注册志愿者", "注册志愿者", "is volunteer"),
            values.yes_no,
            labels=YES_NO,
            help=_("写“是”而没有编号的，会自动发一个志愿者编号。"),
            export=False,
        ),
        Column(
            "address",
            _("住址"),
            ("家庭住址", "地址", "居住地址", "详细地址", "现住址", "家庭地址", "住所", "address"),
            partial(values.line, limit=rules.ADDRESS_LIMIT),
            read_right=_READ,
            write_right=_WRITE,
        ),
        Column(
            "email",
            _("电子邮箱"),
            ("邮箱", "邮件", "email", "e-mail", "mail"),
            values.email,
            ditto=False,
            read_right=_READ,
            write_right=_WRITE,
        ),
        Column(
            "wechat",
            _("微信号"),
            ("微信", "wechat"),
            partial(values.line, limit=40),
            ditto=False,
            read_right=_READ,
            write_right=_WRITE,
        ),
        Column(
            "organization",
            _("所属组织"),
            (
                "组织",
                "单位",
                "工作单位",
                "所在单位",
                "所属队伍",
                "队伍",
                "志愿服务队",
                "服务队",
                "所属机构",
                "organization",
                "organisation",
                "team",
            ),
            values.line,
            help=_("系统里已有的组织名称。"),
        ),
        Column(
            "capacity",
            _("身份"),
            ("人员类别", "类别", "角色", "人员身份", "身份类别", "capacity", "role"),
            choice_of(dict(Membership.Capacity.choices), _CAPACITY_WORDS, "身份"),
            labels=dict(Membership.Capacity.choices),
            help=_("在所属组织里的身份；写了组织没写身份，就算成员。"),
        ),
        Column(
            "title", _("职务"), ("职位", "岗位", "职称", "title", "position"), partial(values.line, limit=80)
        ),
        Column(
            "guardian_name",
            _("监护人"),
            ("监护人姓名", "家长", "家长姓名", "guardian", "guardian name"),
            values.person_name,
            help=_("未成年人按规定要有监护人。"),
        ),
        Column(
            "guardian_phone",
            _("监护人电话"),
            ("家长电话", "监护人手机", "监护人联系电话", "guardian phone"),
            _one_phone,
            read_right=_READ,
            write_right=_WRITE,
        ),
        Column(
            "guardian_relation",
            _("监护关系"),
            ("与监护人关系", "与本人关系", "关系", "guardian relation"),
            partial(values.line, limit=40),
            example="",
        ),
        Column(
            "consent_means",
            _("同意方式"),
            ("监护人同意方式", "知情同意", "同意", "consent"),
            choice_of(dict(Consent.Means.choices), _MEANS_WORDS, "同意方式"),
            labels=dict(Consent.Means.choices),
        ),
        Column(
            "note",
            _("备注"),
            ("说明", "备注说明", "note", "remark", "remarks"),
            partial(values.paragraph, limit=rules.NOTE_LIMIT),
            ditto=False,
            read_right=_READ,
            write_right=_WRITE,
        ),
    ),
    Person._meta.label,
)

# What `operations.people` calls a field, and the column it is typed in.
_FIELD_COLUMNS = {"phones": "phone", "place_id": "place", "organization_id": "organization"}
_SLOTS: tuple[tuple[str, type[Any], Sequence[str]], ...] = (
    ("people", Person, people_operations.PERSON_COLUMNS),
    ("contacts", ContactPoint, people_operations.CONTACT_COLUMNS),
    ("guardianships", Guardianship, people_operations.GUARDIANSHIP_COLUMNS),
    ("consents", Consent, people_operations.CONSENT_COLUMNS),
    ("memberships", Membership, people_operations.MEMBERSHIP_COLUMNS),
)
_KEYS_AT_ONCE = 2_000
_BEFORE = "import.before"
_PLAIN = frozenset({str, int, bool, type(None)})
_AT = {name: index for index, name in enumerate(people_operations.PERSON_COLUMNS)}


class People:
    """Plans and carries out a file of people."""

    kind = KIND
    model = Person
    tables = (Person, ContactPoint, PersonKey, Guardianship, Consent, Membership)
    ahead = ((PersonKey, "person_id"),)
    parts = (
        (ContactPoint, "person_id"),
        (Consent, "person_id"),
        (Consent, "given_by_id"),
        (Guardianship, "ward_id"),
        (Guardianship, "guardian_id"),
        (Membership, "person_id"),
    )

    def __init__(self) -> None:
        # Of every row of the file so far: its line and a hash of its values; and under which hashed keys it is found. Kept small,
        # because it is all that grows with the file.
        self._lines, self._said = array("q"), array("q")
        self._seen: dict[int, int] = {}
        self._claimed: set[UUID] = set()
        self._finder: OrganizationFinder | None = None

    # -- plan

    def plan(self, check: Check, rows: Sequence[Found]) -> list[Planned]:
        finder = self._finder = self._finder or OrganizationFinder(check.by, "create", "membership")
        check.places.prepare(plans.place_text(row) for row in rows)
        finder.prepare(str(row.values["organization"]) for row in rows if "organization" in row.values)
        planned = [Planned(row, str(row.values.get("name", ""))[:200]) for row in rows]
        for one in planned:
            self._complete(check, one, finder)
        sound = [one for one in planned if not one.has_faults]
        known = _Known(check.by, sound)
        new: list[Planned] = []
        for one in sound:
            if not self._repeats(one):
                self._decide(check, one, known, new)
        further = self._make(check, new)
        _seal_before(planned)
        return [*planned, *further]

    def _complete(self, check: Check, one: Planned, finder: OrganizationFinder) -> None:
        given = one.found.values
        one.match_key = fold_name(one.title)[: rules.NAME_LIMIT]
        identity = rules.identity_facts(given["identity_number"]) if "identity_number" in given else None
        if identity is None and "identity_number" in given:
            one.fault("identity_number", "identity.wrong")
        elif identity is not None:
            # A birth date without a sure century, or without its day, is settled by the number on the card.
            unsure = ("date.which_century", "date.no_day", "date.only_year")
            settled = [f for f in one.found.faults if f[0] == "birth_on" and f[1].code in unsure]
            one.found.faults = [fault for fault in one.found.faults if fault not in settled]
            if given.setdefault("birth_on", identity.birth_on) != identity.birth_on:
                one.fault("birth_on", "date.birth_differs", value=given["birth_on"].isoformat())
            elif settled or "birth_on" not in one.found.cells:
                one.note("birth.from_identity")
            if given.get("sex", "UNKNOWN") == "UNKNOWN":
                given["sex"] = identity.sex
        written = one.found.cells.get("name")
        if isinstance(written, str) and " " in written.strip() and " " not in one.title and one.title:
            one.note("name.blank_removed", value=one.title[:40])
        place = check.place_of(one)
        if place is None:
            return
        if "organization" in given:
            try:
                given["organization"] = finder.find(str(given["organization"]), near=place)
            except Fault as fault:
                one.found.caught("organization", fault)
        elif check.default_organization is not None:
            given["organization"] = check.default_organization
        if "organization" in given:
            given.setdefault(
                "capacity",
                "VOLUNTEER" if given.get("is_volunteer") or given.get("volunteer_number") else "MEMBER",
            )
        elif given.get("capacity") == "VOLUNTEER":
            given["is_volunteer"] = True
            del given["capacity"]
        elif "capacity" in given or "title" in given:
            one.fault("organization", "membership.organization_missing")

    def _repeats(self, one: Planned) -> bool:
        """Decide a row that means somebody an earlier row of the file means; True when it is decided."""
        given = one.found.values
        assert one.place is not None
        keys: list[tuple[str, Any]] = []
        if "identity_number" in given:
            keys.append(("证件号码", rules.full_identity(given["identity_number"])))
        if "volunteer_number" in given:
            keys.append(("志愿者编号", given["volunteer_number"]))
        keys += [("姓名和电话", (one.match_key, phone)) for phone in given.get("phone", ())]
        if "birth_on" in given:
            keys.append(("姓名和出生日期", (one.match_key, given["birth_on"], one.place.pk)))
        if not keys:
            keys.append(("姓名和社区", (one.match_key, one.place.pk)))
        said = hash((frozenset((key, str(value)) for key, value in given.items()), one.place.pk))
        hashes = [(by, hash((by, key))) for by, key in keys]
        for by, key in hashes:
            earlier = self._seen.get(key)
            if earlier is None:
                continue
            line = self._lines[earlier]
            if self._said[earlier] == said:
                one.action = SAME
                one.note("row.same_as", line=line)
            else:
                one.fault("name", "row.twice", line=line, by=by)
            return True
        ordinal = len(self._lines)
        self._lines.append(one.found.number)
        self._said.append(said)
        for _by, key in hashes:
            self._seen[key] = ordinal
        return False

    def _decide(self, check: Check, one: Planned, known: "_Known", new: list[Planned]) -> None:
        person = known.match(one, self._claimed)
        if one.has_faults:
            return
        if person is None:
            new.append(one)
            if known.namesakes(one):
                one.note("row.maybe_duplicate")
            return
        self._claimed.add(person.pk)
        self._update(check, one, person, known)

    # -- new people

    def _make(self, check: Check, new: Sequence[Planned]) -> list[Planned]:
        """Prepare the new people of a batch; return further rows for the guardians put on record with them."""
        if not new:
            return []
        prepared = people_operations.prepare_people(
            by=check.by, rows=[_new_person(one) for one in new], at=check.at, keep_good=True
        )
        for position, faults in prepared.faults.items():
            for fault in faults:
                details = {**fault.details}
                new[position].fault(_FIELD_COLUMNS.get(fault.field, fault.field), fault.code, **details)
        by_person: dict[UUID, Planned] = {}
        for position, (one, person_id) in enumerate(zip(new, prepared.ids, strict=True)):
            if position in prepared.faults:
                continue
            one.action, one.target_label, one.target_id = CREATE, KIND.model_label, person_id
            organization = one.found.values.get("organization")
            one.organization_id = organization.pk if organization else None
            one.payload = defaultdict(list)
            by_person[person_id] = one
        further: list[Planned] = []
        guardian_of = {row[2]: row[1] for row in prepared.guardianships}
        for row in prepared.people:
            person_id = row[_AT["id"]]
            if person_id not in by_person:
                ward = by_person[guardian_of[person_id]]
                guardian = Planned(Found(ward.found.sheet, ward.found.number, {}), row[_AT["name"]])
                guardian.action, guardian.target_label, guardian.target_id = (
                    CREATE,
                    KIND.model_label,
                    person_id,
                )
                guardian.place, guardian.match_key, guardian.payload = (
                    ward.place,
                    row[_AT["name_key"]],
                    defaultdict(list),
                )
                guardian.note("row.guardian_added")
                by_person[person_id] = guardian
                further.append(guardian)
            by_person[person_id].payload["people"].append(_stored(row, undated=True))
        hexes = {person_id: person_id.hex for person_id in by_person}
        for key in prepared.keys:  # by far the most rows: texts all but the first
            by_person[key[0]].payload["keys"].append((hexes[key[0]], *key[1:]))
        for slot, rows, owner in (
            ("contacts", prepared.contacts, 1),
            ("guardianships", prepared.guardianships, 1),
            ("consents", prepared.consents, 1),
            ("memberships", prepared.memberships, 1),
        ):
            for row in rows:
                by_person[row[owner]].payload[slot].append(_stored(row))
        return further

    # -- people on record

    def _update(self, check: Check, one: Planned, person: Person, known: "_Known") -> None:
        given = one.found.values
        assert one.place is not None
        one.target_label, one.target_id = KIND.model_label, person.pk
        changes: dict[str, Any] = {}
        for name in ("name", "sex", "birth_on", "volunteer_number", "identity_number", "address", "note"):
            if (
                name in given
                and given[name] != (getattr(person, name) or "")
                and not (name == "sex" and given[name] == "UNKNOWN")
            ):
                changes[name] = given[name]
        if "identity_number" in changes and rules.full_identity(
            person.identity_number
        ) == rules.full_identity(changes["identity_number"]):
            del changes["identity_number"]
        if given.get("is_volunteer") and not person.volunteer_number and "volunteer_number" not in changes:
            changes["volunteer_number"] = rules.new_volunteer_number()
        if {"place", "place_code", "grid"} & one.found.values.keys() and one.place.pk != person.place_id:
            changes["place"] = one.place
        contacts = self._new_contacts(given, person, known)
        membership = self._new_membership(given, person, known)
        if not (changes or contacts or membership):
            one.action = SAME
            return
        if not self._may_change(check.by, one, person, known, changes, contacts, membership):
            return
        if "volunteer_number" in changes and known.is_taken(changes["volunteer_number"]):
            one.fault("volunteer_number", "row.number_taken")
            return
        if "identity_number" in changes and person.identity_index:
            one.fault("identity_number", "row.identity_differs")
            return
        self._check_changed(check, one, person, changes)
        if one.has_faults:
            return
        one.action = UPDATE
        one.organization_id = membership.organization_id if membership else None
        one.payload = {}
        if changes:
            before = _person_row(person)
            for name, value in changes.items():
                setattr(person, name, value)
            person.name_key = fold_name(person.name)[: rules.NAME_LIMIT]
            if "identity_number" in changes:
                person.identity_index = queries.identity_index(person.identity_number)
            after = _person_row(person)
            after[_AT["updated_at"]] = None
            one.payload["set"] = after
            one.payload["rekey"] = bool(changes.keys() & {"name", "place"})
            one.before = json.dumps(before, ensure_ascii=False)
        if contacts:
            one.payload["contacts"] = [_stored(row) for row in contacts]
        if membership:
            one.payload["memberships"] = [
                _stored(
                    (
                        membership.pk,
                        person.pk,
                        membership.organization_id,
                        None,
                        membership.capacity,
                        membership.title,
                        check.reading.today,
                        None,
                    )
                )
            ]
        one.made = [str(row[0]) for row in contacts] + ([str(membership.pk)] if membership else [])
        one.changes += (
            [("phone", "", "、".join(given["phone"]))] if any(row[2] == "PHONE" for row in contacts) else []
        )
        one.changes += [
            (name, "", str(given[name]))
            for name in ("email", "wechat")
            if any(row[2] == name.upper() for row in contacts)
        ]
        one.changes += [("organization", "", membership.organization.name)] if membership else []

    def _new_contacts(
        self, given: Mapping[str, Any], person: Person, known: "_Known"
    ) -> list[tuple[Any, ...]]:
        present = known.contacts[person.pk]
        wanted = [("PHONE", phone) for phone in given.get("phone", ())]
        wanted += [(name.upper(), given[name]) for name in ("email", "wechat") if name in given]
        rows: list[tuple[Any, ...]] = []
        for kind, value in wanted:
            index = queries.contact_index(kind, value)
            if (kind, index) in present:
                continue
            primary = not any(one == kind for one, _index in present) and not any(
                row[2] == kind for row in rows
            )
            tail = queries.tail_index(value) if kind == "PHONE" else ""
            rows.append(
                (new_id(), person.pk, kind, crypto.encrypt(value, "person.contact"), index, tail, primary)
            )
        return rows

    def _new_membership(self, given: Mapping[str, Any], person: Person, known: "_Known") -> Membership | None:
        organization: Organization | None = given.get("organization")
        if organization is None or (organization.pk, given["capacity"]) in known.memberships[person.pk]:
            return None
        return Membership(
            person=person, organization=organization, capacity=given["capacity"], title=given.get("title", "")
        )

    def _may_change(
        self,
        by: Actor,
        one: Planned,
        person: Person,
        known: "_Known",
        changes: Mapping[str, Any],
        contacts: Sequence[Any],
        membership: Membership | None,
    ) -> bool:
        assert one.place is not None
        paths = frozenset({person.place.path}), known.organization_paths[person.pk]
        wanted = [("edit", "person", *paths)] if changes else []
        if contacts or changes.keys() & {"address", "note"}:
            wanted.append(("edit", "person.contact", *paths))
        if "identity_number" in changes:
            wanted.append(("edit", "person.identity", *paths))
        if "place" in changes:
            wanted.append(("create", "person", frozenset({one.place.path}), frozenset()))
        if membership:
            wanted.append(("edit", "person", *paths))
            body = membership.organization
            wanted.append(("create", "membership", frozenset({body.place.path}), frozenset({body.path})))
        if all(
            policy.allows(by, verb, policy.Facts(name, place_paths=p, organization_paths=o))
            for verb, name, p, o in wanted
        ):
            return True
        one.fault("name", "row.no_edit_right")
        return False

    def _check_changed(self, check: Check, one: Planned, person: Person, changes: Mapping[str, Any]) -> None:
        born = changes.get("birth_on", person.birth_on)
        number = changes.get("identity_number", person.identity_number) or ""
        faults = rules.check_identity(
            rules.clean_identity(number), born, changes.get("sex", person.sex), check.reading.today
        )
        for fault in faults if changes.keys() & {"identity_number", "birth_on", "sex"} else ():
            one.fault(fault.field, fault.code, **fault.details)
        for name, value in changes.items():
            old = person.place.name if name == "place" else getattr(person, name)
            new = value.name if name == "place" else value
            if name == "identity_number":
                old, new = _masked(old), _masked(new)
            one.changes.append((name, plans.shown(old), plans.shown(new)))

    # -- carry out

    def prepare(self, *, by: Actor, run: ImportRun) -> None:
        """Write the search keys of the people to come, in short transactions: they find nobody until the people are there."""
        policy.require(by, "edit", run.facts())
        last = 0
        while True:
            window = ImportedRow.objects.filter(run=run, action=CREATE, position__gt=last).order_by(
                "position"
            )
            positions = list(window.values_list("position", flat=True)[:_KEYS_AT_ONCE])
            if not positions:
                return
            with transaction.atomic():
                operations.insert_from_staging(
                    run,
                    PersonKey,
                    "keys",
                    people_operations.KEY_COLUMNS,
                    between=(positions[0], positions[-1]),
                    if_new=True,
                )
            last = positions[-1]

    def carry_out(self, *, by: Actor, run: ImportRun, at: dt.datetime) -> Iterable[ImportedRow]:
        """Move the staged people into their tables, one statement each, inside the caller's transaction."""
        _ask_again(by, run)
        _refuse_if_outdated(run)
        for slot, model, columns in _SLOTS:
            operations.insert_from_staging(run, model, slot, columns, at=at)
        changed = ImportedRow.objects.filter(run=run, action=UPDATE)
        if changed.exists():
            operations.insert_from_staging(
                run, Person, "set", people_operations.PERSON_COLUMNS, at=at, single=True
            )
            self._rekey(
                [
                    row.target_id
                    for row in changed.only("target_id", "payload")
                    if row.target_id and json.loads(row.payload).get("rekey")
                ]
            )
        return ()

    def _rekey(self, ids: Sequence[UUID]) -> None:
        for start in range(0, len(ids), 500):
            people_operations.refresh_keys(
                list(Person.objects.select_related("place").filter(pk__in=ids[start : start + 500]))
            )

    # -- take back

    def take_back(self, *, by: Actor, run: ImportRun) -> None:
        """Delete the people the run made, restore those it changed; inside the caller's transaction."""
        kept = ImportedRow.objects.filter(run=run, is_kept=True)
        # A child and the guardian put on record with it stay or go together.
        ImportedRow.objects.filter(
            run=run, line__in=kept.values("line"), sheet__in=kept.values("sheet")
        ).update(is_kept=True)
        made: list[str] = []
        rekey: list[UUID] = []
        images: list[list[Any]] = []
        changed = list(ImportedRow.objects.filter(run=run, action=UPDATE, is_kept=False))
        keys = personal.data_keys(row.target_id for row in changed if row.target_id and row.before)
        for row in changed:
            made += row.made
            if row.before and row.target_id in keys:
                images.append(json.loads(crypto.decrypt(row.before, _BEFORE, keys[row.target_id])))
                rekey.append(row.target_id)
        for start in range(0, len(made), 500):
            ContactPoint.objects.filter(pk__in=made[start : start + 500]).delete()
            Membership.objects.filter(pk__in=made[start : start + 500]).delete()
        operations.put_back(Person, people_operations.PERSON_COLUMNS, images)
        self._rekey(rekey)
        operations.delete_created(run, Person, self.parts)

    def tidy(self, run: ImportRun) -> None:
        """After an undo: delete the search keys of the people who are gone, in short transactions."""
        operations.drop_keys(run)

    # -- write out

    def write(self, actor: Actor) -> tuple[QuerySet[Person], "_Writer"]:
        """Return the people the actor may export, and what turns one into cells by column code."""
        rows = (
            Person.objects.visible_to(actor, "export")
            .filter(status=Person.Status.ACTIVE)
            .select_related("place")
        )
        return rows.order_by("place__path", "name_key", "id"), _Writer(actor)


def _seal_before(planned: Sequence[Planned]) -> None:
    """Seal what was there before under each person's own key: an erasure then reaches it too."""
    changed = {one.target_id: one for one in planned if one.before is not None and one.target_id is not None}
    keys = personal.data_keys(changed) if changed else {}
    for person_id, one in changed.items():
        one.before = crypto.encrypt(one.before, _BEFORE, keys[person_id])


def _masked(number: object) -> str:
    """Return an identity number for a report: nothing of it but its ends."""
    text = str(number or "")
    return f"{text[:1]}{'*' * max(len(text) - 2, 0)}{text[-1:]}" if text else ""


def _new_person(one: Planned) -> NewPerson:
    given = one.found.values
    assert one.place is not None
    organization = given.get("organization")
    names = (
        *(
            "name",
            "sex",
            "birth_on",
            "volunteer_number",
            "identity_number",
            "address",
            "note",
            "email",
            "wechat",
            "title",
        ),
        *("guardian_name", "guardian_phone", "guardian_relation", "consent_means", "is_volunteer"),
    )
    return NewPerson(
        place_id=one.place.pk,
        phones=given.get("phone", ()),
        organization_id=organization.pk if organization else None,
        capacity=given.get("capacity", "") if organization else "",
        **{name: given[name] for name in names if name in given},
    )


def _stored(row: Sequence[Any], *, undated: bool = False) -> list[Any]:
    """Return a table row as JSON keeps it. `undated`: created and changed when it is carried out, not when it was checked."""
    cells = [value if type(value) in _PLAIN else _text(value) for value in row]
    if undated:
        cells[_AT["created_at"]] = cells[_AT["updated_at"]] = None
    return cells


def _text(value: Any) -> str:
    if isinstance(value, UUID):
        return value.hex
    if isinstance(value, str):
        return str(value)  # a choice's own class
    if isinstance(value, dt.datetime):
        # The one spelling both databases read and SQLite compares rightly.
        return str(connection.ops.adapt_datetimefield_value(value))
    return value.isoformat() if isinstance(value, dt.date) else str(value)


def _person_row(person: Person) -> list[Any]:
    row = []
    for column in people_operations.PERSON_COLUMNS:
        value = getattr(person, column)
        if column in ("address", "identity_number", "note") and value:
            value = crypto.encrypt(
                value,
                {"address": "person.address", "identity_number": "person.identity", "note": "person.note"}[
                    column
                ],
            )
        row.append(value)
    return _stored(row)


class _Known:
    """Who is on record already that a batch of rows may mean; a handful of queries for the batch."""

    def __init__(self, by: Actor, planned: Sequence[Planned]) -> None:
        self._visible = (
            Person.objects.visible_to(by).filter(status=Person.Status.ACTIVE).select_related("place")
        )
        numbers = {
            str(one.found.values["volunteer_number"])
            for one in planned
            if "volunteer_number" in one.found.values
        }
        self._identities = {
            id(one): queries.identity_index(one.found.values["identity_number"])
            for one in planned
            if "identity_number" in one.found.values
        }
        self._phones = {
            id(one): {queries.phone_index(phone) for phone in one.found.values.get("phone", ())}
            for one in planned
        }
        self.by_number: dict[str, Person] = {}
        self.by_identity: dict[str, list[Person]] = defaultdict(list)
        self.by_phone: dict[str, set[UUID]] = defaultdict(set)
        self.by_name: dict[str, dict[UUID, Person]] = defaultdict(dict)
        people: dict[UUID, Person] = {}
        for person in _in_pieces(self._visible, "volunteer_number", numbers):
            self.by_number[str(person.volunteer_number)] = people.setdefault(person.pk, person)
        for person in _in_pieces(self._visible, "identity_index", set(self._identities.values())):
            self.by_identity[person.identity_index].append(people.setdefault(person.pk, person))
        names = {one.match_key for one in planned}
        indexes = {index for found in self._phones.values() for index in found}
        for piece in _pieces(indexes):
            rows = ContactPoint.objects.filter(value_index__in=piece, person__name_key__in=names)
            for index, person_id in rows.values_list("value_index", "person_id"):
                self.by_phone[index].add(person_id)
        wanted = {person_id for ids in self.by_phone.values() for person_id in ids}
        for person in _in_pieces(self._visible, "pk", wanted):
            people.setdefault(person.pk, person)
        born = {one.found.values["birth_on"] for one in planned if "birth_on" in one.found.values}
        places = {one.place.pk for one in planned if one.place is not None}
        for piece in _pieces(names):
            for person in self._visible.filter(name_key__in=piece, place__in=places):
                people.setdefault(person.pk, person)
            if born:
                for person in self._visible.filter(name_key__in=piece, birth_on__in=born):
                    people.setdefault(person.pk, person)
        for person in people.values():
            self.by_name[person.name_key][person.pk] = person
        self.contacts: dict[UUID, set[tuple[str, str]]] = defaultdict(set)
        self.memberships: dict[UUID, set[tuple[UUID, str]]] = defaultdict(set)
        self.organization_paths: dict[UUID, frozenset[str]] = defaultdict(frozenset)
        for piece in _pieces(set(people)):
            for person_id, kind, index in ContactPoint.objects.filter(person__in=piece).values_list(
                "person_id", "kind", "value_index"
            ):
                self.contacts[person_id].add((kind, index))
            held = Membership.objects.filter(person__in=piece, ended_on__isnull=True)
            for person_id, body, capacity, path in held.values_list(
                "person_id", "organization_id", "capacity", "organization__path"
            ):
                self.memberships[person_id].add((body, capacity))
                self.organization_paths[person_id] |= {path}
        self._taken: dict[str, bool] = dict.fromkeys(numbers, False)
        for piece in _pieces(numbers):
            # Whoever has it, visible or not: a number is unique in the whole house.
            for number in Person.objects.filter(volunteer_number__in=piece).values_list(
                "volunteer_number", flat=True
            ):
                self._taken[str(number)] = True

    def is_taken(self, number: str) -> bool:
        """True when anybody at all has this volunteer number."""
        if number not in self._taken:
            self._taken[number] = Person.objects.filter(volunteer_number=number).exists()
        return self._taken[number]

    def match(self, one: Planned, claimed: set[UUID]) -> Person | None:
        """Return the person on record whom a row means, None for somebody new; puts a fault on the row when that is unclear."""
        given = one.found.values
        assert one.place is not None
        identity = self._identities.get(id(one), "")
        number = given.get("volunteer_number")
        if number:
            found = self.by_number.get(number)
            if found is not None:
                if found.name_key != one.match_key and (not identity or found.identity_index != identity):
                    one.fault("volunteer_number", "row.number_of_another")
                return found
            if self.is_taken(number):
                one.fault("volunteer_number", "row.number_taken")
                return None
        if identity:
            same = self.by_identity.get(identity, [])
            if len(same) == 1:
                if same[0].name_key != one.match_key:
                    one.fault("identity_number", "row.identity_of_another")
                return same[0]
            if len(same) > 1:
                one.fault("identity_number", "row.several_match", count=len(same))
                return None
        candidates = [
            person
            for person in self.by_name.get(one.match_key, {}).values()
            if not (number and person.volunteer_number) and not (identity and person.identity_index)
        ]
        phones = self._phones[id(one)]
        by_phone = [
            person for person in candidates if any(person.pk in self.by_phone[index] for index in phones)
        ]
        if by_phone:
            return self._only(one, by_phone, claimed)
        born = given.get("birth_on")
        by_birth = [
            person
            for person in candidates
            if born is not None
            and person.birth_on == born
            and (person.place_id == one.place.pk or not (phones and self._has_phone(person)))
        ]
        if by_birth:
            here = [person for person in by_birth if person.place_id == one.place.pk]
            return self._only(one, here or by_birth, claimed)
        here = [
            person
            for person in candidates
            if person.place_id == one.place.pk
            and not (born and person.birth_on)
            and not (phones and self._has_phone(person))
            and person.pk not in claimed
        ]
        # A bare row means the bare record first, should there be a fuller one of the same name beside it.
        alike = [
            person
            for person in here
            if (bool(person.birth_on), self._has_phone(person)) == (bool(born), bool(phones))
            and bool(person.identity_index) == bool(identity)
        ]
        return self._only(one, alike or here, claimed) if here else None

    def _has_phone(self, person: Person) -> bool:
        return any(kind == "PHONE" for kind, _index in self.contacts[person.pk])

    def _only(self, one: Planned, found: Sequence[Person], claimed: set[UUID]) -> Person | None:
        if len(found) > 1:
            found = [person for person in found if person.pk not in claimed]
        if len(found) == 1:
            return found[0]
        one.fault("name", "row.several_match", count=len(found))
        return None

    def namesakes(self, one: Planned) -> bool:
        """True when somebody of this name is on record in the same place."""
        assert one.place is not None
        place_id = one.place.pk
        return any(person.place_id == place_id for person in self.by_name.get(one.match_key, {}).values())


def _pieces(values_: set[Any], size: int = 400) -> Iterator[list[Any]]:
    ordered = sorted(values_, key=str)
    for start in range(0, len(ordered), size):
        yield ordered[start : start + size]


def _in_pieces(rows: QuerySet[Person], column: str, wanted: set[Any]) -> Iterator[Person]:
    for piece in _pieces(wanted):
        yield from rows.filter(**{f"{column}__in": piece})


def _ask_again(by: Actor, run: ImportRun) -> None:
    """Ask for the rights once more: they may have ended between check and import. One question a place, not a row."""
    staged = ImportedRow.objects.filter(run=run, action__in=(CREATE, UPDATE))
    wanted = set(staged.values_list("action", "place_id", "organization_id").distinct())
    places = Place.objects.in_bulk({place_id for _action, place_id, _body in wanted if place_id})
    bodies = Organization.objects.in_bulk({body for _action, _place, body in wanted if body})
    for action, place_id, body_id in wanted:
        paths = frozenset({places[place_id].path} if place_id else ())
        organizations = frozenset({bodies[body_id].path} if body_id else ())
        policy.require(
            by,
            "create" if action == CREATE else "edit",
            policy.Facts("person", place_paths=paths, organization_paths=organizations),
        )


def _refuse_if_outdated(run: ImportRun) -> None:
    """Refuse when somebody put on record, changed, merged or erased a person since the check whom a staged row touches."""
    assert run.checked_at is not None
    staged = ImportedRow.objects.filter(run=run, action__in=(CREATE, UPDATE))
    since = Person.objects.filter(updated_at__gt=run.checked_at)
    outdated = (
        staged.filter(action=CREATE, match_key__in=since.values("name_key")).exists()
        or staged.filter(action=UPDATE, target_id__in=since.values("pk")).exists()
        or Person.objects.filter(pk__in=staged.filter(action=UPDATE).values("target_id"))
        .exclude(status=Person.Status.ACTIVE)
        .exists()
    )
    if outdated:
        raise ImportOutdated(_("检查之后，有人改动了表里的人，一行也没有导入。请重新检查一次。"))


class _Writer:
    """Turns people into cells; contacts and identity numbers only of those the actor may see them of."""

    def __init__(self, actor: Actor) -> None:
        self._actor = actor
        self._places = PlaceFinder(actor, "person", "export")

    def cells(self, rows: Sequence[Person]) -> Iterator[dict[str, Any]]:
        ids = [row.pk for row in rows]
        reachable = set(
            Person.objects.visible_to(self._actor, "view", "person.contact")
            .filter(pk__in=ids)
            .values_list("pk", flat=True)
        )
        known = set(
            Person.objects.visible_to(self._actor, "view", "person.identity")
            .filter(pk__in=ids)
            .values_list("pk", flat=True)
        )
        contacts: dict[tuple[UUID, str], list[str]] = defaultdict(list)
        for contact in (
            ContactPoint.objects.visible_to(self._actor).filter(person__in=ids).order_by("-is_primary", "id")
        ):
            contacts[contact.person_id, contact.kind].append(contact.value)
        held: dict[UUID, Membership] = {}
        memberships = Membership.objects.visible_to(self._actor).filter(person__in=ids, ended_on__isnull=True)
        for membership in memberships.select_related("organization").order_by("-id"):
            held[membership.person_id] = membership  # the first one of several; a sheet has one row a person
        for row in rows:
            found: dict[str, Any] = {
                "name": row.name,
                "sex": row.sex if row.sex != Person.Sex.UNKNOWN else "",
                "birth_on": row.birth_on,
                "volunteer_number": row.volunteer_number or "",
                "place": self._places.full_name(row.place),
                "place_code": row.place.code,
            }
            if row.pk in reachable:
                found |= {
                    "address": row.address,
                    "note": row.note,
                    "phone": "、".join(contacts[row.pk, "PHONE"]),
                }
                found |= {
                    "email": "".join(contacts[row.pk, "EMAIL"][:1]),
                    "wechat": "".join(contacts[row.pk, "WECHAT"][:1]),
                }
            if row.pk in known:
                found["identity_number"] = row.identity_number
            if row.pk in held:
                own = held[row.pk]
                found |= {"organization": own.organization.name, "capacity": own.capacity, "title": own.title}
            yield found
