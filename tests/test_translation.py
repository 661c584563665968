"""Translators: the contract of the verb, pairs of pictures, Pix2Pix against closed forms and scikit-image."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from skimage.color import lab2rgb, rgb2lab

from ganhub import AutoModel, list_architectures
from ganhub.data import DataConfig, open_data
from ganhub.errors import ConfigError, DataError, ImageError
from ganhub.images import from_uint8, load_image, save_image, to_uint8
from ganhub.images.colour import from_lab, to_lab
from ganhub.models import Translator, get_architecture
from ganhub.models.pix2pix import Pix2Pix, Pix2PixConfig, UNet
from ganhub.nn.random import uniform
from ganhub.objectives import Batch, get_objective
from ganhub.trainer import Trainer, make_recipe
from ganhub.trainer.checkpoint import list_checkpoints

TRANSLATORS = [cls for cls in map(get_architecture, list_architectures()) if issubclass(cls, Translator)]
every = pytest.mark.parametrize("cls", TRANSLATORS, ids=lambda cls: cls.architecture)


def pictures(*seeds: int, height: int = 32, width: int = 40) -> torch.Tensor:
    """Coloured clouds [N, 3, H, W] in [-1, 1], one for each seed."""
    small = uniform(list(seeds), 3, 6, 6) * 2 - 1
    return F.interpolate(small, (height, width), mode="bilinear", align_corners=False)


# The verb


@every
@pytest.mark.parametrize("size", [(1, 1), (5, 90), (33, 40), (64, 64)])
def test_any_size_comes_back_scaled_in_range_and_alone_as_in_a_batch(cls, size):
    model = cls.tiny().eval()
    image = pictures(1, 2, height=size[0], width=size[1])
    made = model.translate(image)
    assert made.shape == (2, 3, size[0] * model.scale, size[1] * model.scale)
    assert made.isfinite().all() and made.abs().max() <= 1 and not made.requires_grad
    torch.testing.assert_close(model.translate(image[1:]), made[1:], atol=1e-4, rtol=1e-3)
    assert torch.equal(model.translate(image), made), "the same picture, the same translation"
    assert model.translate(image.double()).dtype == torch.float64


@every
def test_what_is_no_picture_or_too_large_is_said(cls):
    model = cls.tiny().eval()
    for wrong in (torch.zeros(1, 1, 32, 32), torch.zeros(3, 32, 32), torch.zeros(1, 3, 0, 32), "photo.png"):
        with pytest.raises(ImageError, match=r"RGB \[N, 3, H, W\], not"):
            model.translate(wrong)
    with pytest.raises(ImageError, match="at most 64,000,000 are made"):
        model.translate(torch.zeros(1).expand(1, 3, 9_000, 9_000))


# Colour


def test_lab_is_scikit_image_s_and_comes_back():
    image = uniform([1, 2], 3, 16, 16) * 2 - 1
    ours = to_lab(image)
    assert ours.abs().max() <= 1
    theirs = rgb2lab(((image + 1) / 2).permute(0, 2, 3, 1).double().numpy())
    np.testing.assert_allclose((ours[:, 0] + 1) * 50, theirs[..., 0], atol=1e-3)
    np.testing.assert_allclose(ours[:, 1:].permute(0, 2, 3, 1) * 110, theirs[..., 1:], atol=1e-3)
    torch.testing.assert_close(from_lab(ours), image, atol=1e-4, rtol=0)
    with torch.autocast("cpu", torch.bfloat16):  # as in training
        assert torch.equal(to_lab(image), ours)
        torch.testing.assert_close(from_lab(ours), image, atol=1e-4, rtol=0)
    bright = torch.cat([ours[:, :1], (ours[:, 1:] * 1.5).clamp(-1, 1)], 1)  # some of it beyond sRGB
    shown = lab2rgb(np.concatenate([(bright[:, :1] + 1) * 50, bright[:, 1:] * 110], 1).transpose(0, 2, 3, 1))
    np.testing.assert_allclose((from_lab(bright).permute(0, 2, 3, 1) + 1) / 2, shown, atol=5e-3)


def test_greys_have_no_colour():
    grey = torch.linspace(-1, 1, 9).view(1, 1, 1, 9).expand(1, 3, 1, 9)
    assert to_lab(grey)[:, 1:].abs().max() < 1e-3
    assert to_lab(grey)[0, 0, 0].diff().min() > 0


# Pix2Pix


def test_the_u_net_halves_and_doubles_as_often_as_its_config_says():
    config = Pix2PixConfig(image_size=64, depth=4, width=4, max_width=8, discriminator_width=4)
    network, seen = UNet(3, 2, config).eval(), []
    for layer in network.down:
        layer.register_forward_hook(lambda _, __, out: seen.append(tuple(out.shape[1:])))
    assert network(pictures(1, height=48, width=64)).shape == (1, 2, 48, 64)
    assert seen == [(4, 24, 32), (8, 12, 16), (8, 6, 8), (8, 3, 4)]


def test_the_discriminator_s_patch_is_70_pixels():
    """The gradient of one score reaches 70 x 70 pixels of the paper's layers, without what looks at everything."""
    network = Pix2Pix.tiny().adversary()
    network.layers = torch.nn.Sequential(*(layer for layer in network.layers if hasattr(layer, "weight")))
    image = torch.zeros(1, 3, 128, 128, requires_grad=True)
    scores = network(torch.cat([image, image], 1))
    assert scores.shape == (1, 1, 14, 14)
    scores[0, 0, 7, 7].backward()
    rows = image.grad[0].abs().sum((0, 2)).nonzero().flatten()
    assert rows[-1] - rows[0] + 1 == 70


