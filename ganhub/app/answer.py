"""What a Creation became, as files: for callers who have no page."""

from __future__ import annotations

import mimetypes
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import torch
from torch import Tensor

from ganhub import images
from ganhub.app import _parts as parts
from ganhub.app.declared import Bench
from ganhub.app.gpu import render
from ganhub.app.jobs import Report
from ganhub.creation import Creation, Generate, Inputs, Result, marks
from ganhub.images import video
from ganhub.images.provenance import Mark

SHEET = 1024  # pixels of the longer side of a sheet


@dataclass(frozen=True)
class Answer:
    """Files of a Creation, as Gradio's dictionaries; ``look`` is one of them or a sheet, or None."""

    look: dict[str, Any] | None
    files: Sequence[dict[str, Any]]
    text: str


def answer_of(bench: Bench, creation: Creation, inputs: Inputs, report: Report) -> Answer:
    """Make a Creation and write its files; ``report`` may end the work."""
    if isinstance(creation, Generate):
        paths = bench.drawings.of(creation, bench.library, report)
        look = paths[0] if len(paths) == 1 else _sheet(bench, creation, [images.load_image(path) for path in paths])
        return Answer(file_data(look), [file_data(path) for path in paths], _sentence(creation, len(paths)))
    result = render(creation, bench.library, lambda step, steps, early: report(step, steps), inputs=inputs)
    if result.film is not None:
        return _film(bench, creation, result)
    pictures = [] if result.pictures is None else list(result.pictures)
    layouts = [marks.Layout(picked=(place,)) if len(pictures) > 1 else None for place in range(len(pictures))]
    mark = [marks.mark_of(creation, bench.library, layout, inputs=inputs) for layout in layouts]
    paths = [_saved(creation, *given, result.srgb) for given in zip(pictures, mark, strict=True)]
    look = paths[0] if len(paths) == 1 else _sheet(bench, creation, pictures) if paths else None
    text = result.text or _sentence(creation, len(paths))
    return Answer(file_data(look) if look else None, [file_data(path) for path in paths], text)


def file_data(path: str) -> dict[str, Any]:
    """Gradio's dictionary of a file that lies in the folder of results."""
    kind = mimetypes.guess_type(path)[0] or "application/octet-stream"
    return {
        "path": path, "url": f"/gradio_api/file={quote(path)}", "orig_name": Path(path).name, "mime_type": kind,
        "size": Path(path).stat().st_size, "is_stream": False, "meta": {"_type": "gradio.FileData"},
    }  # fmt: skip


def _film(bench: Bench, creation: Creation, result: Result) -> Answer:
    moving = parts.scratch(f"{creation.verb}.{getattr(creation, 'format', 'mp4')}")
    video.save_video(result.film, moving, fps=getattr(creation, "fps", 24), mark=marks.mark_of(creation, bench.library))
    layout = marks.strip(result.film)
    mark = marks.mark_of(creation, bench.library, layout)
    strip = parts.save_png(layout.arrange(result, bench.library), "strip", mark)
    return Answer(file_data(strip), [file_data(str(moving))], result.text or f"A film of {len(result.film)} frames.")


def _sheet(bench: Bench, creation: Creation, pictures: Sequence[Tensor]) -> str:
    """All pictures as one, no larger than can be looked at."""
    stacked = torch.cat([picture.view(1, *picture.shape[-3:]) for picture in pictures])
    grid = images.make_grid(stacked)
    if max(grid.shape[-2:]) > SHEET:
        height, width = (max(1, round(side * SHEET / max(grid.shape[-2:]))) for side in grid.shape[-2:])
        grid = images.resize(grid.view(1, *grid.shape[-3:]), (height, width)).clamp(-1, 1)[0]
    return parts.save_png(grid, f"{creation.verb}-sheet", marks.mark_of(creation, bench.library, shows="sheet"))


def _saved(creation: Creation, picture: Tensor, mark: Mark | None, srgb: bool) -> str:
    path = parts.scratch(f"{creation.verb}.png")
    images.save_image(picture, path, srgb=srgb, mark=mark)
    return str(path)


def _sentence(creation: Creation, count: int) -> str:
    if isinstance(creation, Generate):
        last = creation.seed + creation.count - 1
        return f"Seed {creation.seed}." if count == 1 else f"{count} pictures, seeds {creation.seed} to {last}."
    return "One picture." if count == 1 else f"{count} pictures."
