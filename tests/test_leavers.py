"""Who gives up frees the worker, in each lane; what a job needs stays on the disk while it works, and no longer."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
import torch
from gradio.data_classes import PredictBody

from ganhub.app import _parts as parts
from ganhub.app.api import made
from ganhub.app.declared import Bench
from ganhub.app.drawings import Drawings
from ganhub.app.jobs import Job, Jobs, TooLong
from ganhub.app.lanes import Lanes, lane_of
from ganhub.app.library import Library
from ganhub.app.shield import Limits, disk, own_folder
from ganhub.creation import Creation, Generate, Inputs, Interpolate, Style, Translate
from ganhub.errors import ConfigError
from ganhub.images import save_image
from ganhub.models import get_architecture
from ganhub.nn.random import uniform
from tests.app_server import wait_until
from tests.shield_app import run_async

LIMITS = Limits(pictures=100_000, frames=100_000, film=10**12)


@pytest.fixture
def photo(models_folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A picture among the uploads; beside it there are models that take very long for what is asked of them here."""
    own_folder()
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(models_folder.parent / "files"))
    for name in ("dcgan", "srgan"):
        get_architecture(name).tiny().save_pretrained(models_folder / name)
    gatys = get_architecture("gatys")
    gatys(gatys.Config(steps=50_000, sizes=1)).save_pretrained(models_folder / "endless")
    path = models_folder.parent / "files" / "upload" / "photo.png"
    path.parent.mkdir(parents=True)
    save_image(uniform([1], 3, 1000, 1000) * 2 - 1, path)
    return str(path)


@pytest.fixture
def bench() -> Bench:
    """One place to work in each lane."""
    return Bench(Library(device="cpu"), Jobs(Lanes(dict.fromkeys(("quick", "film", "photo", "slow"), 1))), Drawings())


class Gone:
    """A request whose sender has left."""

    session_hash = None

    async def is_disconnected(self) -> bool:
        return True


ENDLESS: dict[str, Any] = {
    "quick": lambda photo: Generate(model="dcgan", count=4096),
    "film": lambda photo: Interpolate(model="dcgan", seeds=(1, 2), frames=10_000, fps=1),
    "photo": lambda photo: Translate(model="srgan", photo=photo, tile=8),
    "slow": lambda photo: Style(model="endless", photo=photo, styles=((photo, 1.0),), size=16),
}  # fmt: skip


@pytest.mark.parametrize("lane", ENDLESS)
def test_who_gives_up_frees_the_worker(lane: str, bench: Bench, photo: str) -> None:
    inputs = Inputs()
    creation: Creation = ENDLESS[lane](inputs.add(photo))
    assert lane_of(creation) == lane
    lanes = bench.jobs.lanes

    async def cancelled() -> Job:
        call = asyncio.ensure_future(made(bench, LIMITS, creation, inputs, None))
        while not (begun := [job for job in bench.jobs._newest.values() if job.progress]):
            assert not call.done(), call.exception()
            await asyncio.sleep(0.01)
        assert len(lanes._working[lane]) == 1 and photo in disk._held
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        return begun[0]

    job = run_async(cancelled())
    wait_until(lambda: job.done)
    assert job.stopped and not lanes._working[lane] and photo not in disk._held
    with pytest.raises(ConfigError, match="stopped"):
        run_async(made(bench, LIMITS, creation, inputs, Gone()))
    assert not lanes._working[lane] and bench.jobs.start(("next", ""), lambda report: 7, lane=lane).result() == 7


# ---- the disk


async def page(*named: str) -> gr.Blocks:
    """A page in whose queue a job names files; Gradio keeps the loop that runs now."""
    with gr.Blocks(analytics_enabled=False) as app:
        gr.Textbox()
    event = type("Waiting", (), {"data": PredictBody(data=[[{"image": {"path": path}}] for path in named])})()
    app._queue.event_ids_to_events["one"] = event
    return app


def test_files_of_a_job_stay_while_it_works_however_old_they_are(photo: str) -> None:
    go, early, folder = threading.Event(), [], Path(os.environ["GRADIO_TEMP_DIR"])
    queued, stale = folder / "queued.png", folder / "stale.png"

    def work(report: Any) -> None:
        early.append(Path(parts.save_png(torch.zeros(1, 3, 8, 8), "early")))
        go.wait(60)

    for path in (queued, stale):
        path.write_bytes(b"x")
    app, job = run_async(page(str(queued))), Jobs().start(("me", "tab"), work, files=[photo])
    wait_until(lambda: len(early) == 1)
    time.sleep(0.02)
    for limits in (Limits(age=0), Limits(disk=1)):  # older than any file may be; and no room at all
        stale.write_bytes(b"x" * 100)
        time.sleep(0.02)
        gone = disk.tidy(str(folder), limits, disk.in_use(app))
        assert gone == {os.path.realpath(stale)} and queued.is_file() and early[0].is_file() and Path(photo).is_file()
    go.set()
    job.result()
    app._queue.event_ids_to_events.clear()
    disk.tidy(str(folder), Limits(age=0), disk.in_use(app))
    assert not [path for path in folder.rglob("*") if path.is_file()] and not disk._held


# ---- how long a job may work


def test_a_job_that_takes_too_long_is_ended_in_a_sentence() -> None:
    def forever(report: Any) -> None:
        while True:
            report(0, 1)
            time.sleep(0.01)

    jobs = Jobs(Lanes({"slow": 1}), most=0.1)
    first, second = (jobs.start((str(i), "tab"), forever, lane="slow") for i in range(2))
    for job in (first, second):  # the time in line does not count
        with pytest.raises(TooLong, match="more than a second and was ended: ask for less"):
            job.result()
        assert job.seconds > 0.1
    assert not jobs.lanes._working["slow"]
