"""The app's library: which models stay in memory, and what a visitor may bring into it."""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file

from ganhub.app.library import Library, bytes_of
from ganhub.errors import GanhubError, HubError
from ganhub.models import get_architecture

pytest_plugins = ["tests.hub_server"]


def saved(folder: Path, architecture: str = "dcgan") -> Path:
    get_architecture(architecture).tiny().save_pretrained(folder)
    return folder


def halved(folder: Path) -> Path:
    weights = folder / "model.safetensors"
    save_file({name: tensor.half() for name, tensor in load_file(weights).items()}, weights)
    return folder


def test_models_take_so_many_bytes_together(models_folder: Path) -> None:
    for name in ("a", "b", "c"):
        saved(models_folder / name)
    one = bytes_of(Library().open("a"))
    library = Library(keep=9, memory=2 * one)
    first, second = library.open("a"), library.open("b")
    assert library.open("a") is first, "two fit"
    library.open("c")
    assert library.open("a") is first and library.open("b") is not second, "the one used longest ago made room"
    alone = Library(memory=one // 2)
    assert alone.open("a") is alone.open("a"), "one model may take more than the budget by itself"


def test_half_precision_counts_as_what_it_becomes(models_folder: Path) -> None:
    saved(models_folder / "whole"), halved(saved(models_folder / "half"))
    sizes = [(models_folder / name / "model.safetensors").stat().st_size for name in ("half", "whole")]
    assert sizes[0] < 0.7 * sizes[1]
    library = Library()
    assert bytes_of(library.open("half")) == bytes_of(library.open("whole"))


def test_a_model_of_the_hub_is_measured_by_what_it_becomes(hub_server: Any, tmp_path: Path) -> None:
    hub_server.put("someone/half", halved(saved(tmp_path / "half")))
    tensors = load_file(tmp_path / "half" / "model.safetensors").values()
    becomes = sum(4 * tensor.numel() for tensor in tensors)
    assert sum(tensor.nbytes for tensor in tensors) == becomes // 2
    with pytest.raises(HubError, match=r"someone/half takes .* MB of memory, more than .* choose a smaller model"):
        Library(cache_dir=tmp_path / "a", max_bytes=becomes - 1).open("someone/half")
    assert Library(cache_dir=tmp_path / "b", max_bytes=becomes).open("someone/half").architecture == "dcgan"


def test_a_picture_of_the_hub_has_a_largest_size(
    hub_server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub_server.put("someone/wide", saved(tmp_path / "wide"))
    height, width = get_architecture("dcgan").tiny().config.size
    library = Library(cache_dir=tmp_path / "cache")
    monkeypatch.setattr("ganhub.app.library.MAX_PIXELS", height * width - 1)
    with pytest.raises(HubError, match=f"gives pictures of {width} x {height} pixels, too large for this page"):
        library.open("someone/wide")
    monkeypatch.setattr("ganhub.app.library.MAX_PIXELS", height * width)
    assert library.open("someone/wide").config.size == (height, width)


def test_names_that_name_nothing_are_not_kept() -> None:
    library = Library()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for i in range(20):
            with pytest.raises(GanhubError, match="There is no model"):
                library.open(f"{i}/" + "x" * 500_000)
            with pytest.raises(GanhubError, match="There is no model"):
                library.open(f"no-such-model-{i}-" + "y" * 100)
        after = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert after - before < 2_000_000 and not library._loading
