"""Adaptive augmentation: each transform against an independent one, p against its rule, gradients to second order."""

from __future__ import annotations

import colorsys
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from ganhub.errors import ConfigError
from ganhub.models import get_architecture
from ganhub.nn import ada
from ganhub.nn.ada import AdaptiveAugment, build_augment, recolour, warp
from ganhub.nn.diffaugment import DiffAugment
from ganhub.objectives import Batch, get_objective
from ganhub.trainer import Trainer, make_recipe

ONE = torch.ones(1)


def pictures(n: int = 6, channels: int = 3, height: int = 16, width: int = 16) -> torch.Tensor:
    return torch.rand(n, channels, height, width, generator=torch.Generator().manual_seed(0)) * 2 - 1


def at(p: float, **settings: object) -> AdaptiveAugment:
    augment = AdaptiveAugment(**settings)
    augment.p.fill_(p)
    return augment


def test_at_p_0_nothing_changes():
    x = pictures()
    assert at(0)(x, range(6)) is x
    u, z = torch.rand(21, 50), torch.randn(7, 50)
    assert torch.equal(ada.geometry(0.0, u[:14], z[:4], (16, 24)), torch.eye(3).repeat(50, 1, 1))
    assert torch.equal(ada.colours(0.0, u[14:], z[4:]), torch.eye(4).repeat(50, 1, 1))


@pytest.mark.parametrize("channels, width", [(1, 16), (3, 24), (4, 16)])
def test_a_picture_depends_on_its_own_seed_alone(channels, width):
    x = pictures(channels=channels, width=width).to(memory_format=torch.channels_last)
    for p in (0.3, 1.0):
        augment = at(p)
        whole = augment(x, [5, 6, 7, 8, 9, 10])
        torch.testing.assert_close(whole[2:4], augment(x[2:4], torch.tensor([7, 8])), atol=1e-6, rtol=0)
        assert whole.shape == x.shape and not torch.equal(whole, augment(x, range(5, 11), stream=1))
    assert all(not torch.equal(whole[i], x[i]) for i in range(6))
    half = at(1.0)(x.bfloat16(), range(5, 11))
    assert half.dtype == torch.bfloat16
    torch.testing.assert_close(half.float(), whole, atol=0.06, rtol=0)


def test_as_many_seeds_as_pictures():
    with pytest.raises(ValueError, match="as many seeds"):
        at(1)(pictures(), [0, 1])


def test_p_is_the_share_of_pictures_that_a_transform_changes():
    n, p = 4000, 0.2
    u, z = torch.rand(21, n), torch.randn(7, n)
    undecided = torch.ones(8, n)
    # Half of the flips flip nothing, and a quarter of the quarter turns do not turn.
    for k, share in ((0, p / 2), (1, p * 3 / 4), (3, p), (5, p), (7, p)):
        u_k = torch.cat([undecided.index_copy(0, torch.tensor([k]), u[k : k + 1]), u[8:14]])
        changed = (ada.geometry(p, u_k, z[:4], (64, 64)) != torch.eye(3)).flatten(1).any(1)
        assert changed.float().mean().item() == pytest.approx(share, abs=0.03)
    u_k = torch.cat([undecided[:4], u[4:5], undecided[:1], u[6:7], undecided[:1], u[8:14]])
    turned = (ada.geometry(p, u_k, z[:4], (64, 64)) != torch.eye(3)).flatten(1).any(1)
    assert turned.float().mean().item() == pytest.approx(p, abs=0.03), "one of the two turns"


def test_flips_turns_and_whole_shifts_move_pixels_as_torch_does():
    x = pictures(1).double()
    torch.testing.assert_close(warp(x, ada.scaling(-ONE, ONE)), x.flip(3))
    for k in range(4):
        torch.testing.assert_close(warp(x, ada.quarter_turn(k * ONE)), x.rot90(k, (2, 3)))


def test_beyond_the_border_lies_the_mirror_image():
    x = pictures(1, height=8, width=12).double()
    wide = torch.from_numpy(np.pad(x.numpy(), [(0, 0), (0, 0), (8, 8), (12, 12)], mode="symmetric"))
    for right, down in ((5, -3), (-11, 8)):
        moved = warp(x, ada.shifting(-right * ONE, -down * ONE))
        torch.testing.assert_close(moved, wide[:, :, 8 - down : 16 - down, 12 - right : 24 - right])


def test_between_pixels_it_is_bilinear():
    """A plane is its own bilinear interpolation: after any transform each place has the plane's value where it was."""
    place = torch.arange(16, dtype=torch.float64) - 7.5
    x, y = place.expand(16, 16), place.view(16, 1).expand(16, 16)
    plane = (0.3 * x - 0.7 * y).expand(1, 1, 16, 16)
    matrix = ada.rotation(0.4 * ONE) @ ada.scaling(0.8 * ONE, 1.1 * ONE) @ ada.shifting(1.3 * ONE, -0.6 * ONE)
    from_x, from_y, _ = torch.einsum("ij,jhw->ihw", matrix[0].double(), torch.stack([x, y, torch.ones_like(x)]))
    inside = (from_x.abs() < 7) & (from_y.abs() < 7)
    assert inside.sum() > 100
    expected = (0.3 * from_x - 0.7 * from_y)[inside]
    torch.testing.assert_close(warp(plane, matrix)[0, 0][inside], expected, atol=1e-5, rtol=0)


