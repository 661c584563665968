"""``ganhub card``: a card rebuilt from the files beside it, as a user types it."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ganhub.cli import cli, main
from ganhub.hub import cards
from ganhub.images import load_image
from ganhub.models import get_architecture

LOG = "".join(json.dumps({"images": i * 100, "generator/loss": 1 / i, "critic/loss": i}) + "\n" for i in range(1, 30))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model as a run leaves it, its card still as it was before the numbers and the log came."""
    folder = get_architecture("dcgan").tiny().save_pretrained(tmp_path / "tiny")
    run = {"recipe": "tiny", "licence": "cc0-1.0", "dataset": "Dots (us)", "intended_use": "Tests.", "limits": "All."}
    (folder / "metrics.json").write_text(json.dumps({"training": run, "speed": {"value": 3, "protocol": "a clock"}}))
    shutil.copy(Path(__file__).parent.parent / "model_cards" / "mlp-gan-mnist" / "samples.png", folder)
    return folder


def run(*arguments: str) -> str:
    result = CliRunner().invoke(cli, ["card", *arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def refused(
    *arguments: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, command: str = "card"
) -> str:
    monkeypatch.setattr(sys, "argv", ["ganhub", command, *arguments])
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 1
    error = capsys.readouterr().err
    assert error.startswith("ganhub: ") and "Traceback" not in error
    return error


@pytest.mark.parametrize("place", ["", "training"])
def test_a_card_is_rebuilt(folder: Path, place: str) -> None:
    card = folder / "README.md"
    card.write_text(card.read_text("utf-8").replace("# tiny\n", "# Tiny\n\nBy hand.\n"), "utf-8")
    (folder / place).mkdir(exist_ok=True)
    (folder / place / "log.jsonl").write_text(LOG)
    assert f"Wrote {card}, with its plot curves.png." in run(str(folder)).replace("\n", " ").replace("  ", " ")
    front, body = cards.split_front_matter(card.read_text("utf-8"))
    assert front["license"] == "cc0-1.0" and front["datasets"] == ["dots"] and "model-index" in front
    for text in ("# Tiny\n\nBy hand.\n", "](samples.png)", "](curves.png)", "| Speed | 3 | 1 |", "1. A clock.",
                 "Dots (us)\n\nLicence of the weights: cc0-1.0.", "**Limits.** All.", "arXiv:1511.06434"):  # fmt: skip
        assert text in body, text
    assert load_image(folder / "curves.png").shape == (1, 3, 700, 1400)
    before = card.read_bytes(), (folder / "curves.png").read_bytes()
    run(str(folder))
    assert (card.read_bytes(), (folder / "curves.png").read_bytes()) == before, "twice is once"


def test_by_its_local_name_and_without_a_log(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GANHUB_MODELS", str(folder.parent))
    assert run("tiny").replace("\n", "").endswith("README.md.")
    assert "](curves.png)" not in (folder / "README.md").read_text("utf-8") and not (folder / "curves.png").exists()


@pytest.mark.parametrize("name", ["vgg-lite", "gatys"])
def test_a_model_whose_facts_only_its_card_knows(root: Path, tmp_path: Path, name: str) -> None:
    copy = shutil.copytree(root / "model_cards" / name, tmp_path / name)
    before = (copy / "README.md").read_bytes()
    run(str(copy))
    assert (copy / "README.md").read_bytes() == before, "the published card is what the command writes"


def test_the_published_cards_are_up_to_date(root: Path, tmp_path: Path) -> None:
    """Of every model that was trained here: whoever changes metrics.json or the layout runs ``ganhub card`` as well."""
    for source in sorted((root / "model_cards").iterdir()):
        if not source.is_dir() or source.name in ("vgg-lite", "gatys"):
            continue
        copy = shutil.copytree(source, tmp_path / source.name)
        fields = json.loads((copy / "config.json").read_text())
        family = get_architecture(fields.pop("architecture"))
        fields.pop("ganhub_version")
        cards.write_card(copy, family.facts(family.Config.from_dict(fields)))
        assert (copy / "README.md").read_bytes() == (source / "README.md").read_bytes(), source.name
        training = cards.read_metrics(copy)["training"]
        assert all(training[key] for key in ("licence", "dataset", "intended_use", "limits")), source.name
        assert (copy / "curves.png").is_file() and (copy / "training" / "log.jsonl").is_file(), source.name


def test_a_card_without_markers_is_left_alone(folder: Path) -> None:
    (folder / "README.md").write_text("All mine.")
    assert "it was left as it is" in run(str(folder)).replace("\n", " ")
    assert (folder / "README.md").read_text() == "All mine."


@pytest.mark.parametrize(
    ("break_it", "says"),
    [
        (lambda folder: (folder / "config.json").unlink(), "has no config.json"),
        (lambda folder: (folder / "config.json").write_text('{"architecture": "dcgn"}'), "Did you mean 'dcgan'"),
        (lambda folder: (folder / "config.json").write_text("{}"), "There is no architecture None"),
        (lambda folder: (folder / "metrics.json").write_text("{"), "metrics.json is not valid JSON"),
        (lambda folder: (folder / "metrics.json").write_text("[]"), "metrics.json holds a list"),
        (lambda folder: (folder / "README.md").write_bytes(b"\xff\xfe"), "README.md is not UTF-8"),
        (lambda folder: (folder / "model.safetensors").unlink(), "model.safetensors"),
    ],
)
def test_broken_folders(folder: Path, break_it, says: str, capsys, monkeypatch) -> None:
    break_it(folder)
    before = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    assert says in refused(str(folder), capsys=capsys, monkeypatch=monkeypatch)
    assert {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()} == before


@pytest.mark.parametrize(
    ("model", "says"),
    [
        ("someone/digits", "save it to one with save_pretrained"),
        ("stylegan2-landscape", "Did you mean 'stylegan2-landscapes'"),
        ("no such/place/at all", "There is no folder or model"),
    ],
)
def test_no_folder(model: str, says: str, capsys, monkeypatch) -> None:
    assert says in refused(model, capsys=capsys, monkeypatch=monkeypatch)
