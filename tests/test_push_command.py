"""``ganhub push`` and ``push-space`` against a Hub on this machine; the Space is started from what was uploaded."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import torch
from gradio_client import Client
from typer.testing import CliRunner

from ganhub import space
from ganhub.cli import cli
from ganhub.errors import ConfigError, HubError
from ganhub.hub import cards, uploads
from ganhub.hub.cards import split_front_matter
from ganhub.hub.folder import read_tensors
from ganhub.models import get_architecture
from tests.app_server import free_port, wait_for
from tests.hub_server import sentence

pytest_plugins = ["tests.hub_server"]
# The Hub client hands its HTTP library bytes in the old way; gradio_client leaves its streams to the collector.
pytestmark = [
    pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]
REPO = "someone/little"


@pytest.fixture
def little(tmp_path: Path) -> Path:
    """A model in half precision, its adversary, a checkpoint and a picture."""
    folder = tmp_path / "little"
    model = get_architecture("dcgan").tiny()
    model.save_pretrained(folder, dtype=torch.float16, card={"name": "little"})
    model.save_pretrained(folder / "training", dtype=torch.float16)
    (folder / "samples.png").write_bytes(b"\x89PNG picture" * 50)
    (folder / "checkpoints").mkdir()
    (folder / "checkpoints/000000000064.pt").write_bytes(b"state")
    return folder


def run(*arguments: object) -> str:
    result = CliRunner().invoke(cli, [str(one) for one in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_the_folder_s_own_bytes_are_pushed(hub_server, someone: str, little: Path) -> None:
    """Half precision stays half as large; checkpoints stay at home, the adversary unless it is asked for."""
    said = run("push", little, REPO, "--private", "--tag", "v1", "--commit-message", "A first one")
    there = hub_server.files(REPO)
    wanted = {"README.md", "config.json", "model.safetensors", "samples.png"}
    assert set(there) == wanted | {".gitattributes"}
    for name in wanted - {"README.md"}:
        assert there[name] == (little / name).read_bytes(), name
    assert {x.dtype for x in read_tensors(little).values() if x.is_floating_point()} == {torch.float16}
    assert hub_server.repos[REPO].private and hub_server.repos[REPO].messages[-1] == "A first one"
    assert hub_server.files(REPO, "v1") == there and "4 files" in said and REPO in said
    run("push", little, REPO, "--branch", "next", "--training")
    assert "training/model.safetensors" in hub_server.files(REPO, "next")
    assert "training/model.safetensors" not in hub_server.files(REPO)


def test_what_a_run_keeps_for_itself_stays_at_home(hub_server, someone: str, little: Path) -> None:
    """Its grids, its whole log, and the best weights so far, which are a model folder of their own."""
    (little / "grids").mkdir()
    (little / "grids" / "000000064.png").write_bytes(b"grid")
    (little / "log.jsonl").write_text("{}")
    (little / "training" / "log.jsonl").write_text("{}")
    get_architecture("dcgan").tiny().save_pretrained(little / "best")
    get_architecture("dcgan").tiny().save_pretrained(little / "best" / "training")
    get_architecture("dcgan").tiny().save_pretrained(little / "reverse")
    run("push", little, REPO)
    beside = {name for name in hub_server.files(REPO) if name.endswith((".jsonl", ".safetensors")) or "grid" in name}
    assert beside == {"model.safetensors", "reverse/model.safetensors"}
    run("push", little, REPO, "--training")
    assert {name for name in hub_server.files(REPO) if name not in beside and "training" in name} >= {
        "training/model.safetensors", "training/log.jsonl",
    }  # fmt: skip
    assert not any(name.startswith(("best", "grids", "log")) for name in hub_server.files(REPO))
    run("push", little / "best", "someone/best")
    assert "model.safetensors" in hub_server.files("someone/best")


def test_the_card_on_the_hub_says_how_to_load_it_from_there(hub_server, someone: str, little: Path) -> None:
    before = (little / "README.md").read_bytes()
    assert b'from_pretrained("little")' in before
    run("push", little, REPO)
    assert f'AutoModel.from_pretrained("{REPO}")'.encode() in hub_server.files(REPO)["README.md"]
    assert (little / "README.md").read_bytes() == before, "the folder's own card stays as it is"
    own = cards.loaded_from(before.decode() + '\nmodel = ganhub.AutoModel.from_pretrained("mine")\n', "a/b")
    assert 'from_pretrained("a/b")' in own and own.endswith('from_pretrained("mine")\n'), "a person's text stays"
    assert cards.loaded_from("By hand.", "a/b") == "By hand."


def test_a_pull_request_leaves_main_alone(hub_server, someone: str, little: Path) -> None:
    run("push", little, REPO)
    before = hub_server.repos[REPO].refs["main"]
    (little / "samples.png").write_bytes(b"\x89PNG another" * 50)
    assert "discussions/1" in run("push", little, REPO, "--create-pr")
    assert hub_server.repos[REPO].refs["main"] == before
    with pytest.raises(HubError, match="cannot be the tag"):
        uploads.push_folder(little, REPO, create_pr=True, tag="v2")


def test_a_push_that_broke_off_goes_on(hub_server, someone: str, little: Path, monkeypatch) -> None:
    """The large file that had arrived is not sent again, and nothing is half there meanwhile."""
    monkeypatch.setattr("ganhub.hub._errors.WAIT", 0.01)
    hub_server.fail(1000, 500, "POST .*/commit/")
    with pytest.raises(HubError, match="answers 500") as error:
        uploads.push_folder(little, REPO)
    sentence(error)
    assert set(hub_server.files(REPO)) == {".gitattributes"}
    sent = len(hub_server.asked("PUT /lfs/"))
    assert sent == 2, "the weights and the picture"
    hub_server.faults.clear()
    run("push", little, REPO)
    assert len(hub_server.asked("PUT /lfs/")) == sent
    assert hub_server.files(REPO)["model.safetensors"] == (little / "model.safetensors").read_bytes()
    hub_server.fail(1, 503, "POST .*/commit/")
    (little / "config.json").write_bytes((little / "config.json").read_bytes() + b"\n")
    run("push", little, REPO)
    assert hub_server.files(REPO)["config.json"].endswith(b"\n\n"), "a Hub that is busy once is asked again"


def test_what_a_person_wrote_on_the_hub_survives(hub_server, someone: str, little: Path) -> None:
    run("push", little, REPO)
    card = hub_server.files(REPO)["README.md"].decode()
    edited = card.replace("---\n", "---\nlicense: cc-by-4.0\n", 1) + "\nMy own paragraph.\n"
    hub_server.put(REPO, {"README.md": edited}, keep=True)
    (little / "metrics.json").write_text('{"new": {"value": 1.0}}')
    cards.write_card(little, {})
    run("push", little, REPO)
    there = hub_server.files(REPO)["README.md"].decode()
    assert "My own paragraph." in there and split_front_matter(there)[0]["license"] == "cc-by-4.0"
    assert "metrics.json" in hub_server.files(REPO)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("push", "nothing-here", REPO), "There is no folder nothing-here"),
        (("push", "{little}", "little"), "write it as owner/name"),
        (("push", "{little}", "another/little"), "You may not push to another/little"),
        (("push", "{little}", REPO, "--tag", "a b"), "cannot be the tag"),
        (("push-space", "someone/space", "--models", "{little},nothing-there"), "There is no model 'nothing-there'"),
        (("push-space", "someone/space", "--models", "gatys", "--torch-index", "cpu"), "--torch-index is an address"),
        (("push-space", "space", "--models", "gatys"), "no Hub Space id"),
    ],
)
def test_what_cannot_be_pushed(hub_server, someone: str, little: Path, arguments: tuple, says: str) -> None:
    arguments = [one.format(little=little) for one in arguments]
    with pytest.raises((HubError, ConfigError)) as error:
        CliRunner().invoke(cli, arguments, catch_exceptions=False)
    assert says in str(error.value)


# --- A Space ----------------------------------------------------------------------------


def test_a_space_s_files(tmp_path: Path, little: Path) -> None:
    files = space.space_files([str(little), "fast-style"], "https://host.example/cpu/")
    assert files["app.py"] == (Path(__file__).parents[1] / "app.py").read_bytes()
    assert {"ganhub/__init__.py", "ganhub/app/assets/favicon.png", "model_cards/vgg-lite/config.json",
            "model_cards/gatys/config.json", "model_cards/little/model.safetensors",
            "model_cards/fast-style/README.md"} <= set(files)  # fmt: skip
    assert not [name for name in files if "training/" in name or "checkpoints/" in name or name.endswith(".pyc")]
    lines = files["requirements.txt"].decode().splitlines()
    assert lines[:2] == ["-f https://host.example/cpu/torch/", "-f https://host.example/cpu/torchvision/"]
    assert "torch>=2.8" in lines and not any(line.startswith("accelerate") for line in lines)
    front, _ = split_front_matter(files["README.md"].decode())
    assert front["models"] == ["ganhub/fast-style"], "the model of one's own is published nowhere"
    assert (front["sdk"], front["app_file"]) == ("gradio", "app.py") and len(front["short_description"]) <= 60
    assert not space.space_files(["gatys"])["requirements.txt"].startswith(b"-f")
    other = tmp_path / "other" / "little"
    get_architecture("dcgan").tiny().save_pretrained(other)
    with pytest.raises(ConfigError, match="Two of the models are called little"):
        space.space_files([str(little), str(other)])


def test_a_person_s_page_of_the_space_stays() -> None:
    old = "---\ntitle: Mine\nemoji: 🐟\nsdk: gradio\nsdk_version: 5.0.0\nlicense: mit\n---\n\nMy words.\n"
    front, body = split_front_matter(space.merge_page(old, space.front_page(["ganhub/adain"])))
    assert (front["title"], front["license"], front["models"]) == ("Mine", "mit", ["ganhub/adain"])
    assert front["sdk_version"] != "5.0.0" and body.strip() == "My words."
    usual = "---\ntitle: x\n---\n\nCheck out the configuration reference at ...\n"
    fresh = space.merge_page(usual, space.front_page([]))
    assert "model_cards/" in split_front_matter(fresh)[1]


def test_a_space_is_pushed_and_starts_in_a_clean_directory(hub_server, someone: str, little: Path, tmp_path) -> None:
    """What lies in the Space is all that it needs: no checkout, no installed ganhub, no cache."""
    run("push-space", "someone/room", "--models", little)
    hub_server.put("spaces/someone/room", {"ganhub/old.py": "x = 1", "mine.txt": "mine"}, keep=True)
    run("push-space", "someone/room", "--models", little)
    files = hub_server.files("spaces/someone/room")
    assert "ganhub/old.py" not in files and files["mine.txt"] == b"mine", "the package is renewed, the rest is theirs"
    place = tmp_path / "clean"
    for name, data in files.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(data)
    port = free_port()
    environment = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "GANHUB_MODELS")}
    environment |= {"GRADIO_SERVER_PORT": str(port), "HOME": str(tmp_path / "home")}
    process = subprocess.Popen([sys.executable, "app.py"], cwd=place, env=environment, stdout=subprocess.DEVNULL)
    try:
        url = f"http://127.0.0.1:{port}/"
        wait_for(process, url)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(tempfile, "tempdir", str(tmp_path))
            client = Client(url, verbose=False, download_files=str(tmp_path))
            told = str(client.predict("little", 4, 0, 1.0, 0, 0, api_name="/generate_tab"))
        assert ".png" in told or ".webp" in told or "little" in told
    finally:
        process.kill()
        process.communicate()
