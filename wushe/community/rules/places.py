"""Rules of places (地方): levels, paths, official suffixes, readings of names. Values in, values out.

A path is the labels of all ancestors and of the place itself, each followed by a slash: "/15/1506/150603/". The nation is "/".
Because no label contains a slash, "lies in the subtree of" is exactly "its path starts with".
"""

import base64
import re
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import date
from itertools import product
from typing import Final, NamedTuple
from uuid import UUID

PROVINCE: Final = 1
CITY: Final = 2
COUNTY: Final = 3
STREET: Final = 4
COMMUNITY: Final = 5
GRID: Final = 6
BUILDING: Final = 7
OFFICIAL_LEVELS: Final = (PROVINCE, CITY, COUNTY, STREET, COMMUNITY)
LEVELS: Final = (*OFFICIAL_LEVELS, GRID, BUILDING)

URBAN: Final = "URBAN"
RURAL: Final = "RURAL"

NATION: Final = "/"
NAME_LIMIT: Final = 200
KEY_LIMIT: Final = 100
PATH_LIMIT: Final = 250
READINGS_LIMIT: Final = 12

BEFORE_RECORDS: Final = date(1, 1, 1)
"""Stands for "since before the book begins": the state every place was loaded in."""

_CODE_LENGTHS: Final = {2: PROVINCE, 4: CITY, 6: COUNTY, 9: STREET, 12: COMMUNITY}
_LEVEL_LENGTHS: Final = {level: length for length, level in _CODE_LENGTHS.items()}


# --- codes ------------------------------------------------------------------------------------------------------------


def level_of_code(code: str) -> int | None:
    """Return the level an official code of 2, 4, 6, 9 or 12 digits belongs to, or None when it is no such code."""
    return _CODE_LENGTHS.get(len(code)) if code.isascii() and code.isdigit() else None


def parent_code(code: str) -> str | None:
    """Return the code one level up ("150603" → "1506"), or None for a province."""
    level = level_of_code(code)
    if level is None or level == PROVINCE:
        return None
    return code[: _LEVEL_LENGTHS[level - 1]]


def codes_above(code: str) -> list[str]:
    """Return the codes of all levels above `code`, the province first."""
    level = level_of_code(code)
    return [] if level is None else [code[: _LEVEL_LENGTHS[above]] for above in range(PROVINCE, level)]


# --- paths ------------------------------------------------------------------------------------------------------------


def join(parent_path: str, label: str) -> str:
    """Return the path of the child `label` of the place at `parent_path`."""
    return f"{parent_path}{label}/"


def label_of(path: str) -> str:
    """Return the last label of a path; "" for the nation."""
    return path.rstrip("/").rpartition("/")[2]


def paths_above(path: str) -> list[str]:
    """Return the paths of all ancestors, outermost first, without the nation and without `path` itself."""
    labels = path.strip("/").split("/")[:-1]
    found = []
    walked = NATION
    for label in labels:
        walked = join(walked, label)
        found.append(walked)
    return found


def lies_in(path: str, root: str) -> bool:
    """True when `path` is `root` or below it."""
    return path.startswith(root)


def own_label(place_id: UUID) -> str:
    """Return the label of a place without an official code: "g" and ten base-32 characters of the random end of its id."""
    return "g" + base64.b32encode(place_id.bytes[-7:]).decode("ascii")[:10].lower()


def may_contain(parent: int, child: int) -> bool:
    """True when a place of level `child` may lie directly in one of level `parent` (0: the nation).

    The official levels leave none out, so that the third label of a path is always the county's and the fourth the street's.
    Grids and buildings lie in a community or in a grid (a grid may hold smaller ones, 微网格).
    """
    if child in OFFICIAL_LEVELS:
        return parent == child - 1
    return child in LEVELS and parent in (COMMUNITY, GRID)


# --- what a name says -------------------------------------------------------------------------------------------------

