"""The library does not depend on who else is there: threads, torch's defaults, kinds of numbers; NaN is said."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from ganhub import latents
from ganhub.apply import styling, translating
from ganhub.convert import SpandrelUpscaler
from ganhub.errors import ConfigError, HubError, ImageError
from ganhub.models import AutoModel, Inpainter, LatentGenerator, Stylizer, get_architecture
from ganhub.models.inpainting import free_form
from ganhub.nn.instance_norm import InstanceNorm, moments, shared_statistics
from ganhub.nn.random import normal, uniform, whole_number

NAMES = ("arbitrary-style", "conditional-gan", "cut", "fast-style", "gatys", "inpainting", "srgan", "stylegan2")


def photo(seed: int, height: int, width: int) -> Tensor:
    return F.interpolate(uniform([seed], 3, 5, 6) * 2 - 1, size=(height, width), mode="bicubic").clamp(-1, 1)


def saved(name: str, folder: Path) -> Path:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        get_architecture(name).tiny().eval().save_pretrained(folder)
    return folder


def results(folder: Path, picture: Tensor, *, tile: int = 0) -> Tensor:
    """What a model of any verb, just loaded, makes of a picture."""
    model = AutoModel.from_pretrained(folder)
    if isinstance(model, LatentGenerator):
        return model.sample(2, seed=5, truncation=0.7)
    if isinstance(model, Stylizer):
        style = model.style_names[0] if model.style_names else picture[..., :20, :20]
        return styling.paint(model, picture, style, keep_colour="luminance", tile=tile)
    if isinstance(model, Inpainter):
        return translating.inpaint(model, picture, free_form([3], *picture.shape[2:]) * 2 - 1, tile=tile)
    return translating.translate(model, picture, tile=tile)


# ---- threads


def at_once(*works: Callable[[], object]) -> list[object]:
    """What each of them returns, run in threads of their own that begin together."""
    found, barrier = [None] * len(works), threading.Barrier(len(works))

    def run(index: int) -> None:
        barrier.wait()
        found[index] = works[index]()

    threads = [threading.Thread(target=run, args=(index,)) for index in range(len(works))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


@pytest.mark.parametrize("name", ["fast-style", "cut", "arbitrary-style"])
def test_two_threads_paint_in_tiles_with_one_model(tmp_path, name):
    model = AutoModel.from_pretrained(saved(name, tmp_path))
    photos = [photo(1, 330, 300), photo(2, 300, 350) * 0.3 + 0.5]

    def work(picture: Tensor) -> Tensor:
        if isinstance(model, Stylizer):
            return styling.paint(model, picture, model.style_names[0] if model.style_names else photos[0], tile=208)
        return translating.translate(model, picture, tile=224)

    alone = [work(picture) for picture in photos]
    together = at_once(*(lambda picture=picture: work(picture) for picture in photos))
    for one, other in zip(alone, together, strict=True):
        assert torch.equal(one, other)


def test_statistics_are_of_the_call_and_of_its_network():
    """Within a call that gathers, another thread and another network normalise by their own."""
    norm, other, x, y = InstanceNorm(), InstanceNorm(), uniform([1], 3, 8, 8), uniform([2], 3, 8, 8) * 5
    with shared_statistics(norm) as shared:
        with shared.gathered(torch.ones(1, 1, 8, 8)):
            norm(x)
        shared.settle()
        assert torch.equal(norm.measure(y)[0], norm.measure(x)[0])
        assert torch.equal(other.measure(y)[0], moments(y)[0])
        (elsewhere,) = at_once(lambda: norm.measure(y)[0])
        assert torch.equal(elsewhere, moments(y)[0])
    assert torch.equal(norm.measure(y)[0], moments(y)[0])


def test_networks_that_draw_noise_take_turns(tmp_path):
    from spandrel import ModelLoader
    from spandrel.architectures.Compact import Compact

    torch.manual_seed(0)
    network = Compact(num_in_ch=3, num_out_ch=3, num_feat=8, num_conv=2, upscale=2)
    model = SpandrelUpscaler(ModelLoader().load_from_state_dict(network.state_dict())).eval()
    model.network.register_forward_hook(lambda module, given, made: made + torch.randn_like(made))
    picture = photo(1, 40, 40)
    alone = model.translate(picture)
    works = [lambda: [model.translate(picture) for _ in range(15)]] * 3
    assert all(torch.equal(one, alone) for many in at_once(*works) for one in many)


# ---- torch's defaults


@contextmanager
def defaults(dtype: torch.dtype | None, device: str | None) -> Iterator[None]:
    before = torch.get_default_dtype()
    try:
        torch.set_default_dtype(dtype or before)
        torch.set_default_device(device)
        yield
    finally:
        torch.set_default_dtype(before)
        torch.set_default_device(None)


OTHERS = [(torch.float64, None), (torch.float16, None), (None, "meta")]  # the last stands for any other device


@pytest.mark.parametrize(("dtype", "device"), OTHERS)
@pytest.mark.parametrize("name", NAMES)
def test_no_default_of_torch_s_changes_a_picture(tmp_path, name, dtype, device):
    folder, picture = saved(name, tmp_path), photo(4, 40, 52)
    wanted = results(folder, picture)
    with defaults(dtype, device):
        found = results(folder, picture)
    assert (found.dtype, found.device) == (wanted.dtype, wanted.device) and torch.equal(found, wanted)


@pytest.mark.parametrize(("dtype", "device"), OTHERS)
def test_nor_tiles_masks_walks_and_draws(tmp_path, dtype, device):
    def all_of_it() -> list[Tensor]:
        model = AutoModel.from_pretrained(tmp_path / "stylegan2")
        walk = latents.walk(model, [1, 2], frames=4)
        tiled = results(tmp_path / "cut", photo(1, 330, 300), tile=224)
        draws = [normal([7], 3), uniform(range(3), 2), normal([], 4), free_form([1, 2], 24, 24)]
        return [torch.stack([frame.reshape(-1) for frame in walk]), tiled, *draws]

    for name in ("stylegan2", "cut"):
        saved(name, tmp_path / name)
    wanted = all_of_it()
    with defaults(dtype, device):
        found = all_of_it()
    for one, other in zip(wanted, found, strict=True):
        assert one.dtype == other.dtype and torch.equal(one, other)


# ---- kinds of numbers

CLASSES = get_architecture("conditional-gan")


@pytest.fixture(scope="module")
def classes() -> LatentGenerator:
    torch.manual_seed(0)
    return CLASSES.tiny().eval()


@pytest.mark.parametrize(
    "label",
    [1, np.int64(1), np.uint8(1), np.array(1), torch.tensor(1), [1, 1], (np.int32(1), 1), np.array([1, 1]),
     np.ones(2, np.uint16), torch.tensor([1, 1]), [torch.tensor(1), np.int64(1)], iter([1, 1])],
    ids=lambda label: type(label).__name__,
)  # fmt: skip
def test_whole_numbers_of_any_kind_are_labels(classes, label):
    assert torch.equal(classes.sample(2, label=label, seed=3), classes.sample(2, label=1, seed=3))


@pytest.mark.parametrize("seed", [3, np.int64(3), np.uint64(3), np.array(3), torch.tensor(3)], ids=repr)
def test_whole_numbers_of_any_kind_are_seeds(classes, seed):
    assert torch.equal(classes.sample(np.int16(2), label=0, seed=seed), classes.sample(2, label=0, seed=3))
    assert torch.equal(normal([seed, seed], 4), normal([3, 3], 4))


def test_seeds_in_arrays_and_seeds_below_zero_and_beyond_64_bits(classes):
    wanted = normal([3, 4, 5], 6)
    for seeds in (range(3, 6), np.arange(3, 6), np.arange(3, 6, dtype=np.uint8), torch.arange(3, 6), iter((3, 4, 5))):
        assert torch.equal(normal(seeds, 6), wanted)
    assert torch.equal(normal(np.int64(3), 6), wanted[:1]) and torch.equal(normal(torch.tensor(3), 6), wanted[:1])
    for seed in (-1, 2**64, -(2**70)):
        assert torch.equal(normal([seed], 4), normal([seed % 2**32], 4))
        assert torch.equal(classes.sample(1, seed=seed), classes.sample(1, seed=seed % 2**32, label=seed % 3))


def test_what_is_no_number_is_a_sentence(classes):
    for label in (1.5, np.float32(1), [0, None], {"a": 1}, b"1", np.array([0.0, 1.0]), torch.tensor([[0, 1], [1, 0]])):
        with pytest.raises(ConfigError, match="label|class"):
            classes.sample(2, label=label)
    for seed in (1.5, "1", None, [1], np.array([1.5])):
        with pytest.raises(ConfigError, match="whole number"):
            classes.sample(1, label=0, seed=seed)
    with pytest.raises(ConfigError, match="n must be a whole number, not '2.5'"):
        classes.sample(2.5)
    with pytest.raises(ConfigError, match="A seed must be whole numbers, not the text"):
        normal("12", 3)
    assert whole_number(True, "n") == 1


# ---- numbers that are not finite


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("name", NAMES)
def test_weights_that_are_not_numbers_are_said_by_every_verb(tmp_path, name, value):
    model = get_architecture(name).tiny().eval()
    if not any(True for _ in model.parameters()):
        pytest.skip("it has no weights")
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(value)
    model.save_pretrained(tmp_path)
    with pytest.raises(HubError, match=rf"This {name} gives numbers that are not finite \(NaN\): its weights"):
        results(tmp_path, photo(1, 40, 52))


def test_a_picture_with_holes_of_nan_is_not_blamed_on_the_weights(tmp_path):
    picture = photo(1, 40, 52)
    picture[0, 1, 20, 20] = torch.nan
    for name in ("srgan", "fast-style"):
        with pytest.raises(ImageError, match="picture that was given holds numbers that are not finite"):
            results(saved(name, tmp_path / name), picture)
