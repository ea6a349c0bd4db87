"""Names that nobody bears: a common surname before a pair of the sixty-year cycle (甲子, 乙丑 …), so that every demo person is
recognizable as invented, while surnames keep their real frequencies and pinyin searches behave as they do on real lists.
"""

import random

STEMS = "甲乙丙丁戊己庚辛壬癸"
BRANCHES = "子丑寅卯辰巳午未申酉戌亥"
CYCLE = tuple(STEMS[i % 10] + BRANCHES[i % 12] for i in range(60))
NUMERALS = "一二三四五六七八九十"

# Share of the population in tenths of a percent, rounded; the long tail stands for itself.
SURNAMES: tuple[tuple[str, int], ...] = (
    ("王", 72), ("李", 72), ("张", 68), ("刘", 54), ("陈", 45), ("杨", 31), ("黄", 22), ("赵", 21), ("吴", 20), ("周", 19),
    ("徐", 16), ("孙", 15), ("马", 13), ("朱", 13), ("胡", 13), ("郭", 12), ("何", 12), ("高", 11), ("林", 11), ("罗", 10),
    ("郑", 10), ("梁", 9), ("谢", 8), ("宋", 8), ("唐", 7), ("许", 7), ("韩", 7), ("冯", 6), ("邓", 6), ("曹", 6),
    ("彭", 6), ("曾", 6), ("肖", 5), ("田", 5), ("董", 5), ("袁", 5), ("潘", 5), ("于", 5), ("蒋", 5), ("蔡", 5),
    ("余", 4), ("杜", 4), ("叶", 4), ("程", 4), ("苏", 4), ("魏", 4), ("吕", 4), ("丁", 4), ("任", 4), ("沈", 4),
    ("姚", 3), ("卢", 3), ("姜", 3), ("崔", 3), ("钟", 3), ("谭", 3), ("陆", 3), ("汪", 3), ("范", 3), ("金", 3),
    ("石", 3), ("廖", 3), ("贾", 3), ("夏", 3), ("韦", 3), ("付", 3), ("方", 3), ("白", 3), ("邹", 3), ("孟", 3),
    ("熊", 2), ("秦", 2), ("邱", 2), ("江", 2), ("尹", 2), ("薛", 2), ("闫", 2), ("段", 2), ("雷", 2), ("侯", 2),
    ("龙", 2), ("史", 2), ("陶", 2), ("黎", 2), ("贺", 2), ("顾", 2), ("毛", 2), ("郝", 2), ("龚", 2), ("邵", 2),
    ("欧阳", 1), ("单", 1), ("解", 1), ("仇", 1), ("翟", 1), ("区", 1), ("司徒", 1), ("上官", 1),
)  # fmt: skip

_FAMILY, _WEIGHTS = zip(*SURNAMES, strict=True)


def person_name(chance: random.Random) -> str:
    """Return one invented name, such as 王甲子 or 陈乙丑三."""
    family: str = chance.choices(_FAMILY, _WEIGHTS)[0]
    last = chance.choice(NUMERALS) if chance.random() < 0.35 else ""
    return family + chance.choice(CYCLE) + last


def phone(chance: random.Random) -> str:
    """Return a number of the right shape whose second block is zeros, which no operator hands out in this pattern."""
    return f"1{chance.choice('3456789')}{chance.randrange(10)}0000{chance.randrange(10_000):04d}"
