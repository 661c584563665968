"""Frechet distance, kernel distance, precision and recall beside torch-fidelity: ``python benchmarks/metrics.py``.

Both measure the same pictures with the same extractor in the same run, one pass over the pictures each, so that a busy
or slow machine cancels out. The pictures are random noise, or those of a zip. Writes Markdown.
"""

from __future__ import annotations

import argparse
import os
import time
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor
from torch.utils.data import Dataset

from ganhub.errors import DataError
from ganhub.images import FORMATS, fit, from_uint8, load_image, to_uint8
from ganhub.metrics import EXTRACTORS, FeatureStore, extractor

METRICS = ("frechet", "kernel", "precision", "recall")
THEIRS = {
    "frechet": "frechet_inception_distance",
    "kernel": "kernel_inception_distance_mean",
    "precision": "precision",
    "recall": "recall",
}


class Pictures(Dataset):
    """Pictures uint8 [N, 3, H, W], one by one, as torch-fidelity reads them."""

    def __init__(self, pictures: Tensor) -> None:
        self.pictures = pictures

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, index: int) -> Tensor:
        return self.pictures[index]


def noise(count: int, side: int, seed: int) -> Tensor:
    """Random colours in 8 x 8 cells, uint8: unlike white noise, pictures that a network can tell apart."""
    generator = torch.Generator().manual_seed(seed)
    cells = torch.randint(0, 256, (count, 3, 8, 8), generator=generator, dtype=torch.uint8)
    return cells.repeat_interleave(side // 8, 2).repeat_interleave(side // 8, 3)


def read(path: Path, count: int, side: int) -> Tensor:
    """The first ``count`` pictures of a zip, uint8."""
    with zipfile.ZipFile(path) as archive:
        endings = tuple(f".{name.lower()}" for name in (*FORMATS, "jpg"))
        names = [name for name in archive.namelist() if name.lower().endswith(endings)][:count]
        if len(names) < count:
            raise DataError(f"{path} has {len(names)} pictures, and {count} are needed: give a smaller --n.")
        return torch.cat([to_uint8(fit(load_image(archive.read(name)), side, side)) for name in names])


def timed(work: Callable[[], dict[str, float]]) -> tuple[dict[str, float], float, float]:
    """What ``work`` returns, its wall time and its processor time (its workers' included), in seconds."""

    def spent() -> float:
        return sum(os.times()[:4])

    began, before = time.perf_counter(), spent()
    values = work()
    return values, time.perf_counter() - began, spent() - before


def ours(name: str, real: Tensor, made: Tensor, force: bool) -> tuple[dict[str, float], float]:
    """The four numbers, and the seconds that the features took."""
    began = time.perf_counter()
    store = FeatureStore(name)
    for kind, pictures in (("real", real), ("made", made)):
        for part in pictures.split(64):
            store.add(from_uint8(part), kind)
    seconds = time.perf_counter() - began
    results = store.results(METRICS, force=force)
    return {asked: result.value for asked, result in zip(METRICS, results, strict=True)}, seconds


def theirs(name: str, real: Tensor, made: Tensor) -> dict[str, float]:
    """The same by torch-fidelity, with our extractor registered there."""
    from torch_fidelity import calculate_metrics, register_feature_extractor
    from torch_fidelity.feature_extractor_base import FeatureExtractorBase

    class Ours(FeatureExtractorBase):
        def __init__(self, name: str, features_list: list[str], **kwargs: object) -> None:
            super().__init__(name, features_list)
            self.network = extractor(name.removeprefix("ganhub-"))

        @staticmethod
        def get_provided_features_list() -> tuple[str]:
            return ("pooled",)

        @staticmethod
        def get_default_feature_layer_for_metric(metric: str) -> str:
            return "pooled"

        @staticmethod
        def can_be_compiled() -> bool:
            return False

        def forward(self, pictures: Tensor) -> tuple[Tensor]:
            return (self.network(from_uint8(pictures)),)

    register_feature_extractor(f"ganhub-{name}", Ours)
    warnings.filterwarnings("ignore", message="This DataLoader will create")  # its four workers on two cores
    found = calculate_metrics(
        input1=Pictures(made), input2=Pictures(real), feature_extractor=f"ganhub-{name}",
        fid=True, kid=True, prc=True, kid_subset_size=min(1000, len(real)), batch_size=64, cuda=False, cache=False,
        rng_seed=0, verbose=False,
    )  # fmt: skip
    return {asked: found[key] for asked, key in THEIRS.items()}


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--n", type=int, default=10_000, help="pictures on each side")
    options.add_argument("--side", type=int, default=64, help="of the pictures, in pixels")
    options.add_argument("--extractor", default="efficientnet-lite0", choices=list(EXTRACTORS))
    options.add_argument("--pictures", type=Path, help="a zip of 2 n pictures; without it, noise")
    options.add_argument("--threads", type=int, default=1)
    given = options.parse_args()
    torch.set_num_threads(given.threads)
    if given.pictures:
        real, made = read(given.pictures, 2 * given.n, given.side).chunk(2)
    else:
        real, made = noise(given.n, given.side, 0), noise(given.n, given.side, 1)
    network = extractor(given.extractor)
    network(from_uint8(real[:1]))  # what the first call sets up is nobody's
    few = given.n <= network.dim
    share: list[float] = []

    def run() -> dict[str, float]:
        values, seconds = ours(given.extractor, real, made, force=few)
        share.append(seconds)
        return values

    mine, wall, work = timed(run)
    other, other_wall, other_work = timed(lambda: theirs(given.extractor, real, made))
    source = given.pictures.name if given.pictures else "noise"
    print(
        f"{given.n:,} against {given.n:,} pictures of {given.side} px ({source}), {given.extractor} (weights "
        f"{network.weights}), {given.threads} thread(s){'; too few for a Frechet distance, forced' if few else ''}\n"
    )
    print("| | ganhub | torch-fidelity | ratio |\n|---|---:|---:|---:|")
    print(f"| seconds | {wall:.1f} | {other_wall:.1f} | **{wall / other_wall:.3f}** |")
    print(f"| processor seconds | {work:.1f} | {other_work:.1f} | {work / other_work:.3f} |")
    print(f"| of these for the features | {share[0]:.1f} | | |")
    for name in METRICS:
        ratio = f"{mine[name] / other[name]:.6f}" if other[name] else ""
        print(f"| {name} | {mine[name]:.6g} | {other[name]:.6g} | {ratio} |")


if __name__ == "__main__":
    main()
