"""Cards: what is generated, what a person wrote, and that the two never get in each other's way."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml

from ganhub.errors import HubError
from ganhub.hub import _card_parts, cards
from ganhub.models import get_architecture

FACTS = {
    "name": "someone/digits",
    "architecture": "conditional-gan",
    "pipeline_tag": "unconditional-image-generation",
    "use": 'ganhub.save_grid(model.sample(16, label="zero", seed=0), "grid.png")',
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
        "intended_use": "Asking for digits.",
        "limits": "A 7 may be a 1.\nIt knows no letters.",
        "alarms": [],
    },
    "classifier": {"accuracy": 0.98765, "protocol": "10,000 samples, seeds 0 to 9999", "n": 10_000},
    "frechet": {"value": 12.5, "data": "test half"},
    "speed": 40,
}
PROTOCOL = {"metric": "precision", "extractor": "vgg-lite", "made": 500, "seed": 0}
MEASURED = "By vgg-lite; 500 made against 500 real pictures of digits; seed 0."
EVALUATION = {
    "results": [
        {"name": "kernel_distance", "label": "Kernel distance (vgg-lite)", "value": 0.012345, "error": 0.00041,
         "better": "lower", "note": "", "protocol": {**PROTOCOL, "metric": "kernel_distance"}, "measured": MEASURED},
        {"name": "precision", "label": "Precision (vgg-lite)", "value": 0.75, "error": None, "better": "higher",
         "note": "Few pictures: it reads high", "protocol": PROTOCOL, "measured": MEASURED},
    ],
    "copying": False,
    "memorisation": "No sign of copying: 0.1% of the samples are near-copies.",
}  # fmt: skip


def section(text: str, heading: str) -> str:
    """From a heading to the next one of its level, or to the end of the block."""
    return re.split(r"^## |<!-- ganhub:end", text[text.index(f"## {heading}\n") + 3 :], flags=re.MULTILINE)[0]


def headings(text: str) -> list[str]:
    return re.findall(r"^##?#? .*$|<!-- ganhub:(?:begin|end) -->", text, re.MULTILINE)


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
        "Classifier accuracy": 0.98765, "Frechet": 12.5, "Speed": 40
    }  # fmt: skip
    assert body.startswith("# someone/digits\n\n<!-- ganhub:begin -->")


def test_the_hub_client_understands_the_metadata() -> None:
    """The real client parses the model-index into results and writes the same YAML meaning."""
    from huggingface_hub import ModelCard

    card = ModelCard(cards.render_card(FACTS, {**METRICS, "evaluation": EVALUATION}))
    results = {result.metric_type: result for result in card.data.eval_results}
    assert {name: result.metric_value for name, result in results.items()} == {
        "classifier-accuracy": 0.98765, "frechet": 12.5, "speed": 40, "kernel-distance": 0.012345, "precision": 0.75
    }  # fmt: skip
    assert results["precision"].metric_args == PROTOCOL and results["speed"].metric_args is None
    assert results["precision"].metric_name == "Precision (vgg-lite)"
    assert card.data.library_name == "ganhub" and card.data.license == "other"


@pytest.mark.parametrize(
    ("architecture", "tag", "use"),
    [
        ("dcgan", "unconditional-image-generation", 'model.sample(16, seed=0), "grid.png")'),
        ("conditional-gan", "unconditional-image-generation", 'model.sample(16, label="circle", seed=0), "grid.png")'),
        ("fast-style", "image-to-image", 'model.stylize(ganhub.load_image("photo.jpg"), "dots")'),
        ("adain", "image-to-image", "model.stylize("),
        ("srgan", "image-to-image", "model.translate("),
        ("inpainting", "image-to-image", "model.inpaint("),
    ],
)
def test_a_verb_says_what_its_cards_tell(architecture: str, tag: str, use: str) -> None:
    text = cards.render_card(get_architecture(architecture).tiny().card_facts())
    front, body = cards.split_front_matter(text)
    assert front["pipeline_tag"] == tag and use in section(body, "How to load it")


def test_a_card_of_nothing_but_a_name() -> None:
    text = cards.render_card({"architecture": "x"})
    front, _ = cards.split_front_matter(text)
    assert "pipeline_tag" not in front
    assert "license" not in front and "Licence of the weights: not stated." in text


def test_numbers_come_with_their_protocol() -> None:
    text = cards.render_card(FACTS, METRICS)
    assert "| Classifier accuracy | 0.9877 | 1 |" in text and "\n1. 10,000 samples, seeds 0 to 9999.\n" in text
    assert "| Frechet | 12.5 | 2 |" in text and "\n2. Data: test half.\n" in text and "| Speed | 40 |  |" in text
    for line in ("| Recipe | digits |", "| Seed | 3 |", "| Images seen | 1,500,000 |", "| Wall time | 1.5 min |",
                 "| Images per second | 500.2 |", r"| Hardware | 2 CPU threads (a \| b) |",
                 "- Parameters: 1,234,567"):  # fmt: skip
        assert line in text, line
    assert "generator/loss" not in text and "| Intended" not in text and "| Limits" not in text


def test_a_protocol_is_told_once() -> None:
    text = cards.render_card(FACTS, {"evaluation": EVALUATION})
    assert "| Kernel distance (vgg-lite) ↓ | 0.0123 ± 0.0004 | 1 |" in text
    assert "| Precision (vgg-lite) ↑ | 0.75 | 1, 2 |" in text
    assert f"\n1. {MEASURED}\n2. Few pictures: it reads high.\n" in text and text.count(MEASURED) == 1


@pytest.mark.parametrize(
    ("value", "error", "shown"),
    [
        (0.012345, 0.00041, "0.0123 ± 0.0004"),
        (0.012345, 0.00014, "0.01235 ± 0.00014"),
        (0.5, 0.0096, "0.500 ± 0.010"),
        (-1.26, 0.3, "-1.3 ± 0.3"),
        (1234.5, 30, "1,234 ± 30"),
        (0.5, 0, "0.5 ± 0"),
        (float("inf"), 0.1, "inf ± 0.1"),
    ],
)
def test_a_number_has_the_figures_that_its_error_allows(value: float, error: float, shown: str) -> None:
    assert _card_parts.with_error(value, error) == shown


def test_groups_of_every_age() -> None:
    """What people said, what a run's watchdog kept, and the older groups with one protocol for all."""
    group = {"samples": 100, "accuracy": 0.9, "worst_class": "I", "worst_class_accuracy": 0.2, "protocol": "By a CNN."}
    deep = {"relu1_1": 0.25, "relu2_1": 0.5, "protocol": "8 photos"}
    words = "95 % 0.34 to 1.00 (Wilson), 2 answers; 1 person, blinded"
    people = {"made_taken_for_real": {"value": 1.0, "interval": [0.342, 1.0], "n": 2, "protocol": words}}
    watch = {**EVALUATION["results"][0], "images_seen": 5000}
    text = cards.render_card(FACTS, {"classifier": group, "error": deep, "people": people, "watch": watch})
    table = section(text, "Measurements")
    for line in ("| Classifier accuracy | 0.9 | 1 |", "| Classifier worst class accuracy | 0.2 (I) | 1 |",
                 "| Error relu1_1 | 0.25 | 2 |", "| Error relu2_1 | 0.5 | 2 |", "1. By a CNN.", "2. 8 photos.",
                 "| Made taken for real (people) | 1 (95 %: 0.34 to 1.00, 2 answers) | 3 |", "3. 1 person, blinded.",
                 "| Kernel distance (vgg-lite) ↓ | 0.0123 ± 0.0004 | 4 |", f"4. {MEASURED}"):  # fmt: skip
        assert f"\n{line}\n" in table, line
    assert len(re.findall("^\\| ", table, re.MULTILINE)) == 2 + 6, "constants have no row"


