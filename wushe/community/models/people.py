"""People: one row each, however many roles they have; how to find them, reach them, and what they agreed to."""

from typing import Any

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from wushe.community.rules import people as rules
from wushe.kernel.fields import EncryptedField, KeyField
from wushe.kernel.scoping import ScopedModel


class Person(ScopedModel):
    """One row per person (人员), whatever roles they hold.

    Not stored: age (it follows from `birth_on`), roles (memberships and grants), hours (the ledger), any location track.
    The name stays exactly as typed; it is matched on `name_key` and on `PersonKey` rows.
    """

    class Sex(models.TextChoices):
        UNKNOWN = "UNKNOWN", _("未填")
        FEMALE = "FEMALE", _("女")
        MALE = "MALE", _("男")

    class Status(models.TextChoices):
        ACTIVE = "ACTIVE", _("在册")
        MERGED = "MERGED", _("已合并")
        ERASED = "ERASED", _("已删除")

    class Scope:
        data_class = "person"
        own = ("id", "guardianships__guardian_id")
        place = "place__path"
        organization = "memberships__organization__path"
        organization_when = {"memberships__ended_on__isnull": True}

    name = models.CharField(_("姓名"), max_length=200)
    name_key = KeyField(max_length=200, db_index=True, editable=False)
    sex = models.CharField(_("性别"), max_length=8, choices=Sex, default=Sex.UNKNOWN)
    birth_on = models.DateField(_("出生日期"), null=True, blank=True)
    place = models.ForeignKey(
        "community.Place", on_delete=models.PROTECT, related_name="people", verbose_name=_("所在社区")
    )
    volunteer_number = KeyField(_("志愿者编号"), max_length=20, null=True, blank=True, unique=True)
    address = EncryptedField(_("住址"), blank=True, purpose="person.address")
    identity_number = EncryptedField(_("证件号码"), blank=True, purpose="person.identity")
    identity_index = KeyField(max_length=32, blank=True, db_index=True, editable=False)
    note = EncryptedField(_("备注"), blank=True, purpose="person.note")
    status = models.CharField(max_length=8, choices=Status, default=Status.ACTIVE)
    merged_into = models.ForeignKey(
        "self", on_delete=models.PROTECT, null=True, blank=True, related_name="merged_from"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    personal_fields = (
        "name", "name_key", "sex", "birth_on", "volunteer_number", "address", "identity_number", "identity_index", "note",
    )  # fmt: skip

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="person_merged_iff_target",
                condition=Q(status="MERGED", merged_into__isnull=False)
                | (~Q(status="MERGED") & Q(merged_into__isnull=True)),
            ),
            models.CheckConstraint(name="person_not_merged_into_itself", condition=~Q(merged_into=F("id"))),
            models.CheckConstraint(name="person_has_name", condition=~Q(name="")),
        ]
        indexes = [
            models.Index(fields=["place", "status", "name_key"], name="person_by_place"),
            # The place page counts volunteers by place over the whole nation from this index alone.
            models.Index(
                fields=["place"],
                condition=Q(status="ACTIVE", volunteer_number__isnull=False),
                name="person_volunteers",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def personal_owner_id(self) -> Any:
        return self.id


class PersonKey(models.Model):
    """One row per string by which a person's name is found (查找键): itself, its readings, their initials, its ends.

    Carries the labels of the county and the street of the person's place (third and fourth in its path), so that a search
    inside a scope is one index range even over a million people; both are rewritten when people or places move. People who are
    merged away or erased have no keys. Telephone and volunteer numbers are found by their own columns, not here.

    The foreign key is not checked by the database: an import writes the keys of new people shortly before the people
    themselves, so that the transaction that makes them appear is short. A key without its person finds nobody.
    """

    class Kind(models.TextChoices):
        NAME = rules.NAME, _("姓名")
        PINYIN = rules.PINYIN, _("拼音")
        OTHER_PINYIN = rules.OTHER_PINYIN, _("拼音（另一读音）")
        INITIALS = rules.INITIALS, _("拼音首字母")
        SUFFIX = rules.SUFFIX, _("姓名末尾")

    person = models.ForeignKey(
        Person, on_delete=models.CASCADE, related_name="keys", db_constraint=False, db_index=False
    )
    kind = models.CharField(max_length=1, choices=Kind)
    key = KeyField(max_length=rules.KEY_LIMIT)
    county = KeyField(max_length=12, blank=True)
    street = KeyField(max_length=12, blank=True)

    stays_on_merge = True
    on_person_erased = "delete"

    class Meta:
        indexes = [
            models.Index(fields=["street", "kind", "key"], name="person_key_by_street"),
            models.Index(fields=["kind", "key", "county"], name="person_key_by_key"),
        ]
        constraints = [models.UniqueConstraint(fields=["person", "kind", "key"], name="person_key_once")]

    def __str__(self) -> str:
        return f"{self.kind}:{self.key}"


class ContactPoint(ScopedModel):
    """One row per way to reach a person (联系方式). Two people may share a phone. Not stored: whether anyone answered."""

    class Kind(models.TextChoices):
        PHONE = "PHONE", _("电话")
        EMAIL = "EMAIL", _("电子邮箱")
        WECHAT = "WECHAT", _("微信号")

    class Scope:
        data_class = "person.contact"
        own = "person_id"
        place = "person__place__path"
        organization = "person__memberships__organization__path"
        organization_when = {"person__memberships__ended_on__isnull": True}

    person = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="contacts")
    kind = models.CharField(max_length=8, choices=Kind, default=Kind.PHONE)
    value = EncryptedField(purpose="person.contact")
    value_index = KeyField(max_length=32, db_index=True, editable=False)
    tail_index = KeyField(max_length=32, blank=True, db_index=True, editable=False)
    is_primary = models.BooleanField(default=False)

    personal_fields = ("value", "value_index", "tail_index")
    # What a row gives up when two people become one and both have such a row; see operations.merging.
    merge_yields = {"is_primary": False}
    on_person_erased = "delete"

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["person", "kind", "value_index"], name="contact_once_per_person"),
            models.UniqueConstraint(
                fields=["person", "kind"], condition=Q(is_primary=True), name="contact_one_primary"
            ),
        ]

    def __str__(self) -> str:
        return self.kind

    def personal_owner_id(self) -> Any:
        return self.person_id