def test_lab_colours_keep_the_lightness():
    config = Pix2PixConfig(image_size=32, colours="lab", depth=3, width=4, max_width=8, discriminator_width=4)
    model = Pix2Pix(config).eval()
    with torch.no_grad():
        model.generator.out[1].weight.mul_(0.1)  # gentle colours, all of which sRGB has
    photo = pictures(3) * 0.4
    made = model.translate(photo)
    torch.testing.assert_close(to_lab(made)[:, 0], to_lab(photo)[:, 0], atol=2e-3, rtol=0)
    grey = from_lab(torch.cat([to_lab(photo)[:, :1], torch.zeros(1, 2, 32, 40)], 1))
    torch.testing.assert_close(model.translate(grey), made, atol=2e-2, rtol=0)


def test_other_sizes_are_seen_at_the_size_of_training():
    model, seen = Pix2Pix.tiny().eval(), []
    model.generator.register_forward_pre_hook(lambda _, inputs: seen.append(tuple(inputs[0].shape[2:])))
    for size in ((32, 32), (300, 300), (64, 130), (7, 5), (1, 90)):
        assert model.translate(pictures(1, height=size[0], width=size[1])).shape == (1, 3, *size)
    assert seen == [(32, 32), (32, 32), (16, 32), (32, 24), (8, 32)]
    photo = pictures(2, height=64, width=64)
    small = F.interpolate(photo, (32, 32), mode="bicubic", antialias=True)
    wanted = F.interpolate(model.translate(small), (64, 64), mode="bicubic", antialias=True)
    torch.testing.assert_close(model.translate(photo), wanted.clamp(-1, 1), atol=1e-4, rtol=0)
    with pytest.raises(ConfigError, match="multiple of 2\\^depth = 64"):
        Pix2PixConfig(image_size=100)


def test_losses_are_the_paper_s():
    torch.manual_seed(0)
    model = Pix2Pix(Pix2PixConfig(image_size=32, depth=3, width=4, max_width=8, discriminator_width=4, dropout=0.0))
    objective = get_objective("pix2pix")(model, get_objective("pix2pix").Config(l1_weight=7.0))
    batch = Batch(pictures(1, 2), None, torch.arange(2), Batch(pictures(3, 4), None, torch.arange(2)))
    made = model.generator(batch.images).detach()
    real, fake = (objective.judge(batch.images, x).sigmoid() for x in (batch.other.images, made))
    numbers = objective.discriminator_loss(batch)
    assert numbers["loss"].item() == pytest.approx(-(real.log() + (1 - fake).log()).mean().item() / 2, rel=1e-4)
    numbers = objective.generator_loss(batch)
    l1 = (made - batch.other.images).abs().mean().item()
    assert numbers["l1"].item() == pytest.approx(l1, rel=1e-4)
    assert numbers["loss"].item() == pytest.approx(-fake.log().mean().item() + 7 * l1, rel=1e-4)
    with pytest.raises(ConfigError, match="data.pairing"):
        objective.generator_loss(Batch(batch.images, None, batch.seeds))
    with pytest.raises(ConfigError, match='"pix2pix" alone'):
        get_objective("pix2pix")(get_architecture("dcgan").tiny(), get_objective("pix2pix").Config())


