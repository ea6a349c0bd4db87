"""Rules of people: names, ages, numbers, keys, likeness. No database."""

from datetime import date, timedelta
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wushe.community.rules import people as rules
from wushe.community.rules.people import NewPerson, Probe, Traits

PLACE = UUID(int=1)
CALM = settings(deadline=None)  # the table of readings is loaded by whichever example comes first
TODAY = date(2026, 3, 8)
HAN = st.characters(min_codepoint=0x4E00, max_codepoint=0x9FA5)
NAMES = st.text(HAN, min_size=1, max_size=6)
DATES = st.dates(date(1950, 1, 1), date(2025, 12, 31))


def codes(values: NewPerson, age: int = 14) -> set[str]:
    return {fault.code for fault in rules.check_new_person(rules.cleaned(values), on=TODAY, consent_age=age)}


# --- what may be stored ---


@pytest.mark.parametrize(
    "name", ["王甲", "𠮷野三", "㛃", "䶮甲", "阿依古丽·买买提", "John O’Neil", "\ue5e5甲", "อารี", "欧阳 娜"]
)
def test_names_of_all_scripts_can_be_stored_as_typed(name: str) -> None:
    assert codes(NewPerson(name, PLACE)) == set()
    assert rules.cleaned(NewPerson(f"  {name} ", PLACE)).name == name


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("", "person.name_empty"),
        (" \u3000", "person.name_empty"),
        ("王" * 10_000, "person.name_too_long"),
        ("王\n甲", "person.name_hidden_characters"),
        ("王\x00甲", "person.name_hidden_characters"),
        ("\u202e甲王", "person.name_hidden_characters"),
        ("123", "person.name_no_letters"),
        ("——", "person.name_no_letters"),
    ],
)
def test_what_is_no_name_is_refused_with_its_reason(name: str, code: str) -> None:
    assert codes(NewPerson(name, PLACE)) == {code}


def test_a_script_in_a_name_is_text() -> None:
    assert codes(NewPerson("<script>alert(1)</script>", PLACE)) == set()


@pytest.mark.parametrize(
    ("born", "code"),
    [
        (TODAY + timedelta(days=1), "person.birth_in_the_future"),
        (date(1850, 1, 1), "person.birth_too_long_ago"),
    ],
)
def test_impossible_birth_dates_are_refused(born: date, code: str) -> None:
    assert codes(NewPerson("王甲", PLACE, birth_on=born)) == {code}


@CALM
@given(st.text(max_size=300))
def test_any_text_as_name_is_stored_or_refused_but_never_breaks(name: str) -> None:
    values = rules.cleaned(NewPerson(name, PLACE))
    if not rules.check_new_person(values, on=TODAY, consent_age=14):
        assert values.name.strip()
        assert len(values.name) <= rules.NAME_LIMIT
        assert rules.person_keys(values.name)


@pytest.mark.parametrize(
    "phones", [("12345",), ("138001380001",), ("电话",), tuple(f"1380000000{n}" for n in range(6))]
)
def test_wrong_phones_are_refused(phones: tuple[str, ...]) -> None:
    assert codes(NewPerson("王甲", PLACE, phones=phones)) <= {"person.phone_form", "person.phones_too_many"}
    assert codes(NewPerson("王甲", PLACE, phones=phones))


def test_phones_are_stored_as_digits_and_once() -> None:
    values = rules.cleaned(
        NewPerson("王甲", PLACE, phones=("+86 138-0000-1234", "１３８００００１２３４", " "))
    )
    assert values.phones == ("13800001234",)


# --- ages ---


@CALM
@given(DATES, st.integers(0, 100))
def test_a_birthday_completes_a_year_and_the_day_before_does_not(born: date, years: int) -> None:
    try:
        day = born.replace(year=born.year + years)
    except ValueError:
        day = date(born.year + years, 3, 1)  # born on 29 February
    assert rules.age_on(born, day) == years
    assert rules.age_on(born, day - timedelta(days=1)) == years - 1


def test_a_child_needs_a_guardian_and_the_guardians_consent_until_the_birthday() -> None:
    thirteen = date(2012, 3, 9)  # fourteen tomorrow
    assert codes(NewPerson("测童", PLACE, birth_on=thirteen)) == {"person.guardian_required"}
    guardian = {"guardian_name": "测母", "guardian_phone": "13800001234", "guardian_relation": "母亲"}
    assert codes(NewPerson("测童", PLACE, birth_on=thirteen, **guardian)) == {
        "person.guardian_consent_required"
    }
    assert codes(NewPerson("测童", PLACE, birth_on=thirteen, consent_means="PAPER", **guardian)) == set()
    assert codes(NewPerson("测童", PLACE, birth_on=date(2012, 3, 8))) == set()
    assert codes(NewPerson("测童", PLACE, birth_on=date(2012, 3, 8)), age=16) == {"person.guardian_required"}


