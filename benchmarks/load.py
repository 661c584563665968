"""The app under load: ``python benchmarks/load.py users``, ``memory`` or ``batching``. Loopback only, and it ends.

``users``: so many people ask at once, each for the next thing as soon as the last came: 80 % for pictures and films of
seeds, 20 % for paintings, translations, edits, rows of classes, enlargements, and now and then a slow painting.
``memory``: what the app holds after 200 requests and after 2,000, and the files it leaves once they are old.
``batching``: pictures a second when callers come together, with batches and without.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import random
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
API = "/gradio_api"
GENERATORS = ("stylegan2-heroes", "stylegan2-landscapes", "conditional-gan-mnist")
POLITE = ("queue is full", "are waiting", "jobs waiting")  # refusals that say what to do
AGE = 20  # seconds after which the app under test deletes a file


@dataclass
class Figures:
    """What the callers met: seconds of each kind of call, refusals in words, and errors."""

    seconds: dict[str, list[float]] = field(default_factory=dict)
    refusals: Counter = field(default_factory=Counter)
    errors: Counter = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, kind: str, seconds: float, problem: str) -> None:
        with self.lock:
            if not problem:
                self.seconds.setdefault(kind, []).append(seconds)
            elif any(words in problem for words in POLITE):
                self.refusals[kind] += 1
            else:
                self.errors[f"{kind}: {problem[:120]}"] += 1


class App:
    """The app in a process of its own, and its endpoints."""

    def __init__(self, port: int, folder: Path, process: subprocess.Popen) -> None:
        self.port, self.folder, self.process = port, folder, process
        listeners = json.loads(self.ask("GET", "/config")[1])["dependencies"]
        self.ids = {one["api_name"]: one["id"] for one in listeners if one["api_visibility"] == "public"}
        schemas = json.loads(self.ask("GET", f"{API}/info")[1])["named_endpoints"]
        self.parameters = {name[1:]: schema["parameters"] for name, schema in schemas.items()}

    def ask(self, method: str, path: str, body: bytes | None = None, kind: str = "application/json") -> tuple:
        """(status, body) of one request."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=300)
        try:
            connection.request(method, path, body, {"Content-Type": kind} if body is not None else {})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def upload(self, file: Path) -> str:
        """The path of a picture that was uploaded."""
        edge = "edge"
        head = f'--{edge}\r\nContent-Disposition: form-data; name="files"; filename="{file.name}"\r\n\r\n'
        body = head.encode() + file.read_bytes() + f"\r\n--{edge}--\r\n".encode()
        status, answer = self.ask("POST", f"{API}/upload", body, f"multipart/form-data; boundary={edge}")
        assert status == 200, answer
        return json.loads(answer)[0]

    def call(self, session: str, verb: str, **fields: object) -> str:
        """Ask by the queue, as the page and Gradio's client do, and listen to the end; what went wrong, or ""."""
        data = [fields.get(one["parameter_name"], one["parameter_default"]) for one in self.parameters[verb]]
        body = json.dumps({"data": data, "fn_index": self.ids[verb], "session_hash": session}).encode()
        status, answer = self.ask("POST", f"{API}/queue/join", body)
        if status != 200:
            return str(json.loads(answer).get("detail", status))
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=300)
        try:
            connection.request("GET", f"{API}/queue/data?session_hash={session}")
            for line in connection.getresponse():
                message = json.loads(line[6:]) if line.startswith(b"data: ") else {}
                if message.get("msg") == "process_completed":
                    return "" if message["success"] else str(message["output"].get("error"))
        finally:
            connection.close()
        return "no answer"

    def resident(self) -> float:
        """MB of memory that the app holds; 0 where the system does not say."""
        try:
            lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        except OSError:
            return 0.0
        return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS"))

    def busy(self) -> float:
        """Seconds of processor time that the app has used; 0 where the system does not say."""
        try:
            words = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return 0.0
        return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")

    def files(self) -> int:
        """How many files it keeps."""
        return sum(len(names) for _, _, names in os.walk(self.folder))