def test_memorisation_alarms_and_pictures() -> None:
    facts = {**FACTS, "curves": True, "pairs": True}
    run = {"recipe": "r", "alarms": ["the generator repeats itself: 0.01 (after 5,000 pictures)"]}
    text = cards.render_card(facts, {"training": run, "evaluation": EVALUATION})
    told = section(text, "Memorisation")
    assert "\nNo sign of copying: 0.1% of the samples are near-copies.\n" in told and "](memorisation.png)" in told
    told = section(text, "Training")
    assert "](curves.png)" in told and "\n- The generator repeats itself: 0.01 (after 5,000 pictures).\n" in told
    copies = {**EVALUATION, "copying": True, "memorisation": "This generator returns training pictures."}
    text = cards.render_card(FACTS, {**METRICS, "evaluation": copies})
    assert "**This generator returns training pictures.**" in text and ".png" not in section(text, "Memorisation")
    assert "The watchdog raised no alarm." in text and "curves.png" not in text
    text = cards.render_card(FACTS, {"training": {"recipe": "r"}})
    assert "watchdog" not in text and "## Memorisation" not in text
    assert "Nothing was trained." in cards.render_card({"architecture": "gatys", "parameters": 0})


@pytest.mark.parametrize(
    "metrics",
    [
        {"training": [1], "evaluation": [2], "people": "3", "watch": None},
        {"training": {"seconds": "long", "alarms": "many", "limits": 5, "losses": 0}, "evaluation": {"results": 1}},
        {"evaluation": {"results": ["x", {"value": "y"}, {"value": True}, {}], "memorisation": ""}},
        {"people": {"a": {"value": None}, "b": [], "c": {"interval": [1], "protocol": {}}}, "x": {"y": {"z": []}}},
    ],
)
def test_metrics_of_no_known_form_are_left_out(metrics: dict) -> None:
    text = cards.render_card(FACTS, metrics)
    assert "None yet." in section(text, "Measurements") and "model-index" not in cards.split_front_matter(text)[0]


