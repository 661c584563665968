"""The page of ``ganhub judge``: one blinded question at a time, answered by a key, a click or a thumb.

What reaches the browser of a picture is its pixels and nothing else: all are made before the first is shown (a model's
computing time would give it away), raised to one size by one filter, encoded by one encoder, and sent inside the page,
so that there is no address to read.
"""

from __future__ import annotations

import base64
import html
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

import gradio as gr
from torch import Tensor

from ganhub import images
from ganhub.app import _parts as parts
from ganhub.app.page import launch_options
from ganhub.app.shield import guard, own_folder
from ganhub.app.theme import CSS, HEADER
from ganhub.errors import ConfigError
from ganhub.metrics.judging import KINDS, Answer, AnswerFile, Question, Rate, summarise

SIDE = 512  # pixels, about, that a picture is raised to
MAX_SIDE = 1024  # two sizes whose common multiple is larger meet by a smooth filter instead
SMOOTH_FROM = 128  # pixels; below, each one is shown as a square
TOO_SOON = 200  # milliseconds in which nobody has seen a picture: the second half of a double click
WORDS = {  # kind -> title, what is asked, alternative text of the pictures from left to right, the two buttons
    "real-or-made": (
        "Real or made?",
        "Half of these pictures are real, half were made by a network. Trust your first look.",
        ("Picture",),
        ("Real", "Made"),
    ),
    "a-or-b": (
        "Which is better?",
        "Two networks made these pictures. Choose the one that you would rather keep.",
        ("Left picture", "Right picture"),
        ("Left", "Right"),
    ),
}


@dataclass(frozen=True)
class Panel:
    """A set of questions and all that is needed to ask them.

    Attributes:
        questions: As :func:`ganhub.metrics.judging.plan` drew them, from ``seed``.
        pictures: For each question the pictures that it shows, from left to right, by :func:`embed`.
        file: Where answers go.
    """

    questions: Sequence[Question]
    seed: int
    pictures: Sequence[tuple[str, ...]]
    file: AnswerFile


# ---- pictures


def shown_side(sizes: Sequence[int]) -> int:
    """Pixels of the side to which pictures of these sides are raised: a multiple of each where a fair one is small.

    One size gives the multiple of it nearest to ``SIDE``; two that share none up to ``MAX_SIDE`` give the larger one's.
    """
    common = math.lcm(*sizes)
    if common > MAX_SIDE:
        common = max(sizes)
    return common * max(1, round(SIDE / common))


def embed(picture: Tensor, side: int, *, smooth: bool, background: str = "white") -> str:
    """A picture as a data address, the same kind of file whatever the picture is and wherever it comes from.

    Args:
        picture: [1, C, H, W] in [-1, 1]; grey becomes RGB, transparency is laid on ``background``.
        side: Of the square that is shown, in pixels.
        smooth: Raise by a smooth filter; otherwise pixels are repeated, and ``side`` is a multiple of theirs.
    """
    picture = images.from_pil(images.to_pil(picture), channels=3, background=background)
    picture = images.resize(picture, (side, side)) if smooth else parts.enlarge(picture, side)
    return "data:image/png;base64," + base64.b64encode(images.encode_png(picture)).decode()


def is_smooth(sizes: Sequence[int]) -> bool:
    """Whether pictures of these sides are raised smoothly: one rule for all that are compared."""
    return min(sizes) >= SMOOTH_FROM or shown_side(sizes) % math.lcm(*sizes) != 0


# ---- the page


