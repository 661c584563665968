"""``ganhub evaluate``: numbers with their protocols, on the screen and in the model's card."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ganhub import hub, images
from ganhub.cli._files import may_write, must_end_in
from ganhub.cli._inputs import data_config, in_words, progress, say, split_overrides
from ganhub.creation import LocalLibrary
from ganhub.durations import in_words as in_time
from ganhub.errors import ConfigError, MetricError
from ganhub.hub import cards
from ganhub.hub.folder import CARD, METRICS
from ganhub.metrics import list_metrics
from ganhub.metrics.evaluation import MOST_PICTURES, Evaluation
from ganhub.metrics.evaluation import evaluate as measure
from ganhub.metrics.extractors import extractor as make_extractor
from ganhub.models import LatentGenerator

if TYPE_CHECKING:
    from ganhub.data import DataConfig, Pictures

PAIRS = "memorisation.png"
METRIC_HELP = (
    f"Comma-separated, of: {', '.join(list_metrics())}. All but {' and '.join(list_metrics(usual=False))} without it."
)
SOME = 16  # pictures by which the time is measured
CLASSES = (
    "Class accuracy: here a linear classifier on the features reads the classes, fitted to the real pictures above. An "
    "accuracy that a card quotes under another name was read by another classifier, trained for those classes: the two "
    "numbers differ, and are not to be compared. Set it beside the accuracy of real pictures, which the same one read."
)


def evaluate(
    model: Annotated[
        list[str],
        typer.Argument(
            metavar="MODEL",
            help="A folder, a name from `ganhub list`, or owner/name on the Hub; then data.key=value to prepare the "
            "real pictures as the recipe does, for example data.crop=random data.zoom=1.15.",
        ),
    ],
    data: Annotated[str, typer.Option(help="Real pictures: a folder, .zip, .npz or Hub dataset.")],
    metrics: Annotated[str, typer.Option(help=METRIC_HELP)] = "",
    n: Annotated[int, typer.Option("--n", help="How many generated pictures, and at most as many real ones.")] = 2000,
    extractor: Annotated[
        str, typer.Option(help="Whose features: efficientnet-lite0, vgg-lite, or inception (the standard FID's).")
    ] = "efficientnet-lite0",
    split: Annotated[str, typer.Option(help="Which part of the data was trained on.")] = "train",
    held_out: Annotated[
        str,
        typer.Option(
            help="A part it was not trained on, such as test, for the memorisation report. Without it the share that "
            "data.holdout names, else leave-one-out."
        ),
    ] = "",
    seed: Annotated[int, typer.Option(help="Seed of the first generated picture.")] = 0,
    force: Annotated[
        bool, typer.Option("--force", help="Overwrite --pairs, and take a Frechet distance of too few pictures.")
    ] = False,
    record: Annotated[bool, typer.Option("--record", help="Write the numbers into metrics.json and the card.")] = False,
    pairs: Annotated[
        Path | None, typer.Option(help=f"Picture of the likeliest copies; MODEL/{PAIRS} with --record.")
    ] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda, mps or auto.")] = "auto",
) -> None:
    """Measure a model against real pictures: distances, precision, recall, copies of training pictures."""
    sources, overrides = split_overrides(model)
    if len(sources) != 1:
        raise ConfigError(f"Name one model, not {len(sources)}.")
    if held_out and held_out == split:
        raise ConfigError(f"The split {split} cannot be trained on and held out at once: leave --held-out out.")
    generator = LocalLibrary(device).open(sources[0], LatentGenerator)
    folder = hub.find_local(sources[0]) or Path(sources[0])
    may_keep(sources[0], folder, record, pairs, force)
    config = data_config(data, overrides, split=split)
    real, held = opened(generator, config, data_config(data, overrides, split=held_out) if held_out else None)
    if 2 <= n <= MOST_PICTURES:
        say(expected(generator, real, n, extractor), err=True)
    evaluation = measured(
        generator, real, held_out=held, metrics=[name.strip() for name in metrics.split(",") if name.strip()], n=n,
        network=extractor, split=split, seed=seed, force=force,
        data=in_words(config) + (f", data.seed {config.seed}" if config.seed else ""),  # it picks the real pictures
    )  # fmt: skip
    table = table_of(evaluation)  # everything is written before anything is printed
    say("\n".join([table, *keep(evaluation, generator, folder, record, pairs)]))


def may_keep(source: str, folder: Path, record: bool, pairs: Path | None, force: bool) -> None:
    """Refuse, before any work, places that cannot be written."""
    if record and not os.path.isdir(folder):
        raise ConfigError(f"{source} is no folder on this disk, so its card cannot be written: leave --record out.")
    if record:
        may_write([folder / name for name in (METRICS, CARD, PAIRS)], force=True)
    if pairs is not None:
        must_end_in(pairs, images.SUFFIXES, "--pairs")
        may_write([pairs], force)


def opened(generator: LatentGenerator, config: DataConfig, held: DataConfig | None) -> tuple[Pictures, Pictures | None]:
    """The real pictures, and those that were held out: of another part, or the share that ``data.holdout`` names."""
    from ganhub.data import open_data

    needs = generator.needs(max(generator.config.size))
    real = open_data(config, **needs)
    for remark in real.remarks():
        say(remark, err=True)
    if held is None and config.holdout and config.part == "training":
        held = replace(config, part="holdout")
    return real, open_data(held, **{**needs, "labelled": False}) if held else None


def measured(generator: LatentGenerator, real: Pictures, **options: Any) -> Evaluation:
    """:func:`ganhub.metrics.evaluate` under a bar for each kind of work."""
    with progress() as bar:
        tasks: dict[str, int] = {}

        def show(what: str, done: int, total: int) -> None:
            task = tasks[what] = tasks[what] if what in tasks else bar.add_task(what, total=total)
            bar.update(task, completed=done)

        return measure(generator, real, on_step=show, **options)


def keep(
    evaluation: Evaluation, generator: LatentGenerator, folder: Path, record: bool, pairs: Path | None
) -> list[str]:
    """Write the likeliest copies and the record where they are asked for; what was written, in sentences."""
    lines, picture = [], pairs or (folder / PAIRS if record else None)
    if evaluation.pairs is not None and picture:
        # Small pictures are enlarged without smoothing.
        shown = images.enlarge(evaluation.pairs, max(96 // max(generator.config.size), 1))
        images.save_grid(shown, picture, columns=len(shown) // 2)
        lines.append(f"The likeliest copies, above the training pictures they are closest to: {picture}")
    if record:
        numbers = merged(cards.read_metrics(folder).get("evaluation", {}), evaluation.to_dict())
        lines.append(f"Recorded in {cards.record(folder, 'evaluation', numbers, generator.card_facts())}")
    return lines


def expected(generator: LatentGenerator, real: Pictures, n: int, network: str) -> str:
    """How long sampling and measuring take, by 2 x 16 pictures of each kind; the search for copies comes on top."""
    count = min(len(real), n) if len(real) else n
    look, some = make_extractor(network), min(SOME, n)
    generator.sample(some, seed=0), look(real.batch(0, some).images)  # the first of each takes longer
    started = time.perf_counter()
    look(generator.sample(some, seed=0).cpu())
    generated = time.perf_counter() - started
    started = time.perf_counter()
    look(real.batch(0, some).images)
    seconds = (generated * n + (time.perf_counter() - started) * count) / some
    return (
        f"{n:,} generated and {count:,} real pictures take {in_time(seconds)} here, by {2 * some} measured ones; the "
        "search for copies, where it is asked for, comes on top. What was measured of the real ones before is kept."
    )


def merged(before: dict[str, Any], now: dict[str, Any]) -> dict[str, Any]:
    """Earlier numbers stay beside the new ones, unless the same metric of the same extractor was measured again."""

    def key(result: dict[str, Any]) -> tuple[str, str]:
        return result["name"], result["protocol"].get("extractor", "")

    again = {key(result) for result in now["results"]}
    kept = [result for result in before.get("results", []) if key(result) not in again]
    return {**before, **now, "results": kept + now["results"]}


def table_of(evaluation: Evaluation) -> str:
    """The numbers in a table, each with the protocol that it was measured by."""
    if not evaluation.results:
        raise MetricError("Nothing was measured: name a metric.")
    how = list(dict.fromkeys(result.protocol.sentence(named=False) for result in evaluation.results))
    rows = []
    for result in evaluation.results:
        error = "" if result.error is None else f" ± {result.error:.2g}"
        note = f"[{how.index(result.protocol.sentence(named=False)) + 1}]"
        rows.append((result.label, f"{result.value:.4g}{error}", "↓" if result.better == "lower" else "↑", note))
    width = [max(len(row[i]) for row in rows) for i in range(4)]
    lines = ["  ".join(cell.ljust(width[i]) for i, cell in enumerate(row)).rstrip() for row in rows]
    notes = [f"{result.label}: {result.note}" for result in evaluation.results if result.note]
    verdict = [evaluation.memorisation.sentence(), ""] if evaluation.memorisation else []
    if any(result.name == "class_accuracy" for result in evaluation.results):
        notes.append(CLASSES)
    measured = [f"[{number}] {sentence}" for number, sentence in enumerate(how, start=1)]
    return "\n".join([*lines, "", *verdict, *notes, *measured])


PLACE = 30  # of these commands in the help


def add_to(cli: typer.Typer) -> None:
    """Register this group's commands."""
    cli.command("evaluate")(evaluate)