def test_nothing_from_outside_ends_the_block() -> None:
    end = "<!-- ganhub:end --> and more"
    group = {"value": 1, "protocol": end}
    facts = {**FACTS, "dataset": end, "class_names": [end], "paper": end}
    card = cards.render_card(facts, {"training": {"recipe": end, "limits": end}, end: group})
    body = cards.split_front_matter(card)[1]
    assert body.count("<!-- ganhub:end -->") == 1 and cards.merge_card(card, card) == card


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
    cards.write_card(folder, {"pipeline_tag": "unconditional-image-generation"})
    front, body = cards.split_front_matter((folder / "README.md").read_text("utf-8"))
    assert "model-index" in front and "Classifier accuracy" in body and "](samples.png)" in body
    (folder / "metrics.json").write_text("{")
    with pytest.raises(HubError, match="metrics.json is not valid JSON"):
        cards.write_card(folder, {})
    (folder / "metrics.json").write_text("[1]")
    with pytest.raises(HubError, match="metrics.json holds a list instead of a JSON object"):
        cards.write_card(folder, {})


def test_facts_that_only_the_card_knows_stay(tmp_path: Path) -> None:
    facts = {**FACTS, "usage": "import ganhub\nnetwork()", "licence": "cc0-1.0", "tags": ["features"]}
    (tmp_path / "config.json").write_text('{"architecture": "conditional-gan"}')
    cards.write_card(tmp_path, facts)
    before = (tmp_path / "README.md").read_text("utf-8")
    cards.record(tmp_path, "speed", {"value": 7}, {"name": "someone/digits", "architecture": "conditional-gan"})
    front, body = cards.split_front_matter((tmp_path / "README.md").read_text("utf-8"))
    assert "| Speed | 7 |" in body and "network()" in body and "Licence of the weights: [digits-licence]" in body
    for heading in ("How to load it", "Training data"):
        assert section(body, heading) == section(before, heading)
    assert FACTS["paper"] in body and "1,234,567" in body
    assert front["license"] == "cc0-1.0" and "features" in front["tags"] and front["datasets"] == FACTS["datasets"]
    assert cards.read_facts("By hand.") == {} == cards.read_facts("")


