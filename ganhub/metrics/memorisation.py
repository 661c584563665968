"""Does a generator return its training pictures? Nearest neighbours, set against what real pictures would show.

A sample close to a training picture proves nothing by itself: digits of one kind lie close together anyway. So each
distance is divided by how close the training pictures lie to each other just there (the *score*), and the scores of the
samples are set against those of real pictures that were not trained on, or, where every picture was, of training
pictures against all others (leave-one-out): for a generator that has learned the distribution and not the pictures, the
two look the same. The idea of a test against held-out pictures is that of "A Non-Parametric Test to Detect Data-Copying
in Generative Models" (Meehan et al. 2020, arXiv:2004.05675, section 3).

Distances are taken after alignment: mirrored or not, shifted by up to 3 pixels, and with brightness and contrast
matched, so that a copy is found though it was flipped, moved or re-lit.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from ganhub import images as pictures
from ganhub.errors import MetricError
from ganhub.metrics._base import Findings, Metric, Seen
from ganhub.metrics.protocol import Protocol, Result
from ganhub.metrics.reading import features_of, read

SIDE = 64  # pictures are compared at no more than so many pixels a side
REACH = 3  # pixels of shift that are looked for
COARSE = 8  # side of the thumbnails that candidates are found by
CANDIDATES = 24  # training pictures that are aligned with each sample
NEAR = 0.5  # score below which a picture is a near-copy: twice as close as neighbours are there
NOISE = 0.02  # distances below this are rounding
P_VALUE = 0.01
MOST_PIXELS = 600_000_000  # of training pictures that are searched for copies


@dataclass(frozen=True)
class Memorisation:
    """What the report says.

    Attributes:
        closer: How often a sample is closer to the training pictures than a held-out real one, in [0, 1]: 0.5 for a
            generator that has learned, 1 for one that copies, below 0.5 for one that is further from the data.
        copies: Share of samples that are near-copies.
        held_copies: The same share of the held-out real pictures: what is normal for this data.
        p_value: That of Fisher's exact test that the samples have more near-copies than the held-out pictures.
        copying: The verdict: significantly more near-copies, and by more than a hundredth of all samples.
        distance: Median distance of a sample to the nearest training picture after alignment, in [0, 1].
        held_distance: The same for held-out pictures.
        feature_distance: Median Euclidean distance of a sample to the nearest training picture in features, or None.
        held_feature_distance: The same for held-out pictures.
        leave_one_out: Whether the held-out pictures are training pictures against all others.
        pairs: The worst samples first: (index of the sample, index of the training picture, score).
    """

    closer: float
    copies: float
    held_copies: float
    p_value: float
    copying: bool
    distance: float
    held_distance: float
    feature_distance: float | None
    held_feature_distance: float | None
    leave_one_out: bool
    pairs: list[tuple[int, int, float]]

    def sentence(self) -> str:
        """The verdict in words."""
        others = "training pictures, each against all others," if self.leave_one_out else "real pictures not trained on"
        shares = f"{self.copies:.1%} of the samples are near-copies of training pictures, where {self.held_copies:.1%}"
        normal = f"{shares} of {others} are"
        if self.copying:
            return f"This generator returns training pictures: {normal}."
        return f"No sign of copying: {normal}; a sample is the closer one in {self.closer:.0%} of comparisons."


def memorisation(
    fake: Tensor,
    train: Tensor,
    held_out: Tensor | None = None,
    *,
    features: tuple[Tensor, Tensor, Tensor | None] | None = None,
    leave_out: int = 1000,
) -> Memorisation:
    """Compare samples with the pictures that a generator was trained on.

    Args:
        fake: Samples [M, C, H, W] in [-1, 1].
        train: All training pictures [N, C, H, W]; a generator may copy any of them.
        held_out: Real pictures that it was not trained on, [K, C, H, W]; None takes training pictures in turn, each
            against all others.
        features: Those of the samples [M, D], of training pictures [n, D] (the first n of ``train``) and of held-out
            ones [K, D] (or None): their nearest distances are reported beside.
        leave_out: How many training pictures stand in for held-out ones.

    Raises:
        MetricError: For fewer than 20 pictures on a side, or sizes that differ.
    """
    held = train[:leave_out] if held_out is None else held_out
    for name, some in (("made", fake), ("training", train), ("held-out", held)):
        if len(some) < 20:
            raise MetricError(f"A memorisation report needs 20 or more {name} pictures, not {len(some)}.")
        if some.shape[1:] != fake.shape[1:]:
            raise MetricError(f"The {name} pictures are {list(some.shape[1:])}, the made {list(fake.shape[1:])}.")
    search = _Search(train)
    own = torch.arange(len(held), device="cpu") if held_out is None else None
    distance, nearest = search.nearest(fake)
    held_distance, held_nearest = search.nearest(held, exclude=own)
    if held_out is not None and (held_distance < NOISE).float().mean() > 0.75:
        raise MetricError(
            "The held-out pictures are among the training pictures, so they cannot say what is normal: name a part "
            "that was not trained on, or none."
        )
    # How far apart training pictures lie around the ones that were found.
    around = torch.cat([nearest, held_nearest]).unique()
    apart = search.nearest(train[around], exclude=around)[0]
    spacing = apart.new_zeros(len(train)).index_put((around,), apart)
    score = distance / spacing[nearest].clamp_min(NOISE)
    held_score = held_distance / spacing[held_nearest].clamp_min(NOISE)

    copies, held_copies = int((score < NEAR).sum()), int((held_score < NEAR).sum())
    p_value = _fisher(copies, len(score), held_copies, len(held_score))
    share, held_share = copies / len(score), held_copies / len(held_score)
    near, held_near = _in_features(features, own)
    worst = score.argsort()[:64].tolist()
    return Memorisation(
        closer=_closer(score, held_score), copies=share, held_copies=held_share, p_value=p_value,
        copying=p_value < P_VALUE and share > held_share + 0.01,
        distance=distance.median().item(), held_distance=held_distance.median().item(),
        feature_distance=near, held_feature_distance=held_near, leave_one_out=held_out is None,
        pairs=[(i, int(nearest[i]), score[i].item()) for i in worst],
    )  # fmt: skip


def worst_pairs(report: Memorisation, fake: Tensor, train: Tensor, count: int = 8) -> Tensor:
    """Pictures to look at, [2 count, ...]: the worst samples, then the training picture that each is closest to."""
    pairs = report.pairs[:count]
    return torch.cat([fake[[i for i, _, _ in pairs]].cpu(), train[[j for _, j, _ in pairs]].cpu()])


class Copies(Metric, name="memorisation"):
    """The report on a generator, whose ``real`` pictures must be those that it was trained on."""

    usual = True

    def measure(self, seen: Seen) -> Findings:
        count, held, held_features = len(seen.pictures), None, None
        limit = MOST_PIXELS // seen.pictures[0].numel()
        every = min(len(seen.real) or count, max(limit, count))
        train = seen.pictures
        if every != count:
            train = read(seen.real, every, "reading all training pictures", seen.on_step)[0]
        against = "training pictures, each against all others"
        if seen.held_out is not None:
            config = seen.held_out.config
            held, _ = read(
                seen.held_out, min(len(seen.held_out) or 1000, 1000), "reading held-out pictures", seen.on_step
            )
            held_features = features_of(held, seen.sets.network, seen.cache, seen.on_step)
            part = "" if config.part == "holdout" else config.split
            against = f"{len(held):,} held-out pictures" + (f", split {part}" if part else "")
        some = seen.samples[:1000]
        seen.on_step("looking for copies", 0, 1)
        near = (seen.sets.made[: len(some)], seen.sets.real, held_features)
        report = memorisation(some, train, held, features=near)
        seen.on_step("looking for copies", 1, 1)
        searched = Protocol(
            metric="", data=seen.data, split=seen.split, real=len(train), made=len(some),
            settings=f"nearest after mirroring, shift up to 3 px and light; set against {against}",
        )  # fmt: skip
        in_features = seen.protocol("", made=len(some), settings=f"Euclidean, not aligned; set against {against}")
        results = _results(report, searched, in_features)
        if seen.real.config.crop == "random":
            note = "Each training picture was looked at in one of its random crops: copies of others count in part."
            results = [replace(r, note=note) if r.name == "near_copies" else r for r in results]
        return Findings(results, report, worst_pairs(report, some, train))


def _results(report: Memorisation, searched: Protocol, in_features: Protocol) -> list[Result]:
    closer = "Closer to the training pictures than real ones (0.5 expected)"
    numbers = [
        ("closer_to_training", closer, report.closer, searched),
        ("near_copies", "Near-copies of training pictures", report.copies, searched),
        ("near_copies_real", "Near-copies among real pictures", report.held_copies, searched),
        ("nearest_distance", "Distance to the nearest training picture", report.distance, searched),
        ("nearest_distance_real", "The same distance of real pictures", report.held_distance, searched),
    ]
    if report.feature_distance is not None:
        near, real, by = report.feature_distance, report.held_feature_distance, in_features.extractor
        numbers += [
            ("nearest_feature_distance", f"Nearest training picture in features ({by})", near, in_features),
            ("nearest_feature_distance_real", f"The same for real pictures ({by})", real, in_features),
        ]
    return [
        Result(
            name=name, label=label, value=value, protocol=replace(protocol, metric=name),
            better="higher" if "distance" in name else "lower",
        )
        for name, label, value, protocol in numbers
    ]  # fmt: skip


class _Search:
    """Nearest training pictures after alignment: thumbnails find candidates, pixels decide."""

    def __init__(self, train: Tensor) -> None:
        self.train = _reduced(train)
        self.thumbnails = _thumbnails(self.train)

    def nearest(self, queries: Tensor, exclude: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Aligned distance to the nearest training picture and its index, [N] each.

        ``exclude`` holds one training index per query that does not count.
        """
        queries = _reduced(queries)
        distances, indices = [], []
        for start in range(0, len(queries), 64):
            some = queries[start : start + 64]
            alike = torch.full((len(some), len(self.train)), -2.0, device="cpu")
            for variant in _variants(some):
                alike = torch.maximum(alike, _thumbnails(variant) @ self.thumbnails.T)
            if exclude is not None:
                alike[torch.arange(len(some), device="cpu"), exclude[start : start + 64]] = -3
            candidates = alike.topk(min(CANDIDATES, len(self.train) - (exclude is not None)), dim=1).indices
            apart = torch.stack([_aligned(q, self.train[c]) for q, c in zip(some, candidates, strict=True)])
            best = apart.min(1)
            distances.append(best.values)
            indices.append(candidates.gather(1, best.indices[:, None])[:, 0])
        return torch.cat(distances), torch.cat(indices)


