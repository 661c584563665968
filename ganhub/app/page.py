"""The page: the header, the tabs that are declared, and how it is served."""

from __future__ import annotations

import importlib
import importlib.util
import logging
import pkgutil
from typing import Any

import gradio as gr

from ganhub import zoo
from ganhub.app import _parts as parts
from ganhub.app import api, languages
from ganhub.app import tabs as declared
from ganhub.app.declared import ASSETS, Bench, Built, Tab, handler, script
from ganhub.app.drawings import Drawings
from ganhub.app.editor import build_tray
from ganhub.app.gpu import is_lent
from ganhub.app.jobs import Jobs
from ganhub.app.lanes import Lanes
from ganhub.app.library import Library
from ganhub.app.shield import Limits, guard, middleware, own_folder
from ganhub.app.theme import CSS, HEADER, theme
from ganhub.creation import checks
from ganhub.creation.pins import MAX_PINS, read_pins, write_pins
from ganhub.errors import ConfigError
from ganhub.images import provenance
from ganhub.models import StyleGenerator

THREADS = 128  # listeners at a time, of which most wait: work itself is bounded by its lanes
UNMARKED = "Marks are off here: pictures and films do not say that they were generated, nor how."
STYLES = ("tray", "quiz", "about")  # sheets of their own, behind the page's
# What Gradio's page says where the server is gone, and its title.
LOST = {"Connection to the server was lost. Attempting reconnection...": "Connection lost"}


def list_tabs() -> list[Tab]:
    """The tabs that the files of ``tabs/`` declare as ``TAB``, in the order of their places."""
    names = [module.name for module in pkgutil.iter_modules(declared.__path__) if not module.name.startswith("_")]
    found = [importlib.import_module(f"{declared.__name__}.{name}").TAB for name in names]
    return sorted(found, key=lambda tab: (tab.place, tab.name))


def create_app(library: Library | None = None) -> gr.Blocks:
    """Build the app; ``create_app().launch(**launch_options())`` serves it.

    Args:
        library: Where models come from; by default the model folders of this machine and the Hub.
    """
    own_folder()
    limits = Limits.from_environment()
    bench = Bench(library or Library(device="cpu" if is_lent() else "auto"), jobs_within(limits), Drawings())
    built: dict[str, Built] = {}
    titles: dict[str, str] = {}
    with gr.Blocks(title="ganhub", analytics_enabled=False) as app:  # the shield deletes old files, and none in use
        gr.HTML(HEADER, container=False, padding=False, elem_classes="masthead-block")
        if says := notice():
            gr.HTML(says, container=False, elem_id="unmarked", elem_classes="about")
        with gr.Tabs() as tabs:
            for tab in list_tabs():
                if not tab.able():
                    continue
                with gr.Tab(tab.title, id=tab.name) as place:
                    built[tab.name], titles[tab.name] = tab.build(bench), tab.title
                place.select(js=script("tab_shown", tab.name), api_visibility="private")
                # No tab opens on an empty box: it shows something by itself when it is first seen.
                for listener in built[tab.name].opening:
                    place.select(*listener, **parts.PRIVATE)
                for code in built[tab.name].scripts:
                    place.select(js=code, api_visibility="private")
        for name in ("generate", "conditional"):
            connect(tabs, name, *(built[tab].doors for tab in (name, "interpolate", "edit")))
        build_tray(app, bench, tabs, built, titles)
        api.add_endpoints(bench, limits)
        app.load(js=script("name_pictures"), api_visibility="private")
        app.load(js=script("toasts", parts.FAILED, parts.TITLES | LOST), api_visibility="private")
    parts.calm_all(app)
    bench.library.warm_up(ready=lambda: app.is_running)  # not earlier: it would only slow the start down
    # Places in line are told to all who wait once a second, not at every change: that would be a message to each.
    app.queue(status_update_rate=1, max_size=64, default_concurrency_limit=16, api_open=False)
    guard(app, {id: twin for one in built.values() for id, twin in one.slow.items()})
    return app


