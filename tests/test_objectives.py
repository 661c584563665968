"""Losses and penalties against answers known from elsewhere; objectives against their papers' algorithm boxes."""

from __future__ import annotations

import importlib.util
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from ganhub.config import BaseConfig
from ganhub.errors import ConfigError
from ganhub.losses.adversarial import (
    discriminator_loss,
    minimax_generator_loss,
    mode_seeking_loss,
    non_saturating_generator_loss,
    relativistic_loss,
    score_statistics,
    wasserstein_critic_loss,
    wasserstein_generator_loss,
)
from ganhub.losses.penalties import r1_penalty, wgan_gradient_penalty
from ganhub.models import get_architecture
from ganhub.nn.random import normal, uniform
from ganhub.objectives import AdversarialObjective, Batch, WassersteinObjective, get_objective


def test_value_at_a_guessing_discriminator_is_minus_log_4():
    zero = torch.zeros(5, dtype=torch.float64)
    assert -discriminator_loss(zero, zero).item() == pytest.approx(-math.log(4), abs=1e-12)


def test_minimax_value_is_minus_log_4_plus_twice_the_jensen_shannon_divergence():
    """Theorem 1 of Goodfellow et al. 2014 on two discrete distributions, each symbol repeated as often as it occurs."""
    p, q = np.array([1, 2, 3, 4]), np.array([4, 3, 2, 1])
    optimal = torch.from_numpy(np.log(p / q))  # logit of D* = p / (p + q)
    real = optimal.repeat_interleave(torch.from_numpy(p))
    fake = optimal.repeat_interleave(torch.from_numpy(q))
    p, q = p / 10, q / 10
    m = (p + q) / 2
    jsd = 0.5 * np.sum(p * np.log(p / m)) + 0.5 * np.sum(q * np.log(q / m))
    assert -discriminator_loss(real, fake).item() == pytest.approx(-math.log(4) + 2 * jsd, abs=1e-12)
    # No other discriminator does better: V has its maximum there.
    for noise in torch.randn(20, 4, dtype=torch.float64):
        other = optimal + noise
        worse = discriminator_loss(other.repeat_interleave(torch.tensor([1, 2, 3, 4])),
                                   other.repeat_interleave(torch.tensor([4, 3, 2, 1])))  # fmt: skip
        assert worse > discriminator_loss(real, fake)


def test_generator_losses_are_the_logs_of_the_paper():
    scores = torch.linspace(-3, 3, 7, dtype=torch.float64)
    d = scores.sigmoid()
    assert minimax_generator_loss(scores).item() == pytest.approx(torch.log(1 - d).mean().item(), abs=1e-12)
    assert non_saturating_generator_loss(scores).item() == pytest.approx(-torch.log(d).mean().item(), abs=1e-12)
    assert wasserstein_critic_loss(scores, scores + 2).item() == pytest.approx(2)
    assert wasserstein_generator_loss(scores + 1).item() == pytest.approx(-1)


def test_non_saturating_gradient_is_strong_where_minimax_saturates():
    scores = torch.full((1,), -10.0, requires_grad=True)
    (weak,) = torch.autograd.grad(minimax_generator_loss(scores), scores)
    (strong,) = torch.autograd.grad(non_saturating_generator_loss(scores), scores)
    assert weak.abs() < 1e-4 and strong.abs() > 0.99


def test_mode_seeking_is_the_inverse_of_the_generator_s_slope():
    """G(z) = 3 z has the ratio 3 between any two latents; a generator that ignores z has none."""
    z, other = torch.randn(2, 6, 4)
    assert mode_seeking_loss(3 * z, 3 * other, z, other).item() == pytest.approx(1 / 3, rel=1e-4)
    assert mode_seeking_loss(torch.ones(6, 4), torch.ones(6, 4), z, other).item() == pytest.approx(1e5, rel=1e-3)


