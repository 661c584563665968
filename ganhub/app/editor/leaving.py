"""What leaves the page: a picture or film at a size, all of them as a zip, a card to share. And what comes back."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import gradio as gr
import torch
from torch import Tensor

from ganhub import images, zoo
from ganhub.app import _parts as parts
from ganhub.app.declared import Outcome
from ganhub.app.editor import card
from ganhub.app.editor.actions import Desk, offers
from ganhub.app.editor.memory import Memory, outcome_of, unpinned
from ganhub.app.gpu import render
from ganhub.app.jobs import Report, Stopped
from ganhub.apply import translating
from ganhub.creation import Creation, Edit, Generate, Interpolate, Translate, marks, permalink
from ganhub.creation.reproduce import kind_of, read_creation
from ganhub.creation.tray import MAX_NOTE, MOST, Kept, file_stem, in_words, read_tray, write_tray
from ganhub.errors import ConfigError, GanhubError
from ganhub.images import video
from ganhub.images.lettering import encode_thumbnail
from ganhub.images.provenance import Mark
from ganhub.models import Translator

# Name in the menu -> how many times larger, and whether pixels are repeated.
SIZES = {
    "as it is": (1, True), "x2": (2, False), "x4": (4, False), "x2, square pixels": (2, True),
    "x4, square pixels": (4, True),
}  # fmt: skip
MAX_SIDE = 4096  # pixels of what is enlarged
MAX_FILM = 240 * 1024 * 1024  # pixels of all frames of a film together
NOT_HERE = "There is no model here that enlarges: choose 'square pixels', or download it as it is."
CARD_PICTURES = 9
FILMS = (".mp4", ".webm", ".gif")


# ---- one result


def download(desk: Desk, ask: Any, memory: Memory | None, request: gr.Request) -> Iterator[tuple]:
    """The file of a result at a size: a picture, a film, or a zip of several pictures. Tells of its progress."""
    code, size = _asked(ask, "code"), _asked(ask, "size")
    if size not in SIZES:
        raise ConfigError(f"Size must be one of {', '.join(SIZES)}.")
    memory = memory or Memory()

    def work(report: Report) -> str:
        outcome = outcome_of(desk.bench, memory, code, report)
        return saved(desk, outcome, *SIZES[size], report)

    job = yield from parts.follow(desk.bench, "tray", request, work, noun="Picture", outputs=2, stopped="Stopped.")
    if job:
        path = job.result()
        yield path, memory, f"{Path(path).name} is ready."


def saved(desk: Desk, outcome: Outcome, factor: int, square: bool, report: Report) -> str:
    """The file that leaves: the film where there is one, the picture, or a zip of the pictures."""
    if factor == 1:
        if outcome.film or len(outcome.files) == 1:
            return outcome.film or outcome.files[0]
        files = [Path(file) for file in outcome.files]
        return zipped([Kept(outcome.creation, [(file.suffix, file.read_bytes()) for file in files])], outcome.creation)
    upscaler = None if square else open_upscaler(desk)
    if outcome.film:
        return enlarged_film(desk, outcome, factor, upscaler, report)
    layout = marks.Layout(scale=factor, upscaler=upscaler_name(upscaler))

    def mark(place: int) -> Mark | None:
        creation = outcome.creation
        if isinstance(creation, Generate):
            creation = creation.alone(*creation.wanted()[place])
        return marks.mark_of(creation, desk.bench.library, layout)

    pictures = []
    for place, file in enumerate(outcome.files):
        report(place, len(outcome.files))
        large = enlarged(images.load_image(file, channels=_channels(file)), factor, upscaler)
        pictures.append(parts.save_png(large, f"{file_stem(outcome.creation)}-x{factor}", mark(place)))
    if len(pictures) == 1:
        return pictures[0]
    files = [(".png", Path(picture).read_bytes()) for picture in pictures]
    return zipped([Kept(outcome.creation, files)], outcome.creation)


def upscaler_name(upscaler: Translator | None) -> str:
    """The name of what :func:`open_upscaler` gives, or "" for repeated pixels."""
    return "" if upscaler is None else zoo.default("enlarge", here=True)


def open_upscaler(desk: Desk) -> Translator:
    """The usual model that enlarges; ConfigError where none is here."""
    if not zoo.names(Translator, task="enlarge"):
        raise ConfigError(NOT_HERE)
    return desk.bench.library.open(zoo.default("enlarge", here=True), Translator)


def enlarged(picture: Tensor, factor: int, upscaler: Translator | None) -> Tensor:
    """[1, C, H, W] -> [1, C', H * factor, W * factor], by a model or, without one, by repeating pixels."""
    height, width = (side * factor for side in picture.shape[-2:])
    if max(height, width) > MAX_SIDE:
        raise ConfigError(f"This would be {width} x {height} pixels: at most {MAX_SIDE} a side. Choose a smaller size.")
    if upscaler is None:
        return images.enlarge(picture, factor)
    large = translating.translate(upscaler, picture)
    return large if large.shape[-2:] == (height, width) else images.resize(large, (height, width)).clamp(-1, 1)


def enlarged_film(desk: Desk, outcome: Outcome, factor: int, upscaler: Translator | None, report: Report) -> str:
    """The film of a walk, each frame enlarged from what the generator gave, in the same kind of file."""
    creation = outcome.creation
    if not isinstance(creation, Interpolate):
        raise ConfigError("This film can only be downloaded as it is.")
    frames = render(creation, desk.bench.library, lambda *_: report(0, creation.frames)).film
    if frames[:, 0].numel() * factor**2 > MAX_FILM:
        raise ConfigError("This film would be too large: choose a smaller size, or fewer frames.")

    def large() -> Iterator[Tensor]:  # one at a time: together they would not fit in memory
        for place in range(len(frames)):
            report(place, len(frames))
            yield enlarged(frames[place : place + 1], factor, upscaler)

    path = parts.scratch(f"{file_stem(creation)}-x{factor}{Path(outcome.film).suffix}")
    layout = marks.Layout(scale=factor, upscaler=upscaler_name(upscaler))
    video.save_video(large(), path, fps=creation.fps, mark=marks.mark_of(creation, desk.bench.library, layout))
    return str(path)


def zipped(kept: Sequence[Kept], creation: Creation | None = None) -> str:
    """A zip of results as a file."""
    path = parts.scratch(f"{file_stem(creation)}.zip" if creation else "ganhub-tray.zip")
    write_tray(path, kept)
    return str(path)


def _channels(file: str) -> int:
    return {"L": 1, "RGB": 3}.get(images.open_image(file).mode, 4)


# ---- all of them, out and in


def download_all(desk: Desk, ask: Any, memory: Memory | None, request: gr.Request) -> Iterator[tuple]:
    """A zip of the results that the browser keeps. What cannot be drawn any more is in it without a picture."""
    rows, memory = _rows(ask), memory or Memory()

    def work(report: Report) -> tuple[str, int]:
        kept = []
        for place, (code, star, note) in enumerate(rows):
            report(place, len(rows))
            kept.append(_kept(desk, memory, code, star, note))
        return zipped(kept), sum(not one.files for one in kept)

    job = yield from parts.follow(desk.bench, "tray", request, work, noun="Result", outputs=2, stopped="Stopped.")
    if job:
        path, bare = job.result()
        more = f" {bare} of them without a picture, as their photos are no longer here." if bare else ""
        yield path, memory, f"{len(rows)} results are in the zip.{more}"


def _kept(desk: Desk, memory: Memory, code: str, star: bool, note: str) -> Kept:
    creation = permalink.from_code(code)
    try:
        outcome = outcome_of(desk.bench, memory, code)
    except Stopped:
        raise
    except GanhubError:  # its photo is not here, or its model
        return Kept(creation, (), star, note)
    files = [Path(file) for file in (*outcome.files, *filter(None, [outcome.film]))]
    return Kept(creation, [(file.suffix, file.read_bytes()) for file in files], star, note)


def _rows(ask: Any) -> list[tuple[str, bool, str]]:
    rows = ask.get("rows") if isinstance(ask, Mapping) else None
    if not isinstance(rows, list) or not rows:
        raise ConfigError("There is nothing to download yet: make a picture first.")
    found = []
    for row in rows[:MOST]:
        if not (isinstance(row, list) and len(row) == 3 and isinstance(row[0], str) and isinstance(row[2], str)):
            raise ConfigError("This list of pictures cannot be read: load the page anew.")
        found.append((row[0], row[1] is True, row[2][:MAX_NOTE]))
    return found


def take_back(desk: Desk, path: Any) -> str:
    """The entries, as JSON for the page's script, of a zip that was downloaded before, or of one picture or film."""
    if not isinstance(path, str) or not path:
        raise ConfigError("There is no file yet: choose a zip, a picture or a film.")
    with open(path, "rb") as file:
        packed = file.read(2) == b"PK"
    found = []
    for one in read_tray(Path(path)) if packed else [_single(path)]:
        film = any(suffix in FILMS for suffix, _ in one.files)
        pictures = [] if film else [images.load_image(data, max_side=1024) for _, data in one.files]
        found.append({**entry(desk, one.creation, pictures, film=film), "star": one.star, "note": one.note})
    return json.dumps(found)


def _single(path: str) -> Kept:
    """The result that a picture or film says it is."""
    return Kept(read_creation(path), [(kind_of(Path(path)), Path(path).read_bytes())])


def entry(desk: Desk, creation: Creation, pictures: Sequence[Tensor], *, film: bool = False) -> dict[str, Any]:
    """What the browser keeps of a result: its link, a thumbnail, and what it is in words."""
    creation = unpinned(creation)
    return {
        "code": permalink.to_code(creation), "tab": desk.tab_of(creation) or "", "title": in_words(creation),
        "thumb": thumbnail(pictures), "film": film, "photo": bool(creation.digests()), "can": offers(desk, creation),
        "live": isinstance(creation, Edit | Translate),  # made anew as one moves a slider or draws
    }  # fmt: skip


def thumbnail(pictures: Sequence[Tensor]) -> str:
    """A data address of at most 4 KB: one picture, or the first four in a square; "" without any."""
    if not pictures:
        return ""
    first = pictures[0]
    if len(pictures) >= 4 and all(one.shape == first.shape for one in pictures[:4]):
        first = images.make_grid(torch.cat(list(pictures[:4])), columns=2)
    height, width = first.shape[-2:]
    if width > 3 * height:  # a strip: its first picture
        first = first[..., :height]
    return "data:image/webp;base64," + base64.b64encode(encode_thumbnail(first)).decode()


def remembered(desk: Desk, outcome: Outcome | None, memory: Memory | None) -> tuple[str, Memory]:
    """A tab's newest outcome as an entry of the tray, as JSON, and the memory of its files."""
    memory = memory or Memory()
    if outcome is None:
        return "", memory
    memory.keep(outcome)
    pictures = [images.load_image(file, max_side=512) for file in outcome.files[:4]]
    return json.dumps(entry(desk, outcome.creation, pictures, film=bool(outcome.film))), memory


# ---- side by side, and to share


def compare(desk: Desk, ask: Any, memory: Memory | None) -> tuple[Any, Any, Any, Any, Memory]:
    """Two results side by side."""
    memory = memory or Memory()
    sides = [outcome_of(desk.bench, memory, _asked(ask, name)) for name in ("code", "other")]
    return gr.Row(visible=True), *[_large(desk, one) for one in sides], memory


def _large(desk: Desk, outcome: Outcome) -> gr.Image:
    """A result beside another: its picture, or a wall of its first sixteen."""
    path, pictures = outcome.files[0], list(_read(outcome.files[:16]))
    if len(pictures) > 1 and all(one.shape == pictures[0].shape for one in pictures):
        mark = marks.mark_of(outcome.creation, desk.bench.library, shows="sheet")
        path = parts.save_png(images.make_grid(torch.cat(pictures)), f"{file_stem(outcome.creation)}-wall", mark)
    return gr.Image(path, label=in_words(outcome.creation), visible=True, elem_classes=_look(outcome, "tray-large"))


def share(desk: Desk, ask: Any, memory: Memory | None) -> tuple[Any, Any, Any, Memory]:
    """A card with pictures, model, seed and link, as one picture."""
    memory = memory or Memory()
    code, link = _asked(ask, "code"), _asked(ask, "link")[:300]
    outcome = outcome_of(desk.bench, memory, code)
    pictures = list(_read(outcome.files[:CARD_PICTURES]))
    photo = memory.photos_of(outcome.creation).get(getattr(outcome.creation, "photo", ""))
    before = list(_read([photo])) if photo else []
    title = in_words(outcome.creation)
    shown = before + pictures[:1] if before else pictures
    drawn = card.compose(shown, title, link, pair=bool(before), pixels="pixels" in _look(outcome))
    mark = marks.mark_of(outcome.creation, desk.bench.library, shows="sheet")
    path = parts.save_png(drawn, f"{file_stem(outcome.creation)}-card", mark)
    large = gr.Image(path, label=f"Share card: {title}", elem_classes=["tray-large"])
    return gr.Row(visible=True), large, gr.Image(visible=False), memory


def _look(outcome: Outcome, *others: str) -> list[str]:
    """The CSS classes of a result's picture: those of pixel art keep hard edges."""
    return parts.look_of(getattr(outcome.creation, "model", None), *others)


def _read(files: Iterable[str]) -> Iterator[Tensor]:
    for file in files:
        yield images.load_image(file, max_side=1024)


def _asked(ask: Any, name: str) -> str:
    value = ask.get(name) if isinstance(ask, Mapping) else None
    if not isinstance(value, str):
        raise ConfigError("This button did not say which picture is meant: load the page anew.")
    return value
