"""Adaptive discriminator augmentation: as much of it as keeps the discriminator from learning the pictures by heart.

"Training Generative Adversarial Networks with Limited Data" (Karras et al. 2020, arXiv:2006.06676): the "bgc"
transforms of appendix B (pixel blitting, geometry, colour), each applied with probability p, and the control of p by
r_t of section 3.1. All geometry of a picture is one bilinear lookup with mirrored borders, where the paper filters at
twice the resolution.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganhub.config import nearest
from ganhub.errors import ConfigError
from ganhub.losses.adversarial import score_statistics
from ganhub.nn.diffaugment import POLICIES, DiffAugment
from ganhub.nn.processes import process_count, total
from ganhub.nn.random import Seeds, normal, uniform

STREAM = 0xADA0  # keeps these draws apart from the latents of the same seeds
TARGET = 0.6  # of r_t: the paper's
PICTURES = 500_000  # in which p can go from 0 to 1: the paper's
EVERY = 4  # discriminator turns between two changes of p: the paper's


def build_augment(policy: str) -> DiffAugment | AdaptiveAugment:
    """Augmentation by name.

    Args:
        policy: Any of "colour", "translation" and "cutout", separated by commas, for :class:`DiffAugment`; "" for
            none; "ada" for :class:`AdaptiveAugment`, or "ada:200000" to let p go from 0 to 1 in 200,000 pictures.

    Raises:
        ConfigError: For anything else.
    """
    names = [name.strip() for name in policy.split(",") if name.strip()]
    kind, _, pictures = policy.strip().partition(":")
    if kind.strip() == "ada":
        if ":" not in policy:
            return AdaptiveAugment()
        digits = pictures.strip().replace("_", "")
        if not digits.isdecimal() or int(digits) < 1:
            raise ConfigError(
                f'augment "{policy}" names no number of pictures: write "ada:{PICTURES}" for the pictures in which p '
                'can go from 0 to 1, or "ada".'
            )
        return AdaptiveAugment(pictures=int(digits))
    for name in names:
        if name.partition(":")[0].strip() == "ada":
            raise ConfigError(f'ADA has transforms of its own: write augment = "ada" alone, not "{policy}".')
        if name not in POLICIES:
            policies = (*POLICIES, "ada")
            raise ConfigError(f"augment knows {', '.join(policies)}, not '{name}'.{nearest(name, policies)}")
    return DiffAugment(policy)


class AdaptiveAugment(nn.Module):
    """The bgc pipeline at a probability that follows the discriminator. What a picture goes through depends on its
    seed and p alone; p and the running sums are buffers, so that a resumed run goes on exactly.

    Args:
        target: r_t, the share of real pictures that the discriminator knows less the share that it does not, which
            p is to hold. In (-1, 1).
        pictures: Real pictures in which p can go from 0 to 1.
    """

    def __init__(self, target: float = TARGET, pictures: int = PICTURES) -> None:
        super().__init__()
        self.target, self.pictures = target, pictures
        self.register_buffer("p", torch.zeros(()))
        self.register_buffer("sums", torch.zeros(3))  # since p last changed: signs, pictures, turns

    def forward(self, images: Tensor, seeds: Seeds, *, stream: int = 0) -> Tensor:
        """Augment.

        Args:
            images: [N, C, H, W] in [-1, 1], any dtype, device and memory format. One channel has no hue and no
                saturation; with four the last, alpha, keeps its values and moves along.
            seeds: N integers.
            stream: Tells several draws of the same seeds apart: reals and fakes are drawn independently.

        Returns:
            Same shape and dtype; values may leave [-1, 1]. Differentiable any number of times.
        """
        if len(seeds) != len(images):
            raise ValueError(f"{len(images)} images need as many seeds, not {len(seeds)}.")
        p = self.p.item()
        if p == 0:
            return images
        with torch.autocast(images.device.type, enabled=False):
            u = uniform(seeds, 21, stream=STREAM + 2 * stream).T
            z = normal(seeds, 7, stream=STREAM + 2 * stream + 1).T
            images = _where_changed(images, geometry(p, u[:14], z[:4], tuple(images.shape[2:])), warp)
            return _where_changed(images, colours(p, u[14:], z[4:]), recolour)

    def observe(self, real_scores: Tensor, fake_scores: Tensor) -> dict[str, Tensor]:
        """Move p towards the target: up where the discriminator knows too many real pictures, down where too few.

        Section 3.1 of the paper, with r_t as :func:`ganhub.losses.adversarial.score_statistics` defines it, over the
        pictures of all processes. Call it once in each of the discriminator's turns.

        Args:
            real_scores: [N].
            fake_scores: [N].

        Returns:
            {"augment_p": p}, to be logged.
        """
        sign, count = score_statistics(real_scores, fake_scores)["real_sign"], float(len(real_scores))
        seen = torch.stack([sign * count, sign.new_tensor(count)])
        if process_count() > 1:
            seen = total(seen)
        self.sums += torch.cat([seen, seen.new_ones(1)]).to(self.sums)
        signs, pictures, turns = self.sums.unbind()
        due = (turns >= EVERY).to(self.p)  # a factor and no branch: a GPU need not wait
        step = (signs / pictures - self.target).sign() * pictures / self.pictures
        self.p.copy_((self.p + due * step).clamp(0, 1))
        self.sums *= 1 - due
        return {"augment_p": self.p.clone()}


def _where_changed(images: Tensor, matrices: Tensor, transform: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """Transform the pictures whose matrix [N, k, k] is not the identity; the others stay as they are, to the bit."""
    changed = (matrices != torch.eye(matrices.shape[1], device="cpu")).flatten(1).any(1)
    if not changed.any():
        return images
    matrices = matrices.to(images.device)
    if changed.all():
        return transform(images, matrices)
    rows = changed.nonzero().squeeze(1).to(images.device)
    return images.index_copy(0, rows, transform(images[rows], matrices[rows]))


def geometry(p: float, u: Tensor, z: Tensor, size: tuple[int, int]) -> Tensor:
    """Pixel blitting and general geometric transforms of appendix B, as one matrix each.

    Args:
        p: Probability of each transform.
        u: Uniform in [0, 1), [14, N]: eight that decide (flip, quarter turn, whole shift, scale, turn, stretch, second
            turn, shift), then the values of flip, quarter turn, whole shift in x and y, turn and second turn.
        z: Standard normal [4, N]: scale, stretch, shift in x and y.
        size: Height and width. Where they differ, quarter turns are half turns.

    Returns:
        Where each place (x, y, 1) of the result comes from, in pixels from the centre, y downwards: [N, 3, 3].
    """
    height, width = size
    flip, quarter, whole, grow, _, stretch, _, part = u[:8] < p
    turn, turn_again = u[4:8:2] < 1 - math.sqrt(1 - p)  # so that one of the two happens with probability p
    quarters = (u[9] * 4).floor() if height == width else (u[9] * 2).floor() * 2
    steps = [((2 * u[10 + k] - 1) * side / 8).round() for k, side in enumerate((width, height))]
    factor, ratio = torch.exp2(0.2 * z[0] * grow), torch.exp2(0.2 * z[1] * stretch)
    # Each line is the inverse of a transform, in the order in which the picture goes through them.
    matrix = scaling(1 - 2 * (flip & (u[8] >= 0.5)).float(), torch.ones_like(z[0]))
    matrix = matrix @ quarter_turn(quarters * quarter)
    matrix = matrix @ shifting(-steps[0] * whole, -steps[1] * whole)
    matrix = matrix @ scaling(1 / factor, 1 / factor)
    matrix = matrix @ rotation((2 * u[12] - 1) * math.pi * turn)
    matrix = matrix @ scaling(1 / ratio, ratio)
    matrix = matrix @ rotation((2 * u[13] - 1) * math.pi * turn_again)
    return matrix @ shifting(-z[2] * width / 8 * part, -z[3] * height / 8 * part)


def colours(p: float, u: Tensor, z: Tensor) -> Tensor:
    """Colour transforms of appendix B, as one matrix each.

    Args:
        p: Probability of each transform.
        u: Uniform in [0, 1), [7, N]: five that decide (brightness, contrast, luma flip, hue, saturation), then the
            values of luma flip and hue.
        z: Standard normal [3, N]: brightness, contrast, saturation.

    Returns:
        From (red, green, blue, 1) in [-1, 1] to the same, [N, 4, 4].
    """
    brighter, contrast, luma, hue, saturation = u[:5] < p
    matrix = brightness(0.2 * z[0] * brighter)
    matrix = scaling(*[torch.exp2(0.5 * z[1] * contrast)] * 3) @ matrix
    matrix = luma_flip(luma & (u[5] >= 0.5)) @ matrix
    matrix = hue_turn((2 * u[6] - 1) * math.pi * hue) @ matrix
    return saturate(torch.exp2(z[2] * saturation)) @ matrix


def _identity(like: Tensor, size: int) -> Tensor:
    return torch.eye(size, dtype=like.dtype, device=like.device).repeat(len(like), 1, 1)


def scaling(*factors: Tensor) -> Tensor:
    """Diagonal matrices of k factors [N] each, and 1: [N, k + 1, k + 1]."""
    return torch.diag_embed(torch.stack([*factors, torch.ones_like(factors[0])], dim=1))


def shifting(x: Tensor, y: Tensor) -> Tensor:
    """Add x to the first and y to the second coordinate, [N] each."""
    matrix = _identity(x, 3)
    matrix[:, 0, 2], matrix[:, 1, 2] = x, y
    return matrix


def rotation(angle: Tensor) -> Tensor:
    """Turn (x, y) by an angle [N] in radians, the first axis towards the second."""
    return _turned(angle.cos(), angle.sin())


def quarter_turn(turns: Tensor) -> Tensor:
    """Turn by 0 to 3 right angles [N], to the bit; in a picture, whose y goes down, as ``torch.rot90`` does."""
    return _turned((1 - turns) * (turns != 3), (2 - turns) * (turns % 2))


def _turned(cosine: Tensor, sine: Tensor) -> Tensor:
    matrix = _identity(cosine, 3)
    matrix[:, 0, 0], matrix[:, 0, 1], matrix[:, 1, 0], matrix[:, 1, 1] = cosine, -sine, sine, cosine
    return matrix


def brightness(amount: Tensor) -> Tensor:
    """Add an amount [N] to red, green and blue."""
    matrix = _identity(amount, 4)
    matrix[:, :3, 3] = amount.unsqueeze(1)
    return matrix


def luma_flip(on: Tensor) -> Tensor:
    """Mirror lightness about mid-grey and leave the colour, where on [N]: the Householder reflection I - 2 v v'."""
    return _identity(on.float(), 4) - 2 * on.float().view(-1, 1, 1) * _luma(on.device)