def test_penalties_of_a_linear_critic():
    """f(x) = w . x has the slope |w| everywhere: R1 is |w|^2, the WGAN penalty (|w| - 1)^2."""
    w = torch.randn(3 * 4 * 4, dtype=torch.float64)

    def critic(x: torch.Tensor) -> torch.Tensor:
        return x.flatten(1) @ w

    real, fake = torch.randn(2, 5, 3, 4, 4, dtype=torch.float64)
    assert r1_penalty(critic, real).item() == pytest.approx(w.square().sum().item(), rel=1e-6)
    mix = torch.rand(5, dtype=torch.float64)
    assert wgan_gradient_penalty(critic, real, fake, mix).item() == pytest.approx((w.norm().item() - 1) ** 2, rel=1e-6)
    with pytest.raises(ValueError, match="same shape"):
        wgan_gradient_penalty(critic, real, fake[:3], mix)


def test_wgan_penalty_looks_at_the_line_and_not_elsewhere():
    """f(x) = |x|^2 / 2 has slope |x|, so the mix decides: at 1 the real end counts, at 0 the made one."""

    def critic(x: torch.Tensor) -> torch.Tensor:
        return x.flatten(1).square().sum(1) / 2

    real, fake = torch.full((2, 1, 1, 1), 3.0), torch.full((2, 1, 1, 1), 1.0)
    at = [wgan_gradient_penalty(critic, real, fake, torch.full((2,), m)).item() for m in (1.0, 0.0, 0.5)]
    assert at == pytest.approx([4.0, 0.0, 1.0])


def test_seeded_noise_depends_on_its_own_seed_alone():
    one, many = normal([7], 5), normal([3, 7, 9], 5)
    assert torch.equal(one[0], many[1])
    assert torch.equal(normal(torch.tensor([3, 7, 9]), 5), many)
    assert not torch.equal(normal([7], 5, stream=1), one)
    values = normal(range(4000), 4)
    assert values.mean().abs() < 0.03 and (values.std() - 1).abs() < 0.03
    values = uniform(range(4000))
    assert 0 <= values.min() and values.max() < 1 and (values.mean() - 0.5).abs() < 0.02


def objective_of(name: str, **fields: object):
    cls = get_objective(name)
    model = get_architecture("wgan-gp" if name == "wasserstein" else "dcgan").tiny().train()
    return cls(model, cls.Config.from_dict(fields))


def batch_for(model: nn.Module, n: int = 4) -> Batch:
    c = model.config
    return Batch(torch.rand(n, c.channels, c.image_size, c.image_size) * 2 - 1, None, torch.arange(n))


def test_algorithm_boxes():
    phases = objective_of("wasserstein").phases()
    assert [(p.player, p.repeat) for p in phases] == [("critic", 5), ("generator", 1)]
    phases = objective_of("adversarial", r1_gamma=1.0, r1_every=16).phases()
    assert [(p.player, p.every) for p in phases] == [("discriminator", 1), ("generator", 1), ("discriminator", 16)]
    assert len(objective_of("adversarial").phases()) == 2


@pytest.mark.parametrize("name, fields", [("adversarial", {"mode_seeking": 0.1}), ("wasserstein", {})])
def test_each_phase_moves_its_own_player_only(name, fields):
    objective = objective_of(name, augment="colour,translation,cutout", **fields)
    players = objective.players()
    for phase in objective.phases():
        for player, networks in players.items():
            for network in networks:
                network.zero_grad()
                network.requires_grad_(player == phase.player)
        phase.loss(batch_for(objective.model))["loss"].backward()
        gradients = {name: [p.grad for net in nets for p in net.parameters()] for name, nets in players.items()}
        moved = {name for name, all_of in gradients.items() if any(g is not None and g.any() for g in all_of)}
        assert moved == {phase.player}


def test_the_model_is_no_part_of_its_objective_s_state():
    objective = objective_of("adversarial")
    assert {name.partition(".")[0] for name in objective.state_dict()} == {"discriminator"}


