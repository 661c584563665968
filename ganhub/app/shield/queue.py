"""Fair places in the queue: so many for each session and address, slow work apart, and none for nobody."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import gradio as gr
from gradio.queueing import Event, Queue
from gradio.server_messages import EventMessage, ProcessCompletedMessage

from ganhub.app.shield.limits import Limits
from ganhub.app.shield.visitors import address

FULL = "You have {count} jobs waiting here: wait for one of them, or stop it."
FULL_ADDRESS = "Too many jobs of your network are waiting: try again in a minute."
FULL_QUEUE = "Many people are here just now, and the queue is full: try again in a minute."
POLL = 0.01  # seconds between two looks for work
SLOW = "slow"  # how the name of a slow lane ends


@dataclass(frozen=True)
class Twin:
    """A second listener that does the same in a lane of its own, for the calls whose arguments are slow work."""

    id: int
    is_slow: Callable[[list], bool]


def guard_queue(app: gr.Blocks, limits: Limits, twins: Mapping[int, Twin] | None = None) -> None:
    """Give each visitor a share of the queue, and slow calls their own lane; called after ``app.queue``.

    Args:
        twins: By the id of a listener, the one that does its slow work, so that it does not hold a quick call of
            another visitor.
    """
    queue, twins = app._queue, twins or {}
    inner, tell, process = queue.push, queue.send_message, queue.process_events

    async def push(body: Any, request: Any, username: str | None) -> tuple[bool, Any, str]:
        twin = twins.get(body.fn_index)
        slow = twin is not None and twin.is_slow(body.data)
        if slow:
            body.fn_index = twin.id
        fn = app.fns.get(body.fn_index)
        lane = fn.concurrency_id if fn is not None else ""
        sentence = refusal(list(waiting(queue)), body.session_hash, _address(request), lane, limits)
        if sentence:
            return False, sentence, "queue_full"
        request.scope["ganhub.over"] = threading.Event()
        return await inner(body=body, request=request, username=username)

    def send(event: Event, message: EventMessage) -> None:
        tell(event, message)
        if isinstance(message, ProcessCompletedMessage):  # not later: others may hold up what Gradio does after it
            event.request.scope["ganhub.over"].set()

    async def work(events: list[Event], *rest: Any) -> None:
        try:
            await process(events, *rest)
        finally:
            for event in events:
                event.request.scope["ganhub.over"].set()

    queue.send_message, queue.process_events = send, work
    queue.push, queue.max_size = push, limits.queue
    queue.sleep_when_free = POLL  # Gradio looks for work a thousand times a second, also while nobody may begin
    # Gradio sums the times of the last 10,000 jobs anew after each job, for a page that is closed here.
    queue.ANALYTICS_MAX_EVENTS, queue.ANAYLTICS_CACHE_FREQUENCY = 1, 2**62


def refusal(events: list[Event], session: str | None, who: str, lane: str, limits: Limits) -> str:
    """Why one more job of a session and an address has no place beside those that wait, or ""."""
    if len(events) >= limits.queue:
        return FULL_QUEUE
    if (count := sum(event.session_hash == session for event in events)) >= limits.waiting:
        return FULL.format(count=count)
    own = [event for event in events if _address(event.request) == who]
    slow = sum(event.concurrency_id.endswith(SLOW) for event in own)
    if len(own) - slow >= limits.waiting_address or (lane.endswith(SLOW) and slow >= limits.slow_address):
        return FULL_ADDRESS
    return ""


def waiting(queue: Queue) -> Iterator[Event]:
    """The jobs that have not begun."""
    for lane in list(queue.event_queue_per_concurrency_id.values()):
        yield from list(lane.queue)


def _address(request: Any) -> str:
    return request.scope.get("ganhub.address") or address(request.scope)


class Listeners:
    """Which sessions somebody listens to; work of a session without listeners ends.

    Gradio ends the work of a listener who leaves. This ends that of callers who never came.
    """

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._open: dict[str, int] = {}
        self._idle: dict[str, float] = {}  # sessions without work that is not done, and since when

    def comes(self, session: str) -> None:
        """A stream of a session was opened."""
        self._open[session] = self._open.get(session, 0) + 1

    def leaves(self, session: str) -> None:
        """One was closed."""
        self._open[session] -= 1
        if not self._open[session]:
            del self._open[session]

    async def end_unheard(self, queue: Queue) -> None:
        """Drop jobs that nobody listens to, waiting or running; those that run end at their next step."""
        since = time.monotonic() - self._patience
        for event in list(queue.event_ids_to_events.values()):
            heard = event.session_hash in self._open or event._id in self._open
            if not heard and event.enqueue_time < since:
                await queue.clean_events(event_id=event._id)

    def forget_idle(self, queue: Queue) -> None:
        """Drop what Gradio keeps of sessions that are done and that nobody has listened to for a while.

        Gradio keeps the messages of 2,000 sessions: the next one takes those of the oldest, which may be at work. The
        names of their jobs it keeps for ever.
        """
        now, busy = time.monotonic(), {event.session_hash for event in queue.event_ids_to_events.values()}
        messages, names = queue.pending_messages_per_session, queue.pending_event_ids_session
        idle = {*messages, *names} - busy - self._open.keys()
        self._idle = {session: self._idle.get(session, now) for session in idle}
        for session, since in list(self._idle.items()):
            if since < now - 3 * self._patience:
                for table in (messages, names, self._idle):
                    table.pop(session, None)
