"""The mapping network of a generator that draws from codes learns to give such codes from noise.

    python training/train.py training/recipes/stylegan2_avatars_codes.toml --out runs/codes
    python training/train.py training/recipes/stylegan2_avatars_codes.toml --out runs/own train.init=runs/codes \\
        objective.own_codes=36000 objective.code_noise=0.35 objective.code_weight=0
    python training/learn_mapping.py runs/own training/recipes/stylegan2_avatars_codes.toml avatars-64.npz \\
        --out runs/mapped

After a run with the objective "autoencoding" the generator draws whatever the encoder saw in a picture. What is
missing are new codes, for which "Diagnosing and Enhancing VAE Models" (Dai and Wipf 2019, arXiv:1903.05789) has a
second stage, too. Here a flow (ganhub/nn/flow.py) that takes the place of the mapping network learns to give codes such
as the training pictures have: what the encoder says of them, and where the run had ``own_codes`` their corrections and
the codes of the classes.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

sys.path[:0] = [str(Path(__file__).resolve().parent.parent)]

from ganhub import AutoModel  # noqa: E402
from ganhub.console import in_sentences  # noqa: E402
from ganhub.data import Pictures, open_data  # noqa: E402
from ganhub.hub.folder import read_config, read_shapes  # noqa: E402
from ganhub.images.small import save_sheet  # noqa: E402
from ganhub.models._style import MappedGenerator  # noqa: E402
from ganhub.nn.flow import FlowMapping, Velocity  # noqa: E402
from ganhub.nn.precision import has_bf16  # noqa: E402
from ganhub.objectives import AutoencodingConfig, AutoencodingObjective  # noqa: E402
from ganhub.trainer import read_recipe  # noqa: E402
from ganhub.trainer.report import load_adversary, write_grid  # noqa: E402
from training.mean_weights import begin_folder, require_new  # noqa: E402

BATCH = 200  # pictures that are read at a time
POINTS = 2000  # of a mean of w
RATE = 3e-3
HALF_LIFE = 140  # steps, of the averaged weights


@dataclass(frozen=True, kw_only=True)
class Codes:
    """What an encoder says of pictures, and the directions that matter.

    Attributes:
        means, deviations: [N, dim] in W.
        classes: [N].
        centre, noise: Mean of the means, and root mean square of the deviations [dim].
        directions: Orthonormal [dim, K], of codes over ``noise``, those in which pictures differ most first.
        spread: Deviations of the codes there [K], in units of ``noise``.
    """

    means: Tensor
    deviations: Tensor
    classes: Tensor
    centre: Tensor
    noise: Tensor
    directions: Tensor
    spread: Tensor

    @classmethod
    def of(cls, means: Tensor, deviations: Tensor, classes: Tensor, most: int) -> Codes:
        """With so many directions."""
        centre, noise = means.mean(0), deviations.square().mean(0).sqrt()
        scaled = (means - centre) / noise
        variances, directions = torch.linalg.eigh(scaled.T @ scaled / len(scaled))
        variances, directions = variances.flip(0)[:most], directions.flip(1)[:, :most]
        spread = (variances + 1).sqrt()  # means, and a noise of 1 around each
        return cls(
            means=means, deviations=deviations, classes=classes, centre=centre, noise=noise, directions=directions,
            spread=spread,
        )  # fmt: skip

    def draw(self, count: int) -> tuple[Tensor, Tensor]:
        """Codes [N, K] of random pictures in the kept directions, each of variance 1, and their classes."""
        chosen = torch.randint(len(self.means), (count,))
        w = self.means[chosen] + self.deviations[chosen] * torch.randn(count, self.means.shape[1])
        return (w - self.centre) / self.noise @ self.directions / self.spread, self.classes[chosen]


@torch.no_grad()
def read_codes(objective: AutoencodingObjective, data: Pictures, most: int, noise: float, passes: int = 1) -> Codes:
    """Of all pictures, with so many directions and deviations that are ``noise`` of the encoder's."""
    means, logs, classes = [], [], []
    count = passes * len(data)
    for start in range(0, count, BATCH):
        batch = data.batch(start, min(BATCH, count - start))
        mean, log_deviation = objective.encode(batch)
        means.append(mean)
        logs.append(log_deviation)
        classes.append(torch.zeros(len(mean), dtype=torch.int64) if batch.labels is None else batch.labels)
    if not torch.cat(means + logs).isfinite().all():
        sys.exit("The encoder gives numbers that are not finite: its weights are damaged. Copy the folder again.")
    return Codes.of(torch.cat(means), noise * torch.cat(logs).exp(), torch.cat(classes), most)


