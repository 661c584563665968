"""The watchdog: looks at a run as it goes, says in words what goes wrong, and keeps the best weights so far.

A look costs about as much as a few steps: the generator makes ``LOOK`` pictures, the first layers of vgg-lite describe
them, and their spread is set against the data's. A check costs more and comes with each checkpoint: the kernel distance
of the averaged weights to at most ``CHECK`` pictures of the data. It counts its own seconds and rests while they
are more than its share. It changes nothing in the run: the weights are the same, bit for bit, with and without it.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from statistics import median

import torch
import torch.nn.functional as F
from torch import Tensor

from ganhub.data.pictures import Pictures
from ganhub.errors import HubError, MetricError
from ganhub.images import from_uint8, to_uint8
from ganhub.metrics.distances import kernel_distance
from ganhub.metrics.extractors import extractor
from ganhub.metrics.protocol import Protocol, Result
from ganhub.models import LatentGenerator
from ganhub.nn.features import MIN_SIDE, feature_network

LOOK, CHECK = 64, 512  # pictures
LOOKS = 50  # in a run, about
ALIKE = 0.15  # spread over the data's below which pictures are all one
PAIRS = 32  # of one class: below so many, their distance says nothing
WILD = 1000  # gradient norm of a player that has lost its way
SEED = 3_000_000_000  # of the pictures it looks at: far from those of grids and evaluations


class Watchdog:
    """What happens to a latent generator while it trains.

    Args:
        data: The run's pictures.
        images: Length of the run, in pictures.
        budget: Largest share of the run's time that it takes; the first minute of a run counts as whole.

    Attributes:
        seconds: Its own time so far.
        alarms: One sentence for each trouble seen in the latest look; empty while all is well.
        news: Those of them that the look before did not have.
        lost: Whether there was an alarm in every look for a twentieth of the run.
    """

    def __init__(self, data: Pictures, images: int, *, budget: float = 0.025) -> None:
        self.data, self.images, self.budget = data, images, budget
        self.history: list[dict[str, float]] = []
        self.seconds = 0.0
        self.alarms: list[str] = []
        self.news: list[str] = []
        self.lost = False
        self._troubled_since: int | None = None
        self._look_seconds = self._check_seconds = 0.0  # of the latest one
        self._network = feature_network("vgg-lite")
        self._data_look: dict[str, float] = {}
        self._data_features: Tensor | None = None
        # A stream is read once, from its beginning, which lies on the way to wherever the run goes on.
        first = data.batch(0, CHECK) if data.streamed else None
        self._held = None if first is None else (to_uint8(first.images), first.labels)

    def remember(self, log: list[dict[str, float]]) -> None:
        """Take up a run that resumes, from the lines of its log."""
        self.history = [line for line in log if "watch/spread" in line]
        self.seconds = self.history[-1].get("watch/seconds", 0.0) if self.history else 0.0
        self.alarms = list(self.history[-1].get("alarms", [])) if self.history else []
        for line in reversed(self.history):
            if not line.get("alarms"):
                break
            self._troubled_since = line["images"]

    def look(
        self, model: LatentGenerator, images_seen: int, numbers: Mapping[str, float], run_seconds: float = 0.0
    ) -> dict[str, float]:
        """Look at pictures of the weights in training, and at what the players report; does nothing when it is early.

        Args:
            model: The weights in training, in any mode; the mode stays as it was.
            images_seen: Real pictures so far.
            numbers: The means that the run is about to log: "discriminator/real_sign", ".../gradient_norm", ...
            run_seconds: Time that the run took so far.

        Returns:
            ``watch/spread`` (mean pairwise feature distance over the data's: 1 is as varied), ``watch/within_classes``
            (the same of pairs of one class, where model and data have classes and enough pairs), ``watch/dead`` (share
            of pictures without a picture in them, beyond the data's) and ``watch/seconds``, to be logged with the rest.
        """
        last = self.history[-1]["images"] if self.history else 0
        self.news = []
        if images_seen - last < self.images / LOOKS or self._tired(run_seconds):
            return {}
        started = time.perf_counter()
        if not self._data_look:
            pictures, labels = self._real(0, LOOK)
            self._data_look = self._describe(pictures.to(model.device), labels)
        description = self._describe(_make(model, LOOK), model.labels(LOOK))
        seen = {
            "watch/spread": description["spread"] / max(self._data_look["spread"], 1e-12),
            "watch/dead": max(description["dead"] - self._data_look["dead"], 0.0),
        }
        if self._data_look["within"] > 0 and not math.isnan(description["within"]):
            seen["watch/within_classes"] = description["within"] / self._data_look["within"]
        self.history.append({"images": images_seen, **numbers, **seen})
        earlier = {alarm.partition(":")[0] for alarm in self.alarms}
        self.alarms = judge(self.history, self.images)
        self.news = [alarm for alarm in self.alarms if alarm.partition(":")[0] not in earlier]
        self._troubled_since = (self._troubled_since or images_seen) if self.alarms else None
        self.lost = bool(self.alarms) and images_seen - self._troubled_since >= self.images / 20
        self._look_seconds = time.perf_counter() - started
        self.seconds += self._look_seconds
        return {**seen, "watch/seconds": self.seconds}

    def check(self, model: LatentGenerator, run_seconds: float) -> Result | None:
        """Kernel distance of a model's pictures to the data, by vgg-lite at the pictures' own size.

        Always of as many pictures, so that one check can be compared with another.

        Args:
            model: The averaged weights, in ``eval()``.
            run_seconds: Time that the run took so far.

        Returns:
            The distance with its protocol; None while it rests, and for pictures that are all the same or no numbers.
        """
        # Before the first one: eight times the pictures of a look, twice, through five blocks for two. And a second to
        # write the folder.
        if self._tired(run_seconds, (self._check_seconds or 50 * self._look_seconds) + 1):
            return None
        started = time.perf_counter()
        network = extractor("vgg-lite").to(model.device)
        count = max(min(len(self.data) or CHECK, CHECK), LOOK)
        if self._data_features is None:
            self._data_features = network(self._real(0, count)[0])
        measuring = time.perf_counter()
        try:
            value, error = kernel_distance(self._data_features, network(_make(model, count)))
        except MetricError:  # nothing to measure: the next look says why
            return None
        finally:
            self.seconds += time.perf_counter() - started
            self._check_seconds = time.perf_counter() - measuring
        protocol = Protocol(
            metric="kernel_distance", extractor=network.name, weights=network.weights, resize=network.resize,
            settings="cubic kernel, all pictures once", data="the training data", real=count, made=count, seed=SEED,
        )  # fmt: skip
        return Result(
            name="kernel_distance", label="Kernel distance (vgg-lite)", value=value, error=error, protocol=protocol
        )

    def _real(self, first: int, count: int) -> tuple[Tensor, Tensor | None]:
        """Pictures of the data, and their classes where they have some."""
        if self._held is None:
            batch = self.data.batch(first, count)
            return batch.images, batch.labels
        pictures, labels = self._held
        part = slice(first, first + count)
        return from_uint8(pictures[part]), None if labels is None else labels[part]

    def _tired(self, run_seconds: float, cost: float = 0.0) -> bool:
        return self.seconds + cost > self.budget * max(run_seconds, 60.0)

    def _describe(self, pictures: Tensor, labels: Tensor | None) -> dict[str, float]:
        """Spread of the first layers' features, that within the classes (nan where too few pairs are of one class), and
        the share of pictures that are one colour or no number at all."""
        pictures = pictures.float()
        alive = pictures.flatten(1).isfinite().all(1) & (pictures.flatten(1).std(1) > 0.02)
        network = self._network.to(pictures.device)
        features = network(_readable(pictures), ["relu2_1"])["relu2_1"]
        features = F.adaptive_avg_pool2d(features, 4).flatten(1)
        distances = torch.pdist(features.nan_to_num()).cpu()  # the order of the pairs is that of triu_indices
        within = distances[:0]
        if labels is not None:
            one, other = torch.triu_indices(len(labels), len(labels), 1)
            within = distances[labels.cpu()[one] == labels.cpu()[other]]
        return {
            "spread": distances.mean().item(),
            "within": within.mean().item() if len(within) >= PAIRS else math.nan,
            "dead": 1 - alive.float().mean().item(),
        }


@torch.no_grad()
def _make(model: LatentGenerator, count: int) -> Tensor:
    """Pictures of the weights as they are, without a trace in the running statistics; NaN where these are."""
    training = model.training
    model.eval()
    try:
        return model.generate(model.latent(range(SEED, SEED + count)), model.labels(count))
    except HubError:  # not finite, which is for the watchdog to say
        return torch.full((count, model.config.channels, *model.config.size), torch.nan, device=model.device)
    finally:
        model.train(training)


def _readable(pictures: Tensor) -> Tensor:
    """RGB of at least ``MIN_SIDE`` pixels, as the feature network needs it; a grey picture has three equal channels."""
    pictures = pictures[:, :3] if pictures.shape[1] >= 3 else pictures[:, :1].expand(-1, 3, -1, -1)
    factor = math.ceil(MIN_SIDE / min(pictures.shape[2:]))
    return F.interpolate(pictures, scale_factor=factor) if factor > 1 else pictures


def judge(history: list[dict[str, float]], images: int) -> list[str]:
    """Read the looks of a run so far, the latest last, as a person would.

    The bounds come from the traces of the shipped recipes, which raise no alarm, and of runs that were broken on
    purpose (tests/test_watchdog.py). Runs start with little spread, some stay there for an eighth of their length and
    recover: so a low spread alone counts late in the first fifth of the run, a spread that is lost at any time. Classes
    come before variety within them: that counts after a third of the run (seven of benchmarks/cures.py keep 0.49).

    Args:
        history: One dict a look: images, watch/spread, watch/dead, of models with classes watch/within_classes, and
            the run's own numbers.
        images: Length of the run.

    Returns:
        One sentence for each trouble; empty while all is well.
    """
    if len(history) < 4 or history[-1]["images"] < 0.05 * images:
        return []
    alarms = []
    share = history[-1]["images"] / images
    recent, spreads = history[-3:], [look["watch/spread"] for look in history]
    spread, dead = median(spreads[-3:]), median(look["watch/dead"] for look in recent)
    within = [look["watch/within_classes"] for look in recent if "watch/within_classes" in look]
    best = max(median(spreads[i : i + 3]) for i in range(len(spreads) - 2))
    now = f"pairwise distance is {spread:.2f} of the data's"
    if dead > 0.5:
        alarms.append(f"the generator draws nothing: {dead:.0%} of its pictures are blank")
    elif share > 1 / 10 and spread < ALIKE / 10 or share > 0.175 and spread < ALIKE:
        alarms.append(f"the generator repeats itself: {now}")
    elif spread < 0.5 and spread < 0.4 * best:
        alarms.append(f"the generator has begun to repeat itself: {now}, it was {best:.2f}")
    elif len(within) == len(recent) and share > 0.35 and median(within) < ALIKE:
        now = f"pairwise distance within classes is {median(within):.2f} of the data's"
        alarms.append(f"the generator draws one picture for each class: {now}")
    for name in history[-1]:
        player, _, what = name.partition("/")
        norms = [look[name] for look in recent if name in look]
        if what != "gradient_norm" or len(norms) < 3:
            continue
        if player == "generator" and median(norms) < 1e-6:
            alarms.append(f"the generator no longer learns: its gradient norm is {median(norms):.1e}")
        elif median(norms) > WILD:
            alarms.append(f"the {player} is out of control: its gradient norm is {median(norms):,.0f}")
    return alarms