def create_judge_page(panel: Panel) -> gr.Blocks:
    """Build the page; ``create_judge_page(panel).launch(**judge_launch_options())`` serves it.

    A judge is a random word that the browser keeps for its session: a reload goes on with the next question, a new
    browser starts from the first. An answer is on the disk before the next question is shown.
    """
    own_folder()
    kind, count = panel.file.subject.kind, len(panel.questions)
    title, asked, _, labels = WORDS[kind]

    def show(judge: str) -> tuple[str, Any, Any]:
        question = panel.file.next_question(judge, panel.questions, panel.seed)
        stage = _verdict(panel, judge) if question is None else _question(panel, question)
        return stage, gr.Row(visible=question is not None), gr.Button(visible=question is None)

    def answer(which: int, judge: Any, number: Any, seconds: Any) -> tuple[str, Any, Any]:
        number = parts.whole("The question", number, 0, count)
        seconds = parts.number("The time", seconds, 0, 1e9)
        if not (isinstance(judge, str) and len(judge) <= 64):
            raise ConfigError("A judge's name has up to 64 characters: load the page anew.")
        question = panel.file.next_question(judge, panel.questions, panel.seed)
        # Any other number is a second press on a question that was answered already, or one that came too soon.
        if question is not None and question.number == number:
            panel.file.append(
                Answer.from_dict(
                    panel.file.subject.to_dict()
                    | {"judge": str(judge), "plan_seed": panel.seed, "questions": count, "question": number}
                    | {"shown": question.shown, "index": question.index, "answer": KINDS[kind][which]}
                    | {"seconds": round(seconds, 3), "time": datetime.now(UTC).isoformat(timespec="seconds")}
                )
            )
        return show(str(judge))

    with gr.Blocks(title=title, analytics_enabled=False) as page:
        gr.HTML(_head(title, asked), elem_classes="masthead-block")
        stage = gr.HTML(elem_id="judge-stage", elem_classes=["judge", kind])
        with gr.Row(elem_id="judge-choices", elem_classes="judge-choices", visible=False) as choices:
            buttons = [gr.Button(text, elem_id=f"judge-{i + 1}", min_width=100) for i, text in enumerate(labels)]
        again = gr.Button("Next person", elem_id="judge-again", visible=False)
        # They carry what the script sends and are never on the page.
        judge = parts.unchecked(gr.Textbox(visible=False))
        number, seconds = (parts.unchecked(gr.Number(visible=False)) for _ in range(2))
        outputs = [stage, choices, again]
        # In the queue, as Gradio shows the sentence of an error only there.
        private = {"show_progress": "hidden", "api_visibility": "private"}
        page.load(parts.calm(lambda judge: show(str(judge))), judge, outputs, js=_ON_LOAD, **private)
        for which, button in enumerate(buttons):
            listener = parts.calm(partial(answer, which))
            button.click(listener, [judge, number, seconds], outputs, js=_ON_ANSWER, **private)
        again.click(js=_ON_NEXT_PERSON, api_visibility="private")
    page.queue(default_concurrency_limit=16, api_open=False)
    guard(page)
    return page


def judge_launch_options() -> dict[str, Any]:
    """What ``launch`` needs: the app's own options, this page's style, and no footer that leads away from it."""
    return {**launch_options(), "css": CSS + _CSS, "footer_links": []}


def _head(title: str, asked: str) -> str:
    seal = HEADER[HEADER.index("<svg") : HEADER.index("</svg>") + len("</svg>")]
    words = f'<div class="words"><h1>{title}</h1><p>{asked}</p></div>'
    return f'<header class="masthead judge-head">{seal}{words}</header>'


def _question(panel: Panel, question: Question) -> str:
    """HTML of one question; of what a question shows, only the pixels differ."""
    kind, side, count = panel.file.subject.kind, panel.file.subject.side, len(panel.questions)
    frames = "".join(
        f'<figure class="frame"><img src="{source}" alt="{alt}" width="{side}" height="{side}" draggable="false">'
        "</figure>"
        for source, alt in zip(panel.pictures[question.number - 1], WORDS[kind][2], strict=True)
    )
    return (
        f'<div class="question" data-question="{question.number}">'
        f'<div class="far"><div class="bar"><i style="width:{(question.number - 1) / count:.1%}"></i></div>'
        f'<span role="status">{question.number} of {count}</span></div><div class="frames">{frames}</div></div>'
    )


