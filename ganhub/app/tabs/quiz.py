"""Real or generated? Ten pictures, one at a time; the answer is shown at once. The study is ``ganhub judge``.

A game lives in its visitor's session and nowhere else: nobody's answers are kept. Until a picture is answered, the
browser has its pixels alone, see :mod:`ganhub.app.embedding`; a generated one then gets the file with its mark.
"""

from __future__ import annotations

import html
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr

from ganhub import images, zoo
from ganhub.app import _parts as parts
from ganhub.app.declared import Bench, Built, Tab, handler, script
from ganhub.app.embedding import address, embed, is_smooth
from ganhub.app.jobs import Report
from ganhub.creation import Generate, marks
from ganhub.errors import ConfigError
from ganhub.hub import cards
from ganhub.hub.real_pictures import has_real_pictures, read_real_pictures
from ganhub.metrics.judging import plan
from ganhub.models import LatentGenerator
from ganhub.nn.random import uniform

ROUNDS = 10
SHOWN = 320  # pixels, about, of a picture's long side on the page
RARE = 9  # right answers of ROUNDS that guessing gives in one game of a hundred
OUTPUTS = 4  # of a game on the page: stage, the two answers, Next, Play again
HELP = """<p>About half of these pictures are real, the others are generated. Trust your first look.
<span class="quiz-keys">Keys: ← or R for real, → or G for generated, any of them for the next picture.</span>
<span>Nobody's answers are kept.</span></p>"""


@dataclass(frozen=True)
class Round:
    """One picture of a game.

    Attributes:
        is_real: Whether it is a real one.
        picture: Its pixels, as a data address.
        answer: The picture as it is shown with the answer: of a generated one the file with its mark.
        seed: Of a generated one.
    """

    is_real: bool
    picture: str
    answer: str
    seed: int = 0


@dataclass(frozen=True)
class Game:
    """A visitor's game.

    Attributes:
        model: Name of the model.
        height, width: Pixels of a picture on the page.
        look: Its CSS class: "pixels" keeps hard edges, "smooth" does not, by the rule of the study.
        answers: Of the first pictures, whether the visitor took each for real.
        is_open: Whether the picture after these waits for its answer; else the last answer is shown.
    """

    model: str
    rounds: tuple[Round, ...]
    height: int
    width: int
    look: str
    answers: tuple[bool, ...] = ()
    is_open: bool = True

    @property
    def right(self) -> int:
        """How many answers were right."""
        return sum(one.is_real == said for one, said in zip(self.rounds, self.answers, strict=False))

    @property
    def is_over(self) -> bool:
        """Whether all pictures are answered."""
        return len(self.answers) == len(self.rounds)


def offered() -> list[zoo.Entry]:
    """The generators with a sheet of real pictures."""
    return [entry for entry in zoo.entries(LatentGenerator) if has_real_pictures(entry.folder)]


def build(bench: Bench) -> Built:
    """Lay the tab out."""
    names, at = [entry.name for entry in offered()], SimpleNamespace(game=gr.State(None))
    at.model = gr.Dropdown(
        names, value=names[0] if names else None, label="Pictures of", visible=len(names) > 1, elem_id="quiz-model",
        elem_classes="menu",
    )  # fmt: skip
    gr.HTML(HELP, elem_classes=["hint", "quiz-help"], container=False)
    at.stage = gr.HTML(elem_id="quiz-stage", container=False, min_height=SHOWN + 120)
    with gr.Row(elem_classes="quiz-choices", visible=False) as at.choices:
        at.real = gr.Button("Real", elem_id="quiz-real", min_width=100)
        at.generated = gr.Button("Generated", elem_id="quiz-generated", min_width=100)
    with gr.Row(elem_classes="quiz-choices", visible=False) as at.onward:
        at.next = gr.Button("Next picture", variant="primary", elem_id="quiz-next")
    with gr.Row(elem_classes="quiz-choices", visible=False) as at.ended:
        at.again = gr.Button("Play again", variant="primary", elem_id="quiz-again")
    at.status = gr.HTML(elem_id="quiz-status", elem_classes=["status", "quiz-help"], container=False)
    return connect(bench, at)


