"""Distances, manifolds, scores and their protocols, against closed forms and independent implementations."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import scipy.linalg
import torch
from scipy.spatial.distance import cdist, pdist
from torch import Tensor, nn

from ganhub.errors import ConfigError, MetricError
from ganhub.metrics import (
    Extractor,
    FeatureStore,
    Protocol,
    Result,
    class_accuracy,
    compare,
    frechet_distance,
    frechet_from_moments,
    inception_score,
    intra_class_diversity,
    kernel_distance,
    manifold,
)
from ganhub.metrics.distances import canonical


def rows(count: int, dim: int, seed: int, shift: float = 0.0, scale: float = 1.0) -> Tensor:
    """Correlated Gaussian features in float64."""
    generator = torch.Generator().manual_seed(seed)
    mix = torch.randn(dim, dim, generator=torch.Generator().manual_seed(99), dtype=torch.float64) / dim**0.5
    return torch.randn(count, dim, generator=generator, dtype=torch.float64) @ mix * scale + shift


REAL, MADE = rows(300, 12, 0), rows(260, 12, 1, shift=0.2, scale=1.1)


def shuffled(features: Tensor) -> Tensor:
    return features[torch.randperm(len(features), generator=torch.Generator().manual_seed(5))]


# --- Frechet ----------------------------------------------------------------------------


def test_frechet_agrees_with_scipy_and_torch_fidelity() -> None:
    from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric

    first, second = (np.cov(x.numpy(), rowvar=False) for x in (REAL, MADE))
    shift = (REAL.mean(0) - MADE.mean(0)).square().sum().item()
    by_scipy = shift + np.trace(first + second - 2 * scipy.linalg.sqrtm(first @ second).real)
    theirs = fid_statistics_to_metric(fid_features_to_statistics(REAL), fid_features_to_statistics(MADE), False)
    mine = frechet_distance(REAL, MADE)
    assert mine == pytest.approx(by_scipy, rel=1e-6)
    assert mine == pytest.approx(theirs["frechet_inception_distance"], rel=1e-6)


def test_frechet_of_known_gaussians_is_the_closed_form() -> None:
    """Covariances with common axes Q: |m - m'|^2 + sum (sqrt(a) - sqrt(b))^2, in any direction, singular ones too."""
    axes = torch.linalg.qr(rows(6, 6, 3)).Q
    mean, other = torch.arange(6.0, dtype=torch.float64), torch.full((6,), 0.5, dtype=torch.float64)
    a = torch.tensor([4.0, 1.0, 0.25, 9.0, 0.0, 2.0], dtype=torch.float64)
    b = torch.tensor([1.0, 1.0, 4.0, 0.0, 0.0, 3.0], dtype=torch.float64)
    expected = (mean - other).square().sum() + (a.sqrt() - b.sqrt()).square().sum()
    found = frechet_from_moments(mean, axes * a @ axes.T, other, axes * b @ axes.T)
    assert found == pytest.approx(expected.item(), rel=1e-7)


def test_frechet_of_samples_nears_that_of_their_gaussians() -> None:
    generator = torch.Generator().manual_seed(0)
    first = torch.randn(20_000, 3, generator=generator)
    second = torch.randn(20_000, 3, generator=generator) * 2 + 1
    assert frechet_distance(first, second) == pytest.approx(3 * 1 + 3 * (2 - 1) ** 2, rel=0.03)


def test_frechet_refuses_fewer_pictures_than_features_unless_forced() -> None:
    few = rows(12, 12, 0)
    with pytest.raises(MetricError, match="at least 13 pictures.*12 real and 260 made"):
        frechet_distance(few, MADE)
    forced = frechet_distance(few, MADE, force=True)
    assert forced > frechet_distance(REAL, MADE)
    assert frechet_distance(few, shuffled(few), force=True) == 0