@pytest.mark.parametrize(
    ("model", "side", "says"),
    [
        ({"architecture": "cyclegan", "width": 4, "blocks": 1}, 16, "sides of 32 pixels or more, multiples of 4"),
        ({"architecture": "cut", "width": 4, "blocks": 1}, 50, "not from 50 x 50: set data.size"),
        ({"architecture": "srgan", "scale": 4, "width": 4, "blocks": 1}, 50, "16 pixels or more, multiples of 4"),
        ({"architecture": "inpainting", "width": 4, "dilations": [1, 2]}, 50, "multiples of 8"),
        ({"architecture": "pix2pix", "image_size": 16, "depth": 2}, 16, "32 pixels or more"),
        ({"architecture": "pix2pix", "image_size": 32, "depth": 2}, 32, "learns from pairs"),
    ],
)  # fmt: skip
def test_sizes_and_collections_that_cannot_be_learnt_from_are_refused_before_any_step(model, side, says, tmp_path):
    for k in range(3):
        save_image(pictures(k, height=64, width=64), tmp_path / f"pictures/{k}.png")
    place = str(tmp_path / "pictures")
    tables = {"model": model, "train": {"images": 2, "batch_size": 2, "licence": "mit"},
              "data": {"path": place, "size": side, "other": {"path": place}}}  # fmt: skip
    with pytest.raises(ConfigError, match=says):
        Trainer(make_recipe(tables), tmp_path / "run", quiet=True)


# Pairs


def test_turns_are_quarters_beside_the_flips_and_alike_for_a_pair(tmp_path):
    ramp = np.arange(64, dtype=np.uint8).reshape(8, 8)
    for side in ("left", "right"):
        save_image(from_uint8(torch.from_numpy(ramp)[None, None]), tmp_path / side / "ramp.png")

    def drawn(**options) -> Batch:
        config = DataConfig(path=str(tmp_path / "left"), flip=True, **options)
        return open_data(config, height=8, width=8, channels=1, labelled=False).batch(0, 64)

    batch = drawn(turn=True, pairing="name", other={"path": str(tmp_path / "right")})
    assert torch.equal(batch.images, batch.other.images)
    positions = [np.rot90(x, quarters) for x in (ramp, ramp[:, ::-1]) for quarters in range(4)]
    found = [next(k for k, x in enumerate(positions) if np.array_equal(made, x))
             for made in to_uint8(batch.images)[:, 0].numpy()]  # fmt: skip
    assert set(found) == set(range(8))
    flips = [not np.array_equal(made, ramp) for made in to_uint8(drawn().images)[:, 0].numpy()]
    assert flips == [k > 3 for k in found], "what is flipped is no other for the turns"
    with pytest.raises(DataError, match="square pictures, not 8 x 12"):
        open_data(DataConfig(path=str(tmp_path / "left"), turn=True), height=8, width=12, channels=1, labelled=False)


def test_a_discriminator_that_begins_later_is_not_asked_before():
    objective = get_objective("pix2pix")(Pix2Pix.tiny(), get_objective("pix2pix").Config(adversarial_from=8))
    assert [(phase.player, phase.start) for phase in objective.phases()] == [("generator", 0), ("discriminator", 8)]
    sides = [Batch(pictures(*seeds, width=32), None, torch.arange(2)) for seeds in ((1, 2), (3, 4))]
    data = Batch(sides[0].images, None, torch.arange(2), sides[1])
    objective.at(7)
    before = objective.generator_loss(data)
    assert set(before) == {"loss", "l1"}
    torch.testing.assert_close(before["loss"], 100 * before["l1"])
    objective.at(8)
    assert set(objective.generator_loss(data)) == {"loss", "l1", "fooled"}


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    """``line/k.png``, noise ever brighter, and ``color/*/k.png``, its negative; the other folder in other order."""
    for k in range(8):
        line = (uniform([k], 3, 40, 44) * 0.3 - 0.9 + 0.15 * k).clamp(-1, 1)
        save_image(line, tmp_path / f"data/line/{k}.png")
        save_image(-line, tmp_path / f"data/color/{chr(104 - k)}/{k}.png")
    return tmp_path / "data"


