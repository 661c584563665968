"""Long work in a thread of its own, which ends when nobody wants its result any more."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
import weakref
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from ganhub.app import shield
from ganhub.app.lanes import FULL, Lanes, QueueFull, Ticket
from ganhub.durations import in_words
from ganhub.errors import GanhubError

T = TypeVar("T")

PATIENCE = 0.25  # seconds: work that ends sooner shows no progress, so that quick tabs do not flicker
INTERVAL = 0.25  # between two looks at the progress
BREATH = 0.003  # seconds of rest after BREATHE_EVERY: small steps would keep Python's lock, and the server waiting
BREATHE_EVERY = 0.02
LOOK_EVERY = 0.75  # between two early looks: a page on a busy machine that gets more never comes to its own buttons
WORD_FROM = 0.5  # and at the latest so long after one, however slow the work: the listener must be able to leave
WORD_IN_LINE = 2.0  # the same for work that has not begun: of those there may be many
MOST_CALLERS = 4096  # visitors and tabs whose newest call is remembered
ANSWER = 10.0  # seconds that a result waits for the answers to older calls: to whoever left there is none
LOOK_IN_LINE = 0.2  # between two looks at whether somebody who waits in line was told to stop


_at_work = threading.local()  # .job: the job whose thread this is


class Stopped(Exception):
    """Raised inside the work, by its own report, after :meth:`Job.stop`."""


class TooLong(GanhubError):
    """Raised inside the work, by its own report, once it has taken longer than a job may."""


@dataclass(frozen=True)
class Progress:
    """How far the work is: ``step`` of ``steps``, seconds so far, and perhaps an early look at the result.

    ``ahead`` is how many jobs stand before one that has not begun; None once it has.
    """

    step: int
    steps: int
    seconds: float
    preview: object = None
    ahead: int | None = None

    @property
    def seconds_left(self) -> float | None:
        """An estimate, once there is something to go by."""
        if self.step < 2 or self.seconds < 1:
            return None
        return self.seconds / self.step * (self.steps - self.step)


def heed_stop() -> None:
    """Raise Stopped in the thread of a job that was told to end: for whoever waits inside the work without a report.

    And :class:`TooLong` where it has worked for longer than it may.
    """
    job = getattr(_at_work, "job", None)
    if job is not None:
        job.heed()


def hold(*places: str) -> None:
    """Keep files, or folders of them, on the disk until the job of this thread has ended."""
    job = getattr(_at_work, "job", None)
    if job is not None:
        job.hold(places)


Report = Callable[..., None]  # report(step, steps, preview=None); raises Stopped when the work is to end


class Job(Generic[T]):
    """Runs ``work(report)`` in a thread.

    ``for progress in job`` gives the newest progress a few times a second (older ones are skipped, early looks come
    less often) and ends with the work. Leaving the loop early, as a closed generator does, stops the work.

    Args:
        ticket: A place in line; the work begins when its turn comes.
        most: Seconds that it may work; 0 for any number of them.
        files: What it reads of the folder of uploads and results: it stays there until the job has ended.

    Attributes:
        replaced: Whether the same visitor has started another one in its place.
        behind: Events that are set once older calls of the same visitor and tab are answered.
    """

    def __init__(
        self, work: Callable[[Report], T], ticket: Ticket | None = None, *, most: float = 0,
        files: Collection[str] = (),
    ) -> None:  # fmt: skip
        self._work, self._changed, self._stop = work, threading.Condition(), threading.Event()
        self._ticket, self._on_end, self._most, self.replaced = ticket, [], most, False
        self.behind: list[threading.Event] = []
        self._held: list[str] = []
        self.hold(files)
        self._progress: Progress | None = None
        self._reported: Progress | None = None
        self._preview: object = None
        self._result: T | None = None
        self._error: BaseException | None = None
        self._began, self._finished, self._ended, self._breathed = time.monotonic(), 0.0, False, 0.0
        self.thread = threading.Thread(target=self._run, name="ganhub-job", daemon=True)
        try:
            self.thread.start()
        except RuntimeError as error:  # the system has no thread left
            self._give_back()
            raise QueueFull(FULL) from error

    @property
    def done(self) -> bool:
        return not self.thread.is_alive()

    @property
    def told_to_stop(self) -> bool:
        """Whether somebody wants the work to end; it may be at work still."""
        return self._stop.is_set()

    @property
    def stopped(self) -> bool:
        """Whether the work ended early because it was told to."""
        return isinstance(self._error, Stopped)

    @property
    def seconds(self) -> float:
        """How long the work took, or has taken so far."""
        return (self._finished or time.monotonic()) - self._began

    @property
    def preview(self) -> object:
        """The last early look, or None."""
        return self._preview

    def stop(self) -> None:
        """Tell the work to end; it does at its next report."""
        with self._changed:
            self._stop.set()
            self._changed.notify_all()

    def heed(self) -> None:
        """Raise what ends the work, where it is to end: Stopped, or TooLong."""
        if self._stop.is_set():
            raise Stopped
        if self._most and time.monotonic() - self._began > self._most:
            taken = in_words(self._most).removeprefix("about ")
            raise TooLong(f"This took more than {taken} and was ended: ask for less, or for a smaller picture.")

    def hold(self, places: Collection[str]) -> None:
        """Keep files, or folders of them, on the disk until the work has ended."""
        shield.hold(places)
        self._held += places

    @property
    def progress(self) -> Progress | None:
        """The newest progress, or None before the first."""
        return self._progress

    def when_ended(self, callback: Callable[[], None]) -> None:
        """Call something once the work has ended, in the thread of the work; at once where it has."""
        with self._changed:
            if not self._ended:
                self._on_end.append(callback)
                return
        callback()

    async def ended(self) -> None:
        """Wait for the end without a thread; a caller who gives up stops the work."""
        loop, ended = asyncio.get_running_loop(), asyncio.Event()

        def wake() -> None:
            with contextlib.suppress(RuntimeError):  # the server has ended meanwhile
                loop.call_soon_threadsafe(ended.set)

        self.when_ended(wake)
        try:
            await ended.wait()
        except asyncio.CancelledError:
            self.stop()
            raise

    def result(self) -> T:
        """Wait for the end; what the work returned, or the error it raised."""
        self.thread.join()
        if self._error is not None:
            raise self._error
        return self._result

    def settle(self) -> None:
        """Wait for the end, and until what was asked for before is answered: those answers would come after this one.

        What this one replaced ends soon; its last pictures may be on their way.
        """
        self.thread.join()
        until = time.monotonic() + ANSWER
        for older in self.behind:
            older.wait(max(0.0, until - time.monotonic()))

    def __iter__(self) -> Iterator[Progress]:
        pause, looked = PATIENCE, 0.0
        try:
            while not self._wait_for_end(pause):
                with self._changed:
                    waits = self._progress is not None and self._progress.ahead is not None
                    self._changed.wait_for(
                        lambda: self._ended or self.replaced or self._progress is not self._reported,
                        timeout=WORD_IN_LINE if waits else WORD_FROM,
                    )
                    progress, ended = self._progress, self._ended
                if ended:
                    return
                self._reported, pause = progress, INTERVAL
                if progress is not None and progress.preview is not None:
                    if time.monotonic() - looked < LOOK_EVERY:
                        progress = replace(progress, preview=None)
                    else:
                        looked = time.monotonic()
                yield progress or Progress(0, 0, time.monotonic() - self._began)
        finally:
            if not self._ended:
                self.stop()

    def _wait_for_end(self, seconds: float) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: self._ended, timeout=seconds)

    def _run(self) -> None:
        _at_work.job = self
        try:
            if self._ticket is not None:
                self._wait_in_line()
            self._result = self._work(self._report)
        except BaseException as error:  # handed to whoever asks for the result
            self._error = error
        self._finished = time.monotonic()
        self._give_back()
        with self._changed:
            self._ended, callbacks = True, self._on_end
            self._changed.notify_all()
        for callback in callbacks:
            callback()

    def _give_back(self) -> None:
        """Give the files and the place in line back."""
        shield.let_go(self._held)
        if self._ticket is not None:
            self._ticket.leave()

    def _wait_in_line(self) -> None:
        """Until the turn of this job comes; Stopped where nobody wants it any more."""
        seen = -1
        while not self._ticket.begins(LOOK_IN_LINE):
            if self._stop.is_set():
                raise Stopped
            if (ahead := self._ticket.ahead) != seen:
                seen = ahead
                with self._changed:
                    self._progress = Progress(0, 0, time.monotonic() - self._began, ahead=ahead)
                    self._changed.notify_all()
        self._began = time.monotonic()

    def _report(self, step: int, steps: int, preview: object = None) -> None:
        self.heed()
        with self._changed:
            self._preview = preview if preview is not None else self._preview
            self._progress = Progress(step, steps, time.monotonic() - self._began, preview)
            self._changed.notify_all()
        if time.monotonic() - self._breathed > BREATHE_EVERY:
            time.sleep(BREATH)
            self._breathed = time.monotonic()


def _end(report: Report) -> None:
    """The work of a call that came too late."""
    raise Stopped


class Jobs:
    """Running jobs by visitor and tab, so that a Stop button finds its own.

    Args:
        lanes: Where jobs wait in line.
        most: Seconds that each may work; 0 for any number of them.
    """

    def __init__(self, lanes: Lanes | None = None, *, most: float = 0) -> None:
        self.lanes, self.most = lanes or Lanes(), most
        self._lock, self._newest = threading.Lock(), weakref.WeakValueDictionary()
        # The newest turn, and an event of each call that may not be answered yet.
        self._calls: dict[tuple[str, str], tuple[int, list[threading.Event]]] = {}

    def start(
        self, key: tuple[str, str], work: Callable[[Report], T], *, lane: str = "", who: str = "",
        turn: int = 0, over: threading.Event | None = None, files: Collection[str] = (),
    ) -> Job[T]:  # fmt: skip
        """Start work; what the same visitor had running in the same tab is stopped, and replaced also where it
        has ended.

        Args:
            lane: Where the work waits for its turn; "" begins at once.
            who: The visitor's address, which has so many places in line.
            turn: A number that grows with each call. On a busy machine the thread of an older call may come here after
                that of a newer one: then it is the older that is stopped and replaced. 0 where it is not known.
            over: Is set once the call was answered in full.
            files: What it reads of the folder of uploads and results.

        Raises:
            QueueFull: There is no place in line.
        """
        if 0 < turn < self._calls.get(key, (0, []))[0]:
            work, lane = _end, ""
        job = Job(work, self.lanes.enter(lane, who) if lane else None, most=self.most, files=files)
        with self._lock:
            last, unanswered = self._calls.get(key, (0, []))
            if 0 < turn < last:
                older = job
            else:
                older, self._newest[key] = self._newest.get(key), job
                job.behind = [one for one in unanswered if not one.is_set() and one is not over]
                self._note(key, turn or last, [*job.behind, over] if over else job.behind)
        if older is not None:
            older.replaced = True
            older.stop()
        return job

    def _note(self, key: tuple[str, str], turn: int, unanswered: list[threading.Event]) -> None:
        self._calls.pop(key, None)
        self._calls[key] = turn, unanswered
        while len(self._calls) > MOST_CALLERS:
            del self._calls[next(iter(self._calls))]

    def stop(self, key: tuple[str, str], *, turn: int = 0) -> Job | None:
        """Tell a visitor's work in a tab to end, also what was asked for before and has not begun.

        Args:
            turn: As that of :meth:`start`.

        Returns:
            The job, or None when nothing was running.
        """
        with self._lock:
            job = self._newest.get(key)
            last, unanswered = self._calls.get(key, (0, []))
            if 0 < turn < last:  # a newer call has its own say
                return None
            self._note(key, max(turn, last), unanswered)
        if job is None or job.done:
            return None
        job.stop()
        return job

    def running(self) -> int:
        """How many threads are at work, or wait in line."""
        with self._lock:
            return sum(not job.done for job in list(self._newest.values()))
