"""Accounts, what they may do, and the ways to prove who one is."""

from datetime import datetime

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from wushe.kernel.fields import EncryptedField, KeyField
from wushe.kernel.scoping import ScopedModel


class Account(AbstractBaseUser, ScopedModel):
    """One row per log-in (账号): a number and a password, and where wanted a phone, a card with PIN, a second factor.

    Not stored: rights (`RoleGrant`), the phone itself (its blind index is enough to log in), who logged in when and how often
    (nobody is measured by log-ins).
    """

    class Scope:
        data_class = "account"
        own = "person_id"
        place = "person__place__path"
        organization = "person__memberships__organization__path"
        organization_when = {"person__memberships__ended_on__isnull": True}

    last_login = None  # AbstractBaseUser has one; see above

    number = KeyField(_("账号"), max_length=20, unique=True)
    person = models.OneToOneField("community.Person", on_delete=models.PROTECT, related_name="account")
    phone_index = KeyField(max_length=32, null=True, blank=True, unique=True, editable=False)
    second_factor = EncryptedField(blank=True, purpose="account.second_factor")
    # Null while the enrollment is not confirmed.
    second_factor_at = models.DateTimeField(null=True, blank=True)
    second_factor_step = models.BigIntegerField(default=0)  # the last time step used: a code works once
    is_active = models.BooleanField(default=True)
    must_change_password = models.BooleanField(default=False)
    # Whose account set a password that its owner has not replaced yet: rights added later must not fall to that person.
    password_set_by = models.UUIDField(null=True, blank=True)
    # Part of every session's stamp: adding one ends them all.
    session_round = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField(auto_now_add=True)

    personal_fields = ("phone_index",)
    audit_omitted = ("second_factor", "second_factor_step")

    USERNAME_FIELD = "number"
    REQUIRED_FIELDS = []

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="account_second_factor_whole",
                condition=Q(second_factor_at__isnull=True) | ~Q(second_factor=""),
            ),
        ]

    def __str__(self) -> str:
        return self.number

    def personal_owner_id(self) -> object:
        return self.person_id


class RoleGrant(ScopedModel):
    """One row per role given to an account for one place or one organization (授权). Ended, never deleted."""

    class Scope:
        data_class = "grant"
        own = "account__person_id"
        place = ("place__path", "organization__place__path")
        organization = "organization__path"

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="grants")
    role = models.CharField(max_length=24)
    place = models.ForeignKey(
        "community.Place", on_delete=models.PROTECT, null=True, blank=True, related_name="grants"
    )
    organization = models.ForeignKey(
        "community.Organization", on_delete=models.PROTECT, null=True, blank=True, related_name="grants"
    )
    is_national = models.BooleanField(default=False)
    granted_by = models.UUIDField(
        null=True, blank=True
    )  # an account; null for the machine's own command line
    granted_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="grant_one_scope",
                condition=Q(place__isnull=False, organization__isnull=True, is_national=False)
                | Q(place__isnull=True, organization__isnull=False, is_national=False)
                | Q(place__isnull=True, organization__isnull=True, is_national=True),
            ),
            models.CheckConstraint(
                name="grant_dates",
                condition=(Q(expires_at__isnull=True) | Q(expires_at__gt=F("granted_at")))
                & (Q(revoked_at__isnull=True) | Q(revoked_at__gte=F("granted_at"))),
            ),
            models.UniqueConstraint(
                fields=["account", "role", "place"],
                condition=Q(revoked_at__isnull=True, place__isnull=False),
                name="grant_once_place",
            ),
            models.UniqueConstraint(
                fields=["account", "role", "organization"],
                condition=Q(revoked_at__isnull=True, organization__isnull=False),
                name="grant_once_organization",
            ),
            models.UniqueConstraint(
                fields=["account", "role"],
                condition=Q(revoked_at__isnull=True, is_national=True),
                name="grant_once_national",
            ),
        ]

    def __str__(self) -> str:
        return self.role

    def in_force_at(self, at: datetime) -> bool:
        """True when the grant counts at `at`."""
        return self.revoked_at is None and (self.expires_at is None or at < self.expires_at)


class Invitation(ScopedModel):
    """One row per link by which a person sets the password of their account (邀请): it works once and expires.

    Only the token's hash is stored; the link itself is shown once to whoever made it.
    """

    class Scope:
        data_class = "account"
        own = "account__person_id"
        place = "account__person__place__path"
        organization = "account__person__memberships__organization__path"
        organization_when = {"account__person__memberships__ended_on__isnull": True}

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="invitations")
    token_hash = KeyField(max_length=64, unique=True, editable=False)
    made_by = models.UUIDField(null=True, blank=True)  # an account; null for the machine's own command line
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    accepted_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    audit_omitted = ("token_hash",)

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="invitation_expires_later", condition=Q(expires_at__gt=F("created_at"))
            ),
            models.UniqueConstraint(
                fields=["account"],
                condition=Q(accepted_at__isnull=True, revoked_at__isnull=True),
                name="invitation_one_open",
            ),
        ]

    def __str__(self) -> str:
        return f"→ {self.account_id}"


class LoginCard(ScopedModel):
    """One row per printed card or personal link with a PIN (登录卡) for someone without a smartphone or e-mail.

    Only hashes of token and PIN are stored. At most one card of an account is valid. Not stored: where or when it was used.
    """

    class Scope:
        data_class = "account"
        own = "account__person_id"
        place = "account__person__place__path"
        organization = "account__person__memberships__organization__path"
        organization_when = {"account__person__memberships__ended_on__isnull": True}

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="cards")
    token_hash = KeyField(max_length=64, unique=True, editable=False)
    pin = models.CharField(max_length=200, editable=False)  # hashed like a password
    made_by = models.UUIDField(null=True, blank=True)  # an account; null for the machine's own command line
    created_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True)

    audit_omitted = ("token_hash", "pin")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["account"], condition=Q(revoked_at__isnull=True), name="login_card_one_valid"
            ),
        ]

    def __str__(self) -> str:
        return f"card of {self.account_id}"


class RecoveryCode(models.Model):
    """One row per unused recovery code of a second factor (恢复码), hashed; deleted when used."""

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="recovery_codes")
    code_hash = KeyField(max_length=64, editable=False)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account", "code_hash"], name="recovery_code_once")]

    def __str__(self) -> str:
        return f"recovery code of {self.account_id}"


class ApiToken(ScopedModel):
    """One row per API token (接口令牌): it can do what one role grant can, and ends with it. Only its hash is stored."""

    class Scope:
        data_class = "account"
        own = "grant__account__person_id"
        place = ("grant__place__path", "grant__organization__place__path")
        organization = "grant__organization__path"

    grant = models.ForeignKey(RoleGrant, on_delete=models.CASCADE, related_name="tokens")
    name = models.CharField(max_length=80)
    token_hash = KeyField(max_length=64, unique=True, editable=False)
    is_read_only = models.BooleanField(default=True)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True)

    audit_omitted = ("token_hash",)

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="api_token_expires_later", condition=Q(expires_at__gt=F("created_at"))
            ),
        ]

    def __str__(self) -> str:
        return self.name
