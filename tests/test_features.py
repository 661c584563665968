"""Feature networks and the losses on their features."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

import pytest
import torch
from torch import nn

from ganhub import images
from ganhub.errors import ConfigError, HubError, ImageError
from ganhub.losses.perceptual import content_distance, gram, gram_distance
from ganhub.nn import features
from ganhub.nn.features import FEATURE_NETWORKS, FeatureNetwork, Frozen, build_vgg19, feature_network, load_vgg_lite
from ganhub.nn.vgg_lite import CHANNELS, LAYERS, VGGLite, VGGLiteConfig, reflect, start_from_data

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def lite() -> FeatureNetwork:
    return load_vgg_lite(ROOT / "model_cards" / "vgg-lite")


@pytest.fixture(scope="module")
def vgg19() -> tuple[FeatureNetwork, nn.Sequential]:
    """VGG-19 of random weights, and torchvision's own layers with the same ones."""
    models = pytest.importorskip("torchvision.models")
    with torch.device("meta"):  # its classifier of 120 million weights is never allocated
        theirs = models.vgg19().features
    theirs = theirs.to_empty(device="cpu")
    generator = torch.Generator().manual_seed(0)
    for p in theirs.parameters():
        p.data = torch.randn(p.shape, generator=generator) * (2 / max(9, p[0].numel())) ** 0.5
    theirs.requires_grad_(False)
    return build_vgg19({f"features.{k}": v for k, v in theirs.state_dict().items()}), theirs


def pictures(n: int, height: int, width: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(n, 3, height, width, generator=torch.Generator().manual_seed(seed)) * 2 - 1


# ---- vgg-lite


@pytest.mark.parametrize(("height", "width"), [(64, 48), (33, 17), (16, 16), (16, 100)])
def test_layers_have_vgg19s_channels_and_sizes(lite, height, width):
    found = lite(pictures(2, height, width), LAYERS)
    assert list(found) == list(lite.layers) == list(LAYERS)
    for block, (name, channels) in enumerate(zip(LAYERS, CHANNELS, strict=True)):
        assert found[name].shape == (2, channels, height // 2**block, width // 2**block)
        assert found[name].min() >= 0 and found[name].isfinite().all()
        assert found[name].max() > 0, "a layer without an answer to noise is dead"


def test_the_published_file_is_small_and_half_precision():
    folder = ROOT / "model_cards" / "vgg-lite"
    assert (folder / "model.safetensors").stat().st_size < 10_000_000
    assert {t.dtype for t in features.hub.read_tensors(folder).values()} == {torch.float16}
    assert {p.dtype for p in load_vgg_lite(folder).parameters()} == {torch.float32}


def test_stops_at_the_deepest_layer_asked_for(lite):
    ran = []
    hooks = [conv.register_forward_hook(lambda *_, b=b: ran.append(b)) for b, conv in enumerate(lite.body.blocks[2])]
    hooks += [conv.register_forward_hook(lambda *_: ran.append("deeper")) for conv in lite.body.blocks[3]]
    lite(pictures(1, 32, 32), ["relu3_1", "relu1_1", "relu3_1"])
    for hook in hooks:
        hook.remove()
    assert ran == [0]


def test_gradients_reach_the_picture_and_not_the_network(lite):
    picture = pictures(1, 32, 32).requires_grad_()
    gram(lite(picture, ["relu5_1"])["relu5_1"]).sum().backward()
    assert picture.grad.abs().sum() > 0
    assert all(p.grad is None and not p.requires_grad for p in lite.parameters())


def test_stays_in_eval_inside_a_module_that_trains(lite):
    assert not nn.Sequential(lite).train()[0].training


def test_float64_and_bfloat16_agree_with_float32(lite):
    picture = pictures(1, 40, 40)
    single = lite(picture, LAYERS)
    double = load_vgg_lite(ROOT / "model_cards" / "vgg-lite").double()(picture.double(), LAYERS)
    with torch.autocast("cpu", torch.bfloat16):
        half = lite(picture, LAYERS)
    for name in LAYERS:
        assert double[name].dtype == torch.float64
        torch.testing.assert_close(single[name].double(), double[name], rtol=1e-3, atol=1e-3)
        assert (half[name].float() - single[name]).norm() < 0.05 * single[name].norm()


def test_a_flat_picture_has_flat_features(lite):
    """Reflection padding leaves no frame: every place of an even picture looks the same."""
    for f in lite(torch.full((1, 3, 48, 48), 0.3), LAYERS).values():
        torch.testing.assert_close(f, f[:, :, :1, :1].expand_as(f), rtol=1e-3, atol=1e-3)


def test_reflect_repeats_where_there_is_nothing_to_reflect():
    assert reflect(torch.tensor([[[[1.0, 2.0]]]])).tolist() == [[[[1.0, 1.0, 2.0, 2.0]] * 3]]
    assert reflect(torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]]))[0, 0, 0].tolist() == [4.0, 3.0, 4.0, 3.0]


