"""``ganhub judge``: people say what they see, blinded, and what they say becomes a rate with its interval."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import torch
import typer
from torch import Tensor

from ganhub import hub
from ganhub.addresses import check_address
from ganhub.cli._inputs import data_config, in_words, say, split_overrides
from ganhub.creation import LocalLibrary
from ganhub.errors import ConfigError, DataError, MetricError
from ganhub.hub import cards
from ganhub.metrics.judging import (
    AnswerFile,
    Question,
    Subject,
    Summary,
    plan,
    read_answers,
    summarise,
    wilson,
)
from ganhub.models import AutoModel, LatentGenerator

if TYPE_CHECKING:
    from ganhub.app.judge import Panel
    from ganhub.data import DataConfig


def judge(
    models: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="MODEL",
            help="A folder, a name from `ganhub list`, or owner/name on the Hub: one with --data (is it real?), or "
            "two (which is better?). data.key=value prepares the real pictures as a recipe does, for example "
            "data.crop=random data.zoom=1.15.",
            show_default=False,
        ),
    ] = None,
    data: Annotated[str | None, typer.Option(help="Real pictures: a folder, .zip, .npz or Hub dataset.")] = None,
    n: Annotated[int, typer.Option("--n", help="How many questions each person is asked.")] = 50,
    seed: Annotated[int, typer.Option(help="Draws the pictures and their order.")] = 0,
    answers: Annotated[
        Path | None, typer.Option(help="Where answers are kept; judgements/<models>.jsonl without it.")
    ] = None,
    report: Annotated[bool, typer.Option("--report", help="Print the results of the answers; serve nothing.")] = False,
    record: Annotated[
        bool, typer.Option("--record", help="The same, and write it into the metrics.json and card of the model(s).")
    ] = False,
    port: Annotated[int | None, typer.Option(help="7860 or the next free one without it.")] = None,
    host: Annotated[str, typer.Option(help="0.0.0.0 opens it to the local network.")] = "127.0.0.1",
    device: Annotated[str, typer.Option(help="cpu, cuda, mps or auto.")] = "auto",
) -> None:
    """Ask people: is this picture real or made, or which of two models' pictures is better?"""
    given = models or []
    sources, overrides = split_overrides(given)
    names = _names(sources)
    if report or record:
        if not sources and answers is None:
            raise ConfigError("Name the models whose answers are wanted, or the file: --answers FILE.jsonl.")
        summary = _report(answers or _usual_file(names), names)
        written = _record(summary, sources or summary.subject.models) if record else []  # before anything is printed
        say(str(summary))
        for card in written:
            say(f"Recorded in {card}")
        return
    if not 1 <= len(sources) <= 2:
        raise ConfigError(f"Name one model with --data, or two models, not {len(sources)}.")
    if len(sources) == 1 and not data:
        raise ConfigError("Real or made? needs --data with real pictures; A or B? needs a second model.")
    if len(sources) == 2 and (data or overrides):
        raise ConfigError("Two models are compared with each other: leave --data and data.key=value out.")
    check_address(host, port)  # before pictures are made for nothing
    kind = "real-or-made" if data else "a-or-b"
    questions = plan(kind, n, seed)
    wilson(1, 2)  # says what to install before anybody has answered for nothing
    config = data_config(data, overrides, seed=seed) if data else None
    library = LocalLibrary(device)
    generators = [library.open(source, LatentGenerator) for source in sources]
    panel = prepare(kind, generators, names, config, questions, seed, answers or _usual_file(names))
    _serve(panel, port, host)


