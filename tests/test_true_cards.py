"""Cards of runs: each sentence is of what the run read, started from and did, not of what a recipe's author read."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from benchmarks.shells import draw_shells
from ganhub import AutoModel
from ganhub.hub import cards
from ganhub.models import get_architecture
from ganhub.trainer import Trainer, make_recipe, read_recipe
from ganhub.trainer.statement import NO_MATTER, started_from

pytest_plugins = ["tests.hub_server"]
# The Hub client uploads LFS files in a way that its own HTTP library has deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")

ROOT = Path(__file__).resolve().parent.parent
FEW = ["train.images=8", "train.batch_size=4", "train.log_every=4", "train.grid_every=8", "train.watch=false"]
# Words of the recipes' authors about their pictures; none of them may stand in a card of other pictures.
THEIRS = re.compile(
    r"landscapes|paintings|Monet|MNIST|digits|emoji|Noto|Twemoji|wallpapers|Debian|glyphs|hour|CC BY|public domain"
)


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """Three classes of three pictures each, and drawings in pairs."""
    draw_shells(tmp_path)
    return tmp_path


def small(name: str, *overrides: str) -> list[str]:
    """What makes a recipe of the house small enough for a test: the architecture's tiny model, two steps."""
    recipe = read_recipe(ROOT / "training" / "recipes" / f"{name}.toml", ["data.path=-"])
    tiny = get_architecture(recipe.model["architecture"]).tiny().config.to_dict()
    sizes = [f"model.{key}={json.dumps(tiny[key])}" for key in recipe.model if key in tiny]
    return [*sizes, *FEW, *overrides]


def run(name: str, out: Path, *overrides: str) -> tuple[dict, str, str]:
    """Train a recipe of the house for two steps: front matter, generated block and prose of its card."""
    recipe = read_recipe(ROOT / "training" / "recipes" / f"{name}.toml", small(name, *overrides))
    front, body = cards.split_front_matter((Trainer(recipe, out, quiet=True).run() / "README.md").read_text("utf-8"))
    block, prose = body[: body.index(cards.END)], body[body.index(cards.END) :]
    return front, block, prose


def paragraphs(block: str) -> list[str]:
    section = block[block.index("## Training data") : block.index("## Training\n")]
    return [text.strip() for text in section.split("\n\n")[1:] if text.strip()]


OWN = {
    "dcgan_landscapes": ["data.path={mine}/shells", "data.holdout=0.34"],
    "conditional_gan_mnist": ["data.path={mine}/shells", "model.num_classes=3"],
    "wgan_gp_heroes": ["data.path={mine}/shells", "data.only=kind-1/*"],
    "srgan_clean": ["data.path={mine}/shells", "data.size=16", "data.zoom=1"],
    "pix2pix_sketch2emoji": [
        "data.path={mine}/pairs", "data.other.path={mine}/pairs", "data.only=before/*", "data.other.only=after/*",
        "data.holdout=0",
    ],
    "cyclegan_monet": [
        "data.path={mine}/shells", "data.size=32", "data.other.path={mine}/pairs", "data.other.size=32",
        "data.other.holdout=0", "data.limit=5",
    ],
}  # fmt: skip
READ = {
    "dcgan_landscapes": "6 pictures from the folder shells; a share of 0.34 was held out, not among them.",
    "conditional_gan_mnist": "9 pictures from the folder shells; 3 classes (kind-0, kind-1, kind-2).",
    "wgan_gp_heroes": "3 pictures from the folder shells; of them those whose names match kind-1/*; a share of 0.1 was "
    "held out, not among them.",
    "srgan_clean": "9 pictures from the folder shells.",
    "pix2pix_sketch2emoji": "9 pictures from the folder pairs; of them those whose names match before/*. Each with "
    "the one of the same name of 9 pictures from the folder pairs; of them those whose names match after/*.",
    "cyclegan_monet": "5 pictures from the folder shells; chosen evenly from 9. With them, unpaired: 18 pictures from "
    "the folder pairs.",
}


