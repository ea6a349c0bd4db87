"""The built wheel alone, in an empty environment, without npm and without a network, is a working site."""

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from importlib import metadata
from pathlib import Path

import pytest

from tests.repository.tree import ROOT
from tools import wheel

PROBE = Path(__file__).with_name("wheel_probe.py")

# Put into the empty environment: where no network name space can be had, Python itself refuses to leave this machine.
GUARD = """
import socket

def _local(address):
    return not isinstance(address, tuple) or address[0] in ("127.0.0.1", "::1", "localhost", "0.0.0.0", "")

_connect, _resolve = socket.socket.connect, socket.getaddrinfo

def connect(self, address):
    if not _local(address):
        raise OSError(f"cut off: {address}")
    return _connect(self, address)

def getaddrinfo(host, *arguments, **options):
    if host not in (None, "127.0.0.1", "::1", "localhost"):
        raise OSError(f"cut off: {host}")
    return _resolve(host, *arguments, **options)

socket.socket.connect, socket.getaddrinfo = connect, getaddrinfo
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return wheel.build(tmp_path_factory.mktemp("wheel"))


def test_the_wheel_holds_what_set_up_made_and_nothing_else(built: Path) -> None:
    sizes = wheel.inspect(built)
    from tools.assets import FILES

    assert {f"wushe/web/static/vendor/{target}" for target in FILES.values()} <= set(sizes)
    foreign = [name for name in sizes if not re.match(r"wushe/|wushe-[\d.]+\.dist-info/", name)]
    assert not foreign
    assert not [name for name in sizes if name.endswith((".po", ".ok", ".pyc", ".map"))]
    assert sum(size for name, size in sizes.items() if name.startswith("wushe/community/data/")) <= 5_000_000
    sources = {str(path.relative_to(ROOT)) for path in (ROOT / "wushe").rglob("*.py")}
    assert sources <= set(sizes)


def test_a_wheel_without_assets_is_refused(built: Path, tmp_path: Path) -> None:
    import zipfile

    poorer = tmp_path / built.name
    with zipfile.ZipFile(built) as whole, zipfile.ZipFile(poorer, "w") as archive:
        for entry in whole.infolist():
            if "/vendor/" not in entry.filename:
                archive.writestr(entry, whole.read(entry))
    with pytest.raises(wheel.Incomplete, match="bootstrap"):
        wheel.inspect(poorer)


def empty_environment(folder: Path, built: Path) -> Path:
    """Make a virtual environment with the locked runtime packages and the wheel, and nothing else; return its Python.

    The packages are linked from the development environment file by file, which is what installing them does, minus the
    download. That they are the ones the wheel asks for is checked from its metadata.
    """
    uv = Path(sys.executable).with_name("uv")
    subprocess.run([uv, "venv", "--quiet", "--offline", "--python", sys.executable, folder], check=True)
    python = folder / "bin" / "python"
    site = Path(
        subprocess.run(
            [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
    )
    source = Path(sysconfig.get_path("purelib"))
    names = re.findall(
        r"^([A-Za-z0-9][\w.\-]*)(?:\[[^\]]*\])?==", (ROOT / "requirements.lock").read_text(), re.MULTILINE
    )
    for name in names:
        try:
            package = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            continue  # for another system; `uv pip check` below would miss it otherwise
        for part in package.files or ():
            if part.parts[0] == ".." or "__pycache__" in part.parts:
                continue
            target = site / part
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                os.link(source / part, target)
            except OSError:
                shutil.copy2(source / part, target)
    (site / "sitecustomize.py").write_text(GUARD)
    offline = ["--offline", "--no-deps", "--no-cache", "--quiet", "--python", python]
    subprocess.run([uv, "pip", "install", *offline, built], check=True)
    subprocess.run([uv, "pip", "check", "--quiet", "--python", python], check=True)
    return python


def can_cut_the_network() -> list[str]:
    """Return the prefix that runs a command without any network, or nothing where the system does not let us."""
    for prefix in (["unshare", "--net"], ["unshare", "--map-root-user", "--net"]):
        if shutil.which("unshare") and subprocess.run([*prefix, "true"], capture_output=True).returncode == 0:
            return prefix
    return []


def place_path() -> str:
    """Return the address of a place's public page, with PLACE for its id."""
    from django.urls import URLResolver, get_resolver

    def walk(resolver: URLResolver, before: str) -> list[str]:
        found: list[str] = []
        for entry in resolver.url_patterns:
            address = before + str(entry.pattern)
            found += walk(entry, address) if isinstance(entry, URLResolver) else [address]
        return found

    pages = [
        page
        for page in walk(get_resolver(), "/")
        if page.count("<") == 1 and page.endswith("<uuid:place_id>/")
    ]
    return min(pages, key=len).replace("<uuid:place_id>", "PLACE")


def test_the_installed_wheel_is_a_site_without_npm_and_without_network(built: Path, tmp_path: Path) -> None:
    python = empty_environment(tmp_path / "empty", built)
    dead = "http://127.0.0.1:9"
    environment = {
        "PATH": "/nowhere",  # no npm, no compiler, no database server
        "HOME": str(tmp_path),
        "LANG": "C.UTF-8",
        "WUSHE_DATA": str(tmp_path / "data"),
        "PROBE_PLACE_PATH": place_path(),
        **dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), dead),
        "no_proxy": "127.0.0.1",
    }
    (tmp_path / "data").mkdir()
    cut = can_cut_the_network()
    where = subprocess.run(
        [python, "-c", "import wushe; print(wushe.__file__)"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert str(tmp_path) in where.stdout, "the source tree answered instead of the wheel"
    done = subprocess.run(
        [*map(str, [shutil.which(word) or word for word in cut[:1]] + cut[1:]), python, PROBE, *(["--cut"] if cut else [])],
        cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    seen = json.loads(done.stdout)
    assert seen["outside"] is False
    for name in ("home", "english", "place", "htmx", "bootstrap/bootstrap.min.css", "echarts/echarts.min.js"):
        assert seen[name]["status"] == 200, name
    assert seen["bootstrap/bootstrap.min.css"]["bytes"] > 200_000
    assert seen["echarts/echarts.min.js"]["type"].startswith("text/javascript")
    assert 'lang="zh' in seen["home"]["text"]
    assert 'lang="en"' in seen["english"]["text"]
    body = re.sub(r"<[^>]+>", "", seen["home"]["text"])
    assert re.search(r"[\u4e00-\u9fff]{2}", body)
    assert "演示数据" in seen["place"]["text"]
