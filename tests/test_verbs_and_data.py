"""What each verb says of the pictures that it is trained on, and of the sheet that shows it; the state of a run."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from ganhub.data import DataConfig, open_data
from ganhub.errors import ConfigError
from ganhub.images import save_image
from ganhub.models import get_architecture, list_architectures
from ganhub.trainer import Trainer, make_recipe
from ganhub.trainer.checkpoint import load_checkpoint


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Two pictures each of the classes circle, cross and ring."""
    generator = torch.Generator().manual_seed(0)
    for name in ("circle", "cross", "ring"):
        for k in range(2):
            save_image(torch.rand((1, 3, 40, 40), generator=generator) * 2 - 1, tmp_path / "set" / name / f"{k}.png")
    return tmp_path / "set"


@pytest.mark.parametrize("architecture", list_architectures())
def test_pictures_are_read_as_the_model_needs_them(architecture: str, data: Path) -> None:
    model = get_architecture(architecture).tiny()
    needs = model.needs(48)
    pictures = open_data(DataConfig(path=str(data)), **needs)
    assert pictures.batch(0, 2).images.shape == (2, needs["channels"], needs["height"], needs["width"])
    assert (pictures.batch(0, 2).labels is not None) == needs["labelled"]
    assert model.watched == (model.preview(3) is not None), "what draws from seeds is shown and watched"


def test_what_a_model_needs_is_its_own_size_or_the_recipe_s() -> None:
    stylegan = get_architecture("stylegan2").tiny()
    assert stylegan.needs(48) == {
        "height": stylegan.config.size[0], "width": stylegan.config.size[1], "channels": stylegan.config.channels,
        "labelled": bool(stylegan.config.num_classes),
    }  # fmt: skip
    assert get_architecture("conditional-gan").tiny().needs(48)["labelled"]
    pix2pix = get_architecture("pix2pix").tiny()
    side = pix2pix.config.image_size
    assert pix2pix.needs(48) == {"height": side, "width": side, "channels": 3, "labelled": False}
    assert get_architecture("cyclegan").tiny().needs(48)["height"] == 48


def test_a_preview_is_the_pictures_of_the_first_seeds() -> None:
    model = get_architecture("conditional-gan").tiny().eval()
    assert torch.equal(model.preview(5), model.sample(5, seed=0))


def test_class_names_come_from_the_data_and_must_fit(data: Path) -> None:
    family = get_architecture("conditional-gan")
    config = family.tiny().config
    pictures = open_data(DataConfig(path=str(data)), **family.tiny().needs(0))
    blank = type(config).from_dict({**config.to_dict(), "class_names": ()})
    assert family(blank).accept(pictures).class_names == ("circle", "cross", "ring") == pictures.class_names
    two = type(config).from_dict({**config.to_dict(), "num_classes": 2, "class_names": ()})
    with pytest.raises(ConfigError, match="The data has 3 classes, the model num_classes = 2: set model.num_classes"):
        family(two).accept(pictures)
    other = type(config).from_dict({**config.to_dict(), "class_names": ("a", "b", "c")})
    with pytest.raises(ConfigError, match="not those that the model was made for"):
        family(other).accept(pictures)
    unconditional = get_architecture("dcgan").tiny()
    assert unconditional.accept(pictures) is unconditional.config


def test_a_model_of_named_styles_takes_these_and_no_others(data: Path, tmp_path: Path) -> None:
    model = get_architecture("fast-style").tiny()
    for name in model.style_names:
        save_image(torch.zeros(1, 3, 40, 40), tmp_path / "styles" / f"{name}.png")
    styles = {"path": str(tmp_path / "styles"), "labels": "file"}
    assert model.accept(open_data(DataConfig(path=str(data), other=styles), **model.needs(32))) is model.config
    with pytest.raises(ConfigError, match=r"one picture for each of the model's style_names \(dots, waves\).*nothing"):
        model.accept(open_data(DataConfig(path=str(data)), **model.needs(32)))
    (tmp_path / "styles" / "dots.png").rename(tmp_path / "styles" / "lines.png")
    with pytest.raises(ConfigError, match="it holds lines, waves"):
        model.accept(open_data(DataConfig(path=str(data), other=styles), **model.needs(32)))


def test_the_state_is_saved_and_put_back_as_a_whole(data: Path, tmp_path: Path) -> None:
    config = get_architecture("dcgan").tiny().config.to_dict()
    tables = {
        "model": {"architecture": "dcgan", **config}, "train": {"images": 64, "batch_size": 4, "watch": False},
        "data": {"path": str(data)},
    }  # fmt: skip
    run = Trainer(make_recipe(tables), tmp_path / "run", quiet=True)
    for _ in range(3):
        run._step()
    run.save()
    held = load_checkpoint(tmp_path / "run" / "checkpoints")
    assert set(held) == {  # a run of an earlier ganhub goes on from these
        "images_seen", "step", "drawn", "seconds", "model", "objective", "ema", "optimizers", "random", "cuda",
        "fingerprint", "record",
    }  # fmt: skip
    assert (held["images_seen"], held["step"], held["drawn"]) == (12, 3, 24)
    new = Trainer(make_recipe(tables), tmp_path / "new", quiet=True).state
    new.load_dict(held)
    assert (new.images_seen, new.step, new.drawn) == (12, 3, 24)
    for part in ("model", "objective", "ema"):
        now, then = getattr(new, part).state_dict(), held[part]
        assert now.keys() == then.keys() and all(torch.equal(now[name], then[name]) for name in then)
