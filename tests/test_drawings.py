"""Pictures that the app has drawn lately are drawn once, and are the same whoever asks."""

from __future__ import annotations

import gc
import os
from pathlib import Path

import pytest
import torch

from ganhub.app.drawings import Drawings
from ganhub.creation.generate import at_once
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


def test_a_wall_is_drawn_in_few_goes_and_what_is_there_is_not_drawn_again(generator):
    drawings, told = Drawings(), []
    wanted = [(seed, seed % 2) for seed in range(5)] + [(0, 0)]
    first = drawings.paths_of(generator, "tiny", wanted[1:3], 0.7)
    paths = drawings.paths_of(generator, "tiny", wanted, 0.7, lambda *at: told.append(at))
    assert paths[1:3] == first and paths[5] == paths[0] and len(set(paths)) == 5
    assert told == [(3, 6)], "the three that were not there in one go"
    for path, (seed, label) in zip(paths, wanted, strict=True):
        alone = to_uint8(generator.sample(1, seed=seed, truncation=0.7, label=label)).int()
        assert (to_uint8(load_image(path, channels=generator.config.channels)).int() - alone).abs().max() <= 1


def test_large_pictures_are_drawn_one_by_one(generator, monkeypatch):
    height, width = generator.config.size
    monkeypatch.setattr("ganhub.creation.generate.PIXELS_AT_ONCE", 4 * height * width)
    told = []
    Drawings().paths_of(generator, "tiny", [(seed, None) for seed in range(9)], 1.0, lambda *at: told.append(at))
    assert told == [(0, 9), (4, 9), (8, 9)]
    monkeypatch.setattr("ganhub.creation.generate.PIXELS_AT_ONCE", 1)
    assert at_once(generator) == 1


def test_classes_whose_names_look_alike_as_files_have_pictures_of_their_own(monkeypatch, tmp_path):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    kind = get_architecture("conditional-gan")
    fields = kind.tiny().config.to_dict() | {"num_classes": 5, "class_names": ["猫", "犬", "C++", "C#", "x" * 300]}
    generator = kind(kind.Config.from_dict(fields)).eval()
    wanted = [(7, name) for name in generator.config.class_names]
    paths = Drawings().paths_of(generator, "tiny", wanted)
    assert len(set(paths)) == 5
    for path, (seed, label) in zip(paths, wanted, strict=True):
        alone = to_uint8(generator.sample(1, seed=seed, label=label)).int()
        assert (to_uint8(load_image(path, channels=generator.config.channels)).int() - alone).abs().max() <= 1
        assert open_image(path).text["label"] == label
