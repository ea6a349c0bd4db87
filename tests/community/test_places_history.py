"""The tree under any sequence of changes: paths, past days and totals agree with a plain diary kept beside it."""

from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import transaction
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from wushe.community.models import Place
from wushe.community.operations import places
from wushe.community.queries import places as queries
from wushe.community.rules import places as rules
from wushe.kernel.actor import Actor
from wushe.kernel.problems import Problem

OPERATOR = Actor.operator("test")
ANYONE = Actor.anonymous()
START = date(2020, 1, 1)


@dataclass(frozen=True)
class Note:
    """What the diary says of one place."""

    name: str
    level: int
    parent: UUID | None
    label: str
    is_open: bool = True
    successor: UUID | None = None


Diary = dict[UUID, Note]


def expected_path(diary: Diary, place_id: UUID) -> str:
    note = diary[place_id]
    above = note.successor if note.successor is not None else note.parent
    return rules.join(rules.NATION if above is None else expected_path(diary, above), note.label)


def below(diary: Diary, root: UUID) -> set[UUID]:
    """Open places at or below `root`, by walking parents."""
    found = {root} if diary[root].is_open else set()
    for place_id, note in diary.items():
        walked: UUID | None = place_id
        while walked is not None and note.is_open:
            if walked == root:
                found.add(place_id)
            walked = diary[walked].parent
    return found


