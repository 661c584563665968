"""The page: the header, the tabs, and how it is served."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import gradio as gr

from ganhub import zoo
from ganhub.app import _parts as parts
from ganhub.app.drawings import Drawings
from ganhub.app.jobs import Jobs
from ganhub.app.library import Library
from ganhub.app.shield import Limits, guard, middleware, own_folder
from ganhub.app.tabs import conditional, edit, generate, interpolate, restore, style, translate
from ganhub.app.theme import CSS, HEADER, theme
from ganhub.errors import ConfigError
from ganhub.models import StyleGenerator, Translator

ASSETS = Path(__file__).parent / "assets"
DAY = 86_400
NO_PICTURE = "Click a picture of the wall first."


def create_app(library: Library | None = None) -> gr.Blocks:
    """Build the app; ``create_app().launch(**launch_options())`` serves it.

    Args:
        library: Where models come from; by default the model folders of this machine and the Hub.
    """
    own_folder()
    library, jobs, drawings = library or Library(), Jobs(), Drawings()
    with gr.Blocks(title="ganhub", analytics_enabled=False, delete_cache=(DAY // 24, DAY // 4)) as app:
        gr.HTML(HEADER, container=False, padding=False, elem_classes="masthead-block")
        with gr.Tabs() as tabs:
            with gr.Tab("Generate", id="generate"):
                wall = generate.build(library, jobs, drawings)
            with gr.Tab("Interpolate", id="interpolate") as interpolate_tab:
                path = interpolate.build(library, jobs, drawings)
            with gr.Tab("Conditional", id="conditional") as conditional_tab:
                conditional.build(library, jobs, drawings)
            with gr.Tab("Style", id="style") as style_tab:
                easel = style.build(library, jobs)
            if zoo.names(Translator, task="translate"):
                with gr.Tab("Translate", id="translate") as translate_tab:
                    canvas = translate.build(library, jobs)
                translate_tab.select(*canvas["opening"], show_progress="hidden", api_visibility="private")
                translate_tab.select(js=translate.take_the_brush("translate-canvas"), api_visibility="private")
            if restore.able(library):
                with gr.Tab("Restore", id="restore") as restore_tab:
                    restore.build(library, jobs)
                restore_tab.select(js=press_once("restore", "made"), api_visibility="private")
                restore_tab.select(js=translate.take_the_brush("restore-photo"), api_visibility="private")
            with gr.Tab("Edit", id="edit") as edit_tab:
                room = edit.build(library, jobs)

        def send(seed: str, seeds: str) -> tuple[Any, str]:
            """Add a seed to the seeds of the Interpolate tab and go there."""
            if not seed:
                raise ConfigError(NO_PICTURE)
            kept = [part for part in str(seeds or "").replace(",", " ").split() if part != seed]
            return gr.Tabs(selected="interpolate"), ", ".join([*kept, seed][-interpolate.MAX_SEEDS :])

        def send_to_edit(name: str, seed: str) -> tuple[Any, str, int]:
            """Choose a model and a seed on the Edit tab and go there."""
            if not seed:
                raise ConfigError(NO_PICTURE)
            if name not in (names := zoo.names(StyleGenerator)) and name in zoo.names():
                known = f", such as {names[0]}" if names else ", such as a stylegan2"
                raise ConfigError(f"{name} has no styles to edit: choose a model that has{known}.")
            return gr.Tabs(selected="edit"), name, parts.seed_list(seed, least=1, most=1)[0]

        wall["send"].click(
            parts.calm(send), [wall["seed"], path["seeds"]], [tabs, path["seeds"]],
            show_progress="hidden", api_name="keep_seed",
            api_description="Add a seed to a list of seeds (comma separated) for the Interpolate tab.",
        )  # fmt: skip
        wall["edit"].click(
            parts.calm(send_to_edit), [wall["model"], wall["seed"]], [tabs, room["model"], room["seed"]],
            show_progress="hidden", api_name="send_to_edit",
            api_description="Check that pictures of a model can be edited; returns model and seed for `edit_seed`.",
        ).success(*room["start"], show_progress="hidden", api_visibility="private").success(
            *room["reveal"], show_progress="hidden", api_visibility="private"
        )  # fmt: skip
        # No tab opens on an empty box: the page makes a wall, the other tabs press their own button when first seen.
        app.load(*wall["first"], show_progress="hidden", api_visibility="private")
        interpolate_tab.select(*path["suggest"], show_progress="hidden", api_visibility="private")
        interpolate_tab.select(js=press_once("interpolate", "strip"), api_visibility="private")
        conditional_tab.select(js=press_once("conditional", "rows"), api_visibility="private")
        style_tab.select(*easel["looks"], show_progress="hidden", api_visibility="private")
        if room["ready"]:
            edit_tab.select(js=press_once("edit", "after", button="take"), api_visibility="private")
    parts.calm_all(app)
    library.warm_up(ready=lambda: app.is_running)  # not earlier: it would only slow the start down
    app.queue(max_size=64, default_concurrency_limit=2, api_open=False)
    guard(app, easel["slow"])
    return app


def press_once(tab: str, box: str, *, button: str = "run") -> str:
    """JavaScript that presses a tab's button while a box of it is still empty, once the tab is on the page."""
    return f"""() => {{
        const press = (tries) => {{
            const run = document.querySelector("#{tab}-{button}");
            if (!run) {{ if (tries) setTimeout(press, 50, tries - 1); }}
            else if (!document.querySelector("#{tab}-{box} img")) run.click();
        }};
        press(100);
    }}"""


def launch_options() -> dict[str, Any]:
    """What ``launch`` needs: our theme, no server-side rendering (it wants node), bounded uploads, nothing fetched."""
    logging.basicConfig(format="%(asctime)s %(name)s: %(message)s")
    limits = Limits.from_environment()
    return {
        "theme": theme(),
        "css": CSS,
        "ssr_mode": False,
        "max_file_size": "32mb",
        "footer_links": ["api", "settings"],
        "run_history": False,
        "allowed_paths": [str(ASSETS)],
        "enable_monitoring": False,
        "favicon_path": str(ASSETS / "favicon.png"),
        "show_error": False,
        "state_session_capacity": limits.sessions,
        "app_kwargs": {"middleware": middleware(limits)},
    }
