"""Foreign files, broken in every way that a random number finds: each must load, or be refused in one sentence.

A kind makes cases from real files by changing values or bytes. ``run`` feeds them to ganhub and counts what came out: a
:class:`~ganhub.errors.GanhubError` is an answer, any other error is a raw one. The suite runs a few hundred cases of
each kind (``test_fuzzing.py``), ``benchmarks/fuzz.py`` as many as the time allows.
"""

from __future__ import annotations

import copy
import io
import json
import os
import pickle
import random
import struct
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from ganhub.convert import open_upscaler
from ganhub.data import DataConfig, open_data
from ganhub.errors import GanhubError
from ganhub.hub.folder import read_tensors
from ganhub.images import load_image
from ganhub.models import AutoModel, Model, get_architecture, list_architectures
from ganhub.models.esrgan import ESRGAN

# What may stand anywhere in a JSON file.
ODD = [
    None, True, False, 0, 1, -1, 3, 7, 2**31, 2**63, -(2**63), 10**30, 10**400, 0.5, -0.0, 1e-300, 1e300, float("inf"),
    float("nan"), "", "x", "0", "é", "\u0000", "\u202e", "\ud800", "\U0001f600", "x" * 5000, "../..", "/etc/passwd",
    "~nobody/x", [], {}, [[]], [0], [-1], [1.5], ["a"], ["a", "a"], [None], [1] * 300, [1] * 20_000, {"a": 1}, {"": []},
    [[[[[[1]]]]]], [2**40] * 3, ["a", 1], "\u00b2", "9" * 5000, 64, 100_000, [3, 4, 5], [1e308, 1e308],
]  # fmt: skip


@dataclass
class Count:
    """What came of the cases of one kind.

    Attributes:
        cases, loaded, refused: How many.
        raw: Raw error, in a few words -> how often.
        slowest: Seconds of the slowest case.
        canary: Whether code of a file ran.
    """

    cases: int = 0
    loaded: int = 0
    refused: int = 0
    raw: Counter[str] = field(default_factory=Counter)
    slowest: float = 0.0
    canary: bool = False


def run(
    kind: str, folder: Path, prepare: Callable[[Path, Path], Case], *, seed: int = 0, cases: int = 10**9,
    seconds: float = 1e9,
) -> Count:  # fmt: skip
    """Try cases of a kind until there are ``cases``, or ``seconds`` are over. ``folder`` is for files."""
    count, end, canary = Count(), time.monotonic() + seconds, folder / "canary"
    folder.mkdir(parents=True, exist_ok=True)
    case = prepare(folder, canary)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of libraries, about files that are broken on purpose
        while count.cases < cases and time.monotonic() < end:
            rng = random.Random(f"{kind} {seed} {count.cases}")
            start = time.monotonic()
            try:
                case(rng)
                count.loaded += 1
            except GanhubError as error:
                text = str(error)
                count.refused += 1
                if "\n" in text.strip() or len(text) > 1000:
                    count.raw[f"no sentence: {text[:80]!r}"] += 1
            except Exception as error:
                place = traceback.extract_tb(error.__traceback__)
                ours = [frame for frame in place if "ganhub" in frame.filename and "fuzzing" not in frame.filename]
                at = f"{Path(ours[-1].filename).name}:{ours[-1].name}" if ours else "?"
                count.raw[f"{type(error).__name__} in {at}: {str(error)[:80]}"] += 1
            count.cases += 1
            count.slowest = max(count.slowest, time.monotonic() - start)
    count.canary = canary.exists()
    return count


def odd(rng: random.Random) -> Any:
    """One of ``ODD``, to be kept and changed."""
    return copy.deepcopy(rng.choice(ODD))


# --- How things break -------------------------------------------------------------------


def broken_bytes(rng: random.Random, data: bytes, other: bytes = b"") -> bytes:
    """``data`` with one to four random changes."""
    out = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        at, length = rng.randrange(len(out) + 1), rng.choice((1, 2, 4, 8, 64))
        match rng.randrange(7):
            case 0:
                out[at : at + 1] = bytes([rng.randrange(256)])
            case 1:
                del out[at : at + length]
            case 2:
                out[at:at] = rng.randbytes(length)
            case 3:
                del out[at:]
            case 4:
                out[at : at + 4] = rng.choice((b"\xff" * 4, b"\0" * 4, b"\xff\xff\xff\x7f", b"\x80\0\0\0"))
            case 5:
                out[at:at] = out[at : at + length] * rng.randint(1, 20)
            case 6 if other:
                there = rng.randrange(len(other))
                out[at : at + length] = other[there : there + length]
    return bytes(out)


