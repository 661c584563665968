"""Teach a generator of other settings to draw what a trained one draws, and train on from there.

    python training/teach_generator.py model_cards/stylegan2-avatars --set palette=16 --out runs/avatars-palette

The new one takes over every tensor that it has in the same shape; then both draw the same seeds, and the new one
learns to give the same pictures (mean absolute difference). No discriminator and no data are needed. A later
``train.init=runs/avatars-palette`` trains the result on. The idea is that of "Distilling the Knowledge in a Neural
Network" (Hinton et al. 2015, arXiv:1503.02531), of pictures instead of classes.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

sys.path[:0] = [str(Path(__file__).resolve().parent.parent)]

from ganhub import AutoModel  # noqa: E402
from ganhub.errors import ConfigError, GanhubError  # noqa: E402
from ganhub.models import StyleGenerator  # noqa: E402
from ganhub.nn.precision import has_bf16  # noqa: E402

SAME = ("image_size", "image_width", "channels", "num_classes", "latent_dim")  # or the same seeds are other pictures


def changes_of(texts: list[str]) -> dict[str, Any]:
    """Settings from NAME=VALUE, values as in JSON; anything else is taken as text.

    Raises:
        ConfigError: For a text without "=".
    """
    changes = {}
    for text in texts:
        name, sign, value = text.partition("=")
        if not sign:
            raise ConfigError(f"--set takes NAME=VALUE, not {text!r}.")
        try:
            changes[name] = json.loads(value)
        except json.JSONDecodeError:
            changes[name] = value
    return changes


def student_of(teacher: StyleGenerator, changes: dict[str, Any]) -> StyleGenerator:
    """A model of the teacher's settings but for ``changes``, with what it has in common with the teacher.

    Raises:
        ConfigError: For a setting that is none, or one that must stay.
    """
    settings = teacher.config.to_dict()
    student = type(teacher)(type(teacher).Config.from_dict(settings | changes))
    if moved := [name for name in SAME if getattr(student.config, name, None) != settings.get(name)]:
        raise ConfigError(f"Both draw pictures of the same size, channels, classes and latents: leave {moved[0]}.")
    own, given = student.state_dict(), teacher.state_dict()
    own.update({name: x for name, x in given.items() if name in own and own[name].shape == x.shape})
    student.load_state_dict(own)
    return student.train()


def lesson(student: StyleGenerator, teacher: StyleGenerator, seeds: Tensor) -> Tensor:
    """Mean absolute difference of both players' pictures of the same seeds and classes, styles mixed; a scalar."""
    classes = teacher.config.num_classes
    label = torch.randint(classes, seeds.shape) if classes else None
    with torch.no_grad():
        wanted = teacher.make(seeds, label)
    with torch.autocast(seeds.device.type, torch.bfloat16, enabled=has_bf16(seeds.device)):
        made = student.make(seeds, label)
    return (made.float() - wanted).abs().mean()


def teach(student: StyleGenerator, teacher: StyleGenerator, pictures: int, rate: float, batch: int = 32) -> None:
    """Adam with a rate that falls linearly over the last half."""
    steps = max(pictures // batch, 1)
    learner = torch.optim.Adam(student.parameters(), rate, betas=(0.0, 0.99))
    fall = torch.optim.lr_scheduler.LambdaLR(learner, lambda step: min(1.0, 2 - 2 * step / steps))
    began, recent = time.monotonic(), []
    for step in range(steps):
        loss = lesson(student, teacher, torch.arange(step * batch, (step + 1) * batch))
        learner.zero_grad()
        loss.backward()
        learner.step()
        fall.step()
        recent.append(loss.item())
        if step % 100 == 99 or step + 1 == steps:
            speed = (step + 1) * batch / (time.monotonic() - began)
            print(f"{(step + 1) * batch:,} pictures, difference {sum(recent) / len(recent):.4f}, {speed:.0f}/s")
            recent.clear()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("teacher", type=Path, help="a model's folder")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a setting of the new model")
    parser.add_argument("--pictures", type=int, default=40_000)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--out", type=Path, required=True, help="a new folder")
    arguments = parser.parse_args()
    try:
        teacher = AutoModel.from_pretrained(arguments.teacher)
        if not isinstance(teacher, StyleGenerator):
            raise ConfigError(f"{arguments.teacher} holds no style generator: only these can be taught here.")
        student = student_of(teacher, changes_of(arguments.set))
    except GanhubError as error:
        sys.exit(str(error))
    teach(student, teacher.train(), arguments.pictures, arguments.rate)
    student.eval().save_pretrained(arguments.out)
    print(f"Wrote {arguments.out}.")


if __name__ == "__main__":
    main()
