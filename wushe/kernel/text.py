"""Folding, readings and numbers of people and places. Pure functions on text; what is stored as typed stays as typed."""

import re
import unicodedata
from functools import lru_cache
from itertools import islice, product

_MIDDLE_DOTS = dict.fromkeys(map(ord, "·・•‧∙⋅●．"), "·")
_SPACES = re.compile(r"\s+")
_NOT_DIGITS = re.compile(r"\D+")
_MOBILE = re.compile(r"1[3-9]\d{9}")
_LANDLINE = re.compile(r"0\d{9,11}")


def fold_name(text: str) -> str:
    """Return the key under which a name is matched: NFKC, lower case, one middle dot, no spaces between Chinese characters.

    Never shown and never written back: NFKC merges characters that a legal name must keep apart. Folding a folded name changes
    nothing.
    """
    folded = _folded_once(text)
    # Chinese and ASCII are done now; taking a space out can bring a letter and its accent together, which then are one character.
    while (again := _folded_once(folded)) != folded:
        folded = again
    return folded


def _folded_once(text: str) -> str:
    folded = unicodedata.normalize("NFKC", text.translate(_MIDDLE_DOTS)).casefold().strip()
    folded = folded.translate(_MIDDLE_DOTS)
    folded = _SPACES.sub(" ", folded)
    return re.sub(r"(?<=[^\x00-\x7f]) | (?=[^\x00-\x7f])", "", folded)


@lru_cache(maxsize=65536)
def _readings(character: str) -> tuple[str, ...]:
    from pypinyin import Style, pinyin  # the table takes 0.2 s to load: only who needs readings pays for it

    found = pinyin(character, style=Style.NORMAL, heteronym=True, errors="ignore")
    return tuple(dict.fromkeys(found[0])) if found else ()


def _syllables(name: str) -> list[tuple[str, ...]]:
    syllables: list[tuple[str, ...]] = []
    for character in fold_name(name):
        if character.isascii():
            if character.isalnum():
                syllables.append((character,))
        else:
            readings = tuple(r.replace("ü", "v") for r in _readings(character))
            if readings:
                syllables.append(readings)
    return syllables


def pinyin_keys(name: str, limit: int = 8) -> list[str]:
    """Return up to `limit` spellings of `name` without tones or gaps, one for each combination of its characters' readings."""
    syllables = _syllables(name)
    if not syllables:
        return []
    return list(dict.fromkeys("".join(c) for c in islice(product(*syllables), limit)))


def initials_keys(name: str, limit: int = 8) -> list[str]:
    """Return up to `limit` strings of the first letters of the readings of `name`."""
    syllables = [tuple(dict.fromkeys(r[0] for r in readings)) for readings in _syllables(name)]
    if not syllables:
        return []
    return list(dict.fromkeys("".join(c) for c in islice(product(*syllables), limit)))


def bigrams(name: str) -> list[str]:
    """Return the distinct neighbouring pairs of characters of the folded name, for searching inside it."""
    folded = fold_name(name)
    return list(dict.fromkeys(folded[i : i + 2] for i in range(len(folded) - 1)))


def normalize_phone(text: str) -> str | None:
    """Return a mainland number as digits alone ("13800138000", "01012345678"), or None when it is none.

    Takes full-width digits, spaces, dashes, +86 and 0086.
    """
    digits = _NOT_DIGITS.sub("", unicodedata.normalize("NFKC", text))
    if len(digits) > 11 and digits.startswith("0086"):
        digits = digits[4:]
    elif len(digits) > 11 and digits.startswith("86"):
        digits = digits[2:]
    if _MOBILE.fullmatch(digits) or _LANDLINE.fullmatch(digits):
        return digits
    return None


def mask_phone(digits: str) -> str:
    """Return the number as it may be shown: 138****1234."""
    if len(digits) < 7:
        return "*" * len(digits)
    return f"{digits[:3]}****{digits[-4:]}"


def mask_name(name: str) -> str:
    """Return a name as a public page may show it: the first character and one star for each other."""
    return name[:1] + "*" * max(len(name) - 1, 0)


def mask_identity(number: str) -> str:
    """Return an identity number with only its first and last characters."""
    return f"{number[:1]}{'*' * max(len(number) - 2, 0)}{number[-1:]}" if number else ""
