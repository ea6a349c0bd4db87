"""People for tests, put on record by the room's own operation."""

from datetime import date
from typing import Any

from wushe.community.models import Person, Place
from wushe.community.operations.people import create_person, start_guardianship
from wushe.community.rules.people import NewPerson
from wushe.kernel.actor import Actor

OPERATOR = Actor.operator("test")


def make_person(place: Place, name: str = "测甲子", *, phone: str = "", **values: Any) -> Person:
    """Put one person on record; `values` as in `NewPerson`, `phone` the only phone."""
    if phone:
        values["phones"] = (phone,)
    return create_person(by=OPERATOR, values=NewPerson(name=name, place_id=place.pk, **values))


def make_minor(
    place: Place, name: str = "测童", *, birth_on: date, guardian: Person, **values: Any
) -> Person:
    """Put a child on record with a guardian who consented on paper."""
    return make_person(
        place,
        name,
        birth_on=birth_on,
        guardian_id=guardian.pk,
        guardian_relation="母亲",
        consent_means="PAPER",
        **values,
    )


def make_guardian(ward: Person, guardian: Person, relation: str = "母亲") -> Any:
    """Make one person the guardian of another."""
    return start_guardianship(by=OPERATOR, ward_id=ward.pk, guardian_id=guardian.pk, relation=relation)


def identity(area: str = "150603", born: date = date(1960, 1, 2), serial: int = 1) -> str:
    """Return an identity number of valid form that belongs to nobody (serial 000 to 999; odd for men)."""
    from wushe.community.rules.people import _identity_check

    digits = f"{area}{born:%Y%m%d}{serial:03d}"
    return digits + _identity_check(digits)
