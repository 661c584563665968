"""The timeline of the Interpolate tab: its pins as text, what moves and changes them, and a small look at the film."""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import gradio as gr

from ganhub import images
from ganhub.app import _parts as parts
from ganhub.app import menus
from ganhub.app.declared import Bench
from ganhub.app.gpu import render
from ganhub.app.jobs import Report, Stopped
from ganhub.app.shield import caller
from ganhub.creation import Creation, Edit, Generate, Interpolate, checks, limits, marks
from ganhub.creation.edit import NOTHING
from ganhub.creation.generate import Wanted
from ganhub.creation.pins import MAX_PINS, Pin, fields_of, read_pins, write_pins
from ganhub.errors import GanhubError
from ganhub.images import provenance
from ganhub.images.provenance import Mark
from ganhub.models import LatentGenerator

MAX_FRAMES = 240
ANY, AS_ALL = "as each seed has it", "as the film"
FIRST = "3, 13, 23"  # pins that nobody has chosen
LOOK_SIDE, LOOK_FRAMES = 64, 24  # pixels and frames of the small look
FEW = "A film needs two pins or more: add pictures."
LONGEST = 8.0  # of the slider: how long a way lasts, compared with others


def asked_film(model, seeds, label, frames, film, loop, easing, truncation, fps, even, space) -> Interpolate:
    """What the boxes of the form ask for; ConfigError for what cannot be."""
    pins = read_pins(seeds, most=MAX_PINS)
    return Interpolate(
        model=menus.menu_name(model), **fields_of(pins), frames=checks.whole("Frames", frames, len(pins), MAX_FRAMES),
        label=None if label in ("", ANY) else label, loop=bool(loop), easing=easing, truncation=truncation, fps=fps,
        pace="picture" if even else "latent", space=space, format=film,
    )  # fmt: skip


def asking(film: Interpolate) -> tuple[Any, ...]:
    """The boxes' values that ask for a film: the inverse of :func:`asked_film`."""
    label = ANY if film.label is None else film.label
    return (
        film.model, write_pins(film.pins()), label, film.frames, film.format, film.loop, film.easing, film.truncation,
        film.fps, film.pace == "picture", film.space,
    )  # fmt: skip


# ---- a small look, while pins are moved


def look(bench: Bench, request: gr.Request, *boxes: Any) -> Iterator[tuple]:
    """The pins' pictures, the film small and moving, and in a sentence what is missing."""
    try:
        job = bench.jobs.start(
            parts.visitor(request, "timeline"), lambda report: drawn(bench, boxes, report), lane="film",
            **caller(request),
        )  # fmt: skip
        for _ in job:
            if job.replaced:
                return
            yield tuple(parts.keep(3))  # so that whoever leaves ends it
        job.settle()
        if job.replaced:  # a newer look is on its way
            return
        pins, moving = job.result()
    except Stopped:
        return
    except GanhubError as error:  # while somebody types, it is no error yet
        yield gr.skip(), gr.skip(), html.escape(parts.told(str(error)))
        return
    yield pins, moving, "" if moving else FEW


def look_once(bench: Bench, request: gr.Request, there: Any, *boxes: Any) -> Iterator[tuple]:
    """The same where nothing is shown yet."""
    if there:
        yield tuple(parts.keep(3))
    else:
        yield from look(bench, request, *boxes)


def drawn(bench: Bench, boxes: Sequence[Any], report: Report) -> tuple[list[tuple[str, str]], str | None]:
    """The pins' pictures with what they are in words, and, of two or more, the file of a small film."""
    pins = read_pins(boxes[1], least=0, most=MAX_PINS)
    whole = asked_film(boxes[0], boxes[1] if len(pins) > 1 else FIRST, *boxes[2:])
    generator = bench.library.open(whole.model, LatentGenerator)
    wanted = [(pin.seed, whole.label if pin.label == "" else pin.label) for pin in pins]
    for _, label in wanted:
        generator.labels(1, label)  # says what is wrong with a class
    one = Generate(model=whole.model, truncation=whole.truncation)

    def mark(asked: Wanted) -> Mark | None:
        return marks.mark_of(one.alone(*asked), bench.library)

    files = bench.drawings.paths_of(generator, whole.model, wanted, whole.truncation, report, mark=mark)
    pictures = list(zip(files, map(in_words, pins), strict=True))
    return pictures, small_film(bench, whole, report) if len(pins) > 1 else None