def hue_turn(angle: Tensor) -> Tensor:
    """Turn colours about the axis of greys by an angle [N] in radians, red towards green (Rodrigues' formula)."""
    axis = math.sqrt(1 / 3)
    cross = torch.tensor([[0.0, -axis, axis, 0], [axis, 0, -axis, 0], [-axis, axis, 0, 0], [0, 0, 0, 0]], device="cpu")
    angle = angle.view(-1, 1, 1)
    identity = _identity(angle, 4)
    return identity + (angle.cos() - 1) * _chroma(angle.device) + angle.sin() * cross.to(angle)


def saturate(factor: Tensor) -> Tensor:
    """Scale each colour's distance to its grey by a factor [N]."""
    return _identity(factor, 4) + (factor.view(-1, 1, 1) - 1) * _chroma(factor.device)


def _luma(device: torch.device) -> Tensor:
    """Projection onto the axis of greys, v v' with v = (1, 1, 1, 0) / sqrt(3)."""
    return F.pad(torch.full((3, 3), 1 / 3, device=device), (0, 1, 0, 1))


def _chroma(device: torch.device) -> Tensor:
    """Projection onto what is left of a colour without its grey."""
    return torch.diag(torch.tensor([1.0, 1, 1, 0], device=device)) - _luma(device)


