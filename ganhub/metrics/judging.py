"""People as judges: which questions are asked, how answers are kept, and what they add up to.

Two kinds of question. "real-or-made": one picture, was it in the data or did the model make it? "a-or-b": two models'
pictures side by side, which is better? Answers are lines of JSON, each of which says all that it is about, so that
files of several machines can be joined by putting them one after the other. A share comes with the interval of
Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22, 1927; it takes answers for
independent, which is a little bold where several people saw the same pictures.
"""

from __future__ import annotations

import json
import math
import os
import re
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import torch

from ganhub.config import BaseConfig
from ganhub.errors import ConfigError, MetricError
from ganhub.nn.random import uniform

KINDS = {"real-or-made": ("real", "made"), "a-or-b": ("left", "right")}  # kind -> the two answers
SHOWN = {"real-or-made": (("real",), ("made",)), "a-or-b": (("A", "B"), ("B", "A"))}  # kind -> the two truths
MAX_ANSWERS, MAX_QUESTIONS = 100_000, 500  # of one file (30 MB, read at each judge's end); of one judge, who tires


# ---- questions


@dataclass(frozen=True)
class Question:
    """What one question shows.

    Attributes:
        number: Its number, from 1.
        shown: ("real",) or ("made",); ("A", "B") or ("B", "A") from left to right.
        index: Seed of a made picture (for A and B the same one, hence the same class), position in the stream of
            :class:`ganhub.data.Pictures` of a real one.
    """

    number: int
    shown: tuple[str, ...]
    index: int


def plan(kind: str, n: int, seed: int) -> list[Question]:
    """Draw n questions: half of either truth (of an odd n one more is made, or has B on the left), in random order.

    Args:
        kind: "real-or-made" or "a-or-b".
        n: Number of questions, from 1 to ``MAX_QUESTIONS``.
        seed: Decides the order and which pictures the model makes; the same for everyone who answers.

    Raises:
        ConfigError: For another kind, or a number out of range.
    """
    if kind not in KINDS:
        raise ConfigError(f"A question is one of {', '.join(KINDS)}, not {kind!r}.")
    if not 1 <= n <= MAX_QUESTIONS:
        raise ConfigError(f"--n must be from 1 to {MAX_QUESTIONS} questions, not {n}.")
    if not 0 <= seed < 2**32:
        raise ConfigError(f"--seed must be from 0 to {2**32 - 1}, not {seed}.")
    sides = torch.arange(n, device="cpu") % 2 == 0  # True: the second truth
    order = uniform([seed], n, stream=21)[0].argsort(stable=True)
    # Far from the samples of the card (seeds 0 to 63), which a judge may know by heart.
    first_seed = 1000 + int(uniform([seed], 1, stream=22).item() * 2**31)
    counts, pictures = {False: 0, True: 0}, []
    for second in sides.tolist():
        key = second or kind == "a-or-b"
        pictures.append((SHOWN[kind][second], counts[key] + (first_seed if key else 0)))
        counts[key] += 1
    return [Question(number, *pictures[i]) for number, i in enumerate(order.tolist(), start=1)]


# ---- answers


@dataclass(frozen=True, kw_only=True)
class Subject(BaseConfig):
    """What is judged; answers about different subjects are not added up.

    Attributes:
        kind: "real-or-made" or "a-or-b".
        models: Name of the model, or of A and of B.
        weights: The first 12 hex digits of a SHA-256 of each model's weights.
        data: What the real pictures are and how they were prepared, in words; "" for A or B.
        side: Pixels of the long side that pictures are shown at.
    """

    kind: str
    models: tuple[str, ...]
    weights: tuple[str, ...]
    data: str = ""
    side: int = 0

    def __post_init__(self) -> None:
        self.require(self.kind in KINDS, f"kind must be one of {', '.join(KINDS)}, not {self.kind!r}.")
        count = len(SHOWN[self.kind][0])
        self.require(len(self.models) == len(self.weights) == count, f"{self.kind} is about {count} model(s).")

    def words(self) -> str:
        """In words, as in: real or made, dcgan-landscapes (6a1f0c...), landscapes.zip."""
        named = " and ".join(f"{m} ({w})" for m, w in zip(self.models, self.weights, strict=True))
        return f"{self.kind.replace('-', ' ')}, {named}" + (f", {self.data}" if self.data else "")


