"""Make the source tree importable from the virtual environment, and give it its `wushe` command.

What an editable install does, without a build and so without a single download: a path file, the distribution's name
and version, and the console script.
"""

import os
import sys
import sysconfig
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

SCRIPT = """#!{python}
import sys

from {module} import {function}

if __name__ == "__main__":
    sys.exit({function}())
"""


def link() -> None:
    """Write the path file, the distribution's metadata and the script into the running interpreter's environment."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    name, version = project["name"], project["version"]
    site = Path(sysconfig.get_path("purelib"))
    for older in site.glob(f"{name}-*.dist-info"):
        for part in older.iterdir():
            part.unlink()
        older.rmdir()
    record = [f"{name}.pth"]
    (site / f"{name}.pth").write_text(f"{ROOT}\n")
    metadata = site / f"{name}-{version}.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (metadata / "INSTALLER").write_text("tools/link.py\n")
    record += [f"{metadata.name}/{part}" for part in ("METADATA", "INSTALLER", "RECORD")]
    scripts = Path(sysconfig.get_path("scripts"))
    for script, target in project["scripts"].items():
        module, function = target.split(":")
        path = scripts / script
        path.write_text(SCRIPT.format(python=sys.executable, module=module, function=function))
        path.chmod(0o755)
        record.append(os.path.relpath(path, site))
    (metadata / "RECORD").write_text("".join(f"{line},,\n" for line in record))


if __name__ == "__main__":
    link()
