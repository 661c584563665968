"""Model, the registry and AutoModel: what every family shares. The verbs are in ``_verbs.py``.

A model class names its architecture, ``class DCGAN(LatentGenerator, architecture="dcgan")``, and that is all:
saving, loading, AutoModel, the command line, the app's menus and the contract tests read the registry.
"""

from __future__ import annotations

import re
import reprlib
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from ganhub import hub
from ganhub._version import __version__
from ganhub.config import BaseConfig, nearest
from ganhub.errors import ConfigError, HubError, ImageError
from ganhub.hub import cards, uploads
from ganhub.hub.folder import clipped
from ganhub.nn.devices import choose_device

MAX_PARAMETERS = 4_000_000_000  # 16 GB in float32: more is a mistake in the config, not a GAN
MAX_CALLS = 20_000  # of torch, while a network is built: the largest family here takes 1,600
_REGISTRY: dict[str, type[Model]] = {}


class Model(nn.Module):
    """Exactly the networks that inference needs, built from a checked config.

    A subclass sets ``Config`` and ``paper`` and defines ``tiny``, a CPU-sized real instance for the contract tests.
    """

    Config: ClassVar[type[BaseConfig]]
    paper: ClassVar[str]
    architecture: ClassVar[str] = ""
    verb: ClassVar[str] = ""
    pipeline_tag: ClassVar[str] = ""  # the Hub's name of what the verb does
    caption: ClassVar[str] = "Samples, not curated"  # of the card's samples.png
    default_objective: ClassVar[str] = ""
    # What a run may change in weights it starts from: setting -> parts of the names of tensors that start untrained.
    renewable: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    watched: ClassVar[bool] = False  # whether a run looks out for collapse: it draws pictures from seeds alone

    def __init_subclass__(cls, *, architecture: str = "", **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if not architecture:
            return
        missing = [part for part in ("Config", "paper", "tiny") if not hasattr(cls, part)]
        if missing or not cls.verb:
            raise TypeError(f"{cls.__name__} needs {', '.join(missing) or 'a verb class to derive from'}.")
        if architecture in _REGISTRY:
            raise TypeError(f"The architecture '{architecture}' exists already, in {_REGISTRY[architecture].__name__}.")
        cls.architecture = architecture
        _REGISTRY[architecture] = cls

    def __init__(self, config: BaseConfig | None = None) -> None:
        super().__init__()
        self.config = config if config is not None else self.Config()

    @property
    def device(self) -> torch.device:
        """Where the parameters live; the CPU for a model without any."""
        return next((p.device for p in self.parameters()), torch.device("cpu"))

    @property
    def dtype(self) -> torch.dtype:
        """Type of the parameters; float32 for a model without any."""
        return next((p.dtype for p in self.parameters()), torch.float32)

    def adversary(self) -> nn.Module:
        """Build the paper's discriminator or critic: (images [N, C, H, W], labels) -> scores [N]."""
        raise ConfigError(f"{self.architecture} has no adversary: it is not trained in a game.")

    def needs(self, side: int) -> dict[str, Any]:
        """How the pictures that it is trained on are to be read: arguments of ``ganhub.data.open_data``.

        Args:
            side: Height and width in pixels that a recipe asks for, which a model that takes any size goes by.

        Returns:
            ``height``, ``width``, ``channels``, and ``labelled``: whether each picture needs a class.
        """
        return {"height": side, "width": side, "channels": 3, "labelled": False}

    def accept(self, data: Any) -> BaseConfig:
        """Its config for a training on ``data``, the names of classes filled in where it has some.

        Args:
            data: The pictures, as ``ganhub.data.open_data`` gives them: ``class_names`` and ``other``.

        Raises:
            ConfigError: They are not what it can learn from, in a sentence that says what to set.
        """
        return self.config

    def preview(self, count: int = 64) -> Tensor | None:
        """What a sheet of samples shows of it, [count, C, H, W] in [-1, 1]; None where it draws nothing by itself."""
        return None

    @classmethod
    def build(cls, config: BaseConfig) -> Self:
        """Build from a config, after a look at what it would cost.

        Raises:
            ConfigError: When the network would have more than ``MAX_PARAMETERS``; nothing is allocated then.
        """
        cls._shapes(config)
        return cls(config)

    @classmethod
    def _shapes(cls, config: BaseConfig) -> dict[str, torch.Size]:
        """Names and shapes of the state dict, found without allocating it."""
        try:
            with torch.device("meta"), _NoDraws():
                state = cls(config).state_dict()
        except (RuntimeError, OverflowError) as error:  # sizes beyond what an integer holds
            reason = str(error).strip().split("\n")[0][:200]
            raise ConfigError(f"This {cls.architecture} config asks for an impossible size ({reason}).") from None
        total = sum(t.numel() for t in state.values())
        if total > MAX_PARAMETERS:
            raise ConfigError(
                f"This {cls.architecture} config asks for {total:,} parameters ({total * 4 / 1e9:,.0f} GB); "
                f"at most {MAX_PARAMETERS:,} are built. Check its sizes."
            )
        return {name: t.shape for name, t in state.items()}

    def save_pretrained(
        self,
        save_directory: str | Path,
        *,
        variant: str | None = None,
        dtype: torch.dtype | None = None,
        card: dict[str, Any] | None = None,
        repo_id: str | None = None,
        push_to_hub: bool = False,
        **push_options: Any,
    ) -> Path:
        """Write a Hub folder: config.json, model.safetensors and README.md.

        Args:
            save_directory: The folder; made when missing. Hand-written parts of a card in it survive.
            variant: Writes model.VARIANT.safetensors, for example "fp16".
            dtype: Floating tensors are stored in this type, for example torch.float16.
            card: Facts for the card (licence, datasets, recipe, ...); see :func:`ganhub.hub.cards.render_card`.
            repo_id: Where to push; the folder's name by default.
            push_to_hub: Push the folder after writing it; ``push_options`` are those of
                :func:`ganhub.hub.uploads.push_folder`.
        """
        folder = Path(save_directory)
        config = {"architecture": self.architecture, "ganhub_version": __version__, **self.config.to_dict()}
        hub.write_folder(folder, config, self.state_dict(), variant=variant, dtype=dtype)
        self.write_beside(folder)
        cards.write_card(folder, {**self.card_facts(), **(card or {})})
        if push_to_hub:
            uploads.push_folder(folder, repo_id or folder.name, **push_options)
        return folder

    def write_beside(self, folder: Path) -> None:
        """Write what a model of this kind keeps in its folder beside config and weights; nothing by default."""

    def read_beside(self, folder: Path) -> None:
        """Read what :meth:`write_beside` wrote, where it is there; HubError for what cannot be used."""

    def command(self, name: str) -> str:
        """The line of the command line that uses a model of this kind, which is called ``name`` there."""
        raise NotImplementedError(f"{type(self).__name__} has no verb.")

    @classmethod
    def task(cls, config: BaseConfig) -> str:
        """What a model of that config does for a person, in a word."""
        raise NotImplementedError(f"{cls.__name__} has no verb.")

    @classmethod
    def usage(cls, config: BaseConfig) -> str:
        """Python for the card that uses the loaded ``model`` of that config."""
        raise NotImplementedError(f"{cls.__name__} has no verb.")

    @classmethod
    def facts(cls, config: BaseConfig) -> dict[str, Any]:
        """What a card tells of every model of that config; see :func:`ganhub.hub.cards.render_card`."""
        return {"architecture": cls.architecture, "pipeline_tag": cls.pipeline_tag, "use": cls.usage(config),
                "caption": cls.caption, "paper": cls.paper}  # fmt: skip

    def card_facts(self) -> dict[str, Any]:
        """:meth:`facts`, and what this model alone can say."""
        return {**self.facts(self.config), "parameters": sum(p.numel() for p in self.parameters())}

    def push_to_hub(
        self,
        repo_id: str,
        *,
        variant: str | None = None,
        dtype: torch.dtype | None = None,
        card: dict[str, Any] | None = None,
        **options: Any,
    ) -> str:
        """Save to a temporary folder and push it in one commit; a card that a person edited is kept.

        Args:
            repo_id: "owner/name"; made when it does not exist.
            variant, dtype, card: As in :meth:`save_pretrained`.
            options: token, private, branch, commit_message, create_pr.

        Returns:
            The commit's address.
        """
        with tempfile.TemporaryDirectory() as folder:
            self.save_pretrained(folder, variant=variant, dtype=dtype, card={"name": repo_id, **(card or {})})
            return uploads.push_folder(folder, repo_id, **options)

    @classmethod
    def from_pretrained(
        cls,
        pretrained_model_name_or_path: str | Path,
        *,
        revision: str | None = None,
        subfolder: str | None = None,
        variant: str | None = None,
        token: str | bool | None = None,
        cache_dir: str | Path | None = None,
        local_files_only: bool = False,
        force_download: bool = False,
        dtype: torch.dtype | None = None,
        device: str | torch.device = "cpu",
        max_bytes: int | None = None,
    ) -> Self:
        """Load a Hub folder, strictly: every key must be there, in the right shape, and no other.

        Args:
            pretrained_model_name_or_path: A folder, a short name, or "owner/name"; see :mod:`ganhub.hub`.
            revision: Branch, tag or commit of the repository.
            subfolder: Folder within it.
            variant: Reads model.VARIANT.safetensors.
            token: Hub token; False sends none.
            cache_dir: Where downloads are kept.
            local_files_only: Do not use the network.
            force_download: Download again.
            dtype: Type of the parameters; float32 whatever the file holds unless given.
            device: "cpu", "cuda", "mps", or "auto" for the best there is.
            max_bytes: Refuse to download more than this.

        Returns:
            The model in ``eval()``.

        Raises:
            HubError: When something is missing, broken or does not fit, with what to do about it.
            ConfigError: When there is no such device.
        """
        device = choose_device(device)  # before anything is fetched
        folder = hub.locate(
            pretrained_model_name_or_path,
            revision=revision, subfolder=subfolder, variant=variant, token=token, cache_dir=cache_dir,
            local_files_only=local_files_only, force_download=force_download, max_bytes=max_bytes,
        )  # fmt: skip
        return cls.from_folder(folder, variant=variant, dtype=dtype, device=device)

    @classmethod
    def from_folder(
        cls,
        folder: str | Path,
        *,
        variant: str | None = None,
        dtype: torch.dtype | None = None,
        device: str | torch.device = "cpu",
    ) -> Self:
        """Load from a folder on this disk; see :meth:`from_pretrained`."""
        place = choose_device(device)
        folder = Path(folder)
        fields = hub.read_config(folder)
        architecture, version = fields.pop("architecture", None), str(fields.pop("ganhub_version", ""))
        try:
            model_class = get_architecture(architecture)
            config = model_class.Config.from_dict(fields)
        except ConfigError as error:
            reason = clipped(error, 800)  # it may quote what the file says, at any length
            if _newer(version):
                raise HubError(
                    f"{folder.name} was saved by ganhub {clipped(version, 40)}, this is {__version__}: upgrade ganhub. "
                    f"({reason})"
                ) from None
            raise HubError(f"{folder.name}/config.json: {reason}") from None
        if not issubclass(model_class, cls):
            raise HubError(f"{folder.name} holds a {architecture}, not a {cls.__name__}; load it with AutoModel.")
        _check_shapes(folder.name, model_class._shapes(config), hub.read_shapes(folder, variant))
        with torch.device("cpu"), _NoDraws():  # every weight comes from the file
            model = model_class(config).float()  # whatever torch's default dtype is: half would round the weights
        model.load_state_dict(hub.read_tensors(folder, variant), strict=True)
        model.read_beside(folder)
        return model.to(device=place, dtype=dtype or torch.float32).eval()


class _NoDraws(TorchFunctionMode):
    """Makes random initialisation do nothing: wasted before a file is loaded; on the meta device it would only import
    torch's compiler. A config that asks for layers without end is refused after ``MAX_CALLS``."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def __torch_function__(self, func: Any, types: Any, args: tuple = (), kwargs: dict[str, Any] | None = None) -> Any:
        kwargs = kwargs or {}
        self.calls += 1
        # The switch for gradients always passes: a block of no_grad that cannot end would leave them off for good.
        if self.calls > MAX_CALLS and func.__name__ != "_set_grad_enabled":
            raise ConfigError("This config asks for more layers than any network here has: check its lists and counts.")
        if func is torch.randn and not kwargs.get("generator"):
            return torch.empty(*args, **kwargs)
        if func.__name__ in ("normal_", "uniform_", "kaiming_uniform_", "_no_grad_normal_", "_no_grad_uniform_"):
            return args[0] if args else kwargs["tensor"]
        return func(*args, **kwargs)


def _check_shapes(name: str, expected: dict[str, torch.Size], found: dict[str, tuple]) -> None:
    missing, unexpected = sorted(expected.keys() - found.keys()), sorted(found.keys() - expected.keys())
    if missing or unexpected:
        parts = [f"{len(m)} {word} ({', '.join(m[:3])}{', ...' if len(m) > 3 else ''})"
                 for m, word in ((missing, "missing"), (unexpected, "unexpected")) if m]  # fmt: skip
        raise HubError(f"The weights of {name} do not fit its config.json: tensors {' and '.join(parts)}.")
    for key, shape in expected.items():
        if tuple(shape) != tuple(found[key][0]):
            raise HubError(
                f"The weights of {name} do not fit its config.json: {key} is {list(found[key][0])} in the file, "
                f"the config asks for {list(shape)}."
            )


def finite(fake: Tensor, model: Model, *given: Tensor) -> Tensor:
    """Return ``fake``, what ``model`` generated of ``given``, before anything is clamped; every verb asks here.

    Raises:
        HubError: It holds NaN or infinity, which would be shown as an even grey: weights that are damaged.
        ImageError: So does one of ``given``.
    """
    if _is_finite(fake):
        return fake
    if not all(_is_finite(one) for one in given):
        raise ImageError("A picture that was given holds numbers that are not finite: give numbers from -1 to 1.")
    raise HubError(
        f"This {model.architecture or type(model).__name__} gives numbers that are not finite (NaN): its weights are "
        f"damaged, or too large for {str(model.dtype).removeprefix('torch.')}; fetch or train it again."
    )


def _is_finite(x: Tensor) -> bool:
    """By the smallest and the largest number: one look, and no memory, where ``isfinite`` takes a byte for each."""
    return not x.numel() or bool(torch.stack(torch.aminmax(x.detach())).isfinite().all())


def _newer(version: str) -> bool:
    def numbers(text: str) -> list[int]:
        return [int(part) for part in text.split(".")[:3] if re.fullmatch("[0-9]{1,6}", part)]

    return numbers(version) > numbers(__version__)


def list_architectures() -> list[str]:
    """Names of all registered architectures, sorted."""
    return sorted(_REGISTRY)


def get_architecture(name: str) -> type[Model]:
    """Return the class of an architecture; an unknown name raises ConfigError and names the nearest."""
    if not isinstance(name, str) or name not in _REGISTRY:
        names = ", ".join(sorted(_REGISTRY))
        raise ConfigError(f"There is no architecture {reprlib.repr(name)}.{nearest(name, _REGISTRY)} Known: {names}.")
    return _REGISTRY[name]


class AutoModel:
    """Reads a folder's architecture and gives the right class back."""

    @staticmethod
    def from_pretrained(pretrained_model_name_or_path: str | Path, **options: Any) -> Model:
        """Load any ganhub model; options as in :meth:`Model.from_pretrained`."""
        return Model.from_pretrained(pretrained_model_name_or_path, **options)

    @staticmethod
    def from_config(config: dict[str, Any]) -> Model:
        """Build an untrained model from a dict with "architecture" and the config's fields."""
        fields = {k: v for k, v in config.items() if k != "ganhub_version"}
        if "architecture" not in fields:
            raise ConfigError(f"The config needs an architecture: one of {', '.join(list_architectures())}.")
        model_class = get_architecture(fields.pop("architecture"))
        return model_class.build(model_class.Config.from_dict(fields))