def paired(data: Path, **fields) -> DataConfig:
    settings = {"path": str(data), "only": "line/*", "pairing": "name", "size": 32, "crop": "random", "zoom": 1.2,
                "flip": True, "other": {"path": str(data), "only": "color/*"}}  # fmt: skip
    return DataConfig(**{**settings, **fields})


@pytest.mark.parametrize(
    "fields", [{}, {"holdout": 0.4}, {"limit": 3}, {"memory_gb": 0.0}, {"holdout": 0.4, "seed": 5}]
)
def test_pairs_stay_together_crops_and_flips_too(pairs, fields):
    fields = {**fields, "other": {"path": str(pairs), "only": "color/*", "memory_gb": fields.get("memory_gb", 2.0)}}
    data = open_data(paired(pairs, **fields), height=32, width=32, channels=3, labelled=False)
    batch = data.batch(5, 12)
    assert (batch.images + batch.other.images).abs().max() < 0.02
    assert batch.images.std() > 0.1


def test_halves_of_one_picture_are_a_pair(tmp_path):
    for k in range(3):
        left = uniform([k], 3, 32, 32) * 2 - 1
        save_image(torch.cat([left, -left], 3), tmp_path / f"{k}.png")
    config = DataConfig(path=str(tmp_path), half="left", pairing="name", other={"path": str(tmp_path), "half": "right"})
    batch = open_data(config, height=32, width=32, channels=3, labelled=False).batch(0, 3)
    assert (batch.images + batch.other.images).abs().max() < 0.02


def test_folders_that_do_not_match_name_the_first_five(pairs):
    for k in range(6):
        save_image(torch.zeros(1, 3, 8, 8), pairs / f"line/lonely{k}.png")
    with pytest.raises(DataError, match=r"6 pictures have no partner: lonely0 \(only in .*lonely4") as error:
        open_data(paired(pairs), height=32, width=32, channels=3, labelled=False)
    assert "lonely5" not in str(error.value)


def test_a_broken_half_and_a_name_that_stands_twice(pairs):
    for memory in (2.0, 0.0):
        (pairs / "color/e/3.png").write_bytes(b"no picture")
        with pytest.raises(DataError, match="needs both of its pictures.*color/e/3.png"):
            other = {"path": str(pairs), "only": "color/*", "memory_gb": memory}
            data = open_data(paired(pairs, memory_gb=memory, other=other), height=32, width=32, channels=3,
                             labelled=False)  # fmt: skip
            data.batch(0, 16)
    save_image(torch.zeros(1, 3, 8, 8), pairs / "color/z/5.png")
    with pytest.raises(DataError, match="some stand twice: 5"):
        open_data(paired(pairs), height=32, width=32, channels=3, labelled=False)
    with pytest.raises(ConfigError, match="needs data.other.path"):
        DataConfig(path=str(pairs), pairing="name")


# Training


def test_pix2pix_learns_the_negative_and_resumes_bit_for_bit(pairs, tmp_path):
    tables = {
        "model": {"architecture": "pix2pix", "image_size": 32, "depth": 3, "width": 8, "max_width": 16, "dropout": 0.0,
                  "discriminator_width": 4},
        "train": {"images": 240, "batch_size": 4, "learning_rate": 5e-3, "checkpoint_every": 80, "log_every": 40,
                  "ema_half_life": 4, "licence": "mit"},
        "data": paired(pairs).to_dict(),
    }  # fmt: skip
    whole = Trainer(make_recipe(tables), tmp_path / "whole", quiet=True)
    whole.run()
    model = AutoModel.from_pretrained(tmp_path / "whole")
    line, wanted = load_image(pairs / "line/2.png"), load_image(pairs / "color/f/2.png")
    assert (model.translate(line) - wanted).abs().mean() < 0.5 * (line - wanted).abs().mean()
    short = {**tables, "train": {**tables["train"], "images": 160}}
    Trainer(make_recipe(short), tmp_path / "parts", quiet=True).run()
    assert [path.stem for path in list_checkpoints(tmp_path / "parts" / "checkpoints")][-1] == "000000000160"
    resumed = Trainer(make_recipe(tables), tmp_path / "parts", quiet=True)
    resumed.run()
    for a, b in zip(whole.model.state_dict().values(), resumed.model.state_dict().values(), strict=True):
        assert torch.equal(a, b)
