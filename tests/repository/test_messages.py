"""Every visible string has its English, and the tool that says so sees each kind of fault."""

import gettext
from pathlib import Path

import pytest
from django.test import override_settings
from django.utils import translation

from tools import messages
from tools.messages import Entry, Use


def test_every_string_of_the_program_has_its_english(capsys: pytest.CaptureFixture[str]) -> None:
    code = messages.main(["check"])
    assert code == 0, capsys.readouterr().out


def fragment(folder: Path, text: str) -> list[Entry]:
    path = folder / "part.po"
    path.write_text(text, encoding="utf-8")
    return messages.read_fragment(path)


def test_a_fragment_is_read_whole(tmp_path: Path) -> None:
    entries = fragment(
        tmp_path,
        '# a comment\nmsgid ""\nmsgstr "Language: en\\n"\n\n#: there:1\nmsgid "保存"\nmsgstr "Save"\nmsgctxt "动词"\n'
        'msgid "导"\n"入"\nmsgstr "Im"\n"port"\n\nmsgid "%(n)s 人"\nmsgid_plural "%(n)s 人"\nmsgstr[0] "one person"\n'
        'msgstr[1] "%(n)s people"\n',
    )
    assert [(e.context, e.msgid, e.plural, e.texts) for e in entries] == [
        ("", "保存", "", {0: "Save"}),
        ("动词", "导入", "", {0: "Import"}),
        ("", "%(n)s 人", "%(n)s 人", {0: "one person", 1: "%(n)s people"}),
    ]


@pytest.mark.parametrize(
    "text", ['msgid 保存\nmsgstr "Save"', '#~ msgid "旧"\n#~ msgstr "old"', '"loose"', 'msgid "a"b"\n']
)
def test_an_unreadable_fragment_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(messages.Unreadable):
        fragment(tmp_path, text)


def test_the_catalog_is_one_that_gettext_reads(tmp_path: Path) -> None:
    entries = [
        Entry(msgid="保存", texts={0: "Save"}),
        Entry(context="月份", msgid="五", texts={0: "May"}),
        Entry(msgid="%(n)s 人", plural="%(n)s 人", texts={0: "one person", 1: "%(n)s people"}),
        Entry(msgid="空", texts={0: ""}),
    ]
    path = tmp_path / "django.mo"
    assert messages.write_catalog(entries, path) == 3
    with path.open("rb") as file:
        catalog = gettext.GNUTranslations(file)
    assert catalog.gettext("保存") == "Save"
    assert catalog.pgettext("月份", "五") == "May"
    assert [catalog.ngettext("%(n)s 人", "%(n)s 人", n) for n in (1, 2)] == ["one person", "%(n)s people"]
    assert catalog.gettext("空") == "空"


GOOD = Entry(msgid="删除 %(name)s", texts={0: "Delete %(name)s"}, file="a.po", line=1)
USED = {("", "删除 %(name)s"): Use(places=["wushe/web/x.py:1"])}


@pytest.mark.parametrize(
    ("entries", "found", "words"),
    [
        ([], USED, "no English"),
        ([GOOD, Entry(msgid="旧", texts={0: "old"})], USED, "used nowhere"),
        ([GOOD, Entry(msgid=GOOD.msgid, texts={0: "Remove %(name)s"}, file="b.po")], USED, "reads otherwise"),
        ([GOOD, GOOD], USED, "stands twice"),
        ([Entry(msgid=GOOD.msgid, texts={0: ""})], USED, "lacks its English"),
        ([Entry(msgid=GOOD.msgid, texts={0: "Delete"})], USED, "placeholders differ"),
        ([Entry(msgid=GOOD.msgid, texts={0: "Delete %(nam)s"})], USED, "placeholders differ"),
        ([Entry(msgid=GOOD.msgid, texts=GOOD.texts, fuzzy=True)], USED, "fuzzy"),
        ([Entry(msgid="保存", texts={0: "保存"})], {("", "保存"): Use(places=["x:1"])}, "is Chinese"),
        ([Entry(msgid="Save", texts={0: "Save"})], {("", "Save"): Use(places=["x:1"])}, "is not Chinese"),
        (
            [Entry(msgid="%(n)s 人", texts={0: "%(n)s"})],
            {("", "%(n)s 人"): Use("%(n)s 人", ["x:1"])},
            "singular and plural",
        ),
    ],
)
def test_each_fault_is_seen(entries: list[Entry], found: dict[messages.Key, Use], words: str) -> None:
    faults = messages.check_fragments(entries, found)
    assert any(words in fault for fault in faults), faults


