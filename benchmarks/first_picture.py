"""How long a visitor waits for the first picture of each tab, and what it takes to get and to share one of their own.

    python benchmarks/first_picture.py [--app FOLDER | --url ADDRESS] [--runs 3] [--sizes desktop tablet phone]

Starts ``app.py``, unless one runs at the address, and opens it in a real Chromium (``pip install playwright``; Debian's
chromium), a new visitor each time, at three sizes of window. A picture counts when it is loaded, is at least 40 pixels
large, and lies in the window without scrolling; the canvas that one draws on is none. Seconds count from the start of
the navigation for the first tab, and from the click on the tab for the others. "Clicks" are those from opening the page
to a result of one's own (the tab, the menu that a narrow window keeps tabs in, the button), "screens" how far down the
button is. Layout shift is the browser's own sum (CLS) while the page opens.

The last row of a size counts the clicks from opening the page to a link to a picture of the first wall, and those of
the person who gets it until the same picture is there: the benchmark clicks through both. Where there are no links, as
in 0.5.0, it clicks what takes their place: the sender copies the seed and writes the model's name beside it, and the
other person opens the menu, chooses the model, types the seed and presses Generate.

Compare two checkouts with ``--app`` each. A tab that one of them does not have is left out. Writes Markdown, with the
load of the machine.
"""

from __future__ import annotations

import argparse
import os
import shutil
import socket
import statistics
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
SIZES = {"desktop": (1360, 900), "tablet": (820, 1180), "phone": (390, 844)}
FLAGS = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking".split()
WAIT = 60_000  # milliseconds
PICTURE = """() => [...document.querySelectorAll("[role=tabpanel] img, [role=tabpanel] video")].some((one) => {
  const box = one.getBoundingClientRect();
  const loaded = one.tagName === "IMG" ? one.complete && one.naturalWidth : one.readyState > 1;
  return loaded && one.checkVisibility() && box.width >= 40 && box.height >= 40 && !one.closest(".examples")
    && box.top < innerHeight - 20 && box.bottom > 20 && box.left < innerWidth;
})"""
SHIFTS = """() => { window.shift = 0; new PerformanceObserver((list) => { for (const one of list.getEntries())
  if (!one.hadRecentInput) window.shift += one.value; }).observe({type: "layout-shift", buffered: true}); }"""
TABS = {
    "Generate": "generate-run", "Style": "style-run", "Interpolate": "interpolate-run", "Translate": "translate-run",
    "Restore": "restore-run", "Conditional": "conditional-run", "Edit": "edit-take", "Evolve": "evolve-run",
    "Real or generated?": "quiz-real",
}  # fmt: skip
QUIET = "![...document.querySelectorAll('.bar')].some((bar) => bar.checkVisibility())"
SEED = "#generate-picked-seed :is(input, textarea)"