# --- identity numbers ---


def number(born: date, serial: int, area: str = "150603") -> str:
    digits = f"{area}{born:%Y%m%d}{serial:03d}"
    return digits + rules._identity_check(digits)


@CALM
@given(DATES, st.integers(0, 999))
def test_identity_numbers_tell_birth_and_sex_and_one_wrong_digit_is_found(born: date, serial: int) -> None:
    whole = number(born, serial)
    assert rules.identity_facts(whole) == (born, "MALE" if serial % 2 else "FEMALE")
    for position in range(6, 17):
        wrong = whole[:position] + str((int(whole[position]) + 1) % 10) + whole[position + 1 :]
        assert rules.identity_facts(wrong) is None


def test_the_check_character_agrees_with_the_library() -> None:
    from stdnum.cn import ric

    for serial in range(0, 1000, 7):
        whole = number(date(1949, 12, 31), serial, "110105")
        assert ric.is_valid(whole), whole


def test_old_short_numbers_and_small_x_are_the_same_person() -> None:
    whole = next(n for n in (number(date(1960, 1, 2), serial) for serial in range(1000)) if n.endswith("X"))
    short = whole[:6] + whole[8:17]
    assert rules.clean_identity(f" {whole[:6]} {whole[6:].lower()}") == whole
    assert rules.full_identity(short) == whole
    assert rules.identity_facts(short) == rules.identity_facts(whole)


@pytest.mark.parametrize(
    "text", ["123", "15060319600102001A", "99" * 9, "150603196002300010", "0" * 18, "１" * 18]
)
def test_what_is_no_identity_number_is_refused(text: str) -> None:
    assert codes(NewPerson("王甲", PLACE, identity_number=text)) == {"person.identity_form"}


def test_the_identity_number_fills_what_is_blank_and_contradicts_what_is_wrong() -> None:
    whole = number(date(1960, 1, 2), 1)
    values = rules.cleaned(NewPerson("王甲", PLACE, identity_number=whole))
    assert (values.birth_on, values.sex) == (date(1960, 1, 2), "MALE")
    assert codes(NewPerson("王甲", PLACE, identity_number=whole, birth_on=date(1961, 1, 2))) == {
        "person.identity_other_birth"
    }
    assert codes(NewPerson("王甲", PLACE, identity_number=whole, sex="FEMALE")) == {
        "person.identity_other_sex"
    }


# --- volunteer numbers ---


@CALM
@given(st.randoms(use_true_random=False))
def test_a_mistyped_digit_of_a_volunteer_number_is_found(chance) -> None:
    whole = rules.new_volunteer_number(chance.randrange)
    assert rules.is_own_number(whole)
    assert len(whole) == 10
    assert whole[0] not in "01"
    position = chance.randrange(1, 10)
    wrong = (
        whole[:position] + str((int(whole[position]) + chance.randrange(1, 10)) % 10) + whole[position + 1 :]
    )
    assert not rules.is_own_number(wrong)


# --- keys ---


def keys(name: str, kind: str) -> set[str]:
    return {key for of, key in rules.person_keys(name) if of == kind}


@CALM
@given(NAMES)
def test_every_name_has_one_name_key_and_one_pinyin_key_and_no_key_twice(name: str) -> None:
    found = rules.person_keys(name)
    assert len(found) == len(set(found))
    assert sum(kind == rules.NAME for kind, _key in found) == 1
    assert sum(kind == rules.PINYIN for kind, _key in found) == 1
    assert all(key and len(key) <= rules.KEY_LIMIT for _kind, key in found)


@CALM
@given(st.text(HAN, min_size=3, max_size=12), st.data())
def test_any_two_or_more_characters_inside_lead_to_the_name(name: str, data) -> None:
    folded = rules.search_name(name)
    start = data.draw(st.integers(0, len(folded) - 2))
    end = data.draw(st.integers(start + 2, len(folded)))
    inside = folded[start:end]
    found = rules.person_keys(name)
    assert any(
        kind == probe.kind and key.startswith(probe.key)
        for probe in rules.search_probes(inside)
        for kind, key in found
    )


