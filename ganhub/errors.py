"""Errors whose message is a sentence for the person in front of the screen: what is wrong, and what to do."""

from __future__ import annotations


class GanhubError(ValueError):
    """Base of every error that ganhub raises on purpose; its text is fit to be shown as it is."""


class ConfigError(GanhubError):
    """A config, recipe or argument that cannot work."""


class HubError(GanhubError):
    """A model folder or Hub repository that is missing, broken, or does not fit."""


class ImageError(GanhubError):
    """A file that is no picture, or a picture that cannot be handled."""


class FileError(GanhubError):
    """A file that cannot be written, or that holds something else than it should."""


class DataError(GanhubError):
    """Training data that is missing or unusable."""


class TrainingError(GanhubError):
    """A training run that cannot go on."""


class ProcessDied(TrainingError):
    """Another process of a run on several processes is gone, and with it the answer this one waits for."""


class MetricError(GanhubError):
    """A measurement that would mean nothing, or two that cannot be compared."""
