"""Sealed fields and blind indexes."""

import stat
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wushe.kernel import crypto


@given(st.text(max_size=200), st.sampled_from(["person.contact", "person.note"]))
def test_what_is_sealed_opens_only_for_its_purpose(text: str, purpose: str) -> None:
    stored = crypto.encrypt(text, purpose)
    assert crypto.decrypt(stored, purpose) == text
    with pytest.raises(crypto.CannotDecrypt):
        crypto.decrypt(stored, purpose + "x")


@given(st.text(min_size=4, max_size=40))
def test_the_clear_text_never_stands_in_what_is_stored(text: str) -> None:
    stored = crypto.encrypt(text, "p")
    assert text not in stored
    assert crypto.encrypt(text, "p") != stored


@given(st.text(max_size=20), st.data())
def test_a_changed_character_is_noticed(text: str, data: st.DataObject) -> None:
    stored = crypto.encrypt(text, "p")
    body = stored.index(".", 3) + 1
    # The last character may carry bits that base64 drops; every other one counts.
    at = data.draw(st.integers(body, len(stored) - 2))
    other = "A" if stored[at] != "A" else "B"
    with pytest.raises(crypto.CannotDecrypt):
        crypto.decrypt(stored[:at] + other + stored[at + 1 :], "p")


def test_indexes_differ_by_purpose_and_hide_the_value() -> None:
    one = crypto.blind_index("13800138000", "phone")
    assert one == crypto.blind_index("13800138000", "phone")
    assert one != crypto.blind_index("13800138000", "identity")
    assert "138" not in one or len(one) == 32


def test_a_new_key_leaves_old_values_readable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WUSHE_DATA", str(tmp_path))
    assert crypto.create_keys()
    assert not crypto.create_keys()
    old = crypto.encrypt("旧", "p")
    key_id = crypto.add_field_key()
    new = crypto.encrypt("新", "p")
    assert new.split(".")[1] == key_id != old.split(".")[1]
    assert crypto.decrypt(old, "p") == "旧"
    assert crypto.decrypt(new, "p") == "新"


def test_the_key_file_is_for_its_owner_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WUSHE_DATA", str(tmp_path))
    crypto.create_keys()
    assert stat.S_IMODE(crypto.keys_path().stat().st_mode) == 0o600
    assert stat.S_IMODE(crypto.keys_path().parent.stat().st_mode) == 0o700


def test_missing_keys_say_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WUSHE_DATA", str(tmp_path / "nothing"))
    with pytest.raises(crypto.KeysMissing, match="wushe init"):
        crypto.load_keys()


def test_two_first_starts_agree_on_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WUSHE_DATA", str(tmp_path))
    barrier = threading.Barrier(8)
    written: list[bool] = []

    def begin() -> None:
        barrier.wait()
        written.append(crypto.create_keys())

    threads = [threading.Thread(target=begin) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert written.count(True) == 1
    assert crypto.load_keys().current
    assert [p.name for p in crypto.keys_path().parent.iterdir()] == ["keys.json"]
