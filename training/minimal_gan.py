"""A whole GAN in one file, for reading: torch and nothing else. About five minutes on two CPU cores.

    python training/minimal_gan.py mnist-28.npz      # or without a file: it learns a ring of eight Gaussian spots

Two players. The generator G turns random vectors z into samples; the discriminator D gives each sample a score,
high for "real". D learns to tell real from made, G learns to be taken for real. When neither can improve, the made
samples follow the law of the real ones (Goodfellow et al. 2014, arXiv:1406.2661).
"""

from __future__ import annotations

import argparse
import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def generator(latent_dim: int, out_dim: int, hidden: int) -> nn.Module:
    """z [N, latent_dim] -> samples [N, out_dim] in [-1, 1]."""
    return nn.Sequential(
        nn.Linear(latent_dim, hidden), nn.ReLU(),
        nn.Linear(hidden, hidden), nn.ReLU(),
        nn.Linear(hidden, out_dim), nn.Tanh(),
    )  # fmt: skip


def discriminator(in_dim: int, hidden: int) -> nn.Module:
    """Samples [N, in_dim] -> scores [N, 1]. sigmoid(score) is D(x), the probability that x is real."""
    return nn.Sequential(
        nn.Linear(in_dim, hidden), nn.LeakyReLU(0.2),
        nn.Linear(hidden, hidden), nn.LeakyReLU(0.2),
        nn.Linear(hidden, 1),
    )  # fmt: skip


def d_loss(real_scores: Tensor, fake_scores: Tensor) -> Tensor:
    """D minimises -E[log D(x)] - E[log(1 - D(G(z)))].

    With D = sigmoid(score), -log D = softplus(-score) and -log(1 - D) = softplus(score). A discriminator that
    can only guess (D = 1/2 everywhere) pays log 4 = 1.386: the number to watch.
    """
    return F.softplus(-real_scores).mean() + F.softplus(fake_scores).mean()


def g_loss(fake_scores: Tensor) -> Tensor:
    """G minimises -E[log D(G(z))], the non-saturating form: it learns even while D is sure of itself."""
    return F.softplus(-fake_scores).mean()


def ring(count: int) -> Tensor:
    """Points [count, 2] on eight spots around a circle: easy to see whether G forgets some of them."""
    angle = torch.randint(8, (count,)) * (math.tau / 8)
    return torch.stack([angle.cos(), angle.sin()], 1) * 0.7 + 0.03 * torch.randn(count, 2)


def digits(path: str) -> Tensor:
    """Pictures [60000, 784] in [-1, 1] from an npz with the key train_x."""
    import numpy

    with numpy.load(path, allow_pickle=False) as file:
        return torch.from_numpy(file["train_x"]).flatten(1).float() / 127.5 - 1


def save_pictures(samples: Tensor, path: str) -> None:
    """Write 8 x 8 digits as a PGM file, a picture format simple enough to write by hand."""
    sheet = samples.view(8, 8, 28, 28).permute(0, 2, 1, 3).reshape(224, 224)
    with open(path, "wb") as file:
        file.write(b"P5 224 224 255\n" + ((sheet + 1) * 127.5).byte().numpy().tobytes())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="?", help="mnist-28.npz; without it: the ring")
    parser.add_argument("--steps", type=int, default=6000)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()

    torch.manual_seed(arguments.seed)
    data = digits(arguments.data) if arguments.data else ring(20_000)
    latent_dim, hidden = (64, 512) if arguments.data else (8, 128)
    G, D = generator(latent_dim, data.shape[1], hidden), discriminator(data.shape[1], hidden)
    g_optimizer = torch.optim.Adam(G.parameters(), lr=2e-4, betas=(0.5, 0.999))
    d_optimizer = torch.optim.Adam(D.parameters(), lr=2e-4, betas=(0.5, 0.999))
    watched = torch.randn(64, latent_dim)  # the same 64 latents each time, to see them improve

    for step in range(1, arguments.steps + 1):
        # D's turn. detach(): what D learns here must not move G.
        real = data[torch.randint(len(data), (arguments.batch_size,))]
        fake = G(torch.randn(arguments.batch_size, latent_dim)).detach()
        loss_d = d_loss(D(real), D(fake))
        d_optimizer.zero_grad()
        loss_d.backward()
        d_optimizer.step()

        # G's turn, on fresh noise. The gradient flows through D, but only G steps.
        loss_g = g_loss(D(G(torch.randn(arguments.batch_size, latent_dim))))
        g_optimizer.zero_grad()
        loss_g.backward()
        g_optimizer.step()

        if step % 500 == 0:
            print(f"step {step}: D {loss_d.item():.3f} (guessing: {math.log(4):.3f}), G {loss_g.item():.3f}")
            with torch.no_grad():
                if arguments.data:
                    save_pictures(G(watched), "minimal_gan.pgm")
                else:
                    x, y = G(torch.randn(4000, latent_dim)).T
                    near = (torch.atan2(y, x) / (math.tau / 8)).round().long() % 8
                    print("   samples per spot:", torch.bincount(near, minlength=8).tolist())


if __name__ == "__main__":
    main()