class Guardianship(ScopedModel):
    """One row per period in which one person is another's guardian (监护关系)."""

    class Scope:
        data_class = "guardianship"
        own = ("ward_id", "guardian_id")
        place = "ward__place__path"
        organization = "ward__memberships__organization__path"
        organization_when = {"ward__memberships__ended_on__isnull": True}

    ward = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="guardianships")
    guardian = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="wards")
    relation = models.CharField(_("关系"), max_length=40)
    started_on = models.DateField()
    ended_on = models.DateField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(name="guardianship_of_another", condition=~Q(ward=F("guardian"))),
            models.CheckConstraint(
                name="guardianship_dates",
                condition=Q(ended_on__isnull=True) | Q(ended_on__gte=F("started_on")),
            ),
            models.UniqueConstraint(
                fields=["ward", "guardian"], condition=Q(ended_on__isnull=True), name="guardianship_once"
            ),
        ]

    def __str__(self) -> str:
        return self.relation


class Consent(ScopedModel):
    """One row per consent a person, or a minor's guardian, gave for one purpose (同意). Withdrawal dates it; nothing is deleted."""

    class Purpose(models.TextChoices):
        CONTACT = "CONTACT", _("联系我")
        SERVICE = "SERVICE", _("为提供服务而处理我的信息")
        SENSITIVE = "SENSITIVE", _("处理敏感个人信息")
        MINOR = "MINOR", _("处理未成年人的信息")
        PUBLIC_NAME = "PUBLIC_NAME", _("公开我的姓名")
        RESEARCH = "RESEARCH", _("用于评估研究")

    class Means(models.TextChoices):
        SELF = "SELF", _("本人在线")
        PAPER = "PAPER", _("纸质签字")
        SPOKEN = "SPOKEN", _("口头（有见证）")

    class Scope:
        data_class = "consent"
        own = ("person_id", "given_by_id")
        place = "person__place__path"
        organization = "person__memberships__organization__path"
        organization_when = {"person__memberships__ended_on__isnull": True}

    person = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="consents")
    purpose = models.CharField(max_length=16, choices=Purpose)
    given_by = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="consents_given")
    means = models.CharField(max_length=8, choices=Means)
    notice_version = models.CharField(max_length=20)
    given_at = models.DateTimeField()
    withdrawn_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["person", "purpose"], condition=Q(withdrawn_at__isnull=True), name="consent_one_live"
            ),
            models.CheckConstraint(
                name="consent_dates",
                condition=Q(withdrawn_at__isnull=True) | Q(withdrawn_at__gte=F("given_at")),
            ),
        ]

    def __str__(self) -> str:
        return self.purpose


