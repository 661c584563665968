"""Degradations against Pillow, scipy's Gaussians and plain arithmetic; super-resolution's parts and losses."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from scipy.ndimage import gaussian_filter1d

from ganhub import images
from ganhub.app.tabs.style import asset
from ganhub.errors import ConfigError
from ganhub.models import get_architecture
from ganhub.models.esrgan import ESRGAN, ESRGANConfig
from ganhub.models.srgan import SRGAN, SRGANConfig, enlarged
from ganhub.nn.features import feature_network
from ganhub.nn.random import uniform
from ganhub.objectives import Batch, SuperResolutionObjective, get_objective
from ganhub.objectives.super_resolution import Degradation, DegradationConfig, blurred, jpeg


@pytest.fixture(scope="module")
def photo() -> torch.Tensor:
    return images.fit(images.load_image(asset("cat")), 120, 136)


# Degradations


@pytest.mark.parametrize("quality", [15, 50, 90])
def test_jpeg_loses_what_a_jpeg_file_loses(photo, quality):
    file = io.BytesIO()
    images.to_pil(photo).save(file, "JPEG", quality=quality, subsampling="4:2:0")
    theirs, ours = images.load_image(file.getvalue()), jpeg(photo, torch.tensor([float(quality)]))
    lost = (theirs - photo).abs().mean()
    assert (ours - theirs).abs().mean() < 0.55 * lost  # libjpeg rounds on the way, and smooths colours its own way
    assert 0.8 < (ours - photo).abs().mean() / lost < 1.2


def test_each_picture_has_its_own_quality_and_blur(photo):
    both = torch.cat([photo, photo])
    made = jpeg(both, torch.tensor([10.0, 95.0]))
    assert torch.allclose(made[1:], jpeg(photo, torch.tensor([95.0])), atol=1e-4)
    assert (made[0] - photo).abs().mean() > 3 * (made[1] - photo).abs().mean()
    made = blurred(both, torch.tensor([0.0, 2.0]))
    torch.testing.assert_close(made[:1], photo, atol=1e-5, rtol=0)
    wanted = photo.numpy()
    for axis in (2, 3):
        wanted = gaussian_filter1d(wanted, 2.0, axis=axis, mode="mirror", radius=6)
    torch.testing.assert_close(made[1:], torch.from_numpy(wanted), atol=1e-4, rtol=0)


def test_a_seed_s_degradation_is_its_own_and_nothing_asked_is_plain_shrinking(photo):
    seeds = torch.tensor([4, 9])
    both = torch.cat([photo, photo])
    plain = Degradation(DegradationConfig(), 4)(both, seeds)
    torch.testing.assert_close(plain[:1], images.resize(photo, (30, 34)), atol=1e-5, rtol=0)
    assert torch.equal(Degradation(DegradationConfig())(both, seeds), both)
    every = Degradation(DegradationConfig(blur=2.0, noise=20.0, jpeg=60.0), 2)
    made = every(both, seeds)
    assert made.shape == (2, 3, 60, 68) and made.abs().max() <= 1
    assert not torch.equal(made[0], made[1])
    torch.testing.assert_close(every(photo, seeds[1:]), made[1:], atol=1e-2, rtol=0)
    with torch.autocast("cpu", torch.bfloat16):  # JPEG's rounding would see other numbers
        assert torch.equal(every(both, seeds), made)


def test_noise_has_the_drawn_deviation():
    grey, seeds = torch.zeros(64, 3, 24, 24), torch.arange(64)
    made = Degradation(DegradationConfig(noise=25.0))(grey, seeds)
    deviations = made.std((1, 2, 3)) * 127.5
    assert deviations.max() < 26 and 6 <= (deviations == 0).sum() <= 26, "a quarter of 64 is spared"
    assert deviations[deviations > 0].mean().item() == pytest.approx(12.5, abs=3)  # evenly from 0 to 25


def test_what_jpeg_spares_keeps_its_colours(photo):
    both, seeds = photo.expand(32, -1, -1, -1), torch.arange(32)
    made = Degradation(DegradationConfig(jpeg=50.0))(both, seeds)
    spared = (made == both).flatten(1).all(1)
    assert 2 <= spared.sum() <= 16


# SRGAN


@pytest.mark.parametrize("scale", [1, 2, 4])
def test_an_untrained_network_without_its_tail_is_bicubic(scale, photo):
    model = SRGAN(SRGANConfig(scale=scale, width=4, blocks=1)).eval()
    with torch.no_grad():
        model.generator.tail.weight.zero_(), model.generator.tail.bias.zero_()
    wanted = images.resize(photo, (120 * scale, 136 * scale)) if scale > 1 else photo
    torch.testing.assert_close(model.translate(photo), wanted, atol=1e-4, rtol=0)
    assert enlarged(photo, scale).shape == wanted.shape


def test_folded_pixels_come_back_where_they_were_and_odd_sizes_are_padded(photo):
    torch.manual_seed(0)
    model = SRGAN(SRGANConfig(scale=1, width=12, blocks=1, fold=2))
    net = model.generator
    assert net.head.in_channels == net.tail.out_channels == 12
    with torch.no_grad():  # the head passes the folded pixels on, the body and the tail hand them out again
        for layer in (net.head, net.tail):
            layer.weight.zero_(), layer.bias.zero_()
            layer.weight[torch.arange(12), torch.arange(12), 1, 1] = 1
        net.body[0].first.weight.zero_(), net.body[0].second.weight.zero_()
        net.body[0].second.bias.zero_()
    made = model.translate(photo[..., :33, :47])  # picture + (x + body(x)) of it, and the body adds nothing to x
    torch.testing.assert_close(made, (3 * photo[..., :33, :47]).clamp(-1, 1), atol=1e-5, rtol=0)


def batch(n: int = 2) -> Batch:
    small = uniform(range(n), 3, 8, 8) * 2 - 1
    return Batch(F.interpolate(small, (32, 32), mode="bicubic").clamp(-1, 1), None, torch.arange(n))


def test_losses_before_and_after_the_discriminator_begins():
    torch.manual_seed(0)
    model = SRGAN.tiny()
    settings = {"adversarial_from": 8, "pixel_weight": 2.0, "feature_weight": 3.0, "adversarial_weight": 0.5}
    objective = SuperResolutionObjective(model, SuperResolutionObjective.Config(**settings))
    assert [(phase.player, phase.start) for phase in objective.phases()] == [("generator", 0), ("discriminator", 8)]
    data = batch()
    made = model(images.resize(data.images, (16, 16)))
    pixel = (made - data.images).abs().mean().item()
    objective.at(7)
    numbers = objective.generator_loss(data)
    assert set(numbers) == {"loss", "pixel"} and numbers["loss"].item() == pytest.approx(pixel, rel=1e-4)
    objective.at(8)
    numbers = objective.generator_loss(data)
    layers = objective.config.layers
    seen, wanted = (feature_network("vgg-lite")(x, layers) for x in (made, data.images))
    angles = [F.cosine_similarity(seen[layer], wanted[layer], dim=1).mean() for layer in layers]
    feature = 2 - 2 * torch.stack(angles).mean().item()  # |a - b|^2 of vectors of length 1
    real, fake = (objective.discriminator(x).sigmoid() for x in (data.images, made))
    assert numbers["feature"].item() == pytest.approx(feature, rel=1e-3)
    assert numbers["loss"].item() == pytest.approx(2 * pixel + 3 * feature - 0.5 * fake.log().mean().item(), rel=1e-3)
    loss = objective.discriminator_loss(data)["loss"].item()
    real, fake = (objective.discriminator(x).sigmoid() for x in (data.images, made))
    assert loss == pytest.approx(-(real.log().mean() + (1 - fake).log().mean()).item(), rel=1e-2)


def test_without_a_discriminator_there_is_one_player():
    objective = SuperResolutionObjective(SRGAN.tiny(), SuperResolutionObjective.Config())
    objective.at(10**9)
    assert list(objective.players()) == ["generator"] and list(objective.generator_loss(batch())) == ["loss", "pixel"]
    assert not list(objective.parameters())
    with pytest.raises(ConfigError, match="no layer 'relu9_9'"):
        SuperResolutionObjective(SRGAN.tiny(), SuperResolutionObjective.Config(adversarial_from=9, layers=("relu9_9",)))
    with pytest.raises(ConfigError, match="trains translators"):
        get_objective("super-resolution")(get_architecture("dcgan").tiny(), SuperResolutionObjective.Config())


def test_it_learns_to_beat_bicubic():
    torch.manual_seed(0)
    model = SRGAN(SRGANConfig(scale=2, width=8, blocks=1))
    objective = SuperResolutionObjective(model, SuperResolutionObjective.Config())
    optimiser, data = torch.optim.Adam(model.parameters(), 5e-3), batch(8)
    objective.at(0)
    bicubic = (images.resize(images.resize(data.images, (16, 16)), (32, 32)) - data.images).abs().mean()
    for _ in range(60):
        optimiser.zero_grad()
        loss = objective.generator_loss(data)["loss"]
        loss.backward()
        optimiser.step()
    assert loss < 0.9 * bicubic


def test_relativistic_losses_compare_with_the_others_mean():
    torch.manual_seed(0)
    model = ESRGAN.tiny()
    settings = {"adversarial_from": 1, "relativistic": True, "feature_weight": 0.0, "pixel_weight": 0.0,
                "adversarial_weight": 1.0}  # fmt: skip
    objective = SuperResolutionObjective(model, SuperResolutionObjective.Config(**settings))
    objective.at(1)
    data = batch()
    real, fake = (objective.discriminator(x) for x in (data.images, model(images.resize(data.images, (16, 16)))))
    above = (real - fake.mean()).sigmoid(), (fake - real.mean()).sigmoid()
    wanted = -above[0].log().mean() - (1 - above[1]).log().mean()
    assert objective.discriminator_loss(data)["loss"].item() == pytest.approx(wanted.item(), rel=1e-4)
    wanted = -above[1].log().mean() - (1 - above[0]).log().mean()
    assert objective.generator_loss(data)["loss"].item() == pytest.approx(wanted.item(), rel=1e-4)


# ESRGAN


@pytest.mark.parametrize("scale", [1, 2, 4])
@pytest.mark.parametrize("manner", ["Real-ESRGAN", "ESRGAN", "ESRGAN, new names"])
def test_other_people_s_names_are_read(scale, manner):
    model = ESRGAN(ESRGANConfig(scale=scale, width=8, growth=4, blocks=2)).eval()
    parts = {
        "Real-ESRGAN": ("conv_first", "conv_body", "conv_up1", "conv_up2", "conv_hr", "conv_last",
                        "body.{}.rdb{}.conv{}"),
        "ESRGAN": ("model.0", "model.1.sub.2", "model.3", "model.6", "model.8", "model.10",
                   "model.1.sub.{}.RDB{}.conv{}.0"),
        "ESRGAN, new names": ("conv_first", "trunk_conv", "upconv1", "upconv2", "HRconv", "conv_last",
                              "RRDB_trunk.{}.RDB{}.conv{}"),
    }[manner]  # fmt: skip
    ours = ("first", "trunk", "up.0", "up.1", "full", "last")
    named = {}
    for name, tensor in model.generator.state_dict().items():
        layer, kind = name.rsplit(".", 1)
        if layer.startswith("body"):
            block, dense, conv = (int(word) for word in layer.split(".")[1::2])
            layer = parts[6].format(block, dense + 1, conv + 1)
        else:
            layer = parts[ours.index(layer)]
        named[f"{layer}.{kind}"] = tensor
    again = ESRGAN.from_tensors(named)
    photo = uniform([1], 3, 9, 10) * 2 - 1
    assert again.config == ESRGANConfig(scale=scale, width=8, growth=4, blocks=2)
    assert torch.equal(again.translate(photo), model.translate(photo))


def test_files_of_other_networks_are_refused():
    with pytest.raises(ConfigError, match="no weights of an RRDB network"):
        ESRGAN.from_tensors({"layer.weight": torch.zeros(3)})
    tensors = {name.replace("first", "conv_first"): x for name, x in ESRGAN.tiny().generator.state_dict().items()}
    tensors.pop("last.bias")
    with pytest.raises(ConfigError, match="what differs: last.bias."):
        ESRGAN.from_tensors(tensors)


def test_a_small_file_that_claims_a_huge_network_takes_no_memory():
    claims = {"conv_first.weight": torch.zeros(512, 3, 1, 1), "body.0.rdb1.conv1.weight": torch.zeros(512, 1, 1, 1)}
    with pytest.raises(ConfigError, match="parameters.*are built|what differs"):
        ESRGAN.from_tensors({**claims, "body.63.rdb1.conv1.bias": torch.zeros(1)})  # 27 GB


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_enlarges_too(photo, dtype):
    torch.manual_seed(0)
    model = SRGAN.tiny().eval()
    wanted = model.translate(photo)
    made = model.to(dtype).translate(photo)
    assert made.dtype == photo.dtype and (made - wanted).abs().max() < 0.1


@pytest.mark.skipif("GANHUB_SHARED" not in os.environ, reason="GANHUB_SHARED is not set")
def test_real_esrgan_s_own_file_sharpens(photo):
    path = Path(os.environ["GANHUB_SHARED"]) / "weights/imports/realesrgan-x4plus-anime.pth"
    tensors = torch.load(path, map_location="cpu", weights_only=True)
    model = ESRGAN.from_tensors(tensors.get("params_ema", tensors))
    small = images.resize(photo, (30, 34))
    made, bicubic = model.translate(small), images.resize(small, (120, 136))
    assert (images.resize(made, (30, 34)) - small).abs().mean() < 0.06, "the same picture"
    assert made.diff(dim=-1).abs().mean() > 1.1 * bicubic.diff(dim=-1).abs().mean()
