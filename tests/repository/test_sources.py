"""What may stand in the tree: our own sources, and nothing that belongs to one machine, one mirror or somebody else."""

import json
import re
import tomllib
from pathlib import Path

import pytest

from tests.repository.tree import ROOT, files, matching, texts

LOCKS = ("requirements.lock", "requirements-dev.lock", "requirements-node.lock", "package-lock.json")
# A letter in brackets each, so that this file does not hold what it looks for.
INDEX_SETTINGS = (
    r"--index[-]url|--extra-index[-]url|--find[-]links|--default[-]index|--trusted[-]host|index[-]url\s*=|PIP_INDEX[_]URL"
    r"|UV_INDEX[_]URL|UV_DEFAULT[_]INDEX|npm_config[_]registry|tool\.uv\.[i]ndex|tool\.poetry\.[s]ource|--[r]egistry|GOPRO[X]Y"
)
OF_ONE_MACHINE = r"/roo[t]/|/wor[k]/|/User[s]/|/opt/pyp[i]|/tmp/tea[m]|\.\./share[d]"

BINARIES = {".whl", ".gz", ".zip", ".xz", ".mo", ".woff", ".woff2", ".ttf", ".otf", ".map", ".so"}


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_holds_versions_and_hashes_but_no_address(name: str) -> None:
    text = (ROOT / name).read_text()
    assert "://" not in text
    if name.endswith(".json"):
        packages = json.loads(text)["packages"]
        assert all("resolved" not in package for package in packages.values())
        assert all(package["integrity"].startswith("sha512-") for path, package in packages.items() if path)
    else:
        pins = re.findall(r"^[A-Za-z0-9][\w.\-\[\]]*==\S+", text, re.MULTILINE)
        blocks = re.split(r"\n(?=[A-Za-z0-9])", text.strip())
        assert len(pins) == len(blocks) > 0
        assert all("--hash=sha256:" in block for block in blocks)


def test_package_json_names_exact_versions() -> None:
    package = json.loads((ROOT / "package.json").read_text())
    wanted = {**package["dependencies"], **package["devDependencies"]}
    assert wanted
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in wanted.values()), wanted
    npmrc = (ROOT / ".npmrc").read_text().split()
    assert {"save-exact=true", "omit-lockfile-registry-resolved=true"} <= set(npmrc)


def test_the_locks_answer_the_declared_dependencies() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    for lock, wanted in (
        ("requirements.lock", project["project"]["dependencies"]),
        ("requirements-dev.lock", project["project"]["dependencies"] + project["dependency-groups"]["dev"]),
    ):
        locked = set(
            re.findall(r"^([A-Za-z0-9][\w.\-]*)(?:\[[^\]]*\])?==", (ROOT / lock).read_text(), re.MULTILINE)
        )
        names = {re.split(r"[\s<>=!~;\[]", line, maxsplit=1)[0].lower() for line in wanted}
        assert names <= {name.lower() for name in locked}, f"{lock}: run make lock"


def test_both_locks_agree() -> None:
    def pins(name: str) -> dict[str, str]:
        return dict(
            re.findall(
                r"^([A-Za-z0-9][\w.\-]*)(?:\[[^\]]*\])?==(\S+)", (ROOT / name).read_text(), re.MULTILINE
            )
        )

    run, dev = pins("requirements.lock"), pins("requirements-dev.lock")
    assert {name: dev.get(name) for name in run} == run


def test_no_package_index_and_no_place_of_one_machine_is_named() -> None:
    forbidden = re.compile(f"{INDEX_SETTINGS}|{OF_ONE_MACHINE}")
    faults = [f"{name}: {found}" for name, text in texts().items() for found in forbidden.findall(text)]
    settings = {
        "pip.conf",
        "pip.ini",
        "uv.toml",
        "uv.lock",
        "pylock.toml",
        "yarn.lock",
        "pnpm-lock.yaml",
        ".pypirc",
        ".yarnrc",
    }
    faults += [str(path.relative_to(ROOT)) for path in files() if path.name in settings]
    faults += [
        f".npmrc: {line}"
        for line in (ROOT / ".npmrc").read_text().splitlines()
        if "//" in line or "registry=" in line
    ]
    assert not faults, "\n".join(faults)


def test_no_third_party_source_is_tracked() -> None:
    faults: list[str] = []
    for path in files():
        name = str(path.relative_to(ROOT))
        parts = set(path.relative_to(ROOT).parts)
        foreign = parts & {"vendor", "node_modules", "third_party", "site-packages"} or ".min." in path.name
        if foreign or path.suffix in BINARIES:
            faults.append(name)
        elif path.stat().st_size > 3_000_000:
            faults.append(f"{name}: {path.stat().st_size} bytes")
    for name, text in matching(".js", ".css", below="wushe/").items():
        if re.search(r"copyright|@license|licensed under|sourceMappingURL", text, re.IGNORECASE):
            faults.append(f"{name}: carries a license of its own")
        if max(map(len, text.split("\n")), default=0) > 2_000:
            faults.append(f"{name}: looks minified")
    assert not faults, "\n".join(faults)


def test_no_page_loads_anything_from_another_host() -> None:
    loads = re.compile(
        r"""(?:src|href|action)\s*=\s*["']?\s*(?:https?:)?//|url\(\s*["']?(?:https?:)?//|@import\s+["']?https?:"""
    )
    faults = [
        f"{name}:{number}: {line.strip()[:100]}"
        for name, text in matching(".html", ".css", ".js", below="wushe/").items()
        for number, line in enumerate(text.split("\n"), 1)
        if loads.search(line) and not re.search(r"<a\b[^>]*\brel=[\"'][^\"']*noopener", line)
    ]
    assert not faults, "\n".join(faults)


def test_generated_files_are_ignored_by_git() -> None:
    ignored = (ROOT / ".gitignore").read_text().split()
    assert {"/wushe/web/static/vendor/", "/wushe/community/data/", "*.mo", ".venv/", "node_modules/"} <= set(
        ignored
    )


def test_every_listed_front_end_file_is_there_with_its_license() -> None:
    from tools.assets import FILES, VENDOR

    # Each script and style sheet also stands compressed beside itself.
    expected = {*FILES.values(), *(f"{name}.gz" for name in FILES.values() if name.endswith((".js", ".css")))}
    present = {
        str(path.relative_to(VENDOR)) for path in VENDOR.rglob("*") if path.is_file() and path.name != ".ok"
    }
    assert present == expected, "run: make assets"
    folders = {Path(target).parts[0] for target in FILES.values()}
    assert all(any(t.startswith(f"{folder}/LICENSE") for t in FILES.values()) for folder in folders)
    assert not [p for p in VENDOR.rglob("*.js") if b"sourceMappingURL" in p.read_bytes()]
