"""What each search algorithm reaches after equally many pictures, beside random search.

    python benchmarks/search.py wgan-gp-heroes --seeds 10

For each score and algorithm: the best score among 500 pictures, as mean and standard error over seeds. Every seed mixes
other seeds of the model, and all algorithms begin with the same random pictures. "beats": its mean is higher than that
of random search by more than twice the standard error of the difference over the same seeds.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import replace

import torch

from ganhub.creation import Evolve, Generate, Inputs, LocalLibrary, render
from ganhub.creation.search import list_algorithms, progress_of
from ganhub.images import encode_png

SCORES = ("colourfulness", "symmetry", "similarity")
TARGET = 77_777  # seed of the picture that "similarity" looks for; no search mixes it
APART = 1000  # between two searches, so that they mix different seeds


def main() -> None:
    """Print the table, in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model", nargs="?", default="wgan-gp-heroes")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--generations", type=int, default=25)
    parser.add_argument("--population", type=int, default=20)
    parser.add_argument("--space", default="z")
    parser.add_argument("--scores", nargs="+", default=SCORES)
    parser.add_argument("--algorithms", nargs="+", default=list_algorithms())
    asked = parser.parse_args()
    library, began = LocalLibrary("cpu"), time.monotonic()
    inputs, usual = Inputs(), Evolve(
        model=asked.model, generations=asked.generations, population=asked.population, space=asked.space,
    )  # fmt: skip
    target = inputs.add(encode_png(render(Generate(model=asked.model, seed=TARGET), library).pictures[0]))
    names = ["random", *(name for name in asked.algorithms if name != "random")]
    print(
        f"| score | algorithm | after {asked.population} | best | beats random |\n|---|---|---:|---:|---|", flush=True
    )
    for score in asked.scores:
        reached: dict[str, torch.Tensor] = {}
        for name in names:
            evolve = replace(usual, scores=score, algorithm=name, target=target if score == "similarity" else "")
            runs = []
            for i in range(asked.seeds):
                runs.append(best_of(replace(evolve, seed=i * APART), library, inputs))
                print(score, name, i, *runs[-1], file=sys.stderr, flush=True)
            first, reached[name] = torch.tensor(runs, dtype=torch.float64).unbind(1)
            gain = reached[name] - reached["random"]
            verdict = "" if name == "random" else "yes" if gain.mean() > 2 * error_of(gain) else "no"
            best = f"{reached[name].mean():.4f} ± {error_of(reached[name]):.4f}"
            print(f"| {score} | {name} | {first.mean():.3f} | {best} | {verdict} |", flush=True)
    print(f"\n{asked.seeds} seeds, {usual.generations * usual.population} pictures each, "
          f"{time.monotonic() - began:.0f} s.")  # fmt: skip


def best_of(evolve: Evolve, library: LocalLibrary, inputs: Inputs) -> tuple[float, float]:
    """The best score of the first generation, and of all."""
    search = evolve.begin(library, inputs)
    search.run()
    progress = progress_of(search.tape, evolve.population)
    return progress[0][0], progress[-1][0]


def error_of(values: torch.Tensor) -> float:
    """The standard error of a mean."""
    return (values.std() / len(values) ** 0.5).item() if len(values) > 1 else float("nan")


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
