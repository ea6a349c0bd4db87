"""Organizations, the stations they run, the venues they open, who works with them, and who answers for what."""

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from wushe.kernel.fields import EncryptedField, KeyField
from wushe.kernel.scoping import ScopedModel


class Organization(ScopedModel):
    """One row per organization of any kind (组织), registered, only filed, or neither.

    Not stored: which of the Five Societies it counts as (a rule from `kind`), what it gives (the ledger), how active it is
    (read from joint actions). `parent` and `path` are today's tree; who answered for it when is in `Responsibility`.
    """

    class Kind(models.TextChoices):
        PARTY_BODY = "PARTY_BODY", _("党组织")
        DEPARTMENT = "DEPARTMENT", _("政府部门")
        STREET_OFFICE = "STREET_OFFICE", _("街道办事处（乡镇政府）")
        RESIDENTS_COMMITTEE = "RESIDENTS_COMMITTEE", _("居民委员会")
        VILLAGERS_COMMITTEE = "VILLAGERS_COMMITTEE", _("村民委员会")
        SOCIAL_WORK_AGENCY = "SOCIAL_WORK_AGENCY", _("社会工作服务机构")
        COMMUNITY_ORGANIZATION = "COMMUNITY_ORGANIZATION", _("社区社会组织")
        SOCIAL_ORGANIZATION = "SOCIAL_ORGANIZATION", _("其他社会组织")
        VOLUNTEER_ORGANIZATION = "VOLUNTEER_ORGANIZATION", _("志愿服务组织")
        VOLUNTEER_TEAM = "VOLUNTEER_TEAM", _("志愿服务队伍")
        CHARITY = "CHARITY", _("慈善组织")
        COMMUNITY_FOUNDATION = "COMMUNITY_FOUNDATION", _("社区基金会")
        FIRM = "FIRM", _("企业")
        UNIVERSITY = "UNIVERSITY", _("高校")
        TRADE_ASSOCIATION = "TRADE_ASSOCIATION", _("行业协会")
        OWNERS_COMMITTEE = "OWNERS_COMMITTEE", _("业主委员会")
        PROPERTY_COMPANY = "PROPERTY_COMPANY", _("物业服务企业")
        PUBLIC_INSTITUTION = "PUBLIC_INSTITUTION", _("事业单位")

    class Registration(models.TextChoices):
        REGISTERED = "REGISTERED", _("已登记")
        FILED = "FILED", _("已备案")
        NONE = "NONE", _("未登记")

    class Status(models.TextChoices):
        ACTIVE = "ACTIVE", _("活跃")
        DORMANT = "DORMANT", _("休眠")
        CLOSED = "CLOSED", _("已注销")

    class Scope:
        data_class = "organization"
        place = "place__path"
        organization = "path"
        public = "is_public"

    name = models.CharField(_("名称"), max_length=200)
    name_key = KeyField(max_length=200, db_index=True, editable=False)
    kind = models.CharField(_("类型"), max_length=24, choices=Kind)
    registration = models.CharField(
        _("登记情况"), max_length=10, choices=Registration, default=Registration.NONE
    )
    credit_code = KeyField(_("统一社会信用代码"), max_length=18, null=True, blank=True, unique=True)
    place = models.ForeignKey(
        "community.Place", on_delete=models.PROTECT, related_name="organizations", verbose_name=_("所在地")
    )
    parent = models.ForeignKey(
        "self", on_delete=models.PROTECT, null=True, blank=True, related_name="children"
    )
    path = KeyField(max_length=240, unique=True, editable=False)
    purpose = models.TextField(_("宗旨与业务"), blank=True, max_length=2000)
    address = models.CharField(_("地址"), max_length=300, blank=True)
    office_phone = models.CharField(_("公开电话"), max_length=40, blank=True)
    contact_name = EncryptedField(_("联系人"), blank=True, purpose="organization.contact_name")
    contact_phone = EncryptedField(_("联系人电话"), blank=True, purpose="organization.contact_phone")
    founded_on = models.DateField(_("成立日期"), null=True, blank=True)
    status = models.CharField(_("状态"), max_length=8, choices=Status, default=Status.ACTIVE)
    closed_on = models.DateField(null=True, blank=True)
    is_public = models.BooleanField(_("在公开页面显示"), default=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    personal_fields = ("contact_name", "contact_phone")

    class Meta:
        constraints = [
            models.CheckConstraint(name="organization_not_its_parent", condition=~Q(parent=F("id"))),
            models.CheckConstraint(name="organization_has_name", condition=~Q(name="")),
            models.CheckConstraint(
                name="organization_closed_has_date",
                condition=(Q(status="CLOSED") & Q(closed_on__isnull=False))
                | (~Q(status="CLOSED") & Q(closed_on__isnull=True)),
            ),
        ]
        indexes = [models.Index(fields=["place", "kind", "status"], name="organization_by_place")]

    def __str__(self) -> str:
        return self.name


class OrganizationKey(models.Model):
    """One row per string by which an organization is found (查找键): folded name, readings, initials, neighbouring pairs."""

    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="keys")
    kind = models.CharField(max_length=1)
    key = KeyField(max_length=400)

    class Meta:
        indexes = [models.Index(fields=["kind", "key"], name="organization_key_search")]
        constraints = [
            models.UniqueConstraint(fields=["organization", "kind", "key"], name="organization_key_once")
        ]

    def __str__(self) -> str:
        return f"{self.kind}:{self.key}"


