"""StyleGAN2 against the paper's formulas: modulation, resampling, statistics, penalties, sizes and bad input."""

from __future__ import annotations

import copy
import dataclasses
import json
import math

import pytest
import torch
import torch.nn.functional as F

from ganhub import AutoModel
from ganhub.errors import ConfigError, HubError
from ganhub.models import StyleGenerator, get_architecture
from ganhub.models.stylegan2 import (
    Discriminator,
    StyledConv,
    StyleGAN2,
    StyleGAN2Config,
    StyleGAN2Objective,
    StyleGAN2ObjectiveConfig,
    ToPicture,
)
from ganhub.nn.equalised import EqualisedConv2d, EqualisedLinear, minibatch_deviation, pixel_norm
from ganhub.nn.resample import blur, downsample, upsample
from ganhub.objectives import Batch


def config(**changes) -> StyleGAN2Config:
    return StyleGAN2Config(**{**StyleGAN2.tiny().config.to_dict(), **changes})


def varied(model):
    """Give everything that starts from zero a value, so that a mistake there would show."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith(("bias", "noise_strength")):
                parameter.add_(0.3 * torch.randn_like(parameter))
    return model


# Blocks


def textbook_modulated_conv(x, weight, style, demodulate, up=False):
    """Equations 1 to 3, word for word: a weight of its own for each picture, one grouped convolution."""
    n, channels, height, width = x.shape
    w = weight[None] * style[:, None, :, None, None]
    if demodulate:
        w = w / (w.square().sum((2, 3, 4), keepdim=True) + 1e-8).sqrt()
    if up:
        x = F.conv_transpose2d(x.reshape(1, -1, height, width), w.transpose(1, 2).flatten(0, 1), stride=2, groups=n)
    else:
        x = F.conv2d(x.reshape(1, -1, height, width), w.flatten(0, 1), padding=weight.shape[-1] // 2, groups=n)
    return x.view(n, -1, *x.shape[2:])


@pytest.mark.parametrize("up", [False, True])
def test_scaling_activations_is_the_papers_scaled_weights(up):
    layer = varied(StyledConv(6, 5, 7, up=up)).double()
    x, w = torch.randn(3, 6, 8, 12, dtype=torch.float64), torch.randn(3, 7, dtype=torch.float64)
    noise = torch.randn(3, 1, 16, 24, dtype=torch.float64) if up else torch.randn(3, 1, 8, 12, dtype=torch.float64)
    y = textbook_modulated_conv(x, layer.weight, layer.style(w), True, up)
    if up:
        taps = torch.tensor([1.0, 3, 3, 1], dtype=torch.float64)
        kernel = (taps[:, None] * taps / 16).expand(5, 1, 4, 4)
        y = F.conv2d(y, kernel, padding=1, groups=5)
    y = y + layer.noise_strength * noise + layer.bias.view(1, -1, 1, 1)
    assert torch.allclose(layer(x, w, noise), F.leaky_relu(y, 0.2) * math.sqrt(2), atol=1e-10)


def test_the_picture_s_layer_is_modulated_but_not_demodulated():
    layer = varied(ToPicture(6, 3, 7)).double()
    x, w = torch.randn(2, 6, 4, 4, dtype=torch.float64), torch.randn(2, 7, dtype=torch.float64)
    style = layer.style(w) / math.sqrt(6)
    expected = textbook_modulated_conv(x, layer.weight[:, :, None, None], style, False) + layer.bias.view(1, -1, 1, 1)
    assert torch.allclose(layer(x, w), expected, atol=1e-10)


def test_demodulation_keeps_the_variance():
    layer = StyledConv(64, 64, 16)
    with torch.no_grad():
        layer.style.bias.normal_(1.0, 2.0)
    y = layer(torch.randn(8, 64, 16, 16), torch.randn(8, 16), torch.zeros(8, 1, 16, 16))
    before = torch.where(y > 0, y, y / 0.2) / math.sqrt(2)
    assert before.std().item() == pytest.approx(1, abs=0.06)


def test_equalised_layers_start_with_unit_variance_and_learn_at_their_rate():
    x = torch.randn(4096, 100)
    assert EqualisedLinear(100, 50)(x).std().item() == pytest.approx(1, abs=0.05)
    slow = EqualisedLinear(100, 50, bias=0.5, rate=0.01)
    assert slow.weight.std().item() == pytest.approx(100, rel=0.05)
    assert slow(x).std().item() == pytest.approx(1, abs=0.05)
    assert slow(torch.zeros(1, 100)).allclose(torch.full((1, 50), 0.5))
    picture = torch.randn(16, 32, 16, 16)
    assert EqualisedConv2d(32, 32, 3)(picture)[:, :, 1:-1, 1:-1].std().item() == pytest.approx(1, abs=0.05)
    assert EqualisedConv2d(32, 8, 3, stride=2, padding=0)(torch.randn(1, 32, 17, 17)).shape == (1, 8, 8, 8)


def test_pixel_norm_and_minibatch_deviation():
    x = pixel_norm(torch.randn(3, 8, 2, 2) * 9)
    assert torch.allclose(x.square().mean(1), torch.ones(3, 2, 2), atol=1e-4)
    y = torch.randn(6, 5, 2, 2)
    out = minibatch_deviation(y, group=3)
    assert out.shape == (6, 6, 2, 2) and torch.equal(out[:, :5], y)
    for i in range(2):  # pictures i, i + 2, i + 4 are a group
        deviation = y[[i, i + 2, i + 4]].std(0, unbiased=False).mean()
        assert torch.allclose(out[[i, i + 2, i + 4], 5], deviation.expand(3, 2, 2), atol=1e-3)
    assert minibatch_deviation(torch.ones(7, 2, 2, 2))[:, 2].abs().max() < 1e-3


def test_resampling_is_the_binomial_filter():
    x = torch.randn(2, 3, 6, 10, dtype=torch.float64, requires_grad=True)
    taps = torch.tensor([1.0, 3, 3, 1], dtype=torch.float64) / 8
    kernel = (taps[:, None] * taps).expand(3, 1, 4, 4)
    for padding in (1, 2):
        assert torch.allclose(blur(x, padding), F.conv2d(x, kernel, padding=padding, groups=3), atol=1e-12)
    assert torch.allclose(downsample(x), F.conv2d(x, kernel, padding=1, stride=2, groups=3), atol=1e-12)
    doubled = F.conv_transpose2d(x, 4 * kernel, padding=1, stride=2, groups=3)
    assert torch.allclose(upsample(x), doubled, atol=1e-12)
    for function in (lambda x: blur(x, 1, 4.0), lambda x: blur(x, 2), downsample, upsample):
        assert torch.autograd.gradcheck(function, x) and torch.autograd.gradgradcheck(function, x)


# Networks


@pytest.mark.parametrize("height, width", [(32, 32), (64, 64), (48, 64), (96, 128), (64, 160), (32, 48), (40, 40)])
@pytest.mark.parametrize("channels", [1, 4])
def test_sizes_and_channels(height, width, channels):
    model = StyleGAN2(config(image_size=height, image_width=width, channels=channels)).eval()
    pictures = model.sample(2)
    assert pictures.shape == (2, channels, height, width) and model.config.size == (height, width)
    assert Discriminator(model.config)(pictures).shape == (2,)


@pytest.mark.parametrize("size", [32, 64, 128, 256, 512, 1024])
def test_every_power_of_two_builds_with_the_papers_channels(size):
    with torch.device("meta"):
        model = StyleGAN2(StyleGAN2Config(image_size=size))
    doublings = int(math.log2(size)) - 2
    assert model.layers == 2 * doublings + 2 and len(model.style_weights()) == model.layers
    widths = [block.second.weight.shape[0] for block in model.blocks]
    assert widths == [min(16384 // (4 * 2**n), 512) for n in range(doublings + 1)]


@pytest.mark.parametrize(
    "height, width, named",
    [
        (100, 0, "96 x 96 or 112 x 112"),
        (33, 0, "32 x 32 or 40 x 40"),
        (64, 100, "64 x 96"),
        (96, 127, "96 x 128"),
        (4, 0, "8 x 8"),
        (7, 8, "8 x 8"),
    ],
)
def test_sizes_that_do_not_halve_name_the_nearest_that_do(height, width, named):
    with pytest.raises(ConfigError, match=named):
        StyleGAN2Config(image_size=height, image_width=width)


def test_a_batch_is_made_of_its_pictures():
    model = varied(StyleGAN2.tiny()).double().eval()
    z, noise = model.latent(range(5)), model.noise(range(5))
    whole = model.generate(z, noise=noise)
    alone = torch.cat([model.generate(z[i : i + 1], noise=noise[i : i + 1]) for i in range(5)])
    assert torch.allclose(whole, alone, atol=1e-6)
    assert torch.equal(whole, model.sample(5))


def test_noise_changes_details_and_is_the_seed_s():
    model = varied(StyleGAN2.tiny()).eval()
    w = model.to_w(model.latent([3]))
    assert torch.equal(model.from_w(w), model.from_w(w, noise=model.noise([0])))
    assert not torch.equal(model.from_w(w), model.from_w(w, noise=model.noise([1])))
    assert torch.equal(model.noise(range(2, 5))[1:], model.noise([3, 4]))
    assert torch.equal(model.sample(1, seed=3), model.from_w(w, noise=model.noise([3])))


def test_w_plus_steers_layer_by_layer():
    model = varied(StyleGAN2.tiny()).double().eval()
    first, second = model.to_w(model.latent([0, 1]))
    plus = model.per_layer(first[None]).clone()
    assert torch.equal(model.from_w(plus), model.from_w(first[None]))
    pictures = []
    for layer in range(model.layers):
        changed = plus.clone()
        changed[:, layer] = second
        pictures.append(model.from_w(changed))
        assert not torch.equal(pictures[-1], model.from_w(plus)), f"layer {layer} does nothing"
    for wrong in (torch.zeros(1, 9), torch.zeros(1, model.layers + 1, 8), torch.zeros(8)):
        with pytest.raises(ConfigError, match=r"w must be \[N, 8\] or \[N, 6, 8\]"):
            model.from_w(wrong)


@pytest.mark.parametrize("num_classes", [0, 3])
def test_truncation_pulls_w_to_the_mean_of_its_class(num_classes):
    model = StyleGAN2(config(num_classes=num_classes)).train()
    label = torch.arange(300) % 3 if num_classes else None
    with torch.no_grad():
        for step in range(40):
            model.make(range(300 * step, 300 * step + 300), label)
    model.eval()
    w = model.to_w(model.latent(range(6000)), label.repeat(20) if num_classes else None)
    for c in range(max(num_classes, 1)):
        mean = w[c::3].mean(0) if num_classes else w.mean(0)
        assert torch.allclose(model.style_mean[c], mean, atol=0.25 * w.std().item())
    z, y = model.latent([7, 8]), torch.tensor([2, 0]) if num_classes else None
    at = [model.to_w(z, y, truncation=t) for t in (0.0, 0.5, 1.0)]
    mean = model.style_mean[[2, 0]] if num_classes else model.style_mean.expand(2, -1)
    assert torch.allclose(at[0], mean) and torch.allclose(at[1], (at[0] + at[2]) / 2, atol=1e-6)
    for wrong in (-0.1, 1.6, math.nan):
        with pytest.raises(ConfigError, match="truncation must be from 0 to 1.5"):
            model.truncate_w(w[:1], None, wrong)


def test_style_mixing_takes_the_fine_layers_of_another_latent():
    model = StyleGAN2(config(mixing=0.5)).train()
    w = model.per_layer(model.map(model.latent(range(400))))
    mixed = model.mixed(w, range(400), None)
    same = (mixed == w).all(2)  # [N, L]
    assert same[:, 0].all() and (same[:, :-1] >= same[:, 1:]).all(), "coarse layers keep, fine ones change"
    assert (~same).any(1).float().mean().item() == pytest.approx(0.5, abs=0.08)
    starts = same.sum(1)[~same.all(1)]
    assert set(starts.tolist()) == set(range(1, model.layers))
    assert torch.allclose(model.mixed(w[3:7], range(3, 7), None), mixed[3:7], atol=1e-5)
    assert model.eval().mixed(w, range(400), None) is w


def test_the_fast_path_is_near_the_exact_one(monkeypatch):
    """bfloat16 feature maps within 1/255 on average; on a processor without bfloat16 they are emulated here."""
    monkeypatch.setattr("ganhub.models.stylegan2.has_bf16", lambda device: True)
    torch.manual_seed(1)
    model = varied(StyleGAN2(config(image_size=64, channel_base=1024, max_channels=64, style_dim=32))).eval()
    w, noise = model.to_w(model.latent(range(8))), model.noise(range(8))
    exact = model.double().from_w(w, noise=noise)
    fast = model.float().from_w(w, noise=noise)
    assert fast.dtype == torch.float32
    assert 1e-4 < (fast - exact).abs().mean() < 2 / 255  # of a range of 2; float32 would be nearer than 1e-4


def test_alpha_is_there_or_not():
    model = varied(StyleGAN2(config(channels=4))).eval()
    plain = model.sample(4)
    model.config = dataclasses.replace(model.config, alpha_gain=3.0)
    sharp = model.sample(4)
    torch.testing.assert_close(sharp[:, :3], plain[:, :3])
    inside = plain[:, 3].abs() < 1  # what sample() has not clipped
    torch.testing.assert_close(sharp[:, 3][inside], torch.tanh(3 * plain[:, 3][inside]), atol=1e-5, rtol=1e-4)
    coloured = StyleGAN2(config()).eval()
    usual = coloured.sample(2)
    coloured.config = dataclasses.replace(coloured.config, alpha_gain=3.0)
    assert torch.equal(coloured.sample(2), usual)  # nothing to sharpen
    with pytest.raises(ConfigError, match="alpha_gain"):
        config(alpha_gain=-1.0)


def test_alpha_gain_is_saved_learns_and_is_off_in_older_folders(tmp_path):
    model = varied(StyleGAN2(config(channels=4, alpha_gain=3.0)))
    model.make(range(2))[:, 3].sum().backward()
    assert model.blocks[-1].to_picture.weight.grad[3].abs().sum() > 0
    folder = model.eval().save_pretrained(tmp_path / "sharp")
    assert torch.allclose(AutoModel.from_pretrained(folder).sample(2), model.sample(2), atol=1e-5)
    written = json.loads((folder / "config.json").read_text("utf-8"))
    del written["alpha_gain"]
    (folder / "config.json").write_text(json.dumps(written), "utf-8")
    assert AutoModel.from_pretrained(folder).config.alpha_gain == 0


def test_prepared_weights_never_outlive_a_change():
    model = StyleGAN2.tiny().eval()
    points, noise = model.per_layer(model.to_w(model.latent(range(2)))), model.noise(range(2))

    def exact() -> torch.Tensor:  # with gradients nothing is kept
        return model.synthesise(points, noise).detach()

    def kept() -> torch.Tensor:
        with torch.no_grad():
            return model.synthesise(points, noise)

    layer, before = model.blocks[1].first, kept()
    torch.testing.assert_close(before, exact(), atol=5e-2, rtol=0)
    with torch.no_grad():
        layer.weight.mul_(-1)
    assert (kept() - before).abs().max() > 0.1
    torch.testing.assert_close(kept(), exact(), atol=5e-2, rtol=0)
    model.load_state_dict(StyleGAN2.tiny().state_dict())
    torch.testing.assert_close(kept(), exact(), atol=5e-2, rtol=0)
    double = model.double()
    with torch.no_grad():
        made = double.synthesise(points.double(), noise.double())
    torch.testing.assert_close(made, double.synthesise(points.double(), noise.double()).detach())
    model.float()
    torch.testing.assert_close(kept(), exact(), atol=5e-2, rtol=0)
    optimiser = torch.optim.Adam(model.parameters(), lr=0.5, fused=True)  # does not count the versions of weights
    before = kept()
    model.train()
    model.synthesise(points, noise).square().sum().backward()
    optimiser.step()
    model.eval()
    assert (kept() - before).abs().max() > 0.1
    torch.testing.assert_close(kept(), exact(), atol=5e-2, rtol=5e-2)
    other = copy.deepcopy(model)
    with torch.no_grad():
        other.blocks[1].first.weight.mul_(-1)
        changed = other.synthesise(points, noise)
    assert (changed - kept()).abs().max() > 0.1


def test_conditional_discriminator_is_a_projection():
    c = config(num_classes=3)
    judge, images = Discriminator(c).double(), torch.randn(4, 3, 16, 16, dtype=torch.float64)
    scores = torch.stack([judge(images, torch.full((4,), k)) for k in range(3)])
    with torch.no_grad():
        judge.embed.weight[2] = 2 * judge.embed.weight[1] - judge.embed.weight[0]
    third = judge(images, torch.full((4,), 2))
    assert torch.allclose(third, 2 * scores[1] - scores[0], atol=1e-9), "linear in the class embedding"
    assert not torch.allclose(scores[0], scores[1])


# Objective


def objective(**changes):
    model = varied(StyleGAN2(config())).train()
    torch.manual_seed(0)
    settings = StyleGAN2ObjectiveConfig(**changes)
    return StyleGAN2Objective(model, settings)


def batch(n=8):
    return Batch(images=torch.rand(n, 3, 16, 16) * 2 - 1, labels=None, seeds=torch.arange(n))


def test_path_penalty_is_zero_where_all_lengths_are_equal_and_falls_in_training():
    game = objective()
    one = Batch(images=batch(2).images, labels=None, seeds=torch.tensor([3, 4]))  # half a batch: one picture
    assert game.path_loss(one)["loss"].item() == pytest.approx(0, abs=1e-6)  # the mean is its own length
    assert game.path_loss(batch())["loss"] > 1e-3
    optimiser = torch.optim.Adam(game.model.parameters(), lr=0.002)
    spread = []
    for _ in range(30):
        optimiser.zero_grad()
        result = game.path_loss(batch(16))
        result["loss"].backward()
        optimiser.step()
        spread.append(float(result["loss"].detach() / result["path_length"] ** 2))
    assert spread[-1] < 0.5 * spread[0]


def test_path_length_is_the_jacobian_s():
    """Against J^T y from a full Jacobian."""
    game = objective(path_weight=1.0, path_every=1)
    model = game.model.double().eval()
    one = batch(2)
    game.path_loss(one)
    w = model.per_layer(model.map(model.latent([0]))).detach()
    from ganhub.models.stylegan2 import PATH_STREAM
    from ganhub.nn.random import normal

    y = normal([0], 3, 16, 16, stream=PATH_STREAM).double() / 16
    jacobian = torch.autograd.functional.jacobian(lambda w: model.synthesise(w, model.noise([0])), w)
    slope = torch.einsum("nchw,nchwmld->mld", y, jacobian)
    length = slope.square().sum(2).mean(1).sqrt()
    assert game.path_length.item() == pytest.approx(length.item(), rel=1e-4)


def test_phases_are_lazy_and_can_be_switched_off():
    phases = {(p.player, p.every) for p in objective(r1_every=16, path_every=4).phases()}
    assert phases == {("discriminator", 1), ("generator", 1), ("discriminator", 16), ("generator", 4)}
    assert len(objective(r1_gamma=0.0, path_weight=0.0).phases()) == 2
    with pytest.raises(ConfigError, match="path_every must be 1 or more"):
        StyleGAN2ObjectiveConfig(path_every=0)


# Bad input


def test_bad_settings_are_sentences():
    wrongs = [({"style_dim": 0}, "style_dim must be from 1"), ({"mixing": 2.0}, "mixing must be from 0 to 1")]
    for wrong, said in wrongs:
        with pytest.raises(ConfigError, match=said):
            config(**wrong)


def test_labels_are_asked_for():
    model = StyleGAN2(config(num_classes=3)).eval()
    z = model.latent([0])
    image = model(z, torch.tensor([0]))
    for call in (lambda: model.to_w(z), lambda: model(z), lambda: model.make([0]), lambda: model.adversary()(image)):
        with pytest.raises(ConfigError, match="give each picture a label"):
            call()
    model = StyleGAN2(config(num_classes=2, class_names=("sun", "moon"))).eval()
    with pytest.raises(ConfigError, match="knows 2 classes"):
        model.generate(model.latent([0]))
    with pytest.raises(ConfigError, match="Did you mean 'moon'"):
        model.sample(1, label="mon")


def test_a_checkpoint_of_another_architecture_version(tmp_path):
    from safetensors.torch import load_file, save_file

    StyleGAN2.tiny().save_pretrained(tmp_path / "m")
    path = tmp_path / "m" / "model.safetensors"
    tensors = load_file(path)
    tensors["mapping.layers.0.weight_orig"] = tensors.pop("mapping.layers.0.weight")
    save_file(tensors, path)
    with pytest.raises(HubError, match=r"1 missing \(mapping.layers.0.weight\) and 1 unexpected"):
        AutoModel.from_pretrained(tmp_path / "m")


def test_it_is_a_style_generator():
    assert issubclass(get_architecture("stylegan2"), StyleGenerator)