@contextmanager
def started() -> Iterator[App]:
    """The app, started for this run and ended after it."""
    with tempfile.TemporaryDirectory() as folder:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        environment = {
            **os.environ, "GRADIO_SERVER_PORT": str(port), "GRADIO_TEMP_DIR": folder, "TMPDIR": folder,
            "GANHUB_LIMIT_AGE": str(AGE), "GANHUB_LIMIT_UPLOADS": "1000000000",
        }  # fmt: skip
        process = subprocess.Popen([sys.executable, "app.py"], cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
        try:
            while process.poll() is None:
                try:
                    app = App(port, Path(folder), process)
                    break
                except OSError:
                    time.sleep(0.2)
            else:
                raise SystemExit("app.py ended; run it by hand to see why.")
            warm(app)
            yield app
        finally:
            process.kill()
            process.wait()


def warm(app: App) -> None:
    """One call of each kind, so that no model is loaded while times are taken."""
    photo = app.upload(ROOT / "ganhub" / "app" / "assets" / "harbour.jpg")
    for kind, call in calls(app, "warm", photo, random.Random(0)).items():
        problem = call()
        if problem:
            print(f"warming up, {kind}: {problem}")


def calls(app: App, session: str, photo: str, chance: random.Random) -> dict[str, Callable[[], str]]:
    """Kind -> a call of it, with values of chance."""
    seed, model = chance.randrange(10**6), chance.choice(GENERATORS)
    return {
        "generate": lambda: app.call(session, "generate", model=model, seed=seed),
        "wall": lambda: app.call(session, "generate", model=model, seed=seed, count=16),
        "film": lambda: app.call(session, "interpolate", model=model, seeds=[seed, seed + 9], frames=24),
        "classes": lambda: app.call(
            session, "generate", model="conditional-gan-mnist", seed=seed, count=4, labels=["1", "2", "3"]
        ),
        "style": lambda: app.call(
            session, "style", model="fast-style", photo=photo, size=256, styles=[["waves", 1.0]], seed=seed
        ),
        "edit": lambda: app.call(
            session, "edit", model="stylegan2-heroes", seed=seed, directions=[["sefa:0", 1.5]], mixed="coarse",
            mix_seed=seed + 1,
        ),
        "enlarge": lambda: app.call(session, "translate", model="srgan-x4", photo=photo, size=96),
        "slow": lambda: app.call(session, "style", model="gatys", photo=photo, size=64, styles=[[photo, 1.0]]),
    }  # fmt: skip


SHARES = {"generate": 56, "wall": 8, "film": 16, "classes": 5, "style": 5, "edit": 5, "enlarge": 4, "slow": 1}


def visit(app: App, number: int, goes_on: Callable[[], bool], figures: Figures, think: float) -> None:
    """One person, who asks, waits for the answer, perhaps looks at it, and asks again."""
    chance, session = random.Random(number), f"visitor{number}"
    photo = app.upload(ROOT / "ganhub" / "app" / "assets" / "harbour.jpg")
    while goes_on():
        kind = chance.choices(list(SHARES), list(SHARES.values()))[0]
        call, began = calls(app, session, photo, chance)[kind], time.monotonic()
        try:
            problem = call()
        except OSError as error:
            problem = f"{type(error).__name__}: {error}"
        figures.note(kind, time.monotonic() - began, problem)
        time.sleep(chance.expovariate(1 / think) if think else 0)


def users(count: int, seconds: float, think: float) -> None:
    """So many people for so long."""
    with started() as app:
        figures, end, before = Figures(), time.monotonic() + seconds, (app.resident(), app.busy())
        crowd(app, count, lambda: time.monotonic() < end, figures, think)
        print(f"{count} users for {seconds:g} s, {think:g} s between an answer and the next request")
        report(figures, seconds)
        answers, busy = sum(map(len, figures.seconds.values())), app.busy() - before[1]
        print(f"processor time of the app {busy:.1f} s, {busy / max(1, answers):.3f} s for each answer")
        print(f"memory {before[0]:.0f} -> {app.resident():.0f} MB")
        print_leftovers(app)


def memory(requests: int) -> None:
    """What is held after a tenth of so many requests, and after all of them."""
    with started() as app:
        figures, done, lock, seen = Figures(), [0], threading.Lock(), {}

        def goes_on() -> bool:
            with lock:
                done[0] += 1
                if done[0] == requests // 10:
                    seen["early"] = app.resident()
                return done[0] <= requests

        began = time.monotonic()
        crowd(app, 8, goes_on, figures, 0)
        report(figures, time.monotonic() - began)
        late = app.resident()
        grown = (late / seen["early"] - 1) * 100
        print(f"memory after {requests // 10} {seen['early']:.0f} MB, after {requests} {late:.0f} MB: {grown:+.1f} %")
        print_leftovers(app)


def crowd(app: App, count: int, goes_on: Callable[[], bool], figures: Figures, think: float) -> None:
    """Let people in, and wait until the last has left."""
    people = [threading.Thread(target=visit, args=(app, i, goes_on, figures, think)) for i in range(count)]
    for person in people:
        person.start()
    for person in people:
        person.join()


def report(figures: Figures, seconds: float) -> None:
    """Print counts and times by kind."""
    for kind, times in sorted(figures.seconds.items()):
        times.sort()
        p50, p95 = (times[min(len(times) - 1, int(share * len(times)))] for share in (0.5, 0.95))
        refused = f", {figures.refusals[kind]} politely refused" if figures.refusals[kind] else ""
        print(f"  {kind:9} {len(times):5} answers, p50 {p50:6.2f} s, p95 {p95:6.2f} s{refused}")
    total = sum(map(len, figures.seconds.values()))
    print(f"  {total / seconds:.1f} answers a second, {sum(figures.refusals.values())} polite refusals, "
          f"errors: {dict(figures.errors) or 'none'}")  # fmt: skip


def print_leftovers(app: App) -> None:
    """Wait until results are old, and count the files that stay."""
    kept, end = app.files(), time.monotonic() + 3 * AGE + 30
    while (left := app.files()) > 12 and time.monotonic() < end:
        time.sleep(1)
    print(f"files {kept}, once they are old {left}")


def batching(seconds: float) -> None:
    """Pictures a second of 16 callers who come together, through batches and one by one."""
    sys.path.insert(0, str(ROOT))
    from ganhub.app.batching import Batches
    from ganhub.creation import LocalLibrary
    from ganhub.creation.generate import _batch, draw
    from ganhub.models import LatentGenerator

    def rate(one: Callable) -> float:
        end, counts = time.monotonic() + seconds, []

        def caller(number: int) -> None:
            count = 0
            while time.monotonic() < end:
                one([(number * 10**6 + count, None)])
                count += 1
            counts.append(count)

        with ThreadPoolExecutor(16) as pool:
            list(pool.map(caller, range(16)))
        return sum(counts) / seconds

    for name in GENERATORS:
        model, lock, batches = LocalLibrary("cpu").open(name, LatentGenerator), threading.Lock(), Batches()

        def alone(wanted: list, how: Callable = draw, model=model, lock=lock) -> None:
            with lock:
                how(model, wanted, 1.0)

        # Not filled up, whose bits are others than in a batch.
        bare = rate(lambda wanted, alone=alone: alone(wanted, lambda *asked: _batch(*asked, None)))
        single = rate(alone)
        together = rate(lambda wanted, model=model, batches=batches: batches.draw(model, wanted, 1.0))
        print(f"{name:24} one by one {single:6.1f} a second (not filled up {bare:6.1f}), in batches {together:6.1f}: "
              f"x {together / single:.1f} and x {together / bare:.1f}", flush=True)  # fmt: skip


def main() -> None:
    """Run one of the three."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("users", "memory", "batching"))
    parser.add_argument("--users", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=None)
    parser.add_argument("--think", type=float, default=0.0, help="seconds between an answer and the next request")
    parser.add_argument("--requests", type=int, default=2000)
    asked = parser.parse_args()
    if asked.what == "users":
        users(asked.users, asked.seconds or 120, asked.think)
    elif asked.what == "memory":
        memory(asked.requests)
    else:
        batching(asked.seconds or 4)


if __name__ == "__main__":
    main()
