"""Files of other people's upscalers: read as what they are, equal to spandrel's own results, never run."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor
from typer.testing import CliRunner

from ganhub.apply.translating import translate
from ganhub.cli import cli
from ganhub.convert import SpandrelUpscaler, open_upscaler
from ganhub.errors import ConfigError, GanhubError, HubError
from ganhub.images import load_image, save_image
from ganhub.models.esrgan import ESRGAN, ESRGANConfig
from ganhub.models.srgan import SRGAN
from ganhub.nn.random import uniform

PARTS = {"first": "conv_first", "trunk": "conv_body", "up.0": "conv_up1", "up.1": "conv_up2", "full": "conv_hr",
         "last": "conv_last"}  # fmt: skip


def photo(height: int, width: int, n: int = 1) -> Tensor:
    return uniform(range(n), 3, height, width) * 2 - 1


def real_esrgan(model: ESRGAN) -> dict[str, Tensor]:
    """The generator's tensors under the names of Real-ESRGAN."""
    named = {}
    for name, tensor in model.generator.state_dict().items():
        layer, kind = name.rsplit(".", 1)
        if layer.startswith("body"):
            block, dense, conv = (int(word) for word in layer.split(".")[1::2])
            layer = f"body.{block}.rdb{dense + 1}.conv{conv + 1}"
        named[f"{PARTS.get(layer, layer)}.{kind}"] = tensor
    return named


def compact(scale: int = 4, channels: int = 3) -> torch.nn.Module:
    """Real-ESRGAN's small network, as spandrel has it, untrained."""
    from spandrel.architectures.Compact import Compact

    torch.manual_seed(0)
    return Compact(num_in_ch=channels, num_out_ch=channels, num_feat=8, num_conv=2, upscale=scale).eval()


@pytest.fixture
def no_spandrel(monkeypatch):
    monkeypatch.setitem(sys.modules, "spandrel", None)  # as Python marks a module that cannot be imported


@pytest.mark.parametrize("scale", [2, 4])
@pytest.mark.parametrize(
    ("name", "wrapped"),
    [
        ("a.pth", lambda own, other: {"params": other, "params_ema": own}),
        ("a.ckpt", lambda own, other: {"state_dict": {f"netG.{k}": x for k, x in own.items()}, "epoch": 3}),
        ("a.pt", lambda own, other: {"checkpoint": {"model": {f"module.{k}": x for k, x in own.items()}}}),
        ("a.SAFETENSORS", lambda own, other: own),
    ],
    ids=["ema", "lightning", "deep", "safetensors"],
)
def test_real_esrgan_s_files_are_read_without_spandrel(tmp_path, no_spandrel, name, wrapped, scale):
    model, other = (ESRGAN(ESRGANConfig(scale=scale, width=8, growth=4, blocks=2)).eval() for _ in range(2))
    stored = wrapped(real_esrgan(model), real_esrgan(other))
    (save_file if name.endswith("SAFETENSORS") else torch.save)(stored, tmp_path / name)
    again = open_upscaler(tmp_path / name)
    assert type(again) is ESRGAN and again.config == model.config and not again.training
    assert torch.equal(again.translate(photo(9, 11)), model.translate(photo(9, 11)))


def test_a_saved_esrgan_s_own_weights_are_read(tmp_path, no_spandrel):
    model = ESRGAN.tiny().eval()
    model.save_pretrained(tmp_path)
    again = open_upscaler(tmp_path / "model.safetensors")
    assert torch.equal(again.translate(photo(8, 8)), model.translate(photo(8, 8)))


def test_a_network_of_spandrel_s_does_as_there(tmp_path):
    network = compact()
    torch.save({"params": network.state_dict()}, tmp_path / "a.pth")
    model, pictures = open_upscaler(tmp_path / "a.pth"), photo(13, 21, n=2)
    assert isinstance(model, SpandrelUpscaler) and model.scale == 4 and model.tiles and not model.training
    with torch.no_grad():
        wanted = network((pictures + 1) / 2).clamp(0, 1) * 2 - 1
    made = model.translate(pictures)
    assert made.std() > 0.3
    torch.testing.assert_close(made, wanted, atol=1e-5, rtol=0)
    large = photo(150, 190)
    torch.testing.assert_close(translate(model, large, tile=128), translate(model, large, tile=0), atol=1e-5, rtol=0)
    with pytest.raises(HubError, match="share the file"):
        model.save_pretrained(tmp_path / "folder")
    assert not (tmp_path / "folder").exists()


def test_sides_that_the_network_cannot_take_are_padded_as_spandrel_pads(tmp_path):
    import spandrel
    from spandrel.architectures.SAFMN import SAFMN

    torch.manual_seed(0)
    tensors = SAFMN(dim=8, n_blocks=1, upscaling_factor=2).state_dict()
    save_file(tensors, tmp_path / "a.safetensors")
    theirs = spandrel.ModelLoader().load_from_state_dict(dict(tensors))
    assert theirs.size_requirements.multiple_of == 8
    made = open_upscaler(tmp_path / "a.safetensors").translate(photo(13, 21))
    assert made.shape == (1, 3, 26, 42)
    torch.testing.assert_close(made, theirs((photo(13, 21) + 1) / 2) * 2 - 1, atol=1e-5, rtol=0)


def test_noise_in_a_network_is_the_same_each_time(tmp_path):
    torch.save(compact().state_dict(), tmp_path / "a.pth")
    model, before = open_upscaler(tmp_path / "a.pth"), torch.get_rng_state()
    model.network.register_forward_hook(lambda module, given, made: made + torch.randn_like(made))
    assert torch.equal(model.translate(photo(8, 8)), model.translate(photo(8, 8)))
    assert torch.equal(torch.get_rng_state(), before), "and nobody else's numbers are drawn"


