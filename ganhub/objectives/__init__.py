"""Objectives that two families or more share, looked up by name. Importing this package fills the registry."""

from ganhub.objectives._base import (
    BaseObjective,
    Batch,
    GameObjective,
    LateGame,
    Phase,
    get_objective,
    list_objectives,
)
from ganhub.objectives.adversarial import AdversarialConfig, AdversarialObjective
from ganhub.objectives.autoencoding import AutoencodingConfig, AutoencodingObjective
from ganhub.objectives.projected import ProjectedConfig, ProjectedObjective
from ganhub.objectives.relativistic import RelativisticConfig, RelativisticObjective
from ganhub.objectives.style import StyleConfig, StyleObjective
from ganhub.objectives.super_resolution import SuperResolutionConfig, SuperResolutionObjective
from ganhub.objectives.wasserstein import WassersteinConfig, WassersteinObjective
from ganhub.registry import import_files

import_files(__name__, __path__)

__all__ = [
    "AdversarialConfig",
    "AdversarialObjective",
    "AutoencodingConfig",
    "AutoencodingObjective",
    "BaseObjective",
    "Batch",
    "GameObjective",
    "LateGame",
    "Phase",
    "ProjectedConfig",
    "ProjectedObjective",
    "RelativisticConfig",
    "RelativisticObjective",
    "StyleConfig",
    "StyleObjective",
    "SuperResolutionConfig",
    "SuperResolutionObjective",
    "WassersteinConfig",
    "WassersteinObjective",
    "get_objective",
    "list_objectives",
]
