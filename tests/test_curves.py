"""The plot of a run: what is on it, pixel by pixel, and the short log that it can be drawn from again."""

from __future__ import annotations

import json
import math
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ganhub.images import load_image, to_uint8
from ganhub.trainer import curves
from ganhub.trainer.curves import thin_log, write_curves
from ganhub.trainer.log import alarms_of, read_log, write_short_log

REPEATS = "the generator repeats itself: pairwise distance is 0.01 of the data's"


def run_log(count: int = 300, *, watch: bool = True) -> list[dict[str, Any]]:
    """A log as a run writes it: two players, a look every sixth line, a distance every 25th, two spells of alarm."""
    draw = random.Random(0)
    lines: list[dict[str, Any]] = []
    for i in range(1, count + 1):
        line: dict[str, Any] = {"images": i * 2000, "step": i, "generator/loss": 1 + draw.gauss(0, 0.3)}
        line |= {"discriminator/loss": 0.7 + draw.gauss(0, 0.2), "discriminator/gradient_norm": 3.0}
        if watch and i % 6 == 0:
            line["watch/spread"] = min(1.0, 0.2 + i / count)
        if watch and (60 <= i < 80 or i == 200):
            line["alarms"] = [REPEATS]
        lines.append(line)
        if watch and i % 25 == 0:
            distance = {"watch/distance": 50 / i, "watch/distance_error": 0.1}
            lines.append({"images": i * 2000, "step": i, **distance})
    return lines


def drawn(lines: list[Any], path: Path) -> np.ndarray:
    """The pixels [700, 1400, 3] of a plot."""
    assert write_curves(lines, path) is True
    assert path.stat().st_size < 80_000
    picture = to_uint8(load_image(path))[0].permute(1, 2, 0).numpy().astype(int)
    assert picture.shape == (700, 1400, 3)
    assert (picture[[0, -1]] == 255).all() and (picture[:, [0, -1]] == 255).all(), "a solid light margin"
    return picture


def where(picture: np.ndarray, colour: str) -> tuple[np.ndarray, np.ndarray]:
    """(rows, columns) of the pixels of a colour."""
    wanted = np.array([round(int(colour[i : i + 2], 16) / 17) * 17 for i in (1, 3, 5)])
    return np.nonzero((picture == wanted).all(-1))


def test_losses_left_distance_and_spread_right(tmp_path):
    picture = drawn(run_log(), tmp_path / "curves.png")
    for colour in curves.PLAYERS[:2]:
        rows, columns = where(picture, colour)
        assert len(rows) > 500 and columns.max() < 720, "the losses are on the left"
    rows, columns = where(picture, curves.DISTANCE)
    assert len(rows) > 200 and columns.min() > 720 and rows.max() < 360, "the distance is on the right, above"
    rows, columns = where(picture, curves.SPREAD)
    assert len(rows) > 200 and columns.min() > 720 and rows.min() > 400, "the spread is below it"
    _, columns = where(picture, curves.ALARM)
    assert columns.min() < 300 and columns.max() > 800, "alarms are marked in every panel"


def test_the_axes_tell_the_truth(tmp_path):
    """A distance that falls goes down on the plot, in proportion; error bars are as long as the errors."""
    lines = [{"images": i * 100, "watch/distance": 5.0 - i, "watch/distance_error": 0.5} for i in range(5)]
    picture = drawn(lines, tmp_path / "curves.png")
    rows, columns = where(picture, curves.DISTANCE)
    tall = np.flatnonzero(np.bincount(columns[rows > 60], minlength=1400) > 60)  # the error bars; the title is above
    bars = [group for group in np.split(tall, np.flatnonzero(np.diff(tall) > 5) + 1) if group[0] > 100]
    across = np.array([group.mean() for group in bars])
    ends = np.array([[f(rows[(rows > 60) & np.isin(columns, group)]) for f in (np.min, np.max)] for group in bars])
    assert len(bars) == 4 and np.ptp(np.diff(across)) <= 2
    steps = np.diff(ends.mean(1))
    assert (steps > 50).all() and np.ptp(steps) <= 3
    assert np.allclose(np.diff(ends, axis=1), steps.mean(), atol=5), "half above, half below: as long as a step"


@pytest.mark.parametrize("watch", [True, False])
def test_panels_without_data_are_left_out(tmp_path, watch):
    lines = run_log(watch=False)
    if watch:
        lines = [{"images": line["images"], "watch/spread": 0.9} for line in lines]
    picture = drawn(lines, tmp_path / "curves.png")
    _, columns = where(picture, curves.SPREAD if watch else curves.PLAYERS[0])
    assert columns.min() < 120 and columns.max() > 1280, "what is left has the whole width"
    assert not len(where(picture, curves.ALARM)[0]) and not len(where(picture, curves.DISTANCE)[0])


@pytest.mark.parametrize("count", [1, 2, 13])
def test_short_runs(tmp_path, count):
    assert len(where(drawn(run_log(count), tmp_path / "curves.png"), curves.PLAYERS[0])[0]) > 20


