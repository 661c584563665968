"""What a metric is: it names itself, and is then listed, asked for by name and recorded. A new metric is one new file.

Three kinds. A :class:`FeatureMetric` compares two sets of features and gives one number. Any other :class:`Metric` of a
generator sees all that :func:`ganhub.metrics.evaluate` has collected, and may give several. A :class:`PairMetric`
compares pictures with a reference each.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from torch import Tensor

from ganhub.config import nearest
from ganhub.data import Pictures
from ganhub.errors import MetricError
from ganhub.metrics.extractors import Extractor
from ganhub.metrics.protocol import Protocol, Result
from ganhub.models import LatentGenerator

OnStep = Callable[[str, int, int], None]  # what is being done, pictures so far, pictures in all


class Number(NamedTuple):
    """A value, its standard error, what one must know before quoting it, and the metric's own choices in words."""

    value: float
    error: float | None = None
    note: str = ""
    settings: str = ""


@dataclass(frozen=True, kw_only=True)
class FeatureSets:
    """Features of real and fake pictures, and what the metrics of them may be asked.

    Attributes:
        real, made: [N, D] and [M, D].
        network: Whose features they are.
        seed: The seed of the kernel distance's subsets and the score's splits.
        subsets, subset_size: See :func:`~ganhub.metrics.distances.kernel_distance`.
        k: See :func:`~ganhub.metrics.manifold.manifold`.
        splits: See :func:`~ganhub.metrics.scores.inception_score`.
        force: Take a Frechet distance of too few pictures.
    """

    real: Tensor
    made: Tensor
    network: Extractor
    seed: int = 0
    subsets: int = 100
    subset_size: int = 1000
    k: int | None = None
    splits: int = 10
    force: bool = False
    _kept: dict[str, Any] = field(default_factory=dict)

    def once(self, name: str, compute: Callable[[], Any]) -> Any:
        """What ``compute`` gives, computed once for all metrics that ask for it by that name."""
        if name not in self._kept:
            self._kept[name] = compute()
        return self._kept[name]


@dataclass(frozen=True, kw_only=True)
class Seen:
    """All that an evaluation has collected.

    Attributes:
        model: Measured.
        real: What it was trained on, or a test split of it.
        held_out: Real pictures that were not trained on; or None.
        pictures: The real ones that were read, [N, C, H, W] in [-1, 1].
        labels: Their classes [N], or None.
        samples: Fake pictures, [M, C, H, W] in [-1, 1] on the CPU, of the classes ``model.labels(M, seed=seed)``.
        sets: The features of both.
        data, split: Name and part of the real pictures, for the protocol.
        seed: The seed of the first sample.
        cache: Folder of kept features, or None.
        on_step: Called as the work goes on.
    """

    model: LatentGenerator
    real: Pictures
    held_out: Pictures | None
    pictures: Tensor
    labels: Tensor | None
    samples: Tensor
    sets: FeatureSets
    data: str
    split: str
    seed: int
    cache: Path | None
    on_step: OnStep

    def protocol(self, metric: str, **fields: Any) -> Protocol:
        """How a number of these features was measured; ``fields`` say what is otherwise."""
        network = self.sets.network
        usual = {
            "extractor": network.name, "weights": network.weights, "resize": network.resize, "data": self.data,
            "split": self.split, "real": len(self.pictures), "made": len(self.samples),
        }  # fmt: skip
        return Protocol(metric=metric, **{**usual, **fields})


@dataclass(frozen=True)
class Findings:
    """What a metric found: numbers, and where it has them a report in words and pictures to look at [N, C, H, W]."""

    results: list[Result]
    report: Any = None
    pairs: Tensor | None = None