def _verdict(panel: Panel, judge: str) -> str:
    """HTML of the end: the rate of everyone so far, in words and as a point on a line, and this judge's own."""
    answers = panel.file.answers()
    own = [a for a in answers if (a.judge, a.plan_seed, a.questions) == (judge, panel.seed, len(panel.questions))]
    summary = summarise(answers)
    first, *others = (html.escape(summary.sentence(name)).replace(" %", "&nbsp;%") for name in summary.rates)
    if panel.file.subject.kind == "real-or-made":
        right = sum(answer.answer == answer.shown[0] for answer in own)
        yours = f"You were right about {right} of {len(own)} pictures."
    else:
        wins = sum(answer.shown[answer.answer == "right"] == "B" for answer in own)
        yours = f"You chose {panel.file.subject.models[1]} in {wins} of {len(own)} pairs."
    scale = _scale(next(iter(summary.rates.values())))
    more = "".join(f"<p>{sentence}</p>" for sentence in others)
    return (
        f'<div class="verdict"><h2>Thank you.</h2><p class="own">{html.escape(yours)}</p>{scale}'
        f'<p class="result">{first}</p>{more}</div>'
    )


def _scale(rate: Rate) -> str:
    """A line from 0 to 100 % with the interval as a band, the rate as a point and guessing as a tick."""
    low, width, value = rate.low, rate.high - rate.low, rate.value
    return (
        f'<div class="scale" aria-hidden="true"><i class="band" style="left:{low:.1%};width:{width:.1%}"></i>'
        f'<i class="half"></i><i class="point" style="left:{value:.1%}"></i>'
        '<span class="first">0</span><span style="left:50%">50&nbsp;%</span><span class="last">100&nbsp;%</span></div>'
    )


# ---- in the browser

_ON_LOAD = """() => {
    const me = window.ganhubJudge ??= {};
    if (!me.id) {
        try { me.id = sessionStorage.getItem("ganhub-judge"); } catch { /* storage is off: a reload starts again */ }
        if (!/^[0-9a-f]{16}$/.test(me.id ?? "")) {
            const bytes = crypto.getRandomValues(new Uint8Array(8));
            me.id = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
            try { sessionStorage.setItem("ganhub-judge", me.id); } catch { /* as above */ }
        }
        me.seen = performance.now();
        me.press = (which) => document.querySelector(`#judge-${which}`)?.click();
        document.addEventListener("load", (event) => {
            if (event.target.matches?.(".question img")) me.seen = performance.now();
        }, true);
        document.addEventListener("keydown", (event) => {
            const which = { ArrowLeft: 1, 1: 1, ArrowRight: 2, 2: 2 }[event.key];
            const plain = !(event.repeat || event.ctrlKey || event.metaKey || event.altKey);
            if (!which || !document.querySelector(".question")) return;
            event.preventDefault();
            if (plain) me.press(which);
        });
        document.addEventListener("click", (event) => {
            const frame = event.target.closest?.(".a-or-b .frame");
            if (frame) me.press([...frame.parentNode.children].indexOf(frame) + 1);
        });
    }
    return [me.id];
}"""
_ON_ANSWER = """() => {
    const me = window.ganhubJudge, passed = performance.now() - me.seen;
    const number = Number(document.querySelector(".question")?.dataset.question ?? 0);
    return [me.id, passed < TOO_SOON ? 0 : number, Math.max(0, passed / 1000)];
}""".replace("TOO_SOON", str(TOO_SOON))
_ON_NEXT_PERSON = """() => {
    try { sessionStorage.removeItem("ganhub-judge"); } catch { /* a reload is enough */ }
    location.reload();
}"""

