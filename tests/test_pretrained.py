"""Models through folders and the Hub: strict keys, clear refusals, and the same picture on the other side."""

from __future__ import annotations

import json
import resource
import zipfile
from pathlib import Path

import pytest
import torch

from ganhub import AutoModel, hub
from ganhub.errors import HubError
from ganhub.models import LatentGenerator, get_architecture
from tests.hub_server import sentence

pytest_plugins = ["tests.hub_server"]
# The Hub client uploads LFS files in a way that its own HTTP library has deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")

REPO = "someone/toy"


@pytest.fixture
def model() -> LatentGenerator:
    return get_architecture("dcgan").tiny().eval()


def test_model_through_the_hub(hub_server, someone: str, model: LatentGenerator, tmp_path: Path) -> None:
    """save_pretrained, push_to_hub, AutoModel: the same class and the same picture; the model is in eval()."""
    model.save_pretrained(tmp_path / "saved", repo_id=REPO, push_to_hub=True, commit_message="by save")
    model.push_to_hub("someone/half", dtype=torch.float16, variant="fp16", private=True)
    for source, options in ((tmp_path / "saved", {}), (REPO, {}), (REPO, {"token": False, "device": "auto"})):
        back = AutoModel.from_pretrained(source, **options)
        assert type(back) is type(model) and back.config == model.config and not back.training
        assert torch.equal(back.sample(2, seed=3).cpu(), model.sample(2, seed=3))
    half = type(model).from_pretrained("someone/half", variant="fp16")
    assert {p.dtype for p in half.parameters()} == {torch.float32}, "half-precision files come back as float32"
    assert torch.allclose(half.sample(2), model.sample(2), atol=2e-2)
    assert AutoModel.from_pretrained("someone/half", variant="fp16", dtype=torch.bfloat16).dtype == torch.bfloat16
    with pytest.raises(HubError, match="more than"):
        AutoModel.from_pretrained(REPO, max_bytes=10)


def test_the_wrong_class_says_so(model: LatentGenerator, tmp_path: Path) -> None:
    model.save_pretrained(tmp_path / "m")
    with pytest.raises(HubError, match="holds a dcgan, not a MLPGAN; load it with AutoModel"):
        get_architecture("mlp-gan").from_pretrained(tmp_path / "m")


def change_config(folder: Path, **changes: object) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **changes}))


def test_unknown_config_key(model: LatentGenerator, tmp_path: Path) -> None:
    folder = model.save_pretrained(tmp_path / "m")
    change_config(folder, widht=3)
    with pytest.raises(HubError, match="widht.*width") as error:
        AutoModel.from_pretrained(folder)
    sentence(error)
    change_config(folder, ganhub_version="999.1.0")
    with pytest.raises(HubError, match="saved by ganhub 999.1.0.*upgrade"):
        AutoModel.from_pretrained(folder)
    change_config(folder, architecture="hypergan")
    with pytest.raises(HubError, match="saved by ganhub 999.1.0.*upgrade"):
        AutoModel.from_pretrained(folder)


def test_config_that_asks_for_a_terabyte(model: LatentGenerator, tmp_path: Path) -> None:
    """Refused before anything is allocated: the process does not grow."""
    folder = model.save_pretrained(tmp_path / "m")
    change_config(folder, latent_dim=65_536, width=8192, max_width=8192)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises((HubError, ValueError)) as error:
        AutoModel.from_pretrained(folder)
    sentence(error)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000, "kilobytes"


def test_weights_that_do_not_fit(model: LatentGenerator, tmp_path: Path) -> None:
    folder = model.save_pretrained(tmp_path / "m")
    config, state = hub.read_config(folder), hub.read_tensors(folder)
    first, second, *_ = (name for name, tensor in state.items() if tensor.dim() > 1)
    rest = {name: tensor for name, tensor in state.items() if name != first}
    cases = {
        f"1 missing \\({first}\\)": rest,
        "1 unexpected \\(extra\\)": {**state, "extra": torch.ones(1)},
        "missing .* and .*unexpected": {**rest, "extra": torch.ones(1)},
        f"{second} is .* in the file": {**state, second: state[second][:1]},
    }
    for words, wrong in cases.items():
        hub.write_folder(folder, config, wrong)
        with pytest.raises(HubError, match=words) as error:
            AutoModel.from_pretrained(folder)
        sentence(error)


def test_zip_of_a_model_is_no_model(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "m.zip", "w") as archive:
        archive.writestr("config.json", "{}")
    with pytest.raises(HubError, match="There is no model"):
        AutoModel.from_pretrained(tmp_path / "m.zip")


def test_a_hand_edited_card_survives_a_push(hub_server, someone: str, tmp_path: Path) -> None:
    model = get_architecture("dcgan").tiny()
    model.push_to_hub(REPO, card={"licence": "cc0-1.0", "dataset": "dots"})
    card = hub_server.files(REPO)["README.md"].decode()
    edited = card.replace("# someone/toy", "# My landscapes")
    edited = edited.replace("license: cc0-1.0", "license: mit\nthumbnail: x.png")
    edited = edited[: edited.index("## Intended use")] + "Please *do not* print these.\n"
    hub_server.put(REPO, {"README.md": edited}, keep=True)
    model.push_to_hub(REPO, card={"licence": "cc0-1.0", "dataset": "many dots"})
    merged = hub_server.files(REPO)["README.md"].decode()
    assert "# My landscapes" in merged and merged.endswith("Please *do not* print these.\n")
    assert "license: mit" in merged and "thumbnail: x.png" in merged and "many dots" in merged
