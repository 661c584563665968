"""What objectives share: the hinge loss, the partner of a batch, and discriminators that join late."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from ganhub.errors import ConfigError
from ganhub.losses.adversarial import hinge_loss
from ganhub.models import get_architecture
from ganhub.objectives import Batch, get_objective


def test_the_hinge_loss_is_torch_s_ranking_against_zero_and_its_minimum_has_a_margin():
    real, fake = torch.randn(2, 40, dtype=torch.float64)
    zero, one = torch.zeros(40), torch.ones(40)
    ranked = F.margin_ranking_loss(real, zero, one, margin=1) + F.margin_ranking_loss(fake, zero, -one, margin=1)
    assert hinge_loss(real, fake).item() == pytest.approx(ranked.item())
    assert hinge_loss(torch.full((3,), 1.0), torch.full((4, 5), -7.0)).item() == 0
    assert hinge_loss(torch.zeros(2), torch.zeros(3)).item() == 2


def test_a_batch_without_a_second_collection_says_what_to_set():
    images, seeds = torch.zeros(2, 3, 8, 8), torch.arange(2)
    one = Batch(images, None, seeds)
    with pytest.raises(ConfigError, match="^Name it in data.other.path.$"):
        one.pair("Name it in data.other.path.")
    two = Batch(images, None, seeds, Batch(images + 1, torch.ones(2), seeds))
    first, second = two.pair("")
    assert first is images and torch.equal(second, images + 1) and two.partner("").labels is not None


@pytest.mark.parametrize("name, architecture", [
    ("pix2pix", "pix2pix"), ("inpainting", "inpainting"), ("super-resolution", "srgan"),
])  # fmt: skip
def test_a_late_discriminator_begins_where_the_config_says(name, architecture):
    kind = get_objective(name)
    model = get_architecture(architecture).tiny()
    objective = kind(model, kind.Config(adversarial_from=100))
    assert [(phase.player, phase.start) for phase in objective.phases()] == [("generator", 0), ("discriminator", 100)]
    assert set(objective.players()) == {"generator", "discriminator"}
    for seen, playing in ((0, False), (99, False), (100, True)):
        objective.at(seen)
        assert objective.playing == playing


def test_super_resolution_without_a_discriminator_has_one_player():
    kind = get_objective("super-resolution")
    objective = kind(get_architecture("srgan").tiny(), kind.Config(adversarial_from=0))
    assert set(objective.players()) == {"generator"} and len(objective.phases()) == 1
    objective.at(10**9)
    assert not objective.playing and not [name for name in objective.state_dict() if "discriminator" in name]
