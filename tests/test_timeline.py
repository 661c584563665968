"""The timeline of a film: easings, how long each way lasts, pins as text, and the same film from each door."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from ganhub import latents
from ganhub.cli import cli
from ganhub.creation import Creation, Interpolate, LocalLibrary, read_creation, render, reproduce
from ganhub.creation.permalink import from_code, to_code
from ganhub.creation.pins import Pin, fields_of, read_pins, write_pins
from ganhub.errors import ConfigError
from ganhub.latents.easing import get_easing, list_easings
from ganhub.models import get_architecture

TIME = torch.linspace(0, 1, 41, dtype=torch.float64)


@pytest.mark.parametrize("easing", list_easings(), ids=lambda one: one.name)
def test_an_easing_goes_from_0_to_1_and_never_back(easing):
    way = easing(TIME)
    assert way[0] == 0 and way[-1] == 1 and (way.diff() >= 0).all()


def test_known_values_of_the_easings():
    assert get_easing("linear")(TIME).equal(TIME)
    assert get_easing("smooth")(torch.tensor([0.25, 0.5, 0.75])).tolist() == [0.15625, 0.5, 0.84375]
    slope = get_easing("smooth")(TIME).diff()
    assert slope[0] < 0.1 / 40 * 1.5 and slope[20] == pytest.approx(1.5 / 40, rel=0.01)
    stays = get_easing("hold")(TIME)
    assert (stays[:21] == 0).all() and (stays[21:].diff() > 0).all()
    with pytest.raises(ConfigError, match="Did you mean 'smooth'"):
        get_easing("smoth")


@pytest.fixture(scope="module")
def generator():
    return get_architecture("dcgan").tiny().eval()


def nearest_pin(generator, film, seeds):
    """Which seed's picture each frame is, or -1."""
    pins = torch.cat([generator.sample(1, seed=seed) for seed in seeds])
    near = (film[:, None] - pins[None]).abs().amax((2, 3, 4)) < 1e-5
    return [int(row.nonzero()[0]) if row.any() else -1 for row in near]


def test_ways_last_as_long_as_they_are_to(generator):
    """With 'hold' a pin is on the screen for half of the way to the next."""
    film = latents.walk(generator, [3, 8, 9], 24, loop=True, durations=(4, 1, 1), easing="hold")
    places = nearest_pin(generator, film, (3, 8, 9))
    assert places[:9] == [0] * 9 and places[9:16] == [-1] * 7  # 16 of 24 frames
    assert places[16:] == [1, 1, 1, -1, 2, 2, 2, -1]
    film = latents.walk(generator, [3, 8, 9], 13, durations=(2, 1, 1))  # the last one has no way to go
    places = nearest_pin(generator, film, (3, 8, 9))
    assert (places[0], places[8], places[12]) == (0, 1, 2) and places.count(-1) == 10
    for durations in ((1, 2), (1, 2, 0), (1, 2, float("nan"))):
        with pytest.raises(ConfigError, match="a duration above 0 for each of its 3 seeds"):
            latents.walk(generator, [3, 8, 9], 24, durations=durations)


def test_easing_changes_the_times_and_not_the_way(generator):
    plain, eased = (latents.walk(generator, [3, 8], 41, easing=name) for name in ("linear", "smooth"))
    assert (plain[[0, 20, 40]] - eased[[0, 20, 40]]).abs().max() < 1e-5
    assert (eased[1] - eased[0]).abs().max() < 0.2 * (plain[1] - plain[0]).abs().max()
    slow = latents.walk(generator, [3, 8], 41, easing="smooth", pace="picture")
    assert (slow[1] - slow[0]).abs().mean() < 0.2 * (slow[21] - slow[20]).abs().mean()


# ---- pins as text

LABEL = st.one_of(st.just(""), st.sampled_from(["cat", "a (b) c", "x2", "1, 2"]), st.integers(0, 99))
PIN = st.builds(Pin, st.integers(0, 2**32 - 1), LABEL, st.one_of(st.just(0.0), st.floats(0.1, 100)))