def test_start_from_data_whitens_and_solves_for_the_heads():
    torch.manual_seed(0)
    small = VGGLite(VGGLiteConfig(widths=(20, 8, 8, 8, 8), depths=(1, 1, 1, 1, 1)))
    batch = images.resize(pictures(4, 8, 8), 32)  # neighbouring pixels are alike, as in photos
    targets = {n: f.detach() for n, f in small(batch).items()}
    start_from_data(small, batch, targets)
    x = small.blocks[0][0](reflect(batch))
    torch.testing.assert_close(x.mean((0, 2, 3)), torch.zeros(20), rtol=0, atol=1e-3)
    torch.testing.assert_close(x.std((0, 2, 3)), torch.ones(20), rtol=0, atol=1e-2)
    thin = small.trunk(batch)["relu1_1"]
    residual = targets["relu1_1"] - small.heads[0](thin)
    # the normal equations of ridge regression: E[residual x^T] = 0.01 W
    found = torch.einsum("nkhw,nchw->kc", residual, thin) / residual[:, 0].numel()
    torch.testing.assert_close(found, 0.01 * small.heads[0].weight[:, :, 0, 0], rtol=0.02, atol=2e-4)


# ---- the interface


def test_each_caller_gets_a_copy_of_one_loaded_network(monkeypatch, lite):
    built = []
    monkeypatch.setitem(FEATURE_NETWORKS, "mine", lambda: built.append(1) or FeatureNetwork("mine", LAYERS, lite.body))
    first, second = feature_network("mine"), feature_network("mine")
    first.double()
    assert built == [1] and next(second.parameters()).dtype == torch.float32
    features._loaded.pop("mine")


def test_a_frozen_network_moves_with_its_holder_and_is_no_part_of_its_state():
    holder = torch.nn.Module()
    holder.frozen, holder.own = Frozen(feature_network("vgg-lite")), torch.nn.Linear(2, 2)
    assert set(holder.state_dict()) == {"own.weight", "own.bias"} == {name for name, _ in holder.named_parameters()}
    network = holder.frozen.network
    before = {name: x.clone() for name, x in network.state_dict().items()}
    holder.to(torch.bfloat16, memory_format=torch.channels_last).train()
    assert holder.own.weight.dtype == torch.bfloat16 and not network.training
    assert all(torch.equal(x, before[name]) for name, x in network.state_dict().items())  # no digit was lost
    assert network.body.blocks[1][0].weight.is_contiguous(memory_format=torch.channels_last)
    half = holder.frozen.cast(torch.bfloat16)
    assert holder.frozen.cast(torch.bfloat16) is half and holder.frozen.cast(torch.float32) is network
    assert next(half.parameters()).dtype == torch.bfloat16
    holder.load_state_dict(holder.state_dict(), strict=True)
    assert next(holder.to("meta").frozen.cast(torch.bfloat16).parameters()).is_meta


def test_vgg_lite_is_found_by_name():
    assert feature_network("vgg-lite").name == "vgg-lite"


def test_an_unknown_name_names_the_nearest():
    with pytest.raises(ConfigError, match="Did you mean 'vgg-lite'.*vgg19"):
        feature_network("vgg_lite")


def test_an_unknown_layer_names_the_nearest(lite):
    with pytest.raises(ConfigError, match="no layer 'relu3_2'.*Did you mean 'relu3_1'"):
        lite(pictures(1, 32, 32), ["relu3_2"])
    with pytest.raises(ConfigError, match="no layer"):
        lite(pictures(1, 32, 32), [])


@pytest.mark.parametrize(
    ("shape", "words"), [((1, 3, 15, 64), "16 x 16"), ((1, 1, 32, 32), "RGB"), ((3, 32, 32), "N, 3")]
)
def test_pictures_that_do_not_fit(lite, shape, words):
    with pytest.raises(ImageError, match=words):
        lite(torch.zeros(shape), ["relu1_1"])


def test_a_folder_that_is_no_vgg_lite(tmp_path):
    features.hub.write_folder(tmp_path, {"architecture": "dcgan", "ganhub_version": "0.1.0"}, {"w": torch.zeros(1)})
    with pytest.raises(HubError, match="holds no vgg-lite"):
        load_vgg_lite(tmp_path)
    config = {"architecture": "vgg-lite", "ganhub_version": "0.1.0", **VGGLiteConfig().to_dict()}
    features.hub.write_folder(tmp_path, config, {"w": torch.zeros(1)})
    with pytest.raises(HubError, match="do not fit"):
        load_vgg_lite(tmp_path)


def test_config_checks_itself():
    with pytest.raises(ConfigError, match="five numbers"):
        VGGLiteConfig(widths=(1, 2))
    with pytest.raises(ConfigError, match="from 1 to 8"):
        VGGLiteConfig(depths=(1, 1, 9, 1, 1))


# ---- VGG-19


