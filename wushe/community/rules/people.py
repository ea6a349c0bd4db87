"""Rules of people (人员): what may be stored, by which keys a person is found, who is likely the same, who needs a guardian.

Pure: values in, values out. Forms, API and import all check a new person with `check_new_person`; whoever codes against the room
starts from `NewPerson` here, `operations.people.create_person` (one) and `operations.people.create_people_bulk` (many).
"""

import dataclasses
import re
import secrets
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import lru_cache
from operator import mul
from typing import Any, Final, NamedTuple
from uuid import UUID

from rapidfuzz import fuzz

from wushe.community.rules.accounts import check_digit
from wushe.community.rules.places import initials, spellings
from wushe.kernel.text import fold_name, normalize_phone, pinyin_keys

NAME_LIMIT: Final = 200
KEY_LIMIT: Final = 60
SUFFIX_LIMIT: Final = 20
SUFFIXES_LIMIT: Final = 30
ADDRESS_LIMIT: Final = 300
NOTE_LIMIT: Final = 2000
NUMBER_LIMIT: Final = 20
PHONES_LIMIT: Final = 5
OLDEST: Final = 125  # years: who would be older is a typing error
SEXES: Final = frozenset({"UNKNOWN", "FEMALE", "MALE"})
CONSENT_MEANS: Final = frozenset({"SELF", "PAPER", "SPOKEN"})

# Codes of dated rule values (`RuleValue`), with what holds where an installation has no row of its own.
GUARDIAN_CONSENT_AGE: Final = "GUARDIAN_CONSENT_AGE"
MAJORITY_AGE: Final = "MAJORITY_AGE"
MERGE_UNDO_DAYS: Final = "MERGE_UNDO_DAYS"
WITHOUT_ROW: Final = {GUARDIAN_CONSENT_AGE: 14, MAJORITY_AGE: 18, MERGE_UNDO_DAYS: 30}


# --- one new person ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class NewPerson:
    """One person about to be stored, with what usually comes on the same sheet.

    `phones`: the first is the primary one. `guardian_*` and `consent_means` are needed for those below the age of consent:
    either `guardian_id` (someone on record) or name, phone and relation of one who is found by them or put on record too.
    `organization_id` and `capacity` start a membership. `is_volunteer` gives a volunteer number where none came along. `id` may be given by callers who must know it beforehand.
    """

    name: str
    place_id: UUID
    sex: str = "UNKNOWN"
    birth_on: date | None = None
    phones: tuple[str, ...] = ()
    volunteer_number: str = ""
    identity_number: str = ""
    address: str = ""
    note: str = ""
    email: str = ""
    wechat: str = ""
    guardian_id: UUID | None = None
    guardian_name: str = ""
    guardian_phone: str = ""
    guardian_relation: str = ""
    consent_means: str = ""
    organization_id: UUID | None = None
    capacity: str = ""
    title: str = ""
    is_volunteer: bool = False
    id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Fault:
    """One reason why values cannot be stored: the input it concerns, a stable code, and numbers to fill the sentence with.

    `operations.people.explain(fault)` gives the sentence; `field` is "" when it concerns the whole.
    """

    field: str
    code: str
    details: dict[str, Any] = dataclasses.field(default_factory=dict)


def cleaned(values: NewPerson) -> NewPerson:
    """Return the values as they are stored: trimmed, phones as digits, sex and birth date taken from the identity number where blank.

    A name keeps every character that was typed; only blanks at its ends and doubled ones go. What cannot be normalized stays
    as it is, for `check_new_person` to name.
    """
    identity = clean_identity(values.identity_number)
    known = identity_facts(identity)
    return replace(
        values,
        name=re.sub(" {2,}", " ", values.name.strip(" \u3000\t\r\n")),
        sex=known.sex if known and values.sex in ("", "UNKNOWN") else (values.sex or "UNKNOWN"),
        birth_on=known.birth_on if known and values.birth_on is None else values.birth_on,
        phones=tuple(
            dict.fromkeys(normalize_phone(phone) or phone.strip() for phone in values.phones if phone.strip())
        ),
        volunteer_number=clean_number(values.volunteer_number),
        identity_number=identity,
        address=values.address.strip(),
        note=values.note.strip(),
        email=values.email.strip(),
        wechat=values.wechat.strip(),
        guardian_name=values.guardian_name.strip(),
        guardian_phone=normalize_phone(values.guardian_phone) or values.guardian_phone.strip(),
        guardian_relation=values.guardian_relation.strip(),
        title=values.title.strip(),
    )


