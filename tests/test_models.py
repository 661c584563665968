"""The contract that every registered architecture keeps. A new model file is tested by being there."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from ganhub import AutoModel, list_architectures
from ganhub.errors import ConfigError, HubError, ImageError
from ganhub.models import Inpainter, LatentGenerator, Stylizer, Translator, get_architecture
from ganhub.models._base import MAX_PARAMETERS
from ganhub.nn.random import uniform

ALL = [get_architecture(name) for name in list_architectures()]
VERBS = (LatentGenerator, Stylizer, Translator, Inpainter)


def each(verb):
    """A row for every registered architecture of a verb."""
    rows = [cls for cls in ALL if issubclass(cls, verb)]
    return pytest.mark.parametrize("cls", rows, ids=lambda cls: cls.architecture)


every, every_latent, every_stylizer, every_translator, every_inpainter = map(each, (object, *VERBS))


def photos(n, height, width, stream=1):
    """Pictures [n, 3, height, width] in [-1, 1], smooth enough to be no noise."""
    small = uniform(range(n), 3, 6, 6, stream=stream) * 1.6 - 0.8
    return torch.nn.functional.interpolate(small, (height, width), mode="bilinear")


def test_every_model_file_registers_its_family():
    files = {path.stem for path in (Path(__file__).parents[1] / "ganhub" / "models").glob("[!_]*.py")}
    assert {cls.__module__.rpartition(".")[2] for cls in ALL if cls.__module__.startswith("ganhub.models.")} == files


@every
def test_it_has_one_verb(cls):
    assert sum(issubclass(cls, verb) for verb in VERBS) == 1


@every
def test_round_trip_is_exact_and_comes_back_in_eval(cls, tmp_path):
    model = cls.tiny()
    model.save_pretrained(tmp_path / "m")
    again = AutoModel.from_pretrained(tmp_path / "m")
    assert type(again) is cls and again.config == model.config and not again.training
    assert again.state_dict().keys() == model.state_dict().keys()
    assert all(torch.equal(a, b) for a, b in zip(again.state_dict().values(), model.state_dict().values(), strict=True))
    assert {"config.json", "model.safetensors", "README.md"} <= {p.name for p in (tmp_path / "m").iterdir()}


@every
def test_config_round_trip_and_unknown_keys(cls):
    config = cls.tiny().config
    assert type(config).from_dict(json.loads(json.dumps(config.to_dict()))) == config
    field = next(iter(config.to_dict()))
    with pytest.raises(ConfigError, match=f"Did you mean '{field}'"):
        type(config).from_dict({**config.to_dict(), field + "s": 1})


@every
def test_docstring_and_paper_name_the_source(cls):
    assert "arXiv" in cls.paper and cls.__doc__


@every_latent
def test_pictures_have_the_config_s_shape_and_range(cls):
    model = cls.tiny().eval()
    c = model.config
    pictures = model.sample(3, seed=5)
    assert pictures.shape == (3, c.channels, c.image_size, c.image_size) and pictures.dtype == torch.float32
    assert pictures.abs().max() <= 1 and pictures.std() > 0
    assert model.sample(0).shape == (0, c.channels, c.image_size, c.image_size)


@every_latent
def test_a_seed_means_one_picture(cls):
    model = cls.tiny().eval()
    whole = model.sample(6, seed=3)
    alone = torch.cat([model.sample(1, seed=3 + i) for i in range(6)])
    assert (whole - alone).abs().max() <= 2 / 255
    assert torch.equal(model.latent(range(3, 9)), torch.cat([model.latent([3 + i]) for i in range(6)]))
    assert torch.equal(whole, model.sample(6, seed=3))
    assert not torch.equal(whole[0], whole[1])


@every_latent
def test_truncation_narrows_and_has_bounds(cls):
    model = cls.tiny().eval()
    label = 0 if model.config.num_classes else None
    spread = [model.sample(8, seed=0, truncation=t, label=label).std(0).mean() for t in (0.0, 0.5, 1.0)]
    assert spread[0] < 1e-6 < spread[1] < spread[2]
    with pytest.raises(ConfigError, match="from 0 to 1.5"):
        model.sample(1, truncation=2.0)


@every_latent
def test_labels_by_index_and_by_name(cls):
    model = cls.tiny().eval()
    if not model.config.num_classes:
        with pytest.raises(ConfigError, match="knows no classes"):
            model.sample(1, label=0)
        return
    names = model.config.class_names
    for index, name in enumerate(names):
        assert torch.equal(model.sample(2, label=index), model.sample(2, label=name))
    assert not torch.equal(model.sample(2, label=0), model.sample(2, label=1))
    assert torch.equal(model.sample(3, seed=1), model.sample(3, seed=1, label=[(1 + i) % len(names) for i in range(3)]))
    for wrong in (-1, len(names), names[0] + "x", 10**9):
        with pytest.raises(ConfigError, match="no class"):
            model.sample(1, label=wrong)
    with pytest.raises(ConfigError, match="A label must be a whole number"):
        model.sample(1, label=1.5)
    assert torch.equal(model.sample(1, label=True), model.sample(1, label=1)), "True is 1, as everywhere in Python"
    with pytest.raises(ConfigError, match="2 labels were given for 3"):
        model.sample(3, label=[0, 1])


@every_latent
def test_adversary_scores_each_picture_and_both_players_learn(cls):
    model = cls.tiny().train()
    adversary = model.adversary()
    label = model.labels(4)
    fake = model(model.latent(range(4)), label)
    scores = adversary(fake, label)
    assert scores.shape == (4,)
    scores.sum().backward()
    for network in (model, adversary):
        dead = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
        # a bias in front of batch norm is subtracted again, so its gradient is zero by construction
        assert all(name.endswith("bias") for name in dead), dead


@every_stylizer
def test_a_stylizer_paints_each_picture_in_its_size_and_range(cls):
    model = cls.tiny().eval()
    content = photos(2, 40, 56)
    style = model.style_names[0] if not model.reads_pictures else photos(1, 36, 48, stream=2)
    calls = []
    painted = model.stylize(content, style, seed=3, on_step=lambda step, steps, look: calls.append((step, steps)))
    assert painted.shape == content.shape and painted.dtype == content.dtype
    assert painted.abs().max() <= 1 and not torch.equal(painted, content)
    assert calls[-1] == (model.steps, model.steps)
    assert torch.equal(painted, model.stylize(content, style, seed=3))
    assert torch.equal(model.stylize(content, style, strength=0), content)
    for name in model.style_names:
        assert model.stylize(content, name).shape == content.shape


@every_stylizer
def test_a_stylizer_refuses_what_it_cannot_paint(cls):
    model = cls.tiny().eval()
    style = model.style_names[0] if not model.reads_pictures else photos(1, 36, 48, stream=2)
    for wrong in (photos(1, 8, 40), photos(1, 40, 40)[:, :1], photos(1, 40, 40)[0]):
        with pytest.raises(ImageError):
            model.stylize(wrong, style)
    for options in ({"strength": 1.5}, {"strength": float("nan")}, {"scale": 9}):
        with pytest.raises(ConfigError, match="must be from"):
            model.stylize(photos(1, 40, 40), style, **options)
    with pytest.raises(ConfigError):
        model.stylize(photos(1, 40, 40), "no-such-style")


@every_translator
def test_a_translator_gives_each_picture_scale_times_as_large(cls):
    model = cls.tiny().eval()
    picture = photos(2, 33, 47)  # no multiple of anything
    made = model.translate(picture)
    assert made.shape == (2, 3, 33 * model.scale, 47 * model.scale) and made.dtype == picture.dtype
    assert made.abs().max() <= 1 and made.std() > 0
    alone = torch.cat([model.translate(one[None]) for one in picture])
    assert (made - alone).abs().max() <= 2 / 255
    assert torch.equal(made, model.translate(picture)) and not made.requires_grad


@every_translator
def test_a_translator_refuses_other_shapes(cls):
    model = cls.tiny().eval()
    for wrong in (photos(1, 16, 16)[:, :1], photos(1, 16, 16)[0], photos(1, 16, 16)[..., :0], "photo.png"):
        with pytest.raises(ImageError, match="A picture to translate is RGB"):
            model.translate(wrong)


@every_inpainter
def test_an_inpainter_changes_the_hole_and_nothing_else(cls):
    model = cls.tiny().eval()
    picture, mask = photos(2, 45, 61), torch.full((1, 1, 45, 61), -1.0)
    mask[..., 10:20, 12:30] = 1
    hole = (mask > 0).expand_as(picture)
    filled = model.inpaint(picture, mask)
    assert torch.equal(filled[~hole], picture[~hole]) and filled.abs().max() <= 1
    assert torch.equal(filled, model.inpaint(torch.where(hole, -picture, picture), mask)), "it looked under the mask"
    alone = torch.cat([model.inpaint(one[None], mask) for one in picture])
    assert (filled - alone).abs().max() <= 2 / 255


@every_inpainter
def test_an_inpainter_refuses_masks_that_say_nothing(cls):
    model, picture = cls.tiny().eval(), photos(1, 32, 32)
    for value, says in ((-1.0, "covers nothing"), (1.0, "covers the whole")):
        with pytest.raises(ImageError, match=says):
            model.inpaint(picture, torch.full((1, 1, 32, 32), value))
    with pytest.raises(ImageError, match="of the picture's size"):
        model.inpaint(picture, torch.zeros(1, 1, 31, 32))


@every_latent
def test_half_precision_files_come_back_as_float32(cls, tmp_path):
    model = cls.tiny()
    model.save_pretrained(tmp_path / "m", dtype=torch.float16)
    model.save_pretrained(tmp_path / "m", dtype=torch.float16, variant="fp16")
    stored = load_file(tmp_path / "m" / "model.safetensors")
    assert {t.dtype for t in stored.values() if t.is_floating_point()} == {torch.float16}
    assert AutoModel.from_pretrained(tmp_path / "m").dtype == torch.float32
    assert AutoModel.from_pretrained(tmp_path / "m", variant="fp16").dtype == torch.float32
    assert AutoModel.from_pretrained(tmp_path / "m", dtype=torch.bfloat16).dtype == torch.bfloat16
    assert AutoModel.from_pretrained(tmp_path / "m", device="auto").sample(1).isfinite().all()


@every_latent
def test_strict_loading(cls, tmp_path):
    model = cls.tiny()
    model.save_pretrained(tmp_path / "m")
    path = tmp_path / "m" / "model.safetensors"
    tensors = load_file(path)
    key = next(iter(tensors))
    save_file({k: v for k, v in tensors.items() if k != key}, path)
    with pytest.raises(HubError, match=f"1 missing \\({key}\\)"):
        AutoModel.from_pretrained(tmp_path / "m")
    save_file({**tensors, "stranger": torch.zeros(1)}, path)
    with pytest.raises(HubError, match="1 unexpected \\(stranger\\)"):
        AutoModel.from_pretrained(tmp_path / "m")
    save_file({**tensors, key: torch.zeros(1)}, path)
    with pytest.raises(HubError, match=f"{key} is \\[1\\] in the file"):
        AutoModel.from_pretrained(tmp_path / "m")


def edit_config(folder, **changes):
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_config_of_another_version_or_kind(tmp_path):
    folder = tmp_path / "m"
    get_architecture("dcgan").tiny().save_pretrained(folder)
    edit_config(folder, widht=3)
    with pytest.raises(HubError, match="Did you mean 'width'"):
        AutoModel.from_pretrained(folder)
    edit_config(folder, ganhub_version="99.1.0")
    with pytest.raises(HubError, match="saved by ganhub 99.1.0.*upgrade"):
        AutoModel.from_pretrained(folder)
    get_architecture("dcgan").tiny().save_pretrained(tmp_path / "n")
    with pytest.raises(HubError, match="not a ConditionalGAN"):
        get_architecture("conditional-gan").from_pretrained(tmp_path / "n")
    edit_config(tmp_path / "n", architecture="dcgam")
    with pytest.raises(HubError, match="Did you mean 'dcgan'"):
        AutoModel.from_pretrained(tmp_path / "n")


def test_a_config_that_asks_for_a_terabyte_is_refused_unallocated(tmp_path):
    mlp = get_architecture("mlp-gan")
    folder = tmp_path / "m"
    mlp.tiny().save_pretrained(folder)
    edit_config(folder, image_size=4096, hidden_dim=65_536)
    with pytest.raises(ConfigError, match=f"at most {MAX_PARAMETERS:,} are built"):
        AutoModel.from_pretrained(folder)
    with pytest.raises(ConfigError, match="parameters"):
        AutoModel.from_config({"architecture": "mlp-gan", "image_size": 4096, "hidden_dim": 65_536})
    edit_config(folder, hidden_dim=10**30)
    with pytest.raises(HubError, match="hidden_dim must be"):
        AutoModel.from_pretrained(folder)


@pytest.mark.parametrize("size", [7, 9, 33, 100])
def test_sizes_that_do_not_halve_name_the_nearest_that_do(size):
    with pytest.raises(ConfigError, match="take \\d+ or \\d+"):
        AutoModel.from_config({"architecture": "dcgan", "image_size": size})


@pytest.mark.parametrize("size", [8, 10, 12, 14, 28, 32, 40, 48, 56, 64, 96])
def test_the_convolution_stacks_take_any_size_that_halves(size):
    model = AutoModel.from_config({"architecture": "conditional-gan", "image_size": size, "width": 4, "max_width": 4,
                                   "discriminator_width": 4, "channels": 4, "num_classes": 2})  # fmt: skip
    picture = model.eval().sample(1)
    assert picture.shape == (1, 4, size, size)
    assert model.adversary()(picture, torch.tensor([1])).shape == (1,)


def test_a_second_model_of_one_name_is_an_error_at_definition():
    dcgan = get_architecture("dcgan")
    with pytest.raises(TypeError, match="exists already"):

        class Copy(dcgan, architecture="dcgan"):
            pass

    with pytest.raises(TypeError, match="needs paper"):

        class NoPaper(LatentGenerator, architecture="no-paper"):
            Config = dcgan.Config

            @classmethod
            def tiny(cls):
                return cls()


def test_loading_draws_nothing_and_leaves_the_compiler_alone(tmp_path):
    """Weights come from the file: no random numbers are drawn, and torch's compiler, seconds of imports, stays out."""
    script = (
        "import sys, torch; from ganhub.models import AutoModel, get_architecture, list_architectures\n"
        "for name in list_architectures():\n"
        "    get_architecture(name).tiny().save_pretrained(sys.argv[1] + '/' + name)\n"
        "    state = torch.get_rng_state(); AutoModel.from_pretrained(sys.argv[1] + '/' + name)\n"
        "    assert torch.equal(state, torch.get_rng_state()), name\n"
        "    assert 'torch._dynamo' not in sys.modules, name\n"
    )
    result = subprocess.run([sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
