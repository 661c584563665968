"""Calls that borrow a GPU: as they are without one, and their values fit through the door of another process."""

from __future__ import annotations

import multiprocessing
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from ganhub.app import gpu
from ganhub.creation import Edit, Generate, Inputs, Interpolate, LocalLibrary, Style, Translate, render
from ganhub.images import save_image
from ganhub.models import get_architecture
from ganhub.nn.random import uniform


@pytest.fixture
def photo(models_folder: Path, tmp_path: Path) -> Path:
    for name in ("stylegan2", "pix2pix", "conditional-gan"):
        get_architecture(name).tiny().save_pretrained(models_folder / f"tiny-{name}")
    save_image(uniform([1], 3, 40, 32) * 2 - 1, tmp_path / "photo.png")
    return tmp_path / "photo.png"


def test_values_and_results_travel_to_another_process_and_back(photo: Path) -> None:
    """As ZeroGPU has it: a picture by its file, and one by its bytes."""
    file, data = Inputs(photo), Inputs(photo.read_bytes())
    (digest,) = file._known
    asked = [
        (Translate(model="tiny-pix2pix", photo=digest), file), (Translate(model="tiny-pix2pix", photo=digest), data),
        (Edit(model="tiny-stylegan2", seed=3), file),
        (Interpolate(model="tiny-conditional-gan", seeds=(1, 2), frames=4), file),
    ]  # fmt: skip
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        results = pool.starmap(gpu.render_there, asked)
    for (creation, inputs), result in zip(asked, results, strict=True):
        expected = render(creation, LocalLibrary(), inputs=inputs)
        for name in ("pictures", "film"):
            one, other = getattr(result, name), getattr(expected, name)
            assert one is other is None or (one - other).abs().max() < 0.05
        assert result.tensors.keys() == expected.tensors.keys() and result.text == expected.text


def test_a_drawing_by_name_is_the_usual_one(photo: Path) -> None:
    wall = Generate(model="tiny-conditional-gan", seed=4, count=3, labels=("ring",), truncation=0.7)
    there = gpu.draw_there(wall.model, wall.wanted(), wall.truncation)
    assert torch.equal(there, render(wall, LocalLibrary()).pictures)


def test_slow_work_borrows_for_longer() -> None:
    digest = "0" * 64
    seconds = [gpu.seconds_of(one, Inputs()) for one in (
        Generate(model="a"), Style(model="fast-style", photo=digest, styles=(("waves", 1),)),
        Style(model="gatys", photo=digest, styles=((digest, 1),)),
    )]  # fmt: skip
    assert seconds == sorted(seconds) and seconds[0] < seconds[2] <= 120


def test_without_a_lent_gpu_nothing_of_spaces_is_asked() -> None:
    code = "import sys, ganhub.app.gpu as gpu; assert not gpu.is_lent() and 'spaces' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_the_decorator_of_spaces_takes_our_functions() -> None:
    spaces = pytest.importorskip("spaces")
    assert spaces.GPU(duration=gpu.seconds_of)(gpu.render_there) is gpu.render_there, "it is none off ZeroGPU"
