"""Are pictures and films rebuilt to the byte from what their files say?

    OMP_NUM_THREADS=1 python benchmarks/reproduce.py
    OMP_NUM_THREADS=1 python benchmarks/reproduce.py --alone 5 --given 5 --seed 7

Random Creations of every verb over the published models are made on the ways by which pictures leave: by the commands,
by the app's drawings and tabs, and by what its API returns. Each is rebuilt by another library from its file alone, or
from its file and the photo where one was given. The table goes into RESULTS.md.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import torch
from typer.testing import CliRunner

from ganhub import images, zoo
from ganhub.app.answer import answer_of
from ganhub.app.declared import Bench
from ganhub.app.drawings import Drawings
from ganhub.app.jobs import Jobs
from ganhub.app.library import Library
from ganhub.app.shield import own_folder
from ganhub.app.tabs import interpolate
from ganhub.cli import cli
from ganhub.creation import (
    Creation,
    Edit,
    Evolve,
    Generate,
    Inputs,
    Interpolate,
    LocalLibrary,
    Point,
    Project,
    Restore,
    Style,
    Translate,
    render,
    reproduce,
)
from ganhub.images import video
from ganhub.models import LatentGenerator, StyleGenerator, Stylizer, Translator
from ganhub.nn.random import uniform

Output = tuple[str, Path, list[Path]]  # by what, the file, the input pictures
PHOTO = (72, 96)


class Maker:
    """Makes random files into a folder."""

    def __init__(self, folder: Path, seed: int) -> None:
        own_folder()
        self.folder, self.random, self.count = folder, random.Random(seed), 0
        self.bench = Bench(Library(device="cpu"), Jobs(), Drawings())

    def path(self, suffix: str) -> Path:
        self.count += 1
        return self.folder / f"{self.count:03}{suffix}"

    def model(self, verb: type, task: str = "") -> str:
        return self.random.choice([name for name in zoo.names(verb, task=task) if name != "gatys"])

    def seed(self) -> int:
        return self.random.randrange(2**32 - 64)

    def photo(self) -> Path:
        """Soft random colours, as a file of a random kind."""
        path, small = self.path(self.random.choice((".png", ".jpg"))), uniform([self.seed()], 3, 9, 12) * 2 - 1
        images.save_image(images.resize(small, PHOTO), path)
        return path

    def mask(self) -> Path:
        path, left = self.path(".png"), self.random.randrange(60)
        white = torch.full((1, 1, *PHOTO), -1.0)
        white[..., 20:40, left : left + 20] = 1
        images.save_image(white, path)
        return path

    def command(self, *words: str) -> None:
        result = CliRunner().invoke(cli, [*words, "--device", "cpu"])
        if result.exit_code:
            raise SystemExit(f"ganhub {' '.join(words)}: {result.exception}")

    def by_api(self, creation: Creation, *photos: Path) -> Output:
        """What the app's API gives for a Creation."""
        answer = answer_of(self.bench, creation, Inputs(*photos), lambda *at: None)
        return "API", Path(answer.files[0]["path"]), list(photos)

    # ---- without uploads

    def drawing(self) -> Output:
        count = self.random.randrange(1, 12)
        wall = Generate(model=self.model(LatentGenerator), seed=self.seed(), count=count, truncation=self.share(1.5))
        return "app", Path(self.random.choice(self.bench.drawings.of(wall, self.bench.library))), []

    def share(self, most: float = 1.0) -> float:
        return round(self.random.uniform(0.1, most), 3)

    def sample(self) -> Output:
        path, count = self.path(self.random.choice((".png", ".jpg", ".webp"))), str(self.random.randrange(1, 7))
        scale = self.random.choice(("1", "2", "4"))
        self.command(
            "sample", self.model(LatentGenerator), "--n", count, "--seed", str(self.seed()), "--scale", scale,
            "--out", str(path),
        )  # fmt: skip
        return "command", path, []

    def walk(self) -> Output:
        path = self.path(self.random.choice((".mp4", ".gif")))
        self.command("walk", self.model(LatentGenerator), "--frames", "8", "--seeds", f"{self.seed()},{self.seed()}",
                     "--fps", "12", "--out", str(path))  # fmt: skip
        return "command", path, []

    def film(self) -> Output:
        walk = Interpolate(
            model=self.model(LatentGenerator), seeds=(self.seed(), self.seed()), frames=8,
            easing=self.random.choice(("linear", "hold")), format=self.random.choice(video.FORMATS),
        )  # fmt: skip
        strip, film = interpolate.saved(self.bench, walk, render(walk, self.bench.library))
        return "app", Path(self.random.choice((strip, film))), []

    def edit(self) -> Output:
        ways = tuple((f"pca:{self.random.randrange(8)}", self.share(3)) for _ in range(2))
        creation = Edit(model=self.model(StyleGenerator), seed=self.seed(), directions=ways, truncation=self.share())
        return self.by_api(creation)

    def point(self) -> Output:
        weights = tuple(round(self.random.uniform(-1, 1), 3) for _ in range(4))
        return self.by_api(Point(model=self.model(LatentGenerator), weights=weights, seed=self.seed()))

    def evolve(self) -> Output:
        return self.by_api(Evolve(model=self.model(LatentGenerator), generations=2, population=6, seed=self.seed()))

    # ---- with uploads

    def style(self) -> Output:
        photo, model = self.photo(), self.model(Stylizer)
        stylizer, other = self.bench.library.open(model, Stylizer), self.photo()
        named = stylizer.style_names and not stylizer.reads_pictures
        inputs = Inputs(photo)
        style = self.random.choice(stylizer.style_names) if named else inputs.add(other)
        creation = Style(model=model, photo=inputs.add(photo), styles=((style, 1.0),), strength=self.share())
        return self.by_api(creation, photo, *([] if named else [other]))

    def style_by_command(self) -> Output:
        photo, path = self.photo(), self.path(".jpg")
        style = self.random.choice(self.bench.library.open("fast-style", Stylizer).style_names)
        self.command("style", str(photo), "--style", style, "--model", "fast-style", "--out", str(path))
        return "command", path, [photo]

    def painted_film(self) -> Output:
        source, path = self.path(".gif"), self.path(".mp4")
        video.save_video(uniform([self.seed(), self.seed()], 3, *PHOTO) * 2 - 1, source, fps=12)
        style = self.random.choice(self.bench.library.open("fast-style", Stylizer).style_names)
        self.command("style", str(source), "--style", style, "--model", "fast-style", "--out", str(path))
        return "command", path, [source]

    def translation(self) -> Output:
        photo = self.photo()
        creation = Translate(model=self.model(Translator), photo=Inputs().add(photo), size=64, opaque=True)
        return self.by_api(creation, photo)

    def upscale(self) -> Output:
        photo, path = self.photo(), self.path(self.random.choice((".png", ".webp")))
        self.command("upscale", str(photo), "--model", self.model(Translator, "enlarge"), "--out", str(path))
        return "command", path, [photo]

    def inpaint(self) -> Output:
        photo, mask, path = self.photo(), self.mask(), self.path(".png")
        self.command("inpaint", str(photo), "--mask", str(mask), "--out", str(path))
        return "command", path, [photo, mask]

    def restore(self) -> Output:
        """A mask that is painted on the page travels with the file: it is not given again."""
        photo, mask = self.photo(), self.mask()
        inputs = Inputs()
        creation = Restore(
            photo=inputs.add(photo), inpainter="inpainting", mask=inputs.add(mask), cleaner="srgan-clean"
        )
        way, path, _ = self.by_api(creation, photo, mask)
        return way, path, [photo]

    def project(self) -> Output:
        photo = self.photo()
        kind = self.random.choice((Project, Edit))
        return self.by_api(kind(model=self.model(StyleGenerator), photo=Inputs().add(photo), steps=2), photo)