def test_one_spike_does_not_flatten_the_rest(tmp_path):
    lines = run_log(200, watch=False)
    calm = where(drawn(lines, tmp_path / "calm.png"), curves.PLAYERS[0])[0]
    lines[50]["generator/loss"] = 1e6
    spike = where(drawn(lines, tmp_path / "spike.png"), curves.PLAYERS[0])[0]
    assert np.ptp(spike) > 0.7 * np.ptp(calm)


def test_five_players_have_five_colours(tmp_path):
    names = ("generator_a", "generator_b", "discriminator_a", "discriminator_b", "encoder")
    lines = [{"images": i, **{f"{name}/loss": k + 0.1 for k, name in enumerate(names)}} for i in range(20)]
    picture = drawn(lines, tmp_path / "curves.png")
    assert all(len(where(picture, colour)[0]) > 500 for colour in curves.PLAYERS)


@pytest.mark.parametrize(
    "lines",
    [
        [],
        [{"images": 5, "step": 1, "generator/gradient_norm": 2.0, "alarms": ["a"]}],
        [{"images": 5, "generator/loss": math.nan}, {"images": "many", "generator/loss": 1.0}, {"generator/loss": 1.0}],
        [3, "text", None, {"images": 5, "generator/loss": True, "watch/distance": "0.1", "watch/spread": math.inf}],
    ],
)
def test_nothing_to_draw(tmp_path, lines):
    assert write_curves(lines, tmp_path / "curves.png") is False and not list(tmp_path.iterdir())


def test_the_user_s_style_is_neither_used_nor_changed(tmp_path):
    import matplotlib

    lines = run_log(30)
    drawn(lines, tmp_path / "usual.png")
    with matplotlib.rc_context({"axes.facecolor": "black", "font.size": 30}):
        drawn(lines, tmp_path / "dark.png")
        assert matplotlib.rcParams["font.size"] == 30
    assert (tmp_path / "usual.png").read_bytes() == (tmp_path / "dark.png").read_bytes()


def test_without_matplotlib_there_is_a_sentence_and_no_plot(tmp_path):
    """In a process of its own that cannot import it."""
    code = (
        "import sys; sys.modules['matplotlib'] = None\n"
        "from ganhub.trainer.curves import write_curves\n"
        "lines = [{'images': 1, 'generator/loss': 1.0}]\n"
        f"print([write_curves(lines, {str(tmp_path / 'curves.png')!r}) for _ in range(2)])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    said, returned = done.stdout.splitlines()
    assert 'pip install "ganhub[train]"' in said and returned == "[False, False]"
    assert not list(tmp_path.iterdir())


# ---- the short log


def test_a_thinned_log_keeps_what_matters():
    lines = run_log(2000)
    thin = thin_log(lines)
    assert len(thin) == 200 and thin[0] == lines[0] and thin[-1] == lines[-1]
    assert [line["images"] for line in thin] == sorted(line["images"] for line in thin)
    for key in ("watch/distance", "alarms"):
        assert [line for line in thin if key in line] == [line for line in lines if key in line]
    looks = [line["images"] for line in thin if "watch/spread" in line]
    assert len(looks) > 50 and max(np.diff(looks)) < 2000 * 2000 / 15, "the rest is thinned evenly"


def test_a_log_is_thinned_to_the_length_whatever_it_holds():
    lost = [{"images": i, "generator/loss": 1.0, "alarms": [REPEATS]} for i in range(1000)]
    thin = thin_log(lost)
    assert len(thin) == 200 and thin[0] == lost[0] and thin[-1] == lost[-1]
    assert max(np.diff([line["images"] for line in thin])) < 15
    assert thin_log(lost[:7]) == lost[:7] and thin_log([]) == []


def test_a_published_log_draws_nearly_the_same_plot(tmp_path):
    write_short_log(run_log(), tmp_path)
    assert (tmp_path / "log.jsonl").stat().st_size < 80_000
    whole, thin = drawn(run_log(), tmp_path / "whole.png"), drawn(read_log(tmp_path), tmp_path / "thin.png")
    right = slice(720, None)
    assert (whole[:, right] == thin[:, right]).all(), "distance, spread and alarms are all there"


def test_alarms_in_words():
    other = "the critic is out of control: its gradient norm is 2,000"
    lines = [{"images": 10}, {"images": 20, "alarms": [REPEATS]}, {"images": 30, "alarms": [other]}]
    lines.append({"images": 4000, "alarms": ["the generator repeats itself: pairwise distance is 0.02 of the data's"]})
    assert alarms_of(lines) == [f"{REPEATS} (after 20 pictures, until 4,000)", f"{other} (after 30 pictures)"]
    assert alarms_of([{"images": 5}]) == []


def test_a_log_from_elsewhere_is_read_up_to_its_first_broken_line(tmp_path):
    lines = ['{"images": 1}', "3", '{"images": 2}', '{"images": 3, "gen', '{"images": 4}']
    (tmp_path / "log.jsonl").write_bytes("\n".join(lines).encode() + b"\n\xff")
    assert read_log(tmp_path) == [{"images": 1}, {"images": 2}] and json.dumps(read_log(tmp_path / "none")) == "[]"