@pytest.mark.parametrize(
    ("dataset", "name"),
    [
        ("16,926 glyphs from 273 faces (OFL)", "glyphs from 273 faces"),
        ("MNIST (Yann LeCun, Corinna Cortes), CC BY-SA 3.0", "MNIST"),
        ("560 landscapes, public domain", "landscapes"),
    ],
)
def test_the_name_of_the_data_is_no_number(dataset: str, name: str) -> None:
    facts = {"architecture": "x", "pipeline_tag": "unconditional-image-generation", "dataset": dataset}
    front, _ = cards.split_front_matter(cards.render_card(facts, {"speed": 1}))
    assert front["model-index"][0]["results"][0]["dataset"] == {"name": name, "type": front["datasets"][0]}
    other = cards.render_card({**facts, "dataset": "Twemoji"}, {"speed": 1})
    merged, _ = cards.split_front_matter(cards.merge_card(cards.render_card(facts), other))
    assert merged["datasets"] == ["twemoji"], "a name that was derived makes way for the next"


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
    assert "| Speed | 80 |" in merged and "| Speed | 40 |" not in merged
    assert merged.count("<!-- ganhub:begin -->") == merged.count("<!-- ganhub:end -->") == 1
    assert cards.merge_card(merged, new) == merged


def test_untouched_prose_makes_way_for_written_prose() -> None:
    """The card on the Hub is as generated, the local one has been written: the written one wins."""
    old = cards.render_card(FACTS)
    new = old[: old.index("## Intended use")] + "## Intended use and limits\n\nFor tests only.\n"
    assert cards.merge_card(old, new) == new


def prose(card: str) -> str:
    return card[card.index("## Intended use and limits") :]


def test_the_recipe_s_prose_is_renewed_until_somebody_writes_there() -> None:
    plain, first = cards.render_card(FACTS), cards.render_card(FACTS, METRICS)
    run = METRICS["training"]
    second = cards.render_card(FACTS, {**METRICS, "training": {**run, "limits": "A 7 may be a 4."}})
    assert "**Intended use.** Asking for digits.\n\n**Limits.** A 7 may be a 1. It knows no letters.\n" in first
    assert "**" not in prose(plain)
    assert cards.merge_card(plain, first) == first, "the default makes way"
    assert cards.merge_card(first, second) == second, "so does the prose of before"
    windows = cards.merge_card(first.replace("\n", "\r\n"), second)
    assert prose(windows) == prose(second), "other line ends are no change"
    mine = first.replace("Asking for digits.", "Mine.")
    assert prose(cards.merge_card(mine, second)) == prose(mine)
    assert prose(cards.merge_card(cards.merge_card(mine, second), first)) == prose(mine)
    more = first + "\n## Thanks\n\nTo you.\n"
    assert prose(cards.merge_card(more, second)) == prose(second) + "\n## Thanks\n\nTo you.\n"
    gone = first[: first.index("## Intended use")] + "\n## Mine\n"
    assert "Intended use" not in cards.merge_card(gone, second), "what was taken out stays out"


def test_a_card_that_knows_no_recipe_takes_no_prose_away() -> None:
    """As when a model is loaded and pushed again, without the metrics of its folder."""
    first, plain = cards.render_card(FACTS, METRICS), cards.render_card(FACTS)
    kept = cards.merge_card(first, plain)
    assert prose(kept) == prose(first) and "None yet." in kept
    assert cards.merge_card(kept, plain) == kept
    second = cards.render_card(FACTS, {"training": {"limits": "New."}})
    assert prose(cards.merge_card(kept, second)) == prose(second), "and it is still known as generated"


def test_front_matter_keeps_what_was_added_or_changed_by_hand() -> None:
    old = cards.render_card(FACTS, METRICS)
    front, body = cards.split_front_matter(old)
    front |= {"language": "en", "license": "mit", "tags": ["ganhub", "conditional-gan", "art"]}
    del front["datasets"]
    edited = cards.join_front_matter(front, body)
    facts = {**FACTS, "licence": "cc0-1.0", "pipeline_tag": "image-to-image", "tags": ["new"]}
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
    assert "## Mine" in merged and "| Speed | 80 |" in merged and "license: other" in merged


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
    facts = {**FACTS, "curves": True, "pairs": True}
    card = cards.render_card(facts, {**METRICS, "evaluation": EVALUATION})
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
    assert blank["model-index"][0]["results"][0]["metrics"][0].keys() == {"type", "name", "value", "args"}
    assert "| metric | value | how |" in template and "**Intended use.**" in template and "**Limits.**" in template
    assert cards.has_markers(template) and yaml.safe_load(template.split("---\n")[1]) == blank