@dataclass(frozen=True, kw_only=True)
class Answer(Subject):
    """One line of the file.

    Attributes:
        judge: A random word for a person's browser session; nothing else is known of a judge.
        plan_seed, questions: The plan, ``plan(kind, questions, plan_seed)``.
        question, shown, index: The question, as in :class:`Question`.
        answer: "real" or "made"; "left" or "right".
        seconds: Time since the picture was seen.
        time: When, UTC, ISO 8601.
    """

    judge: str
    plan_seed: int
    questions: int
    question: int
    shown: tuple[str, ...]
    index: int
    answer: str
    seconds: float = 0.0
    time: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        one_of = " or ".join(KINDS[self.kind])
        self.require(self.answer in KINDS[self.kind], f"An answer here is {one_of}, not {self.answer!r}.")
        self.require(self.shown in SHOWN[self.kind], f"A question of {self.kind} cannot show {self.shown}.")
        self.require(re.fullmatch(r"[0-9a-z]{8,32}", self.judge) is not None, "A judge has 8 to 32 letters or digits.")
        self.require(math.isfinite(self.seconds) and self.seconds >= 0, "seconds must be 0 or more.")

    @property
    def subject(self) -> Subject:
        """What it is about, alone."""
        return Subject(**{field.name: getattr(self, field.name) for field in fields(Subject)})

    @property
    def key(self) -> tuple[str, int, int, int]:
        """Equal for two answers of one judge to one question."""
        return self.judge, self.plan_seed, self.questions, self.question


def read_answers(path: str | Path) -> tuple[list[Answer], int]:
    """The answers in a file, the first of each judge to each question, and how many lines were damaged and left out.

    A crash can cut the last line short; whatever cannot be read costs that line and no other.

    Raises:
        MetricError: The file is missing or cannot be read.
    """
    _no_pipe(path)
    try:
        lines = Path(path).read_bytes().split(b"\n")
    except FileNotFoundError:
        raise MetricError(f"There is no {path} yet: answer some questions of `ganhub judge` first.") from None
    except OSError as error:
        raise MetricError(f"{path} cannot be read ({error.strerror}): name a file of answers.") from error
    answers: dict[tuple, Answer] = {}
    damaged = 0
    for line in filter(None, map(bytes.strip, lines)):
        try:
            answer = Answer.from_dict(json.loads(line))
        except (ValueError, TypeError, AttributeError, RecursionError):  # ConfigError is a ValueError
            damaged += 1
            continue
        answers.setdefault(answer.key, answer)
    return list(answers.values()), damaged


def _no_pipe(path: str | Path) -> None:
    if os.path.exists(path) and not os.path.isfile(path):  # opening a pipe, or a device, would wait for ever
        raise MetricError(f"Answers cannot be kept in {path}, which is no file: name another by --answers.")


