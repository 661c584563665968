"""A small network that reads class and attributes of pictures, its file, and what it reads of a generator's pictures.

It is what measurements ask: benchmarks/showpieces.py and training/find_directions.py. The questions and their answers
("glasses": "no", "yes") are kept in the file beside the weights.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganhub.data import Pictures
from ganhub.errors import DataError
from ganhub.files import write_atomically
from ganhub.images import on_background
from ganhub.models import StyleGenerator
from ganhub.nn.precision import has_bf16

BATCH = 100
SURE = 0.8  # probability of an answer above which it says something when it changes
Labels = dict[str, Tensor]
Questions = Mapping[str, Sequence[str]]


class Reader(nn.Module):
    """Pictures [N, C, H, W] in [-1, 1] -> logits of each question, {"class": [N, K], ...}.

    A picture with alpha is seen on black, and its alpha: colours below what is transparent count for nothing.

    Args:
        channels: Of the pictures.
        questions: Each with its possible answers.
    """

    def __init__(self, channels: int, questions: Questions) -> None:
        super().__init__()
        self.channels, self.questions = channels, {name: tuple(values) for name, values in questions.items()}

        def block(inputs: int, outputs: int, stride: int = 1, size: int = 3) -> nn.Sequential:
            conv = nn.Conv2d(inputs, outputs, size, stride, 1, bias=False)
            return nn.Sequential(conv, nn.BatchNorm2d(outputs), nn.ReLU())

        self.body = nn.Sequential(  # half the size at once: most of the time goes into large maps
            block(channels, 32, 2, size=4), block(32, 48), block(48, 96, 2), block(96, 96), block(96, 96, 2),
            nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Dropout(0.2),
        )  # fmt: skip
        self.heads = nn.ModuleDict({name: nn.Linear(96 * 16, len(values)) for name, values in self.questions.items()})

    def forward(self, pictures: Tensor) -> Labels:
        if pictures.shape[1] == 4:
            pictures = torch.cat([on_background(pictures, -1), pictures[:, 3:]], dim=1)
        x = self.body(pictures)
        return {name: head(x) for name, head in self.heads.items()}


def questions_of(pictures: Pictures, names: Sequence[str]) -> Questions:
    """The class, and the attributes of these names, each with its answers."""
    return {"class": pictures.class_names, **{name: pictures.captions.names[name] for name in names}}


def answers(pictures: Pictures, first: int, count: int, names: Sequence[str]) -> tuple[Tensor, Labels]:
    """Pictures and what is known of them; -1 where nothing is."""
    batch = pictures.batch(first, count)
    known = {name: pictures.attribute(name, first, count) for name in names}
    return batch.images, {"class": batch.labels, **known}


def train_reader(pictures: Pictures, names: Sequence[str], epochs: int, say: Callable[[str], None]) -> Reader:
    """Train on all training pictures, shifted by up to two pixels."""
    torch.manual_seed(0)
    reader = Reader(pictures.batch(0, 1).images.shape[1], questions_of(pictures, names))
    reader = reader.to(memory_format=torch.channels_last)
    steps = epochs * len(pictures) // BATCH
    known = {name: pictures.attribute(name, 0, steps * BATCH) for name in names}
    optimiser = torch.optim.AdamW(reader.parameters(), lr=1e-3, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 3e-3, total_steps=steps, pct_start=0.2)
    shifts = torch.Generator().manual_seed(0)
    for step in range(steps):
        batch, part = pictures.batch(step * BATCH, BATCH), slice(step * BATCH, (step + 1) * BATCH)
        wanted = {"class": batch.labels, **{name: values[part] for name, values in known.items()}}
        dx, dy = torch.randint(-2, 3, (2,), generator=shifts).tolist()
        shifted = batch.images.roll((dx, dy), (2, 3)).contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16, enabled=has_bf16(torch.device("cpu"))):  # twice as fast
            logits = {k: x.float() for k, x in reader(shifted).items()}
        losses = [F.cross_entropy(logits[k], wanted[k], ignore_index=-1) for k in logits if (wanted[k] >= 0).any()]
        optimiser.zero_grad(set_to_none=True)
        sum(losses).backward()
        optimiser.step()
        schedule.step()
        if step % 100 == 0:
            say(f"reader: step {step} of {steps}, loss {sum(losses).item():.2f}")
    return reader.eval()


@torch.inference_mode()
def read(reader: Reader, pictures: Tensor) -> Labels:
    """The most likely answer of each question, [N]."""
    parts = [{name: x.argmax(1) for name, x in reader(part).items()} for part in pictures.split(250)]
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}


def right(given: Tensor, truth: Tensor) -> float:
    """Share of right answers where the truth is known."""
    return (given == truth)[truth >= 0].float().mean().item()


def save_reader(reader: Reader, path: str | Path) -> None:
    """Write weights and questions as one .safetensors."""
    from safetensors.torch import save_file

    about = {"channels": str(reader.channels), "questions": json.dumps(reader.questions)}
    state = {name: tensor.contiguous() for name, tensor in reader.state_dict().items()}
    write_atomically(path, lambda place: save_file(state, place, metadata=about))


def load_reader(path: str | Path) -> Reader:
    """Read what :func:`save_reader` wrote.

    Raises:
        DataError: No such file, or no reader in it.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(path), "pt") as file:
            about = file.metadata() or {}
            reader = Reader(int(about["channels"]), json.loads(about["questions"]))
            reader.load_state_dict({name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118
    except (OSError, SafetensorError, KeyError, ValueError, TypeError, RuntimeError) as error:
        raise DataError(f"{path} holds no reader that can be used ({error}): train it again.") from None
    return reader.to(memory_format=torch.channels_last).eval()


def open_reader(path: str, held: Pictures, names: Sequence[str], learn: Callable[[], Reader]) -> Reader:
    """The reader of a file, or a new one, which is kept there.

    Raises:
        DataError: The file's reader answers other questions than these pictures ask.
    """
    if path and Path(path).is_file():
        reader = load_reader(path)
        asked = {name: tuple(values) for name, values in questions_of(held, names).items()}
        if reader.questions != asked or reader.channels != held.batch(0, 1).images.shape[1]:
            raise DataError(
                f"{path} reads other classes or attributes than these pictures have, or other channels: name another."
            )
        return reader
    reader = learn()
    if path:
        save_reader(reader, path)
    return reader


# ---- pictures of a generator


@dataclass(frozen=True)
class Points:
    """Seeds that were looked at.

    Attributes:
        seeds: [N].
        labels: Their classes, [N].
        w: [N, style_dim].
        read: Their answers, each [N].
        sure: Whether the reader was sure of them, each [N].
    """

    seeds: Tensor
    labels: Tensor
    w: Tensor
    read: Labels
    sure: Labels

    def __getitem__(self, rows: Tensor) -> Points:
        answers, sure = ({name: values[rows] for name, values in table.items()} for table in (self.read, self.sure))
        return Points(self.seeds[rows], self.labels[rows], self.w[rows], answers, sure)

    def first(self, count: int) -> Points:
        """The first of them."""
        return self[torch.arange(min(count, len(self.seeds)))]


class Studio:
    """A generator and the reader that looks at its pictures; neither learns any more."""

    def __init__(self, model: StyleGenerator, reader: Reader) -> None:
        self.model, self.reader = model.requires_grad_(False), reader.requires_grad_(False)

    def logits(self, w: Tensor, seeds: Tensor) -> Labels:
        """The reader's logits for pictures of w [N, style_dim], each with the noise of its seed; with gradients."""
        with torch.autocast("cpu", torch.bfloat16, enabled=has_bf16(torch.device("cpu"))):
            pictures = self.model.synthesise(self.model.per_layer(w), self.model.noise(seeds.tolist()))
            return {name: x.float() for name, x in self.reader(pictures.clamp(-1, 1)).items()}

    @torch.inference_mode()
    def look(self, w: Tensor, seeds: Tensor) -> tuple[Labels, Labels]:
        """What is read of these pictures, and whether the reader is sure of it."""
        best = [{name: x.softmax(1).max(1) for name, x in self.logits(*part).items()}
                for part in zip(w.split(64), seeds.split(64), strict=True)]  # fmt: skip
        answers = {name: torch.cat([one[name].indices for one in best]) for name in best[0]}
        return answers, {name: torch.cat([one[name].values for one in best]) >= SURE for name in best[0]}

    def draw(self, first: int, count: int) -> Points:
        """The pictures of some seeds, all classes in turn."""
        seeds = torch.arange(first, first + count)
        labels = self.model.labels(count, None, first)
        if labels is None:
            labels = torch.zeros(count, dtype=torch.int64)
        w = self.model.to_w(self.model.latent(seeds.tolist()), labels if self.model.config.num_classes else None)
        answers, sure = self.look(w, seeds)
        return Points(seeds, labels, w, answers, sure)
