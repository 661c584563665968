"""Adversarial losses on raw scores (logits): positive means "real". Each returns a scalar, the batch mean."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def discriminator_loss(real_scores: Tensor, fake_scores: Tensor) -> Tensor:
    """Binary cross-entropy of the discriminator, the negative of the value function.

    Equation 1 of "Generative Adversarial Nets" (Goodfellow et al. 2014, arXiv:1406.2661):
    V = E[log D(x)] + E[log(1 - D(G(z)))] with D = sigmoid(score); the discriminator minimises -V,
    which is log 4 at D = 1/2.

    Args:
        real_scores: Logits of real pictures, [N].
        fake_scores: Logits of fake pictures, [N].
    """
    return F.softplus(-real_scores).mean() + F.softplus(fake_scores).mean()


def minimax_generator_loss(fake_scores: Tensor) -> Tensor:
    """E[log(1 - D(G(z)))], equation 1 of Goodfellow et al. 2014: weak gradients while D is confident."""
    return -F.softplus(fake_scores).mean()


def non_saturating_generator_loss(fake_scores: Tensor) -> Tensor:
    """-E[log D(G(z))], section 3 of Goodfellow et al. 2014: the same fixed point, stronger gradients early on."""
    return F.softplus(-fake_scores).mean()


def wasserstein_critic_loss(real_scores: Tensor, fake_scores: Tensor) -> Tensor:
    """E[f(G(z))] - E[f(x)], equation 2 of "Wasserstein GAN" (Arjovsky et al. 2017, arXiv:1701.07875), negated."""
    return fake_scores.mean() - real_scores.mean()


def wasserstein_generator_loss(fake_scores: Tensor) -> Tensor:
    """-E[f(G(z))], the generator's side of Arjovsky et al. 2017."""
    return -fake_scores.mean()


def hinge_loss(real_scores: Tensor, fake_scores: Tensor) -> Tensor:
    """E[max(0, 1 - D(x))] + E[max(0, 1 + D(G(z)))], the discriminator's side of the hinge game.

    Section 3 of "Geometric GAN" (Lim, Ye 2017, arXiv:1705.02894): a score beyond the margin of 1 earns nothing more.
    The generator's side is :func:`wasserstein_generator_loss`.

    Args:
        real_scores: Logits of real pictures, any shape.
        fake_scores: Logits of fake ones, any shape.
    """
    return F.relu(1 - real_scores).mean() + F.relu(1 + fake_scores).mean()


def least_squares_loss(scores: Tensor, target: float) -> Tensor:
    """E[(D(x) - target)^2], equation 2 of "Least Squares Generative Adversarial Networks" (Mao et al. 2017,
    arXiv:1611.04076): 1 for what should count as real, 0 for what should not."""
    return (scores - target).square().mean()


def relativistic_loss(winner_scores: Tensor, loser_scores: Tensor) -> Tensor:
    """E[softplus(loser - winner)]: each winner is to score above the loser that it is paired with.

    Equation 2 of "The GAN is dead; long live the GAN!" (Huang et al. 2024, arXiv:2501.05441) with
    f(t) = -log(1 + exp(-t)), after Jolicoeur-Martineau 2018 (arXiv:1807.00734). The discriminator wants the real
    picture to win, the generator the fake one; log 2 where neither does.

    Args:
        winner_scores: Logits [N].
        loser_scores: Logits [N] of their partners.
    """
    return F.softplus(loser_scores - winner_scores).mean()


def relativistic_average_loss(winner_scores: Tensor, loser_scores: Tensor) -> Tensor:
    """E[softplus(mean(loser) - winner)] + E[softplus(loser - mean(winner))]: each against the others' mean.

    Equations 1 and 2 of "ESRGAN" (Wang et al. 2018, arXiv:1809.00219), after Jolicoeur-Martineau 2018
    (arXiv:1807.00734): the discriminator's loss with real pictures as winners, the generator's with fake ones.
    2 log 2 where the two score alike.

    Args:
        winner_scores: Logits [N].
        loser_scores: Logits [M].
    """
    ahead = F.softplus(loser_scores.mean() - winner_scores).mean()
    return ahead + F.softplus(loser_scores - winner_scores.mean()).mean()


def score_statistics(real_scores: Tensor, fake_scores: Tensor) -> dict[str, Tensor]:
    """What a run watches of a discriminator: the gap of its mean scores, and how often it knows a real picture.

    ``real_sign`` is r_t = E[sign(D(x))], equation 1 of "Training Generative Adversarial Networks with Limited Data"
    (Karras et al. 2020, arXiv:2006.06676), for scores whose zero has a meaning; here the zero is put half way between
    the two means, so that it also holds for critics and relativistic pairs, which know differences only. 0: it cannot
    tell; 1: it knows every real picture.

    Args:
        real_scores: [N].
        fake_scores: [N].

    Returns:
        ``score_gap`` (mean real - mean fake) and ``real_sign`` in [-1, 1], detached scalars.
    """
    real, fake = real_scores.detach().float(), fake_scores.detach().float()
    middle = (real.mean() + fake.mean()) / 2
    return {"score_gap": real.mean() - fake.mean(), "real_sign": (real - middle).sign().mean()}


def mode_seeking_loss(images: Tensor, others: Tensor, z: Tensor, other_z: Tensor) -> Tensor:
    """Reward a generator for making different pictures of different latents.

    Equation 4 of "Mode Seeking Generative Adversarial Networks for Diverse Image Synthesis" (Mao et al. 2019,
    arXiv:1903.05628): the ratio d(G(c, z1), G(c, z2)) / d(z1, z2) is to be large, so its inverse is minimised;
    d is the mean absolute difference.

    Args:
        images: G(c, z1), [N, C, H, W].
        others: G(c, z2) of the same classes c.
        z: z1, [N, latent_dim].
        other_z: z2.
    """
    ratio = (images.float() - others.float()).abs().mean() / (z.float() - other_z.float()).abs().mean()
    return 1 / (ratio + 1e-5)
