"""CUT: its losses against plain arithmetic, and that they see what moved."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from ganhub.errors import ConfigError
from ganhub.models import get_architecture
from ganhub.models.cut import CUT, ContrastiveObjective, at
from ganhub.models.cyclegan import CycleGAN
from ganhub.nn.random import uniform
from ganhub.objectives import Batch


def pictures(*seeds: int) -> torch.Tensor:
    return F.interpolate(uniform(list(seeds), 3, 8, 8) * 2 - 1, (32, 32), mode="bilinear", align_corners=False)


def objective(**settings) -> ContrastiveObjective:
    torch.manual_seed(0)
    return ContrastiveObjective(CUT.tiny(), ContrastiveObjective.Config(**settings))


def test_places_are_counted_row_by_row():
    maps = torch.arange(24.0).view(1, 2, 3, 4)
    assert at(maps, torch.tensor([[0, 5, 11]])).tolist() == [[[0, 12], [5, 17], [11, 23]]]


def test_the_contrast_is_the_cross_entropy_of_finding_the_own_patch():
    game, photos = objective(places=1024, dim=6), pictures(1, 2)
    generator, made = game.model.generator, pictures(3, 4)
    seen = generator.encode(photos)
    found = game.contrast(seen, made, torch.tensor([7, 8])).item()
    # With every place of a layer drawn, their order does not matter.
    losses, again = [], generator.encode(made)
    for head, layer in zip(game.heads.layers, game.layers, strict=True):
        if seen[layer][0, 0].numel() > 1024:
            continue
        for k in range(2):
            query, key = (F.normalize(head(x[layer][k].flatten(1).T), dim=1) for x in (again, seen))
            likeness = (query @ key.T / 0.07).double()
            losses.append(-(likeness.diag() - likeness.exp().sum(1).log()).mean().item())
    assert found == pytest.approx(sum(losses) / len(losses), rel=1e-3)


def test_the_contrast_is_least_where_nothing_moved_and_teaches_through_the_result_alone():
    game, photos, seeds = objective(places=64), pictures(1, 2), torch.tensor([1, 2])
    seen = game.model.generator.encode(photos)
    same, moved = (game.contrast(seen, x, seeds).item() for x in (photos, photos.roll(9, 3)))
    assert same < 0.7 * moved
    given = [x.detach().requires_grad_() for x in seen]
    made = photos.clone().requires_grad_()
    game.contrast(given, made, seeds).backward()
    assert made.grad.abs().sum() > 0 and all(x.grad is None for x in given)


def test_losses_are_the_paper_s():
    game = objective(contrast_weight=2.0, identity_weight=3.0)
    x, y, seeds = pictures(1, 2), pictures(3, 4), torch.tensor([1, 2])
    batch = Batch(x, None, seeds, Batch(y, None, seeds))
    model = game.model
    parts = [game.contrast(model.generator.encode(z), model(z), seeds) for z in (x, y)]
    wanted = (game.discriminator(model(x)) - 1).square().mean() + 2 * parts[0] + 3 * parts[1]
    assert game.generator_loss(batch)["loss"].item() == pytest.approx(wanted.item(), rel=1e-4)
    wanted = (game.discriminator(y) - 1).square().mean() / 2 + game.discriminator(model(x)).square().mean() / 2
    assert game.discriminator_loss(batch)["loss"].item() == pytest.approx(wanted.item(), rel=1e-4)
    assert "identity" not in objective(identity_weight=0.0).generator_loss(batch)
    with pytest.raises(ConfigError, match="data.other.path"):
        game.generator_loss(Batch(x, None, seeds))
    with pytest.raises(ConfigError, match='"cut" alone'):
        ContrastiveObjective(get_architecture("cyclegan").tiny(), ContrastiveObjective.Config())


def test_it_translates_as_cyclegan_s_generator_does():
    torch.manual_seed(0)
    one, other = CUT.tiny(), CycleGAN.tiny()
    other.load_state_dict(one.state_dict())
    assert torch.equal(one.translate(pictures(5)), other.translate(pictures(5)))
