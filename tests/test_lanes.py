"""Jobs wait in line in their lanes, are told their place, and leave it when they are stopped."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest

from ganhub.app._parts import follow
from ganhub.app.declared import Bench
from ganhub.app.drawings import Drawings
from ganhub.app.jobs import Jobs, Stopped
from ganhub.app.lanes import Lanes, QueueFull
from ganhub.app.library import Library
from ganhub.app.shield import disk
from ganhub.app.tabs import evolve, restore, translate
from ganhub.models import get_architecture
from tests.app_server import wait_until
from tests.shield_app import run_async


def blocked(jobs: Jobs, name: str, lane: str, go: threading.Event, begun: list, **options):
    """A job that notes its name when it begins and works until ``go``; it heeds a stop."""

    def work(report):
        begun.append(name)
        while not go.wait(0.01):
            report(0, 1)
        return name

    return jobs.start((name, "tab"), work, lane=lane, **options)


def test_a_slow_job_never_stands_before_a_quick_one():
    jobs, go, begun = Jobs(Lanes({"quick": 2, "slow": 1})), threading.Event(), []
    slow = [blocked(jobs, f"slow{i}", "slow", go, begun) for i in range(3)]
    quick = jobs.start(("visitor", "tab"), lambda report: "done", lane="quick")
    assert quick.result() == "done" and begun == ["slow0"]
    go.set()
    assert [job.result() for job in slow] == ["slow0", "slow1", "slow2"] == begun, "in the order in which they came"


def test_a_job_that_gets_no_thread_gives_its_place_back(monkeypatch: pytest.MonkeyPatch):
    def none_left(thread):
        raise RuntimeError("can't start new thread")

    jobs, work = Jobs(Lanes({"film": 1})), lambda report: "done"
    with monkeypatch.context() as patch, pytest.raises(QueueFull, match="try again in a minute"):
        patch.setattr(threading.Thread, "start", none_left)
        jobs.start(("visitor", "tab"), work, lane="film", files=["photo.png"])
    assert os.path.realpath("photo.png") not in disk._held
    assert jobs.start(("visitor", "tab"), work, lane="film").result() == "done"


def test_those_in_line_are_told_their_place_and_move_up():
    jobs, go, begun = Jobs(Lanes({"film": 1})), threading.Event(), []
    first, second, third = (blocked(jobs, str(i), "film", go, begun) for i in range(3))
    wait_until(lambda: third.progress is not None and third.progress.ahead == 1)
    places = (progress.ahead for progress in third)
    assert next(places) == 1
    second.stop()
    wait_until(lambda: third.progress.ahead == 0)
    assert begun == ["0"], "who is stopped in line never begins"
    with pytest.raises(Stopped):
        second.result()
    go.set()
    assert third.result() == "2" and begun == ["0", "2"]
    assert not jobs.lanes._line["film"] and not jobs.lanes._working["film"]


def test_a_stopped_or_failed_job_gives_its_place_to_the_next():
    jobs, go, begun = Jobs(Lanes({"film": 1})), threading.Event(), []
    first = blocked(jobs, "first", "film", go, begun)
    wait_until(lambda: begun == ["first"])
    wrong = jobs.start(("wrong", "tab"), lambda report: 1 / 0, lane="film")
    last = jobs.start(("last", "tab"), lambda report: "last", lane="film")
    first.stop()
    assert last.result() == "last" and wrong.done


def test_a_full_line_is_refused_in_a_sentence_and_one_address_cannot_fill_it():
    lanes = Lanes({"film": 1, "slow": 1}, waiting=4, own=2, own_slow=2)
    jobs, go, begun = Jobs(lanes), threading.Event(), []
    kept = [blocked(jobs, "0", "film", go, begun)]
    wait_until(lambda: begun == ["0"])
    kept += [blocked(jobs, f"a{i}", "film", go, begun, who="192.0.2.1") for i in range(2)]
    with pytest.raises(QueueFull, match="your network"):
        blocked(jobs, "a3", "film", go, begun, who="192.0.2.1")
    kept += [blocked(jobs, f"b{i}", "film", go, begun, who="192.0.2.2") for i in range(2)]
    with pytest.raises(QueueFull, match="try again"):
        blocked(jobs, "c", "film", go, begun, who="192.0.2.3")
    kept += [blocked(jobs, f"s{i}", "slow", go, begun, who="192.0.2.1") for i in range(2)]
    with pytest.raises(QueueFull, match="your network"):
        blocked(jobs, "s3", "slow", go, begun, who="192.0.2.1")
    go.set()
    assert len({job.result() for job in kept}) == 7


WAIT: dict[str, tuple[Any, str, Any]] = {
    "translate": (translate, "photo", lambda photo: ("tiny-pix2pix", photo)),
    "restore": (restore, "photo", lambda photo: ({"background": photo}, ["clean"], "tiny-cleaner", "", "", "")),
    "evolve": (evolve, "slow", lambda photo: ("tiny-dcgan", "contrast=1", "random", 2, 0, "", None, 1.0)),
}  # fmt: skip


@pytest.mark.parametrize("tab", WAIT)
def test_who_waits_on_a_tab_is_told_the_place(tab, models_folder):
    for name in ("pix2pix", "dcgan"):
        get_architecture(name).tiny().save_pretrained(models_folder / f"tiny-{name}")
    mender = get_architecture("srgan")
    mender(mender.Config(scale=1, width=4, blocks=1, fold=2)).save_pretrained(models_folder / "tiny-cleaner")
    module, lane, form = WAIT[tab]
    bench = Bench(Library(device="cpu"), Jobs(Lanes({lane: 1}, own=1, own_slow=2)), Drawings())

    async def listeners():
        with gr.Blocks(analytics_enabled=False) as page:
            module.build(bench)
        return [one for one in page.fns.values() if one.concurrency_id == tab or one.api_name == tab]

    assert all(one.concurrency_limit > 1 for one in run_async(listeners())), "they wait where nobody is told"
    go, begun = threading.Event(), []
    blocked(bench.jobs, "0", lane, go, begun, who="192.0.2.1")
    wait_until(lambda: begun == ["0"])
    request = SimpleNamespace(session_hash="me", scope={"ganhub.address": "192.0.2.1"})
    told = module.run(bench, *form(translate.VIEWS[0]), request)
    assert "Waiting in line: you are the next" in next(told)[-1]
    with pytest.raises(QueueFull, match="your network"):
        list(module.run(bench, *form(translate.VIEWS[0]), request))
    go.set()
    assert [*told][-1][0] and not bench.jobs.lanes._working[lane]


def test_an_older_call_that_comes_late_changes_nothing():
    """Neither a press nor a Stop, whose threads began after that of a newer press."""
    jobs, begun, key, over = Jobs(Lanes({"slow": 1}, waiting=0)), [], ("me", "style"), threading.Event()

    def spin(report):
        while True:
            report(1, 2)
            time.sleep(0.01)

    newest = jobs.start(key, spin, turn=3, over=over)
    assert jobs.stop(key, turn=2) is None and not newest.told_to_stop
    late = jobs.start(key, begun.append, turn=2, lane="slow")  # which is full: nothing is said of it
    late.thread.join(10)
    assert late.replaced and late.stopped and not begun and not newest.replaced
    assert jobs.start(key, spin, turn=4, over=over).behind == [], "it would wait for itself"
    assert jobs.stop(key, turn=5).thread.join(10) is None and newest.replaced


def test_who_starts_anew_is_told_of_the_new_work_only(models_folder):
    """As when one draws on while the last drawing is being translated."""
    bench, go, begun = Bench(Library(device="cpu"), Jobs(), Drawings()), threading.Event(), []

    def work(report):
        begun.append(report)
        while not go.wait(0.01):
            report(0, 1)
        return "done"

    def told():
        request = SimpleNamespace(session_hash="me")
        return follow(bench, "translate", request, work, noun="Part", outputs=1, stopped="Stopped.")

    first, second = told(), told()
    assert "Part 1 of 1" in next(first)[-1] and "Part 1 of 1" in next(second)[-1]
    assert "Stopped." not in [values[-1] for values in first]
    go.set()
    assert [values[-1] for values in second][-1:] != ["Stopped."] and len(begun) == 2


def test_a_coroutine_waits_without_a_thread_and_stops_the_work_when_it_is_cancelled():
    jobs, go, begun = Jobs(), threading.Event(), []

    async def main():
        quick = jobs.start(("a", "tab"), lambda report: 7)
        await quick.ended()
        assert quick.result() == 7
        job = blocked(jobs, "b", "", go, begun)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(job.ended(), 0.2)
        return job

    job = asyncio.run(main())
    end = time.monotonic() + 30
    while not job.done:
        assert time.monotonic() < end
    assert job.stopped
