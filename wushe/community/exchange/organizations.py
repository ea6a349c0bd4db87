"""Organizations (组织) in and out of spreadsheets."""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from wushe.community.exchange import plans, values
from wushe.community.exchange.columns import Column, Found, Kind, choice_of
from wushe.community.exchange.lookups import OrganizationFinder, PlaceFinder
from wushe.community.exchange.plans import (
    CREATE,
    SAME,
    UPDATE,
    Check,
    Planned,
    places_by_id,
    plain,
    shown,
)
from wushe.community.exchange.sheets import Cell
from wushe.community.exchange.small import SmallKind, StagedRows
from wushe.community.exchange.values import Fault, Reading
from wushe.community.models import Organization, OrganizationKey
from wushe.community.operations import organizations as operations
from wushe.community.rules import organizations as rules
from wushe.kernel.actor import Actor
from wushe.kernel.ids import new_id

_KIND_WORDS = {
    "PARTY_BODY": ("党组织", "党委", "党支部", "党总支", "party body"),
    "DEPARTMENT": ("政府部门", "部门", "机关", "政府机关", "行政机关", "department", "government"),
    "STREET_OFFICE": (
        "街道办事处（乡镇政府）",
        "街道办事处",
        "街道办",
        "乡镇政府",
        "镇政府",
        "street office",
    ),
    "RESIDENTS_COMMITTEE": ("居民委员会", "居委会", "社区居委会", "residents committee"),
    "VILLAGERS_COMMITTEE": ("村民委员会", "村委会", "villagers committee"),
    "SOCIAL_WORK_AGENCY": (
        "社会工作服务机构",
        "社工机构",
        "社工服务机构",
        "社会工作机构",
        "social work agency",
    ),
    "COMMUNITY_ORGANIZATION": ("社区社会组织", "社区组织", "自组织", "community organization"),
    "SOCIAL_ORGANIZATION": (
        "其他社会组织",
        "社会组织",
        "社会团体",
        "社团",
        "民办非企业单位",
        "民非",
        "社会服务机构",
        "social organization",
    ),
    "VOLUNTEER_ORGANIZATION": (
        "志愿服务组织",
        "志愿组织",
        "志愿者协会",
        "志愿者组织",
        "volunteer organization",
    ),
    "VOLUNTEER_TEAM": ("志愿服务队伍", "志愿服务队", "志愿者队伍", "志愿队", "volunteer team"),
    "CHARITY": ("慈善组织", "慈善会", "基金会", "charity"),
    "COMMUNITY_FOUNDATION": ("社区基金会", "community foundation"),
    "FIRM": ("企业", "公司", "商户", "个体工商户", "firm", "company", "enterprise"),
    "UNIVERSITY": ("高校", "大学", "学校", "院校", "university"),
    "TRADE_ASSOCIATION": ("行业协会", "商会", "协会商会", "trade association"),
    "OWNERS_COMMITTEE": ("业主委员会", "业委会", "owners committee"),
    "PROPERTY_COMPANY": ("物业服务企业", "物业公司", "物业", "property company"),
    "PUBLIC_INSTITUTION": ("事业单位", "医院", "public institution"),
}
_REGISTRATION_WORDS = {
    "REGISTERED": ("已登记", "登记", "已注册", "注册", "registered"),
    "FILED": ("已备案", "备案", "filed"),
    "NONE": ("未登记", "未登记未备案", "未备案", "未注册", "not registered", "none"),
}


def _credit_code(cell: Cell, reading: Reading) -> str:
    code = rules.credit_code(values.code(cell, reading, limit=40))
    if code is None:
        raise Fault("credit_code.wrong")
    return code


def _contact_phone(cell: Cell, reading: Reading) -> str:
    return "、".join(values.phones(cell, reading))


