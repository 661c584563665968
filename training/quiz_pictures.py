"""Write real.png of a model: pictures that its training never saw, for the tab "Real or generated?" of the app.

    python training/quiz_pictures.py model_cards/stylegan2-heroes DATA/heroes-32.npz
    python training/quiz_pictures.py model_cards/stylegan2-avatars DATA/avatars-64.npz

The first of the part that the recipe holds out, in an order that a seed fixes, nothing chosen by hand. Source and
licence are taken from the model's metrics.json and stand as texts in the file. The file takes 150 KB at most, without
loss: a loss would tell real from generated.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT)]

from ganhub.console import in_sentences  # noqa: E402
from ganhub.data import DataConfig, open_data  # noqa: E402
from ganhub.errors import ConfigError  # noqa: E402
from ganhub.hub.cards import read_metrics  # noqa: E402
from ganhub.hub.real_pictures import write_real_pictures  # noqa: E402
from ganhub.zoo import read_entry  # noqa: E402

COUNT = 48


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("data", help="the collection that it was trained on")
    parser.add_argument("--count", type=int, default=COUNT, help=f"a multiple of 8; {COUNT} without")
    parser.add_argument("--holdout", type=float, default=0.1, help="the recipe's")
    arguments = parser.parse_args()
    run = read_metrics(arguments.model).get("training", {})
    if not (run.get("dataset") and run.get("licence")):
        raise ConfigError(f"metrics.json of {arguments.model} does not say whose pictures these are: train it first.")
    config = read_entry(arguments.model.name, arguments.model).config
    data = DataConfig(path=arguments.data, holdout=arguments.holdout, part="holdout", crop="centre", seed=0)
    height, width = config.size
    pictures = open_data(data, height=height, width=width, channels=config.channels, labelled=False)
    sheet = pictures.batch(0, arguments.count).images
    path = write_real_pictures(arguments.model, sheet, source=run["dataset"], licence=run["licence"])
    print(f"{path}: {arguments.count} pictures, {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    with in_sentences():
        main()