@pytest.mark.parametrize(
    ("name", "spelt", "letters"),
    [("单雄信", {"shanxiongxin", "danxiongxin"}, {"sxx", "dxx"}), ("曾国强", {"zengguoqiang", "cengguoqiang"}, {"zgq", "cgq"}),
     ("解小龙", {"xiexiaolong", "jiexiaolong"}, {"xxl", "jxl"}), ("吕甲", {"lvjia"}, {"lj"}), ("䶮甲", {"yanjia"}, {"yj"})],
)  # fmt: skip
def test_a_character_with_several_readings_is_found_by_each(
    name: str, spelt: set[str], letters: set[str]
) -> None:
    assert spelt <= keys(name, rules.PINYIN) | keys(name, rules.OTHER_PINYIN)
    assert letters <= keys(name, rules.INITIALS)


def test_as_a_family_name_a_character_has_its_own_reading_first() -> None:
    assert rules.pinyin_of("单雄信") == "shanxiongxin"
    assert rules.pinyin_of("解小龙") == "xiexiaolong"
    assert rules.pinyin_of("曾国强") == "zengguoqiang"


def test_middle_dots_of_every_make_and_none_at_all_are_one() -> None:
    found = {
        rules.search_name(f"阿依古丽{dot}买买提") for dot in ("·", "・", "•", "‧", "∙", "⋅", "．", " ", "")
    }
    assert found == {"阿依古丽买买提"}


def test_initials_of_foreign_names_are_those_of_their_words() -> None:
    assert keys("John Smith", rules.INITIALS) == {"js"}


@pytest.mark.parametrize(
    ("typed", "probes"),
    [
        ("王", [Probe("N", "王")]),
        ("王甲", [Probe("N", "王甲"), Probe("S", "王甲")]),
        ("Wang J", [Probe("P", "wangj"), Probe("I", "wangj"), Probe("Q", "wangj")]),
        ("xi'an", [Probe("P", "xian"), Probe("I", "xian"), Probe("Q", "xian")]),
        ("1234", [Probe("F", "1234")]),
        ("138 0000 1234", [Probe("T", "13800001234"), Probe("V", "13800001234")]),
        ("2345678901", [Probe("V", "2345678901")]),
        ("", []), ("  ", []), ("·", []), ("%_", []), ("王" * 300, []),
    ],
)  # fmt: skip
def test_what_is_typed_is_read_as_what_it_looks_like(typed: str, probes: list[Probe]) -> None:
    assert rules.search_probes(typed) == probes


# --- likeness ---

TRAITS = st.builds(
    Traits, NAMES, st.none() | DATES, st.sampled_from(["UNKNOWN", "FEMALE", "MALE"]), st.sampled_from(["", "a", "b"]),
    st.frozensets(st.sampled_from("pqr"), max_size=2), st.sampled_from(["", "150603001", "150603002"]),
)  # fmt: skip


@CALM
@given(TRAITS, TRAITS)
def test_likeness_does_not_depend_on_who_is_asked_first(one: Traits, other: Traits) -> None:
    assert rules.likeness(one, other) == rules.likeness(other, one)
    assert 0 <= rules.likeness(one, other).score <= 100


def test_what_makes_a_pair_likely_and_what_does_not() -> None:
    base = Traits("王甲子", date(1960, 1, 2), "MALE", "", frozenset({"p"}), "150603001")
    likely = [
        Traits("王甲子", date(1960, 1, 2)),
        Traits("王甲子", phone_indexes=frozenset({"p"})),
        Traits("王甲仔", phone_indexes=frozenset({"p"}), street="150603001"),
        Traits("王甲子", street="150603001"),
    ]
    unlikely = [
        Traits("王甲子"),
        Traits("李乙丑", phone_indexes=frozenset({"p"}), street="150603001"),  # a family's telephone
        Traits("王甲子", date(1985, 5, 5), "MALE", "", frozenset(), "150603001"),  # a namesake
        Traits("王甲子", None, "FEMALE", "", frozenset(), "150603001"),
    ]
    assert [rules.likeness(base, other).is_likely for other in likely] == [True] * len(likely)
    assert [rules.likeness(base, other).is_likely for other in unlikely] == [False] * len(unlikely)
    same = Traits("改了名", identity_index="x")
    assert rules.likeness(same, Traits("王甲子", identity_index="x")).score == 100
    assert not rules.likeness(
        Traits("王甲子", identity_index="x", street="1"), Traits("王甲子", identity_index="y", street="1")
    ).is_likely