class Venue(ScopedModel):
    """One row per room or ground that can be used (场地). Not stored: bookings, which are linkage's."""

    class Scope:
        data_class = "venue"
        place = "place__path"
        organization = "organization__path"
        public = "is_public"

    name = models.CharField(_("名称"), max_length=200)
    place = models.ForeignKey(
        "community.Place", on_delete=models.PROTECT, related_name="venues", verbose_name=_("所在地")
    )
    organization = models.ForeignKey(
        Organization,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="venues",
        verbose_name=_("管理单位"),
    )
    address = models.CharField(_("地址"), max_length=300, blank=True)
    capacity = models.PositiveIntegerField(_("容纳人数"), null=True, blank=True)
    equipment = models.CharField(_("设备"), max_length=500, blank=True)
    is_step_free = models.BooleanField(_("无障碍通行"), default=False)
    phone = models.CharField(_("公开电话"), max_length=40, blank=True)
    latitude = models.DecimalField(_("纬度"), max_digits=8, decimal_places=5, null=True, blank=True)
    longitude = models.DecimalField(_("经度"), max_digits=8, decimal_places=5, null=True, blank=True)
    is_open = models.BooleanField(_("在用"), default=True)
    is_public = models.BooleanField(_("在公开页面显示"), default=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="venue_coordinates_together",
                condition=Q(latitude__isnull=True, longitude__isnull=True)
                | Q(latitude__range=(-90, 90), longitude__range=(-180, 180)),
            ),
            models.CheckConstraint(name="venue_has_name", condition=~Q(name="")),
        ]

    def __str__(self) -> str:
        return self.name


class Station(ScopedModel):
    """One row per social-work station or service point (社工站/服务点) of the four-level service system.

    Not stored: its department and operator (`Responsibility`, with history) and its staff (`Membership`).
    """

    class Tier(models.TextChoices):
        DISTRICT = "DISTRICT", _("区级社工总站")
        STREET = "STREET", _("街道（乡镇）社工站")
        COMMUNITY = "COMMUNITY", _("社区（村）社工室")
        GRID = "GRID", _("网格服务点")

    class Scope:
        data_class = "station"
        place = "place__path"
        organization = "responsibilities__organization__path"
        organization_when = {"responsibilities__ended_on__isnull": True}
        public = "is_public"

    name = models.CharField(_("名称"), max_length=200)
    tier = models.CharField(_("层级"), max_length=10, choices=Tier)
    place = models.ForeignKey(
        "community.Place", on_delete=models.PROTECT, related_name="stations", verbose_name=_("服务区域")
    )
    venue = models.ForeignKey(
        Venue,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="stations",
        verbose_name=_("办公场地"),
    )
    address = models.CharField(_("地址"), max_length=300, blank=True)
    phone = models.CharField(_("公开电话"), max_length=40, blank=True)
    opened_on = models.DateField(_("启用日期"), null=True, blank=True)
    closed_on = models.DateField(_("停用日期"), null=True, blank=True)
    yearly_budget_fen = models.BigIntegerField(_("年度经费（分）"), null=True, blank=True)
    is_public = models.BooleanField(_("在公开页面显示"), default=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="station_dates",
                condition=Q(closed_on__isnull=True)
                | Q(opened_on__isnull=True)
                | Q(closed_on__gte=F("opened_on")),
            ),
            models.CheckConstraint(
                name="station_budget_not_negative",
                condition=Q(yearly_budget_fen__isnull=True) | Q(yearly_budget_fen__gte=0),
            ),
            models.CheckConstraint(name="station_has_name", condition=~Q(name="")),
        ]

    def __str__(self) -> str:
        return self.name


class OpeningHours(models.Model):
    """One row per stretch of a weekday in which a venue is open (开放时间). Minutes since midnight, local time."""

    venue = models.ForeignKey(Venue, on_delete=models.CASCADE, related_name="opening_hours")
    weekday = models.PositiveSmallIntegerField()  # 0 Monday … 6 Sunday
    opens_minutes = models.PositiveSmallIntegerField()
    closes_minutes = models.PositiveSmallIntegerField()

    class Meta:
        constraints = [
            models.CheckConstraint(name="hours_weekday", condition=Q(weekday__lte=6)),
            models.CheckConstraint(
                name="hours_in_order",
                condition=Q(opens_minutes__lt=F("closes_minutes"), closes_minutes__lte=1440),
            ),
            models.UniqueConstraint(fields=["venue", "weekday", "opens_minutes"], name="hours_once"),
        ]

    def __str__(self) -> str:
        return f"{self.weekday}: {self.opens_minutes}–{self.closes_minutes}"