KIND = Kind(
    "organizations",
    _("组织"),
    "organization",
    (
        Column(
            "name",
            _("组织名称"),
            (
                "名称",
                "单位名称",
                "机构名称",
                "组织",
                "单位",
                "机构",
                "社会组织名称",
                "队伍名称",
                "全称",
                "name",
                "organization",
                "organisation",
            ),
            values.line,
            example="示范社区居民委员会",
            required=True,
            ditto=False,
        ),
        Column(
            "kind",
            _("组织类型"),
            ("类型", "类别", "性质", "组织类别", "组织性质", "单位性质", "机构类型", "kind", "type"),
            choice_of(dict(Organization.Kind.choices), _KIND_WORDS, "组织类型"),
            labels=dict(Organization.Kind.choices),
            example="居民委员会",
            required=True,
        ),
        *plans.place_columns(
            ("所在社区", "所在地", "注册地"), _("所在社区"), _("社区、街道或区县的名称，或官方代码。")
        ),
        Column(
            "credit_code",
            _("统一社会信用代码"),
            ("信用代码", "社会信用代码", "机构代码", "组织机构代码", "登记证号", "credit code", "uscc"),
            _credit_code,
            ditto=False,
        ),
        Column(
            "registration",
            _("登记情况"),
            ("登记状态", "注册情况", "是否登记", "登记备案", "登记/备案", "registration"),
            choice_of(dict(Organization.Registration.choices), _REGISTRATION_WORDS, "登记情况"),
            labels=dict(Organization.Registration.choices),
            example="已登记",
        ),
        Column("parent", _("上级组织"), ("上级单位", "主管单位", "上级", "parent"), values.line),
        Column(
            "founded_on",
            _("成立日期"),
            ("成立时间", "注册日期", "登记时间", "成立年月日", "founded", "founded on"),
            values.past_date,
            example="2020-05-20",
        ),
        Column(
            "address",
            _("地址"),
            ("办公地址", "详细地址", "住所", "单位地址", "注册地址", "address"),
            partial(values.line, limit=300),
        ),
        Column(
            "office_phone",
            _("公开电话"),
            ("办公电话", "单位电话", "座机", "服务电话", "office phone"),
            values.office_phone,
            example="0477-1234567",
        ),
        Column(
            "contact_name",
            _("联系人"),
            ("负责人", "联系人姓名", "负责人姓名", "法定代表人", "法人", "contact", "contact person"),
            partial(values.line, limit=100),
            read_right=("view", "organization.contact"),
            write_right=("edit", "organization.contact"),
        ),
        Column(
            "contact_phone",
            _("联系人电话"),
            ("联系电话", "负责人电话", "手机", "手机号", "联系方式", "电话", "contact phone", "phone"),
            _contact_phone,
            example="13800000000",
            read_right=("view", "organization.contact"),
            write_right=("edit", "organization.contact"),
        ),
        Column(
            "purpose", _("宗旨与业务"), ("业务范围", "宗旨", "服务内容", "简介", "purpose"), values.paragraph
        ),
        plans.IS_PUBLIC,
    ),
    Organization._meta.label,
)

_FIELDS = (
    "kind",
    "registration",
    "credit_code",
    "purpose",
    "address",
    "office_phone",
    "contact_name",
    "contact_phone",
    "founded_on",
    "is_public",
)


