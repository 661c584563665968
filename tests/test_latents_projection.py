"""Projection: pictures that the model can make are found again; and the distance it descends on."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from ganhub import images, latents
from ganhub.cli import cli
from ganhub.errors import ConfigError, HubError, ImageError
from ganhub.metrics import perceptual_distance
from ganhub.models import get_architecture
from tests.latent_toy import toy


@pytest.fixture(autouse=True)
def _few_seeds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sixty-four seeds to start from are enough here."""
    monkeypatch.setattr("ganhub.latents.projection.STARTS", 64)


def made_by(model, seed: int = 5_000, label: int | None = None) -> torch.Tensor:
    """A picture of the model that is none of the seeds it is looked for among."""
    return model.sample(1, seed=seed, label=label)


def test_the_distance_is_that_of_the_metrics():
    target, pictures = torch.rand(1, 3, 40, 24) * 2 - 1, torch.rand(3, 3, 40, 24) * 2 - 1
    found = latents.PerceptualDistance("vgg-lite", target)(pictures)
    assert torch.allclose(found, perceptual_distance(pictures, target.expand(3, -1, -1, -1)), rtol=1e-4)
    assert float(latents.PerceptualDistance("vgg-lite", target)(target)) < 1e-6
    grey = latents.PerceptualDistance("vgg-lite", target[:, :1])(pictures[:, :1])
    three = latents.PerceptualDistance("vgg-lite", target[:, :1].expand(-1, 3, -1, -1))
    assert torch.allclose(grey, three(pictures[:, :1].expand(-1, 3, -1, -1)), rtol=1e-5)
    assert latents.PerceptualDistance("vgg-lite", target[..., :8, :8])(pictures[..., :8, :8]).shape == (3,)


def test_transparency_is_seen_on_white_and_on_black():
    target = torch.ones(1, 4, 16, 16)  # opaque white, which looks on white like nothing at all
    distance = latents.PerceptualDistance("vgg-lite", target)
    clear = target.clone()
    clear[:, 3] = -1
    assert float(distance(clear)) > 0.05 and float(distance(target)) < 1e-6
    other = clear.clone()
    other[:, :3] = -1  # what a transparent pixel hides is not looked at
    assert torch.allclose(distance(clear), distance(other), atol=1e-6)


@pytest.mark.parametrize("space", ["w", "w+"])
def test_a_picture_of_the_model_is_found_again(space):
    model = toy()
    target = made_by(model)
    found = latents.project(model, target, space=space, steps=50)
    assert found.w.shape == ((1, 8) if space == "w" else (1, 6, 8))
    assert found.error < 0.5 * found.start_error and found.steps == 50
    picture = model.from_w(found.w, noise=found.noise)
    assert torch.equal(picture, found.picture) and torch.equal(model.from_w(found.w), picture)  # seed 0 is the default
    assert found.error == pytest.approx(float(perceptual_distance(picture, target)), rel=1e-3)
    assert found.note == "" and found.label is None
    first, again = (latents.project(model, target, space=space, steps=5) for _ in range(2))
    assert torch.equal(first.w, again.w)  # the same each time


def test_stylegan2_comes_closer_and_its_parameters_are_left_alone():
    model = get_architecture("stylegan2").tiny().eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    found = latents.project(model, made_by(model), steps=20)
    assert found.error < 0.9 * found.start_error
    assert all(p.grad is None and p.requires_grad for p in model.parameters())
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    with torch.no_grad():  # as the app and other callers may have it
        assert latents.project(model, made_by(model), steps=2).steps == 2


def test_the_start_is_the_best_of_the_seeds():
    model = toy()
    target = model.sample(1, seed=23)
    found = latents.project(model, target, steps=1)
    distances = latents.PerceptualDistance("vgg-lite", target)(
        model.from_w(model.to_w(model.latent(range(64))), noise=model.noise([0]).expand(64, -1))
    )
    assert found.start_error == pytest.approx(float(distances.min()), rel=0.05)
    assert int(distances.argmin()) == 23
    assert found.error <= found.start_error


def test_progress_early_looks_and_stop():
    model, told = toy(), []
    latents.project(model, made_by(model), steps=25, on_step=lambda *news: told.append(news))
    assert [step for step, _, _ in told] == [0, 0, *range(26)] and {steps for _, steps, _ in told} == {25}
    looks = [step for step, _, look in told if look is not None]
    assert {0, 1, 5, 20} <= set(looks) and all(look is None or look.shape == (1, 3, 16, 16) for *_, look in told)

    class Enough(Exception):
        pass

    def stop(step: int, steps: int, look: torch.Tensor | None) -> None:
        if step == 3:
            raise Enough

    with pytest.raises(Enough):
        latents.project(model, made_by(model), on_step=stop)


def test_a_limit_of_time_shortens_the_descent():
    model = toy()
    found = latents.project(model, made_by(model), steps=100_000, seconds=0.5)
    assert 0 < found.steps < 100_000 and found.error <= found.start_error