_PEOPLES = (
    "蒙古族|蒙古|回族|藏族|维吾尔族|维吾尔|苗族|彝族|壮族|布依族|朝鲜族|满族|侗族|瑶族|白族|土家族|哈尼族|哈萨克族|哈萨克|傣族|黎族|傈僳族|佤族"
    "|畲族|高山族|拉祜族|水族|东乡族|纳西族|景颇族|柯尔克孜族|柯尔克孜|土族|达斡尔族|达斡尔|仫佬族|羌族|布朗族|撒拉族|毛南族|仡佬族|锡伯族|锡伯"
    "|阿昌族|普米族|塔吉克族|塔吉克|怒族|乌孜别克族|乌孜别克|俄罗斯族|鄂温克族|鄂温克|德昂族|保安族|裕固族|京族|塔塔尔族|独龙族|鄂伦春族|鄂伦春"
    "|赫哲族|门巴族|门巴|珞巴族|珞巴|基诺族|各族"
)
_ZONES = "高新技术产业开发区|经济技术开发区|高新技术开发区|经济开发区|开发区|工业园区|产业园区|工业园|产业园|管理区|示范区"
_COMMITTEES = "(?:社区|村|嘎查|屯|街|居)?(?:居民委员会|村民委员会|居委会|村委会)|(?:社区|嘎查|牧)?(?:委员会|委会)|嘎查村|虚拟社区|社区|村|嘎查|生活区"
_SUFFIXES: Final = {
    PROVINCE: f"省|(?:{_PEOPLES})*自治区|市|特别行政区",
    CITY: f"市|地区|盟|(?:{_PEOPLES})*自治州",
    COUNTY: f"县|市|区|旗|林区|新区|特区|(?:{_PEOPLES})*(?:自治县|自治旗|区)|{_ZONES}",
    STREET: f"街道办事处|街道|镇|乡|苏木|地区办事处|地区|(?:{_PEOPLES})+(?:乡|镇|民族乡|苏木)|民族乡|办事处|{_ZONES}",
    COMMUNITY: _COMMITTEES,
}
_ENDINGS: Final = {level: re.compile(f"^(.{{2,}}?)(?:{suffixes})$") for level, suffixes in _SUFFIXES.items()}
_WHOLE: Final = frozenset({"市辖区", "自治区直辖县级行政区划", "省直辖县级行政区划"})

# What people type after a proper name: the suffix, how it is spelt, its initials, the levels it belongs to.
_TYPED: Final = (
    ("省", "sheng", "s", (PROVINCE,)),
    ("自治区", "zizhiqu", "zzq", (PROVINCE,)),
    ("市", "shi", "s", (PROVINCE, CITY, COUNTY)),
    ("自治州", "zizhizhou", "zzz", (CITY,)),
    ("地区", "diqu", "dq", (CITY, STREET)),
    ("盟", "meng", "m", (CITY,)),
    ("区", "qu", "q", (COUNTY,)),
    ("县", "xian", "x", (COUNTY,)),
    ("旗", "qi", "q", (COUNTY,)),
    ("自治县", "zizhixian", "zzx", (COUNTY,)),
    ("开发区", "kaifaqu", "kfq", (COUNTY, STREET)),
    ("街道", "jiedao", "jd", (STREET,)),
    ("街道办事处", "jiedaobanshichu", "jdbsc", (STREET,)),
    ("镇", "zhen", "z", (STREET,)),
    ("乡", "xiang", "x", (STREET,)),
    ("民族乡", "minzuxiang", "mzx", (STREET,)),
    ("苏木", "sumu", "sm", (STREET,)),
    ("社区", "shequ", "sq", (COMMUNITY,)),
    ("社区居委会", "shequjuweihui", "sqjwh", (COMMUNITY,)),
    ("社区居民委员会", "shequjuminweiyuanhui", "sqjmwyh", (COMMUNITY,)),
    ("居委会", "juweihui", "jwh", (COMMUNITY,)),
    ("居民委员会", "juminweiyuanhui", "jmwyh", (COMMUNITY,)),
    ("村", "cun", "c", (COMMUNITY,)),
    ("村委会", "cunweihui", "cwh", (COMMUNITY,)),
    ("村民委员会", "cunminweiyuanhui", "cmwyh", (COMMUNITY,)),
    ("嘎查", "gacha", "gc", (COMMUNITY,)),
)


class TypedName(NamedTuple):
    """One way to read the end of a query as an official suffix: the name before it, at which level, with what after it."""

    core: str
    level: int
    marks: tuple[str, ...]
    """First characters that the official suffix of a matching name may have."""


def core_name(name: str, level: int) -> str:
    """Return the proper part of an official name: "广西壮族自治区" → "广西", "小红门村民委员会" → "小红门".

    Two characters always remain, so "蔚县" stays "蔚县" (a search for "蔚" finds it as a prefix). Own places keep their name.
    """
    ending = _ENDINGS.get(level)
    if ending is None or name in _WHOLE:
        return name
    found = ending.match(name)
    return found.group(1) if found else name


