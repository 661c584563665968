"""Cards: what is generated, what a person wrote, and that the two never get in each other's way."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml

from ganhub import cards
from ganhub.errors import HubError
from ganhub.models import get_architecture

FACTS = {
    "name": "someone/digits",
    "architecture": "conditional-gan",
    "verb": "latent_generator",
    "paper": "Conditional Generative Adversarial Nets (Mirza, Osindero 2014, arXiv:1411.1784)",
    "parameters": 1_234_567,
    "licence": "other",
    "licence_name": "digits-licence",
    "licence_link": "https://example.org/licence",
    "dataset": "Digits (some people), CC BY-SA 3.0",
    "datasets": ["someone/digits-data"],
    "class_names": ["zero", "one"],
    "samples": True,
}
METRICS = {
    "training": {
        "recipe": "digits",
        "hardware": "2 CPU threads (a | b)",
        "seed": 3,
        "images_seen": 1_500_000,
        "seconds": 90,
        "images_per_second": 500.25,
        "precision": "bf16",
        "losses": {"generator/loss": 0.6931},
    },
    "classifier": {"accuracy": 0.98765, "protocol": "10,000 samples, seeds 0 to 9999", "n": 10_000},
    "frechet": {"value": 12.5, "data": "test half"},
    "speed": 40,
}


def headings(text: str) -> list[str]:
    return re.findall(r"^##? .*$|<!-- ganhub:(?:begin|end) -->", text, re.MULTILINE)


def test_front_matter_is_what_the_hub_reads() -> None:
    front, body = cards.split_front_matter(cards.render_card(FACTS, METRICS))
    assert front["library_name"] == "ganhub" and front["pipeline_tag"] == "unconditional-image-generation"
    assert front["license"] == "other" and front["license_name"] == "digits-licence"
    assert front["license_link"] == "https://example.org/licence"
    assert front["tags"] == ["ganhub", "conditional-gan"] and front["datasets"] == ["someone/digits-data"]
    (entry,) = front["model-index"]
    (result,) = entry["results"]
    assert result["task"] == {"type": "unconditional-image-generation"}
    assert result["dataset"] == {"name": "Digits", "type": "someone/digits-data"}
    assert {m["name"]: m["value"] for m in result["metrics"]} == {
        "classifier accuracy": 0.98765, "frechet": 12.5, "speed": 40
    }  # fmt: skip
    assert body.startswith("# someone/digits\n\n<!-- ganhub:begin -->")


def test_the_hub_client_understands_the_metadata() -> None:
    """The real client parses the model-index into results and writes the same YAML meaning."""
    from huggingface_hub import ModelCard

    card = ModelCard(cards.render_card(FACTS, METRICS))
    assert {(r.metric_type, r.metric_value) for r in card.data.eval_results} == {
        ("classifier-accuracy", 0.98765), ("frechet", 12.5), ("speed", 40)
    }  # fmt: skip
    assert card.data.library_name == "ganhub" and card.data.license == "other"


@pytest.mark.parametrize(
    ("verb", "tag"),
    [("latent_generator", "unconditional-image-generation"), ("stylizer", "image-to-image"), ("", None)],
)
def test_pipeline_tag_by_verb(verb: str, tag: str | None) -> None:
    text = cards.render_card({"architecture": "x", "verb": verb})
    front, _ = cards.split_front_matter(text)
    assert front.get("pipeline_tag") == tag
    assert "license" not in front and "Licence of the weights: not stated." in text


def test_numbers_come_with_their_protocol() -> None:
    text = cards.render_card(FACTS, METRICS)
    assert "| classifier accuracy | 0.9877 | 10,000 samples, seeds 0 to 9999 |" in text
    assert "| frechet | 12.5 | data: test half |" in text and "| speed | 40 |  |" in text
    for line in ("| Recipe | digits |", "| Seed | 3 |", "| Images seen | 1,500,000 |", "| Wall time | 1.5 min |",
                 "| Images per second | 500.2 |", r"| Hardware | 2 CPU threads (a \| b) |",
                 "| Last generator/loss | 0.6931 |", "- Parameters: 1,234,567"):  # fmt: skip
        assert line in text, line


def test_the_three_lines_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The Python in a card is executed as it stands, for a model with classes and one without."""
    monkeypatch.chdir(tmp_path)
    for name in ("dcgan", "conditional-gan"):
        folder = get_architecture(name).tiny().save_pretrained(tmp_path / "model_cards" / f"tiny-{name}")
        (code,) = re.findall(r"```python\n(.*?)```", (folder / "README.md").read_text("utf-8"), re.DOTALL)
        assert len(code.strip().splitlines()) == 3 and f'"tiny-{name}"' in code
        exec(code, {})
        assert (tmp_path / "grid.png").stat().st_size > 100
        (tmp_path / "grid.png").unlink()


def test_write_card_reads_the_folder(tmp_path: Path) -> None:
    folder = get_architecture("dcgan").tiny().save_pretrained(tmp_path / "m", card={"licence": "cc0-1.0"})
    front, body = cards.split_front_matter((folder / "README.md").read_text("utf-8"))
    assert front["license"] == "cc0-1.0" and "# m\n" in body and "None yet." in body and "samples.png" not in body
    assert "arXiv:1511.06434" in body
    (folder / "metrics.json").write_text(json.dumps(METRICS))
    (folder / "samples.png").write_bytes(b"png")
    cards.write_card(folder, {"verb": "latent_generator"})
    front, body = cards.split_front_matter((folder / "README.md").read_text("utf-8"))
    assert "model-index" in front and "classifier accuracy" in body and "](samples.png)" in body
    (folder / "metrics.json").write_text("{")
    with pytest.raises(HubError, match="metrics.json is not valid JSON"):
        cards.write_card(folder, {})


