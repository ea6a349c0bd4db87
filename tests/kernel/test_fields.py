"""Prefix ranges, as a rule on text and as SQL on both databases."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wushe.kernel.fields import prefix_end
from wushe.kernel.models import InstallationFact

words = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\x00"), min_size=1, max_size=6)


@given(words, words)
def test_the_range_is_exactly_the_prefix(prefix: str, other: str) -> None:
    end = prefix_end(prefix)
    for text in (other, prefix + other, prefix):
        inside = text >= prefix and (end is None or text < end)
        assert inside == text.startswith(prefix)


@pytest.mark.django_db
def test_the_database_agrees_with_the_rule() -> None:
    codes = [
        "ab",
        "AB",
        "abc",
        "ac",
        "a",
        "ab\ud7ff".encode("utf-8", "replace").decode()[:3],
        "张",
        "张三",
        "章",
        "\U0010ffff",
        "ab_",
        "ab%",
    ]
    codes = list(dict.fromkeys(codes))
    InstallationFact.objects.bulk_create(InstallationFact(code=code, value="x") for code in codes)
    for prefix in ["a", "ab", "AB", "张", "ab_", "ab%", "\U0010ffff", "zz"]:
        found = set(InstallationFact.objects.filter(code__prefix=prefix).values_list("code", flat=True))
        assert found == {code for code in codes if code.startswith(prefix)}, prefix
