"""Gatys on a thin, randomly initialised feature network: the optimisation is real, only the features are cheap."""

from __future__ import annotations

import json

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ganhub.errors import ConfigError, GanhubError, ImageError
from ganhub.images.colour import recoloured
from ganhub.models import AutoModel, Stylizer, list_architectures
from ganhub.models.gatys import Gatys, GatysConfig, _Loss
from ganhub.nn.features import FeatureNetwork
from ganhub.nn.vgg_lite import LAYERS, VGGLite, VGGLiteConfig

QUICK = {"steps": 12, "sizes": 1, "preview_every": 4}


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return FeatureNetwork("thin", LAYERS, VGGLite(VGGLiteConfig(widths=(8, 8, 12, 12, 12), depths=(1,) * 5)))


@pytest.fixture(autouse=True)
def exact(monkeypatch):
    """float32 everywhere, so that the numbers below do not depend on the processor."""

    monkeypatch.setattr("ganhub.models.gatys.has_bf16", lambda device: False)


def picture(seed: int, height: int = 40, width: int = 48) -> torch.Tensor:
    """Smooth random blobs."""
    coarse = torch.randn(1, 3, 5, 6, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.interpolate(coarse, size=(height, width), mode="bicubic").clamp(-1, 1)


CONTENT, STYLE = picture(1), picture(2).sign() * 0.8


def losses(network, image: torch.Tensor) -> tuple[float, float]:
    """Relative content and style distance of a result, by equations 1 and 5 written out."""

    def look(x):
        with torch.no_grad():
            return {k: v[0].flatten(1).double() for k, v in network(x, LAYERS).items()}

    def correlations(x):
        return x @ x.T / x.numel()

    content, style, seen = look(CONTENT), look(STYLE), look(image)
    c = float((seen["relu4_1"] - content["relu4_1"]).square().sum() / content["relu4_1"].square().sum())
    s = 0.0
    for name in LAYERS:
        target = correlations(style[name])
        s += float((correlations(seen[name]) - target).square().sum() / target.square().sum()) / len(LAYERS)
    return c, s


def test_the_loss_is_equation_7(network):
    config = GatysConfig(content_weight=2.0, style_weight=5.0, variation_weight=0.0)
    loss = _Loss(config, network, CONTENT, [(STYLE, 1.0)], 1.0, 1.0)
    other = picture(3)
    with torch.no_grad():
        content, style = losses(network, other)
        assert float(loss(other)) == pytest.approx(2 * content + 5 * style, rel=1e-4)


def test_recoloured_has_the_styles_colours():
    """Mean and covariance, in the middle of the range, where nothing is clamped."""
    content, style = CONTENT * 0.2, (picture(5) + 0.3 * picture(6)[:, [1, 2, 0]]) * 0.2
    result = recoloured(content, [(style, 1.0)])[0].flatten(1)
    assert torch.allclose(result.mean(1), style[0].flatten(1).mean(1), atol=1e-4)
    assert torch.allclose(torch.cov(result), torch.cov(style[0].flatten(1)), atol=1e-3)
    flat = torch.full((1, 3, 20, 20), 0.5)  # no covariance to divide by
    assert torch.allclose(recoloured(flat, [(style, 1.0)]).mean((2, 3)), style.mean((2, 3)), atol=1e-3)


@pytest.mark.parametrize("options", [{"optimizer": "lbfgs"}, {"optimizer": "adam", "learning_rate": 0.05}])
@pytest.mark.parametrize("init", ["content", "recoloured", "noise"])
def test_the_style_comes_nearer(network, options, init):
    model = Gatys(GatysConfig(**{**QUICK, "steps": 30, "init": init, **options}), network)
    result = model.stylize(CONTENT, STYLE)
    assert result.shape == CONTENT.shape and result.dtype == torch.float32
    assert result.min() >= -1 and result.max() <= 1 and result.isfinite().all()
    assert losses(network, result)[1] < 0.3 * losses(network, CONTENT)[1]


@pytest.mark.parametrize("init", ["content", "recoloured"])
def test_strength_runs_from_content_to_style(network, init):
    options = {**QUICK, "steps": 40, "init": init, "style_weight": 10.0, "variation_weight": 0.0}
    model = Gatys(GatysConfig(**options), network)
    results = [model.stylize(CONTENT, STYLE, strength=strength) for strength in (0.0, 0.25, 0.5, 1.0)]
    assert torch.equal(results[0], CONTENT) and results[0] is not CONTENT
    content, style = zip(*(losses(network, result) for result in results), strict=True)
    assert list(content) == sorted(content) and content[0] == 0 < content[1]
    assert list(style) == sorted(style, reverse=True)
    assert style[-1] < 0.5 * style[0]


def test_a_picture_in_its_own_style_stays(network):
    model = Gatys(GatysConfig(**QUICK, variation_weight=0.0, init="content"), network)
    assert (model.stylize(CONTENT, CONTENT) - CONTENT).abs().max() < 0.02


@pytest.mark.parametrize("sizes", [1, 3])
def test_progress_and_previews(network, sizes):
    model = Gatys(GatysConfig(steps=10, sizes=sizes, preview_every=4), network)
    seen = []
    result = model.stylize(picture(1, 130, 140), STYLE, on_step=lambda *call: seen.append(call))
    assert [call[:2] for call in seen] == [(step, 10) for step in range(1, 11)]
    assert [step for step, _, look in seen if look is not None] == [4, 8, 10]
    for _, _, look in seen:
        assert look is None or (look.abs().max() <= 1 and look.dim() == 4 and not look.requires_grad)
    assert torch.equal(seen[-1][2], result)
    sides = [look.shape[-2] for _, _, look in seen if look is not None]
    assert sides == sorted(sides) and sides[-1] == 130 and (sides[0] < 130) == (sizes > 1)
    still = []
    model.stylize(CONTENT, STYLE, strength=0, on_step=lambda *call: still.append(call))
    assert [call[:2] for call in still] == [(10, 10)]


def test_a_step_that_goes_astray_is_taken_back(network):
    """A step length of 60 sends L-BFGS far off; what comes out is still no worse than where it began."""
    model = Gatys(GatysConfig(**{**QUICK, "steps": 20, "init": "content", "learning_rate": 60.0}), network)
    result = model.stylize(CONTENT, STYLE)
    assert result.isfinite().all()
    loss = _Loss(model.config, network, CONTENT, [(STYLE, 1.0)], 1.0, 1.0)
    with torch.no_grad():
        assert loss(result) <= loss(CONTENT)


def test_it_can_be_cancelled(network):
    class Cancelled(Exception):
        pass

    calls = []

    def cancel(step, steps, look):
        calls.append(step)
        if step == 3:
            raise Cancelled

    with pytest.raises(Cancelled):
        Gatys(GatysConfig(**QUICK), network).stylize(CONTENT, STYLE, on_step=cancel)
    assert calls == [1, 2, 3]


def test_several_styles(network):
    model = Gatys(GatysConfig(**QUICK), network)
    other = picture(9)
    alone = model.stylize(CONTENT, STYLE)
    with pytest.warns(UserWarning, match="sum to 3, not 1; they are taken as 1.00"):
        assert torch.equal(model.stylize(CONTENT, [(STYLE, 3.0)]), alone)
    assert torch.equal(model.stylize(CONTENT, [(STYLE, 1.0), (other, 0.0)]), alone)
    mixed = model.stylize(CONTENT, [(STYLE, 0.5), (other, 0.5)])
    assert torch.equal(model.stylize(torch.cat([CONTENT, CONTENT.flip(3)]), STYLE)[:1], alone)
    assert (mixed - alone).abs().mean() > 0.01
    assert (mixed - model.stylize(CONTENT, other)).abs().mean() > 0.01


def test_scale_is_the_size_of_the_style(network, monkeypatch):
    seen = []
    forward = network.body.forward
    monkeypatch.setattr(
        network.body, "forward", lambda x, layers: seen.append(tuple(x.shape[-2:])) or forward(x, layers)
    )
    wide = picture(2, 50, 200)
    for scale, size in ((0.5, (11, 44)), (1.0, (22, 88)), (2.0, (44, 175))):
        seen.clear()
        _Loss(GatysConfig(), network, CONTENT, [(wide, 1.0)], 1.0, scale)
        assert seen[0] == (40, 48)
        assert seen[1] == (max(16, size[0]), size[1])


def test_seeds(network):
    noisy = Gatys(GatysConfig(**QUICK, init="noise"), network)
    first = noisy.stylize(CONTENT, STYLE, seed=1)
    assert torch.equal(first, noisy.stylize(CONTENT, STYLE, seed=1))
    assert not torch.equal(first, noisy.stylize(CONTENT, STYLE, seed=2))
    plain = Gatys(GatysConfig(**QUICK), network)
    assert torch.equal(plain.stylize(CONTENT, STYLE, seed=1), plain.stylize(CONTENT, STYLE, seed=2))


@pytest.mark.parametrize("size", [(16, 16), (17, 90), (131, 65), (200, 16)])
def test_odd_sizes(network, size):
    model = Gatys(GatysConfig(steps=4, sizes=3, preview_every=1), network)
    result = model.stylize(picture(1, *size), picture(2, 33, 300))
    assert result.shape == (1, 3, *size) and result.isfinite().all()


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 300), st.integers(1, 6), st.floats(0, 1), st.integers(16, 2000), st.integers(16, 2000))
def test_the_plan_spends_every_step_and_ends_at_full_size(steps, sizes, share, height, width):
    plan = Gatys(GatysConfig(steps=steps, sizes=sizes, finest_share=share))._plan(height, width)
    assert sum(count for _, count in plan) == steps
    assert plan[-1][0] == (height, width)
    areas = [h * w for (h, w), _ in plan]
    assert areas == sorted(areas) and len(plan) <= sizes
    assert len(plan) == 1 or min(plan[0][0]) >= 48


