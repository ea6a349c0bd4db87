"""`make screenshots`: look at every page of a demo site, on a phone and on a desk, in both languages.

Starts a site of its own with demo data, takes the pictures of `tools/screenshot_pages.py`, and writes one contact sheet a face
to docs/screenshots, beside the few originals the README shows. All originals go to build/screenshots, to look at closely.

    python -m tools.screenshots [--only NAME …] [--size small|district] [--site URL --demo FILE]
"""

import argparse
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tools.screenshot_pages import SHOTS, Shot

ROOT = Path(__file__).resolve().parent.parent
SHEETS = ROOT / "docs" / "screenshots"
ORIGINALS = ROOT / "build" / "screenshots"
FLAGS = [
    "--no-sandbox",
    "--headless",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
WIDTHS = {"desk": (1440, 900), "phone": (390, 844)}
LANGUAGES = ("zh-hans", "en")
COLUMNS = [(language, device) for language in LANGUAGES for device in WIDTHS]
CELL_HEIGHT, GAP, LABEL = 330, 12, 20


class Codes(dict[str, Any]):
    """A mapping whose keys may be digits: in a format string `{places[1506]}` the key arrives as a number."""

    def __missing__(self, key: object) -> Any:
        if isinstance(key, int) and str(key) in self:
            return self[str(key)]
        raise KeyError(key)


@contextmanager
def demo_site(size: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """A site with fresh demo data in a throw-away folder: yields its address and what `wushe demo` printed."""
    folder = Path(tempfile.mkdtemp(prefix="wushe-screenshots-"))
    environment = {k: v for k, v in os.environ.items() if k != "WUSHE_DATABASE_URL"} | {
        "WUSHE_DATA": str(folder),
        "WUSHE_LOG_LEVEL": "ERROR",
    }
    program = [sys.executable, "-m", "wushe.cli.main"]
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    process = None
    try:
        printed = subprocess.run(
            [*program, "demo", "--size", size],
            cwd=ROOT,
            env=environment,
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        process = subprocess.Popen(
            [*program, "serve", "--port", str(port)], cwd=ROOT, env=environment, stdout=subprocess.DEVNULL
        )
        for _ in range(300):
            try:
                urllib.request.urlopen(f"{url}/healthz", timeout=2).close()
                break
            except OSError:
                time.sleep(0.1)
        else:
            raise SystemExit("tools.screenshots: the site does not answer")
        yield url, json.loads(printed[printed.index("{") :])
    finally:
        if process is not None:
            process.terminate()
            process.wait(timeout=20)
        shutil.rmtree(folder, ignore_errors=True)


def find_chromium(default: str) -> str:
    """Return the browser to drive: WUSHE_CHROMIUM, one of the machine's, or Playwright's own."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    found = os.environ.get("WUSHE_CHROMIUM") or next(filter(None, map(shutil.which, names)), default)
    if not os.access(found, os.X_OK):
        raise SystemExit("tools.screenshots: no Chromium; run .venv/bin/playwright install chromium")
    return found


class Camera:
    """Signs in once a role and takes pictures."""

    def __init__(self, browser: Browser, site: str, demo: dict[str, Any]) -> None:
        self.browser, self.site, self.demo = browser, site, demo
        self.sessions: dict[str, Any] = {}

    def context(self, role: str, language: str, device: str) -> BrowserContext:
        """Return a browser context signed in as `role` ("" for a passer-by)."""
        width, height = WIDTHS[device]
        context = self.browser.new_context(
            viewport={"width": width, "height": height},
            storage_state=self.session(role) if role else None,
            is_mobile=device == "phone",
            has_touch=device == "phone",
            reduced_motion="reduce",
            locale="zh-CN",
            timezone_id="Asia/Shanghai",
        )
        context.add_cookies([{"name": "wushe_language", "value": language, "url": self.site}])
        return context

    def session(self, role: str) -> Any:
        """Return the cookies of a signed-in demo account of `role`."""
        if role not in self.sessions:
            entry = next((login for login in self.demo["logins"] if login["role"] == role), None)
            if entry is None:
                raise SystemExit(f"tools.screenshots: the demo has no log-in for {role}")
            context = self.browser.new_context()
            page = context.new_page()
            page.goto(f"{self.site}/login/")
            page.locator("main input[name=identifier], main input[name=username]").first.fill(
                str(entry["account"])
            )
            page.locator("main input[name=password]").fill(str(entry["password"]))
            page.locator("main form [type=submit]").first.click()
            page.wait_for_load_state()
            if "/login" in page.url:
                raise SystemExit(f"tools.screenshots: the demo log-in for {role} does not work")
            self.sessions[role] = context.storage_state()
            context.close()
        return self.sessions[role]

    def take(self, shot: Shot) -> dict[tuple[str, str], Path]:
        """Take the four pictures of one page; return their files. Says when a page is wider than the screen."""
        taken: dict[tuple[str, str], Path] = {}
        for language, device in COLUMNS:
            context = self.context(shot.role, language, device)
            page = context.new_page()
            self.open(page, shot)
            too_wide = page.evaluate("document.documentElement.scrollWidth") - WIDTHS[device][0]
            if too_wide > 0:
                print(f"  {shot.name} {language} {device}: {too_wide} pixels wider than the screen")
            if (
                shot.face == "me"
            ):  # its tabs stay at the bottom of the screen: let the screen be as high as the page
                page.set_viewport_size(
                    {
                        "width": WIDTHS[device][0],
                        "height": page.evaluate("document.documentElement.scrollHeight"),
                    }
                )
            path = ORIGINALS / f"{shot.name}-{language}-{device}.png"
            page.screenshot(path=path, full_page=True)
            taken[language, device] = path
            context.close()
        return taken

    def open(self, page: Page, shot: Shot) -> None:
        """Open the page of a shot, following its link where it has one."""
        page.goto(self.site + shot.url.format_map(self.demo), wait_until="networkidle")
        if shot.follow:
            href = page.locator(shot.follow).first.get_attribute("href")
            if not href:
                raise SystemExit(f"tools.screenshots: {shot.name}: nothing to follow at {page.url}")
            page.goto(self.site + href if href.startswith("/") else href, wait_until="networkidle")


def contact_sheet(shots: list[tuple[Shot, dict[tuple[str, str], Path]]]) -> Image.Image:
    """Return one picture of many: a row a page, the top of each picture at the same height."""
    widths = [round(WIDTHS[device][0] / WIDTHS[device][1] * CELL_HEIGHT) for _language, device in COLUMNS]
    sheet = Image.new(
        "RGB",
        (sum(widths) + GAP * (len(widths) + 1), (CELL_HEIGHT + LABEL + GAP) * len(shots) + GAP),
        "#d9d4cc",
    )
    draw = ImageDraw.Draw(sheet)
    top = GAP
    for shot, taken in shots:
        draw.text((GAP, top), f"{shot.name}   {shot.url}", fill="#26221e")
        left = GAP
        for column, width in zip(COLUMNS, widths, strict=True):
            with Image.open(taken[column]) as picture:
                scale = width / picture.width
                visible = picture.convert("RGB").crop((0, 0, picture.width, round(CELL_HEIGHT / scale)))
                blank = Image.new("RGB", visible.size, "#faf8f5")
                blank.paste(picture.convert("RGB"), (0, 0))
                sheet.paste(blank.resize((width, CELL_HEIGHT), Image.Resampling.LANCZOS), (left, top + LABEL))
            left += width + GAP
        top += CELL_HEIGHT + LABEL + GAP
    return sheet


def main() -> None:
    """Take all pictures and write the sheets."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="*", help="names of pages; the contact sheets are then left alone")
    parser.add_argument("--size", default="small", help="size of the demo data")
    parser.add_argument("--site", help="a running site instead of one of our own")
    parser.add_argument("--demo", type=Path, help="with --site: the file with what `wushe demo` printed")
    chosen = parser.parse_args()
    shots = [shot for shot in SHOTS if not chosen.only or shot.name in chosen.only]
    ORIGINALS.mkdir(parents=True, exist_ok=True)
    SHEETS.mkdir(parents=True, exist_ok=True)
    if chosen.site:
        found = json.loads(chosen.demo.read_text()) if chosen.demo else {"logins": []}
        take_all(shots, chosen.site.rstrip("/"), found, sheets=not chosen.only)
    else:
        with demo_site(chosen.size) as (site, found):
            take_all(shots, site, found, sheets=not chosen.only)


def take_all(shots: list[Shot], site: str, found: dict[str, Any], *, sheets: bool) -> None:
    """Take the pictures of `shots`; with `sheets` write the contact sheets and the kept originals."""
    taken: list[tuple[Shot, dict[tuple[str, str], Path]]] = []
    demo = json.loads(json.dumps(found), object_hook=Codes)
    with sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=find_chromium(driver.chromium.executable_path), args=FLAGS
        )
        camera = Camera(browser, site, demo)
        for shot in shots:
            print(shot.name, flush=True)
            taken.append((shot, camera.take(shot)))
        browser.close()
    if not sheets:
        return
    for face in dict.fromkeys(shot.face for shot in shots):
        rows = [(shot, files) for shot, files in taken if shot.face == face]
        contact_sheet(rows).save(SHEETS / f"contact-{face}.webp", quality=62, method=6)
    for shot, files in taken:
        if shot.keep:
            for language, device in COLUMNS:
                with Image.open(files[language, device]) as picture:
                    height = min(picture.height, round(picture.width * (1.7 if device == "phone" else 0.75)))
                    picture.convert("RGB").crop((0, 0, picture.width, height)).save(
                        SHEETS / f"{shot.name}-{language}-{device}.webp", quality=70, method=6
                    )
    size = sum(path.stat().st_size for path in SHEETS.iterdir())
    print(f"{SHEETS.relative_to(ROOT)}: {size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