ALONE: list[Callable[[Maker], Output]] = [
    Maker.drawing, Maker.drawing, Maker.sample, Maker.walk, Maker.film, Maker.edit, Maker.point, Maker.evolve,
]  # fmt: skip
GIVEN: list[Callable[[Maker], Output]] = [
    Maker.style, Maker.style_by_command, Maker.painted_film, Maker.translation, Maker.upscale, Maker.inpaint,
    Maker.restore, Maker.project,
]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--alone", type=int, default=50, help="outputs without input pictures")
    parser.add_argument("--given", type=int, default=20, help="outputs of photos")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(1)
    rows: dict[tuple[str, str, str], Counter] = {}
    began, total = time.monotonic(), Counter()
    with tempfile.TemporaryDirectory(prefix="ganhub-") as folder:
        maker, library = Maker(Path(folder), options.seed), LocalLibrary("cpu")
        plan = [ALONE[i % len(ALONE)] for i in range(options.alone)] + [
            GIVEN[i % len(GIVEN)] for i in range(options.given)
        ]
        for make in plan:
            way, path, photos = make(maker)
            again = reproduce(path, library, Inputs(*photos))
            creation = again.provenance.creation
            verb = f"{creation.verb} (film)" if again.provenance.shows == "film" else creation.verb
            counts = Counter(n=1, files=int(again.same_file), pixels=int(again.same_pixels))
            rows.setdefault((verb, way, path.suffix), Counter()).update(counts)
            total.update(counts)
            if not again.same_file:
                print(f"NOT EQUAL: {creation.to_json()} {path.suffix}: {again.text} {again.notes}", flush=True)
    print("| verb | way | file | outputs | pixels equal | files equal |\n|---|---|---|---|---|---|")
    for (verb, way, suffix), row in sorted(rows.items()):
        print(f"| {verb} | {way} | {suffix} | {row['n']} | {row['pixels']} | {row['files']} |")
    print(f"| all | | | {total['n']} | {total['pixels']} | {total['files']} |")
    print(f"{options.alone} outputs without and {options.given} with uploads, in {time.monotonic() - began:.0f} s.")


if __name__ == "__main__":
    main()
