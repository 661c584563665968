"""Train a recipe: python training/train.py RECIPE [DATA] --out runs/a [table.key=value ...]

The same as ``ganhub train``, for a clone that is not installed. The same line again resumes. Many GPUs:
torchrun --nproc_per_node 2 training/train.py ...
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # works in a clone without installing


def main() -> None:
    from ganhub.pages import ask_for_large_pages

    ask_for_large_pages()
    from ganhub.console import in_sentences
    from ganhub.nn.processes import speaks_first

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", help="a .toml file, the name of a recipe, or auto")
    parser.add_argument("--out", required=True, type=Path, help="folder of the run; ends as a Hub folder")
    parser.add_argument("arguments", nargs="*", help="your pictures, and table.key=value, for example train.seed=1")
    given = parser.parse_intermixed_args()
    with in_sentences("error", aloud=speaks_first):
        from ganhub.cli import train

        train.train(given.recipe, given.out, given.arguments)


if __name__ == "__main__":
    main()
