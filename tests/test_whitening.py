"""benchmarks/whitening.py: real features get mean 0 and covariance 1; a head then learns what was too faint for it."""

from __future__ import annotations

import torch

from benchmarks import whitening
from benchmarks.whitening import FLOOR, Whitening
from ganhub.losses.adversarial import hinge_loss
from ganhub.nn.projected import Head


def features(n: int, *, seed: int = 0, channels: int = 4) -> torch.Tensor:
    """Correlated, with a mean ten times as large as their deviation."""
    draws = torch.Generator().manual_seed(seed)
    mixture = torch.randn(channels, channels, generator=torch.Generator().manual_seed(9))
    return torch.einsum("dc,nchw->ndhw", mixture, torch.randn(n, channels, 3, 5, generator=draws)) + 20.0


def test_real_features_have_mean_0_and_covariance_1_but_for_the_floor():
    white, batches = Whitening(4), [features(16, seed=seed) for seed in range(4)]
    torch.testing.assert_close(white(batches[0]), batches[0])  # nothing is known yet
    for batch in batches:
        white.measure(batch)
    places = torch.cat(batches).permute(1, 0, 2, 3).flatten(1).double()
    covariance = torch.cov(places, correction=0)
    seen = white(torch.cat(batches)).permute(1, 0, 2, 3).flatten(1)
    torch.testing.assert_close(seen.mean(1), torch.zeros(4), atol=1e-3, rtol=0)
    # Of a direction with variance v, v / (v + floor) is left.
    sizes, directions = torch.linalg.eigh(covariance)
    left = directions * (sizes / (sizes + FLOOR * sizes.mean())) @ directions.t()
    torch.testing.assert_close(torch.cov(seen, correction=0).double(), left, atol=2e-3, rtol=0)
    torch.testing.assert_close(white.weight, white.weight.t())


def test_the_map_is_renewed_ever_more_seldom_and_stays_when_there_are_enough(monkeypatch):
    monkeypatch.setattr(whitening, "ENOUGH", 12 * 8)
    white, weights = Whitening(4), []
    for seed in range(16):
        white.measure(features(8, seed=seed))
        weights.append(white.weight.clone())
    changed = [k + 1 for k in range(1, 16) if not torch.equal(weights[k], weights[k - 1])]
    assert changed == [2, 4, 8, 12] and white.count == 96
    with torch.autocast("cpu", torch.bfloat16):  # as a training step is: the mean does not drown what varies
        half = white(features(8)).float()
    whole = white(features(8))
    off = ((half - whole).norm() / whole.norm()).item()
    assert off < 0.1


def test_it_is_kept_in_the_state_and_goes_on_from_there():
    whole, part = Whitening(4), Whitening(4)
    for seed in range(5):
        whole.measure(features(8, seed=seed))
    for seed in range(3):
        part.measure(features(8, seed=seed))
    again = Whitening(4)
    again.load_state_dict(part.state_dict())
    for seed in (3, 4):
        again.measure(features(8, seed=seed))
    assert all(torch.equal(tensor, again.state_dict()[name]) for name, tensor in whole.state_dict().items())


def test_a_head_learns_what_was_too_faint_for_it():
    """Pictures that differ by a tenth in one direction, beside another of deviation 10 and a mean of 20."""
    draws = torch.Generator().manual_seed(0)

    def drawn(sign: float) -> torch.Tensor:
        x = torch.randn(64, 8, 8, 8, generator=draws) * 0.1
        x[:, 0] = 10 * torch.randn(64, 8, 8, generator=draws) + 20
        x[:, 1] += 0.1 * sign
        return x

    right = {}
    for whiten in (False, True):
        torch.manual_seed(0)
        head, white = Head(8, 1), Whitening(8)
        if whiten:
            white.measure(drawn(1))
        optimizer = torch.optim.Adam(head.parameters(), 1e-3)
        for _ in range(40):
            loss = hinge_loss(head(white(drawn(1)))[0], head(white(drawn(-1)))[0])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        with torch.no_grad():
            real, made = (head(white(drawn(sign)))[0].mean(1) for sign in (1, -1))
        right[whiten] = (real[:, None] > made).float().mean().item()
    assert right[True] > 0.95 and right[False] < 0.8
