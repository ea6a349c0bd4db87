"""Each gate is taken out in turn, and the matrix must notice. A gate nobody misses is either not tested or not needed."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction

from tests.gates import cells as matrix
from tests.gates import sites
from tests.gates.cells import REFUSED, Cell, Right, deputy_rights
from tests.gates.sites import Site
from wushe.kernel import throttle

pytestmark = [pytest.mark.matrix, pytest.mark.django_db]

# Gates beside another one that asks for the same right to the same row, so that nobody can tell whether they are there:
# site → the other gate. They stay because each function is to be safe without knowing what it calls.
SECOND_LINE: dict[str, str] = {
    "community/exchange/people.py cells visible_to 3": "contacts are written for those people only whom the first gate of `cells` lets through, which asks for the same right",
    "community/operations/accounts.py open_account require 1": "`create_account`, called next, asks the same",
    "community/operations/imports.py open_run require 1": "`_home` picks the place out of the actor's own reach, or refuses",
    "community/operations/onboarding.py set_up require 1": "`create_account`, called next, asks the same",
    "community/operations/people.py create_person require 1": "`_prepare`, called next, asks the same row by row",
    "community/operations/people.py reveal_contact visible_to 1": "`policy.require` above asks for the same right to the person whose contacts these are",
    "community/operations/privacy.py export_person require 1": "`own_data`, called next, asks the same",
    "community/queries/places.py subtree_as_of visible_to 1": "`state_as_of` asks for the root, and whoever sees a place sees what lies in it",
    "community/queries/places.py search_places visible_to 1": "says only where to look; what is found there goes through the second gate",
}


# Every gate of the house, one a line. What is not in the source any more cannot be taken out and missed, so it is missed here.
KNOWN = Path(__file__).with_name("gates.txt")


@dataclass(frozen=True)
class Question:
    """One cell asked by a deputy who lacks one right, and the answer while every gate stands."""

    cell: Cell
    lacking: Right
    at_home: bool
    before: str

    def again(self) -> str:
        with deputy_rights(self.lacking, at_home=self.at_home):
            return self.cell.answer()

    def __str__(self) -> str:
        verb, data_class = self.lacking
        return (
            f"{self.cell.name}, who may {verb} {data_class} {'at home only' if self.at_home else 'nowhere'}"
        )


Questions = dict[Site, list[Question]]


@pytest.fixture(scope="module")
def questions(_built: Any, django_db_blocker: Any) -> Iterator[Questions]:
    """Every question of the matrix, by the gates it comes past that ask for the very right the deputy lacks."""
    with django_db_blocker.unblock(), transaction.atomic(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(throttle, "spend", lambda **limits: None)  # as for each test, which is too late here
        with deputy_rights():
            deputy = matrix.deputy_of(_built[0])
            every = matrix.all_cells(_built[0], deputy)
        assert len({cell.name for cell in every}) == len(every)
        yield _questions(every)
        transaction.set_rollback(True)


def _questions(every: list[Cell]) -> Questions:
    found: Questions = defaultdict(list)
    for cell in every:
        asked_for: set[Right] = set(cell.lacking)
        with sites.watched(lambda site, verb, data_class: asked_for.add((verb, data_class))), deputy_rights():  # noqa: B023  # called here only
            cell.answer()
        for lacking in sorted(asked_for):
            for at_home in (False, True):
                passed: set[Site] = set()

                def note(site: Site, verb: str, data_class: str) -> None:
                    if (verb, data_class) == lacking:  # noqa: B023  # called here only
                        passed.add(site)  # noqa: B023  # likewise

                with sites.watched(note), deputy_rights(lacking, at_home=at_home):
                    before = cell.answer()
                for site in passed:
                    found[site].append(Question(cell, lacking, at_home, before))
    return found


def _noticed(site: Site, asked: list[Question]) -> str:
    """Return a question whose answer changes when the gate is gone; "" when nobody misses it."""
    # Plain refusals first: there a missing gate shows at once.
    for question in sorted(asked, key=lambda question: question.before != REFUSED):
        with sites.removed(site):
            after = question.again()
        if after not in (question.before, REFUSED):
            return str(question)
    return ""


def test_no_gate_went_and_none_came_unseen() -> None:
    listed, present = set(KNOWN.read_text().split("\n")) - {""}, {str(site) for site in sites.all_sites()}
    assert sorted(listed - present) == [], (
        "gone: was the gate meant to go? then take its line out of gates.txt"
    )
    assert sorted(present - listed) == [], "new: add to gates.txt"


def test_every_gate_stands_in_the_way_of_some_question(questions: Questions) -> None:
    assert [str(site) for site in sites.all_sites() if site not in questions] == []


def test_every_gate_is_missed_when_it_is_gone(questions: Questions) -> None:
    unnoticed = [
        str(site)
        for site in sites.all_sites()
        if str(site) not in SECOND_LINE and not _noticed(site, questions[site])
    ]
    assert unnoticed == [], "these gates can be taken out without anybody noticing"


def test_second_lines_are_still_there_and_still_second(questions: Questions) -> None:
    """Whatever is noticed after all belongs to the gates above."""
    known = {str(site): site for site in sites.all_sites()}
    assert SECOND_LINE.keys() <= known.keys()
    first = {name: _noticed(known[name], questions[known[name]]) for name in SECOND_LINE}
    assert {name: question for name, question in first.items() if question} == {}


def test_the_control_notices_nothing_when_no_gate_is_taken_out(questions: Questions) -> None:
    """Answers that differ by themselves, by the clock or by chance, would count as noticed."""
    nowhere = Site("community/nowhere.py", 1, 1, "visible_to", "nobody")
    every = {str(question): question for asked in questions.values() for question in asked}
    assert len(every) > 1_000
    assert _noticed(nowhere, list(every.values())) == ""


@pytest.mark.parametrize(
    ("name", "cell"),
    [
        ("community/operations/venues.py edit_venue require 1", "operations.venues.edit_venue foreign"),
        ("community/queries/people.py person visible_to 1", "queries.people.person foreign"),
    ],
)
def test_the_control_notices_a_gate_that_is_known_to_be_needed(
    questions: Questions, name: str, cell: str
) -> None:
    site = next(site for site in sites.all_sites() if str(site) == name)
    asked = [question for question in questions[site] if question.cell.name == cell]
    assert {question.before for question in asked} == {REFUSED}
    assert _noticed(site, asked)