class PersonMerge(ScopedModel):
    """One row per merge of two rows that were one person (人员合并), with all that moved, so that it can be undone for 30 days."""

    class Scope:
        data_class = "person"
        place = "kept__place__path"
        organization = "kept__memberships__organization__path"
        organization_when = {"kept__memberships__ended_on__isnull": True}

    kept = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="merges_kept")
    gone = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="merges_gone")
    moved = models.JSONField(default=dict)  # ids and columns only
    sealed = models.TextField(
        blank=True
    )  # what the two rows said before, sealed under the kept person's own key
    merged_at = models.DateTimeField()
    merged_by = models.CharField(max_length=200)
    undo_until = models.DateTimeField()
    undone_at = models.DateTimeField(null=True, blank=True)

    stays_on_merge = True

    class Meta:
        constraints = [
            models.CheckConstraint(name="merge_of_two", condition=~Q(kept=F("gone"))),
            models.UniqueConstraint(
                fields=["gone"], condition=Q(undone_at__isnull=True), name="merge_gone_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.gone_id} → {self.kept_id}"


class DistinctPair(models.Model):
    """One row per pair of people that somebody looked at and found to be two (确认不重复), so that it is not suggested again.

    `first` is the smaller id.
    """

    first = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="distinct_first")
    second = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="distinct_second")
    decided_at = models.DateTimeField()
    decided_by = models.CharField(max_length=200)

    stays_on_merge = True
    on_person_erased = "delete"

    class Meta:
        constraints = [models.UniqueConstraint(fields=["first", "second"], name="distinct_pair_once")]

    def __str__(self) -> str:
        return f"{self.first_id} ≠ {self.second_id}"


class Skill(ScopedModel):
    """One row per skill or licence of the shared vocabulary (技能). Not stored here: who offers it, which is linkage's."""

    class Scope:
        data_class = "skill"
        public = True

    code = KeyField(max_length=40, unique=True)
    name = models.CharField(max_length=80)
    name_en = models.CharField(max_length=80)
    needs_license = models.BooleanField(default=False)

    def __str__(self) -> str:
        return self.name


class HeldQualification(ScopedModel):
    """One row per qualification a person holds (持有资质): issuer and validity. Not stored: exam marks."""

    class Scope:
        data_class = "qualification"
        own = "person_id"
        place = "person__place__path"
        organization = "person__memberships__organization__path"
        organization_when = {"person__memberships__ended_on__isnull": True}

    person = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="qualifications")
    skill = models.ForeignKey(Skill, on_delete=models.PROTECT, related_name="held")
    issuer = models.CharField(max_length=200, blank=True)
    number = models.CharField(max_length=80, blank=True)
    issued_on = models.DateField(null=True, blank=True)
    valid_until = models.DateField(null=True, blank=True)

    personal_fields = ("number",)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["person", "skill", "issuer", "issued_on"], name="qualification_once"
            ),
            models.CheckConstraint(
                name="qualification_dates",
                condition=Q(valid_until__isnull=True)
                | Q(issued_on__isnull=True)
                | Q(valid_until__gte=F("issued_on")),
            ),
        ]

    def __str__(self) -> str:
        return self.issuer

    def personal_owner_id(self) -> Any:
        return self.person_id