def check_new_person(values: NewPerson, *, on: date, consent_age: int) -> list[Fault]:
    """Return every reason why `values` (already `cleaned`) cannot be stored on day `on`; an empty list when they can.

    `consent_age` is the rule value below which a guardian must consent (`GUARDIAN_CONSENT_AGE`).
    """
    faults = check_name(values.name)
    if values.sex not in SEXES:
        faults.append(Fault("sex", "person.sex_unknown"))
    faults += check_birth(values.birth_on, on)
    faults += check_phones(values.phones)
    faults += check_identity(values.identity_number, values.birth_on, values.sex, on)
    if values.volunteer_number and not _NUMBER.fullmatch(values.volunteer_number):
        faults.append(Fault("volunteer_number", "person.number_form", {"limit": NUMBER_LIMIT}))
    for name, limit in (("address", ADDRESS_LIMIT), ("note", NOTE_LIMIT), ("title", 80), ("wechat", 40)):
        faults += _check_text(name, getattr(values, name), limit, lines=name == "note")
    if values.email and (len(values.email) > 254 or not _EMAIL.fullmatch(values.email)):
        faults.append(Fault("email", "person.email_form"))
    if bool(values.organization_id) != bool(values.capacity):
        faults.append(Fault("capacity", "person.capacity_with_organization"))
    return faults + _check_guardian(values, on, consent_age)


def check_name(name: str, where: str = "name") -> list[Fault]:
    """Return why `name` cannot be a person's name. Rare characters, private-use ones, dots and letters of all scripts can."""
    if not name.strip():
        return [Fault(where, "person.name_empty")]
    if len(name) > NAME_LIMIT:
        return [Fault(where, "person.name_too_long", {"limit": NAME_LIMIT, "length": len(name)})]
    if _has_hidden(name):
        return [Fault(where, "person.name_hidden_characters")]
    if not any(c.isalpha() or unicodedata.category(c) == "Co" for c in name):
        return [Fault(where, "person.name_no_letters")]
    return []


def check_birth(birth_on: date | None, on: date) -> list[Fault]:
    """Return why nobody alive on day `on` can have been born on `birth_on`."""
    if birth_on is None:
        return []
    if birth_on > on:
        return [Fault("birth_on", "person.birth_in_the_future")]
    if age_on(birth_on, on) > OLDEST:
        return [Fault("birth_on", "person.birth_too_long_ago", {"limit": OLDEST})]
    return []


def check_phones(phones: Sequence[str]) -> list[Fault]:
    """Return why `phones` cannot be a person's telephone numbers."""
    if len(phones) > PHONES_LIMIT:
        return [Fault("phones", "person.phones_too_many", {"limit": PHONES_LIMIT})]
    return [Fault("phones", "person.phone_form") for phone in phones if normalize_phone(phone) is None][:1]


def _check_text(name: str, text: str, limit: int, *, lines: bool = False) -> list[Fault]:
    if len(text) > limit:
        return [Fault(name, "person.text_too_long", {"limit": limit, "length": len(text)})]
    if _has_hidden(text.replace("\n", "").replace("\r", "") if lines else text):
        return [Fault(name, "person.text_hidden_characters")]
    return []


def _check_guardian(values: NewPerson, on: date, consent_age: int) -> list[Fault]:
    faults: list[Fault] = []
    named = bool(values.guardian_name or values.guardian_phone or values.guardian_relation)
    if values.guardian_id is None and named:
        faults += check_name(values.guardian_name, "guardian_name")
        if normalize_phone(values.guardian_phone) is None:
            faults.append(Fault("guardian_phone", "person.guardian_phone"))
    if (values.guardian_id or named) and not values.guardian_relation:
        faults.append(Fault("guardian_relation", "person.guardian_relation"))
    faults += _check_text("guardian_relation", values.guardian_relation, 40)
    if values.consent_means and values.consent_means not in CONSENT_MEANS:
        faults.append(Fault("consent_means", "person.consent_means"))
    if values.birth_on is not None and values.birth_on <= on and age_on(values.birth_on, on) < consent_age:
        if values.guardian_id is None and not named:
            faults.append(Fault("guardian_name", "person.guardian_required", {"age": consent_age}))
        elif not values.consent_means:
            faults.append(Fault("consent_means", "person.guardian_consent_required", {"age": consent_age}))
    return faults