def connect(bench: Bench, at: SimpleNamespace) -> Built:
    """What buttons do; the keys of assets/quiz_keys.js press them."""
    page = [at.stage, at.choices, at.onward, at.ended]
    quick = {"queue": False, **parts.PRIVATE}
    for button, is_real in ((at.real, True), (at.generated, False)):
        button.click(parts.calm(answer, is_real), at.game, [*page, at.game], **quick).then(
            js=handler("quiz_focus"), api_visibility="private"
        )
    at.next.click(parts.calm(go_on), at.game, [*page, at.game], **quick).then(
        js=handler("quiz_focus"), api_visibility="private"
    )
    played = [*page, at.game, at.status]
    at.again.click(parts.calm(run, bench), at.model, played, **parts.PRIVATE)
    at.model.input(parts.calm(run, bench), at.model, played, **parts.PRIVATE)
    first = (parts.calm(run_first, bench), [at.model, at.game], played)
    return Built(opening=(first,), scripts=(script("quiz_keys"),))


def run(bench: Bench, model: Any, request: gr.Request) -> Iterator[tuple]:
    """A new game: what the page shows of it, the :class:`Game`, and a sentence."""
    entry = next((one for one in offered() if one.name == model), None)
    if entry is None:
        raise ConfigError("There are no real pictures beside this model's: choose another one.")

    def work(report: Report) -> Game:
        return draw(bench, entry, secrets.randbelow(2**32), report)

    job = yield from parts.follow(
        bench, "quiz", request, work, noun="Picture", outputs=OUTPUTS + 1, stopped="Stopped: press Play again."
    )
    if job:
        game = job.result()
        yield *shown(game), game, f"<p>{source_of(entry)}</p>"


def run_first(bench: Bench, model: Any, game: Game | None, request: gr.Request) -> Iterator[tuple]:
    """:func:`run` where no game is on; one that is stays."""
    if game is None:
        yield from run(bench, model, request)
    else:
        yield (*parts.keep(OUTPUTS + 2),)


def draw(bench: Bench, entry: zoo.Entry, seed: int, report: Report | None = None) -> Game:
    """A game, which ``seed`` decides: half real, half generated on average, no picture twice."""
    # Ten of twenty: whoever counts the real ones does not know how many are left.
    questions = plan("real-or-made", 2 * ROUNDS, seed)[:ROUNDS]
    height, width = entry.config.size
    real = read_real_pictures(entry.folder, (height, width))
    if len(real) < ROUNDS:
        raise ConfigError(f"{entry.name} has {len(real)} real pictures, too few for a game: choose another model.")
    order = uniform([seed], len(real), stream=23)[0].argsort(stable=True)
    seeds = [question.index for question in questions if question.shown == ("made",)]
    files: dict[int, Path] = {}
    if seeds:
        wall = Generate(model=entry.name, seed=min(seeds), count=max(seeds) - min(seeds) + 1)
        drawn = bench.drawings.of(wall, bench.library, report)
        files = {one: Path(path) for (one, _), path in zip(wall.wanted(), drawn, strict=True)}
    rounds = []
    for question in questions:
        if question.shown == ("real",):
            picture = _embedded(real[order[question.index]][None])
            rounds.append(Round(True, picture, picture))
        else:
            path = files[question.index]
            picture = _embedded(images.load_image(path))
            rounds.append(Round(False, picture, address(path.read_bytes()), question.index))
    factor, look = marks.factor(real, SHOWN), "smooth" if is_smooth([height, width]) else "pixels"
    return Game(entry.name, tuple(rounds), height * factor, width * factor, look)


def _embedded(picture: Any) -> str:
    """A picture in its own size: the page enlarges it."""
    return embed(picture, max(picture.shape[-2:]), smooth=False)