def learn_flow(velocity: Velocity, codes: Codes, steps: int, *, batch_size: int = 1024, bf16: bool = False) -> None:
    """Equation 23 of Lipman et al. 2023: on straight ways from noise to codes, at times mostly in the middle.

    Directions in which pictures differ much count more than those in which they hardly do.

    Args:
        velocity: Learns, and ends as its average over the last steps.
        steps: How many steps of Adam. The learning rate falls to 0 in the second half.
    """
    optimiser = torch.optim.AdamW(velocity.parameters(), lr=RATE, betas=(0.9, 0.99), weight_decay=0.01, fused=True)
    average, losses = AveragedModel(velocity, multi_avg_fn=get_ema_multi_avg_fn(0.5 ** (1 / HALF_LIFE))), []
    weights = codes.spread.sqrt() / codes.spread.sqrt().mean()
    for step in range(steps):
        for group in optimiser.param_groups:
            group["lr"] = RATE * min(1, (step + 1) / 200, 2 * (1 - step / steps))
        ends, classes = codes.draw(batch_size)
        noise, time = torch.randn_like(ends), torch.sigmoid(torch.randn(len(ends)))
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            made = velocity(torch.lerp(noise, ends, time[:, None]), time, classes)
        loss = ((made.float() - (ends - noise)).square() * weights).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
        average.update_parameters(velocity)
        if (step + 1) % max(steps // 10, 1) == 0:
            print(f"{step + 1:,} of {steps:,} steps, loss {sum(losses) / len(losses):.3f}", flush=True)
            losses.clear()
    velocity.load_state_dict(average.module.state_dict())


def with_flow(model: MappedGenerator, codes: Codes, steps: int, blocks: int) -> MappedGenerator:
    """The same generator with a flow, which has yet to learn, in place of its mapping network."""
    new = type(model).build(replace(model.config, flow_steps=steps, mapping_layers=blocks))
    kept = {name: x for name, x in model.state_dict().items() if not name.startswith("mapping.")}
    new.load_state_dict(new.state_dict() | kept)
    assert isinstance(new.mapping, FlowMapping)
    with torch.no_grad():
        new.mapping.arrive.weight.copy_(codes.noise[:, None] * codes.directions * codes.spread)
        new.mapping.arrive.bias.copy_(codes.centre)
    return new.eval()


@torch.no_grad()
def set_means(model: MappedGenerator) -> None:
    """The means of w that truncation needs, of so many points of each class."""
    z = torch.randn(POINTS, model.config.latent_dim)
    for label in range(len(model.style_mean)):
        classes = torch.full((len(z),), label) if model.config.num_classes else None
        model.style_mean[label] = model.map(z, classes).mean(0)


def opened(folder: Path) -> tuple[MappedGenerator, AutoencodingObjective]:
    """Generator and encoder of a run."""
    if not folder.is_dir():
        sys.exit(f"There is no folder {folder}.")
    model = AutoModel.from_pretrained(folder)
    if not isinstance(model, MappedGenerator):
        sys.exit(f"{folder} is a {model.architecture}: take a model with a mapping network, such as stylegan2.")
    settings = read_config(folder / "training") if (folder / "training").is_dir() else {}
    if settings.pop("objective", None) != AutoencodingObjective.name:
        sys.exit(f'{folder}/training holds no encoder: take a run with the objective "autoencoding".')
    objective = AutoencodingObjective(model, AutoencodingConfig.from_dict(settings))
    other = read_shapes(folder / "training").keys() ^ objective.state_dict().keys()
    whole = all(name.startswith("class_codes.") for name in other)  # runs from before had none: they are 0
    if not whole or not load_adversary(str(folder), objective):
        sys.exit(f"The encoder in {folder}/training does not fit its config.json: copy the folder again.")
    return model, objective.eval()


@torch.no_grad()
def spread_classes(objective: AutoencodingObjective, factor: float) -> None:
    """Codes of classes so many times as far from their mean as they are."""
    if factor == 1:
        return
    if objective.class_codes is None:
        sys.exit("--class-spread is for runs with codes of classes (objective.own_codes, a model with classes).")
    codes = objective.class_codes.weight
    if codes.amax(0).equal(codes.amin(0)):  # also where there is one class
        sys.exit("--class-spread is of no use here: the codes of all classes are the same. Leave it out.")
    codes.copy_(codes.mean(0).lerp(codes, factor))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help='the folder of a run with the objective "autoencoding"')
    parser.add_argument("recipe", help="of that run, for its [data]")
    parser.add_argument("data", help="overrides data.path of the recipe")
    parser.add_argument("--steps", type=int, default=8000, help="of learning, from 1,024 codes each")
    parser.add_argument("--flow-steps", type=int, default=8, help="model.flow_steps of what is written")
    parser.add_argument("--blocks", type=int, default=4, help="model.mapping_layers of what is written")
    parser.add_argument(
        "--code-noise", type=float, default=0.1, help="deviations of codes, in units of what the encoder says"
    )
    parser.add_argument(
        "--passes", type=int, default=1, help="how often the data are read: more where they are altered at random"
    )
    parser.add_argument(
        "--class-spread",
        type=float,
        default=1.0,
        help="how many times as far from their mean codes of classes are put: they learn slowly",
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True, help="a new folder")
    arguments = parser.parse_args()
    require_new(arguments.run, arguments.out)
    if min(arguments.steps, arguments.flow_steps, arguments.blocks, arguments.passes) < 1:
        sys.exit("--steps, --flow-steps, --blocks and --passes have to be 1 or more.")
    if not 0.01 <= arguments.code_noise <= 1:
        sys.exit("--code-noise has to be from 0.01 to 1.")
    if not 0 < arguments.class_spread <= 10:
        sys.exit("--class-spread has to be above 0 and at most 10.")
    recipe = read_recipe(arguments.recipe, [f"data.path={arguments.data}", "data.captions="])
    model, objective = opened(arguments.run)
    c = model.config
    data = open_data(recipe.data, height=c.size[0], width=c.size[1], channels=c.channels, labelled=bool(c.num_classes))
    if data.streamed:
        sys.exit("A stream has no end to read: load the data set as a whole, with data.streaming=false.")
    model.accept(data)  # says where its classes are others
    if objective.config.own_codes not in (0, len(data) if data.unaltered else -1):
        sys.exit(f"{arguments.run} has codes for other pictures: take the data and the recipe of that run.")
    spread_classes(objective, arguments.class_spread)
    torch.manual_seed(arguments.seed % 2**64)
    bf16 = has_bf16(torch.device("cpu"))
    codes = read_codes(objective, data, min(c.latent_dim, c.style_dim), arguments.code_noise, arguments.passes)
    model = with_flow(model, codes, arguments.flow_steps, arguments.blocks)
    learn_flow(model.mapping.velocity, codes, arguments.steps, bf16=bf16)
    set_means(model)
    begin_folder(arguments.run, arguments.out)
    model.save_pretrained(arguments.out, dtype=torch.float16)
    write_grid(model.preview(), arguments.out / "samples.png", save=save_sheet)
    print(
        f"Wrote {arguments.out}, samples.png too. Card and figures are still those of {arguments.run}: make them anew."
    )


if __name__ == "__main__":
    with in_sentences():
        main()
