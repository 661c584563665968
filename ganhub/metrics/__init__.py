"""Measuring models: pure functions on tensors, accumulators over batches, and results that carry their protocol.

The default is the kernel distance in the features of "efficientnet-lite0", which needs no network and is unbiased:

    store = FeatureStore()
    store.add(real_pictures, "real")
    store.add(made_pictures, "made")
    print(*store.results(["kernel"], data="emoji-noto-64"))
"""

from ganhub.metrics._base import (
    FeatureMetric,
    FeatureSets,
    Findings,
    Metric,
    Number,
    PairMetric,
    PairOptions,
    Seen,
    get_metric,
    list_feature_metrics,
    list_metrics,
    list_pair_metrics,
)
from ganhub.metrics.accumulate import FeatureStore, PairStore
from ganhub.metrics.distances import KernelEstimate, frechet_distance, frechet_from_moments, kernel_distance
from ganhub.metrics.evaluation import Evaluation, evaluate
from ganhub.metrics.extractors import EXTRACTORS, Extractor, extractor
from ganhub.metrics.manifold import Manifold, manifold
from ganhub.metrics.memorisation import Memorisation, memorisation
from ganhub.metrics.path_length import path_length
from ganhub.metrics.perceptual import lpips, perceptual_distance
from ganhub.metrics.pixels import psnr, ssim
from ganhub.metrics.protocol import Protocol, Result, compare
from ganhub.metrics.scores import ScoreEstimate, class_accuracy, inception_score, intra_class_diversity
from ganhub.registry import import_files

import_files(__name__, __path__)  # each metric registers itself

__all__ = [
    "EXTRACTORS",
    "Evaluation",
    "Extractor",
    "FeatureMetric",
    "FeatureSets",
    "FeatureStore",
    "Findings",
    "KernelEstimate",
    "Manifold",
    "Memorisation",
    "Metric",
    "Number",
    "PairMetric",
    "PairOptions",
    "PairStore",
    "Protocol",
    "Result",
    "ScoreEstimate",
    "Seen",
    "class_accuracy",
    "compare",
    "evaluate",
    "extractor",
    "frechet_distance",
    "frechet_from_moments",
    "get_metric",
    "inception_score",
    "intra_class_diversity",
    "kernel_distance",
    "list_feature_metrics",
    "list_metrics",
    "list_pair_metrics",
    "lpips",
    "manifold",
    "memorisation",
    "path_length",
    "perceptual_distance",
    "psnr",
    "ssim",
]