def _reduced(images: Tensor) -> Tensor:
    """At most ``SIDE`` pixels a side, float32 on the CPU."""
    images = images.detach().float().cpu()
    longest = max(images.shape[2:])
    if longest <= SIDE:
        return images
    size = tuple(max(round(side * SIDE / longest), 2 * REACH + 2) for side in images.shape[2:])
    return torch.cat([pictures.resize(part, size) for part in images.split(256)])


def _thumbnails(images: Tensor) -> Tensor:
    """Unit vectors [N, C * 64] of which brightness and contrast are gone."""
    small = F.adaptive_avg_pool2d(images, COARSE)
    return F.normalize((small - small.mean((2, 3), keepdim=True)).flatten(1), dim=1)


def _variants(images: Tensor) -> list[Tensor]:
    """The pictures as they are and mirrored, each moved by up to two pixels, which thumbnails do not forgive."""
    padded = F.pad(images, (2, 2, 2, 2), mode="replicate")
    height, width = images.shape[2:]
    moved = [padded[:, :, y : y + height, x : x + width] for y in range(5) for x in range(5)]
    return moved + [picture.flip(3) for picture in moved]


def _aligned(query: Tensor, candidates: Tensor) -> Tensor:
    """Distance [K] of one picture [C, H, W] to candidates [K, C, H, W], at the best mirroring, shift and light.

    sqrt(1 - r^2) with r the correlation of what is left of the pictures where they overlap: 0 for a copy up to
    brightness and contrast, 1 for pictures that have nothing in common.
    """
    reach = min(REACH, (min(query.shape[1:]) - 2) // 2)
    height, width = (side - 2 * reach for side in query.shape[1:])
    both = torch.stack([query, query.flip(2)])
    windows = both.unfold(2, height, 1).unfold(3, width, 1)  # [2, C, shifts, shifts, h, w]
    windows = windows.permute(0, 2, 3, 1, 4, 5).flatten(0, 2)
    middle = candidates[:, :, reach : reach + height, reach : reach + width]
    correlation = _flat(middle) @ _flat(windows).T
    return (1 - correlation.amax(1).clamp(0, 1).square()).sqrt()


def _flat(images: Tensor) -> Tensor:
    return F.normalize((images - images.mean((2, 3), keepdim=True)).flatten(1), dim=1)


def _in_features(
    features: tuple[Tensor, Tensor, Tensor | None] | None, own: Tensor | None
) -> tuple[float | None, float | None]:
    if features is None:
        return None, None
    fake, train, held = (None if part is None else part.double() for part in features)
    near = torch.cat([torch.cdist(part, train).amin(1) for part in fake.split(1000)]).median().item()
    if held is not None:
        return near, torch.cat([torch.cdist(part, train).amin(1) for part in held.split(1000)]).median().item()
    count = min(len(own), len(train))
    apart = torch.cdist(train[:count], train)
    apart[torch.arange(count, device="cpu"), torch.arange(count, device="cpu")] = torch.inf
    return near, apart.amin(1).median().item()


def _closer(scores: Tensor, held: Tensor) -> float:
    """P(a sample's score < a held-out picture's), ties counted half: the area under the ROC curve."""
    order = held.sort().values
    above = len(held) - torch.searchsorted(order, scores, right=True)
    equal = torch.searchsorted(order, scores, right=True) - torch.searchsorted(order, scores)
    return ((above + 0.5 * equal).double().mean() / len(held)).item()


def _fisher(copies: int, fake: int, held_copies: int, held: int) -> float:
    """One-sided: the chance of so many copies among the samples if both sides had the same rate."""
    try:
        from scipy.stats import fisher_exact
    except ImportError as error:
        raise MetricError('A memorisation report needs scipy: run pip install "ganhub[eval]".') from error
    table = [[copies, fake - copies], [held_copies, held - held_copies]]
    return float(fisher_exact(table, alternative="greater").pvalue)
