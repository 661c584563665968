"""[data.other]: pictures drawn beside the first ones, and a style network trained on both, stopped and resumed."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from ganhub import AutoModel
from ganhub.data import DataConfig, open_data
from ganhub.errors import ConfigError
from ganhub.images import save_image
from ganhub.nn.random import uniform
from ganhub.trainer import Trainer, make_recipe
from ganhub.trainer.checkpoint import list_checkpoints


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Six noisy photos of 40 x 48, and three flat styles: grey value 50 k tells style k apart."""
    for k in range(6):
        save_image(uniform([k], 3, 40, 48) * 2 - 1, tmp_path / f"photos/{k}.png")
    for k, name in enumerate(("dots", "glass", "waves")):
        save_image(torch.full((1, 3, 24, 24), 50 * k / 127.5 - 1) + 0.02 * uniform([k], 3, 24, 24),
                   tmp_path / f"styles/{name}.png")  # fmt: skip
    return tmp_path / "photos", tmp_path / "styles"


def tables(folders: tuple[Path, Path], **train) -> dict:
    photos, styles = map(str, folders)
    return {
        "model": {"architecture": "fast-style", "style_names": ["dots", "glass", "waves"], "width": 8,
                  "deep_width": 8, "blocks": 1},
        "objective": {"scales": 1},
        "train": {"images": 24, "batch_size": 4, "checkpoint_every": 8, "log_every": 8, "licence": "mit", **train},
        "data": {"path": photos, "size": 32, "crop": "random",
                 "other": {"path": styles, "labels": "file", "size": 16}},
    }  # fmt: skip


def test_each_picture_comes_with_one_of_the_other_collection(folders):
    photos, styles = map(str, folders)
    config = DataConfig(path=photos, crop="random", other={"path": styles, "labels": "file", "size": 16})
    pictures = open_data(config, height=32, width=32, channels=3, labelled=False)
    assert pictures.class_names == () and pictures.other.class_names == ("dots", "glass", "waves")
    batch = pictures.batch(5, 6)
    assert batch.images.shape == (6, 3, 32, 32) and batch.labels is None
    assert batch.other.images.shape == (6, 3, 16, 16) and batch.other.other is None
    grey = ((batch.other.images.mean((1, 2, 3)) + 1) * 127.5 / 50).round().long()
    assert torch.equal(grey, batch.other.labels) and set(grey.tolist()) == {0, 1, 2}, "each label is its picture's"
    again = pictures.batch(7, 2)
    assert torch.equal(again.other.images, batch.other.images[2:4])
    alone = open_data(DataConfig(path=photos, crop="random"), height=32, width=32, channels=3, labelled=False)
    assert torch.equal(alone.batch(5, 6).images, batch.images) and alone.batch(0, 1).other is None
    with pytest.raises(ConfigError, match="no field 'pth'. Did you mean 'path'"):
        open_data(DataConfig(path=photos, other={"pth": styles}), height=32, width=32, channels=3, labelled=False)


def test_a_style_network_trains_resumes_bit_for_bit_and_ends_as_a_hub_folder(folders, tmp_path):
    whole = Trainer(make_recipe(tables(folders)), tmp_path / "whole", quiet=True)
    whole.run()
    parts = tmp_path / "parts"
    Trainer(make_recipe(tables(folders, images=8)), parts, quiet=True).run()
    assert [path.stem for path in list_checkpoints(parts / "checkpoints")] == ["000000000008"]
    resumed = Trainer(make_recipe(tables(folders)), parts, quiet=True)
    resumed.run()
    for a, b in zip(whole.model.state_dict().values(), resumed.model.state_dict().values(), strict=True):
        assert torch.equal(a, b)
    model = AutoModel.from_pretrained(parts)
    painted = model.stylize(uniform([9], 3, 40, 48) * 2 - 1, "glass")
    assert painted.shape == (1, 3, 40, 48) and painted.isfinite().all()
    assert "fast-style" in (parts / "README.md").read_text(encoding="utf-8")


def test_styles_that_are_not_the_model_s_are_named(folders, tmp_path):
    wrong = tables(folders)
    wrong["model"]["style_names"] = ["dots", "glass", "wash"]
    with pytest.raises(ConfigError, match="style_names .dots, glass, wash.* it holds dots, glass, waves"):
        Trainer(make_recipe(wrong), tmp_path / "run")
    without = tables(folders)
    del without["data"]["other"]
    with pytest.raises(ConfigError, match="it holds nothing"):
        Trainer(make_recipe(without), tmp_path / "run")
