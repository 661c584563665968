"""Short names: where a model is looked for, in which order, and what is said where none has it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from ganhub import AutoModel, hub
from ganhub.app.library import Library
from ganhub.cli import cli
from ganhub.errors import HubError
from ganhub.models import get_architecture
from ganhub.trainer.prepare import build_model
from ganhub.trainer.recipe import make_recipe

pytest_plugins = ["tests.hub_server"]


@pytest.fixture
def published(hub_server, tmp_path: Path, models_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """ "little" lies on the Hub alone, at ganhub/little; the working directory is empty."""
    folder = tmp_path / "made" / "little"
    get_architecture("dcgan").tiny().save_pretrained(folder)
    hub_server.put("ganhub/little", folder)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return folder


def same(model, folder: Path) -> bool:
    wanted = AutoModel.from_pretrained(folder)
    return all(torch.equal(x, wanted.state_dict()[name]) for name, x in model.state_dict().items())


def test_one_name_for_python_command_line_training_and_app(published: Path, tmp_path: Path) -> None:
    assert same(AutoModel.from_pretrained("little"), published)
    assert same(get_architecture("dcgan").from_pretrained("little"), published)
    result = CliRunner().invoke(cli, ["sample", "little", "--n", "2"], catch_exceptions=False)
    assert result.exit_code == 0 and Path("grid.png").is_file()
    tables = {"train": {"init": "little"}, "data": {"path": "nowhere"}}
    assert same(build_model(make_recipe(tables)), published)
    assert same(Library(device="cpu", cache_dir=tmp_path / "visitors").open("little"), published)


def test_without_a_network_the_cache_has_the_name(published: Path, hub_server, monkeypatch) -> None:
    AutoModel.from_pretrained("little")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    before = len(hub_server.requests)
    assert same(AutoModel.from_pretrained("little"), published)
    assert same(AutoModel.from_pretrained("little", local_files_only=True), published)
    assert len(hub_server.requests) == before


def test_the_order_of_the_places(published: Path, models_folder: Path, hub_server, monkeypatch) -> None:
    """The Hub last; before it the shelf of the environment, ./model_cards and a model folder of that name here."""
    monkeypatch.setenv("GANHUB_OWNER", "someone")
    hub_server.put("someone/little", {"config.json": '{"from": "someone"}', "model.safetensors": b""})
    assert hub.read_config(hub.locate("little")) == {"from": "someone"}, "$GANHUB_OWNER names another owner"
    for place in (models_folder / "little", Path("model_cards/little"), Path("little")):
        hub.write_folder(place, {"from": str(place)}, {})
        assert hub.read_config(hub.locate("little")) == {"from": str(place)}
    assert hub.find_local("./little") == Path("little") and hub.find_local("nothing") is None


def test_a_folder_that_is_no_model_hides_none(published: Path, models_folder: Path) -> None:
    """Pictures in ./little are no model; ./little with its dot is the folder all the same."""
    Path("little").mkdir()
    Path("little/photo.png").write_bytes(b"")
    assert same(AutoModel.from_pretrained("little"), published)
    with pytest.raises(HubError, match="has no config.json"):
        AutoModel.from_pretrained("./little")
    hub.write_folder(models_folder / "little", {"from": "shelf"}, {})
    assert hub.locate("little") == models_folder / "little"


def test_what_was_tried_is_listed(published: Path, monkeypatch) -> None:
    Path("litle").mkdir()
    with pytest.raises(HubError) as error:
        AutoModel.from_pretrained("litle")
    said = str(error.value)
    places = ("./litle (no model: it has no config.json)", "./model_cards", "$GANHUB_MODELS", "that come with ganhub")
    for part in ("no model 'litle'", *places, "ganhub/litle on the Hub", "does not exist on the Hub"):
        assert part in said, said
    assert "\n" not in said
    monkeypatch.delenv("GANHUB_MODELS")
    with pytest.raises(HubError, match=r"\$GANHUB_MODELS \(not set\)"):
        AutoModel.from_pretrained("litle")
    monkeypatch.setenv("GANHUB_OWNER", "no such owner")
    with pytest.raises(HubError, match="GANHUB_OWNER is .no such owner., no name of a Hub user"):
        AutoModel.from_pretrained("litle")


def test_python_and_the_command_work_outside_the_clone(tmp_path: Path, root: Path) -> None:
    """As after an installation: another working directory, the package on the path, no network."""
    environment = {**os.environ, "PYTHONPATH": str(root), "HF_HUB_OFFLINE": "1"}
    environment.pop("GANHUB_MODELS")
    code = (
        "import sys, ganhub; from ganhub import AutoModel; from ganhub.cli import main; "
        "AutoModel.from_pretrained('mlp-gan-mnist').sample(1); AutoModel.from_pretrained('gatys'); "
        "sys.argv = ['ganhub', '--version']; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0 and done.stdout.strip().startswith("ganhub 0."), done.stderr


def test_the_package_loads_what_is_asked_for() -> None:
    """Torch takes seconds, and ``ganhub`` shall start at once; all that stood in the package stands there."""
    code = (
        "import sys, ganhub; assert 'torch' not in sys.modules; ganhub.__version__; dir(ganhub); "
        "ganhub.metrics.evaluate; ganhub.models.AutoModel is ganhub.AutoModel or sys.exit(1); "
        "ganhub.styling; ganhub.load_image; 'torch' in sys.modules or sys.exit(2); "
        "[hasattr(ganhub, name) and sys.exit(3) for name in ('nothing', '_nothing', '__wrapped__')]; "
        "missing = [name for name in ganhub.__all__ if not hasattr(ganhub, name)]; missing and sys.exit(4)"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=120).returncode == 0