def _has_hidden(text: str) -> bool:
    # Joiners (Cf) belong to some scripts' names, but direction marks and the like can make one name look like another.
    return any(
        unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp") and c not in "\u200c\u200d" for c in text
    )


_NUMBER: Final = re.compile(rf"[0-9A-Z-]{{1,{NUMBER_LIMIT}}}")
_EMAIL: Final = re.compile(
    r"[^\s@<>\"'(),:;\\\x00-\x1f]{1,64}@[^\s@<>\"'(),:;\\\x00-\x1f.]+(?:\.[^\s@<>\"'(),:;\\\x00-\x1f.]+)+"
)


# --- ages -------------------------------------------------------------------------------------------------------------


def age_on(birth_on: date, on: date) -> int:
    """Return completed years of life on day `on`. Who was born on 29 February completes a year on 1 March of other years."""
    return on.year - birth_on.year - ((on.month, on.day) < (birth_on.month, birth_on.day))


# --- identity numbers -------------------------------------------------------------------------------------------------


class IdentityFacts(NamedTuple):
    """What a valid identity number says of its bearer."""

    birth_on: date
    sex: str


def clean_identity(text: str) -> str:
    """Return a typed identity number with plain digits, a capital X and nothing between."""
    plain = unicodedata.normalize("NFKC", text[:100]).upper()
    return re.sub(r"[\s\-'‘’`]", "", plain)


def full_identity(number: str) -> str:
    """Return the 18-character form of a cleaned number: the 15-digit one of before 1999 gets its century and check character."""
    if len(number) == 15 and number.isdigit():
        long = number[:6] + "19" + number[6:]
        return long + _identity_check(long)
    return number


def identity_facts(number: str) -> IdentityFacts | None:
    """Return birth date and sex from a cleaned identity number of 18 or 15 characters, or None when it is no valid one.

    Checked: form, check character (GB 11643, ISO 7064 MOD 11-2), the date, and that the area starts with a province's
    digits. The six area digits are not looked up: areas come and go, numbers stay.
    """
    long = full_identity(number)
    if not re.fullmatch(r"[1-8][0-9]{16}[0-9X]", long) or _identity_check(long[:17]) != long[17]:
        return None
    try:
        born = date(int(long[6:10]), int(long[10:12]), int(long[12:14]))
    except ValueError:
        return None
    return IdentityFacts(born, "MALE" if int(long[16]) % 2 else "FEMALE")


def check_identity(number: str, birth_on: date | None, sex: str, on: date) -> list[Fault]:
    """Return why a cleaned identity number cannot be this person's."""
    if not number:
        return []
    facts = identity_facts(number)
    if facts is None or check_birth(facts.birth_on, on):
        return [Fault("identity_number", "person.identity_form")]
    if birth_on is not None and facts.birth_on != birth_on:
        return [Fault("birth_on", "person.identity_other_birth")]
    if sex in ("FEMALE", "MALE") and facts.sex != sex:
        return [Fault("sex", "person.identity_other_sex")]
    return []


_IDENTITY_WEIGHTS: Final = tuple(pow(2, 17 - position, 11) for position in range(17))


def _identity_check(digits: str) -> str:
    weighted = sum(map(mul, map(int, digits), _IDENTITY_WEIGHTS))
    return "10X98765432"[weighted % 11]


# --- volunteer numbers ------------------------------------------------------------------------------------------------


def new_volunteer_number(random_below: Callable[[int], int] = secrets.randbelow) -> str:
    """Return a random number of ten digits: nine at random, the first neither 0 nor 1 (no telephone looks so), one to check.

    Nothing in it tells of the person. The check digit finds a mistyped digit before the number is searched for.
    """
    digits = f"{random_below(8) + 2}{random_below(10**8):08d}"
    return digits + check_digit(digits)


def is_own_number(number: str) -> bool:
    """True when `number` is of the form this system gives out, check digit included."""
    return (
        len(number) == 10
        and number.isascii()
        and number.isdigit()
        and number[0] not in "01"
        and check_digit(number[:9]) == number[9]
    )


def clean_number(text: str) -> str:
    """Return a volunteer number, ours or another system's, as it is stored: capitals, no gaps."""
    return re.sub(r"\s+", "", unicodedata.normalize("NFKC", text[:100])).upper()