class TreeUnderChange(RuleBasedStateMachine):
    """Renames, moves, merges, splits and closes at random; the diary is a copy of everything for each day."""

    def __init__(self) -> None:
        super().__init__()
        self.transaction = transaction.atomic()
        self.transaction.__enter__()
        self.diary: Diary = {}
        self.days: dict[date, Diary] = {}
        self.today = START
        self.number = 0

    def teardown(self) -> None:
        transaction.set_rollback(True)
        self.transaction.__exit__(None, None, None)

    # --- helpers ---

    def fresh_name(self) -> str:
        self.number += 1
        return f"合成{self.number}号"

    def note(self, place: Place) -> None:
        self.diary[place.id] = Note(place.name, place.level, place.parent_id, rules.label_of(place.path))

    def pick(self, data: Any, level: int | None = None) -> UUID:
        chosen = [
            i for i, note in self.diary.items() if note.is_open and (level is None or note.level == level)
        ]
        return data.draw(st.sampled_from(chosen))  # type: ignore[no-any-return]  # ids only

    def sure_of_two(self, level: int) -> bool:
        return sum(note.is_open and note.level == level for note in self.diary.values()) > 1

    # --- the world ---

    @initialize()
    def plant(self) -> None:
        def make(parent: UUID | None, level: int) -> UUID:
            place = places.create_place(
                by=OPERATOR, parent_id=parent, level=level, name=self.fresh_name(), on=START
            )
            self.note(place)
            return place.id

        city = make(make(None, rules.PROVINCE), rules.CITY)
        for _county in range(2):
            county = make(city, rules.COUNTY)
            for _street in range(2):
                street = make(county, rules.STREET)
                for _community in range(2):
                    make(make(street, rules.COMMUNITY), rules.GRID)
        self.close_the_day()

    def close_the_day(self) -> None:
        self.days[self.today] = dict(self.diary)

    @rule(days=st.integers(0, 40))
    def time_passes(self, days: int) -> None:
        for _ in range(days):
            self.today += timedelta(days=1)
        self.close_the_day()

    @rule(data=st.data())
    def rename(self, data: Any) -> None:
        place_id, name = self.pick(data), self.fresh_name()
        places.rename_place(by=OPERATOR, place_id=place_id, name=name, on=self.today)
        self.diary[place_id] = replace(self.diary[place_id], name=name)
        self.close_the_day()

    @rule(data=st.data())
    def move(self, data: Any) -> None:
        level = data.draw(st.sampled_from([rules.STREET, rules.COMMUNITY, rules.GRID]))
        if not any(note.is_open and note.level == level for note in self.diary.values()):
            return
        place_id, target = self.pick(data, level), self.pick(data, level - 1)
        if self.diary[place_id].parent == target:
            return
        places.move_place(by=OPERATOR, place_id=place_id, to_id=target, on=self.today)
        self.diary[place_id] = replace(self.diary[place_id], parent=target)
        self.close_the_day()

    @rule(data=st.data())
    def merge(self, data: Any) -> None:
        level = data.draw(st.sampled_from([rules.COUNTY, rules.STREET, rules.COMMUNITY, rules.GRID]))
        if not self.sure_of_two(level):
            return
        gone, stays = self.pick(data, level), self.pick(data, level)
        if gone == stays:
            return
        places.merge_places(by=OPERATOR, from_id=gone, into_id=stays, on=self.today)
        for place_id, note in self.diary.items():
            if note.parent == gone and note.is_open:
                self.diary[place_id] = replace(note, parent=stays)
        self.diary[gone] = replace(self.diary[gone], is_open=False, successor=stays)
        self.close_the_day()

    @rule(data=st.data(), keep=st.booleans())
    def split(self, data: Any, keep: bool) -> None:
        level = data.draw(st.sampled_from([rules.STREET, rules.COMMUNITY]))
        old = self.pick(data, level)
        children = [i for i, note in self.diary.items() if note.is_open and note.parent == old]
        first = [child for child in children if data.draw(st.booleans())]
        shares = [first] if keep else [first, [child for child in children if child not in first]]
        made = places.split_place(
            by=OPERATOR,
            place_id=old,
            parts=[places.Part(self.fresh_name(), None, share) for share in shares],
            keep=keep,
            on=self.today,
        )
        for new, share in zip(made, shares, strict=True):
            self.note(new)
            for child in share:
                self.diary[child] = replace(self.diary[child], parent=new.id)
        if not keep:
            self.diary[old] = replace(self.diary[old], is_open=False)
        self.close_the_day()

    @rule(data=st.data())
    def close(self, data: Any) -> None:
        place_id = self.pick(data)
        if any(note.is_open and note.parent == place_id for note in self.diary.values()):
            with pytest.raises(places.PlaceNotEmpty):
                places.close_place(by=OPERATOR, place_id=place_id, on=self.today)
            return
        places.close_place(by=OPERATOR, place_id=place_id, on=self.today)
        self.diary[place_id] = replace(self.diary[place_id], is_open=False)
        self.close_the_day()

    @precondition(lambda self: self.today > START)
    @rule(data=st.data())
    def backdate(self, data: Any) -> None:
        """A change before one already recorded on the same place is refused."""
        place_id = self.pick(data)
        since = Place.objects.get(pk=place_id).state_from
        with pytest.raises(Problem):
            places.rename_place(
                by=OPERATOR, place_id=place_id, name=self.fresh_name(), on=since - timedelta(days=1)
            )

    # --- what must hold ---

    @invariant()
    def paths_are_those_of_the_diary(self) -> None:
        for place in Place.objects.filter(pk__in=self.diary):
            note = self.diary[place.id]
            assert place.path == expected_path(self.diary, place.id)
            assert (place.name, place.parent_id, place.is_open) == (note.name, note.parent, note.is_open)

    @invariant()
    def nothing_falls_out_of_the_roll_up(self) -> None:
        """Every place ever made lies, closed or not, below the one province: totals are kept."""
        if self.diary:
            province = next(
                i for i, note in self.diary.items() if note.level == rules.PROVINCE and note.parent is None
            )
            root = Place.objects.get(pk=province)
            if root.is_open:
                assert queries.subtree(ANYONE, root, closed=True).count() == len(self.diary)

    @rule(data=st.data())
    def any_past_day_is_told_as_it_was(self, data: Any) -> None:
        day = data.draw(st.sampled_from(sorted(self.days)))
        # The diary of the last change on or before that day.
        diary = self.days[day]
        root = data.draw(st.sampled_from(sorted(diary)))
        told = queries.subtree_as_of(ANYONE, root, day)
        assert {state.place_id for state in told} == below(diary, root)
        for state in told:
            note = diary[state.place_id]
            assert (state.name, state.parent_id, state.path) == (
                note.name,
                note.parent,
                expected_path(diary, state.place_id),
            )
        above = queries.ancestors_as_of(ANYONE, root, day)
        walked, parents = diary[root].parent, []
        while walked is not None:
            parents.append(walked)
            walked = diary[walked].parent
        assert [state.place_id for state in above] == (list(reversed(parents)) if diary[root].is_open else [])


@pytest.mark.django_db
def test_the_tree_keeps_its_word_under_any_changes(size: str) -> None:
    run_state_machine_as_test(
        TreeUnderChange,
        settings=settings(
            max_examples=150 if size == "full" else 25,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