class Organizations(SmallKind):
    """Plans and carries out a file of organizations: matched by credit code, else by name and place."""

    kind = KIND
    model = Organization
    tables = (Organization,)
    parts = ((OrganizationKey, "organization_id"),)
    bodies = ("parent",)

    def plan(self, check: Check, rows: Sequence[Found]) -> list[Planned]:
        planned, finder = self.begin(check, rows)
        known = self._known(check.by, planned)
        for one in planned:
            if one.place is not None and not one.has_faults:
                self._decide(check, one, known, finder)
        return planned

    def _known(self, by: Actor, planned: Sequence[Planned]) -> dict[Any, list[Organization]]:
        found: dict[Any, list[Organization]] = {}
        keys = sorted({one.match_key for one in planned if one.match_key})
        codes = sorted(
            {str(one.found.values["credit_code"]) for one in planned if "credit_code" in one.found.values}
        )
        visible = Organization.objects.visible_to(by).select_related("place", "parent")
        for start in range(0, len(keys), 400):
            for row in visible.filter(name_key__in=keys[start : start + 400]):
                found.setdefault((row.name_key, row.place_id), []).append(row)
                found.setdefault(row.name_key, []).append(row)
        for start in range(0, len(codes), 400):
            for row in visible.filter(credit_code__in=codes[start : start + 400]):
                found.setdefault(("code", row.credit_code), []).append(row)
            taken = Organization.objects.filter(credit_code__in=codes[start : start + 400])
            for code in taken.values_list("credit_code", flat=True):
                found.setdefault(("taken", code), [])
        return found

    def _decide(
        self, check: Check, one: Planned, known: Mapping[Any, list[Organization]], finder: OrganizationFinder
    ) -> None:
        assert one.place is not None
        given = one.found.values
        code = given.get("credit_code")
        matches = known.get(("code", code), []) if code else []
        if code and not matches and ("taken", code) in known:
            one.fault("credit_code", "organization.code_taken")
            return
        if not matches:
            matches = [
                row
                for row in known.get((one.match_key, one.place.pk), [])
                if not (code and row.credit_code and row.credit_code != code)
            ]
        key = ("code", code) if code else (one.match_key, one.place.pk)
        if self.is_settled(one, matches, key, "统一社会信用代码" if code else "组织名称"):
            return
        try:
            parent = finder.find(str(given["parent"]), near=one.place) if "parent" in given else None
        except Fault as fault:
            one.found.caught("parent", fault)
            return
        if matches:
            self._update(check, one, matches[0], parent)
            return
        if not plans.may(check.by, "create", plans.facts_at("organization", one.place)):
            one.fault("place", "place.no_right")
            return
        if parent is not None and not plans.may(check.by, "edit", parent.facts()):
            one.fault("parent", "organization.no_right", value=parent.name)
            return
        if known.get(one.match_key):
            one.note("row.maybe_duplicate_name")
        one.action, one.target_label, one.target_id = CREATE, KIND.model_label, new_id()
        fields = {name: given[name] for name in _FIELDS if name in given}
        one.payload = {
            "new": {
                key: plain(value)
                for key, value in {
                    "name": given["name"],
                    "place": one.place,
                    "parent": parent,
                    **fields,
                }.items()
            }
        }

    def _update(self, check: Check, one: Planned, row: Organization, parent: Organization | None) -> None:
        assert one.place is not None
        given = one.found.values
        if parent is not None and row.parent_id != parent.pk:
            one.fault("parent", "organization.parent_differs", present=row.parent.name if row.parent else "—")
            return
        changes: dict[str, Any] = {
            name: given[name]
            for name in ("name", *_FIELDS)
            if name in given and given[name] != (getattr(row, name) or "")
        }
        if row.place_id != one.place.pk and ("place" in given or "place_code" in given):
            changes["place"] = one.place
        one.target_label, one.target_id = KIND.model_label, row.pk
        if not changes:
            one.action = SAME
            return
        needs = [row.facts()]
        if changes.keys() & {"contact_name", "contact_phone"}:
            needs.append(row.facts("organization.contact"))
        if not all(plans.may(check.by, "edit", facts) for facts in needs):
            one.fault("name", "row.no_edit_right")
            return
        one.action = UPDATE
        one.before = {name: plain(getattr(row, name)) for name in changes}
        one.payload = {"changes": {name: plain(value) for name, value in changes.items()}}
        one.changes = [
            (
                name,
                row.place.name if name == "place" else shown(getattr(row, name)),
                one.place.name if name == "place" else shown(value),
            )
            for name, value in changes.items()
        ]

    def apply(self, *, by: Actor, rows: StagedRows, at: dt.datetime) -> None:
        """Make and change the organizations through the room's operations, inside the caller's transaction."""
        new = [(row, payload["new"]) for row, payload in rows if "new" in payload]
        bodies = Organization.objects.in_bulk({UUID(f["parent"]) for _r, f in new if f.get("parent")})
        places = places_by_id(fields["place"] for _row, fields in new)
        made = (
            operations.register_organizations(
                by=by,
                at=at,
                organizations=[
                    operations.NewOrganization(
                        **{
                            **_decoded(fields),
                            "place": places[UUID(fields["place"])],
                            "parent": bodies[UUID(fields["parent"])] if fields.get("parent") else None,
                        }
                    )
                    for _row, fields in new
                ],
            )
            if new
            else []
        )
        for (row, _fields), organization in zip(new, made, strict=True):
            row.target_id = organization.pk
        changed = [(row, payload["changes"]) for row, payload in rows if "changes" in payload]
        self.edit(by, changed, at)

    def edit(self, by: Actor, rows: StagedRows, at: dt.datetime) -> None:
        present = Organization.objects.select_related("place").in_bulk(
            [row.target_id for row, _fields in rows]
        )
        places = places_by_id(fields["place"] for _row, fields in rows if "place" in fields)
        for row, fields in rows:
            changes = _decoded(fields)
            if "place" in changes:
                changes["place"] = places[UUID(changes["place"])]
            operations.edit_organization(by=by, organization=present[row.target_id], at=at, **changes)

    def write(self, actor: Actor) -> tuple[QuerySet[Organization], "_Writer"]:
        """Return the rows the actor may see, and what turns one into cells by column code."""
        rows = Organization.objects.visible_to(actor).exclude(status=Organization.Status.CLOSED)
        contact = Organization.objects.visible_to(actor, "view", "organization.contact")
        return rows.select_related("place", "parent").order_by("place__path", "name_key", "id"), _Writer(
            actor, contact
        )


class _Writer:
    def __init__(self, actor: Actor, contact: QuerySet[Organization]) -> None:
        self._places = PlaceFinder(actor, "organization", "view")
        self._contact = contact

    def cells(self, rows: Sequence[Organization]) -> Iterator[dict[str, Any]]:
        reachable = set(self._contact.filter(pk__in=[row.pk for row in rows]).values_list("pk", flat=True))
        for row in rows:
            found = {name: getattr(row, name) for name in ("name", *_FIELDS)}
            found["place"], found["place_code"] = self._places.full_name(row.place), row.place.code
            found["parent"] = row.parent.name if row.parent else ""
            if row.pk not in reachable:
                found["contact_name"] = found["contact_phone"] = ""
            yield found


def _decoded(fields: Mapping[str, Any]) -> dict[str, Any]:
    found = {name: value for name, value in fields.items() if value is not None or name == "founded_on"}
    if isinstance(found.get("founded_on"), str):
        found["founded_on"] = dt.date.fromisoformat(found["founded_on"])
    return found
