"""Walks and mixing in W, against the pictures of the seeds and against closed forms."""

from __future__ import annotations

import pytest
import torch

from ganhub import latents
from ganhub.errors import ConfigError, FileError
from ganhub.models import get_architecture
from tests.latent_toy import toy


@pytest.fixture(scope="module")
def stylegan():
    return get_architecture("stylegan2").tiny().eval()


def close(a: torch.Tensor, b: torch.Tensor, to: float = 1e-5) -> bool:
    return a.shape == b.shape and float((a - b).abs().max()) <= to


@pytest.mark.parametrize("space", ["z", "w"])
@pytest.mark.parametrize("truncation", [1.0, 0.6])
def test_a_walk_meets_the_pictures_of_its_seeds(stylegan, space, truncation):
    seeds = [3, 700, 12]
    pictures = latents.walk(stylegan, seeds, 13, space=space, truncation=truncation)
    expected = torch.cat([stylegan.sample(1, seed=seed, truncation=truncation) for seed in seeds])
    found = (pictures[:, None] - expected[None]).abs().amax((2, 3, 4))  # [frames, seeds]
    met = found.argmin(0).tolist()
    assert met[0] == 0 and met[-1] == 12 and met == sorted(met)
    assert found.amin(0).max() < 2 / 255  # feature maps may be bfloat16, and batches round differently


@pytest.mark.parametrize("space", ["z", "w"])
def test_a_walk_with_noise_and_classes_meets_its_seeds(space):
    model = toy(num_classes=3)
    pictures = latents.walk(model, [4, 8], 9, space=space)
    assert close(pictures[0], model.sample(1, seed=4)[0]) and close(pictures[-1], model.sample(1, seed=8)[0])
    named = latents.walk(model, [4, 8], 9, space=space, label=[0, 2], truncation=0.5)
    assert close(named[0], model.sample(1, seed=4, label=0, truncation=0.5)[0])
    assert close(named[-1], model.sample(1, seed=8, label=2, truncation=0.5)[0])


def test_w_goes_straight_and_evenly_through_seeds_and_classes():
    model = toy(num_classes=3)
    clean = latents.walk(model, [4, 8, 4], 21, space="w")
    steps = (clean[1:] - clean[:-1]).flatten(1).norm(dim=1)
    assert steps.max() < 1.05 * steps.min()  # the noise turns evenly too
    a, b = model.to_w(model.latent([4, 8]), torch.tensor([1, 2])), model.noise([4, 8])
    t, noise = 0.3, latents.slerp(b[0], b[1], 0.3)
    expected = model.from_w(a[:1] + t * (a[1:] - a[:1]), noise=noise[None])
    assert close(clean[3], expected[0])


def test_noise_keeps_its_variance_on_the_way(stylegan):
    noise = stylegan.noise([1, 2])
    half = latents.slerp(noise[0], noise[1], 0.5)
    assert abs(half.std() / noise.std() - 1) < 0.05
    assert (noise.mean(0).std() / noise.std()) < 0.8  # what a straight line would do


@pytest.mark.parametrize("loop", [False, True])
def test_at_the_pace_of_pictures_neighbours_differ_equally(loop):
    """A generator that changes all at once in the middle of the way, as most do."""
    model = toy()
    plain = model.synthesise
    model.synthesise = lambda w, noise: torch.tanh(40 * plain(w, noise))
    walks, uneven = {}, {}
    for pace in ("latent", "picture"):
        film = walks[pace] = latents.walk(model, [1, 2, 3], 60, space="w", loop=loop, pace=pace)
        steps = (film[1:] - film[:-1]).square().mean((1, 2, 3)).sqrt()
        uneven[pace] = (steps.max() / steps.median()).item()
    assert uneven["picture"] < 1.1 and uneven["latent"] > 1.7
    for seed in (1, 2, 3):  # each is met exactly, in both
        picture = model.sample(1, seed=seed)
        assert all((film - picture).abs().amax((1, 2, 3)).min() < 1e-4 for film in walks.values())
    with pytest.raises(ConfigError, match="Choose 'latent' or 'picture'"):
        latents.frames_of(model, [1, 2], 5, pace="pixels")


