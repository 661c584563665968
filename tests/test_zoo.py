"""The zoo: which models are here, in which order, and which is meant where nobody names one."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from ganhub import hub, zoo
from ganhub.hub import cards
from ganhub.models import LatentGenerator, StyleGenerator, Stylizer, Translator, get_architecture


def test_featured_models_come_first_then_others_by_name_then_studies(models_folder: Path) -> None:
    for name in ("zebra", "aardvark"):
        get_architecture("dcgan").tiny().save_pretrained(models_folder / name)
    entries = zoo.entries()
    shown = [entry.name for entry in entries if entry.level != zoo.STUDY]
    assert [entry.name for entry in entries][: len(shown)] == shown, "studies stand last"
    featured = [name for name in zoo.FEATURED if name in shown]
    assert shown[: len(featured)] == featured and shown[len(featured) :] == sorted(shown[len(featured) :])
    assert {"zebra", "aardvark"} <= set(shown)


def test_the_show_pieces_are_the_first_of_every_menu() -> None:
    assert zoo.names(LatentGenerator)[:2] == ["stylegan2-avatars", "stylegan2-heroes"]
    assert zoo.names(StyleGenerator)[0] == zoo.names(LatentGenerator, conditional=True)[0] == "stylegan2-avatars"


def test_every_published_model_says_what_it_draws_and_its_level(root: Path) -> None:
    for folder in (path for path in (root / "model_cards").iterdir() if path.is_dir()):
        metrics = cards.read_metrics(folder)
        assert re.fullmatch(r"[A-Z].{10,100}\.", metrics["draws"]), folder.name
        assert metrics["level"] in ("show", "study") and metrics.get("takes", zoo.PHOTO) in zoo.TAKES
        title = re.search(r"^# (.+)$", (folder / "README.md").read_text("utf-8"), re.M)
        assert title.group(1) == folder.name
    entry = zoo.entry_of("stylegan2-heroes")
    assert entry.card == "https://huggingface.co/ganhub/stylegan2-heroes" and entry.in_menu == entry.name
    assert zoo.entry_of("mlp-gan-mnist").in_menu == "mlp-gan-mnist (study)"


def test_what_metrics_say_of_a_model_may_be_missing_or_wrong(models_folder: Path) -> None:
    """A person's own model has no card on the Hub and no level; what is no word, or no seed, is left out."""
    get_architecture("dcgan").tiny().save_pretrained(models_folder / "mine")
    wrong = {"draws": ["x"], "level": 3, "takes": "x" * 1000, "first_seed": -1}
    for text in (None, "{broken", json.dumps(wrong), json.dumps({"first_seed": "4"}), json.dumps({"first_seed": True})):
        if text is not None:
            (models_folder / "mine" / "metrics.json").write_text(text)
        entry = zoo.entry_of("mine")
        assert (entry.draws, entry.level, entry.takes, entry.card, entry.in_menu) == ("", "", "", "", "mine")
        assert entry.first_seed == zoo.first_seed("mine") == 0
    (models_folder / "mine" / "metrics.json").write_text('{"first_seed": 4}')
    assert zoo.first_seed("mine") == 4 and zoo.first_seed("nobody") == 0


def test_entries_by_verb_classes_and_task(models_folder: Path) -> None:
    for name in ("dcgan", "conditional-gan", "gatys", "srgan", "pix2pix"):
        get_architecture(name).tiny().save_pretrained(models_folder / f"tiny-{name}")
    tiny = lambda *verb, **more: {name for name in zoo.names(*verb, **more) if name.startswith("tiny-")}  # noqa: E731
    assert tiny(LatentGenerator) == {"tiny-dcgan", "tiny-conditional-gan"}
    assert tiny(LatentGenerator, conditional=True) == {"tiny-conditional-gan"}
    assert tiny(Stylizer) == {"tiny-gatys"}
    assert tiny(Translator, task="enlarge") == {"tiny-srgan"}
    assert tiny(Translator, task="translate") == {"tiny-pix2pix"}


def test_what_cannot_work_is_left_out(models_folder: Path) -> None:
    get_architecture("dcgan").tiny().save_pretrained(models_folder / "mine")
    assert "mine" in zoo.names()
    (models_folder / "mine" / "config.json").write_text("{broken")
    assert "mine" not in zoo.names() and "vgg-lite" in hub.list_local() and "vgg-lite" not in zoo.names()


def test_the_default_for_a_task(monkeypatch: pytest.MonkeyPatch) -> None:
    assert zoo.default("paint") == zoo.default("paint", here=True) == "fast-style"
    monkeypatch.setattr(hub, "list_local", lambda: {"gatys": Path()})
    assert zoo.default("paint", here=True) == "gatys" and zoo.default("paint") == "fast-style"
    monkeypatch.setattr(hub, "list_local", dict)
    assert zoo.default("paint", here=True) == "gatys", "the last of them where none is here"


EXEMPT = {("trainer", "auto.py"), ("creation", "permalink.py")}


def test_lists_name_published_models_and_no_other_list_does(root: Path) -> None:
    """A name of a published model, in quotes, stands in zoo.py alone (or is that of an architecture).

    Two files may hold some: ``auto.py`` chooses recipes, and ``permalink.py`` has a dictionary that makes links short,
    which stays as it is whatever models there are.
    """
    named = [*zoo.FEATURED, *zoo.SPACE, *zoo.BUNDLED, *(name for names in zoo.USUAL.values() for name in names)]
    own = [path.name for path in sorted((root / "model_cards").iterdir()) if path.is_dir()]
    assert set(named) <= set(own)
    own = [name for name in own if hub.read_config(root / "model_cards" / name)["architecture"] != name]
    quoted = re.compile("|".join(f"\"{name}\"|'{name}'" for name in own))
    wrong = [
        f"{path.relative_to(root)}: {match[0]}"
        for path in sorted((root / "ganhub").rglob("*.py"))
        if path.name != "zoo.py" and path.parts[-2:] not in EXEMPT
        for match in quoted.finditer(re.sub(r'""".*?"""', "", path.read_text("utf-8"), flags=re.DOTALL))
    ]
    assert wrong == []


def test_translators_get_examples_of_what_they_take() -> None:
    from ganhub.app.tabs import translate

    assert translate.shelves("pix2pix-brush") == translate.shelves("pix2pix-portraits") == (True, False)
    assert translate.shelves("cut-monet") == (False, True)
    assert translate.examples_for("pix2pix-brush") == translate.WRITINGS
    assert translate.examples_for("pix2pix-portraits") == translate.DRAWINGS
    assert translate.examples_for("cut-monet") == translate.VIEWS
    assert all(Path(path).is_file() for path in {*translate.WRITINGS, *translate.DRAWINGS, *translate.VIEWS})
    assert set(translate.WRITINGS) <= set(translate.DRAWINGS)
