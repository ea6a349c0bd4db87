"""Folding and readings: what people type must find what other people typed."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from wushe.kernel.text import (
    bigrams,
    fold_name,
    initials_keys,
    mask_identity,
    mask_name,
    mask_phone,
    normalize_phone,
    pinyin_keys,
)

han = st.text(st.characters(min_codepoint=0x4E00, max_codepoint=0x9FA5), min_size=1, max_size=6)


@given(st.text(max_size=40))
@example("R¸")  # a space and a combining cedilla after a letter
def test_folding_is_stable(text: str) -> None:
    assert fold_name(fold_name(text)) == fold_name(text)


@pytest.mark.parametrize("dot", list("·・•‧"))
def test_every_middle_dot_is_one(dot: str) -> None:
    assert fold_name(f"阿卜杜拉{dot}买买提") == "阿卜杜拉·买买提"


@pytest.mark.parametrize(
    ("typed", "folded"),
    [("张 三", "张三"), ("張三", "張三"), (" Li  Lei ", "li lei"), ("李雷", "李雷"), ("⼀二", "一二")],
)
def test_folding_examples(typed: str, folded: str) -> None:
    assert fold_name(typed) == folded


@pytest.mark.parametrize("name", ["𠮷", "㛃", "䶮", "\U00030ede"])
def test_rare_characters_stay_themselves(name: str) -> None:
    assert fold_name(name) == name


@given(han)
def test_initials_are_the_first_letters_of_some_reading(name: str) -> None:
    assert len(pinyin_keys(name)) <= 8
    assert len(initials_keys(name)) <= 8
    for key in pinyin_keys(name) + initials_keys(name):
        assert key.isascii()
        assert key == key.lower()


def test_all_readings_of_a_surname() -> None:
    assert {"danxiao", "shanxiao"} <= set(pinyin_keys("单晓"))
    assert {"cengjing", "zengjing"} <= set(pinyin_keys("曾静"))
    assert "lvbu" in pinyin_keys("吕布")


@given(han)
def test_pairs_are_inside_the_name(name: str) -> None:
    folded = fold_name(name)
    assert all(len(pair) == 2 and pair in folded for pair in bigrams(name))


@given(st.from_regex(r"1[3-9][0-9]{9}", fullmatch=True), st.sampled_from(["", "+86", "86", "0086", "+86 "]))
def test_a_mobile_number_is_one_number_however_typed(digits: str, front: str) -> None:
    wide = str.maketrans("0123456789", "０１２３４５６７８９")
    spaced = f"{digits[:3]} {digits[3:7]}-{digits[7:]}"
    for typed in (digits, front + digits, front + spaced, digits.translate(wide)):
        assert normalize_phone(typed) == digits


@pytest.mark.parametrize("typed", ["", "12345", "23800138000", "138001380001", "电话"])
def test_what_is_no_number_is_none(typed: str) -> None:
    assert normalize_phone(typed) is None


@given(st.from_regex(r"1[3-9][0-9]{9}", fullmatch=True))
def test_masks_hide_the_middle(digits: str) -> None:
    assert mask_phone(digits) == digits[:3] + "****" + digits[7:]


def test_masks() -> None:
    assert mask_name("欧阳娜娜") == "欧***"
    assert mask_identity("11010519491231002X") == "1" + "*" * 16 + "X"
    assert mask_phone("123") == "***"
    assert mask_identity("") == ""
