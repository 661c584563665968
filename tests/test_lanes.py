"""Jobs wait in line in their lanes, are told their place, and leave it when they are stopped."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from ganhub.app.jobs import Jobs, Stopped
from ganhub.app.lanes import Lanes, QueueFull
from tests.app_server import wait_until


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
