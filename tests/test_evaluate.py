"""``ganhub evaluate`` from end to end, on real files and tiny real models."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from typer.testing import CliRunner

from ganhub.cli import cli
from ganhub.data import DataConfig, open_data
from ganhub.errors import GanhubError, MetricError
from ganhub.metrics import Result, compare, evaluate, extractor, kernel_distance
from ganhub.metrics.reading import feature_cache, features_of
from ganhub.models import LatentGenerator, get_architecture

SIZE = 16
COUNT = 240


@pytest.fixture(scope="module")
def pictures(tmp_path_factory) -> Path:
    """Noise of three kinds: the class is its colour. With a test split."""
    random = np.random.default_rng(0)
    arrays = {}
    for split, count in (("train", COUNT), ("test", 60)):
        y = np.arange(count) % 3
        x = random.integers(0, 128, (count, SIZE, SIZE, 3), dtype=np.uint8)
        x[np.arange(count), :, :, y] += 120
        arrays |= {f"{split}_x": x, f"{split}_y": y}
    path = tmp_path_factory.mktemp("evaluate") / "noise.npz"
    np.savez(path, **arrays)
    return path


def opened(pictures: Path, split: str = "train", labelled: bool = False):
    config = DataConfig(path=str(pictures), split=split)
    return open_data(config, height=SIZE, width=SIZE, channels=3, labelled=labelled)


class Copier(LatentGenerator):
    """Returns the pictures that it was given, ``share`` of the time; else noise of its own."""

    def __init__(self, held: Tensor, share: float) -> None:
        super().__init__(get_architecture("dcgan").Config(image_size=SIZE, latent_dim=4))
        self.register_buffer("held", held)
        self.share = share

    def forward(self, z: Tensor, label: Tensor | None = None, noise: Tensor | None = None) -> Tensor:
        which = (z[:, 0].double() * 1e6).long() % len(self.held)
        noise = torch.stack([torch.rand(3, SIZE, SIZE, generator=torch.Generator().manual_seed(int(w))) for w in which])
        copies = (z[:, 1] < torch.distributions.Normal(0, 1).icdf(torch.tensor(self.share))).view(-1, 1, 1, 1)
        return torch.where(copies, self.held[which].flip(3), noise * 2 - 1)


def test_numbers_are_those_of_the_parts(pictures):
    model, real = get_architecture("dcgan").tiny(), opened(pictures)
    found = evaluate(model, real, n=64, network="vgg-lite", data="noise", split="train", seed=5)
    network = extractor("vgg-lite")
    expected = kernel_distance(network(real.batch(0, 64).images), network(model.sample(64, seed=5)))
    kernel, precision, *_ = found.results
    assert (kernel.value, kernel.error) == pytest.approx(expected, rel=1e-6)
    assert kernel.protocol.to_dict() | {"settings": ""} == {
        "metric": "kernel_distance", "extractor": "vgg-lite", "weights": network.weights, "resize": network.resize,
        "settings": "", "data": "noise", "split": "train", "real": 64, "made": 64, "seed": 5,
    }  # fmt: skip
    assert [r.name for r in found.results][:5] == ["kernel_distance", "precision", "recall", "density", "coverage"]
    assert found.memorisation is not None and not found.memorisation.copying and len(found.pairs) == 16
    again = evaluate(model, real, metrics=["kernel"], n=64, network="vgg-lite", data="noise", split="train", seed=6)
    with pytest.raises(MetricError, match=r"protocols differ in seed \(5 and 6\)"):
        compare(kernel, again.results[0])
    assert again.memorisation is None and "memorisation" not in again.to_dict()


@pytest.mark.parametrize("share", [1.0, 0.1])
def test_a_generator_that_copies_is_found_out(pictures, share):
    real = opened(pictures)
    model, held = Copier(real.batch(0, COUNT).images, share), opened(pictures, "test")
    found = evaluate(model, real, metrics=["memorisation"], n=400, network="vgg-lite", held_out=held)
    assert found.memorisation.copies == pytest.approx(share, abs=0.05)
    assert found.memorisation.sentence().startswith("This generator returns training pictures")
    assert not found.memorisation.leave_one_out and found.to_dict()["copying"] is True


def test_classes_are_judged_by_a_linear_classifier(pictures):
    real = opened(pictures, labelled=True)

    class Right(Copier):
        """A conditional model that draws the right class for the first two classes and always class 0 for the third."""

        def __init__(self) -> None:
            super().__init__(real.batch(0, COUNT).images, 0.0)
            self.config = get_architecture("conditional-gan").Config(image_size=SIZE, channels=3, num_classes=3)

        def forward(self, z: Tensor, label: Tensor | None = None, noise: Tensor | None = None) -> Tensor:
            noise = super().forward(z) * 0.5 - 0.5
            drawn = torch.where(label == 2, 0, label)
            noise[torch.arange(len(z)), drawn] += 0.94
            return noise

    found = evaluate(Right(), real, metrics=["classes"], n=240, network="vgg-lite")
    by_name = {result.name: result.value for result in found.results}
    assert by_name["class_accuracy_real"] == 1 and by_name["class_accuracy"] == pytest.approx(2 / 3, abs=0.02)
    assert 0.7 < by_name["class_variety_ratio"] < 1.4
    with pytest.raises(MetricError, match="knows no classes"):
        evaluate(get_architecture("dcgan").tiny(), opened(pictures), metrics=["classes"], n=8)


def test_a_collection_that_open_data_did_not_open_is_a_sentence():
    with pytest.raises(MetricError, match="pass what it returns"):
        evaluate(get_architecture("dcgan").tiny(), [torch.zeros(3, 8, 8)], metrics=["memorisation"], n=8)


def test_features_of_real_pictures_are_kept_by_content(pictures, tmp_path):
    network, seen = extractor("vgg-lite"), []
    images = opened(pictures).batch(0, 40).images
    first = features_of(images, network, tmp_path, lambda *step: seen.append(step))
    assert seen and len(list(tmp_path.iterdir())) == 1
    seen.clear()
    assert torch.equal(features_of(images.clone(), network, tmp_path, lambda *step: seen.append(step)), first)
    assert not seen, "the second time they are read"
    images[3, 0, 0, 0] += 0.5
    assert not torch.equal(features_of(images, network, tmp_path, lambda *step: seen.append(step)), first)
    assert seen and len(list(tmp_path.iterdir())) == 2
    for file in tmp_path.iterdir():
        file.write_bytes(b"cut off")
    assert features_of(images, network, tmp_path, lambda *step: None).isfinite().all()
    blocked = tmp_path / "file"
    blocked.write_text("")
    assert features_of(images, network, blocked, lambda *step: None).isfinite().all(), "no cache is no error"
    assert feature_cache().name == "features"


@pytest.fixture
def saved(models_folder) -> Path:
    return get_architecture("dcgan").tiny().save_pretrained(models_folder / "tiny")


def run(*arguments: object):
    return CliRunner().invoke(cli, ["evaluate", *map(str, arguments)])


def test_the_command_records_what_it_says(saved, pictures):
    result = run("tiny", "--data", pictures, "--n", 64, "--extractor", "vgg-lite", "--held-out", "test", "--record")
    assert result.exit_code == 0, result.output
    said = result.output
    assert "Kernel distance (vgg-lite)" in said and "No sign of copying" in said and "±" in said and "FID" not in said
    assert "64 made against 64 real pictures of noise.npz, split train" in said
    assert str(pictures.parent) not in said, "a path is private"
    metrics = json.loads((saved / "metrics.json").read_text())["evaluation"]
    kernel = Result.from_dict({k: v for k, v in metrics["results"][0].items() if k != "measured"})
    assert kernel.protocol.extractor == "vgg-lite" and kernel.protocol.data == "noise.npz"
    assert metrics["copying"] is False and (saved / "memorisation.png").stat().st_size > 500
    card = (saved / "README.md").read_text()
    assert "Kernel distance (vgg-lite)" in card and kernel.protocol.weights in card


def test_what_training_held_out_is_what_copies_are_told_by(saved, pictures):
    count = len(opened(pictures)) // 4
    options = ["--data", pictures, "--n", 64, "--extractor", "vgg-lite", "--metrics", "memorisation"]
    result = run("tiny", *options, "data.holdout=0.25")
    assert result.exit_code == 0, result.output
    assert f"{count} held-out pictures" in result.output and "holdout 0.25" in result.output
    assert "held-out" not in run("tiny", *options).output


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--metrics", "kernle"], "no metric 'kernle'"),
        (["--metrics", "classes"], "knows no classes"),
        (["--extractor", "vgglite"], "Did you mean 'vgg-lite'"),
        (["--n", "1"], "from 2 to"),
        (["--metrics", "frechet", "--n", "50", "--extractor", "vgg-lite"], "needs at least 401 pictures"),
        (["--split", "validation"], "validation"),
        (["--held-out", "train"], "trained on and held out at once"),
        (["data.colour=red"], "no field 'colour'"),
        (["model.width=3"], "says nothing of the real pictures"),
    ],
)
def test_bad_input_is_a_sentence(saved, pictures, arguments, sentence):
    result = run("tiny", "--data", pictures, *arguments)
    assert isinstance(result.exception, GanhubError) and sentence in str(result.exception), result.exception


def test_a_stylizer_a_missing_file_and_a_model_of_the_hub(saved, pictures, tmp_path):
    for arguments, sentence in (
        (["gatys", "--data", pictures], "is a stylizer, which does not do this"),
        (["tiny", "--data", tmp_path / "nowhere.zip"], "does not exist"),
        (["tiny", "other", "--data", pictures], "Name one model"),
    ):
        result = run(*arguments)
        assert isinstance(result.exception, GanhubError) and sentence in str(result.exception)


def test_a_forced_frechet_distance_says_that_it_is_biased(saved, pictures):
    result = run("tiny", "--data", pictures, "--metrics", "frechet", "--n", 50, "--extractor", "vgg-lite", "--force")
    assert result.exit_code == 0 and "Frechet distance (vgg-lite)" in result.output
    assert "Biased upwards" in result.output


def test_recording_again_keeps_what_was_not_measured_again(saved, pictures):
    arguments = ("tiny", "--data", pictures, "--extractor", "vgg-lite", "--record")
    assert run(*arguments, "--n", 64, "--metrics", "kernel,memorisation").exit_code == 0
    assert run(*arguments, "--n", 80, "--metrics", "kernel,precision").exit_code == 0
    held = json.loads((saved / "metrics.json").read_text())["evaluation"]
    kernel = [result for result in held["results"] if result["name"] == "kernel_distance"]
    assert [k["protocol"]["made"] for k in kernel] == [80]
    names = {result["name"] for result in held["results"]}
    assert {"near_copies", "precision"} <= names and held["copying"] is False
    by_name = {result["name"]: result["protocol"] for result in held["results"]}
    assert by_name["nearest_feature_distance"]["extractor"] == "vgg-lite"
    assert by_name["nearest_feature_distance"]["real"] == 64 and by_name["near_copies"]["real"] == COUNT
    assert "each against all others" in by_name["near_copies"]["settings"]
