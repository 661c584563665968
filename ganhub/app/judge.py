"""The page of ``ganhub judge``: one blinded question at a time, answered by a key, a click or a thumb.

What reaches the browser of a picture is its pixels and nothing else: all are made before the first is shown (a model's
computing time would give it away), raised to one size by one filter, encoded by one encoder, and sent inside the page,
so that there is no address to read.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

import gradio as gr

from ganhub.app import _parts as parts
from ganhub.app.declared import ASSETS, script
from ganhub.app.page import launch_options
from ganhub.app.shield import guard, own_folder
from ganhub.app.theme import CSS, HEADER
from ganhub.creation import checks
from ganhub.errors import ConfigError
from ganhub.metrics.judging import KINDS, Answer, AnswerFile, Question, Rate, summarise

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
        questions: Drawn by :func:`ganhub.metrics.judging.plan` from ``seed``.
        pictures: For each question the pictures that it shows, from left to right, by
            :func:`ganhub.app.embedding.embed`.
        file: Where answers go.
    """

    questions: Sequence[Question]
    seed: int
    pictures: Sequence[tuple[str, ...]]
    file: AnswerFile


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
        number = checks.whole("The question", number, 0, count)
        seconds = checks.number("The time", seconds, 0, 1e9)
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
        load, answered = script("judge_load"), script("judge_answer", str(TOO_SOON))
        page.load(parts.calm(lambda judge: show(str(judge))), judge, outputs, js=load, **parts.PRIVATE)
        for which, button in enumerate(buttons):
            listener = parts.calm(partial(answer, which))
            button.click(listener, [judge, number, seconds], outputs, js=answered, **parts.PRIVATE)
        again.click(js=script("judge_again"), api_visibility="private")
    page.queue(default_concurrency_limit=16, api_open=False)
    guard(page)
    return page


def judge_launch_options() -> dict[str, Any]:
    """What ``launch`` needs: the app's own options, this page's style, and no footer that leads away from it."""
    return {**launch_options(), "css": CSS + (ASSETS / "judge.css").read_text(encoding="utf-8"), "footer_links": []}


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