def typed_names(query: str) -> list[TypedName]:
    """Return the proper names a query may mean when its end is an official suffix, or the beginning of one.

    "朝阳区" and "朝阳街" may mean "朝阳"; "chaoyangqu" may mean "chaoyang", "cyq" may mean "cy".
    """
    found: dict[tuple[str, int], set[str]] = {}
    for level in OFFICIAL_LEVELS:
        core = core_name(query, level)
        if core != query:
            found.setdefault((core, level), set()).add(query[len(core)])
    for length in range(1, len(query) - 1):
        core, end = query[:-length], query[-length:]
        for suffix, reading, letters, levels in _TYPED:
            if (
                (reading.startswith(end) or letters.startswith(end))
                if query.isascii()
                else suffix.startswith(end)
            ):
                for level in levels:
                    found.setdefault((core, level), set()).add(suffix[0])
    return [TypedName(core, level, tuple(sorted(marks))) for (core, level), marks in found.items()]


def is_clean_name(name: str) -> bool:
    """True when a name holds only characters that can be seen: no line breaks, no control or direction marks."""
    return not any(unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp") for character in name)


def kind_of(name: str, level: int) -> str:
    """Return URBAN or RURAL where an official name says so (街道 and 居委会; 镇, 乡 and 村委会), else "".

    This is what the name says, not the statistical office's urban-rural class.
    """
    if level == STREET:
        if name.endswith(("街道", "街道办事处")):
            return URBAN
        if name.endswith(("镇", "乡", "苏木")):
            return RURAL
    elif level == COMMUNITY:
        if name.endswith(("村委会", "村民委员会", "村", "嘎查", "牧委会", "嘎查委员会", "生产队", "连队")):
            return RURAL
        if name.endswith(("居委会", "居民委员会", "社区", "社区委员会")):
            return URBAN
    return ""


# --- readings ---------------------------------------------------------------------------------------------------------


def spellings(readings: Sequence[Sequence[str]], limit: int = READINGS_LIMIT) -> list[str]:
    """Return the spellings of a name of which each character has one or more readings, the likeliest first.

    `readings[i][0]` is the reading in this name, the rest are the character's others. All combinations when there are at
    most `limit` of them; else the likeliest one and those that differ from it in one character, so that rows stay bounded.
    """
    combinations = 1
    for options in readings:
        combinations *= len(options)
    if combinations == 1:
        return ["".join(options[0] for options in readings)]
    if combinations <= limit:
        return list(dict.fromkeys("".join(chosen) for chosen in product(*readings)))
    base = [options[0] for options in readings]
    found = ["".join(base)]
    for position, options in enumerate(readings):
        for other in options[1:]:
            found.append("".join([*base[:position], other, *base[position + 1 :]]))
    return list(dict.fromkeys(found))


def initials(readings: Sequence[Sequence[str]], limit: int = READINGS_LIMIT) -> list[str]:
    """Return the first letters of the readings, combined as in `spellings`."""
    return spellings([tuple(dict.fromkeys(reading[0] for reading in options)) for options in readings], limit)


def readings_of(
    text: str, table: Mapping[str, Sequence[str]], here: Mapping[int, str] | None = None
) -> list[tuple[str, ...]]:
    """Return the readings of each character of `text` that has any, by `table`; `here[i]` is the reading in this very name.

    ASCII letters and digits stand for themselves; punctuation is skipped.
    """
    found: list[tuple[str, ...]] = []
    for position, character in enumerate(text):
        if character.isascii():
            if character.isalnum():
                found.append((character.lower(),))
            continue
        options = table.get(character)
        if not options:
            continue
        reading = here.get(position) if here else None
        if reading is None or reading == options[0]:
            found.append(tuple(options))
        else:
            found.append((reading, *(option for option in options if option != reading)))
    return found


class SearchKeys(NamedTuple):
    """The strings by which one place is found."""

    name_key: str
    pinyin: str
    initials: str
    further: tuple[str, ...]
    """Other spellings and their initials; never the two above."""


def search_keys(folded: str, readings: Sequence[Sequence[str]]) -> SearchKeys:
    """Return the search keys of a place whose proper name folds to `folded` and reads `readings`."""
    if all(len(options) == 1 for options in readings):  # most names, and 600,000 of them in one go
        spelt = "".join([options[0] for options in readings])
        return SearchKeys(
            folded[:NAME_LIMIT], spelt[:KEY_LIMIT], "".join([o[0][0] for o in readings])[:KEY_LIMIT], ()
        )
    first, *others = spellings(readings)
    letters, *other_letters = initials(readings)
    further = dict.fromkeys(key[:KEY_LIMIT] for key in (*others, *other_letters))
    further.pop(first[:KEY_LIMIT], None)
    further.pop(letters[:KEY_LIMIT], None)
    return SearchKeys(folded[:NAME_LIMIT], first[:KEY_LIMIT], letters[:KEY_LIMIT], tuple(further))


class Division(NamedTuple):
    """One official division as the data package tells it."""

    code: str
    name: str
    level: int
    kind: str
    keys: SearchKeys