def test_frechet_moments_must_fit() -> None:
    with pytest.raises(MetricError, match="with one D"):
        frechet_from_moments(torch.zeros(3), torch.eye(3), torch.zeros(2), torch.eye(2))
    with pytest.raises(MetricError, match="NaN"):
        frechet_from_moments(torch.zeros(2), torch.eye(2), torch.zeros(2), torch.full((2, 2), torch.nan))


# --- Kernel -----------------------------------------------------------------------------


def test_kernel_distance_agrees_with_torch_fidelity_on_the_same_subsets() -> None:
    from torch_fidelity.metric_kid import kid_features_to_metric

    options = {"kid_subsets": 7, "kid_subset_size": 50, "rng_seed": 3, "verbose": False}
    theirs = kid_features_to_metric(canonical(REAL), canonical(MADE), **options)["kernel_inception_distance_mean"]
    mine = kernel_distance(REAL, MADE, subsets=7, subset_size=50, seed=3)
    assert mine.value == pytest.approx(theirs, rel=1e-9)
    assert kernel_distance(REAL.float(), MADE.float(), subsets=7, subset_size=50, seed=3).value == pytest.approx(
        theirs, rel=1e-5
    )


def test_kernel_distance_of_all_rows_is_the_u_statistic() -> None:
    """Equation 4 by loops, with unequal numbers, which the subsets cannot have."""
    x, y = rows(9, 3, 0).numpy(), rows(6, 3, 1, shift=1).numpy()

    def k(a: np.ndarray, b: np.ndarray) -> float:
        return (a @ b / 3 + 1) ** 3

    within_x = np.mean([k(a, b) for i, a in enumerate(x) for j, b in enumerate(x) if i != j])
    within_y = np.mean([k(a, b) for i, a in enumerate(y) for j, b in enumerate(y) if i != j])
    expected = within_x + within_y - 2 * np.mean([k(a, b) for a in x for b in y])
    assert kernel_distance(torch.from_numpy(x), torch.from_numpy(y)).value == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("shift", [0.0, 0.15, 0.6])
@pytest.mark.parametrize(("subsets", "size"), [(100, 1000), (20, 60), (1, 60)])
def test_the_kernel_distance_knows_its_standard_error(shift: float, subsets: int, size: int) -> None:
    """Drawn again and again: the spread of the estimates is what they said, and their mean is unbiased."""
    estimates = [
        kernel_distance(rows(150, 8, 2 * i), rows(150, 8, 2 * i + 1, shift), subsets=subsets, subset_size=size, seed=i)
        for i in range(40)
    ]
    values = np.array([e.value for e in estimates])
    said = np.sqrt(np.mean([e.error**2 for e in estimates]))
    assert said / 2 < values.std(ddof=1) < said * 2
    if shift == 0:
        assert abs(values.mean()) < 4 * said / math.sqrt(len(values))


def test_kernel_distance_needs_room() -> None:
    with pytest.raises(MetricError, match="at least 1 subset of 4"):
        kernel_distance(REAL, MADE, subset_size=2)
    with pytest.raises(MetricError, match="3 made pictures cannot be measured: give at least 4"):
        kernel_distance(REAL, MADE[:3])


# --- Manifold ---------------------------------------------------------------------------


def brute_force(real: np.ndarray, made: np.ndarray, near: int, far: int) -> tuple[float, ...]:
    """Precision, recall, density and coverage from whole tables, straight from the papers' equations."""
    real_radii, made_radii = (np.sort(cdist(x, x), axis=1) for x in (real, made))
    table = cdist(real, made)
    return (
        (table <= real_radii[:, near, None]).any(0).mean(),
        (table <= made_radii[None, :, near]).any(1).mean(),
        (table <= real_radii[:, far, None]).sum() / (far * len(made)),
        (table.min(1) <= real_radii[:, far]).mean(),
    )