def small_film(bench: Bench, film: Interpolate, report: Report) -> str:
    """The file of a small GIF of a film, with few frames, that lasts as long."""
    frames = min(film.frames, max(LOOK_FRAMES, 2 * len(film.seeds)))
    size = bench.library.open(film.model, LatentGenerator).config.size
    limits.check_pixels(frames, size, limits.FILM_OF_A_VISITOR, "frames")
    fps = min(max(film.fps * frames / film.frames, 1), 50)
    pictures = render(replace(film, frames=frames, fps=fps, format="gif"), bench.library, report).film
    if (larger := max(size) / LOOK_SIDE) > 1:
        pictures = images.resize(pictures, tuple(max(1, round(side / larger)) for side in size))
    path = parts.scratch(f"{film.model}-look.gif")
    images.save_gif(pictures.clamp(-1, 1), path, fps=fps, mark=provenance.bare(provenance.GENERATED))
    return str(path)


def in_words(pin: Pin) -> str:
    """A pin as its picture says it: "13 cat x2"."""
    duration = f"x{pin.duration:g}" if pin.duration not in (0, 1) else ""
    return " ".join(filter(None, (str(pin.seed), str(pin.label), duration)))


# ---- the pin that is chosen


def choose(seeds: str, classes: Sequence[str], place: int) -> tuple[str, Any, float]:
    """Which pin is chosen in words, its class in the menu of those, and how long the way to the next lasts."""
    pins = read_pins(seeds, least=0, most=MAX_PINS)
    if not pins:
        return "", AS_ALL, 1
    place = min(int(place or 0), len(pins) - 1)
    pin = pins[place]
    label = classes[pin.label] if isinstance(pin.label, int) and pin.label < len(classes) else pin.label
    return f"Pin {place + 1} of {len(pins)}: seed {pin.seed}", label or AS_ALL, pin.duration or 1


def moved(seeds: str, place: int, by: int) -> tuple[str, int]:
    """The chosen pin so many places later, and its new place."""
    pins = read_pins(seeds, least=1, most=MAX_PINS)
    place = min(place, len(pins) - 1)
    after = min(max(place + by, 0), len(pins) - 1)
    pins.insert(after, pins.pop(place))
    return write_pins(pins), after


def removed(seeds: str, place: int) -> tuple[str, int]:
    """All pins but the chosen one, and the place of the next."""
    pins = read_pins(seeds, least=1, most=MAX_PINS)
    del pins[min(place, len(pins) - 1)]
    return write_pins(pins), min(place, max(0, len(pins) - 1))


def changed(seeds: str, place: int, **fields: Any) -> str:
    """The pins, the chosen one with another class or duration; where no way is longer than others none is timed."""
    pins = read_pins(seeds, least=1, most=MAX_PINS)
    place = min(place, len(pins) - 1)
    pins[place] = pins[place]._replace(**fields)
    if all(pin.duration in (0, 1) for pin in pins):
        pins = [pin._replace(duration=0.0) for pin in pins]
    return write_pins(pins)


def with_class(seeds: str, place: int, label: Any) -> str:
    """The pins, the chosen one with a class of the menu."""
    return changed(seeds, place, label="" if label in (None, "", AS_ALL) else parts.plain_name("Class", label))


def with_duration(seeds: str, place: int, duration: Any) -> str:
    """The pins, the chosen one so far from the next."""
    return changed(seeds, place, duration=checks.number("How long", duration, 0.1, LONGEST))


def added(seeds: str, seed: Any) -> str:
    """The pins and one more at the end; the first one goes where there is no room."""
    pins = [*read_pins(seeds, least=0), *read_pins(str(seed), least=1, most=1)]
    return write_pins(pins[-MAX_PINS:])


# ---- from another tab, or from the tray


def can_be_added(creation: Creation) -> bool:
    """Whether a result is the picture of one seed."""
    if isinstance(creation, Edit):
        return not (creation.photo or creation.directions or creation.mix_photo) and creation.mixed == NOTHING
    return isinstance(creation, Generate) and len(creation.wanted()) == 1 and not creation.likeness


def with_picture(creation: Creation, file: Any, *boxes: Any) -> tuple[Any, ...]:
    """The boxes' values with the picture of a Creation as the last pin: of another model, or of pins that nobody has
    chosen, a new film begins."""
    label = creation.label if isinstance(creation, Edit) else (*creation.labels, None)[0]
    pin = Pin(creation.seed, "" if label is None else label)
    if menus.menu_name(boxes[0]) == creation.model and boxes[1] != FIRST:
        pins = [one for one in read_pins(boxes[1], least=0) if one[:2] != pin[:2]]
        return (boxes[0], write_pins([*pins, pin][-MAX_PINS:]), *boxes[2:])
    same = boxes[2] if menus.menu_name(boxes[0]) == creation.model else ANY
    return (creation.model, write_pins([pin]), same, *boxes[3:7], creation.truncation, *boxes[8:])
