"""Copies are found, whatever was done to them; a generator that learned is not accused."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from ganhub.errors import MetricError
from ganhub.metrics.memorisation import _closer, _Search, memorisation, worst_pairs


def scenes(count: int, seed: int, size: int = 24) -> Tensor:
    """Three overlapping discs and squares of random colour, place and size: each picture its own."""
    random = np.random.default_rng(seed)
    down, right = np.mgrid[:size, :size]
    pictures = np.zeros((count, size, size, 3), np.uint8)
    for picture in pictures:
        picture[:] = random.integers(0, 256, 3)
        for _ in range(3):
            x, y, radius = *random.integers(2, size - 2, 2), random.integers(3, 9)
            disc = (right - x) ** 2 + (down - y) ** 2 < radius**2
            square = (abs(right - x) < radius) & (abs(down - y) < radius)
            picture[disc if random.integers(2) else square] = random.integers(0, 256, 3)
    return torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 127.5 - 1


TRAIN, HELD, FRESH = scenes(600, 0), scenes(150, 1), scenes(200, 2)


def moved(pictures: Tensor, down: int = 2, right: int = -2) -> Tensor:
    """Shifted, with the border repeated where nothing comes in."""
    padded = torch.nn.functional.pad(pictures, (3, 3, 3, 3), mode="replicate")
    height, width = pictures.shape[2:]
    return padded[:, :, 3 - down : 3 - down + height, 3 - right : 3 - right + width]


DISGUISES = {
    "as they are": lambda x: x,
    "flipped": lambda x: x.flip(3),
    "shifted by 2 px": moved,
    "re-lit": lambda x: (0.6 * x + 0.3).clamp(-1, 1),
    "all of it": lambda x: 0.7 * moved(x.flip(3), -1, 2) - 0.2,
    "noisy": lambda x: (x + 0.05 * torch.randn(x.shape, generator=torch.Generator().manual_seed(0))).clamp(-1, 1),
}


@pytest.mark.parametrize("held_out", [True, False], ids=["held-out", "leave-one-out"])
def test_a_healthy_generator_is_not_accused(held_out):
    report = memorisation(FRESH, TRAIN, HELD if held_out else None, leave_out=150)
    assert not report.copying and report.copies <= 0.02 and report.held_copies <= 0.02
    assert 0.4 < report.closer < 0.6, "a fresh picture of the same kind is closer as often as not"
    assert report.distance == pytest.approx(report.held_distance, rel=0.1)
    assert report.leave_one_out is not held_out and "No sign of copying" in report.sentence()


@pytest.mark.parametrize("disguise", DISGUISES)
@pytest.mark.parametrize("share", [1.0, 0.1])
def test_copies_are_found_out(disguise, share):
    made = FRESH.clone()
    count = int(share * len(made))
    made[:count] = DISGUISES[disguise](TRAIN[300 : 300 + count])
    report = memorisation(made, TRAIN, HELD)
    assert report.copying, report
    assert report.copies == pytest.approx(share, abs=0.02)
    found = {(sample, training) for sample, training, _ in report.pairs[: min(count, 64)]}
    right = sum(training == 300 + sample for sample, training in found)
    assert right >= 0.95 * len(found), "the pairs name the pictures that were copied"
    assert "returns training pictures" in report.sentence()


def test_a_collapsed_or_a_bad_generator_is_no_copier():
    """One picture made over and over, pictures too smooth, noise: bad, but none of them is a training picture."""
    blurred = torch.nn.functional.avg_pool2d(FRESH, 5, 1, 2)
    noise = torch.rand(200, 3, 24, 24, generator=torch.Generator().manual_seed(0)) * 2 - 1
    for made in (FRESH[:1].expand(200, -1, -1, -1), blurred, noise, torch.zeros(200, 3, 24, 24)):
        assert not memorisation(made, TRAIN, HELD).copying


def test_duplicates_in_the_data_are_normal():
    """Where real pictures repeat themselves, samples that do so too are not copies."""
    twice = torch.cat([TRAIN[:300], TRAIN[:300]])
    held = torch.cat([HELD[:75], TRAIN[:75]])
    made = torch.cat([FRESH[:100], TRAIN[100:200]])
    report = memorisation(made, twice, held)
    assert report.held_copies == pytest.approx(0.5, abs=0.03) and not report.copying


def test_held_out_pictures_that_were_trained_on_are_refused():
    with pytest.raises(MetricError, match="among the training pictures"):
        memorisation(TRAIN[:200], TRAIN, TRAIN[200:350])


def test_what_it_reports():
    made = FRESH.clone()
    made[7] = TRAIN[11]
    generator = torch.Generator().manual_seed(0)
    features = [torch.randn(n, 5, generator=generator) for n in (200, 600, 150)]
    report = memorisation(made, TRAIN, HELD, features=tuple(features))
    assert report.pairs[0][:2] == (7, 11) and report.pairs[0][2] == pytest.approx(0, abs=0.05)
    pairs = worst_pairs(report, made, TRAIN, count=4)
    assert torch.equal(pairs[0], made[7]) and torch.equal(pairs[4], TRAIN[11])
    nearest = torch.cdist(features[0].double(), features[1].double()).amin(1).median().item()
    assert report.feature_distance == pytest.approx(nearest, rel=1e-9)
    alone = memorisation(made, TRAIN, None, features=(features[0], features[1], None), leave_out=100)
    apart = torch.cdist(features[1][:100].double(), features[1].double())
    apart[range(100), range(100)] = torch.inf
    assert alone.held_feature_distance == pytest.approx(apart.amin(1).median().item(), rel=1e-9)


def test_the_share_of_comparisons_is_the_area_under_the_curve():
    from scipy.stats import mannwhitneyu

    random = np.random.default_rng(0)
    a, b = random.integers(0, 20, 50) / 10, random.integers(0, 25, 70) / 10  # with ties
    expected = 1 - mannwhitneyu(a, b).statistic / (50 * 70)
    assert _closer(torch.from_numpy(a), torch.from_numpy(b)) == pytest.approx(expected, abs=1e-12)


def test_large_pictures_are_searched_small_and_sizes_need_not_be_square():
    large = torch.nn.functional.interpolate(TRAIN[:60], size=(96, 144), mode="bilinear")
    distances, indices = _Search(large).nearest(large[20:30].flip(3))
    assert indices.tolist() == list(range(20, 30)) and distances.max() < 0.05


def test_too_few_pictures_and_sizes_that_differ_are_a_sentence():
    with pytest.raises(MetricError, match="needs 20 or more made pictures, not 5"):
        memorisation(FRESH[:5], TRAIN)
    with pytest.raises(MetricError, match=r"held-out pictures are \[3, 12, 24\], the made \[3, 24, 24\]"):
        memorisation(FRESH, TRAIN, HELD[:, :, ::2])