class Membership(ScopedModel):
    """One row per period in which a person belongs to an organization in one capacity (任职与成员关系).

    One person, several capacities in several organizations. Not stored: rights, which are role grants.
    """

    class Capacity(models.TextChoices):
        LEADER = "LEADER", _("负责人")
        COMMUNITY_WORKER = "COMMUNITY_WORKER", _("社区工作者")
        SOCIAL_WORKER = "SOCIAL_WORKER", _("社会工作者")
        SUPERVISOR = "SUPERVISOR", _("督导")
        STAFF = "STAFF", _("工作人员")
        VOLUNTEER = "VOLUNTEER", _("志愿者")
        MEMBER = "MEMBER", _("成员")
        STUDENT = "STUDENT", _("实习生")
        CONTACT = "CONTACT", _("联系人")

    class Scope:
        data_class = "membership"
        own = "person_id"
        place = "organization__place__path"
        organization = "organization__path"

    person = models.ForeignKey("community.Person", on_delete=models.CASCADE, related_name="memberships")
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, related_name="memberships")
    station = models.ForeignKey(
        Station, on_delete=models.PROTECT, null=True, blank=True, related_name="memberships"
    )
    capacity = models.CharField(_("身份"), max_length=20, choices=Capacity)
    title = models.CharField(_("职务"), max_length=80, blank=True)
    started_on = models.DateField(_("开始"), null=True, blank=True)
    ended_on = models.DateField(_("结束"), null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["person", "organization", "capacity"],
                condition=Q(ended_on__isnull=True),
                name="membership_once",
            ),
            models.CheckConstraint(
                name="membership_dates",
                condition=Q(ended_on__isnull=True)
                | Q(started_on__isnull=True)
                | Q(ended_on__gte=F("started_on")),
            ),
        ]
        indexes = [
            models.Index(fields=["organization", "ended_on", "capacity"], name="membership_by_organization"),
            # Few among very many volunteers: the place page counts them over the whole nation.
            models.Index(
                fields=["organization", "station", "person"],
                condition=Q(
                    ended_on__isnull=True, capacity__in=["COMMUNITY_WORKER", "SOCIAL_WORKER", "SUPERVISOR"]
                ),
                name="membership_of_workers",
            ),
        ]

    def __str__(self) -> str:
        return self.capacity


class Duty(ScopedModel):
    """One row per public duty that some body answers for (职责), such as volunteer service or registering organizations."""

    class Scope:
        data_class = "place"
        public = True

    code = KeyField(max_length=40, unique=True)
    name = models.CharField(max_length=80)
    name_en = models.CharField(max_length=80)

    def __str__(self) -> str:
        return self.name


class Responsibility(ScopedModel):
    """One row per period in which one organization answers for a station, for another organization, or for a duty in a place
    (归口与运营关系). Reorganizations end a row and start another; nothing is overwritten.
    """

    class Capacity(models.TextChoices):
        OWNER = "OWNER", _("归口管理部门")
        OPERATOR = "OPERATOR", _("运营机构")
        REGISTRAR = "REGISTRAR", _("登记或备案机关")

    class Scope:
        data_class = "duty"
        place = ("station__place__path", "subject__place__path", "place__path")
        organization = "organization__path"

    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, related_name="responsibilities")
    capacity = models.CharField(max_length=10, choices=Capacity)
    station = models.ForeignKey(
        Station, on_delete=models.CASCADE, null=True, blank=True, related_name="responsibilities"
    )
    subject = models.ForeignKey(
        Organization, on_delete=models.CASCADE, null=True, blank=True, related_name="answered_for_by"
    )
    duty = models.ForeignKey(
        Duty, on_delete=models.PROTECT, null=True, blank=True, related_name="responsibilities"
    )
    place = models.ForeignKey(
        "community.Place", on_delete=models.PROTECT, null=True, blank=True, related_name="responsibilities"
    )
    started_on = models.DateField()
    ended_on = models.DateField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="responsibility_one_subject",
                condition=Q(
                    station__isnull=False, subject__isnull=True, duty__isnull=True, place__isnull=True
                )
                | Q(station__isnull=True, subject__isnull=False, duty__isnull=True, place__isnull=True)
                | Q(station__isnull=True, subject__isnull=True, duty__isnull=False, place__isnull=False),
            ),
            models.CheckConstraint(
                name="responsibility_dates",
                condition=Q(ended_on__isnull=True) | Q(ended_on__gte=F("started_on")),
            ),
            models.UniqueConstraint(
                fields=["station", "capacity"],
                condition=Q(ended_on__isnull=True, station__isnull=False),
                name="responsibility_station_once",
            ),
            models.UniqueConstraint(
                fields=["subject", "capacity"],
                condition=Q(ended_on__isnull=True, subject__isnull=False),
                name="responsibility_subject_once",
            ),
            models.UniqueConstraint(
                fields=["duty", "place"],
                condition=Q(ended_on__isnull=True, duty__isnull=False),
                name="responsibility_duty_once",
            ),
        ]

    def __str__(self) -> str:
        return self.capacity