class AnswerFile:
    """A file that answers about one subject are appended to; many threads may.

    Args:
        path: A .jsonl file, made with its folders when missing.
        subject: What all of its answers are about.

    Raises:
        MetricError: The file cannot be written, holds something else, or answers about another subject.
    """

    def __init__(self, path: str | Path, subject: Subject) -> None:
        self.path, self.subject = Path(path), subject
        self._lock = threading.Lock()
        _no_pipe(self.path)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("ab"):
                pass
        except OSError as error:
            raise self._unwritable(error) from error
        answers, damaged = read_answers(self.path)
        if damaged > 1 and not answers:
            raise MetricError(f"{self.path} holds something other than answers: choose another file by --answers.")
        other = next((answer.subject for answer in answers if answer.subject != subject), None)
        if other is not None:
            raise MetricError(
                f"{self.path} holds answers about something else ({other.words()}; here {subject.words()}): choose "
                "another file by --answers."
            )
        self._keys = {answer.key for answer in answers}

    def append(self, answer: Answer) -> bool:
        """Put an answer on the disk before returning; False, and no line, if this judge answered this before.

        Raises:
            MetricError: The disk or the file is full, or the file is gone.
        """
        line = json.dumps(answer.to_dict(), ensure_ascii=False).encode() + b"\n"
        with self._lock:
            if answer.key in self._keys:
                return False
            if len(self._keys) >= MAX_ANSWERS:
                raise MetricError(f"{self.path} holds {MAX_ANSWERS:,} answers: name another file by --answers.")
            try:
                with self.path.open("ab+", buffering=0) as file:
                    size = file.seek(0, os.SEEK_END)
                    if size and (file.seek(size - 1), file.read(1))[1] != b"\n":
                        line = b"\n" + line  # a crash cut the line before: this one starts afresh
                    if file.write(line) != len(line):
                        raise OSError(None, "no space left")
                    os.fsync(file.fileno())
            except OSError as error:
                raise self._unwritable(error) from error
            self._keys.add(answer.key)
        return True

    def next_question(self, judge: str, questions: Sequence[Question], seed: int) -> Question | None:
        """The first question of a plan that a judge has not answered; None at the end."""
        with self._lock:
            return next((q for q in questions if (judge, seed, len(questions), q.number) not in self._keys), None)

    def answers(self) -> list[Answer]:
        """All answers, also those that another process has appended since."""
        return [answer for answer in read_answers(self.path)[0] if answer.subject == self.subject]

    def _unwritable(self, error: OSError) -> MetricError:
        return MetricError(f"Answers cannot be kept in {self.path} ({error.strerror}): name another file by --answers.")


# ---- what they add up to


@dataclass(frozen=True)
class Rate:
    """A share of answers with its Wilson 95 % interval; all in [0, 1]."""

    successes: int
    trials: int
    low: float
    high: float

    @property
    def value(self) -> float:
        """The share."""
        return self.successes / self.trials

    @property
    def excludes_half(self) -> bool:
        """Whether guessing, 50 %, lies outside the interval."""
        return not self.low <= 0.5 <= self.high


def wilson(successes: int, trials: int) -> Rate:
    """The share successes / trials with the 95 % interval of Wilson 1927.

    Raises:
        MetricError: No trials, more successes than trials, or scipy is missing.
    """
    if not 0 <= successes <= trials or trials == 0:
        raise MetricError(f"A share needs 1 answer or more; {successes} of {trials} is none.")
    try:
        from scipy.stats import binomtest
    except ImportError as error:
        raise MetricError('The interval needs scipy: pip install "ganhub[eval]".') from error
    interval = binomtest(successes, trials).proportion_ci(0.95, method="wilson")
    return Rate(successes, trials, float(interval.low), float(interval.high))


