"""Evolve: pictures that a search finds for what one wants, or that are bred from those one clicks."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import gradio as gr

from ganhub.app import _parts as parts
from ganhub.app import menus
from ganhub.app.declared import ASSETS, Bench, Built, Form, Outcome, Tab, press_once
from ganhub.app.jobs import Report
from ganhub.app.library import Library
from ganhub.creation import Creation, Evolve, Inputs, Point, checks, marks
from ganhub.creation.search import (
    Search,
    Space,
    breed,
    get_algorithm,
    get_score,
    list_algorithms,
    list_scores,
    written_scores,
)
from ganhub.creation.search.breeding import CHANGE, WALL
from ganhub.creation.search.evolve import bred_points, points_of
from ganhub.creation.search.plot import progress_svg
from ganhub.creation.search.space import SEEDS
from ganhub.errors import ConfigError
from ganhub.models import LatentGenerator

MAX_GENERATIONS = 60
POPULATION = 20
MAX_TURN = 10**9
ANY = "all classes"
LIKED = "♥ liked"
ALONE = [one.name for one in list_scores() if not {"target", "direction"} & set(one.needs)]
BESIDE = [one.name for one in list_scores() if "target" in one.needs]
SCORES = ", ".join(one.name for one in list_scores())
HELP = """<p><b>By eye:</b> click the pictures you like, then press Breed. Their children make the next wall.
<b>By score:</b> say on the left what you want more or less of, then press Evolve.</p>"""


def build(bench: Bench) -> Built:
    """Lay the tab out; doors: "model", "seed", "label"."""
    at = SimpleNamespace(outcome=gr.State(None))
    with gr.Row(elem_classes="split"):
        with gr.Column(scale=1, min_width=290, elem_classes="asked"):
            at.model, _ = menus.model_menu(bench.library, LatentGenerator, "evolve")
            classes = menus.classes_of(bench.library, at.model.value)
            at.label = gr.Dropdown(
                [(ANY.capitalize(), ANY), *classes], value=ANY, label="Class", allow_custom_value=True,
                visible=bool(classes), elem_id="evolve-class",
            )  # fmt: skip
            at.press, at.status = parts.run_and_stop("Evolve", bench.jobs, "evolve")
            wishes(at)
            with gr.Accordion("How to search", open=False):
                method(at)
        with gr.Column(scale=3, min_width=320, elem_classes="shown"):
            gr.HTML(HELP, elem_classes="hint", container=False)
            at.wall = gr.Gallery(
                label="The best pictures so far", show_label=False, columns=6, height="auto", allow_preview=False,
                format="png", buttons=[], elem_id="evolve-wall", elem_classes=["wall", "captions", "columns-6"],
                object_fit="contain", interactive=False,
            )  # fmt: skip
            with gr.Row(elem_classes="picked"):
                at.picked = gr.Image(
                    label="Picked", format="png", interactive=False, height=200, buttons=["download", "fullscreen"],
                    elem_id="evolve-picked", min_width=200, scale=1, show_label=False,
                )  # fmt: skip
                with gr.Column(scale=1, min_width=220):
                    at.breed = gr.Button("Breed", variant="primary", elem_id="evolve-breed")
                    at.change = parts.unchecked(gr.Slider(
                        0.05, 0.6, CHANGE, step=0.05, label="Change", elem_id="evolve-change",
                        info="How much children differ from their parents.",
                    ))  # fmt: skip
                at.plot = gr.HTML(elem_id="evolve-plot", container=False, min_height=160)
            at.creations, at.liked = gr.Textbox(visible=False), gr.Textbox(visible=False)
            at.turn = parts.unchecked(gr.Number(0, visible=False))
    return connect(bench, at)


def wishes(at: SimpleNamespace) -> None:
    """The sliders, and the text that they write."""
    with gr.Accordion("What you want more of, or less", open=True):
        with gr.Row():
            at.sliders = [slider(name, float(name == "colourfulness")) for name in ALONE]
    with gr.Accordion("Like a picture of yours", open=False):
        at.target = parts.unchecked(gr.Image(
            label="Picture", type="filepath", sources=["upload", "clipboard"], height=160, elem_id="evolve-target"
        ))  # fmt: skip
        with gr.Row():
            at.sliders += [slider(name, 0.0) for name in BESIDE]
    at.scores = gr.Textbox(
        "colourfulness=1", label="Wanted", max_lines=3, elem_id="evolve-scores",
        info="The sliders write this; you can also type it.",
    )  # fmt: skip


def slider(name: str, value: float) -> gr.Slider:
    """The weight of a score."""
    about = get_score(name)
    return gr.Slider(
        -1, 1, value, step=0.1, label=about.title, info=about.says, min_width=130, elem_id=f"evolve-want-{name}"
    )


def method(at: SimpleNamespace) -> None:
    """What most visitors leave as it is."""
    here = [one for one in map(get_algorithm, list_algorithms()) if one.is_here]
    titles = [(f"{one.title}: {one.says}", one.name) for one in here]
    at.algorithm = gr.Dropdown(titles, value=here[0].name, label="Way to search", elem_id="evolve-algorithm")
    at.generations = parts.unchecked(gr.Slider(
        2, MAX_GENERATIONS, 15, step=1, label="Generations", info=f"{POPULATION} pictures each.",
        elem_id="evolve-generations",
    ))  # fmt: skip
    at.seed = parts.unchecked(
        gr.Number(0, label="Seed", info="Another one finds other pictures.", precision=0, elem_id="evolve-seed")
    )
    at.truncation = parts.unchecked(
        gr.Slider(0, 1.5, 1.0, step=0.05, label="Truncation", info="Less is more typical, more is wilder.")
    )


def connect(bench: Bench, at: SimpleNamespace) -> Built:
    """What buttons, sliders and clicks do."""
    results = [at.wall, at.creations, at.liked]
    wanted = [at.model, at.scores, at.algorithm, at.generations, at.seed, at.label, at.target, at.truncation]
    listener = (parts.calm(run, bench), wanted, [*results, at.plot, at.outcome, at.status])
    at.press.click(
        *listener, show_progress="hidden", concurrency_limit=parts.IN_LINE, api_name="evolve",
        api_description="Search for the pictures of a latent generator that score best. `scores` is text as in "
        f"'colourfulness=1,symmetry=0.5' with names of {SCORES} (a weight below 0 prefers less; "
        f"wish:NAME is a direction of the model); `algorithm` is one of {', '.join(list_algorithms())}; each of up to "
        f"{MAX_GENERATIONS} `generations` looks at {POPULATION} pictures; `label` is a class, or '{ANY}'; `target` is "
        "the picture for palette and similarity, or None. Returns up to 12 PNG files, best first, with their scores; "
        "their Creations, one JSON a line; an empty text; the progress as SVG; and a sentence.",
    )  # fmt: skip
    breeding = parts.calm(run_breed, bench)
    inputs = [at.model, at.liked, at.turn, at.change, at.seed, at.label, at.truncation]
    outputs = [*results, at.turn, at.status]
    at.breed.click(
        breeding, inputs, outputs, show_progress="hidden", concurrency_limit=parts.IN_LINE, api_name="breed",
        api_description="The next wall of 12 pictures, bred from those that somebody likes: `liked` holds their "
        "Creations, one JSON a line, as this and `evolve` return them; without any the wall is random. Another `turn` "
        "gives other children, and `change` (0.05 to 0.6) says how much they differ from their parents. Returns the "
        "PNG files, their Creations, an empty text, the next turn, and a sentence.",
    )  # fmt: skip
    at.model.input(
        parts.calm(class_menu, bench.library), at.model, [at.label, at.liked], **parts.PRIVATE
    ).then(breeding, inputs, outputs, **parts.PRIVATE)  # fmt: skip
    at.wall.select(
        parts.calm(like), [at.wall, at.creations, at.liked], [at.wall, at.liked, at.picked, at.outcome, at.status],
        **parts.PRIVATE,
    )  # fmt: skip
    names, function = json.dumps([*ALONE, *BESIDE]), (ASSETS / "write_scores.js").read_text("utf-8").strip()
    gr.on(
        [one.change for one in at.sliders], None, at.sliders, at.scores, api_visibility="private",
        js=f"(...weights) => ({function})({names}, weights)",
    )  # fmt: skip
    doors = {"model": at.model, "seed": at.seed, "label": at.label}
    again = (
        parts.calm(reopen, bench), [*wanted, at.liked, at.turn, at.change],
        [*results, at.plot, at.turn, at.outcome, at.status],
    )  # fmt: skip
    return Built(
        scripts=(press_once("evolve", "wall", button="breed"),), doors=doors, outcome=at.outcome,
        form=Form(takes, fill, [*wanted, at.liked], again),
    )  # fmt: skip


def run(
    bench: Bench, model, scores, algorithm, generations, seed, label, target, truncation, request: gr.Request
) -> Iterator[tuple]:
    """The search of a form's values: wall, Creations, nobody's likes, plot, :class:`Outcome`, and a sentence."""
    how_many = checks.whole("Generations", generations, 1, MAX_GENERATIONS)
    inputs, target = Inputs(), parts.picture_file("target", target) if target else ""
    asked = Evolve(
        model=menus.menu_name(model), scores=str(scores or ""), algorithm=algorithm, generations=how_many,
        population=POPULATION, seed=seed, label=class_of(label), truncation=truncation,
        target=inputs.add(target) if target else "",
    )  # fmt: skip
    files: dict[bytes, str] = {}

    def shown(search: Search) -> tuple:
        """The wall as it stands, with its pictures as files; each is written once."""
        entries = search.wall.entries
        creations = points_of(search.space, asked.model, [entry.point for entry in entries])
        for entry, creation in zip(entries, creations, strict=True):
            key = entry.point.tobytes()
            files[key] = files.get(key) or saved(bench, entry.picture, creation)
        wall = [(files[entry.point.tobytes()], f"{entry.score:.3f}") for entry in entries]
        return wall, lines(creations), "", progress_svg(search.progress(), POPULATION)

    def work(report: Report) -> tuple[tuple, str]:
        search, done = asked.begin(bench.library, inputs), 0

        def scored(search: Search) -> None:
            nonlocal done
            look, done = shown(search) if search.generation > done else None, search.generation
            report(len(search.tape), search.evaluations, look)

        report(0, search.evaluations)
        search.run(scored)
        return shown(search), asked.result(search).text

    job = yield from parts.follow(
        bench, "evolve", request, work, noun="Picture", outputs=5, look=lambda look: (*look, gr.skip()),
        stopped="Stopped. The best pictures so far are here.",
    )  # fmt: skip
    if job:
        values, text = job.result()
        outcome = Outcome(asked, [path for path, _ in values[0]], photos={asked.target: target} if target else {})
        yield *values, outcome, f"{text} Click those you like, and breed them, or evolve with another seed."


def run_breed(
    bench: Bench, model, liked, turn, change, seed, label, truncation, request: gr.Request
) -> Iterator[tuple]:
    """The next wall of a form's values: pictures, their Creations, nobody's likes, the next turn, and a sentence."""
    name, parents = menus.menu_name(model), read_points(liked)
    number = checks.whole("turn", turn, 0, MAX_TURN)
    much = checks.number("Change", change, 0, 1)
    first = checks.whole("seed", seed, 0, checks.MAX_SEED)
    typical = checks.number("truncation", truncation, 0, 1.5)

    def work(report: Report) -> tuple[list, list[Point]]:
        generator = bench.library.open(name, LatentGenerator)
        start = parents[0].seed if parents else first
        space = Space(generator, start, SEEDS, class_of(label), truncation=typical)
        report(0, WALL)
        points = breed(space, bred_points(space, name, parents), number, change=much)
        creations, wall = points_of(space, name, points), []
        for i, creation in enumerate(creations):
            wall.append((saved(bench, space.pictures(points[i : i + 1])[0], creation), ""))
            report(i + 1, WALL)
        return wall, creations

    job = yield from parts.follow(
        bench, "evolve", request, work, noun="Picture", outputs=4, lane="photo",
        stopped="Stopped. The wall from before is still here.",
    )  # fmt: skip
    if job:
        wall, creations = job.result()
        said = f"The next wall, from {len(parents)} that you liked." if parents else "A random wall."
        yield wall, lines(creations), "", (number + 1) % MAX_TURN, f"{said} Click those you like, then press Breed."


def like(wall: list | None, creations: str, liked: str, event: gr.SelectData) -> tuple:
    """Mark the picture that was clicked, or take the mark away: wall, likes, picture, its Outcome, and a sentence."""
    path, caption = parts.example(wall or (), event.index)
    creation = parts.example(str(creations or "").splitlines(), event.index)
    chosen = [line for line in str(liked or "").splitlines() if line != creation]
    score = str(caption or "").replace(LIKED, "").strip()
    if creation not in str(liked or "").splitlines():
        chosen.append(creation)
        score = f"{LIKED} {score}".strip()
    marked = [(path, score) if i == event.index else tuple(one) for i, one in enumerate(wall)]
    said = f"You like {len(chosen)}. Press Breed for their children." if chosen else "You like none of them yet."
    return marked, "\n".join(chosen), path, Outcome(Point.from_json(creation), [path]), said


def takes(creation: Creation) -> bool:
    """Whether a Creation is a picture that can be bred here, or a search as this tab asks for it."""
    if not isinstance(creation, Evolve | Point) or creation.space != "z":
        return False
    if isinstance(creation, Point):
        return len(creation.weights) == SEEDS
    return creation.population == POPULATION and creation.generations <= MAX_GENERATIONS


def fill(creation: Evolve | Point, photos: Mapping[str, str]) -> tuple[Any, ...]:
    """The form's values that ask for a search, or for the children of a picture, the only one that is liked then."""
    if isinstance(creation, Point):
        usual = Evolve(model=creation.model, generations=15, seed=creation.seed, truncation=creation.truncation)
        return (*fill(usual, photos)[:-1], creation.to_json())
    label = ANY if creation.label is None else creation.label
    scores, target = written_scores(creation.scores), photos.get(creation.target)
    return (
        creation.model, scores, creation.algorithm, creation.generations, creation.seed, label, target,
        creation.truncation, "",
    )  # fmt: skip