def test_a_good_fragment_passes() -> None:
    assert messages.check_fragments([GOOD], USED) == []


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty package for the tool to look at, in place of ours."""
    monkeypatch.setattr(messages, "ROOT", tmp_path)
    monkeypatch.setattr(messages, "PACKAGE", tmp_path / "wushe")
    for folder in ("web/templates", "web/static/js", "api"):
        (tmp_path / "wushe" / folder).mkdir(parents=True)
    return tmp_path / "wushe"


@pytest.mark.parametrize(
    ("html", "clean"),
    [
        ("<p>{% translate '人员' %}</p>", True),
        ("<p>人员</p>", False),
        ("<p>People</p>", False),
        ("<p>{{ person.name }} · 3</p>{# 说明 #}", True),
        ("{% comment %}说明{% endcomment %}{% blocktranslate %}共 {{ n }} 人{% endblocktranslate %}", True),
        ('<input placeholder="姓名">', False),
        ('<input placeholder="{% translate \'姓名\' %}" class="form-control">', True),
        ('<img alt="a tree">', False),
        ("{% include 'x.html' with title='人员' %}", False),
        ("{% include 'x.html' with title=_('人员') %}", True),
        ('{{ value|default:"无" }}', False),
        ('{{ value|default:_("无") }}', True),
        ("<code>wushe import</code> CSV", True),
    ],
)
def test_visible_words_outside_of_the_tags_are_seen(package: Path, html: str, clean: bool) -> None:
    (package / "web" / "templates" / "page.html").write_text(html, encoding="utf-8")
    assert (messages.untranslated_in_templates() == []) is clean


def test_chinese_in_scripts_and_unmarked_in_pages_is_seen(package: Path) -> None:
    (package / "web" / "static" / "js" / "a.js").write_text(
        "// 说明\n/* 说明\n */\nconst a = 1;\n", encoding="utf-8"
    )
    (package / "web" / "views.py").write_text(
        '"""说明"""\nA = _("保存")\nB = "五社"  # zh: a name\n', encoding="utf-8"
    )
    assert messages.untranslated_in_scripts() + messages.untranslated_in_python() == []
    (package / "web" / "static" / "js" / "a.js").write_text('alert("失败");\n', encoding="utf-8")
    (package / "web" / "views.py").write_text('A = "保存"\n', encoding="utf-8")
    assert len(messages.untranslated_in_scripts()) == len(messages.untranslated_in_python()) == 1


def test_strings_are_found_in_code_and_templates(package: Path) -> None:
    (package / "web" / "views.py").write_text(
        'A = _("保存")\nB = ngettext("%(n)s 人", "%(n)s 人", n)\nC = pgettext("月份", "五")\nD = N_("管理员")\n',
        encoding="utf-8",
    )
    (package / "web" / "templates" / "page.html").write_text(
        "<ul>\n  <li>{% translate '人员' %}\n {% blocktranslate count n=n %}{{ n }} 站{% plural %}{{ n }} 站{% endblocktranslate %}\n"
        "    {{ x|default:_('无') }} it's</li>\n</ul>",
        encoding="utf-8",
    )
    found = messages.extract()
    assert set(found) == {
        ("", "保存"), ("", "%(n)s 人"), ("月份", "五"), ("", "管理员"), ("", "人员"), ("", "%(n)s 站"), ("", "无"),
    }  # fmt: skip
    assert found["", "%(n)s 人"].plural == "%(n)s 人"
    assert found["", "人员"].places == ["wushe/web/templates/page.html:2"]


def test_without_a_chinese_catalog_of_ours_chinese_stays_chinese(tmp_path: Path) -> None:
    """Our strings are the Chinese: no catalog says so, and Django must not fetch the English instead."""
    folder = tmp_path / "en" / "LC_MESSAGES"
    folder.mkdir(parents=True)
    entries = [
        Entry(msgid="测试用的句子", texts={0: "A sentence for this test"}),
        Entry(msgid="%(n)s 个测试", plural="%(n)s 个测试", texts={0: "%(n)s test", 1: "%(n)s tests"}),
    ]
    messages.write_catalog(entries, folder / "django.mo")
    with override_settings(LOCALE_PATHS=[tmp_path]):
        # The signal of override_settings has emptied Django's store of catalogs; empty it again for the tests after.
        answers = {}
        for language in ("en", "zh-hans"):
            with translation.override(language):
                answers[language] = (
                    translation.gettext("测试用的句子"),
                    translation.ngettext("%(n)s 个测试", "%(n)s 个测试", 1) % {"n": 1},
                    translation.gettext("This field is required."),
                )
    assert answers["en"] == ("A sentence for this test", "1 test", "This field is required.")
    assert answers["zh-hans"] == ("测试用的句子", "1 个测试", "这个字段是必填项。")