@dataclass(frozen=True)
class Summary:
    """The result of a file of answers.

    Attributes:
        rates: By name, the one that matters most first; one that no answer speaks of is left out.
            "made_taken_for_real", "real_recognised", "accuracy"; or "preferred", the share of pairs where B won.
    """

    subject: Subject
    rates: dict[str, Rate]
    answers: int
    judges: int
    protocol: str
    left_out: int = 0

    def sentence(self, name: str | None = None) -> str:
        """One rate (the first) in words, with its interval."""
        name = name or next(iter(self.rates))
        rate = self.rates[name]
        share, interval = f"{rate.value:.0%}".replace("%", " %"), f"{100 * rate.low:.0f} to {100 * rate.high:.0f} %"
        counted = f"95 %: {interval}, {rate.trials} answer{'' if rate.trials == 1 else 's'}"
        if name == next(iter(self.rates)):
            counted += f" by {_people(self.judges)}"
        if name == "made_taken_for_real":
            guess = "50 % would mean that nobody can tell."
            return f"Judges took {share} of the made pictures for real ({counted}). {guess}"
        if name == "real_recognised":
            return f"They recognised {share} of the real ones ({counted})."
        if name == "accuracy":
            return f"Of all answers {share} were right ({counted}); guessing gives 50 %."
        first, second = self.subject.models
        liked = f"Judges preferred {second} (B) to {first} (A) in {share} of the pairs ({counted})."
        if not rate.excludes_half:
            return f"{liked} 50 % lies within the interval: these answers do not tell which is better."
        return f"{liked} The interval excludes 50 %: {second if rate.low > 0.5 else first} is liked better."

    def __str__(self) -> str:
        text = " ".join(self.sentence(name) for name in self.rates)
        lines = f"{self.left_out} damaged line{'' if self.left_out == 1 else 's'}"
        return text + (f" {lines} left out." if self.left_out else "")

    def numbers(self, place: int = 0) -> dict[str, dict[str, Any]]:
        """What a card's "people" group holds: name -> value, interval, number of answers, protocol.

        Args:
            place: Whose card: 0 for the model or for A, 1 for B. A's share of a pair is what B's leaves.
        """
        out = {}
        for name, rate in self.rates.items():
            value, low, high = rate.value, rate.low, rate.high
            if name == "preferred":
                name = f"preferred to {self.subject.models[1 - place]}"
                value, low, high = (value, low, high) if place else (1 - value, 1 - high, 1 - low)
            words = f"95 % {low:.2f} to {high:.2f} (Wilson), {rate.trials} answers; {self.protocol}"
            interval = [round(low, 4), round(high, 4)]
            out[name] = {"value": round(value, 4), "interval": interval, "n": rate.trials, "protocol": words}
        return out


def summarise(answers: Iterable[Answer], *, left_out: int = 0) -> Summary:
    """Add answers up.

    Raises:
        MetricError: There are none, or they are about different subjects.
    """
    answers = list(answers)
    subjects = list(dict.fromkeys(answer.subject for answer in answers))
    if not subjects:
        raise MetricError("There are no answers yet: run `ganhub judge` and open its page.")
    if len(subjects) > 1:
        named = "; ".join(subject.words() for subject in subjects)
        raise MetricError(f"These answers are about different things ({named}): keep a file for each.")
    subject = subjects[0]
    if subject.kind == "real-or-made":
        taken_for_real = [answer.answer == "real" for answer in answers if answer.shown == ("made",)]
        real = [answer.answer == "real" for answer in answers if answer.shown == ("real",)]
        counts = {
            "made_taken_for_real": (sum(taken_for_real), len(taken_for_real)),
            "real_recognised": (sum(real), len(real)),
            "accuracy": (sum(real) + len(taken_for_real) - sum(taken_for_real), len(answers)),
        }
    else:
        wins = [answer.shown[answer.answer == "right"] == "B" for answer in answers]
        counts = {"preferred": (sum(wins), len(wins))}
    rates = {name: wilson(*count) for name, count in counts.items() if count[1]}
    judges = len({answer.judge for answer in answers})
    return Summary(subject, rates, len(answers), judges, _protocol(answers, judges), left_out)


def _protocol(answers: Sequence[Answer], judges: int) -> str:
    """How it was asked, in one line for the card."""
    subject = answers[0].subject
    asked = {
        "real-or-made": "one picture at a time, real or made, half of each",
        "a-or-b": "two pictures of one seed side by side, which is better, sides drawn",
    }[subject.kind]
    plans = sorted({(a.plan_seed, a.questions) for a in answers})
    drawn = " and ".join(f"{n} questions of seed {seed}" for seed, n in plans)
    return f"{_people(judges)}, {drawn}, {asked}, blinded, shown at {subject.side} px" + (
        f"; real ones: {subject.data} (ganhub judge)" if subject.data else " (ganhub judge)")  # fmt: skip


def _people(count: int) -> str:
    return "1 person" if count == 1 else f"{count} people"
