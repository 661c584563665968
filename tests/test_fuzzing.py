"""Files of strangers, broken at random: every one loads or is refused in a sentence, and no code of one ever runs."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests import fuzzing, fuzzing_hub

KINDS = {**fuzzing.KINDS, "hub": fuzzing_hub.repositories}
CASES = {"configs": 120, "safetensors": 200, "folders": 20, "pickles": 40, "pictures": 400, "hub": 12, "npz": 250}


@pytest.mark.parametrize("kind", list(CASES))
def test_every_error_is_a_sentence(kind: str, tmp_path: Path) -> None:
    count = fuzzing.run(kind, tmp_path, KINDS[kind], seed=11, cases=CASES[kind])
    assert not count.raw and not count.canary
    assert count.cases == CASES[kind] and count.refused > count.cases // 10


def test_the_canary_can_sing(tmp_path: Path) -> None:
    """What the fuzzer hides in its pickles does leave a trace where somebody unpickles it."""
    import pickle

    for how in range(3):
        canary = tmp_path / f"canary-{how}"
        left = pickle.loads(pickle.dumps(fuzzing._Payload(canary, how)))
        assert canary.exists()
        if hasattr(left, "close"):
            left.close()


def test_cases_repeat() -> None:
    data = bytes(range(200))
    broken = [fuzzing.broken_bytes(random.Random(f"x {number}"), data, data[::-1]) for number in range(20)]
    assert broken == [fuzzing.broken_bytes(random.Random(f"x {number}"), data, data[::-1]) for number in range(20)]
    assert len(set(broken)) > 15
