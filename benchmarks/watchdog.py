"""Does the watchdog leave the shipped recipes alone, and what does it cost?

    python benchmarks/watchdog.py --data DATA

Runs the first part of each recipe as shipped (--share 1 for all of it), with the trainer's own watchdog, and prints its
alarms, the spread that it saw and its time over the time of the steps. DATA is the folder with the data sets that the
recipes name; a recipe whose data is not there is left out.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))


def watch(recipe: Path, data: Path, share: float, out: Path) -> str:
    """One row of the table."""
    from ganhub.trainer import Trainer, read_recipe
    from ganhub.trainer.log import read_log

    run = Trainer(read_recipe(recipe, [f"data.path={data}"]), out, quiet=True)
    at = run.objective.at

    def stop_in_time(images_seen: int) -> None:
        run.stop.asked |= images_seen >= share * run.train.images
        at(images_seen)

    run.objective.at = stop_in_time
    run.run()
    looks = [line for line in read_log(out) if "watch/spread" in line]
    alarms = {alarm.partition(":")[0] for look in looks for alarm in look.get("alarms", [])}
    late = [look["watch/spread"] for look in looks if look["images"] > 0.15 * run.train.images]
    cost = run.watchdog.seconds / run.state.seconds
    return (
        f"| {recipe.stem} | {run.images_seen:,} of {run.train.images:,} | {len(looks)} | "
        f"{', '.join(alarms) or 'none'} | {min(late, default=float('nan')):.2f} | {cost:.1%} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--share", type=float, default=0.25)
    parser.add_argument("--only", nargs="*", help="names of recipes")
    arguments = parser.parse_args()
    from ganhub.trainer import read_recipe

    rows = []
    for recipe in sorted((ROOT / "training/recipes").glob("*.toml")):
        data = arguments.data / read_recipe(recipe).data.path
        if arguments.only and recipe.stem not in arguments.only or not data.exists():
            continue
        out = Path(tempfile.mkdtemp())
        rows.append(watch(recipe, data, arguments.share, out))
        print(rows[-1], flush=True)
        shutil.rmtree(out)
    print("\n| recipe | pictures seen | looks | alarms | least spread after 15 % | cost |")
    print("|---|---|---:|---|---:|---:|\n" + "\n".join(rows))


if __name__ == "__main__":
    main()
