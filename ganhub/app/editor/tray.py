"""The tray under the tabs: its place on the page, and what its buttons do.

The page's script keeps the entries and presses hidden buttons here, whose listeners get what it asks as one JSON value.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

import gradio as gr

from ganhub.app import _parts as parts
from ganhub.app.declared import ASSETS, Bench, Built, handler, script
from ganhub.app.editor import leaving
from ganhub.app.editor.actions import PHOTO, SEED, SURPRISE, Desk, add, choose_tab, go, go_from

ACCEPTED = [".zip", ".png", ".jpg", ".jpeg", ".webp", ".gif", ".mp4", ".webm"]
BUTTONS = ("go", "tab", "download", "all", "compare", "share")  # hidden ones, which the script presses


def build_tray(
    app: gr.Blocks, bench: Bench, tabs: gr.Tabs, built: Mapping[str, Built], titles: Mapping[str, str]
) -> None:
    """Lay the tray out below the tabs, and wire it to them.

    Args:
        built: The tabs that are on the page, by name.
        titles: What visitors read on them.
    """
    desk = Desk(bench, built, titles)
    at = layout()
    forms = {name: one.form for name, one in built.items() if one.form}
    wire_actions(desk, at, tabs)
    wire_additions(desk, at, tabs)
    wire_ways(desk, at, tabs)
    wire_leaving(desk, at)
    for name, form in forms.items():
        hidden(f"tray-run-{name}").click(*form.run, **parts.PRIVATE)
    for name, one in built.items():
        if one.first:
            hidden(f"tray-first-{name}").click(*one.first, **parts.PRIVATE)
        if one.outcome is not None:
            wire_outcome(desk, at, name, one)
    # Its first words: what is on the page, so that it can open a link or the first tab.
    additions = {one.action: one.title for one in desk.additions.values()}
    facts = {
        "first": next(iter(built), ""),
        "tabs": list(built),
        "forms": list(forms),
        "actions": {**SEED, **SURPRISE, **additions, **PHOTO},
        "additions": {one.action: one.onto for one in desk.additions.values()},
    }
    app.load(None, None, None, js=_start(facts), api_visibility="private")


def layout() -> SimpleNamespace:
    """What is seen of the tray, and the boxes that carry values between script and server."""
    at = SimpleNamespace()
    with gr.Column(elem_id="tray", elem_classes="tray-room"):
        gr.HTML(_markup(), container=False, padding=False, js_on_load=None)
        with gr.Row(elem_classes="tray-foot"):
            at.upload = gr.UploadButton(
                "Add a saved zip or picture", file_types=ACCEPTED, size="sm", elem_id="tray-upload", min_width=180,
                scale=0,
            )  # fmt: skip
            at.status = gr.HTML(elem_id="tray-status", elem_classes="status", container=False)
        with gr.Row(visible=False, elem_id="tray-view") as at.view:
            look = {
                "format": "png",
                "interactive": False,
                "buttons": ["download", "fullscreen"],
                "height": 420,
                "elem_classes": "tray-large",
            }
            at.left = gr.Image(label="One", elem_id="tray-left", min_width=150, **look)
            at.right = gr.Image(label="The other", elem_id="tray-right", min_width=150, **look)
            at.close = gr.Button("Close", size="sm", elem_id="tray-close", min_width=80, scale=0)
    at.ask = parts.unchecked(gr.JSON(visible=False))
    at.memory = gr.State(None)
    at.went, at.added = (gr.Textbox(visible=False) for _ in range(2))
    at.file = gr.DownloadButton(visible=False)
    at.buttons = {name: hidden(f"tray-{name}") for name in BUTTONS}
    return at


def hidden(name: str) -> gr.Button:
    """A button that only the page's script presses."""
    return gr.Button(name, elem_id=name, visible="hidden")