@given(st.lists(PIN, min_size=2, max_size=12))
def test_pins_as_text_and_back(pins):
    assert read_pins(write_pins(pins)) == pins
    film = Interpolate(model="m", **fields_of(pins))
    assert fields_of(film.pins()) == fields_of(pins)
    assert from_code(to_code(film)) == film


def test_pins_as_people_write_them():
    assert read_pins(" 3;14 ,15\n") == [Pin(3), Pin(14), Pin(15)]
    assert read_pins("3(cat)x2 7 (#4) ×0.5") == [Pin(3, "cat", 2.0), Pin(7, 4, 0.5)]
    for text, says in (
        ("3, x", "'x' is no seed"), ("3, (cat)", "'(cat)' is no seed"), ("3 (cat, 4", "'(cat' is no seed"),
        ("3, 4294967296", "'4294967296' is no seed"), ("3, 4 x0", "A way lasts from x0.1 to x100, not x0."),
        ("3, 4 x1.2.3", "not x1.2.3"), ("3", "Give 2 to 4 seeds"), ("1 2 3 4 5", "there are 5"), (None, "there are 0"),
    ):  # fmt: skip
        with pytest.raises(ConfigError, match=says.replace("(", r"\(").replace(")", r"\)")):
            read_pins(text, most=4)


# ---- one film, whichever way it is asked for


def test_films_of_before_are_read_as_they_were():
    """Without pins' classes, durations, easing and format."""
    text = '{"fps":24.0,"frames":48,"label":null,"loop":true,"model":"m","pace":"latent","seeds":[3,4],"space":"",'
    film = Creation.from_json(text + '"truncation":1.0,"verb":"interpolate"}')
    assert film == Interpolate(model="m", seeds=(3, 4)) and (film.easing, film.format) == ("linear", "mp4")
    assert film.pins() == [Pin(3), Pin(4)]


def test_classes_of_pins(models_folder: Path):
    """One that has none takes the film's, then its seed's; each frame at a pin is its picture."""
    generator = get_architecture("conditional-gan").tiny().eval()
    generator.save_pretrained(models_folder / "tiny")
    names, seeds = generator.config.class_names, (3, 4, 5)
    for label, own in (
        (names[0], [names[1], names[0], names[0]]),
        (None, [names[1], *(s % len(names) for s in (4, 5))]),
    ):
        film = Interpolate(model="tiny", seeds=seeds, labels=(names[1], "", ""), label=label, frames=9, loop=False,
                           durations=(1, 1, 1))  # fmt: skip
        frames = render(film, LocalLibrary("cpu")).film
        for frame, seed, one in zip(frames[[0, 4, 8]], seeds, own, strict=True):
            assert (generator.sample(1, seed=seed, label=one)[0] - frame).abs().max() < 1e-5
    with pytest.raises(ConfigError, match="There is no class 'crcle'"):
        render(Interpolate(model="tiny", seeds=seeds, labels=("crcle", "", "")), LocalLibrary("cpu"))


def test_a_webm_of_the_command_line_is_made_again(models_folder: Path, tmp_path: Path):
    get_architecture("conditional-gan").tiny().save_pretrained(models_folder / "tiny")
    out = tmp_path / "walk.webm"
    asked = ["walk", "tiny", "--seeds", "1 (ring) x2, 4", "--easing", "hold", "--frames", "8", "--out", str(out)]
    result = CliRunner().invoke(cli, asked, catch_exceptions=False)
    assert result.exit_code == 0 and "8 frames from seed 1 to seed 4" in result.output
    named = read_creation(out)
    assert named == Interpolate(
        model="tiny", seeds=(1, 4), labels=("ring", ""), durations=(2, 1), easing="hold", frames=8, format="webm",
        revision=named.revision,
    )  # fmt: skip
    again = reproduce(out, LocalLibrary("cpu"))
    assert again.same_file and not again.notes