# Sizes follow the width of the stage itself. Rules that name .gradio-container stay outside of @media, where Gradio
# would look for it inside of itself.
_CSS = """
.gradio-container { max-width: 1180px !important; padding: 0 clamp(0px, 2vw, 20px) !important; }
.gradio-container .fillable { padding: clamp(4px, 1.5vw, 16px) clamp(10px, 2.5vw, 32px) !important; }
.judge-head { justify-content: center; flex-wrap: nowrap !important; padding-bottom: 8px !important; }
.judge-head .words { flex: 0 1 auto !important; }
.judge-head p { text-wrap: balance; line-height: 1.4; }
#judge-stage { container-type: inline-size; }
#judge-stage > div { padding: 0 !important; }
.question { --mat: clamp(7px, 1.8cqw, 16px); --gap: clamp(8px, 2cqw, 20px);
  --side: max(140px, min(512px, 100cqw - 2 * var(--mat) - 2px, 100dvh - 330px));
  --wide: calc(var(--side) + 2 * var(--mat) + 2px);
  display: grid; justify-items: center; gap: 16px; padding: 2px 0; }
.a-or-b .question { --wide: calc(2 * (var(--side) + 2 * var(--mat) + 2px) + var(--gap));
  --side: max(110px, min(512px, (100cqw - var(--gap)) / 2 - 2 * var(--mat) - 2px, 100dvh - 330px)); }
.question .far { display: grid; gap: 6px; width: min(100%, var(--wide)); text-align: center; }
.question .far span { font-size: 13px; color: var(--body-text-color-subdued); font-variant-numeric: tabular-nums; }
.question .bar { height: 4px; border-radius: 2px; background: var(--border-color-primary); overflow: hidden; }
.question .bar i { display: block; height: 100%; background: var(--color-accent); border-radius: 2px; }
.question .frames { display: flex; justify-content: center; gap: var(--gap); }
.question .frame { flex: none; margin: 0; padding: var(--mat); border-radius: 10px;
  background: var(--background-fill-primary); border: 1px solid var(--border-color-primary);
  box-shadow: 0 12px 30px -20px rgba(20, 19, 18, .5); }
.question .frame img { display: block; width: var(--side); height: var(--side); max-width: none; margin: 0;
  border-radius: 2px; user-select: none; -webkit-user-select: none; -webkit-touch-callout: none; }
.a-or-b .frame { cursor: pointer; transition: border-color .12s; }
.judge-choices { justify-content: center; gap: clamp(8px, 2vw, 18px) !important; width: min(100%, 546px) !important;
  margin: 0 auto !important; flex-wrap: nowrap !important; position: relative; padding-bottom: 26px; }
.judge-choices button { min-height: 62px; font-size: 18px; font-weight: 600; gap: 12px; touch-action: manipulation; }
#judge-1::before, #judge-2::after { color: var(--color-accent); font-weight: 400; }
#judge-1::before { content: "←"; } #judge-2::after { content: "→"; }
.judge-choices::after { content: "Keys: ←  →  or  1  2"; white-space: pre; position: absolute; bottom: 0;
  font-size: 12px; color: var(--body-text-color-subdued); }
.verdict { max-width: 620px; margin: 18px auto 6px; padding: clamp(22px, 6cqw, 36px) clamp(18px, 6cqw, 40px) 30px;
  border-radius: 10px; text-align: center; text-wrap: pretty; background: var(--background-fill-primary);
  border: 1px solid var(--border-color-primary); }
.verdict h2 { font-family: "Iowan Old Style", "Palatino Linotype", Palatino, "Noto Serif", Georgia, serif;
  font-size: 30px; font-weight: 600; margin: 0 0 4px; }
.verdict p { margin: 10px 0 0; font-size: 14px; line-height: 1.55; color: var(--body-text-color-subdued); }
.verdict .own { margin: 0; font-size: 16px; } .verdict .result { font-size: 16px; color: var(--body-text-color); }
.verdict .scale { position: relative; height: 4px; margin: 36px 8px 46px; border-radius: 2px;
  background: var(--border-color-primary); }
.verdict .scale i { position: absolute; }
.verdict .scale .band { top: -3px; height: 10px; border-radius: 5px; background: var(--color-accent); opacity: .35; }
.verdict .scale .half { left: 50%; top: -10px; width: 1px; height: 24px; background: var(--body-text-color-subdued); }
.verdict .scale .point { top: -6px; width: 16px; height: 16px; margin-left: -8px; border-radius: 50%;
  background: var(--color-accent); border: 3px solid var(--background-fill-primary); }
.verdict .scale span { position: absolute; top: 18px; transform: translateX(-50%); font-size: 12px;
  white-space: nowrap; color: var(--body-text-color-subdued); }
.verdict .scale span.first { left: 0; transform: none; }
.verdict .scale span.last { right: 0; transform: none; }
#judge-again { width: auto; min-width: 180px; margin: 0 auto; }
@media (hover: hover) { .a-or-b .frame:hover { border-color: var(--color-accent) !important; } }
@media (hover: none) {
  .judge-choices { padding-bottom: 0; } .judge-choices::after { display: none; }
  .judge-choices button:hover { background: var(--button-secondary-background-fill) !important; }
}
"""