def test_folder_round_trip(tmp_path):
    model = Gatys(GatysConfig(steps=33, style_layers=("relu1_1", "relu3_1"), style_layer_weights=(1.0, 2.0)))
    assert not model.state_dict() and not list(model.parameters())
    model.save_pretrained(tmp_path)
    fields = json.loads((tmp_path / "config.json").read_text())
    assert fields["architecture"] == "gatys" and fields["feature_network"] == "vgg-lite"
    back = AutoModel.from_pretrained(tmp_path)
    assert isinstance(back, Gatys) and back.config == model.config and not back.training
    assert "gatys" in list_architectures() and issubclass(Gatys, Stylizer)
    assert model.to("meta").device == torch.device("meta")  # a model without weights still knows its place


def test_sentences_of_the_config():
    for fields, words in (
        ({"optimizer": "sgd"}, "lbfgs"),
        ({"init": "style"}, "noise"),
        ({"steps": 0}, "steps"),
        ({"sizes": 9}, "sizes"),
        ({"style_layers": ()}, "at least one layer"),
        ({"style_layer_weights": (1.0,)}, "one for each"),
        ({"style_layer_weights": (0.0,) * 5}, "above 0"),
        ({"style_layer_weights": (-1.0,) * 5}, "negative"),
        ({"style_weight": -1.0}, "style_weight"),
    ):
        with pytest.raises(ConfigError, match=words):
            GatysConfig(**fields)