def test_a_conditional_model_finds_the_class():
    model = toy(num_classes=4, class_names=("ant", "bee", "cat", "dog"))
    target = made_by(model, label=2)
    found = latents.project(model, target, steps=2)
    assert found.label == 2 and found.note == "The nearest class is cat."
    asked = latents.project(model, target, steps=2, label="dog")
    assert asked.label == 3 and asked.note == ""
    with pytest.raises(ConfigError, match="Did you mean 'cat'"):
        latents.project(model, target, label="caat")


@pytest.mark.parametrize(
    ("channels", "given", "says"),
    [
        (3, (3, 16, 16), ""),
        (3, (3, 40, 30), "The picture of 30 x 40 pixels was cut at its edges and scaled to 16 x 16."),
        (3, (1, 8, 8), "The picture of 8 x 8 pixels was scaled to 16 x 16."),
        (3, (4, 16, 16), "Its transparency was laid on white."),
        (1, (3, 16, 16), "It was made grey, as the model's pictures are."),
        (4, (3, 16, 16), ""),
    ],
)
def test_other_pictures_are_fitted_and_that_is_said(channels, given, says):
    model = toy(channels=channels)
    found = latents.project(model, torch.rand(1, *given) * 2 - 1, steps=1)
    assert found.target.shape == found.picture.shape == (1, channels, 16, 16)
    assert found.note.replace(" No step came closer than the best seed.", "").replace(
        "No step came closer than the best seed.", ""
    ) == says  # fmt: skip
    if channels == 4:
        assert found.target[:, 3].eq(1).all()


def test_transparency_is_laid_on_white():
    clear = -torch.ones(4, 16, 16)  # black, and fully transparent
    assert latents.project(toy(), clear, steps=1).target.eq(1).all()


def test_sentences():
    model, picture = toy(), torch.zeros(1, 3, 16, 16)
    for arguments, says in (
        ({"space": "z"}, "choose 'w\\+' or 'w'"),
        ({"network": "vgg-light"}, "Did you mean 'vgg-lite'"),
        ({"steps": 0}, "steps must be"),
        ({"seconds": 0}, "seconds must be"),
        ({"label": "cat"}, "knows no classes"),
    ):
        with pytest.raises(ConfigError, match=says):
            latents.project(model, picture, **arguments)
    with pytest.raises(ConfigError, match="dcgan has no W space"):
        latents.project(get_architecture("dcgan").tiny(), picture)
    for bad, says in (
        (torch.zeros(2, 3, 16, 16), "One picture"),
        (torch.zeros(2, 16, 16), "C = 1, 3 or 4"),
        (torch.zeros(3, 0, 16), "C = 1, 3 or 4"),
        (torch.zeros(3, 16, 16, dtype=torch.uint8), "float tensor"),
        (torch.full((3, 16, 16), float("nan")), "NaN"),
        (torch.full((3, 16, 16), 255.0), "not in \\[-1, 1\\]"),
        ("photo.jpg", "float tensor"),
    ):
        with pytest.raises(ImageError, match=says):
            latents.project(model, bad)


def test_the_commands(models_folder: Path, tmp_path: Path) -> None:
    import av

    model = get_architecture("stylegan2").tiny().eval()
    model.save_pretrained(models_folder / "tiny")
    get_architecture("dcgan").tiny().save_pretrained(models_folder / "plain")

    def run(*arguments: str) -> str:
        result = CliRunner().invoke(cli, arguments, catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return result.output

    film = tmp_path / "film.mp4"
    assert "9 frames" in run("walk", "tiny", "--seeds", "1,2", "--frames", "9", "--no-loop", "--out", str(film))
    with av.open(str(film)) as container:
        assert sum(1 for _ in container.decode(video=0)) == 9
    assert "and back" in run("walk", "plain", "--seeds", "1 2", "--frames", "4", "--out", str(tmp_path / "film.gif"))

    photo, out = tmp_path / "photo.png", tmp_path / "found"
    images.save_image(made_by(model), photo)
    said = run("project", str(photo), "--model", "tiny", "--out", str(out), "--steps", "3")
    assert "Perceptual distance (vgg-lite)" in said
    w, noise = latents.load_w(out / "w.safetensors", model)
    shown = images.load_image(out / "projected.png")
    assert (model.from_w(w, noise=noise) - shown).abs().max() < 1 / 127
    assert images.load_image(out / "edits.png").shape == (1, 3, 5 * 132 - 4, 5 * 132 - 4)

    for arguments, says in (
        (("walk", "tiny", "--seeds", "1,x"), "'x' is no seed"),
        (("walk", "tiny", "--out", "film.avi"), "end --out in"),
        (("walk", "plain", "--space", "w"), "use space='z'"),
        (("walk", "tiny", "--frames", "100000000"), "frames must be from 2 to 10000"),
        (
            ("project", str(photo), "--model", "plain", "--out", str(out / "a")),
            "plain is a latent generator, which does not",
        ),
        (
            ("project", str(photo), "--model", "tiny", "--out", str(out / "a"), "--space", "q"),
            "space must be one of w\\+, w, not 'q'",
        ),
    ):
        with pytest.raises((ConfigError, ImageError, HubError), match=says):
            CliRunner().invoke(cli, arguments, catch_exceptions=False)