# --- keys by which a person is found ----------------------------------------------------------------------------------

NAME: Final = "N"
PINYIN: Final = "P"
OTHER_PINYIN: Final = "Q"
INITIALS: Final = "I"
SUFFIX: Final = "S"
PHONE: Final = "T"
PHONE_TAIL: Final = "F"
NUMBER: Final = "V"

# Readings that hold for a character as a family name, whatever it reads elsewhere.
_FAMILY_READINGS: Final = {
    "单": "shan", "解": "xie", "曾": "zeng", "仇": "qiu", "朴": "piao", "查": "zha", "区": "ou", "任": "ren", "盖": "ge",
    "华": "hua", "翟": "zhai", "乐": "yue", "缪": "miao", "覃": "qin", "种": "chong", "秘": "bi", "员": "yun", "冼": "xian",
    "万": "wan", "教": "jiao", "尹": "yin", "沈": "shen", "石": "shi", "贾": "jia", "洗": "xian", "重": "chong", "逄": "pang",
    "黑": "he", "折": "she", "繁": "po", "晟": "cheng", "召": "shao", "佴": "nai", "祭": "zhai", "麴": "qu", "隗": "wei",
}  # fmt: skip


def search_name(name: str) -> str:
    """Return the name as it is searched: folded, without middle dots and blanks, so that either way of typing them finds it."""
    return fold_name(name).replace("·", "").replace(" ", "")


@lru_cache(maxsize=65536)
def _readings(character: str) -> tuple[str, ...]:
    return tuple(pinyin_keys(character, limit=8))


_SYLLABLES: Final = re.compile(
    r"[a-z0-9]+|[^\x00-\x7f]"
)  # a Latin word is read as one syllable, a character as one


def _name_readings(name: str) -> list[tuple[str, ...]]:
    parts = _SYLLABLES.findall(fold_name(name)[:KEY_LIMIT])
    found = [(part,) if part.isascii() else _readings(part) for part in parts]
    family = _FAMILY_READINGS.get(parts[0]) if parts else None
    if family and found:
        found[0] = (family, *(reading for reading in found[0] if reading != family))
    return [options for options in found if options]


def person_keys(name: str) -> list[tuple[str, str]]:
    """Return (kind, key) of every string by which somebody of this name is found; exactly one NAME and one PINYIN among them.

    PINYIN is the likeliest spelling, and what lists are ordered by; a name without any reading stands under itself.
    """
    folded = search_name(name)
    readings = _name_readings(name)
    if readings:
        main, *others = spellings(readings)
        letters = initials(readings)
    else:
        main, others, letters = folded, [], []
    keys = [(NAME, folded[:KEY_LIMIT]), (PINYIN, main[:KEY_LIMIT])]
    keys += [(OTHER_PINYIN, other[:KEY_LIMIT]) for other in others]
    keys += [(INITIALS, letter[:KEY_LIMIT]) for letter in letters]
    if not folded.isascii():
        ends = range(1, min(len(folded) - 1, SUFFIXES_LIMIT + 1))
        keys += [(SUFFIX, folded[start : start + SUFFIX_LIMIT]) for start in ends]
    return list(dict.fromkeys(keys))


def pinyin_of(name: str) -> str:
    """Return the likeliest spelling of a name, as lists are ordered by."""
    return next(key for kind, key in person_keys(name) if kind == PINYIN)


def initials_of(name: str) -> str:
    """Return the initials of the likeliest spelling, "" for a name without any reading."""
    return next((key for kind, key in person_keys(name) if kind == INITIALS), "")


class Probe(NamedTuple):
    """One way to read a search: the kind of key to look among, and what it starts with."""

    kind: str
    key: str