def wire_actions(desk: Desk, at: SimpleNamespace, tabs: gr.Tabs) -> None:
    """Open, vary, send on: a form is filled, and the script presses its tab's button."""
    going = at.buttons["go"].click(
        parts.calm(go, desk), [at.ask, at.memory], [tabs, at.went, at.memory, *desk.boxes], js=handler("tray_ask"),
        trigger_mode="multiple", **parts.PRIVATE,
    )  # fmt: skip
    tell(at, going)
    at.buttons["tab"].click(
        parts.calm(choose_tab, desk), [at.ask, at.memory], tabs, js=handler("tray_ask"), **parts.PRIVATE
    )


def wire_additions(desk: Desk, at: SimpleNamespace, tabs: gr.Tabs) -> None:
    """Add a picture to what a form holds already, such as the pins of a film."""
    for name, addition in desk.additions.items():
        boxes = addition.boxes
        adding = hidden(f"tray-{addition.action}").click(
            parts.calm(add, desk, name), [at.ask, at.memory, *boxes], [tabs, at.went, at.memory, *boxes],
            js=handler("tray_ask"), **parts.PRIVATE,
        )  # fmt: skip
        adding = tell(at, adding)
        for listener in addition.run:
            adding = adding.success(*listener, **parts.PRIVATE)


def wire_ways(desk: Desk, at: SimpleNamespace, tabs: gr.Tabs) -> None:
    """The buttons below a wall that do with its picked picture what those of the tray do."""
    for one in desk.tabs.values():
        for action, button in one.ways.items():
            pick, inputs = one.pick
            going = button.click(
                parts.calm(go_from, desk, action, pick), [at.memory, *inputs],
                [tabs, at.went, at.memory, *desk.boxes], js=handler("tray_way"), **parts.PRIVATE,
            )  # fmt: skip
            tell(at, going)


def tell(at: SimpleNamespace, going: Any) -> Any:
    """Let the page's script know how it went; what comes after that."""
    going.failure(js=script("tray_failed"), api_visibility="private")
    return going.success(None, at.went, None, js=handler("tray_went"), api_visibility="private")


def wire_leaving(desk: Desk, at: SimpleNamespace) -> None:
    """Downloads, the zip out and in, two side by side, the card."""
    asked = {"inputs": [at.ask, at.memory], "js": handler("tray_ask"), **parts.PRIVATE}
    for name, fn in (("download", leaving.download), ("all", leaving.download_all)):
        at.buttons[name].click(
            parts.calm(fn, desk), outputs=[at.file, at.memory, at.status], concurrency_limit=1,
            concurrency_id="tray-slow", **asked,
        ).success(None, at.file, None, js=handler("tray_file"), api_visibility="private")  # fmt: skip
    seen: dict[str, Callable] = {"compare": leaving.compare, "share": leaving.share}
    for name, fn in seen.items():
        at.buttons[name].click(
            parts.calm(fn, desk), outputs=[at.view, at.left, at.right, at.memory], **asked
        ).success(js=script("tray_view"), api_visibility="private")  # fmt: skip
    at.close.click(lambda: gr.Row(visible=False), None, at.view, queue=False, **parts.PRIVATE)
    at.upload.upload(parts.calm(leaving.take_back, desk), at.upload, at.added, **parts.PRIVATE).success(
        None, at.added, None, js=handler("tray_added"), api_visibility="private"
    )


def wire_outcome(desk: Desk, at: SimpleNamespace, name: str, one: Built) -> None:
    """Each new outcome of a tab becomes an entry."""
    entry = gr.Textbox(visible=False)  # one for each tab: two may end at the same time
    one.outcome.change(
        parts.calm(leaving.remembered, desk), [one.outcome, at.memory], [entry, at.memory], **parts.PRIVATE
    ).success(None, entry, None, js=handler("tray_take"), api_visibility="private")


def _markup() -> str:
    text = (ASSETS / "tray.html").read_text(encoding="utf-8")
    options = "".join(f"<option>{size}</option>" for size in leaving.SIZES)
    return text.replace("<!-- sizes -->", options)


def _start(facts: Mapping[str, Any]) -> str:
    """JavaScript that begins the tray, then links; both are given what is on the page."""
    given = json.dumps(facts)
    return f"() => {{ ({handler('tray')})({given}); ({handler('permalink')})({given}); }}"