def serve(app: Path) -> tuple[subprocess.Popen, str]:
    """Start the app of a checkout; its process and address, once it answers."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {**os.environ, "GRADIO_SERVER_PORT": str(port), "PYTHONPATH": str(app)}
    process = subprocess.Popen([sys.executable, "app.py"], cwd=app, env=environment, stdout=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}/"
    while process.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=30).close()
            return process, url
        except OSError:
            time.sleep(0.1)
    raise SystemExit("app.py ended; run it by hand to see why.")


def opened(browser: Any, url: str, size: tuple[int, int]) -> Any:
    """A page of a new visitor."""
    page = browser.new_context(viewport={"width": size[0], "height": size[1]}).new_page()
    page.set_default_timeout(WAIT)
    page.add_init_script(f"({SHIFTS})()")
    page.goto(url)
    return page


def visit(browser: Any, url: str, size: tuple[int, int]) -> dict[str, tuple[float, int, float]]:
    """Tab -> seconds to the first picture, clicks, screens; "shift" -> the layout shift while the page opened."""
    began, waits = time.perf_counter(), {}
    page = opened(browser, url, size)
    for title, button in TABS.items():
        clicks = 1
        if title != "Generate":
            tab = page.get_by_role("tab", name=title, exact=True)
            clicks = 2 if tab.is_visible() else 3
            more = page.locator(".overflow-menu")
            if not tab.is_visible() and more.is_visible():
                more.locator("> button").click()
                tab = more.get_by_text(title, exact=True)
            if not tab.count():  # an older app
                page.keyboard.press("Escape")
                continue
            began = time.perf_counter()
            tab.click()
        seconds = first_picture(page, began)
        print(f"{title}: {seconds:.1f} s", file=sys.stderr, flush=True)
        box = page.locator(f"#{button}").bounding_box() if page.locator(f"#{button}").is_visible() else None
        screens = max(0.0, (box["y"] + box["height"] - size[1]) / size[1]) if box else float("nan")
        waits[title] = seconds, clicks, screens
        settle(page)
        if title == "Generate":
            waits["shift"] = (page.evaluate("window.shift"), 0, 0)
    page.context.close()
    return waits


def share(browser: Any, url: str, size: tuple[int, int]) -> tuple[int, int]:
    """Clicks of who shares a picture of the first wall, and of who gets it, until it is there."""
    page, clicks = opened(browser, url, size), 0
    first_picture(page, time.perf_counter())
    settle(page)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    ways = ["#generate-wall .thumbnail-item >> nth=1", ".tray-strip button >> nth=0", "#tray [data-do=copy]"]
    has_links = page.locator("#tray").count() > 0
    for way in ways if has_links else [ways[0], "#generate-picked-seed button >> nth=0"]:
        page.locator(way).click()
        clicks += 1
    page.wait_for_function(f"document.querySelector('{SEED}')?.value")
    seed, link = page.locator(SEED).input_value(), page.locator("#tray [data-link]").input_value() if has_links else url
    page.context.close()
    other = opened(browser, link, size)
    first_picture(other, time.perf_counter())
    if not has_links:
        settle(other)
        other.locator("#generate-model input").click()
        other.locator("[role=option]").first.click()
        other.locator("#generate-seed input").click()
        other.keyboard.press("ControlOrMeta+a")
        other.keyboard.type(seed)
        other.locator("#generate-run").click()
    other.wait_for_function(f"seed => document.querySelector('{SEED}')?.value === seed", arg=seed)
    other.context.close()
    return clicks, 0 if has_links else 4


def first_picture(page: Any, began: float) -> float:
    """Seconds since ``began`` until a picture is in the window; infinity where none comes in a minute."""
    try:
        page.wait_for_function(PICTURE, polling=50)
        return time.perf_counter() - began
    except Exception:
        return float("inf")


def settle(page: Any) -> None:
    """Wait until what the tab does by itself is done, so that the next tab is alone."""
    page.wait_for_timeout(1000)
    for _ in range(2):  # one thing may follow the other
        page.wait_for_function(QUIET, polling=100)
        page.wait_for_timeout(300)


def measure(url: str, runs: int, sizes: list[str]) -> None:
    """Print the table of one app."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        print(f"| window | tab | first picture, s (median of {runs}) | clicks | screens down |\n|---|---|---|---|---|")
        for name in sizes:
            visits = [visit(browser, url, SIZES[name]) for _ in range(runs)]
            for tab in (tab for tab in TABS if all(tab in one for one in visits)):
                seconds = statistics.median(one[tab][0] for one in visits)
                clicks, screens = visits[0][tab][1:]
                print(f"| {name} | {tab} | {seconds:.1f} | {clicks} | {screens:.1f} |")
            shift = statistics.median(one["shift"][0] for one in visits)
            print(f"| {name} | layout shift while opening | {shift:.3f} | | |")
            sender, other = share(browser, url, SIZES[name])
            print(
                f"| {name} | a picture is shared, and opened by another person | | {sender} + {other} | |", flush=True
            )
        browser.close()
    print(f"\nLoad of the machine at the end: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores.")


def main() -> None:
    """Measure."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--app", type=Path, default=ROOT, help="a checkout, to compare with another one")
    options.add_argument("--url", help="of an app that runs already")
    options.add_argument("--runs", type=int, default=3)
    options.add_argument("--sizes", nargs="+", choices=list(SIZES), default=list(SIZES))
    given = options.parse_args()
    if given.url:
        return measure(given.url, given.runs, given.sizes)
    process, url = serve(given.app.resolve())
    try:
        time.sleep(8)  # the first model is loaded ahead of visitors
        measure(url, given.runs, given.sizes)
    finally:
        process.kill()
        process.wait()


if __name__ == "__main__":
    main()