def test_vgg19s_names_are_torchvisions_layers(vgg19):
    network, theirs = vgg19
    index = {"relu1_1": 1, "relu1_2": 3, "relu2_1": 6, "relu3_1": 11, "relu4_1": 20, "relu4_2": 22, "relu5_1": 29}
    index |= {"relu5_4": 35}  # as in every style-transfer paper's list
    assert len(network.layers) == 16
    picture = pictures(1, 32, 32)
    mean, deviation = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    x = ((picture + 1) / 2 - mean.view(1, 3, 1, 1)) / deviation.view(1, 3, 1, 1)
    found = network(picture, list(index))
    for name, i in index.items():
        expected = theirs[: i + 1](x)
        assert found[name].shape == expected.shape
        assert (found[name] - expected).norm() < 1e-4 * expected.norm()


def test_vgg19_reads_the_smallest_pictures(vgg19):
    assert vgg19[0](pictures(1, 16, 16), ["relu5_4"])["relu5_4"].shape == (1, 512, 1, 1)


def test_vgg19_without_a_network_points_to_vgg_lite(monkeypatch, tmp_path):
    weights = pytest.importorskip("torchvision.models").VGG19_Weights
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))  # nothing cached
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # a port where nobody answers
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("urllib.request._opener", None)  # made at its first use, with the proxies of that time
    assert weights.IMAGENET1K_V1.url.startswith("https://")
    with pytest.raises(HubError, match="'vgg-lite'"):
        build_vgg19()


# ---- losses


def test_gram_by_hand():
    f = torch.tensor([[[[1.0, 2.0]], [[3.0, 4.0]]]])  # C = 2, H W = 2
    torch.testing.assert_close(gram(f), torch.tensor([[[5.0, 11.0], [11.0, 25.0]]]) / 4)


def test_gram_is_blind_to_place_and_to_tiling():
    f = torch.randn(2, 5, 6, 4, generator=torch.Generator().manual_seed(0))
    order = torch.randperm(24, generator=torch.Generator().manual_seed(1))
    shuffled = f.flatten(2)[:, :, order].reshape(f.shape)
    torch.testing.assert_close(gram(shuffled), gram(f))
    torch.testing.assert_close(gram(f.repeat(1, 1, 2, 3)), gram(f))
    assert torch.linalg.eigvalsh(gram(f)).min() > -1e-6


def test_distances_are_gatys_equations_up_to_their_constants():
    g = torch.Generator().manual_seed(0)
    a, b = (torch.randn(1, 3, 4, 5, generator=g, dtype=torch.float64) for _ in range(2))
    c, m = 3, 20
    paper_gram = [x.reshape(c, m) @ x.reshape(c, m).T for x in (a, b)]
    e_l = (paper_gram[0] - paper_gram[1]).square().sum() / (4 * c**2 * m**2)  # equation 4
    torch.testing.assert_close(gram_distance(gram(a), gram(b))[0] * c**2 / 4, e_l)
    content = 0.5 * (a - b).square().sum()  # equation 1
    torch.testing.assert_close(content_distance(a, b)[0] * c * m / 2, content)
    assert gram_distance(gram(a), gram(a)).item() == content_distance(a, a).item() == 0


def test_gram_gradient_is_equation_6():
    """dE/dF = (F^T (G - A))^T / (C^2 M^2), positive F only in the paper because of the ReLU before it."""
    g = torch.Generator().manual_seed(0)
    a, b = (torch.rand(1, 3, 4, 5, generator=g, dtype=torch.float64) for _ in range(2))
    a.requires_grad_()
    (gram_distance(gram(a), gram(b)).sum() * 9 / 4).backward()
    f, other = a.detach().reshape(3, 20), b.reshape(3, 20)
    expected = (f @ f.T - other @ other.T) @ f / (3**2 * 20**2)
    torch.testing.assert_close(a.grad.reshape(3, 20), expected)


def test_gram_of_half_precision_is_summed_in_float32():
    f = torch.rand(1, 4, 64, 64, generator=torch.Generator().manual_seed(0)).bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        found = gram(f)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.double(), gram(f.double()), rtol=1e-5, atol=1e-7)


# ---- against the teacher


@pytest.mark.skipif("GANHUB_SHARED" not in os.environ, reason="the teacher lies in GANHUB_SHARED")
def test_agrees_with_its_teacher(lite):
    spec = importlib.util.spec_from_file_location("distill", ROOT / "training" / "distill_vgg_lite.py")
    distill = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(distill)
    shared = Path(os.environ["GANHUB_SHARED"])
    teacher = distill.load_teacher(shared / "weights" / "vgg19-16x" / "encoder5.pth")
    blobs = [blob for _, blob in distill.read_zip(shared / "data" / "kodak8.zip")][:2]
    for picture in (images.load_image(blob, max_side=384) for blob in blobs):
        found = lite(picture, LAYERS)
        for name, target in teacher(picture).items():
            error = ((found[name] - target).norm() / target.norm()).item()
            limit = 0.85 if name == "relu5_1" else 0.65  # 1 is a network that answers nothing; benchmarks/ has the rest
            assert error < limit, f"{name}: {error}"
            ours, theirs = gram(found[name]).flatten(), gram(target).flatten()
            assert torch.cosine_similarity(ours, theirs, dim=0) > (0.7 if name == "relu5_1" else 0.85)
