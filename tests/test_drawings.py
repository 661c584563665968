"""Pictures that the app has drawn lately are drawn once, and are the same whoever asks."""

from __future__ import annotations

import gc
import os
from pathlib import Path

import pytest
import torch

from ganhub.app.drawings import Drawings
from ganhub.images import load_image, open_image, to_uint8
from ganhub.models import get_architecture


@pytest.fixture
def generator(monkeypatch, tmp_path):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    return get_architecture("conditional-gan").tiny().eval()


def test_a_picture_is_drawn_once_and_is_the_library_s_own(generator):
    drawings = Drawings()
    first = drawings.path_of(generator, "tiny", 7, 0.5, 1)
    assert torch.equal(to_uint8(load_image(first, channels=generator.config.channels)),
                       to_uint8(generator.sample(1, seed=7, truncation=0.5, label=1)))  # fmt: skip
    assert open_image(first).text["seed"] == "7" and open_image(first).text["label"] == "1"
    os.utime(first, (0, 0))
    assert drawings.path_of(generator, "tiny", 7, 0.5, 1) == first
    assert os.stat(first).st_mtime > 0, "a picture that is asked for again is not the oldest"
    others = {drawings.path_of(generator, "tiny", seed, psi, label)
              for seed, psi, label in ((8, 0.5, 1), (7, 0.6, 1), (7, 0.5, 0))}  # fmt: skip
    assert len(others | {first}) == 4


def test_what_the_quota_deleted_is_drawn_anew(generator):
    drawings = Drawings()
    first = drawings.path_of(generator, "tiny", 1)
    before = Path(first).read_bytes()
    Path(first).unlink()
    second = drawings.path_of(generator, "tiny", 1)
    assert second != first and Path(second).read_bytes() == before


def test_another_model_of_the_same_name_has_pictures_of_its_own(generator):
    drawings = Drawings()
    first = drawings.path_of(generator, "tiny", 1)
    torch.manual_seed(9)
    other = get_architecture("conditional-gan").tiny().eval()
    assert drawings.path_of(other, "tiny", 1) != first
    del other
    gc.collect()
    assert len(drawings._paths) == 1, "what is gone is forgotten"
