"""Many visitors at once: ``python benchmarks/visitors.py --users 10 --seconds 15``, against an app that it starts.

Each visitor has a session, asks mostly for walls and walks, and waits for each answer. Loopback only.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

import httpx

ROOT = Path(__file__).resolve().parent.parent
API = "/gradio_api"
MODELS = ("conditional-gan-mnist", "conditional-gan-glyphs", "stylegan2-heroes")


def main() -> None:
    """Start the app, let the visitors in, print what they met."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=15)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        environment = {**os.environ, "GRADIO_SERVER_PORT": str(port), "GRADIO_TEMP_DIR": folder, "TMPDIR": folder}
        app = subprocess.Popen([sys.executable, "app.py"], cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
        try:
            measure(f"http://127.0.0.1:{port}", app, Path(folder), asked.users, asked.seconds)
        finally:
            app.kill()
            app.wait()


def measure(address: str, app: subprocess.Popen, folder: Path, users: int, seconds: float) -> None:
    """Let ``users`` visitors ask for ``seconds``, and print the figures."""
    for _ in range(300):
        try:
            listeners = httpx.get(f"{address}/config", trust_env=False, timeout=10).json()["dependencies"]
            break
        except httpx.HTTPError:
            time.sleep(0.2)
    ids = {listener["api_name"]: listener["id"] for listener in listeners if listener["api_visibility"] == "public"}
    ask(address, ids["generate"], [MODELS[0], 4, 0, 1.0], "warm")
    memory, files = resident(app.pid), count(folder)
    times: list[float] = []
    errors: Counter[str] = Counter()
    end = time.monotonic() + seconds
    threads = [threading.Thread(target=visit, args=(address, ids, i, end, times, errors)) for i in range(users)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    cuts = statistics.quantiles(times, n=20) if len(times) > 1 else [0.0] * 19
    print(f"{users} visitors, {seconds:g} s: {len(times)} requests, {sum(errors.values())} errors {dict(errors)}")
    print(f"p50 {cuts[9]:.2f} s, p95 {cuts[18]:.2f} s")
    print(f"memory {memory:.0f} -> {resident(app.pid):.0f} MB, files {files} -> {count(folder)}")


def visit(address: str, ids: dict[str, int], number: int, end: float, times: list, errors: Counter) -> None:
    """One visitor: six of ten requests are walls, three are walks, one keeps a seed."""
    chance, session = random.Random(number), f"visitor{number}"
    while time.monotonic() < end:
        seed, kind = chance.randrange(1000), chance.random()
        if kind < 0.6:
            call = "generate", [chance.choice(MODELS), 24, seed, 1.0]
        elif kind < 0.9:
            call = "interpolate", [chance.choice(MODELS[:2]), f"{seed}, {seed + 9}", "", 24, "MP4", True]
        else:
            call = "keep_seed", [str(seed), "1, 2"]
        began = time.monotonic()
        error = ask(address, ids[call[0]], call[1], session)
        times.append(time.monotonic() - began)
        errors.update([error] if error else [])


def ask(address: str, listener: int, data: list, session: str) -> str:
    """Ask, and listen to the end; what went wrong, or ""."""
    body = {"data": data, "fn_index": listener, "session_hash": session}
    with httpx.Client(base_url=address, trust_env=False, timeout=120) as client:
        answer = client.post(f"{API}/queue/join", json=body)
        if answer.status_code != 200:
            return str(answer.status_code)
        with client.stream("GET", f"{API}/queue/data", params={"session_hash": session}) as stream:
            for line in stream.iter_lines():
                message = json.loads(line[6:]) if line.startswith("data: ") else {}
                if message.get("msg") == "process_completed":
                    return "" if message["success"] else str(message["output"].get("error"))[:80]
    return "no answer"


def resident(pid: int) -> float:
    """MB of memory that a process holds; 0 where the system does not say."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS"))


def count(folder: Path) -> int:
    """Files below a folder."""
    return sum(len(names) for _, _, names in os.walk(folder))


if __name__ == "__main__":
    main()