def test_the_whole_geometry_is_the_paper_s_transforms_one_after_the_other():
    """Points go forwards through the transforms of appendix B, in its order, and the matrix takes them back."""
    height, width, n = 20, 30, 40
    u, z = torch.rand(14, n, dtype=torch.float64), torch.randn(4, n, dtype=torch.float64)
    inverse = ada.geometry(1.0, u.float(), z.float(), (height, width)).double()
    for k in range(n):
        start = x, y = torch.randn(2, dtype=torch.float64).tolist()
        x = -x if u[8, k] >= 0.5 else x
        x, y = (-x, -y) if u[9, k] >= 0.5 else (x, y)
        x, y = x + round((2 * u[10, k].item() - 1) * width / 8), y + round((2 * u[11, k].item() - 1) * height / 8)
        x, y = x * 2 ** (0.2 * z[0, k].item()), y * 2 ** (0.2 * z[0, k].item())
        place = complex(x, y) * np.exp(-1j * (2 * u[12, k].item() - 1) * math.pi)
        place = complex(place.real * 2 ** (0.2 * z[1, k].item()), place.imag / 2 ** (0.2 * z[1, k].item()))
        place *= np.exp(-1j * (2 * u[13, k].item() - 1) * math.pi)
        end = [place.real + z[2, k].item() * width / 8, place.imag + z[3, k].item() * height / 8, 1]
        back = inverse[k] @ torch.tensor(end, dtype=torch.float64)
        assert back.tolist() == pytest.approx([*start, 1], abs=1e-4)


def test_colours_have_known_answers():
    x, one = pictures(2), torch.ones(2)
    grey = x.mean(1, keepdim=True)
    torch.testing.assert_close(recolour(x, ada.brightness(torch.tensor([0.3, -0.2])))[1], x[1] - 0.2)
    torch.testing.assert_close(recolour(x, ada.saturate(0 * one)), grey.expand_as(x))
    torch.testing.assert_close(recolour(x, ada.saturate(2 * one)), 2 * x - grey)
    torch.testing.assert_close(recolour(x, ada.luma_flip(one > 0)), x - 2 * grey)
    third = recolour(x, ada.hue_turn(one * 2 * math.pi / 3))
    torch.testing.assert_close(third, x.roll(1, 1), atol=1e-6, rtol=0)  # red goes to green
    turned = recolour(x, ada.hue_turn(one))
    torch.testing.assert_close(turned.mean(1), x.mean(1), atol=1e-6, rtol=0)
    torch.testing.assert_close(turned.norm(dim=1), x.norm(dim=1))
    red = torch.tensor([1.0, -1, -1]).view(1, 3, 1, 1)
    half = (recolour(red, ada.hue_turn(ONE * math.pi)) + 1) / 2
    assert colorsys.rgb_to_hsv(*half.flatten().tolist())[0] == pytest.approx(0.5, abs=1e-6), "red's opposite is cyan"


def test_all_colours_are_the_paper_s_transforms_one_after_the_other():
    x, u, z = pictures(5, height=4, width=4), torch.rand(7, 5), torch.randn(3, 5)
    y = x + 0.2 * z[0].view(-1, 1, 1, 1)
    y = y * 2 ** (0.5 * z[1].view(-1, 1, 1, 1))
    y = y - 2 * y.mean(1, keepdim=True) * (u[5].view(-1, 1, 1, 1) >= 0.5)
    y = recolour(y, ada.hue_turn((2 * u[6] - 1) * math.pi))
    y = y.mean(1, keepdim=True) + (y - y.mean(1, keepdim=True)) * 2 ** z[2].view(-1, 1, 1, 1)
    matrices = ada.colours(1.0, u, z)
    torch.testing.assert_close(recolour(x, matrices), y, atol=1e-5, rtol=1e-5)
    grey = x[:, :1]
    torch.testing.assert_close(recolour(grey, matrices), recolour(grey.expand(-1, 3, -1, -1), matrices)[:, :1],
                               atol=1e-5, rtol=1e-5)  # fmt: skip
    both = torch.cat([x, grey], dim=1)
    assert torch.equal(recolour(both, matrices)[:, 3:], grey)


@pytest.mark.parametrize("channels", [1, 4])
def test_gradients_are_right_to_second_order(channels):
    x = pictures(2, channels, 3, 4).double().requires_grad_()
    augment = at(0.5)

    def transform(x):
        return augment(x, [1, 3]).pow(2)

    assert not torch.equal(augment(x, [1, 3]), x)
    assert torch.autograd.gradcheck(transform, x)
    assert torch.autograd.gradgradcheck(transform, x, fast_mode=True)


