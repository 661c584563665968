"""Other people's files of weights: taken out of what trainings wrap them in; none costs more than its bytes."""

from __future__ import annotations

import io
import pickle
import random
import warnings
import zipfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from ganhub.convert import open_upscaler
from ganhub.convert.weights import read_weights
from ganhub.errors import GanhubError, HubError
from ganhub.models.esrgan import ESRGAN
from ganhub.nn.random import uniform

PHOTO = uniform([1], 3, 8, 8) * 2 - 1


@pytest.fixture(scope="module")
def own() -> ESRGAN:
    return ESRGAN.tiny().eval()


def behind(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {f"{prefix}{name}": tensor for name, tensor in tensors.items()}


OTHER = {"conv0.weight": torch.zeros(3), "conv0.bias": torch.zeros(3)}
WRAPPED = {
    "compiled": lambda own: behind("_orig_mod.", own),
    "parallel and compiled": lambda own: behind("_orig_mod.module.", own),
    "average": lambda own: {**behind("module.", own), "n_averaged": torch.tensor(7)},
    "average in a checkpoint": lambda own: {"ema": {"module": behind("_orig_mod.", own)}, "step": 9},
    "system of two": lambda own: {"state_dict": {**behind("net_g.", own), **behind("net_d.", OTHER)}, "epoch": 1},
    "system with an average": lambda own: {
        "state_dict": {**behind("generator.", behind("x.", OTHER)), **behind("g_ema._orig_mod.", own)}
    },
    "three side by side": lambda own: {"d": OTHER, "g": behind("x.", OTHER), "g_ema": own, "args": {"size": 8}},
    "names of the class": lambda own: {"model_state_dict": behind("model.", own)},
    "deep": lambda own: {"checkpoint": {"generator": {"state_dict": behind("module.net_g.", own)}}},
}


@pytest.mark.parametrize("kind", WRAPPED)
def test_usual_wrappers_and_prefixes(own, tmp_path, kind):
    torch.save(WRAPPED[kind](own.generator.state_dict()), tmp_path / "a.pth")
    again = open_upscaler(tmp_path / "a.pth")
    assert type(again) is ESRGAN and torch.equal(again.translate(PHOTO), own.translate(PHOTO))


def test_prefixes_in_safetensors_and_what_torch_itself_writes(own, tmp_path):
    """AveragedModel is asked for its own state dict, so that its names are those of the installed torch."""
    averaged = AveragedModel(own.generator)
    save_file(behind("_orig_mod.", own.generator.state_dict()), tmp_path / "a.safetensors")
    torch.save({"optimizer": {}, "ema_model": averaged.state_dict()}, tmp_path / "b.pt")
    for name in ("a.safetensors", "b.pt"):
        assert torch.equal(open_upscaler(tmp_path / name).translate(PHOTO), own.translate(PHOTO)), name


def test_names_that_only_look_like_prefixes_stay(tmp_path):
    """The first ESRGAN counts its layers behind "model."; a network may call one of its parts "net"."""
    for stored in ({"model.0.weight": torch.ones(2)}, {"net.weight": torch.ones(2), "head.weight": torch.ones(2)}):
        torch.save(stored, tmp_path / "a.pth")
        assert read_weights(tmp_path / "a.pth").keys() == stored.keys()


ODD = {
    "stride 0": lambda x: torch.zeros(1, dtype=x.dtype).expand(x.shape),
    "stride 0 in one side": lambda x: x[:1].clone().expand(x.shape),
    "sparse": lambda x: x.to_sparse(),
    "meta": lambda x: x.to("meta"),
    "quantised": lambda x: torch.quantize_per_tensor(x, 0.1, 0, torch.qint8),
}


@pytest.mark.filterwarnings("ignore")  # of torch, about old kinds of tensors
@pytest.mark.parametrize("kind", ODD)
def test_tensors_that_claim_more_than_is_stored(own, tmp_path, kind):
    state = own.generator.state_dict()
    state["first.weight"] = ODD[kind](state["first.weight"])
    torch.save(state, tmp_path / "a.pth")
    with pytest.raises(HubError, match="a.pth stores weights in an unusual way: ask for plain"):
        open_upscaler(tmp_path / "a.pth")


def test_slices_of_one_storage_are_plain_weights(own, tmp_path):
    """Some trainings keep all weights in one long tensor: each is stored, none is refused."""
    state = own.generator.state_dict()
    flat = torch.cat([tensor.flatten() for tensor in state.values()])
    parts = flat.split([tensor.numel() for tensor in state.values()])
    torch.save({n: p.view_as(t) for (n, t), p in zip(state.items(), parts, strict=True)}, tmp_path / "a.pth")
    assert torch.equal(open_upscaler(tmp_path / "a.pth").translate(PHOTO), own.translate(PHOTO))


def repacked(source: Path, target: Path) -> None:
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as new:
        for member in old.infolist():
            new.writestr(member.filename, old.read(member))


class Buffer:
    """What unpickles as a buffer of a gigabyte, for some forty bytes."""

    def __reduce__(self):
        return bytearray, (2**30,)


def test_files_that_unpack_to_more_than_they_are(tmp_path):
    torch.save({"params": {"a": torch.zeros(300_000)}}, tmp_path / "whole.pth")
    repacked(tmp_path / "whole.pth", tmp_path / "packed.pth")
    with pytest.raises(HubError, match="packed.pth is larger unpacked than it is"):
        open_upscaler(tmp_path / "packed.pth")
    for zipped in (True, False):
        torch.save({"a": Buffer()}, tmp_path / "b.pth", _use_new_zipfile_serialization=zipped)
        with pytest.raises(HubError, match="b.pth holds more than weights"):
            open_upscaler(tmp_path / "b.pth")


@pytest.mark.filterwarnings("ignore")  # of torch, about how SwinIR calls it
def test_a_network_is_no_larger_than_its_weights(tmp_path, monkeypatch):
    """Names that spandrel takes for SwinIR's, and one vector that says how wide it is: gigabytes otherwise."""
    from spandrel.architectures.SwinIR import SwinIR

    sizes = {"img_size": 8, "embed_dim": 6, "depths": (1,), "num_heads": (1,), "window_size": 4}
    state = SwinIR(**sizes, upscale=2, upsampler="nearest+conv").state_dict()
    torch.save(state, tmp_path / "a.pth")
    assert open_upscaler(tmp_path / "a.pth").scale == 2
    wide, built, before = 30_000, [], nn.Linear.reset_parameters
    monkeypatch.setattr(nn.Linear, "reset_parameters", lambda own: (built.append(own.weight.numel()), before(own)))
    state["conv_first.weight"], state["conv_first.bias"] = torch.zeros(wide, 3, 3, 3), torch.zeros(wide)
    torch.save(state, tmp_path / "a.pth")
    with pytest.raises(HubError, match="no network that ganhub or spandrel"):
        open_upscaler(tmp_path / "a.pth")
    assert max(built, default=0) < wide * wide, "no such layer was ever there"


def test_a_number_in_a_name_does_not_build_a_hundred_thousand_layers(tmp_path, monkeypatch):
    """Compact counts its layers by the largest number in their names."""
    from spandrel.architectures.Compact import Compact

    state = Compact(num_in_ch=3, num_out_ch=3, num_feat=4, num_conv=2, upscale=2).state_dict()
    last = max(state, key=lambda name: int(name.split(".")[1]))
    state[last.replace(last.split(".")[1], "200000")] = state[last]
    torch.save(state, tmp_path / "a.pth")
    built, before = [], nn.Conv2d.reset_parameters
    monkeypatch.setattr(nn.Conv2d, "reset_parameters", lambda own: (built.append(own), before(own)))
    with pytest.raises(HubError, match="no network that ganhub or spandrel"):
        open_upscaler(tmp_path / "a.pth")
    assert len(built) < 5000


@pytest.mark.filterwarnings("ignore")
def test_any_damage_is_one_of_our_own_errors(own, tmp_path):
    """Bytes flipped, cut off and exchanged at places that a seed draws."""
    draw = random.Random(5)
    files = {}
    for name, options in (("a.pth", {}), ("b.pth", {"_use_new_zipfile_serialization": False}), ("c.safetensors", None)):
        path = tmp_path / name
        state = {"params": own.generator.state_dict()}
        torch.save(state, path, **options) if options is not None else save_file(state["params"], path)
        files[name] = path.read_bytes()
    for round_ in range(120):
        name = draw.choice(list(files))
        (tmp_path / name).write_bytes(damaged(files[name], draw))
        try:
            open_upscaler(tmp_path / name)
        except GanhubError as error:
            assert "\n" not in str(error), round_


def damaged(data: bytes, draw: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(draw.randint(1, 8)):
        changed[draw.randrange(min(len(changed), 6000) if draw.random() < 0.7 else len(changed))] = draw.randrange(256)
    return bytes(changed[: draw.randrange(len(changed))]) if draw.random() < 0.2 else bytes(changed)


@pytest.mark.parametrize(
    "name", ["body.x.dense.0.convs.0.weight", "body.99999999999.dense.0.convs.0.weight", "body", "", "first.weight.é"]
)
def test_odd_names(own, tmp_path, name):
    torch.save({**own.generator.state_dict(), name: torch.zeros(1)}, tmp_path / "a.pth")
    with pytest.raises(HubError, match="of no network"):
        open_upscaler(tmp_path / "a.pth")


def test_scalars_and_a_pickle_of_something_else(own, tmp_path):
    torch.save({name: torch.tensor(1.0) for name in own.generator.state_dict()}, tmp_path / "a.pth")
    with pytest.raises(HubError, match="of no network"):
        open_upscaler(tmp_path / "a.pth")
    file = io.BytesIO()
    pickle.dump({"a": 1}, file)
    (tmp_path / "b.pth").write_bytes(file.getvalue())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(HubError, match="b.pth"):
            open_upscaler(tmp_path / "b.pth")