def answer(is_real: bool, game: Game | None) -> tuple:
    """The game after an answer; a second press on the same picture changes nothing."""
    if game is None or game.is_over or not game.is_open:
        return (*parts.keep(OUTPUTS + 1),)
    game = replace(game, answers=(*game.answers, is_real), is_open=False)
    return *shown(game), game


def go_on(game: Game | None) -> tuple:
    """The game at its next picture; a second press changes nothing."""
    if game is None or game.is_over or game.is_open:
        return (*parts.keep(OUTPUTS + 1),)
    game = replace(game, is_open=True)
    return *shown(game), game


# ---- what the page shows


def shown(game: Game) -> tuple[str, Any, Any, Any]:
    """The stage, and which buttons are there."""
    stage = ending(game) if game.is_over else question(game) if game.is_open else answered(game)
    onward = not game.is_open and not game.is_over
    return stage, gr.Row(visible=game.is_open), gr.Row(visible=onward), gr.Row(visible=game.is_over)


def question(game: Game) -> str:
    """HTML of a picture that waits for its answer."""
    number = len(game.answers) + 1
    return _stage(game, game.rounds[number - 1].picture, f"Picture {number}", f"Picture {number} of {ROUNDS}")


def answered(game: Game) -> str:
    """HTML of the last picture with its answer and the score."""
    one = game.rounds[len(game.answers) - 1]
    said = f"{verdict(game)} <span>{game.right} of {len(game.answers)} right</span>"
    return _stage(game, one.answer, "A real picture" if one.is_real else "A generated picture", said)


def verdict(game: Game) -> str:
    """Whether the last answer was right, and what the picture was."""
    one, said = game.rounds[len(game.answers) - 1], game.answers[-1]
    what = "It is real." if one.is_real else f"It was generated, from seed {one.seed}."
    is_right = one.is_real == said
    return f'<b class="{"right" if is_right else "wrong"}">{"Right." if is_right else "Wrong."}</b> {what}'


def ending(game: Game) -> str:
    """HTML of the end: the last answer, the score in a sentence, and all pictures with what they were."""
    result = f"You were right in {game.right} of {ROUNDS}; guessing alone gives {ROUNDS // 2}."
    rare = "<p>Guessing alone gives that in one game of a hundred.</p>" if game.right >= RARE else ""
    cells = []
    for number, (one, said) in enumerate(zip(game.rounds, game.answers, strict=True), 1):
        what, is_right = "real" if one.is_real else "generated", one.is_real == said
        mark = "✓" if is_right else "✗"
        alt = f"Picture {number}, {what}"
        cells.append(
            f'<figure class="{"right" if is_right else "wrong"}"><img src="{one.answer}" alt="{alt}"'
            f' class="{game.look}"><figcaption><i aria-hidden="true">{mark}</i> {what}</figcaption></figure>'
        )
    return (
        f'<div class="quiz ended"><p role="status">{verdict(game)}</p><h2>{result}</h2>{rare}'
        f'<div class="quiz-all">{"".join(cells)}</div></div>'
    )


def _stage(game: Game, picture: str, alt: str, text: str) -> str:
    marks = []
    for number in range(len(game.rounds)):
        kind, sign = "", ""
        if number < len(game.answers):
            is_right = game.rounds[number].is_real == game.answers[number]
            kind, sign = ("right", "✓") if is_right else ("wrong", "✗")
        elif number == len(game.answers) and game.is_open:
            kind = "now"
        marks.append(f'<i class="{kind}">{sign}</i>')
    return (
        f'<div class="quiz"><div class="quiz-marks" aria-hidden="true">{"".join(marks)}</div>'
        f'<figure><img src="{picture}" alt="{alt}" class="{game.look}" draggable="false" '
        f'width="{game.width}" height="{game.height}"></figure><p role="status">{text}</p></div>'
    )


def source_of(entry: zoo.Entry) -> str:
    """Whose the real pictures are."""
    run = cards.read_metrics(entry.folder).get("training", {})
    return f"The real pictures: {html.escape(str(run.get('dataset', 'not stated')))}."


TAB = Tab("quiz", "Real or generated?", 80, build, lambda: bool(offered()))
