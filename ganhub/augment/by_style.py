"""New pictures by painting the ones there are: "Style Augmentation" (Jackson et al. 2018, arXiv:1809.05375).

The idea of the paper: a label belongs to the shapes, so textures and colours may change as they like.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from ganhub import images
from ganhub.augment.folder import Labelled, Names, New, OnStep, load
from ganhub.data.collection import is_picture
from ganhub.errors import ConfigError
from ganhub.images import provenance
from ganhub.images.colour import keep_colours as keep_colours_of
from ganhub.models import Stylizer
from ganhub.models._stylizer import SMALLEST_SIDE
from ganhub.nn.random import uniform

PAINTED_SIDE, LONGEST_SIDE = 128, 1024  # pixels: smaller pictures are painted enlarged, larger ones shrunk
STREAM = 0xA06  # keeps these draws apart from the latents of the same seeds


def plan_restyled(
    labelled: Labelled, wanted: dict[str, int], styles: Sequence[str], seed: int, strength: float
) -> list[New]:
    """Which original is painted in which style how strongly.

    The originals of a class take turns, in an order that the seed draws; each goes through the styles from one that
    the seed draws, so that it repeats none before it has had all. A strength lies between half of ``strength`` and it.
    """
    if not styles:
        raise ConfigError("Restyling needs a style: name one that the model knows, or the path of a picture.")
    if not 0 < strength <= 1:
        raise ConfigError(f"strength must be above 0 and at most 1, not {strength!r}.")
    stems = Counter(str(Path(one.name).with_suffix("")).lower() for one in labelled.originals)
    names, plan, before = Names(labelled), [], 0
    for label, count in wanted.items():
        pictures = labelled.classes[label]
        draws = uniform(range(seed + before, seed + before + len(pictures)), 2, stream=STREAM)
        order, first = draws[:, 0].argsort().tolist(), (draws[:, 1] * len(styles)).long().tolist()
        before += len(pictures)
        for k in range(count):
            which, turn = order[k % len(pictures)], k // len(pictures)
            one, style = pictures[which], styles[(first[which] + turn) % len(styles)]
            own_seed = seed + len(plan)
            share = uniform([own_seed], 1, stream=STREAM + 1).item()
            bare = Path(one.name).with_suffix("").as_posix()
            stem = bare if stems[str(Path(bare)).lower()] == 1 else one.name
            stem = stem.replace("{", "{{").replace("}", "}}")
            name = names.free(f"{stem}.style-{slug(style)}-{{}}.png", turn + 1)
            how = {"from": one.name, "style": style, "strength": round(strength * (0.5 + 0.5 * share), 3)}
            plan.append(New(name, label, {**how, "seed": own_seed}))
    return plan


def slug(style: str) -> str:
    """A style's name or file name as part of a file name."""
    stem = Path(style).stem if is_picture(style) else style
    return re.sub(r"[^a-z0-9]+", "-", stem.lower()).strip("-")[:40] or "unnamed"


def restyle_into(
    stylizer: Stylizer,
    out: Path,
    plan: Sequence[New],
    labelled: Labelled,
    styles: dict[str, Tensor | str],
    *,
    keep_colours: bool = False,
    on_step: OnStep | None = None,
) -> int:
    """Paint those pictures of the plan that are not there yet; returns how many.

    Args:
        styles: What each style of the plan is to the stylizer: a name or a picture.
    """
    originals = {one.name: one for one in labelled.originals}
    missing = [new for new in plan if not (out / new.name).is_file()]
    mark = provenance.bare(provenance.COMPOSITE)
    for done, new in enumerate(missing, start=1):
        one, how = originals[new.how["from"]], new.how
        channels = 4 if one.channels in (2, 4) else one.channels
        content = load(one, channels)
        keep = keep_colours or one.channels == 2  # grey with transparency
        painted = restyle(stylizer, content, styles[how["style"]], how["strength"], how["seed"], keep)
        images.save_image(painted, out / new.name, mark=mark)
        if on_step:
            on_step(done, len(missing))
    return len(missing)


def restyle(
    stylizer: Stylizer, content: Tensor, style: Tensor | str, strength: float, seed: int, keep_colours: bool = False
) -> Tensor:
    """One picture [1, C, H, W] in [-1, 1], C = 1, 3 or 4, painted: grey stays grey, transparency what it was.

    Small pictures are painted enlarged and shrunk back, so that strokes are smaller than what is shown; those with a
    side above 1,024 pixels come back shrunk to it. ``keep_colours`` takes only the brightness from the painting.
    """
    height, width = content.shape[-2:]
    if (factor := LONGEST_SIDE / max(height, width)) < 1:
        height, width = max(1, round(height * factor)), max(1, round(width * factor))
        content = images.resize(content, (height, width))
    factor = max(1.0, PAINTED_SIDE / min(height, width))
    side = [min(max(round(length * factor), SMALLEST_SIDE), 2 * LONGEST_SIDE) for length in (height, width)]
    colour = content[:, :3].expand(-1, 3, -1, -1)
    with torch.no_grad():
        painted = stylizer.stylize(images.resize(colour, tuple(side)), style, strength=strength, seed=seed)
    painted = images.resize(painted.cpu().float(), (height, width))
    if keep_colours or content.shape[1] == 1:
        painted = keep_colours_of(colour, painted)
    return torch.cat([painted[:, : min(content.shape[1], 3)], content[:, 3:]], dim=1)