@pytest.mark.parametrize("k", [None, 1, 4])
def test_manifold_agrees_with_whole_tables(k: int | None) -> None:
    near, far = (3, 5) if k is None else (k, k)
    assert manifold(REAL, MADE, k=k) == pytest.approx(brute_force(REAL.numpy(), MADE.numpy(), near, far), rel=1e-12)


def test_manifold_agrees_across_blocks() -> None:
    """Several blocks on each side, of unequal size."""
    real, made = rows(2100, 4, 0), rows(2500, 4, 1, shift=0.3)
    assert manifold(real, made) == pytest.approx(brute_force(real.numpy(), made.numpy(), 3, 5), rel=1e-12)


def test_manifold_agrees_with_torch_fidelity() -> None:
    from torch_fidelity.metric_prc import prc_features_to_metric

    options = {"prc_neighborhood": 3, "prc_batch_size": 10_000, "save_cpu_ram": False, "verbose": False}
    theirs = prc_features_to_metric(MADE, REAL, **options)
    mine = manifold(REAL, MADE)
    assert (mine.precision, mine.recall) == pytest.approx((theirs["precision"], theirs["recall"]), rel=1e-6)


def test_manifold_of_copies_and_of_strangers() -> None:
    copies = manifold(REAL, shuffled(REAL))
    assert (copies.precision, copies.recall, copies.coverage) == (1, 1, 1) and copies.density >= 1
    assert manifold(REAL, MADE + 1000) == (0, 0, 0, 0)
    doubled = REAL.repeat(6, 1)  # every ball has radius zero: a copy still lies within
    assert manifold(doubled, REAL).precision == 1
    with pytest.raises(MetricError, match="k must be at least 1"):
        manifold(REAL, MADE, k=0)


# --- What holds for all -----------------------------------------------------------------

DISTANCES = {
    "frechet": lambda real, made: frechet_distance(real, made),
    "kernel": lambda real, made: kernel_distance(real, made, subsets=5, subset_size=50),
    "manifold": lambda real, made: manifold(real, made),
}
each_distance = pytest.mark.parametrize("measure", DISTANCES.values(), ids=DISTANCES)


@each_distance
def test_order_does_not_change_a_bit(measure) -> None:
    assert measure(REAL, MADE) == measure(shuffled(REAL), shuffled(MADE))
    assert measure(REAL.float(), MADE.float()) == measure(shuffled(REAL).float(), shuffled(MADE).float())


def test_a_set_is_at_no_distance_from_itself() -> None:
    assert frechet_distance(REAL, shuffled(REAL)) == 0
    assert kernel_distance(REAL, shuffled(REAL)) == (0, 0)


@each_distance
def test_bad_features_are_refused_in_a_sentence(measure) -> None:
    broken = MADE.clone()
    broken[7, 3] = torch.nan
    with pytest.raises(MetricError, match="made pictures hold NaN"):
        measure(REAL, broken)
    with pytest.raises(MetricError, match="1 made picture cannot be measured"):
        measure(REAL, MADE[:1])
    with pytest.raises(MetricError, match="12 features and the made ones 11"):
        measure(REAL, MADE[:, :11])
    with pytest.raises(MetricError, match="All 260 made pictures have the same features, as constant"):
        measure(REAL, torch.ones_like(MADE))
    with pytest.raises(MetricError, match="one row per picture"):
        measure(REAL[0], MADE)


# --- Scores -----------------------------------------------------------------------------


def test_inception_score_agrees_with_torch_fidelity() -> None:
    from torch_fidelity.metric_isc import isc_features_to_metric

    logits = rows(200, 12, 4, scale=3)
    theirs = isc_features_to_metric(canonical(logits), splits=5, shuffle=True, rng_seed=2)
    mine = inception_score(logits, 5, seed=2)
    assert mine.value == pytest.approx(theirs["inception_score_mean"], rel=1e-9)
    assert mine.error == pytest.approx(theirs["inception_score_std"] / 2, rel=1e-9)  # std / sqrt(splits - 1)
    assert inception_score(shuffled(logits), 5, seed=2) == mine


