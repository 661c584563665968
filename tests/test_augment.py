"""DiffAugment: seeds decide, gradients flow, and each transform equals its plain formula."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from ganhub.errors import ConfigError
from ganhub.nn import diffaugment
from ganhub.nn.diffaugment import DiffAugment, colour, cutout, translate


def pictures(n: int = 6, channels: int = 3, side: int = 16) -> torch.Tensor:
    return torch.rand(n, channels, side, side, generator=torch.Generator().manual_seed(0)) * 2 - 1


def test_an_empty_policy_changes_nothing():
    x = pictures()
    assert DiffAugment("")(x, range(6)) is x


def test_an_unknown_policy_names_the_nearest():
    with pytest.raises(ConfigError, match="Did you mean 'cutout'"):
        DiffAugment("colour,cutut")


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_a_picture_depends_on_its_own_seed_alone(channels):
    augment, x = DiffAugment(), pictures(channels=channels)
    whole = augment(x, [5, 6, 7, 8, 9, 10])
    assert torch.equal(whole, augment(x, torch.arange(5, 11)))
    assert torch.equal(whole[2:4], augment(x[2:4], [7, 8]))
    same = augment(x[:1].expand(6, -1, -1, -1), range(6))
    assert all(not torch.equal(same[i], same[j]) for i in range(6) for j in range(i))
    assert not torch.equal(whole, augment(x, range(5, 11), stream=1))


def test_as_many_seeds_as_pictures():
    with pytest.raises(ValueError, match="as many seeds"):
        DiffAugment()(pictures(), [0, 1])


def test_translation_is_a_zero_filled_shift():
    x, down, right = pictures(3), torch.tensor([2, -3, 0]), torch.tensor([-1, 0, 4])
    out = translate(x, down, right)
    for k in range(3):
        dy, dx = int(down[k]), int(right[k])
        padded = F.pad(x[k], (5, 5, 5, 5))
        assert torch.equal(out[k], padded[:, 5 - dy : 21 - dy, 5 - dx : 21 - dx])


def test_both_ways_to_shift_agree_and_keep_the_memory_format():
    down, right = torch.arange(-3, 3), torch.tensor([5, -16, 16, 0, 2, -2])
    for layout in (torch.contiguous_format, torch.channels_last):
        x = pictures().to(memory_format=layout)
        slices, gather = diffaugment._by_slices(x, down, right), diffaugment._by_gather(x, down, right)
        assert torch.equal(slices, gather)
        assert slices.is_contiguous(memory_format=layout) and gather.is_contiguous(memory_format=layout)


def test_colour_is_brightness_then_saturation_then_contrast():
    x, b, s, c = pictures(2), torch.tensor([0.3, -0.2]), torch.tensor([0.0, 1.7]), torch.tensor([0.6, 1.4])
    expected = []
    for k in range(2):
        y = x[k] + b[k]
        y = (y - y.mean(0)) * s[k] + y.mean(0)
        expected.append((y - y.mean()) * c[k] + y.mean())
    torch.testing.assert_close(colour(x, b, s, c), torch.stack(expected))
    one = torch.ones(2)
    torch.testing.assert_close(colour(x, 0 * one, one, one), x)


def test_colour_leaves_alpha_alone():
    x = pictures(channels=4)
    out = DiffAugment("colour")(x, range(6))
    assert torch.equal(out[:, 3], x[:, 3]) and not torch.equal(out[:, :3], x[:, :3])


def test_cutout_removes_one_square_of_half_the_side():
    out = cutout(torch.ones(3, 2, 16, 16), torch.tensor([8, 0, 16]), torch.tensor([8, 5, 16]))
    assert (out == 0).flatten(1).sum(1).tolist() == [2 * 64, 2 * 4 * 8, 2 * 4 * 4]
    assert (out[0, :, 4:12, 4:12] == 0).all()


def test_gradients_are_those_of_the_formulas_to_second_order():
    x = pictures(2, side=4).double().requires_grad_()
    draws = torch.tensor([0.3, -0.2]), torch.tensor([0.5, 1.7]), torch.tensor([0.6, 1.4])
    down, right = torch.tensor([1, -2]), torch.tensor([0, 3])

    def transform(x):
        return translate(colour(x, *draws), down, right).pow(2)

    assert torch.autograd.gradcheck(transform, x)
    assert torch.autograd.gradgradcheck(transform, x)


def test_bf16_stays_bf16_and_close():
    x, augment = pictures(), DiffAugment()
    out = augment(x.bfloat16(), range(6))
    assert out.dtype == torch.bfloat16
    torch.testing.assert_close(out.float(), augment(x, range(6)), atol=0.06, rtol=0)
