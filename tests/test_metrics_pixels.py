"""PSNR, SSIM and perceptual distances, against scikit-image and what must hold."""

from __future__ import annotations

import math
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from torch import Tensor

from ganhub.errors import MetricError
from ganhub.images import load_image
from ganhub.metrics import PairStore, lpips, perceptual_distance, psnr, ssim
from ganhub.metrics.perceptual import lpips_network
from ganhub.metrics.pixels import luma


def pair(count: int = 3, channels: int = 3, height: int = 40, width: int = 33) -> tuple[Tensor, Tensor]:
    """Smooth random pictures, and the same with noise."""
    generator = torch.Generator().manual_seed(1)
    coarse = torch.rand(count, channels, 6, 6, generator=generator) * 2 - 1
    clean = torch.nn.functional.interpolate(coarse, size=(height, width), mode="bicubic").clamp(-1, 1)
    noise = torch.randn(clean.shape, generator=generator) * torch.tensor([0.02, 0.1, 0.4])[:count, None, None, None]
    return (clean + noise).clamp(-1, 1), clean


def skimage_ssim(first: np.ndarray, second: np.ndarray, span: float) -> float:
    """Of [C, H, W], with the choices of Wang et al. 2004."""
    return structural_similarity(
        first, second, data_range=span, channel_axis=0, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
    )


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("crop", [0, 4])
def test_rgb_agrees_with_scikit_image(channels: int, crop: int) -> None:
    image, clean = pair(channels=channels)
    inner = np.s_[:, :, crop : 40 - crop, crop : 33 - crop]
    a, b = ((x.double().numpy()[inner] + 1) / 2 for x in (image, clean))  # in [0, 1], the range of most papers
    expected = [peak_signal_noise_ratio(y, x, data_range=1) for x, y in zip(a, b, strict=True)]
    assert psnr(image, clean, crop=crop).tolist() == pytest.approx(expected, rel=1e-9)
    expected = [skimage_ssim(x, y, 1) for x, y in zip(a, b, strict=True)]
    assert ssim(image, clean, crop=crop).tolist() == pytest.approx(expected, rel=1e-6)


def test_luma_agrees_with_scikit_image() -> None:
    from skimage.color import rgb2ycbcr

    image, clean = pair()
    a, b = (rgb2ycbcr((x.double().numpy() + 1) / 2, channel_axis=1)[:, :1, 4:-4, 4:-4] for x in (image, clean))
    expected = [peak_signal_noise_ratio(y, x, data_range=255) for x, y in zip(a, b, strict=True)]
    assert psnr(image, clean, channel="y", crop=4).tolist() == pytest.approx(expected, rel=1e-6)
    expected = [skimage_ssim(x, y, 255) for x, y in zip(a, b, strict=True)]
    assert ssim(image, clean, channel="y", crop=4).tolist() == pytest.approx(expected, rel=1e-6)


def test_luma_runs_from_16_to_235() -> None:
    ends = torch.tensor([-1.0, 1.0]).view(2, 1, 1, 1)
    assert luma(ends).flatten().tolist() == pytest.approx([16, 235])
    assert luma(ends.expand(-1, 3, -1, -1)).flatten().tolist() == pytest.approx([16, 235])


def test_psnr_of_a_known_error() -> None:
    """An error of 0.2 in a range of 2 everywhere: 20 log10(2 / 0.2) = 20 dB, however large the picture."""
    reference = torch.zeros(2, 3, 8, 9, dtype=torch.float64)
    assert psnr(reference + 0.2, reference).tolist() == pytest.approx([20.0, 20.0])


def test_equal_pictures() -> None:
    _, clean = pair()
    for pictures in (clean, torch.zeros(2, 3, 32, 32)):  # a constant one as well
        assert ssim(pictures, pictures).tolist() == pytest.approx([1.0] * len(pictures))
        assert psnr(pictures, pictures).isposinf().all()
        for network in ("vgg-lite", "efficientnet-lite0"):
            assert perceptual_distance(pictures, pictures, network=network).tolist() == [0.0] * len(pictures)


@pytest.mark.parametrize("measure", [psnr, ssim, perceptual_distance], ids=lambda f: f.__name__)
def test_pictures_that_do_not_fit_are_refused(measure) -> None:
    image, clean = pair()
    with pytest.raises(MetricError, match="give both one size"):
        measure(image, clean[..., :-1])
    with pytest.raises(MetricError, match="NaN"):
        measure(image * torch.nan, clean)
    with pytest.raises(MetricError, match="C = 1 or 3"):
        measure(image[0], clean[0])
    with pytest.raises(MetricError, match="from_uint8"):
        measure(image.to(torch.uint8), clean.to(torch.uint8))


def test_too_small_after_the_crop() -> None:
    image, clean = pair()
    with pytest.raises(MetricError, match="40 x 33 pixels with 12 cut off.*less than 11 x 11"):
        ssim(image, clean, crop=12)
    with pytest.raises(MetricError, match="less than 1 x 1"):
        psnr(image, clean, crop=17)
    with pytest.raises(MetricError, match="'rgb' or 'y'"):
        psnr(image, clean, channel="luma")
    with pytest.raises(MetricError, match="16 pixels a side"):
        perceptual_distance(image[..., :12, :12], clean[..., :12, :12])