def broken_values(rng: random.Random, data: dict[str, Any]) -> dict[str, Any]:
    """A JSON object with one to three odd changes."""
    data = json.loads(json.dumps(data))
    for _ in range(rng.randint(1, 3)):
        key = rng.choice([*data, "zz"])
        match rng.randrange(6):
            case 0:
                data.pop(key, None)
            case 1 if isinstance(data.get(key), list) and data[key]:
                data[key][rng.randrange(len(data[key]))] = odd(rng)
            case 2 if isinstance(data.get(key), int):
                data[key] = rng.choice((data[key] * 2, data[key] + 1, -data[key], data[key] * 10**6, 0, 10**9))
            case 3 if isinstance(data.get(key), list) and len(data[key]) < 500:
                data[key] = data[key] * rng.choice((0, 2, 50, 3000))
            case _:
                data[key] = odd(rng)
    return data


def as_json(data: Any) -> bytes:
    """JSON as a careless writer stores it: with NaN and half characters."""
    return json.dumps(data, ensure_ascii=True).encode()


# --- The kinds --------------------------------------------------------------------------

Case = Callable[[random.Random], object]


def _saved(folder: Path, name: str, model: Model | None = None) -> Path:
    return (model or get_architecture(name).tiny()).save_pretrained(folder / name)


def configs(folder: Path, canary: Path) -> Case:
    """config.json of every architecture, beside its own weights."""
    saved = [_saved(folder, name) for name in list_architectures()]
    fields = {path: json.loads((path / "config.json").read_bytes()) for path in saved}

    def case(rng: random.Random) -> None:
        path = rng.choice(saved)
        text = as_json(broken_values(rng, fields[path]))
        if rng.random() < 0.1:
            text = broken_bytes(rng, text)
        (path / "config.json").write_bytes(text)
        Model.from_folder(path)

    return case


def safetensors(folder: Path, canary: Path) -> Case:
    """Weight files: their header as JSON, and their bytes."""
    path = folder / "m"
    stored = {"a": torch.ones(2, 3), "b": torch.zeros(4, dtype=torch.float16), "c": torch.ones(0)}
    from ganhub.hub.folder import write_folder

    write_folder(path, {}, stored)
    data = (path / "model.safetensors").read_bytes()
    length = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8 : 8 + length])

    def case(rng: random.Random) -> None:
        if rng.random() < 0.5:
            new = broken_values(rng, header)
            for entry in new.values():
                if isinstance(entry, dict) and rng.random() < 0.5:
                    entry[rng.choice(("dtype", "shape", "data_offsets", "x"))] = odd(rng)
            text = as_json(new)
            made = struct.pack("<Q", len(text)) + text + data[8 + length :]
        else:
            made = broken_bytes(rng, data)
        (path / "model.safetensors").write_bytes(made)
        read_tensors(path)

    return case


def folders(folder: Path, canary: Path) -> Case:
    """A whole model folder: several of its files at once, read and written over."""
    model = get_architecture("dcgan").tiny()
    path = _saved(folder, "dcgan", model)
    (path / "metrics.json").write_text('{"training": {"recipe": "x", "seed": 1}, "a": {"b": 1.5, "protocol": "p"}}')
    index = path / "model.safetensors.index.json"
    shard = "model-00001-of-00001.safetensors"
    whole = {entry.name: entry.read_bytes() for entry in path.iterdir()}
    whole[shard] = whole["model.safetensors"]
    whole[index.name] = as_json({"weight_map": {"w": shard}})

    def case(rng: random.Random) -> None:
        for name, data in whole.items():
            (path / name).write_bytes(data)
        if rng.random() < 0.3:
            (path / "model.safetensors").unlink()
        for name in rng.sample(sorted(whole), rng.randint(1, 3)):
            json_like = name.endswith(".json") and rng.random() < 0.7
            data = as_json(broken_values(rng, json.loads(whole[name]))) if json_like else broken_bytes(rng, whole[name])
            (path / name).write_bytes(data)
        with suppress(GanhubError):
            AutoModel.from_pretrained(path)
        model.save_pretrained(path)

    return case


