"""Train a recipe: python training/train.py RECIPE.toml --out runs/a [table.key=value ...]

The same line again resumes. Many GPUs: torchrun --nproc_per_node 2 training/train.py ...
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # works in a clone without installing


def main() -> None:
    from ganhub.console import in_sentences
    from ganhub.nn.processes import part, speaks_first

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", help="a .toml file, for example training/recipes/dcgan_landscapes.toml")
    parser.add_argument("--out", required=True, help="folder of the run; ends as a Hub folder")
    parser.add_argument("overrides", nargs="*", help="table.key=value, for example data.path=my_pictures")
    arguments = parser.parse_intermixed_args()
    with in_sentences("error", aloud=speaks_first):
        from ganhub.trainer import Trainer, read_recipe

        Trainer(read_recipe(arguments.recipe, arguments.overrides), arguments.out).run()
        part()


if __name__ == "__main__":
    main()