def reopen(
    bench: Bench, model, scores, algorithm, generations, seed, label, target, truncation, liked, turn, change,
    request: gr.Request,
) -> Iterator[tuple]:  # fmt: skip
    """What :func:`fill` asks for: wall, Creations, nobody's likes, plot, next turn, Outcome, and a sentence."""
    if not liked:
        for *values, plot, outcome, said in run(
            bench, model, scores, algorithm, generations, seed, label, target, truncation, request
        ):
            yield *values, plot, gr.skip(), outcome, said
        return
    breeding = run_breed(bench, model, liked, turn, change, seed, label, truncation, request)
    for wall, creations, likes, turned, said in breeding:
        done = isinstance(wall, list)
        outcome = Outcome(read_points(liked)[0], [wall[0][0]]) if done else gr.skip()
        yield wall, creations, likes, gr.skip(), turned, outcome, said


def saved(bench: Bench, picture: Any, creation: Point) -> str:
    """The file of a picture, which says how it is made again."""
    return parts.save_png(picture, f"{creation.model}-evolved", marks.mark_of(creation, bench.library))


def lines(creations: Sequence[Creation]) -> str:
    """Creations as text, one a line."""
    return "\n".join(creation.to_json() for creation in creations)


def read_points(text: Any) -> list[Point]:
    """The inverse of :func:`lines`, of pictures of a wall."""
    rows = str(text or "").splitlines()
    if len(rows) > WALL:
        raise ConfigError(f"Breed from at most {WALL} pictures, not {len(rows)}.")
    return [Point.from_json(row) for row in rows]


def class_of(label: Any) -> str | int | None:
    """A class of the menu; None for all."""
    return None if label in ("", None, ANY) else parts.plain_name("Class", label)


def class_menu(library: Library, name: str) -> tuple[gr.Dropdown, str]:
    """The class menu of another model, hidden where there are no classes; what was liked is of the model before."""
    classes = menus.classes_of(library, name)
    return gr.Dropdown([(ANY.capitalize(), ANY), *classes], value=ANY, visible=bool(classes)), ""


TAB = Tab("evolve", "Evolve", 25, build)
