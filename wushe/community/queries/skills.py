"""Read the shared vocabulary of skills (技能)."""

from django.db.models import QuerySet
from django.utils.translation import get_language

from wushe.community.models import Skill
from wushe.kernel.actor import Actor


def skills(actor: Actor) -> QuerySet[Skill]:
    """Return every skill and licence of the vocabulary, licences first."""
    return Skill.objects.visible_to(actor).order_by("-needs_license", "code")


def name_of(skill: Skill) -> str:
    """Return the name of a skill in the active language."""
    return skill.name_en if (get_language() or "").startswith("en") and skill.name_en else skill.name
