"""Configs, indices, headers, cards and recipes of strangers: bounded before they are parsed, checked before use."""

from __future__ import annotations

import json
import os
import struct
from pathlib import Path
from typing import Any

import pytest
import torch

from ganhub import files, hub, zoo
from ganhub.config import apply_override
from ganhub.errors import ConfigError, GanhubError, HubError
from ganhub.hub import cards
from ganhub.models import AutoModel, LatentGenerator, get_architecture
from ganhub.models import _base as base
from ganhub.trainer import make_recipe, read_recipe
from ganhub.trainer.recipe import TABLES


def saved(folder: Path, family: str = "mlp-gan", **changes: Any) -> Path:
    """A small model whose config.json has been changed."""
    get_architecture(family).tiny().save_pretrained(folder)
    config = {**json.loads((folder / "config.json").read_text()), **changes}
    (folder / "config.json").write_text(json.dumps(config))
    return folder


ODD = {
    "no text": {"architecture": 3},
    "a list": {"architecture": ["mlp-gan"]},
    "nothing": {"architecture": None},
    "a long name": {"architecture": "m" * 300_000},
    "a number as a version": {"ganhub_version": 9, "depth": 1},
    "a version of odd digits": {"ganhub_version": "\u0664.\u00b3.\u2460", "depth": 1},
    "a long version": {"ganhub_version": "8" * 9000, "depth": 1},
    "a long key": {"k" * 200_000: 1},
    "a huge number": {"image_size": 10**300},
    "numbers in a list": {"class_names": [1, 2]},
    "half a character": {"class_names": ["\udc80"]},
    "no number": {"latent_dim": float("nan")},
    "an endless number": {"latent_dim": float("-inf")},
    "deep": {"latent_dim": json.loads("[" * 40 + "]" * 40)},
}


@pytest.mark.parametrize("changes", ODD.values(), ids=ODD)
def test_an_odd_folder_closes_nothing(changes: dict[str, Any], models_folder: Path) -> None:
    """Menus pass over it and show its neighbours; who asks for it reads a short sentence that names it."""
    saved(models_folder / "good")
    saved(models_folder / "odd", **changes)
    assert [name for name in zoo.names(LatentGenerator) if name in ("good", "odd")] == ["good"]
    with pytest.raises(HubError, match="odd") as error:
        AutoModel.from_pretrained("odd")
    assert "\n" not in str(error.value) and len(str(error.value)) < 1200


def test_a_long_value_is_not_repeated(tmp_path: Path) -> None:
    with pytest.raises(HubError, match="config.json: ") as error:
        AutoModel.from_pretrained(saved(tmp_path / "m", "pix2pix", colours="rgb" * 40_000))
    assert len(str(error.value)) < 1000


def test_names_that_cannot_be_shown_are_passed_over(models_folder: Path) -> None:
    for name in (b"bad\xff", b"two\nlines", b".hidden"):
        saved(models_folder / "new")
        os.rename(os.fsencode(models_folder / "new"), os.path.join(os.fsencode(models_folder), name))
    saved(models_folder / "\u00fcn\u00ef")
    assert {name for name, path in hub.list_local().items() if path.parent == models_folder} == {"\u00fcn\u00ef"}


def test_a_config_is_measured_before_it_is_parsed(tmp_path: Path) -> None:
    folder = saved(tmp_path / "m")
    path = folder / "config.json"
    text = path.read_text()
    path.write_text(text + " " * 1_000_000)
    with pytest.raises(HubError, match="larger than 1 MB"):
        hub.read_config(folder)
    path.write_text(json.dumps({"widths": [1] * 10_001}))
    with pytest.raises(HubError, match="10,001 entries"):
        hub.read_config(folder)
    path.write_text(json.dumps({"widths": [1] * 10_000}))
    assert len(hub.read_config(folder)["widths"]) == 10_000
    path.unlink()
    if hasattr(os, "mkfifo"):
        os.mkfifo(path)  # would be waited for without end
        with pytest.raises(HubError, match="regular file"):
            hub.read_config(folder)