def search_probes(text: str) -> list[Probe]:
    """Return how to look for what was typed, the likeliest first; an empty list when it can be nobody.

    Chinese text: the name from its start, then from any character on (two characters at least). Letters: pinyin, then
    initials, then other readings. Four digits: the end of a telephone number; more: a whole telephone number or a volunteer number.
    """
    typed = "".join(
        " " if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp") else c for c in text[:200]
    ).strip()
    folded = search_name(typed)
    if not folded or len(text) > 200:
        return []
    if not folded.isascii():
        key = folded[:KEY_LIMIT]
        inside = [Probe(SUFFIX, folded)] if 2 <= len(folded) <= SUFFIX_LIMIT else []
        return [Probe(NAME, key), *inside]
    plain = "".join(c for c in folded if c.isalnum())
    if not plain:
        return []
    probes: list[Probe] = []
    if any(c.isdigit() for c in plain):
        phone = normalize_phone(typed)
        if phone:
            probes.append(Probe(PHONE, phone))
        if len(plain) == 4 and plain.isdigit():
            probes.append(Probe(PHONE_TAIL, plain))
        else:
            probes.append(Probe(NUMBER, clean_number(typed)))
    if not plain.isdigit():
        key = plain[:KEY_LIMIT]
        # One kind at a time: only then is the order of the index the order of the answer, and reading stops at the limit.
        probes += [Probe(PINYIN, key), Probe(INITIALS, key), Probe(OTHER_PINYIN, key)]
    return probes


# --- who is likely the same -------------------------------------------------------------------------------------------

SAME_IDENTITY: Final = "SAME_IDENTITY"
SAME_PHONE: Final = "SAME_PHONE"
SAME_NAME: Final = "SAME_NAME"
SIMILAR_NAME: Final = "SIMILAR_NAME"
SAME_BIRTH: Final = "SAME_BIRTH"
SAME_STREET: Final = "SAME_STREET"
OTHER_IDENTITY: Final = "OTHER_IDENTITY"
OTHER_BIRTH: Final = "OTHER_BIRTH"
OTHER_SEX: Final = "OTHER_SEX"

LIKELY: Final = 55  # score from which a pair is shown


@dataclass(frozen=True, slots=True)
class Traits:
    """What two people are compared by. Numbers appear only as blind indexes; `street` is a label of the place tree."""

    name_key: str
    birth_on: date | None = None
    sex: str = "UNKNOWN"
    identity_index: str = ""
    phone_indexes: frozenset[str] = frozenset()
    street: str = ""


@dataclass(frozen=True, slots=True)
class Likeness:
    """How likely two records are one person: 0 to 100, with the reasons for and against."""

    score: int
    reasons: tuple[str, ...]

    @property
    def is_likely(self) -> bool:
        return self.score >= LIKELY


def likeness(one: Traits, other: Traits) -> Likeness:
    """Compare two people. Symmetric. A shared telephone alone proves little: families share one."""
    name = fuzz.ratio(one.name_key, other.name_key) if one.name_key and other.name_key else 0.0
    reasons: list[str] = []
    score = 0
    if one.identity_index and one.identity_index == other.identity_index:
        return Likeness(100, (SAME_IDENTITY, *((SAME_NAME,) if name == 100 else ())))
    if name == 100:
        reasons.append(SAME_NAME)
        score += 40
    elif name >= 60:
        reasons.append(SIMILAR_NAME)
        score += round(name / 4)
    if one.phone_indexes & other.phone_indexes:
        reasons.append(SAME_PHONE)
        score += 45
    if one.birth_on and one.birth_on == other.birth_on:
        reasons.append(SAME_BIRTH)
        score += 35
    elif one.birth_on and other.birth_on:
        reasons.append(OTHER_BIRTH)
        score -= 40
    if one.street and one.street == other.street:
        reasons.append(SAME_STREET)
        score += 20
    if {one.sex, other.sex} == {"FEMALE", "MALE"}:
        reasons.append(OTHER_SEX)
        score -= 30
    if one.identity_index and other.identity_index:
        reasons.append(OTHER_IDENTITY)
        score -= 60
    if (
        name < 60
    ):  # no name in common: whatever else they share, they are relatives or a typing error for a human to find
        score = min(score, LIKELY - 1)
    return Likeness(max(0, min(99, score)), tuple(reasons))


# --- erasing ----------------------------------------------------------------------------------------------------------

ERASED_NAME: Final = "已删除"


def pair(one: UUID, other: UUID) -> tuple[UUID, UUID]:
    """Return the two ids with the smaller one first, as pairs are stored."""
    return (one, other) if one < other else (other, one)


def outermost(paths: Iterable[str]) -> list[str]:
    """Return the paths that lie in no other of them."""
    found = set(paths)
    return sorted(p for p in found if not any(p != q and p.startswith(q) for q in found))


def path_label(path: str, level: int) -> str:
    """Return the label at `level` (1 the province … 4 the street) of a place path, "" when it is not that deep."""
    labels = path.strip("/").split("/")
    return labels[level - 1] if len(labels) >= level else ""
