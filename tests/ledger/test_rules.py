"""The rules of the book as values: no database, no Django."""

from datetime import UTC, date, datetime, timedelta, timezone
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from wushe.ledger import rules
from wushe.ledger.rules import Leg, Terms

IDS = [UUID(int=n) for n in range(1, 7)]
DAY = date(2026, 6, 30)
WHEN = datetime(2026, 6, 30, 8, tzinfo=UTC)
amounts = st.integers(-50, 50) | st.sampled_from([rules.MOST, -rules.MOST, rules.MOST + 1])
legs = st.lists(st.builds(Leg, st.sampled_from(IDS), amounts), max_size=6)
terms = st.fixed_dictionaries(
    {
        key: st.builds(
            Terms,
            measure=st.sampled_from(["MINUTES", "FEN"]),
            floor=st.none() | st.integers(-60, 0),
            purpose=st.sampled_from(["", "A"]),
            spend_place_path=st.sampled_from(["", "/15/"]),
            spend_until=st.none() | st.just(DAY),
        )
        for key in IDS
    }
)
balances = st.fixed_dictionaries({key: st.integers(0, 100) for key in IDS})
purposes = st.sampled_from(["", "A", "B"])
paths = st.sampled_from(["/15/", "/15/1506/", "/1/", "/44/"])
days = st.sampled_from([DAY, DAY + timedelta(days=1)])


@given(legs, terms, balances, purposes, paths, days, st.booleans())
def test_what_is_allowed_breaks_no_rule_of_the_book(
    moved: list[Leg],
    held: dict[UUID, Terms],
    before: dict[UUID, int],
    purpose: str,
    path: str,
    on: date,
    is_reversal: bool,
) -> None:
    refused = rules.refusal(
        moved, held, before, purpose=purpose, place_path=path, on=on, is_reversal=is_reversal
    )
    if refused is not None:
        return
    assert len({leg.account_id for leg in moved}) == len(moved) >= 2
    for measure in ("MINUTES", "FEN"):
        assert sum(leg.amount for leg in moved if held[leg.account_id].measure == measure) == 0
    for leg in moved:
        of = held[leg.account_id]
        assert 0 < abs(leg.amount) <= rules.MOST
        if leg.amount < 0:
            assert of.floor is None or before[leg.account_id] + leg.amount >= of.floor
            if not is_reversal:
                assert of.purpose in ("", purpose)
                assert path.startswith(of.spend_place_path)
                assert of.spend_until is None or on <= of.spend_until


@given(st.integers(1, 100), st.integers(0, 100))
def test_a_plain_transfer_is_refused_exactly_when_it_breaks_the_floor(amount: int, there: int) -> None:
    held = {IDS[0]: Terms("FEN"), IDS[1]: Terms("FEN")}
    refused = rules.refusal(
        [Leg(IDS[0], -amount), Leg(IDS[1], amount)],
        held,
        {IDS[0]: there, IDS[1]: 0},
        purpose="",
        place_path="/",
        on=DAY,
    )
    assert (refused is None) == (amount <= there)
    assert refused is None or (refused.code, refused.account_id) == (rules.BELOW_FLOOR, IDS[0])


@given(legs)
def test_the_opposite_undoes_and_its_opposite_is_the_same(moved: list[Leg]) -> None:
    back = rules.opposite(moved)
    measures = dict.fromkeys(IDS, "FEN")
    assert rules.opposite(back) == tuple(moved)
    assert not any(rules.sums([*moved, *back], measures).values())


@given(legs, st.permutations(range(6)), st.integers(-12, 12))
def test_the_digest_knows_neither_order_nor_zone(moved: list[Leg], order: list[int], hours: int) -> None:
    said = {"place_id": IDS[0], "purpose": "A", "note": "x"}
    turned = [moved[n] for n in order if n < len(moved)]
    zone = timezone(timedelta(hours=hours))
    first = rules.digest(moved, effective_at=WHEN, **said)  # type: ignore[arg-type]  # of mixed types
    assert rules.digest(turned, effective_at=WHEN.astimezone(zone), **said) == first  # type: ignore[arg-type]  # likewise
    assert len(first) == 64


@given(legs, legs)
def test_other_legs_have_another_digest(one: list[Leg], other: list[Leg]) -> None:
    said = {"effective_at": WHEN, "place_id": IDS[0], "purpose": "", "note": ""}
    same = sorted((str(x.account_id), x.amount) for x in one) == sorted(
        (str(x.account_id), x.amount) for x in other
    )
    assert (rules.digest(one, **said) == rules.digest(other, **said)) == same  # type: ignore[arg-type]  # of mixed types


def test_texts_of_a_digest_are_kept_apart() -> None:
    def digest(purpose: str, note: str, reverses: UUID | None = None) -> str:
        return rules.digest(
            [], effective_at=WHEN, place_id=IDS[0], purpose=purpose, note=note, reverses=reverses
        )

    assert len({digest("ab", "c"), digest("a", "bc"), digest("a", "bc", IDS[1]), digest("", "")}) == 4


@given(st.lists(st.sampled_from(["/", "/15/", "/15/1506/", "/15/1506/150603/", "/1/", "/44/"])))
def test_the_shared_root_holds_all_and_is_the_deepest(found: list[str]) -> None:
    root = rules.shared_root(found)
    assert all(path.startswith(root) for path in found)
    assert root.startswith("/")
    assert root.endswith("/")
    if found and len(set(found)) == 1:
        assert root == found[0]
    assert (
        not found
        or any(len(path) == len(root) for path in found)
        or len({path[len(root) :].split("/")[0] for path in found}) > 1
    )