# --- What a person wrote ----------------------------------------------------------------


def test_merging_changes_nothing_when_nothing_changed() -> None:
    card = cards.render_card(FACTS, METRICS)
    assert cards.merge_card(card, card) == card


def test_prose_survives_and_numbers_move() -> None:
    old = cards.render_card(FACTS, METRICS)
    old = old.replace("# someone/digits\n", "# Digits\n\nMade on a rainy day. ü\n")
    old = old[: old.index("## Intended use")] + "## Mine\n\nA | table, \\1 and <!-- a comment -->.\n"
    new = cards.render_card(FACTS, {**METRICS, "speed": 80})
    merged = cards.merge_card(old, new)
    assert "# Digits\n\nMade on a rainy day. ü\n" in merged
    assert merged.endswith("## Mine\n\nA | table, \\1 and <!-- a comment -->.\n")
    assert "| speed | 80 |" in merged and "| speed | 40 |" not in merged
    assert merged.count("<!-- ganhub:begin -->") == merged.count("<!-- ganhub:end -->") == 1
    assert cards.merge_card(merged, new) == merged


def test_untouched_prose_makes_way_for_written_prose() -> None:
    """The card on the Hub is as generated, the local one has been written: the written one wins."""
    old = cards.render_card(FACTS)
    new = old[: old.index("## Intended use")] + "## Intended use and limits\n\nFor tests only.\n"
    assert cards.merge_card(old, new) == new


def test_front_matter_keeps_what_was_added_or_changed_by_hand() -> None:
    old = cards.render_card(FACTS, METRICS)
    front, body = cards.split_front_matter(old)
    front |= {"language": "en", "license": "mit", "tags": ["ganhub", "conditional-gan", "art"]}
    del front["datasets"]
    edited = cards.join_front_matter(front, body)
    facts = {**FACTS, "licence": "cc0-1.0", "verb": "stylizer", "tags": ["new"]}
    merged, _ = cards.split_front_matter(cards.merge_card(edited, cards.render_card(facts, {"speed": 1})))
    assert merged["language"] == "en" and merged["license"] == "mit", "by hand"
    assert merged["pipeline_tag"] == "image-to-image", "generated then, generated now"
    assert merged["tags"] == ["ganhub", "conditional-gan", "new", "art"]
    assert [m["value"] for m in merged["model-index"][0]["results"][0]["metrics"]] == [1]


def test_card_without_markers_is_left_alone(tmp_path: Path) -> None:
    mine = "\ufeffAll mine,\r\nwith no block.\r\n"
    assert cards.merge_card(mine, cards.render_card(FACTS)) == mine
    assert not cards.has_markers(mine) and not cards.has_markers("<!-- ganhub:end --> <!-- ganhub:begin -->")
    folder = get_architecture("dcgan").tiny().save_pretrained(tmp_path / "m")
    (folder / "README.md").write_bytes(mine.encode())
    get_architecture("dcgan").tiny().save_pretrained(folder)
    assert (folder / "README.md").read_bytes() == mine.encode()


def test_edited_with_windows_line_ends() -> None:
    card = cards.render_card(FACTS, METRICS)
    windows = card.replace("\n", "\r\n").replace("## Intended use and limits", "## Mine")
    front, _ = cards.split_front_matter(windows)
    assert front == cards.split_front_matter(card)[0]
    merged = cards.merge_card(windows, cards.render_card(FACTS, {"speed": 80}))
    assert "## Mine" in merged and "| speed | 80 |" in merged and "license: other" in merged


@pytest.mark.parametrize("front", ["a: [1", "a: b: c", "- 1\n- 2", "just words", "!!python/object/apply:os.getcwd []"])
def test_broken_front_matter_is_a_sentence(front: str) -> None:
    with pytest.raises(HubError, match="front matter of README.md"):
        cards.split_front_matter(f"---\n{front}\n---\ntext")


@pytest.mark.parametrize("text", ["", "text", "--- text", "---\nno end", "# a\n\n---\nb: 1\n---\n"])
def test_text_without_front_matter(text: str) -> None:
    assert cards.split_front_matter(text) == ({}, text)


def test_template_has_the_structure_of_a_card(root: Path) -> None:
    """The blank in model_cards/ shows every part that a generated card can have, in the same order."""
    template = (root / "model_cards" / "TEMPLATE.md").read_text("utf-8")
    card = cards.render_card(FACTS, METRICS)
    blank, _ = cards.split_front_matter(template)
    full, _ = cards.split_front_matter(card)
    assert list(blank) == list(full)
    assert [h for h in headings(template) if not h.startswith("# ")] == [
        h for h in headings(card) if not h.startswith("# ")
    ]
    rows = re.compile(r"^\| (\w[\w ]*?) \|", re.MULTILINE)
    run = template[template.index("## Training\n") : template.index("## Measurements")]
    assert rows.findall(run) == ["Recipe", "Hardware", "Seed", "Images seen", "Wall time", "Images per second",
                                 "Precision"]  # fmt: skip
    assert all(f"| {label} |" in card for label in rows.findall(run))
    assert cards.has_markers(template) and yaml.safe_load(template.split("---\n")[1]) == blank
