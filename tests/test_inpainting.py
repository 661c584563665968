"""Inpainting: the contract of the verb, masks from seeds, gated convolutions and losses against plain arithmetic."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from ganhub import AutoModel, list_architectures
from ganhub.errors import ConfigError, ImageError
from ganhub.models import Inpainter, get_architecture
from ganhub.models.inpainting import GatedConv, Inpainting, InpaintingObjective, free_form
from ganhub.nn.random import normal, uniform
from ganhub.objectives import Batch

INPAINTERS = [cls for cls in map(get_architecture, list_architectures()) if issubclass(cls, Inpainter)]
every = pytest.mark.parametrize("cls", INPAINTERS, ids=lambda cls: cls.architecture)


def pictures(*seeds: int, height: int = 32, width: int = 40) -> torch.Tensor:
    small = uniform(list(seeds), 3, 6, 6) * 2 - 1
    return F.interpolate(small, (height, width), mode="bilinear", align_corners=False)


def hole(height: int, width: int) -> torch.Tensor:
    mask = -torch.ones(1, 1, height, width)
    mask[..., height // 3 : height // 2 + 1, width // 4 : width // 2 + 1] = 1
    return mask


@every
@pytest.mark.parametrize("size", [(3, 5), (16, 90), (33, 40)])
def test_outside_the_hole_nothing_changes_and_what_was_in_it_does_not_matter(cls, size):
    model = cls.tiny().eval()
    image, mask = pictures(1, 2, height=size[0], width=size[1]), hole(*size)
    made = model.inpaint(image, mask)
    inside = (mask > 0).expand_as(image)
    assert torch.equal(made[~inside], image[~inside]) and made.isfinite().all() and made.abs().max() <= 1
    assert not torch.equal(made[inside], image[inside])
    other = torch.where(inside, torch.full_like(image, 0.9), image)
    torch.testing.assert_close(model.inpaint(other, mask), made, atol=1e-5, rtol=0)
    torch.testing.assert_close(model.inpaint(image[1:], mask), made[1:], atol=1e-4, rtol=1e-3)


@every
def test_masks_that_leave_nothing_to_do_or_to_go_by(cls):
    model, image = cls.tiny().eval(), pictures(1)
    for mask, words in (
        (-torch.ones(1, 1, 32, 40), "covers nothing"),
        (torch.ones(1, 1, 32, 40), "covers the whole picture"),
        (torch.ones(1, 1, 32, 41), r"of the picture's size, \[1, 1, 32, 40\], not \[1, 1, 32, 41\]"),
        (torch.ones(1, 3, 32, 40), "must be grey"),
        ("mask.png", "not str"),
    ):
        with pytest.raises(ImageError, match=words):
            model.inpaint(image, mask)
    with pytest.raises(ImageError, match=r"RGB \[N, 3, H, W\], not"):
        model.inpaint(image[0], hole(32, 40))


def test_a_seed_s_mask_is_its_own_and_holes_have_many_sizes():
    masks = free_form(range(60), 64, 80, most=0.5)
    assert masks.shape == (60, 1, 64, 80) and set(masks.unique().tolist()) == {0.0, 1.0}
    assert torch.equal(free_form([7], 64, 80), masks[7:8]) and not torch.equal(masks[0], masks[1])
    shares = masks.mean((1, 2, 3))
    assert shares.min() > 0.005 and shares.max() < 0.7
    assert shares.quantile(0.1) < 0.12 and shares.quantile(0.9) > 0.3
    assert masks.mean(0).min() > 0, "no place is spared for ever"
    assert free_form(range(60), 64, 80, most=0.1).mean() < 0.5 * masks.mean()


def test_a_gate_is_a_sigmoid_beside_the_features():
    layer, x = GatedConv(3, 4, dilation=2), normal([1, 2], 3, 12, 14)
    weight, bias = layer.conv.weight, layer.conv.bias
    padded = F.pad(x, (2, 2, 2, 2), mode="reflect")
    features = F.conv2d(padded, weight[:4], bias[:4], dilation=2)
    gates = F.conv2d(padded, weight[4:], bias[4:], dilation=2)
    torch.testing.assert_close(layer(x), F.elu(features) / (1 + (-gates).exp()), atol=1e-5, rtol=1e-4)


def test_losses_are_hinges_over_patches_and_differences_by_place():
    torch.manual_seed(0)
    model = Inpainting.tiny()
    settings = {"l1_weight": 3.0, "outside_weight": 2.0, "adversarial_weight": 0.5}
    objective = InpaintingObjective(model, InpaintingObjective.Config(**settings)).eval()
    batch = Batch(pictures(1, 2), None, torch.arange(2))
    holes = free_form([0, 1], 32, 40)
    made = model.generator(batch.images * (1 - holes), holes)
    filled = torch.where(holes > 0, made, batch.images)
    real, fake = objective.discriminator(batch.images, holes), objective.discriminator(filled, holes)
    error = (made - batch.images).abs()
    inside, outside = (error[where.expand_as(error)].mean().item() for where in (holes > 0, holes == 0))
    numbers = objective.generator_loss(batch)
    assert numbers["loss"].item() == pytest.approx(3 * inside + 2 * outside - 0.5 * fake.mean().item(), rel=1e-4)
    wanted = ((1 - real).clamp_min(0).mean() + (1 + fake).clamp_min(0).mean()).item()
    assert objective.discriminator_loss(batch)["loss"].item() == pytest.approx(wanted, rel=1e-4)
    with pytest.raises(ConfigError, match="trains inpainters"):
        InpaintingObjective(get_architecture("dcgan").tiny(), InpaintingObjective.Config())


def test_a_discriminator_that_begins_later_is_not_asked_before():
    objective = InpaintingObjective(Inpainting.tiny(), InpaintingObjective.Config(adversarial_from=8))
    assert [(phase.player, phase.start) for phase in objective.phases()] == [("generator", 0), ("discriminator", 8)]
    data = Batch(pictures(1, 2), None, torch.tensor([1, 2]))
    objective.at(7)
    before = objective.generator_loss(data)
    objective.at(8)
    after = objective.generator_loss(data)
    assert set(before) == {"loss", "inside", "outside"}
    wanted = 10 * before["inside"] + 2 * before["outside"]
    torch.testing.assert_close(before["loss"], wanted)
    torch.testing.assert_close(after["loss"], wanted - 0.1 * after["score"])


def test_it_learns_to_fill():
    torch.manual_seed(0)
    model = Inpainting.tiny().train()
    objective = InpaintingObjective(model, InpaintingObjective.Config(adversarial_weight=0.0))
    optimiser = torch.optim.Adam(model.parameters(), 1e-2)
    batch = Batch(pictures(*range(8)), None, torch.arange(8))
    values = []
    for _ in range(60):
        optimiser.zero_grad()
        numbers = objective.generator_loss(batch)
        numbers["loss"].backward()
        optimiser.step()
        values.append(numbers["inside"].item())
    assert values[-1] < 0.6 * values[0]


def test_wide_holes_are_filled_from_coarse_to_fine():
    model = AutoModel.from_pretrained("inpainting")
    across = torch.linspace(-0.8, 0.8, 256).view(1, 1, 1, -1).expand(1, 3, 192, 256).contiguous()
    narrow, wide = (-torch.ones(1, 1, 192, 256) for _ in range(2))
    narrow[..., 40:60, 30:200] = 1
    wide[..., 40:160, 60:200] = 1
    assert torch.equal(model.inpaint(across, narrow), plainly(model, across, narrow))
    errors = [
        (way(across, wide) - across).abs().mean().item() for way in (model.inpaint, lambda *x: plainly(model, *x))
    ]
    assert errors[0] < 0.025 and errors[0] < 0.8 * errors[1], errors


def plainly(model, image, mask):
    """Filled in one go."""
    hole = (mask > 0).float()
    with torch.no_grad():
        made = model.fill(image.contiguous(memory_format=torch.channels_last), hole).clamp(-1, 1)
    return torch.where(hole > 0, made, image)