class Malicious:
    """Leaves a file where it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_file_that_would_run_code_is_not_opened(tmp_path, zipped):
    stored = {"params": compact().state_dict(), "extra": Malicious(tmp_path / "ran")}
    torch.save(stored, tmp_path / "a.pth", _use_new_zipfile_serialization=zipped)
    with pytest.raises(HubError, match=r"more than weights \(\w+\.mkdir\).* not opened: ask for a .safetensors"):
        open_upscaler(tmp_path / "a.pth")
    assert not (tmp_path / "ran").exists()
    torch.load(tmp_path / "a.pth", weights_only=False)
    assert (tmp_path / "ran").exists(), "it would have run"


def written(path: Path, stored: object) -> None:
    if isinstance(stored, bytes):
        path.write_bytes(stored)
    elif path.suffix == ".safetensors":
        save_file(stored, path)
    else:
        torch.save(stored, path)


@pytest.mark.parametrize(
    ("name", "stored", "error", "says"),
    [
        ("a.pth", bytes(range(256)) * 40, HubError, "cannot be read as weights"),
        ("a.ckpt", b"", HubError, "cannot be read as weights"),
        ("a.pt", b"version https://git-lfs.github.com/spec/v1\n", HubError, "cannot be read as weights"),
        ("a.safetensors", b"<!doctype html>" * 9, HubError, "cannot be read as weights"),
        ("a.txt", b"hello", ConfigError, "end in .pth, .pt, .ckpt, .safetensors"),
        ("a.pth", [1, 2], HubError, "holds no weights"),
        ("a.pth", {"params": {"epoch": 3}}, HubError, "holds no weights"),
        ("a.pth", SRGAN.tiny().state_dict(), HubError, "of no network that ganhub or spandrel"),
        ("a.safetensors", {"body.0.weight": torch.zeros(3), "body.1.weight": torch.zeros(2)}, HubError, "no network"),
    ],
)
def test_what_is_no_upscaler_is_refused_in_one_sentence(tmp_path, name, stored, error, says):
    written(tmp_path / name, stored)
    with pytest.raises(error, match=says) as caught:
        open_upscaler(tmp_path / name)
    assert str(caught.value).startswith(name) and "\n" not in str(caught.value)


def test_a_network_for_grey_pictures_is_refused(tmp_path):
    torch.save(compact(channels=1).state_dict(), tmp_path / "a.pth")
    with pytest.raises(ConfigError, match="a.pth has 1 channels in and 1 out; only those for RGB"):
        open_upscaler(tmp_path / "a.pth")


def test_a_missing_file_a_dict_in_itself_and_a_cut_file(tmp_path):
    with pytest.raises(HubError, match="There is no file"):
        open_upscaler(tmp_path / "none.pth")
    endless: dict = {}
    endless["params"] = endless
    torch.save(endless, tmp_path / "a.pth")
    with pytest.raises(HubError, match="holds no weights"):
        open_upscaler(tmp_path / "a.pth")
    torch.save(compact().state_dict(), tmp_path / "a.pth")
    (tmp_path / "a.pth").write_bytes((tmp_path / "a.pth").read_bytes()[:-2000])
    with pytest.raises(HubError, match="fetch it again"):
        open_upscaler(tmp_path / "a.pth")


def test_without_spandrel_the_sentence_names_the_extra(tmp_path):
    torch.save(compact().state_dict(), tmp_path / "a.pth")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "spandrel", None)
        with pytest.raises(ConfigError, match=r'pip install "ganhub\[upscalers\]"'):
            open_upscaler(tmp_path / "a.pth")
    assert open_upscaler(tmp_path / "a.pth").scale == 4


def test_the_command_line_takes_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save_image(photo(9, 11), "photo.png")
    for scale in (1, 4):
        torch.save({"params": compact(scale).state_dict()}, f"x{scale}.pth")

    def run(*arguments: str):
        result = CliRunner().invoke(cli, arguments)
        return result.exit_code, result.output + str(result.exception or "")

    assert run("upscale", "photo.png", "--model", "x4.pth", "--out", "large.png")[0] == 0
    wanted = open_upscaler("x4.pth").translate(load_image("photo.png"))
    assert (load_image("large.png") - wanted).abs().max() < 0.01
    assert run("translate", "photo.png", "--model", "x1.pth", "--out", "clean.png")[0] == 0
    assert load_image("clean.png").shape == (1, 3, 9, 11)
    for arguments, says in {
        ("upscale", "photo.png", "--model", "x1.pth", "--out", "no.png"): "as large as they are",
        ("inpaint", "photo.png", "--mask", "photo.png", "--model", "x4.pth", "--out", "no.png"): "There is no model",
    }.items():
        code, text = run(*arguments)
        assert code == 1 and says in text, text
    assert not Path("no.png").exists()
    for command in ("upscale", "translate"):
        assert ".safetensors" in run(command, "--help")[1]


@pytest.mark.skipif("GANHUB_SHARED" not in os.environ, reason="GANHUB_SHARED is not set")
def test_real_files():
    folder = Path(os.environ["GANHUB_SHARED"]) / "weights/imports"
    model = open_upscaler(folder / "realesrgan-x4plus-anime.pth")
    assert type(model) is ESRGAN and (model.scale, model.config.blocks) == (4, 6)
    with pytest.raises(GanhubError, match="of no network that ganhub or spandrel"):  # another of SRGAN's networks
        open_upscaler(folder / "srgan-x4-generator.pth")