@pytest.mark.parametrize("name", OWN)
def test_a_recipe_with_ones_own_pictures_tells_of_them_alone(name: str, mine: Path) -> None:
    front, block, prose = run(name, mine / "run", *(text.format(mine=mine) for text in OWN[name]))
    read, licence, why = paragraphs(block)
    assert read == READ[name]
    assert licence == "Licence of the weights: other." and why.startswith("Nobody has stated yet")
    assert front["license"] == "other" and "datasets" not in front and "base_model" not in front
    plain = block.replace(name, "").replace(get_architecture(front["tags"][1]).paper, "")
    assert not THEIRS.findall(plain) and not THEIRS.findall(prose), THEIRS.findall(plain + prose)
    assert "**Limits.**" not in prose and "**Intended use.**" not in prose
    row = next(line for line in block.splitlines() if line.startswith("| Other than in the recipe"))
    assert "train.images = 8" in row and "data.path = " in row and str(mine) not in block


def test_what_the_command_line_states_is_told_and_can_be_told_later(mine: Path, capsys) -> None:
    out, own = mine / "run", [f"data.path={mine / 'shells'}"]
    said = ["train.licence=cc0-1.0", "train.dataset=Shells of one beach, CC0"]
    front, block, _ = run("dcgan_landscapes", out, *own)
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    front, block, _ = run("dcgan_landscapes", out, *own, *said)
    assert front["license"] == "cc0-1.0" and front["datasets"] == ["shells-of-one-beach"]
    assert paragraphs(block) == [
        "Shells of one beach, CC0", "Read for training: 9 pictures from the folder shells.",
        "Licence of the weights: cc0-1.0.",
    ]  # fmt: skip
    assert "The card now has the new dataset, licence; nothing else was changed." in capsys.readouterr().out
    changed = {path.name for path, content in before.items() if path.read_bytes() != content}
    assert changed == {"README.md", "metrics.json"}
    front, block, _ = run("dcgan_landscapes", mine / "at-once", *own, *said)
    assert front["license"] == "cc0-1.0" and paragraphs(block)[0] == "Shells of one beach, CC0"


def test_a_recipe_s_own_pictures_keep_its_words(mine: Path, monkeypatch) -> None:
    """With nothing changed but what it does not speak of; with fewer pictures its licence stays, its count does not."""
    monkeypatch.chdir(mine)
    text = """
        [model]
        architecture = "mlp-gan"
        image_size = 8
        latent_dim = 4
        hidden_dim = 8
        maxout_dim = 8
        [train]
        images = 8
        batch_size = 4
        watch = false
        licence = "mit"
        dataset = "9 shells of mine, MIT"
        limits = "It knows nine shells."
        [data]
        path = "shells"
    """
    Path("mine.toml").write_text("\n".join(line.strip() for line in text.splitlines()))

    def card(*overrides: str) -> tuple[dict, str]:
        folder = Trainer(read_recipe("mine.toml", overrides), "run", quiet=True).run()
        text = (folder / "README.md").read_text("utf-8")
        shutil.rmtree(folder)
        return cards.split_front_matter(text)

    assert "train.seed" in NO_MATTER
    for overrides in ([], ["train.seed=3", "train.keep_checkpoints=1", "data.limit=0", "data.path=shells"]):
        front, body = card(*overrides)
        assert front["license"] == "mit" and "It knows nine shells." in body
        assert paragraphs(body)[:2] == [
            "9 shells of mine, MIT", "Read for training: 9 pictures from the folder shells."
        ]  # fmt: skip
    front, body = card("data.limit=4")
    assert front["license"] == "mit" and "nine" not in body
    assert paragraphs(body)[0] == "4 pictures from the folder shells; chosen evenly from 9."
    front, body = card("train.images=12")
    assert front["license"] == "mit" and "9 shells of mine" in body and "nine" not in body, "limits of a shorter run"
    front, body = card("data.split=kind-1")
    assert front["license"] == "other" and paragraphs(body)[0] == "3 pictures from the folder shells; split kind-1."


