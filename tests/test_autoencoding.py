"""Autoencoding: pictures are drawn again from their codes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.distributions import Normal, kl_divergence

from ganhub.data import DataConfig, open_data
from ganhub.errors import ConfigError
from ganhub.images import on_white
from ganhub.losses.perceptual import relative_distance
from ganhub.models import get_architecture
from ganhub.nn.encoder import Encoder
from ganhub.objectives import AutoencodingConfig, AutoencodingObjective, Batch
from ganhub.objectives._colours import as_seen
from ganhub.objectives.autoencoding import CORRECTION
from ganhub.trainer import Trainer, make_recipe
from tests.test_colours import whole_and_in_parts
from tests.test_projected import pictures

WIDTHS = (8, 16)


def built(classes: int = 0, **settings) -> AutoencodingObjective:
    torch.manual_seed(0)
    tiny = get_architecture("stylegan2").tiny()
    model = type(tiny).build(replace(tiny.config, num_classes=classes)).train()
    return AutoencodingObjective(model, AutoencodingConfig(widths=WIDTHS, **settings))


def batch_of(images: torch.Tensor, first: int = 0) -> Batch:
    return Batch(images, None, torch.arange(first, first + len(images)))


@pytest.mark.parametrize("size", [(16, 16), (28, 28), (32, 48), (64, 64)])
def test_a_code_does_not_depend_on_the_batch(size: tuple[int, int]) -> None:
    encoder, images = Encoder(size, 3, 8, WIDTHS), pictures(3, 3, *size)
    means, logs = encoder(images)
    alone = encoder(images[1:2])
    assert means.shape == logs.shape == (3, 8)
    assert torch.allclose(means[1], alone[0][0], atol=1e-5) and torch.allclose(logs[1], alone[1][0], atol=1e-5)
    assert not torch.allclose(means[0], means[1], atol=1e-5)


def test_nats_are_the_divergence_from_noise() -> None:
    objective, images = built(), pictures(4, 3, 16, 16)
    with torch.no_grad():
        mean, log_deviation = objective.encoder(images)
        nats = objective.loss(batch_of(images))["nats"]
    expected = kl_divergence(Normal(mean, log_deviation.exp()), Normal(0.0, 1.0)).sum(1).mean()
    assert nats.item() == pytest.approx(expected.item(), rel=1e-5)


def test_the_loss_is_the_sum_of_its_weighted_parts() -> None:
    images, numbers = pictures(4, 3, 16, 16), {}
    for name in ("pixel", "feature", "code"):
        weights = {f"{key}_weight": float(key == name) for key in ("pixel", "feature", "code")}
        with torch.no_grad():
            numbers[name] = built(**weights).loss(batch_of(images))
    parts = {"pixel": "pixels", "feature": "features", "code": "nats"}
    for name, found in numbers.items():
        assert found["loss"].item() == pytest.approx(found[parts[name]].item(), rel=1e-5)


def test_relative_distance_is_one_for_each_layer_that_is_empty() -> None:
    x = {"a": 5 * pictures(2, 3, 8, 8), "b": 9 * pictures(2, 3, 4, 4)}
    assert relative_distance(x, x).item() == 0
    assert relative_distance({k: 0 * v for k, v in x.items()}, x).item() == pytest.approx(2, abs=2e-3)


def test_it_learns_to_draw_each_picture_again() -> None:
    objective, images = built(code_weight=1e-4), pictures(8, 3, 4, 4)
    images = torch.nn.functional.interpolate(images, size=16)
    networks = [p for networks in objective.players()["generator"] for p in networks.parameters()]
    optimiser = torch.optim.Adam(networks, lr=5e-3)
    losses = []
    for step in range(250):
        numbers = objective.loss(batch_of(images, 8 * step))
        optimiser.zero_grad()
        numbers["loss"].backward()
        optimiser.step()
        losses.append(numbers["pixels"].item())
    assert losses[-1] < 0.6 * losses[0]
    with torch.no_grad():
        drawn = objective.draw(objective.encoder(images)[0], batch_of(images))
    apart = (drawn[:, None] - images).abs().mean((2, 3, 4))
    assert torch.equal(apart.argmin(1), torch.arange(8)), "each is nearest to what it was drawn from"


def test_a_grid_shows_each_picture_beside_what_is_drawn() -> None:
    objective, images = built(), pictures(40, 3, 16, 16)
    assert objective.preview(objective.model).shape == (64, 3, 16, 16), "samples, before the first batch"
    with torch.no_grad():
        objective.loss(batch_of(images))
        shown = objective.preview(objective.model)
        drawn = objective.draw(objective.encoder(images)[0], batch_of(images)).clamp(-1, 1)
    assert torch.equal(shown[::2], images[:32]) and torch.allclose(shown[1::2], drawn[:32], atol=1e-5)
    assert not objective.samples, "what it makes of noise means nothing yet"


def test_hidden_colours_do_not_count() -> None:
    images = pictures(2, 4, 16, 16)
    images[:, 3, :8] = -1
    other = images.clone()
    other[:, :3, :8] = 0.5
    assert torch.equal(as_seen(images), as_seen(other)) and torch.equal(as_seen(images)[:, :3], on_white(images))
    rgb = images[:, :3]
    assert as_seen(rgb) is rgb


def test_a_generator_without_w_takes_codes_as_its_latents() -> None:
    model = get_architecture("dcgan").tiny().train()
    objective = AutoencodingObjective(model, AutoencodingConfig(widths=WIDTHS))
    height, width = model.config.size
    numbers = objective.loss(batch_of(pictures(4, model.config.channels, height, width)))
    assert numbers["loss"].isfinite() and objective.samples
    assert objective.preview(model).shape == (8, model.config.channels, height, width)


def test_what_cannot_work_is_said() -> None:
    with pytest.raises(ConfigError, match="multiples of 8"):
        AutoencodingConfig(widths=(12,))
    with pytest.raises(ConfigError, match="at least one layer"):
        AutoencodingConfig(layers=())
    with pytest.raises(ConfigError, match="no layer 'relu9_9'"):
        built(layers=("relu1_1", "relu9_9"))
    with pytest.raises(ConfigError, match="generators of latents"):
        AutoencodingObjective(get_architecture("fast-style").tiny(), AutoencodingConfig())


def test_own_codes_draw_a_picture_better_than_the_encoder_says() -> None:
    images = torch.nn.functional.interpolate(pictures(8, 3, 4, 4), size=16)
    objective = built(code_weight=0.0, own_codes=8, code_noise=0.01)
    batch = replace(batch_of(images), indices=torch.arange(8).flip(0))
    before = {name: x.clone() for name, x in objective.encoder.state_dict().items()}
    with torch.no_grad():
        assert torch.equal(objective.encode(batch)[0], objective.encoder(images)[0]), "they begin at the encoder's"
    optimiser = torch.optim.Adam([objective.corrections.weight], lr=2e-2)
    losses = []
    for _ in range(60):
        numbers = objective.loss(batch)
        optimiser.zero_grad()
        numbers["loss"].backward()
        optimiser.step()
        losses.append(numbers["loss"].item())
    assert losses[-1] < 0.95 * losses[0], "with the generator as it was"
    assert all(torch.equal(x, before[name]) for name, x in objective.encoder.state_dict().items())
    assert objective.encoder not in objective.players()["generator"]
    with torch.no_grad():
        moved = objective.encode(batch)[0] - objective.encoder(images)[0]
    assert torch.allclose(moved, CORRECTION * objective.corrections.weight.flip(0), atol=1e-5)


def test_a_class_has_a_code_that_its_pictures_share() -> None:
    objective = built(own_codes=4, classes=2)
    batch = replace(batch_of(pictures(4, 3, 16, 16)), indices=torch.arange(4), labels=torch.tensor([0, 1, 1, 0]))
    first = objective.encode(batch)[0]
    with torch.no_grad():
        objective.class_codes.weight[1] = torch.arange(objective.class_codes.weight.shape[1])
    moved = objective.encode(batch)[0] - first
    expected = CORRECTION * objective.class_codes.weight[1]
    assert not moved[[0, 3]].any() and torch.allclose(moved[[1, 2]], expected, atol=1e-5)
    assert objective.class_codes in objective.players()["generator"]
    assert built(own_codes=4).class_codes is None and built(classes=2).class_codes is None
    told = get_architecture("conditional-gan").tiny()  # the class comes with its code
    told = type(told).build(replace(told.config, image_size=16))
    assert AutoencodingObjective(told, AutoencodingConfig(widths=WIDTHS, own_codes=4)).class_codes is None


def test_own_codes_are_for_pictures_that_stay_the_same(tmp_path: Path) -> None:
    np.savez(tmp_path / "pictures.npz", x=np.arange(10 * 16 * 16 * 3, dtype=np.uint8).reshape(10, 16, 16, 3))
    data = DataConfig(path=str(tmp_path / "pictures.npz"), images="x", holdout=0.2)
    shape = {"height": 16, "width": 16, "channels": 3, "labelled": False}
    plain = open_data(data, **shape)
    batch = plain.batch(8, 8)
    pictures_of = {int(i): x for i, x in zip(batch.indices, batch.images, strict=True)}
    assert set(pictures_of) == set(range(8)), "an epoch has each once"
    again = plain.batch(16, 8)
    assert all(torch.equal(pictures_of[int(i)], x) for i, x in zip(again.indices, again.images, strict=True))
    assert open_data(replace(data, flip=True), **shape).batch(0, 2).indices is None
    built(own_codes=8).check(16, 16, paired=False, count=8)
    with pytest.raises(ConfigError, match="objective.own_codes=8"):
        built(own_codes=9).check(16, 16, paired=False, count=8)
    with pytest.raises(ConfigError, match="without data.flip"):
        built(own_codes=9).check(16, 16, paired=False, count=0)


@pytest.mark.parametrize("classes", [0, 2])
def test_a_run_goes_on_bit_for_bit_and_gives_its_encoder_away(tmp_path: Path, classes: int) -> None:
    x = (pictures(40, 3, 16, 16).permute(0, 2, 3, 1) * 127.5 + 127.5).byte().numpy()
    np.savez(tmp_path / "pictures.npz", x=x, **({"y": np.arange(40) % classes} if classes else {}))
    model = get_architecture("stylegan2").tiny().config.to_dict()
    recipe = {
        "model": model | {"architecture": "stylegan2", "num_classes": classes},
        "objective": {"name": "autoencoding", "widths": list(WIDTHS)},
        "train": {"images": 80, "batch_size": 8, "log_every": 40, "checkpoint_every": 40, "grid_every": 10_000},
        "data": {"path": str(tmp_path / "pictures.npz"), "images": "x"},
    }
    recipe["model"].pop("class_names")
    whole, second = whole_and_in_parts(recipe, tmp_path)
    for one, other in ((whole.ema.module, second.ema.module), (whole.objective, second.objective)):
        states = one.state_dict(), other.state_dict()
        assert (
            all(torch.equal(states[0][name], x) for name, x in states[1].items())
            and states[0].keys() == states[1].keys()
        )
    recipe["train"]["init"] = str(tmp_path / "whole")
    begun = Trainer(make_recipe(recipe), tmp_path / "begun", quiet=True).objective
    halved = {name: x.half().float() for name, x in whole.objective.encoder.state_dict().items()}
    assert all(torch.allclose(x, halved[name], rtol=1e-3) for name, x in begun.encoder.state_dict().items())
    recipe["objective"] |= {"own_codes": 40, "code_noise": 0.5}
    recipe["train"] |= {"images": 120}
    for init in ("", str(tmp_path / "none")):
        (tmp_path / "none").mkdir(exist_ok=True)
        whole.ema.module.save_pretrained(tmp_path / "none")
        start = recipe | {"train": recipe["train"] | {"init": init}}
        with pytest.raises(ConfigError, match="set train.init"):
            Trainer(make_recipe(start), tmp_path / "refused", quiet=True)
    (tmp_path / "own").mkdir()
    own, in_parts = whole_and_in_parts(recipe, tmp_path / "own")
    corrections = [run.objective.corrections.weight for run in (own, in_parts)]
    assert torch.equal(*corrections) and (corrections[0] != 0).any(1).all(), "each picture came and has its own"
    if classes:
        shared = [run.objective.class_codes.weight for run in (own, in_parts)]
        assert torch.equal(*shared) and (shared[0] != 0).any(1).all()
    for own_codes, kept in ((40, True), (0, False), (32, False)):
        other = recipe["objective"] | {"own_codes": own_codes}
        start = recipe | {"objective": other, "train": recipe["train"] | {"init": str(tmp_path / "own/whole")}}
        start["data"] = recipe["data"] | {"limit": own_codes}
        begun = Trainer(make_recipe(start), tmp_path / f"begun{own_codes}", quiet=True).objective
        read = begun.encoder.state_dict().items()
        assert all(torch.allclose(x, halved[name], rtol=1e-3) for name, x in read), "the encoder comes along"
        assert not own_codes or begun.corrections.weight.any().item() == kept, "of as many pictures alone"
    assert all(torch.allclose(x, halved[name], rtol=1e-3) for name, x in own.objective.encoder.state_dict().items())