@pytest.mark.parametrize(
    ("cls", "fields", "says"),
    [
        (AdversarialObjective, {"generator_loss": "lsgan"}, "must be one of non-saturating, minimax"),
        (AdversarialObjective, {"r1_gama": 1.0}, "Did you mean 'r1_gamma'"),
        (AdversarialObjective, {"augment": "color"}, "colour"),
        (WassersteinObjective, {"critic_turns": 0}, "1 or more"),
    ],
)
def test_wrong_settings_are_named(cls, fields, says):
    with pytest.raises(ConfigError, match=says):
        cls(get_architecture("dcgan").tiny(), cls.Config.from_dict(fields))


def test_unknown_objective_names_the_nearest():
    with pytest.raises(ConfigError, match="Did you mean 'wasserstein'"):
        get_objective("waserstein")


def test_config_types_are_checked():
    cls = get_architecture("dcgan").Config
    with pytest.raises(ConfigError, match="image_size must be of type int"):
        cls.from_dict({"image_size": "64"})
    with pytest.raises(ConfigError, match="channels must be 1, 3 or 4"):
        cls(channels=2)
    assert isinstance(cls(), BaseConfig)


def test_minimal_gan_has_the_library_s_losses():
    spec = importlib.util.spec_from_file_location("minimal", Path(__file__).parents[1] / "training" / "minimal_gan.py")
    minimal = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(minimal)
    real, fake = torch.randn(2, 16)
    assert torch.equal(minimal.d_loss(real, fake), discriminator_loss(real, fake))
    assert torch.equal(minimal.g_loss(fake), non_saturating_generator_loss(fake))


def test_relativistic_loss_is_log_2_where_nobody_wins_and_asks_only_for_differences():
    zero = torch.zeros(5, dtype=torch.float64)
    assert relativistic_loss(zero, zero).item() == pytest.approx(math.log(2), abs=1e-12)
    winner, loser = torch.randn(2, 50, dtype=torch.float64)
    expected = torch.log1p(torch.exp(loser - winner)).mean()
    assert relativistic_loss(winner, loser).item() == pytest.approx(expected.item(), rel=1e-12)
    assert relativistic_loss(winner + 7, loser + 7).item() == pytest.approx(expected.item(), rel=1e-12)


def test_score_statistics_of_known_scores():
    numbers = score_statistics(torch.tensor([3.0, 3, 3, 1]), torch.tensor([-1.0, 0, 1, 2]))  # means 2.5 and 0.5
    assert numbers["score_gap"].item() == pytest.approx(2)
    assert numbers["real_sign"].item() == pytest.approx((1 + 1 + 1 - 1) / 4)  # half way lies 1.5
    shifted = score_statistics(torch.tensor([3.0, 3, 3, 1]) + 100, torch.tensor([-1.0, 0, 1, 2]) + 100)
    assert shifted["real_sign"] == numbers["real_sign"], "a critic's zero means nothing"


@pytest.mark.parametrize("every", [1, 4])
def test_relativistic_objective_is_the_paper_s_sum(every):
    """Losses by hand from the same scores; the penalty once a step or by itself, weighted for the steps it skips."""
    objective = objective_of("relativistic", gamma=3.0, penalty_every=every)
    batch = batch_for(objective.model)
    with torch.no_grad():
        fake = objective.model(objective.model.latent(batch.seeds), None)
    real_scores, fake_scores = objective.discriminator(batch.images), objective.discriminator(fake)
    penalty = r1_penalty(objective.discriminator, batch.images) + r1_penalty(objective.discriminator, fake)
    pairs = torch.nn.functional.softplus(fake_scores - real_scores).mean()
    phases = objective.phases()
    assert [p.player for p in phases] == ["discriminator", "generator", "discriminator"][: 2 + (every > 1)]
    loss = phases[0].loss(batch)["loss"]
    assert loss.item() == pytest.approx((pairs + (1.5 * penalty if every == 1 else 0)).item(), rel=1e-4)
    if every > 1:
        assert phases[2].every == every
        assert phases[2].loss(batch)["loss"].item() == pytest.approx(1.5 * every * penalty.item(), rel=1e-4)
    flipped = torch.nn.functional.softplus(real_scores - fake_scores).mean()
    assert phases[1].loss(batch)["loss"].item() == pytest.approx(flipped.item(), rel=1e-4)