def recipe_of(architecture: str, data: Path, **train: object):
    config = get_architecture(architecture).tiny().config.to_dict()
    settings = {"images": 8, "batch_size": 4, "watch": False, **train}
    return make_recipe({
        "model": {"architecture": architecture, **config}, "train": settings, "data": {"path": str(data)}
    })  # fmt: skip


def test_a_run_that_was_stopped_does_not_have_the_limits_of_a_whole_one(mine: Path) -> None:
    texts = {"intended_use": "For shells.", "limits": "After eight pictures it knows them all."}
    run = Trainer(recipe_of("dcgan", mine / "shells", **texts), mine / "run", quiet=True)
    run.stop.asked = True
    card = (run.run() / "README.md").read_text("utf-8")
    assert run.images_seen == 4 and "(these weights are from before the end) | 8 |" in card
    assert "For shells." in card and "knows them all" not in card
    card = (Trainer(run.recipe, run.out, quiet=True).run() / "README.md").read_text("utf-8")
    assert "before the end" not in card and "**Limits.** After eight pictures it knows them all." in card


def test_the_start_is_told_with_its_licence_and_data_through_several_runs(mine: Path) -> None:
    texts = {"licence": "cc-by-4.0", "dataset": "Nine shells (Ada), CC BY 4.0."}
    first = Trainer(recipe_of("dcgan", mine / "shells", **texts), mine / "first", quiet=True).run()
    second = Trainer(recipe_of("dcgan", mine / "pairs", init=str(first)), mine / "second", quiet=True).run()
    third = Trainer(recipe_of("dcgan", mine / "pairs", init=str(second)), mine / "third", quiet=True).run()
    front, body = cards.split_front_matter((third / "README.md").read_text("utf-8"))
    shown = "\n".join(paragraphs(body))
    assert "started from the weights of second (licence of its weights: not stated; trained on: 18 pictures" in shown
    before = "licence of its weights: cc-by-4.0; trained on: Nine shells (Ada), CC BY 4.0"
    assert f"Those had started from the weights of first ({before})." in shown
    assert "base_model" not in front, "a folder of this machine is no model of the Hub"
    cards.record(third, "speed", {"value": 7}, AutoModel.from_pretrained(third).card_facts())
    again = cards.split_front_matter((third / "README.md").read_text("utf-8"))[1]
    assert paragraphs(again) == paragraphs(body), "a card that is written anew tells the same"


def test_a_start_from_the_hub_is_the_base_model(mine: Path, hub_server, someone: str, capsys) -> None:
    tiny = get_architecture("dcgan").tiny()
    tiny.push_to_hub("someone/shells", card={"licence": "mit", "dataset": "Shells"})
    assert "states no licence" not in capsys.readouterr().err
    out = Trainer(recipe_of("dcgan", mine / "pairs", init="someone/shells"), mine / "run", quiet=True).run()
    front, body = cards.split_front_matter((out / "README.md").read_text("utf-8"))
    assert front["base_model"] == ["someone/shells"]
    assert "from the weights of someone/shells (licence of its weights: mit; trained on: Shells)." in body
    AutoModel.from_pretrained(out).push_to_hub("someone/more")
    assert "The card of someone/more states no licence of its weights" in capsys.readouterr().err
    assert started_from("") == []


def test_captions_are_named_without_their_place(mine, tmp_path):
    """They are a file of this machine: its last name alone is for everybody."""
    words = tmp_path / "words.json"
    words.write_text(json.dumps({"caption_en": ["a shell"] * 9, "attributes": [{}] * 9}))
    settings = [f"data.path={mine / 'shells'}", f"data.captions={words}"]
    _, block, _ = run("dcgan_landscapes", tmp_path / "run", *settings)
    assert "data.captions = words.json" in block and str(tmp_path) not in block