def test_inception_score_at_its_ends() -> None:
    sure = 1000 * torch.eye(8).repeat(5, 1)
    assert inception_score(sure, 1).value == pytest.approx(8)
    assert inception_score(torch.zeros(40, 8), 1) == (pytest.approx(1), None)
    for logits, splits, message in (
        (sure, 30, "40 pictures don't make 30 splits"),
        (sure * torch.nan, 1, "NaN"),
        (sure[:, :1], 1, "2 classes or more"),
    ):
        with pytest.raises(MetricError, match=message):
            inception_score(logits, splits)


def test_intra_class_diversity_is_the_mean_pairwise_distance() -> None:
    labels = torch.arange(len(REAL)) % 3
    expected = np.mean([pdist(REAL[labels == c].numpy()).mean() for c in range(3)])
    assert intra_class_diversity(REAL, labels) == pytest.approx(expected, rel=1e-9)
    lone = torch.cat([labels, torch.tensor([7])])  # a class of one picture has no pair
    assert intra_class_diversity(torch.cat([REAL, MADE[:1]]), lone) == pytest.approx(expected, rel=1e-9)
    assert intra_class_diversity(REAL[:1].repeat(9, 1), torch.zeros(9)) == 0
    with pytest.raises(MetricError, match="No class has two"):
        intra_class_diversity(REAL[:3], torch.arange(3))
    with pytest.raises(MetricError, match="labels \\[N\\]"):
        intra_class_diversity(REAL, labels[1:])


def test_class_accuracy() -> None:
    asked = torch.tensor([0, 1, 2, 2])
    assert class_accuracy(torch.tensor([0, 1, 2, 0]), asked) == 0.75
    assert class_accuracy(torch.eye(3)[[0, 1, 2, 0]], asked) == 0.75
    for predicted in (asked[:3], torch.full((4, 3), torch.nan)):
        with pytest.raises(MetricError):
            class_accuracy(predicted, asked)


# --- Protocols and stores ---------------------------------------------------------------


def network(name: str, sides: int = 2) -> Extractor:
    """A real, tiny extractor: pooled pixels, and three classes."""
    torch.manual_seed(0)
    body = nn.Sequential(nn.AdaptiveAvgPool2d(sides), nn.Flatten())
    dim = 3 * sides**2
    return Extractor(name, body, dim=dim, weights="0" * 12, resize="own size", classifier=nn.Linear(dim, 3))


def filled(name: str = "pixels", batch: int = 64) -> FeatureStore:
    store = FeatureStore(network(name))
    for seed, kind in ((0, "real"), (1, "made")):
        pictures = torch.rand(64, 3, 8, 8, generator=torch.Generator().manual_seed(seed)) * (2 - seed / 4) - 1
        for part in pictures.split(batch):
            store.add(part, kind)
    return store


EVERY = ("kernel", "frechet", "precision", "recall", "density", "coverage", "score")


def test_a_store_gives_what_the_functions_give() -> None:
    store = filled()
    found = {r.name: r for r in store.results(EVERY, data="noise", split="test", seed=4)}
    real, made = store.features("real"), store.features("made")
    assert (found["kernel_distance"].value, found["kernel_distance"].error) == kernel_distance(real, made, seed=4)
    assert found["frechet_distance"].value == frechet_distance(real, made)
    assert tuple(found[name].value for name in ("precision", "recall", "density", "coverage")) == manifold(real, made)
    logits = store.extractor.logits_of(made)
    assert (found["class_score"].value, found["class_score"].error) == inception_score(logits, seed=4)
    assert found["kernel_distance"].protocol == Protocol(
        metric="kernel_distance", extractor="pixels", weights="0" * 12, resize="own size", data="noise", split="test",
        settings="cubic kernel, all pictures once", real=64, made=64, seed=4,
    )  # fmt: skip
    assert [r.better for r in found.values()] == ["lower"] * 2 + ["higher"] * 5