class _Named:
    """Registers a subclass that is given a ``name`` in the ``_registry`` of its kind."""

    name: ClassVar[str] = ""
    _registry: ClassVar[dict[str, type]]

    def __init_subclass__(cls, *, name: str = "", **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if name:
            if name in cls._registry:
                raise MetricError(f"Two metrics are called '{name}'; give one of them another name.")
            cls.name = name
            cls._registry[name] = cls


class Metric(_Named):
    """A metric of a generator: ``class X(Metric, name="x")``.

    Attributes:
        usual: Whether it is measured where nobody names a metric.
    """

    _registry = {}
    usual: ClassVar[bool] = False

    def refusal(self, model: LatentGenerator) -> str:
        """Why that model cannot be measured by it, in a sentence; "" where it can."""
        return ""

    def measure(self, seen: Seen) -> Findings:
        """Measure; MetricError when it cannot."""
        raise NotImplementedError


class FeatureMetric(Metric):
    """One number from two sets of features: a subclass defines :meth:`of`.

    Attributes:
        key: Machine key of the result, for example "kernel_distance".
        label: The name for people, with any network.
        proper: Label by Inception, where that has a name of its own ("FID").
        better: "lower" or "higher".
        paired: Whether it sees the real pictures.
        seeded: Whether it draws.
    """

    key: ClassVar[str]
    label: ClassVar[str]
    proper: ClassVar[str] = ""
    better: ClassVar[str] = "lower"
    paired: ClassVar[bool] = True
    seeded: ClassVar[bool] = False

    def of(self, sets: FeatureSets) -> Number:
        """The number; MetricError for features that cannot be measured."""
        raise NotImplementedError

    def result(self, sets: FeatureSets, data: str = "", split: str = "") -> Result:
        """The number with its protocol."""
        number, network = self.of(sets), sets.network
        protocol = Protocol(
            metric=self.key, extractor=network.name, weights=network.weights, resize=network.resize,
            settings=number.settings, data=data if self.paired else "", split=split if self.paired else "",
            real=len(sets.real) if self.paired else 0, made=len(sets.made), seed=sets.seed if self.seeded else 0,
        )  # fmt: skip
        named = self.proper if network.name == "inception" and self.proper else f"{self.label} ({network.name})"
        return Result(
            name=self.key, label=named, value=number.value, error=number.error, better=self.better, note=number.note,
            protocol=protocol,
        )  # fmt: skip

    def measure(self, seen: Seen) -> Findings:
        return Findings([self.result(seen.sets, seen.data, seen.split)])


@dataclass(frozen=True, kw_only=True)
class PairOptions:
    """What metrics of pairs may be asked.

    Attributes:
        channel: "rgb" or "y", of PSNR and SSIM.
        crop: Pixels cut off each border, for PSNR and SSIM.
        network: The perceptual distance's feature network.
        backbone: The network whose features LPIPS compares.
    """

    channel: str = "rgb"
    crop: int = 0
    network: str = "vgg-lite"
    backbone: str = "alex"


class PairMetric(_Named):
    """A metric of pictures with a reference each: ``class X(PairMetric, name="x")``.

    Attributes:
        key: Machine key of the result; the name unless it says otherwise.
        better: "lower" or "higher".
    """

    _registry = {}
    key: ClassVar[str] = ""
    better: ClassVar[str] = "lower"

    def of(self, images: Tensor, references: Tensor, options: PairOptions) -> Tensor:
        """[N] from pictures and references, both [N, C, H, W] in [-1, 1]; MetricError when they do not fit."""
        raise NotImplementedError

    def label(self, options: PairOptions) -> str:
        """The name for people."""
        raise NotImplementedError

    def protocol(self, options: PairOptions) -> dict[str, str]:
        """The fields extractor, weights and settings of a :class:`~ganhub.metrics.protocol.Protocol`."""
        return {}


def list_metrics(*, usual: bool | None = None) -> list[str]:
    """Names of the metrics of a generator: those of features first; only the usual or the other ones where asked."""
    features = [name for name, metric in Metric._registry.items() if issubclass(metric, FeatureMetric)]
    names = features + sorted(Metric._registry.keys() - set(features))
    return [name for name in names if usual is None or Metric._registry[name].usual == usual]


def list_feature_metrics() -> list[str]:
    """Names of the metrics that need nothing but features."""
    return [name for name in list_metrics() if issubclass(Metric._registry[name], FeatureMetric)]


def list_pair_metrics() -> list[str]:
    """Names of the metrics of pictures with a reference each."""
    return list(PairMetric._registry)


def get_metric(name: str) -> Metric:
    """The metric of a generator of that name; an unknown name raises MetricError and names the nearest."""
    return _get(name, list_metrics(), Metric._registry)


def get_feature_metric(name: str) -> FeatureMetric:
    """The same, of the metrics that need nothing but features."""
    return _get(name, list_feature_metrics(), Metric._registry)


def get_pair_metric(name: str) -> PairMetric:
    """The same, of the metrics of pictures with a reference each."""
    return _get(name, list_pair_metrics(), PairMetric._registry)


def _get(name: str, known: list[str], registry: dict[str, type]) -> Any:
    if name not in known:
        raise MetricError(f"There is no metric '{name}'.{nearest(name, known)} Choose from: {', '.join(known)}.")
    return registry[name]()
