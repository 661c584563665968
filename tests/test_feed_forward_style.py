"""Networks that paint in one pass: layers against closed forms and torch's own, objectives, and what is refused."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from ganhub.errors import ConfigError, ImageError
from ganhub.losses.perceptual import gram
from ganhub.models import AutoModel
from ganhub.models.adain import AdaIN
from ganhub.models.arbitrary_style import ArbitraryStyle
from ganhub.models.fast_style import FastStyle
from ganhub.nn.features import VGGLiteTrunk, feature_network
from ganhub.nn.instance_norm import EPSILON, InstanceNorm, moments, shared_statistics
from ganhub.nn.painter import Painter, Restyled
from ganhub.nn.random import normal, uniform
from ganhub.objectives import Batch, get_objective

KINDS = [FastStyle, ArbitraryStyle, AdaIN]
every = pytest.mark.parametrize("cls", KINDS, ids=lambda cls: cls.architecture)


def pictures(*seeds: int, height: int = 32, width: int = 40) -> torch.Tensor:
    """Coloured clouds [N, 3, H, W] in [-1, 1], one for each seed."""
    small = uniform(list(seeds), 3, 6, 6) * 2 - 1
    return F.interpolate(small, (height, width), mode="bilinear", align_corners=False)


def styles_of(model) -> list:
    return list(model.style_names) or [pictures(7, height=64, width=64), pictures(8, height=70, width=90)]


# Layers


def test_instance_norm_is_torch_s():
    x = normal([0, 1], 5, 9, 7) * 3 + 2
    torch.testing.assert_close(InstanceNorm()(x), F.instance_norm(x, eps=EPSILON), atol=1e-4, rtol=1e-4)
    mean, deviation = moments(x)
    torch.testing.assert_close(mean, x.mean((2, 3), keepdim=True))
    torch.testing.assert_close(deviation, (x.var((2, 3), keepdim=True, correction=0) + EPSILON).sqrt())


def test_tiles_share_the_statistics_of_the_picture_that_they_are_cut_from():
    whole = normal([3], 4, 16, 24) * 2 + 1
    tiles = torch.cat([whole[..., :8], whole[..., 8:16], whole[..., 16:]])
    norm, expected = InstanceNorm(), F.instance_norm(whole, eps=EPSILON)
    assert (norm(tiles[:1]) - expected[..., :8]).abs().max() > 0.05, "alone, a tile is normalised by itself"
    with shared_statistics(torch.nn.Sequential(norm)) as shared:
        with shared.gathered(torch.ones(3, 1, 16, 8)):
            norm(tiles)
        shared.settle()
        for k in range(3):
            torch.testing.assert_close(norm(tiles[k : k + 1]), expected[..., 8 * k : 8 * k + 8], atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(norm(tiles[:1]), F.instance_norm(tiles[:1], eps=EPSILON), atol=1e-4, rtol=1e-4)
    bordered, counts = F.pad(whole, (4, 4, 4, 4), value=100.0), torch.zeros(1, 1, 48, 64)
    counts[..., 8:40, 8:56] = 1  # of a picture twice the size of these features
    with shared_statistics(norm) as shared:
        with shared.gathered(counts):
            norm(bordered)
        shared.settle()
        torch.testing.assert_close(norm(bordered)[..., 4:20, 4:28], expected, atol=1e-4, rtol=1e-4)


def test_a_restyled_layer_is_a_normalised_convolution_with_the_style_s_scale_and_shift():
    layer, x = Restyled(3, 5, relu=False), normal([4, 5], 3, 10, 12)
    scale, shift = normal([6], 5) / 3, normal([7], 5)
    plain = F.conv2d(F.pad(x, (1, 1, 1, 1), mode="reflect"), layer.conv.weight, layer.conv.bias)
    style = F.instance_norm(plain, eps=EPSILON) * scale.exp().view(1, 5, 1, 1) + shift.view(1, 5, 1, 1)
    torch.testing.assert_close(layer(x, scale, shift), style, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("size", [(16, 16), (17, 90), (33, 40), (200, 16)])
def test_a_painter_takes_any_size_and_each_picture_its_own_code(size):
    painter = Painter(8, 8, 1).eval()
    x, codes = pictures(1, 2, height=size[0], width=size[1]), normal([0, 1], painter.code_size)
    both = painter(x, codes)
    assert both.shape == x.shape and both.abs().max() <= 1
    torch.testing.assert_close(both[1:], painter(x[1:], codes[1:]), atol=1e-2, rtol=0)
    assert not torch.equal(both, painter(x, -codes))


def test_the_trunk_is_vgg_lite_s_and_saved_with_the_model(tmp_path):
    trunk, x = VGGLiteTrunk(), pictures(1)
    wanted = feature_network("vgg-lite").body.trunk(x)
    assert list(trunk(x)) == list(wanted)[:4]
    assert all(torch.equal(trunk(x)[name], wanted[name]) for name in trunk(x))
    assert not any(p.requires_grad for p in trunk.parameters())
    model = AdaIN.tiny()
    with torch.no_grad():
        model.trunk.blocks[0][0].bias += 1  # a vgg-lite of another version
    model.save_pretrained(tmp_path)
    again = AutoModel.from_pretrained(tmp_path)
    assert torch.equal(again.trunk.blocks[0][0].bias, model.trunk.blocks[0][0].bias)


# Models


@every
def test_strength_none_is_the_photo_and_each_picture_is_painted_on_its_own(cls):
    model = cls.tiny().eval()
    content, style = pictures(1, 2), styles_of(model)[0]
    assert torch.equal(model.stylize(content, style, strength=0), content)
    calls = []
    painted = model.stylize(content, style, on_step=lambda *call: calls.append(call))
    assert painted.shape == content.shape and painted.abs().max() <= 1 and painted.isfinite().all()
    assert [call[:2] for call in calls] == [(1, 1)] and torch.equal(calls[0][2], painted)
    torch.testing.assert_close(model.stylize(content[1:], style), painted[1:], atol=1e-4, rtol=1e-3)
    assert not torch.equal(model.stylize(content, styles_of(model)[1]), painted)
    assert model.stylize(content, style, scale=2.0).shape == content.shape
    assert not painted.requires_grad


@pytest.mark.parametrize("cls", [FastStyle, ArbitraryStyle], ids=lambda cls: cls.architecture)
def test_strength_is_how_opaque_the_painting_lies_on_the_photo(cls):
    model = cls.tiny().eval()
    content, style = pictures(1, 2), styles_of(model)[0]
    full = model.stylize(content, style)
    for strength in (0.3, 0.8):
        wanted = (1 - strength) * content + strength * full
        torch.testing.assert_close(model.stylize(content, style, strength=strength), wanted, atol=1e-5, rtol=1e-4)


@every
def test_a_blend_lies_between_its_styles(cls):
    model = cls.tiny().eval()
    content, (one, other, *_) = pictures(1), styles_of(model)
    alone = model.stylize(content, one)
    torch.testing.assert_close(model.stylize(content, [(one, 0.5), (one, 0.5)]), alone, atol=1e-4, rtol=1e-3)
    assert torch.equal(model.stylize(content, [(one, 1.0), (other, 0.0)]), alone)
    with pytest.warns(UserWarning, match="sum to 4, not 1; they are taken as 0.75, 0.25"):
        said = model.stylize(content, [(one, 3.0), (other, 1.0)])
    assert torch.equal(said, model.stylize(content, [(one, 0.75), (other, 0.25)]))


@every
@pytest.mark.parametrize("size", [(16, 16), (16, 300), (37, 19)])
def test_small_and_long_pictures(cls, size):
    model = cls.tiny().eval()
    for style in styles_of(model)[:1] if model.style_names else [
        torch.full((1, 3, 16, 16), 0.3), pictures(3, height=16, width=400), -torch.ones(1, 3, 64, 64)
    ]:  # fmt: skip
        content = torch.cat([pictures(5, height=size[0], width=size[1]), torch.zeros(1, 3, *size)])
        painted = model.stylize(content, style)
        assert painted.shape == content.shape and painted.isfinite().all()


def test_what_named_styles_and_pictures_answer_to_the_wrong_thing():
    named, free, content = FastStyle.tiny(), ArbitraryStyle.tiny(), pictures(1)
    for model, style, words in (
        (named, "wave", "no style 'wave'. Did you mean 'waves'"),
        (named, pictures(2), "name one of them: dots, waves"),
        (free, "waves", "knows no style by name"),
        (named, [("dots", -1.0)], "0 or more"),
        (named, [], "empty"),
    ):
        with pytest.raises(ConfigError, match=words):
            model.stylize(content, style)
    with pytest.raises(ImageError, match="at least 16 pixels"):
        free.stylize(content, pictures(2, height=8, width=40))
    with pytest.raises(ConfigError, match="style_names"):
        AutoModel.from_config({"architecture": "fast-style", "style_names": []})


def test_adain_gives_the_features_the_style_s_moments_and_is_nothing_for_the_content_itself():
    model, content, style = AdaIN.tiny(), normal([1], 6, 9, 8) * 2 + 1, normal([2], 6, 5, 7) * 0.5 - 3
    restyled = model.restyle(content, moments(style))
    torch.testing.assert_close(moments(restyled)[0], moments(style)[0], atol=1e-4, rtol=1e-3)
    torch.testing.assert_close(moments(restyled)[1], moments(style)[1], atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(model.restyle(content, moments(content)), content, atol=1e-4, rtol=1e-3)
    half = model.restyle(content, moments(style), 0.5)
    torch.testing.assert_close(half, (content + restyled) / 2, atol=1e-4, rtol=1e-3)  # equation 14


def test_the_card_names_the_styles_and_how_to_ask_for_one(tmp_path):
    FastStyle.tiny().save_pretrained(tmp_path / "named")
    card = (tmp_path / "named" / "README.md").read_text(encoding="utf-8")
    assert "- Styles: dots, waves" in card and 'load_image("photo.jpg"), "dots")' in card
    AdaIN.tiny().save_pretrained(tmp_path / "free")
    assert "Styles:" not in (tmp_path / "free" / "README.md").read_text(encoding="utf-8")


# Objectives


def batch_for(model, n: int = 4) -> Batch:
    labels = torch.arange(n) % len(model.style_names) if model.style_names else None
    other = Batch(pictures(*range(50, 50 + n), height=48, width=48), labels, torch.arange(n))
    return Batch(pictures(*range(n), height=32, width=32), None, torch.arange(n), other)


def game(cls, **fields):
    model = cls.tiny().train()
    objective = get_objective(cls.default_objective)
    return objective(model, objective.Config(**fields))


def style_free(features: torch.Tensor) -> torch.Tensor:
    centred = features - features.mean((2, 3), keepdim=True)
    return centred / (centred.square().mean() + 1e-3).sqrt()


@pytest.mark.parametrize("cls", [FastStyle, ArbitraryStyle], ids=lambda cls: cls.architecture)
def test_the_style_loss_is_what_its_definition_says(cls):
    objective = game(cls, variation_weight=0.0, grain=0.0, content_weight=2.0, style_weight=3.0,
                     scales=2)  # fmt: skip
    model, batch = objective.model, batch_for(objective.model)
    if batch.other.labels is not None:  # a label is one picture
        batch.other.images[2:] = batch.other.images[:2]
    painted = model.painter(batch.images, model.read(batch.other.images, batch.other.labels))
    trunk, content, style = feature_network("vgg-lite").body.trunk, [], []
    for i in range(4):
        mine, photo = (style_free(trunk(x[i : i + 1])["relu4_1"]) for x in (painted, batch.images))
        content.append((mine - photo).square().mean())
        for factor in (1, 2):
            mine, manner = (trunk(F.interpolate(x[i : i + 1], scale_factor=1 / factor, mode="area"))
                            for x in (painted, batch.other.images))  # fmt: skip
            for name in objective.config.style_layers:
                wanted = gram(manner[name])
                style.append((gram(mine[name]) - wanted).norm() / wanted.norm())
    content, style = torch.stack(content).mean().item(), torch.stack(style).mean().item()
    for _ in range(2):  # the second time with the Gram matrices that it remembers
        numbers = objective.loss(batch)
        assert numbers["content"].item() == pytest.approx(content, rel=1e-3)
        assert numbers["style"].item() == pytest.approx(style, rel=2e-3)
        assert numbers["loss"].item() == pytest.approx(2 * content + 3 * style, rel=2e-3)


@every
def test_only_what_learns_moves_and_it_learns(cls):
    torch.manual_seed(0)
    objective = game(cls)
    before = {name: p.clone() for name, p in objective.model.named_parameters()}
    learners = [p for network in next(iter(objective.players().values())) for p in network.parameters()]
    optimiser, batch = torch.optim.Adam(learners, 5e-3), batch_for(objective.model)
    values = []
    for _ in range(12):
        optimiser.zero_grad()
        values.append(objective.phases()[0].loss(batch)["loss"])
        values[-1].backward()
        assert all(p.grad is not None and p.grad.isfinite().all() for p in learners)
        optimiser.step()
    assert values[-1] < 0.85 * values[0]
    moved = {name.split(".")[0] for name, p in objective.model.named_parameters() if not torch.equal(p, before[name])}
    assert moved and "trunk" not in moved
    assert all(p.grad is None for p in getattr(objective.model, "trunk", torch.nn.Identity()).parameters())


@every
def test_a_picture_of_one_colour_gives_a_finite_gradient(cls):
    objective, batch = game(cls), batch_for(cls.tiny())
    flat = Batch(torch.full_like(batch.images, 0.2), None, batch.seeds, batch.other)
    objective.phases()[0].loss(flat)["loss"].backward()
    learners = [p for network in next(iter(objective.players().values())) for p in network.parameters()]
    assert all(p.grad.isfinite().all() and p.grad.abs().max() < 1e4 for p in learners)


@every
def test_training_asks_for_styles(cls):
    objective, batch = game(cls), batch_for(cls.tiny())
    with pytest.raises(ConfigError, match="data.other.path"):
        objective.phases()[0].loss(Batch(batch.images, None, batch.seeds))


def test_objectives_say_which_models_they_train():
    with pytest.raises(ConfigError, match="paint in one pass"):
        get_objective("style")(AdaIN.tiny(), get_objective("style").Config())
    with pytest.raises(ConfigError, match='"adain" alone'):
        get_objective("adain")(FastStyle.tiny(), get_objective("adain").Config())