def recolour(images: Tensor, matrices: Tensor) -> Tensor:
    """Apply matrices [N, 4, 4] of (red, green, blue, 1) to images [N, C, H, W].

    One channel is taken for a grey picture and stays one: the mean of the colours that it becomes. The last of four,
    alpha, stays as it is.
    """
    if images.shape[1] == 4:
        return torch.cat([recolour(images[:, :3], matrices), images[:, 3:]], dim=1)
    precise = torch.promote_types(images.dtype, torch.float32)
    turn, offset = matrices[:, :3, :3].to(precise), matrices[:, :3, 3:].to(precise)
    if images.shape[1] == 1:
        turn, offset = turn.sum(2, keepdim=True).mean(1, keepdim=True), offset.mean(1, keepdim=True)
    return torch.baddbmm(offset, turn, images.to(precise).flatten(2)).view(images.shape).to(images.dtype)


def warp(images: Tensor, matrices: Tensor) -> Tensor:
    """Look up each place of the result: bilinear, mirrored beyond the border.

    Args:
        images: [N, C, H, W].
        matrices: Where a place (x, y, 1) of the result comes from, in pixels from the centre, [N, 3, 3].

    Returns:
        Same shape and dtype. Differentiable any number of times in the images.
    """
    height, width = images.shape[2:]
    precise = torch.promote_types(images.dtype, torch.float32)
    half = torch.tensor([width / 2, height / 2, 1.0], dtype=precise, device=images.device)
    # affine_grid counts from -1 to 1 between the outer edges of the picture.
    theta = (matrices.to(precise) * half / half.unsqueeze(1))[:, :2]
    grid = F.affine_grid(theta, list(images.shape), align_corners=False)
    return _Lookup.apply(images.to(precise), grid).to(images.dtype)


class _Lookup(torch.autograd.Function):
    """``grid_sample`` is linear in the images: the adjoint of its adjoint, of which torch has no derivative."""

    @staticmethod
    def forward(ctx, images: Tensor, grid: Tensor) -> Tensor:
        ctx.save_for_backward(grid)
        return F.grid_sample(images, grid, mode="bilinear", padding_mode="reflection", align_corners=False)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None]:
        return _Spread.apply(gradient, *ctx.saved_tensors), None


class _Spread(torch.autograd.Function):
    """The adjoint of :class:`_Lookup`: each place's gradient goes to the pixels that it was mixed of."""

    @staticmethod
    def forward(ctx, gradient: Tensor, grid: Tensor) -> Tensor:
        ctx.save_for_backward(grid)
        # Modes 0 and 2 are bilinear and reflection; the pixels' values would matter for the grid's gradient alone.
        return torch.ops.aten.grid_sampler_2d_backward(
            gradient.contiguous(), torch.empty_like(gradient), grid, 0, 2, False, [True, False]
        )[0]

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None]:
        return _Lookup.apply(gradient, *ctx.saved_tensors), None
