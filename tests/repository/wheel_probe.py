"""Run inside an installed Wushe, cut off from every network: demo data, the site, a page, a file, a place. Prints JSON.

Standard library only; started by test_wheel.py with the empty environment's own Python.
"""

import contextlib
import fcntl
import json
import os
import socket
import struct
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

WUSHE = Path(sys.executable).with_name("wushe")


def loopback_up() -> None:
    """In a network name space of our own even 127.0.0.1 is down at first."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(
            control, 0x8914, struct.pack("16sh22x", b"lo", 0x1 | 0x40)
        )  # SIOCSIFFLAGS: IFF_UP, IFF_RUNNING


def outside_is_reachable() -> bool:
    """Try an address reserved for documentation and a name: with the network cut both fail at once."""
    for address in (("192.0.2.1", 80), ("example.org", 80)):
        with contextlib.suppress(OSError), socket.create_connection(address, timeout=3):
            return True
    return False


def fetch(url: str, **headers: str) -> dict[str, object]:
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=30) as answer:
        body = answer.read()
        return {
            "status": answer.status,
            "type": answer.headers["Content-Type"],
            "bytes": len(body),
            "text": body.decode("utf-8", "replace"),
        }


def main() -> None:
    if "--cut" in sys.argv:
        loopback_up()
    result: dict[str, object] = {"outside": outside_is_reachable()}
    result["divisions"] = subprocess.run(
        [WUSHE, "divisions", "load", "--help"], capture_output=True, text=True
    ).returncode
    demo = subprocess.run([WUSHE, "demo", "--size", "small"], capture_output=True, text=True)
    if demo.returncode:
        sys.exit(f"wushe demo: {demo.stdout[-2000:]}{demo.stderr[-4000:]}")
    printed = json.loads(demo.stdout[demo.stdout.index("{") :])
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    log = Path(os.environ["WUSHE_DATA"]) / "probe.log"
    with log.open("wb") as output:
        server = subprocess.Popen([WUSHE, "serve", "--port", str(port)], stdout=output, stderr=output)
    try:
        for _ in range(300):
            try:
                fetch(f"{url}/healthz")
                break
            except OSError:
                if server.poll() is not None:
                    sys.exit(f"wushe serve: {log.read_text()[-4000:]}")
                time.sleep(0.1)
        result["home"] = fetch(f"{url}/")
        result["english"] = fetch(f"{url}/", **{"Accept-Language": "en", "Cookie": "wushe_language=en"})
        for name in ("bootstrap/bootstrap.min.css", "echarts/echarts.min.js", "leaflet/leaflet.js"):
            result[name] = fetch(f"{url}/static/vendor/{name}")
        result["htmx"] = fetch(f"{url}/static/django_htmx/htmx-2.min.js")
        place = next(iter(printed["places"].values()))
        result["place"] = fetch(f"{url}{os.environ['PROBE_PLACE_PATH'].replace('PLACE', str(place))}")
    finally:
        server.terminate()
        server.wait(timeout=30)
    sys.stdout.write(json.dumps(result))


if __name__ == "__main__":
    main()