def jobs_within(limits: Limits) -> Jobs:
    """The runner of jobs, with this page's limits."""
    own, slow = limits.waiting_address, limits.slow_address
    return Jobs(Lanes(waiting=limits.queue, own=own, own_slow=slow), most=limits.seconds)


def notice() -> str:
    """What a visitor must know first; "" where there is nothing."""
    return "" if provenance.are_on() else UNMARKED


def connect(tabs: gr.Tabs, name: str, wall: dict[str, Any], path: dict[str, Any], room: dict[str, Any]) -> None:
    """Let the buttons under a wall fill the Interpolate and the Edit tab with model, seed and class, and go there."""
    first = name == "generate"
    sent = wall["send"].click(
        parts.calm(send), [wall["seed"], path["seeds"]], [tabs, path["seeds"]], show_progress="hidden",
        api_name="keep_seed", api_visibility="public" if first else "private",
        api_description="Add a seed to a list of seeds (comma separated) for the Interpolate tab.",
    )  # fmt: skip
    label = wall.get("label")
    chained = [
        (parts.calm(lambda model: model), wall["model"], path["model"]), path["menu"],
        *([(parts.calm(chosen), label, path["label"])] if label else []), path["suggest"], path["start"],
    ]  # fmt: skip
    for listener in chained:
        sent = sent.success(*listener, **parts.PRIVATE)
    sent = wall["edit"].click(
        parts.calm(send_to_edit), [wall["model"], wall["seed"]], [tabs, room["model"], room["seed"]],
        show_progress="hidden", api_name="send_to_edit", api_visibility="public" if first else "private",
        api_description="Check that pictures of a model can be edited; returns model and seed for `edit_seed`.",
    )  # fmt: skip
    chained = [*([(parts.calm(chosen), label, room["label"])] if label else []), room["start"], room["reveal"]]
    for listener in (*room["menus"], *chained):
        sent = sent.success(*listener, **parts.PRIVATE)


def chosen(label: str) -> Any:
    """A class in a menu of classes; the menu stays as it is without one."""
    return label or gr.skip()


def send(seed: str, seeds: str) -> tuple[Any, str]:
    """Add a seed to the seeds of the Interpolate tab and go there."""
    if not seed:
        raise ConfigError(parts.NO_PICTURE)
    new = read_pins(seed, least=1, most=1)
    kept = [pin for pin in read_pins(seeds, least=0) if pin.seed != new[0].seed]
    return gr.Tabs(selected="interpolate"), write_pins([*kept, *new][-MAX_PINS:])


def send_to_edit(name: str, seed: str) -> tuple[Any, str, int]:
    """Choose a model and a seed on the Edit tab and go there."""
    if not seed:
        raise ConfigError(parts.NO_PICTURE)
    if name not in (names := zoo.names(StyleGenerator)) and name in zoo.names():
        known = f", such as {names[0]}" if names else ", such as a stylegan2"
        raise ConfigError(f"{name} has no styles to edit: choose a model that has{known}.")
    return gr.Tabs(selected="edit"), name, checks.read_seeds(seed, least=1, most=1)[0]


def launch_options() -> dict[str, Any]:
    """What ``launch`` needs: our theme, no server-side rendering (it wants node), bounded uploads, nothing fetched."""
    logging.basicConfig(format="%(asctime)s %(name)s: %(message)s")
    limits = Limits.from_environment()
    return {
        "theme": theme(),
        "css": CSS + "".join((ASSETS / f"{name}.css").read_text(encoding="utf-8") for name in STYLES),
        "ssr_mode": False,
        "max_file_size": "32mb",
        "footer_links": ["api", "settings"],
        "run_history": False,
        "allowed_paths": [str(ASSETS)],
        "enable_monitoring": False,
        "favicon_path": str(ASSETS / "favicon.png"),
        "show_error": False,
        "state_session_capacity": limits.sessions,
        "i18n": languages.i18n(),
        "head": languages.head() + f"<script>{handler('calls_in_turn')}</script>",
        "mcp_server": importlib.util.find_spec("mcp") is not None,  # of the extra `mcp`; a Space has it
        "max_threads": THREADS,
        "app_kwargs": {"middleware": middleware(limits)},
    }