class _Payload:
    """Unpickled, it leaves a file behind: the canary."""

    def __init__(self, path: Path, how: int) -> None:
        self.path, self.how = str(path), how

    def __reduce__(self) -> tuple[Any, ...]:
        return [(open, (self.path, "w")), (os.mkdir, (self.path,)), (os.system, (f"touch {self.path}",))][self.how]


def pickles(folder: Path, canary: Path) -> Case:
    """Files of weights in torch's two pickle formats, some of which carry code."""
    good = ESRGAN.tiny().state_dict()
    small = {"conv_first.weight": torch.ones(4, 3, 3, 3), "x": torch.zeros(2)}
    contents: list[Any] = [good, small, {"params_ema": small}, {"state_dict": {"generator.a": torch.ones(1)}}]
    contents += [{"w": torch.ones(2), "code": _Payload(canary, how)} for how in range(3)]
    seeds = []
    for content in contents:
        for zipped in (True, False):
            file = io.BytesIO()
            torch.save(content, file, _use_new_zipfile_serialization=zipped)
            seeds.append(file.getvalue())
        with suppress(Exception):  # tensors of torch do not go through a plain pickle of protocol 0
            seeds.append(pickle.dumps(content, protocol=0))
    path = folder / "w.pth"

    def case(rng: random.Random) -> None:
        data = rng.choice(seeds)
        path.write_bytes(data if rng.random() < 0.05 else broken_bytes(rng, data, rng.choice(seeds)))
        open_upscaler(path)

    return case


def pictures(folder: Path, canary: Path) -> Case:
    """Pictures of seven formats."""
    pixels = Image.fromarray(np.random.default_rng(0).integers(0, 256, (24, 20, 3), dtype=np.uint8))
    grey = pixels.convert("L")
    kinds: list[tuple[Image.Image, str, dict[str, Any]]] = [
        (pixels, "PNG", {}), (grey, "PNG", {}), (pixels.convert("P"), "PNG", {"transparency": 1}), (pixels, "JPEG", {}),
        (pixels, "JPEG", {"progressive": True}), (pixels, "WEBP", {}), (pixels, "BMP", {}), (pixels, "TIFF", {}),
        (grey.convert("F"), "TIFF", {}), (pixels, "TIFF", {"compression": "tiff_lzw"}), (pixels, "GIF", {}),
        (pixels, "GIF", {"save_all": True, "append_images": [pixels]}), (pixels, "PPM", {}),
        (pixels.convert("RGBA"), "PNG", {}), (grey.convert("I;16"), "PNG", {}),
    ]  # fmt: skip
    seeds = []
    for picture, kind, options in kinds:
        file = io.BytesIO()
        picture.save(file, kind, **options)
        seeds.append(file.getvalue())

    def case(rng: random.Random) -> None:
        load_image(broken_bytes(rng, rng.choice(seeds), rng.choice(seeds)), channels=rng.choice((1, 3, 4)))

    return case


def npz(folder: Path, canary: Path) -> Case:
    """Collections of pictures as .npz, compressed and not."""
    arrays = {"x": np.zeros((3, 8, 8, 1), np.uint8), "y": np.array([0, 1, 1])}
    named = {"train_x": arrays["x"], "train_y": np.array(["a", "b", "b"]), "names": np.array(["a", "b"])}
    seeds = []
    for members in (arrays, named, {"x": arrays["x"], "y": np.array([0, 1, _Payload(canary, 0)], dtype=object)}):
        for save in (np.savez, np.savez_compressed):
            file = io.BytesIO()
            save(file, **members)
            seeds.append(file.getvalue())
    path = folder / "x.npz"

    def case(rng: random.Random) -> None:
        path.write_bytes(broken_bytes(rng, rng.choice(seeds), rng.choice(seeds)))
        open_data(DataConfig(path=str(path)), height=8, width=8, channels=1, labelled=rng.random() < 0.5).batch(0, 1)

    return case


KINDS: dict[str, Callable[[Path, Path], Case]] = {
    "configs": configs, "safetensors": safetensors, "folders": folders, "pickles": pickles, "pictures": pictures,
    "npz": npz,
}  # fmt: skip
