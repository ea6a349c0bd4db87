"""The stored facts of 五社主体: who and what there is, where, and who may do what."""

from wushe.community.models.accounts import Account, ApiToken, Invitation, LoginCard, RecoveryCode, RoleGrant
from wushe.community.models.imports import ColumnChoice, ImportedRow, ImportRun
from wushe.community.models.organizations import (
    Duty,
    Membership,
    OpeningHours,
    Organization,
    OrganizationKey,
    Responsibility,
    Station,
    Venue,
)
from wushe.community.models.parameters import RuleValue
from wushe.community.models.people import (
    Consent,
    ContactPoint,
    DistinctPair,
    Guardianship,
    HeldQualification,
    Person,
    PersonKey,
    PersonMerge,
    Skill,
)
from wushe.community.models.places import Place, PlaceEra, PlaceKey
from wushe.community.models.summaries import PlaceTally

__all__ = [
    "Account",
    "ApiToken",
    "ColumnChoice",
    "Consent",
    "ContactPoint",
    "DistinctPair",
    "Duty",
    "Guardianship",
    "HeldQualification",
    "ImportRun",
    "ImportedRow",
    "Invitation",
    "LoginCard",
    "Membership",
    "OpeningHours",
    "Organization",
    "OrganizationKey",
    "Person",
    "PersonKey",
    "PersonMerge",
    "Place",
    "PlaceEra",
    "PlaceKey",
    "PlaceTally",
    "RecoveryCode",
    "Responsibility",
    "RoleGrant",
    "RuleValue",
    "Skill",
    "Station",
    "Venue",
]