def prepare(
    kind: str,
    generators: Sequence[LatentGenerator],
    names: Sequence[str],
    data: DataConfig | None,
    questions: Sequence[Question],
    seed: int,
    file: Path,
) -> Panel:
    """Make every picture of a plan and open the file of answers.

    Args:
        generators, names: One for "real-or-made", two for "a-or-b".
        data: The real pictures of "real-or-made", else None.
        seed: The seed that drew ``questions``.

    Raises:
        MetricError, DataError: See :class:`AnswerFile` and :func:`ganhub.trainer.open_data`; two models with the
            same weights; fewer real pictures than are asked for.
    """
    from ganhub.app.embedding import embed, is_smooth, shown_side  # Gradio takes seconds to import: only here
    from ganhub.app.judge import Panel

    weights = tuple(map(_digest, generators))
    if len(weights) == 2 and weights[0] == weights[1]:
        raise MetricError(f"{names[0]} and {names[1]} have the same weights: there is nothing to choose.")
    sizes = [max(generator.config.size) for generator in generators]
    side, smooth = shown_side(sizes), is_smooth(sizes)
    background = data.background if data else "white"
    described = in_words(data) if data else ""
    real = _real_pictures(data, generators[0], questions) if data else None
    answers = AnswerFile(file, Subject(kind=kind, models=tuple(names), weights=weights, data=described, side=side))
    by_name = dict(zip(("made",) if data else ("A", "B"), generators, strict=True))
    pictures = []
    for question in questions:
        # One at a time: the bits of a picture must not depend on its neighbours.
        tensors = [
            real[question.index, None] if what == "real" else by_name[what].sample(1, seed=question.index)
            for what in question.shown
        ]
        pictures.append(tuple(embed(tensor, side, smooth=smooth, background=background) for tensor in tensors))
    return Panel(questions, seed, pictures, answers)


# ---- parts of the command


def _serve(panel: Panel, port: int | None, host: str) -> None:
    from ganhub.app import serve
    from ganhub.app.judge import create_judge_page, judge_launch_options

    before = len(panel.file.answers())
    say(f"{len(panel.questions)} questions: {panel.file.subject.words()}")
    say(f"Answers go to {panel.file.path}" + (f", which holds {before} already." if before else "."))
    serve(create_judge_page(panel), judge_launch_options(), port=port, host=host)
    if panel.file.answers():
        say(str(summarise(panel.file.answers())))


def _report(file: Path, names: Sequence[str]) -> Summary:
    found, damaged = read_answers(file)
    if not found:
        raise MetricError(f"{file} holds no answers yet: run `ganhub judge` and open its page.")
    summary = summarise(found, left_out=damaged)
    if names and summary.subject.models != tuple(names):
        raise MetricError(f"{file} holds answers about {summary.subject.words()}: name these models, or another file.")
    return summary


def _record(summary: Summary, sources: Sequence[str]) -> list[Path]:
    """Put the result into the card of every judged model that is a folder here; returns the cards."""
    written = []
    for place, source in enumerate(sources):
        folder = hub.find_local(source)
        if folder is None:  # a copy in the Hub's cache is nobody's to write to
            continue
        model = AutoModel.from_pretrained(folder)
        if _digest(model) != summary.subject.weights[place]:
            raise MetricError(f"The answers are about other weights than {folder} holds now: judge it anew.")
        said_before = cards.read_metrics(folder).get("people")  # of other questions
        group = (said_before if isinstance(said_before, dict) else {}) | summary.numbers(place)
        written.append(cards.record(folder, "people", group, model.card_facts()))
    if not written:
        raise ConfigError(f"{' and '.join(sources)} is no folder on this machine: save it to one and name that.")
    return written


def _names(sources: Sequence[str]) -> list[str]:
    """What answers call the models: a folder by its name, unless both are called the same."""
    names = [os.path.basename(os.path.realpath(source)) if os.path.isdir(source) else source for source in sources]
    return names if len(set(names)) == len(names) else list(sources)


def _usual_file(names: Sequence[str]) -> Path:
    return Path("judgements") / (re.sub(r"[^\w.-]+", "-", "-or-".join(names)).strip("-.") + ".jsonl")


def _digest(model: LatentGenerator) -> str:
    """First 12 hex digits of the SHA-256 of a model's weights: a name outlives a training run, this does not."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:12]


def _real_pictures(config: DataConfig, generator: LatentGenerator, questions: Sequence[Question]) -> Tensor:
    from ganhub.data import open_data

    (height, width), channels = generator.config.size, generator.config.channels
    real = open_data(config, height=height, width=width, channels=channels, labelled=False)
    for remark in real.remarks():
        say(remark, err=True)
    needed = sum(question.shown == ("real",) for question in questions)
    if 0 < len(real) < needed:
        raise DataError(
            f"{config.path} holds {len(real)} pictures, and {len(questions)} questions show {needed}: ask for "
            f"--n {2 * len(real)} or fewer, so that none comes twice."
        )
    return real.batch(0, needed).images


PLACE = 40  # of these commands in the help


def add_to(cli: typer.Typer) -> None:
    """Register this group's commands."""
    cli.command("judge")(judge)