def test_frames_come_one_by_one_and_arguments_are_checked_at_once(stylegan):
    coming = latents.frames_of(stylegan, [1, 2], 5, space="w")
    assert next(coming).shape == (3, *stylegan.config.size)
    assert close(torch.stack(list(coming)), latents.walk(stylegan, [1, 2], 5, space="w")[1:], 2 / 255)
    for arguments, says in (({"space": "v"}, "use space='z' or space='w'"), ({"truncation": 2}, "truncation")):
        with pytest.raises(ConfigError, match=says):
            latents.frames_of(stylegan, [1, 2], 5, **arguments)
    with pytest.raises(ConfigError, match="Choose 'z' or 'w'"):
        latents.walk_latents(torch.eye(3), 5, space="x")


def test_mixing_takes_the_styles_of_the_layers():
    model = toy()
    first, second = model.to_w(model.latent([1])), model.to_w(model.latent([2, 3]))
    mixed = latents.mix(model, first, second, "2-4")
    assert mixed.shape == (2, 6, 8)
    assert torch.equal(mixed[:, 2:4], second[:, None].expand(-1, 2, -1))
    assert torch.equal(mixed[:, [0, 1, 4, 5]], first[:, None].expand(2, 4, -1))
    assert torch.equal(latents.mix(model, mixed, first, None), model.per_layer(first).expand(2, -1, -1))
    # a picture is linear in w+, so the two ways round add up to the two pictures
    other = latents.mix(model, second, first, (2, 4))
    quiet = torch.zeros(2, model.noise_dim)
    both = [model.from_w(w, noise=quiet) for w in (mixed, other, first.expand(2, -1), second)]
    assert close(both[0] + both[1], both[2] + both[3])


@pytest.mark.parametrize(
    ("layers", "depth", "expected"),
    [
        (None, 7, (0, 7)),
        ("all", 7, (0, 7)),
        ("coarse", 10, (0, 3)),
        ("middle", 10, (3, 7)),
        ("fine", 10, (7, 10)),
        ("fine", 1, (0, 1)),
        ("4-8", 10, (4, 8)),
        ((4, 8), 10, (4, 8)),
        (" 3 ", 10, (3, 4)),
        (0, 10, (0, 1)),
    ],
)
def test_layers_by_name_and_number(layers, depth, expected):
    assert latents.layer_range(layers, depth) == expected


@pytest.mark.parametrize("layers", ["corse", "8-4", "4-4", "0-11", (1, 2, 3), (1.0, 2.0), True, -1, "", "1-2-3"])
def test_layers_that_do_not_exist(layers):
    with pytest.raises(ConfigError, match="layers|Layers"):
        latents.layer_range(layers, 10)


def test_mixing_sentences():
    model = toy()
    w = torch.zeros(2, 8)
    with pytest.raises(ConfigError, match="Did you mean 'coarse'"):
        latents.mix(model, w, w, "corse")
    with pytest.raises(ConfigError, match="2 and 3 points"):
        latents.mix(model, w, torch.zeros(3, 8))
    with pytest.raises(ConfigError, match="w must be"):
        latents.mix(model, w, torch.zeros(2, 5))
    with pytest.raises(ConfigError, match="dcgan has no W space"):
        latents.mix(get_architecture("dcgan").tiny(), w, w)


def test_points_as_files(tmp_path, stylegan):
    w, noise = stylegan.to_w(stylegan.latent([5])), stylegan.noise([5])
    path = latents.save_w(w, tmp_path / "deep" / "w.safetensors", noise=noise, about={"model": "x"})
    again, its_noise = latents.load_w(path, stylegan)
    assert torch.equal(again, w) and torch.equal(its_noise, noise)
    assert latents.load_w(latents.save_w(w, tmp_path / "b.safetensors"))[1] is None
    with pytest.raises(ConfigError, match="w must be"):
        latents.load_w(path, toy(style_dim=9))
    with pytest.raises(ConfigError, match="end its name in .safetensors"):
        latents.save_w(w, tmp_path / "w.pt")
    with pytest.raises(FileError, match="cannot be read"):
        latents.load_w(tmp_path / "none.safetensors")
    (tmp_path / "broken.safetensors").write_bytes(b"PK" * 40)
    with pytest.raises(FileError, match="cannot be read"):
        latents.load_w(tmp_path / "broken.safetensors")