def test_p_follows_the_discriminator():
    """Turns of 100 pictures, p from 0 to 1 in 2,000: four turns move it by 0.2, at the fourth and not before."""
    augment = AdaptiveAugment(pictures=2000)
    knows = torch.ones(100), -torch.ones(100)
    guesses = torch.ones(100), torch.ones(100)
    seen = [augment.observe(*knows)["augment_p"].item() for _ in range(8)]
    assert seen == pytest.approx([0, 0, 0, 0.2, 0.2, 0.2, 0.2, 0.4])
    for _ in range(4):
        augment.observe(*guesses)
    assert augment.p.item() == pytest.approx(0.2)
    for _ in range(40):
        augment.observe(*guesses)
    assert augment.p == 0
    for _ in range(40):
        augment.observe(*knows)
    assert augment.p == 1
    # r_t = 0.5 on average lies below the target of 0.6 and above one of 0.4
    half = torch.tensor([1.0, 1, 1, -1]).repeat(25), torch.tensor([-1.0]).expand(100)
    for target, expected in ((0.6, 0.3), (0.4, 0.7)):
        augment = at(0.5, target=target, pictures=2000)
        for _ in range(4):
            augment.observe(*half)
        assert augment.p.item() == pytest.approx(expected)


def test_policies_by_name():
    assert isinstance(build_augment("colour,cutout"), DiffAugment) and isinstance(build_augment(""), DiffAugment)
    assert build_augment("colour").observe(ONE, ONE) == {}
    assert build_augment("ada").pictures == 500_000 and build_augment("ada").target == 0.6
    assert build_augment(" ada:200_000 ").pictures == 200_000


@pytest.mark.parametrize(
    "policy, says",
    [("ada:fast", 'write "ada:500000"'), ("ada:0", "names no number"), ("ada:", "names no number"),
     ("ada,cutout", '"ada" alone'), ("cutout,ada:5", '"ada" alone'), ("adda", "Did you mean 'ada'"),
     ("color", "Did you mean 'colour'")],
)  # fmt: skip
def test_bad_policies_get_a_sentence(policy, says):
    with pytest.raises(ConfigError, match=says):
        build_augment(policy)


@pytest.mark.parametrize("name, more", [("adversarial", {"r1_gamma": 1.0, "r1_every": 2}), ("relativistic", {}),
                                        ("projected", {"width": 4})])  # fmt: skip
def test_a_resumed_run_has_the_same_p_and_goes_on_bit_for_bit(name, more, tmp_path: Path):
    images = np.random.default_rng(0).integers(0, 256, (40, 16, 16, 3), dtype=np.uint8)
    np.savez(tmp_path / "data.npz", x=images)
    sizes = {"image_size": 16, "latent_dim": 8, "width": 4, "max_width": 8, "discriminator_width": 4}
    recipe = make_recipe({
        "model": {"architecture": "dcgan", "channels": 3, **sizes},
        "objective": {"name": name, "augment": "ada:64", **more},
        "train": {"images": 1000, "batch_size": 8, "watch": False},
        "data": {"path": str(tmp_path / "data.npz"), "images": "x"},
    })  # fmt: skip
    whole, first, second = (Trainer(recipe, tmp_path / out, quiet=True) for out in ("whole", "parts", "parts"))
    for trainer in (whole, first):
        trainer.objective.augment.p.fill_(0.5)
    numbers = [whole._step() for _ in range(6)][-1]
    for _ in range(3):
        first._step()
    first.save()
    second._resume()
    for _ in range(3):
        second._step()
    assert whole.objective.augment.p.item() in (0, 1), "half the way in the four turns, up or down"
    assert any(key.endswith("/augment_p") for key in numbers)
    for part in ("model", "objective"):
        a, b = (getattr(trainer, part).state_dict() for trainer in (whole, second))
        assert a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


@pytest.mark.parametrize(
    "architecture, name",
    [
        ("dcgan", "adversarial"), ("dcgan", "relativistic"), ("wgan-gp", "wasserstein"), ("dcgan", "projected"),
        ("stylegan2", "stylegan2"), ("progressive-gan", "progressive"), ("fastgan", "fastgan"),
    ],
)  # fmt: skip
def test_every_objective_tells_ada_what_its_discriminator_knows(architecture, name):
    model = get_architecture(architecture).tiny().train()
    kind = get_objective(name)
    objective = kind(model, kind.Config(augment="ada"))
    images = torch.rand(8, model.config.channels, *model.config.size) * 2 - 1
    phase = next(phase for phase in objective.phases() if phase.player in ("discriminator", "critic"))
    numbers = phase.loss(Batch(images=images, labels=model.labels(8), seeds=torch.arange(8)))
    assert "augment_p" in numbers
