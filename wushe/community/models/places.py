"""Places: the five official levels, and the grids and buildings below them, today and at any earlier date."""

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from wushe.community.rules import places as rules
from wushe.kernel.append_only import AppendOnlyModel
from wushe.kernel.fields import KeyField
from wushe.kernel.scoping import ScopedModel


class Place(ScopedModel):
    """One row per place (地方) that exists or once existed, in the state it is in today.

    The id never changes: other rows point at it for good. Official places have the UUIDv5 of their first code, so that two
    deployments agree; the users' own grids and buildings have a UUIDv7. `path` is the tree of today: the labels of all
    ancestors and of the place. A place merged into another is closed and its path lies below its successor's, so that what
    hangs on it counts there today; earlier states are `PlaceEra` rows.

    Not stored: boundaries (none are shipped), population, the names of the places above (one query by path finds them).
    """

    class Level(models.IntegerChoices):
        PROVINCE = rules.PROVINCE, _("省级")
        CITY = rules.CITY, _("地级")
        COUNTY = rules.COUNTY, _("区县")
        STREET = rules.STREET, _("街道/乡镇")
        COMMUNITY = rules.COMMUNITY, _("社区/村")
        GRID = rules.GRID, _("网格")
        BUILDING = rules.BUILDING, _("楼栋")

    class Kind(models.TextChoices):
        UNKNOWN = "", _("未分")
        URBAN = rules.URBAN, _("城镇")
        RURAL = rules.RURAL, _("乡村")

    class Scope:
        data_class = "place"
        place = "path"
        public = True

    code = KeyField(_("区划代码"), max_length=12, null=True, blank=True)
    name = models.CharField(_("名称"), max_length=rules.NAME_LIMIT)
    level = models.PositiveSmallIntegerField(_("级别"), choices=Level)
    kind = models.CharField(_("城乡"), max_length=5, choices=Kind, default=Kind.UNKNOWN, blank=True)
    parent = models.ForeignKey(
        "self",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="children",
        verbose_name=_("上级"),
    )
    path = KeyField(max_length=rules.PATH_LIMIT, editable=False)
    valid_from = models.DateField(_("设立日期"), default=rules.BEFORE_RECORDS)
    valid_until = models.DateField(_("撤销日期"), null=True, blank=True)
    state_from = models.DateField(default=rules.BEFORE_RECORDS, editable=False)
    successor = models.ForeignKey(
        "self", on_delete=models.PROTECT, null=True, blank=True, related_name="predecessors", db_index=False
    )
    latitude = models.FloatField(_("纬度"), null=True, blank=True)
    longitude = models.FloatField(_("经度"), null=True, blank=True)
    name_key = KeyField(max_length=rules.NAME_LIMIT, editable=False)
    pinyin = KeyField(max_length=rules.KEY_LIMIT, editable=False)
    initials = KeyField(max_length=rules.KEY_LIMIT, editable=False)

    class Meta:
        # Unique by constraint, not by field: a unique text field would bring PostgreSQL a second, useless pattern index.
        constraints = [
            models.UniqueConstraint(fields=["code"], name="place_code_once"),
            models.UniqueConstraint(fields=["path"], name="place_path_once"),
            models.CheckConstraint(
                name="place_level_known", condition=Q(level__gte=rules.PROVINCE, level__lte=rules.BUILDING)
            ),
            models.CheckConstraint(name="place_has_name", condition=~Q(name="")),
            models.CheckConstraint(
                name="place_dates_in_order",
                condition=Q(valid_until__isnull=True) | Q(valid_until__gte=F("valid_from")),
            ),
            models.CheckConstraint(
                name="place_not_its_own_parent", condition=Q(parent__isnull=True) | ~Q(parent=F("id"))
            ),
            models.CheckConstraint(
                name="place_not_its_own_successor",
                condition=Q(successor__isnull=True) | ~Q(successor=F("id")),
            ),
            models.CheckConstraint(
                name="place_successor_only_when_closed",
                condition=Q(successor__isnull=True) | Q(valid_until__isnull=False),
            ),
            models.CheckConstraint(
                name="place_point_whole",
                condition=Q(latitude__isnull=True, longitude__isnull=True)
                | Q(latitude__gte=-90, latitude__lte=90, longitude__gte=-180, longitude__lte=180),
            ),
        ]
        indexes = [
            models.Index(fields=["level", "name_key"], name="place_by_name"),
            models.Index(fields=["level", "pinyin"], name="place_by_pinyin"),
            models.Index(fields=["level", "initials"], name="place_by_initials"),
            # One level of a subtree, and its roll-up by level without touching the table.
            models.Index(fields=["level", "path", "valid_until"], name="place_by_level"),
            models.Index(
                fields=["successor"], name="place_by_successor", condition=Q(successor__isnull=False)
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_open(self) -> bool:
        return self.valid_until is None


class PlaceKey(models.Model):
    """One row per further string by which a place is found (地方查找键): another reading, its initials, a former name.

    The first reading and today's name are columns of `Place`; most places need no row here.
    """

    place = models.ForeignKey(Place, on_delete=models.CASCADE, related_name="keys")
    level = models.PositiveSmallIntegerField()
    key = KeyField(max_length=rules.NAME_LIMIT)

    class Meta:
        indexes = [models.Index(fields=["level", "key"], name="place_key_search")]

    def __str__(self) -> str:
        return self.key


class PlaceEra(AppendOnlyModel):
    """One row per past state of a place (地方沿革): its name, code, parent and path from a day up to, not including, another.

    The state of today is the `Place` row itself, from its `state_from`. A state that lasted no whole day leaves no row.
    """

    place = models.ForeignKey(Place, on_delete=models.PROTECT, related_name="eras")
    code = KeyField(max_length=12, null=True, blank=True)
    name = models.CharField(max_length=rules.NAME_LIMIT)
    level = models.PositiveSmallIntegerField(choices=Place.Level)
    parent = models.ForeignKey(Place, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    path = KeyField(max_length=rules.PATH_LIMIT)
    valid_from = models.DateField()
    valid_until = models.DateField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["place", "valid_from"], name="place_era_once"),
            models.CheckConstraint(name="place_era_lasts", condition=Q(valid_until__gt=F("valid_from"))),
        ]
        indexes = [models.Index(fields=["path", "valid_from"], name="place_era_by_path")]

    def __str__(self) -> str:
        return f"{self.name} {self.valid_from}–{self.valid_until}"
