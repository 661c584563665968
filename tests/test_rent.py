"""training/rent.py: a line of ZOO.md becomes a run, and a checkpoint comes home in parts."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
spec = importlib.util.spec_from_file_location("rent", ROOT / "training" / "rent.py")
rent = importlib.util.module_from_spec(spec)
spec.loader.exec_module(rent)


def test_every_line_of_the_zoo_becomes_a_recipe_and_overrides():
    recipe, *overrides = rent.line_of("stylegan2-heroes", "sets/")
    assert (ROOT / recipe).is_file() and "data.path=sets/heroes-32.npz" in overrides
    assert "--out" not in overrides
    with pytest.raises(SystemExit, match="no line for stylegan2-herose; it has .*stylegan2-heroes"):
        rent.line_of("stylegan2-herose", "sets")


def test_a_checkpoint_comes_home_in_parts_and_goes_back(tmp_path, monkeypatch):
    monkeypatch.setattr(rent, "PART_BYTES", 1000)
    run, home, back = tmp_path / "run", tmp_path / "home", tmp_path / "back"
    (run / "checkpoints").mkdir(parents=True)
    (run / "grids").mkdir()
    (run / "checkpoints" / "000000000640.pt").write_bytes(bytes(100))
    (run / "checkpoints" / "000000001280.pt").write_bytes(bytes(range(256)) * 9 + b"end")
    (run / "checkpoints" / "backup.pt").write_bytes(b"somebody else's")
    (run / "grids" / "000001280.png").write_bytes(b"picture")
    (run / "config.json").write_text("{}")
    (run / "log.jsonl").write_text('{"images": 1280}\n')
    rent.pack(run, home)
    assert sorted(p.name for p in home.iterdir()) == [
        "checkpoint-000.part", "checkpoint-001.part", "checkpoint-002.part", "checkpoint.txt", "grid.png", "log.jsonl",
        "weights.zip"]  # fmt: skip
    rent.unpack(home, back)
    assert (back / "checkpoints" / "000000001280.pt").read_bytes() == bytes(range(256)) * 9 + b"end"
    assert (back / "log.jsonl").read_text() == '{"images": 1280}\n'
    (home / "checkpoint-001.part").unlink()
    with pytest.raises(SystemExit, match="does not hold all parts"):
        rent.unpack(home, tmp_path / "other")
    (home / "checkpoint-001.part").write_bytes(b"")
    (home / "checkpoint.txt").write_text("../../elsewhere.pt")
    with pytest.raises(SystemExit, match="must name the checkpoint"):
        rent.unpack(home, tmp_path / "other")