@pytest.mark.parametrize("network", ["vgg-lite", "efficientnet-lite0"])
def test_perceptual_distance_grows_with_the_noise_and_ignores_the_batch(network: str) -> None:
    image, clean = pair()
    together = perceptual_distance(image, clean, network=network)
    assert 0 < together[0] < together[1] < together[2] < 4
    alone = torch.cat([perceptual_distance(image[i : i + 1], clean[i : i + 1], network=network) for i in (2, 1, 0)])
    assert torch.equal(alone.flip(0), together)
    assert torch.allclose(perceptual_distance(clean, image, network=network), together)


def test_unknown_networks_name_the_nearest() -> None:
    image, clean = pair()
    with pytest.raises(MetricError, match="'vgg-light'. Did you mean 'vgg-lite'"):
        perceptual_distance(image, clean, network="vgg-light")
    with pytest.raises(MetricError, match="'squeez'. Did you mean 'squeeze'"):
        lpips(image, clean, backbone="squeez")


def test_lpips_with_a_backbone_from_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Random weights of the real shape stand in the cache under the name that torchvision looks for."""
    from torchvision.models import squeezenet1_1

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    file = folder / "squeezenet1_1-b8a52dc0.pth"
    file.write_bytes(b"cut off")
    image, clean = pair(height=64, width=64)
    with pytest.raises(MetricError, match="'squeeze' of LPIPS.*perceptual_distance, which needs no network"):
        lpips(image, clean, backbone="squeeze")
    torch.save(squeezenet1_1().state_dict(), file)
    values = lpips(image, clean, backbone="squeeze")
    assert values.shape == (3,) and (values > 0).all() and values[2] > values[0]
    assert lpips(clean, clean, backbone="squeeze").tolist() == [0, 0, 0]
    (result,) = _store(["lpips"], image, clean, backbone="squeeze").results()
    assert result.label == "LPIPS (squeeze)" and result.protocol.weights == lpips_network("squeeze")[1]
    lpips_network.cache_clear()
    shutil.rmtree(folder)


def _store(metrics: list[str], image: Tensor, clean: Tensor, **options) -> PairStore:
    store = PairStore(metrics, **options)
    for i in (2, 0, 1):
        store.add(image[i : i + 1], clean[i : i + 1])
    return store


def test_a_store_of_pairs_averages() -> None:
    image, clean = pair()
    store = _store(["psnr", "ssim", "perceptual"], image, clean, channel="y", crop=2)
    found = {r.name: r for r in store.results(data="noise")}
    decibels = psnr(image, clean, channel="y", crop=2).numpy()
    assert found["psnr"].value == pytest.approx(decibels.mean(), rel=1e-12)
    assert found["psnr"].error == pytest.approx(decibels.std(ddof=1) / math.sqrt(3), rel=1e-12)
    assert (found["psnr"].label, found["psnr"].better) == ("PSNR (Y)", "higher")
    assert "2 pixels cut off" in found["ssim"].protocol.settings and found["ssim"].protocol.made == 3
    looks = found["perceptual_distance"]
    assert (looks.label, looks.better) == ("Perceptual distance (vgg-lite)", "lower")
    assert len(looks.protocol.weights) == 12
    together = PairStore(["psnr"], channel="y", crop=2)
    together.add(image, clean)
    assert together.results(data="noise") == [found["psnr"]]


def test_a_store_of_pairs_says_what_is_wrong() -> None:
    _, clean = pair()
    with pytest.raises(MetricError, match="'pnsr'. Did you mean 'psnr'"):
        PairStore(["pnsr"])
    store = PairStore(["psnr"])
    with pytest.raises(MetricError, match="add pictures first"):
        store.results()
    store.add(clean, clean)
    with pytest.raises(MetricError, match="3 of 3 pictures equal their references"):
        store.results()


def test_bicubic_enlargement_of_set5_is_what_the_papers_print(shared: Path) -> None:
    """Dong et al. 2016 (arXiv:1501.00092, table 2): bicubic, Set5, x2: 33.66 dB and 0.9299 on Y, cropped by 2."""
    import zipfile

    from ganhub.images import from_uint8, resize, to_uint8

    store = PairStore(["psnr", "ssim"], channel="y", crop=2)
    with zipfile.ZipFile(shared / "data" / "sr-set5.zip") as archive:
        for number in range(1, 6):
            large, small = (
                load_image(archive.read(f"Set5/image_SRF_2/img_{number:03}_SRF_2_{kind}.png")) for kind in ("HR", "LR")
            )
            store.add(from_uint8(to_uint8(resize(small, tuple(large.shape[-2:])))), large)
    decibels, likeness = (result.value for result in store.results(data="Set5"))
    assert (decibels, likeness) == (pytest.approx(33.66, abs=0.05), pytest.approx(0.9299, abs=0.001))