def test_sentences_of_stylize(network):
    model = Gatys(GatysConfig(**QUICK), network)
    for error, arguments, words in (
        (ConfigError, {"strength": 1.1}, "strength"),
        (ConfigError, {"strength": float("nan")}, "strength"),
        (ConfigError, {"scale": 0.0}, "scale"),
        (ConfigError, {"style": []}, "empty"),
        (ConfigError, {"style": [STYLE]}, "pairs"),
        (ConfigError, {"style": [(STYLE, -1.0)]}, "0 or more"),
        (ConfigError, {"style": [(STYLE, 0.0)]}, "above 0"),
        (ImageError, {"style": STYLE[:, :1]}, "RGB"),
        (ConfigError, {"style": "monet"}, "by name"),
        (ConfigError, {"style": [("monet", 1.0)]}, "by name"),
        (ImageError, {"content": CONTENT[0]}, "content"),
        (ImageError, {"style": torch.cat([STYLE, STYLE])}, "one RGB picture"),
        (ImageError, {"content": CONTENT[..., :8]}, "16 pixels"),
    ):
        with pytest.raises(GanhubError, match=words) as caught:
            model.stylize(**{"content": CONTENT, "style": STYLE, **arguments})
        assert isinstance(caught.value, error)
    with pytest.raises(ConfigError, match="relu9_1"):
        Gatys(GatysConfig(content_layer="relu9_1"), network).stylize(CONTENT, STYLE)
    with pytest.raises(ConfigError, match="no-such"):
        Gatys(GatysConfig(feature_network="no-such")).stylize(CONTENT, STYLE)


def test_the_network_that_comes_with_ganhub():
    """The default model, its own weights and the processor's fastest arithmetic, on a small picture."""
    result = Gatys.tiny().stylize(CONTENT, STYLE)
    assert result.shape == CONTENT.shape and (result - CONTENT).abs().mean() > 0.01