def test_batches_do_not_change_a_result() -> None:
    assert filled(batch=64).results(EVERY) == filled(batch=7).results(EVERY)


def test_only_inception_gives_fid_and_kid() -> None:
    assert [r.label for r in filled().results(EVERY[:3])] == [
        "Kernel distance (pixels)", "Frechet distance (pixels)", "Precision (pixels)",
    ]  # fmt: skip
    standard = [r.label for r in filled("inception").results(("kernel", "frechet", "score", "recall"))]
    assert standard == ["KID", "FID", "Inception score", "Recall (inception)"]
    assert not any(name in str(r) for r in filled().results(EVERY) for name in ("FID", "KID", "Inception"))


def test_a_store_says_what_is_wrong() -> None:
    store = filled()
    with pytest.raises(MetricError, match="There is no metric 'kernal'. Did you mean 'kernel'"):
        store.results(["kernal"])
    with pytest.raises(MetricError, match="'real' or 'made', not 'fake'"):
        store.add(torch.zeros(1, 3, 8, 8), "fake")
    with pytest.raises(MetricError, match="16 x 16 and those before 8 x 8"):
        store.add(torch.zeros(1, 3, 16, 16))
    with pytest.raises(MetricError, match="same extractor"):
        store.add_features(torch.zeros(4, 5))
    with pytest.raises(MetricError, match="0 real pictures cannot be measured"):
        FeatureStore(network("pixels")).results()
    constant = FeatureStore(network("pixels"))
    constant.add_features(store.features("real"), "real")
    constant.add(torch.zeros(8, 3, 8, 8))
    with pytest.raises(MetricError, match="All 8 made pictures have the same features"):
        constant.results()


def test_a_forced_frechet_distance_says_so() -> None:
    store = FeatureStore(network("pixels", sides=5))  # 75 features, 64 pictures
    for kind in ("real", "made"):
        store.add(torch.rand(64, 3, 8, 8) * 2 - 1, kind)
    with pytest.raises(MetricError, match="at least 76 pictures"):
        store.results(["frechet"])
    (result,) = store.results(["frechet"], force=True)
    assert "Biased upwards" in result.note and result.note in str(result)


def test_a_result_is_never_without_its_protocol() -> None:
    (result,) = filled().results(data="noise")
    assert result == Result.from_dict(json.loads(json.dumps(result.to_dict())))
    assert all(fact in str(result) for fact in ("±", "pixels", "0" * 12, "own size", "64 made", "64 real", "noise"))
    with pytest.raises(MetricError, match="no protocol"):
        Result.from_dict({key: value for key, value in result.to_dict().items() if key != "protocol"})
    with pytest.raises(ConfigError, match="valeu"):
        Result.from_dict({**result.to_dict(), "valeu": 1})
    with pytest.raises(MetricError, match="NaN"):
        replace(result, value=math.nan)


def test_results_of_different_protocols_are_not_compared() -> None:
    (first,) = filled().results(data="noise")
    assert compare(first, replace(first, value=first.value + 1)) == pytest.approx(1)
    for field, value in {"extractor": "vgg-lite", "weights": "1" * 12, "resize": "box", "made": 9, "seed": 1}.items():
        other = replace(first, protocol=replace(first.protocol, **{field: value}))
        with pytest.raises(MetricError, match=f"protocols differ in {field} ") as caught:
            compare(first, other)
        assert repr(value) in str(caught.value)


def test_importing_metrics_is_light() -> None:
    heavy = "{'scipy', 'torchmetrics', 'torch_fidelity', 'torchvision', 'huggingface_hub', 'efficientnet_lite_pytorch'}"
    script = f"import sys, ganhub.metrics; print({heavy} & set(sys.modules))"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "set()"