@pytest.mark.parametrize("nested", ["[" * 33 + "]" * 33, '{"a":' * 33 + "1" + "}" * 33, "[" * 100_000])
def test_json_is_not_nested_without_end(nested: str) -> None:
    with pytest.raises(ValueError, match="nested deeper"):
        files.parse_json(nested.encode(), longest=10)
    with pytest.raises(ValueError, match="number"):
        files.parse_json(b'{"a": 1e999}', longest=10)
    assert files.parse_json(b"[" * 32 + b"]" * 32, longest=10)
    assert files.parse_json('\ufeff{"a": "\u00e9"}'.encode(), longest=10) == {"a": "\u00e9"}


def test_layers_without_end(tmp_path: Path) -> None:
    """A list within all limits whose every entry is a layer of the network."""
    folder = saved(tmp_path / "m", "inpainting", dilations=[1] * 9_000)
    with pytest.raises(GanhubError, match="more layers than any network"):
        AutoModel.from_pretrained(folder)
    assert torch.is_grad_enabled(), "gradients stayed off for whoever uses this thread next"
    with base._NoDraws() as counted:
        torch.zeros(2)
    assert counted.calls == 1


def write_weights(folder: Path, header: object, body: bytes = b"") -> None:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + body)


def test_weight_headers(tmp_path: Path) -> None:
    folder = saved(tmp_path / "m")
    write_weights(folder, b'{"a":' + b" " * 10_000_000 + b"{}}")
    with pytest.raises(HubError, match="header is larger than 10 MB"):
        hub.read_shapes(folder)
    for entry in (
        3, [], {}, {"dtype": [], "shape": [1], "data_offsets": [0, 4]},
        {"dtype": "F32", "shape": 1, "data_offsets": [0, 4]}, {"dtype": "F32", "shape": [1], "data_offsets": "04"},
        {"dtype": "F32", "shape": [1] * 99, "data_offsets": [0, 4]},
        {"dtype": "F32", "shape": [1], "data_offsets": {"0": 1, "4": 2}},
        {"dtype": "F32", "shape": [2**62, 4], "data_offsets": [0, 2**66]},
    ):  # fmt: skip
        write_weights(folder, {"w" * 5000: entry}, bytes(4))
        with pytest.raises(HubError) as error:
            hub.read_tensors(folder)
        assert len(str(error.value)) < 600


@pytest.mark.parametrize(
    "weight_map", [{"a": 1, "b": "s.safetensors"}, {"a": None}, {"a": ["x"]}, [], {}, "x", {"a": "../x"}]
)
def test_an_index_of_odd_entries(weight_map: object, tmp_path: Path) -> None:
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))
    with pytest.raises(HubError, match="index"):
        hub.read_tensors(tmp_path)


@pytest.mark.parametrize("name", ["~of-nobody/model", "m" * 4000, "a/" * 3000, "\0", "a\0b/c"])
def test_names_that_no_system_takes(name: str) -> None:
    with pytest.raises(HubError, match="no model") as error:
        AutoModel.from_pretrained(name, local_files_only=True)
    assert len(str(error.value)) < 600


def test_cards_that_grow_when_they_are_read(tmp_path: Path) -> None:
    model = get_architecture("mlp-gan").tiny()
    many = "a: &a [x, x]\n"
    for one, two in zip("abcdefgh", "bcdefghi", strict=True):
        many += f"{two}: &{two} [{', '.join(['*' + one] * 9)}]\n"
    for front in ("{" * 9000, "- " * 9000, many, "a: !!python/object/apply:os.getcwd []", "a: 2024-99-99"):
        (tmp_path / "README.md").write_text(f"---\n{front}\n---\n\n{cards.BEGIN}{cards.END}\n")
        with pytest.raises(HubError, match="README.md"):
            model.save_pretrained(tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        "data = 3",
        "model = []",
        "[[data]]\npath = 'x'",
        "x = " + "[" * 5000,
        "[" + "a." * 5000 + "a]",
        "\0",
        "#" * 10**6 + "\n",
    ],
)
def test_recipes_of_another_shape(text: str, tmp_path: Path) -> None:
    (tmp_path / "r.toml").write_text(text)
    with pytest.raises(ConfigError) as error:
        read_recipe(tmp_path / "r.toml")
    assert len(str(error.value)) < 600


def test_overrides_of_another_shape() -> None:
    tables = {"model": 3, "train": {"seed": 1}}
    for text in ("train.seed.x=1", "train.seed.x.y=1", "model.x=1", "train.seed=" + "[" * 3000):
        try:
            apply_override(tables, text, TABLES)
            make_recipe({**tables, "model": {}})
        except ConfigError:
            continue
        raise AssertionError(text)
