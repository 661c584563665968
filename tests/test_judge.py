"""``ganhub judge`` without a browser: the questions, the file of answers, what they add up to, and the command."""

from __future__ import annotations

import base64
import io
import json
import math
import shutil
import sys
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from ganhub.cli import cli, main
from ganhub.errors import ConfigError, MetricError
from ganhub.images import load_image, to_uint8
from ganhub.metrics import judging
from ganhub.metrics.judging import Answer, AnswerFile, Subject, plan, read_answers, summarise, wilson
from ganhub.models import get_architecture

ONE = Subject(kind="real-or-made", models=("dcgan",), weights=("0123456789ab",), data="pictures.zip", side=512)
TWO = Subject(kind="a-or-b", models=("old", "new"), weights=("0123456789ab", "ba9876543210"), side=512)


def answer(subject: Subject, question: int, shown: tuple[str, ...], said: str, judge: str = "judge001") -> Answer:
    fields = {"judge": judge, "plan_seed": 0, "questions": 200, "question": question, "seconds": 1.25}
    return Answer.from_dict({**subject.to_dict(), **fields, "shown": shown, "index": 7, "answer": said})


def answers_of(counts: dict[tuple[str, str], int], subject: Subject = ONE) -> list[Answer]:
    """(shown, said) -> how often; for A or B ``shown`` names what is on the left."""
    kinds = [kind for kind, count in counts.items() for _ in range(count)]
    pair = {"A": ("A", "B"), "B": ("B", "A")}
    return [answer(subject, i, pair.get(shown, (shown,)), said) for i, (shown, said) in enumerate(kinds, start=1)]


# ---- statistics


@pytest.mark.parametrize(("k", "n"), [(0, 1), (1, 1), (0, 20), (20, 20), (41, 100), (39, 96), (263, 500)])
def test_wilson_is_the_closed_form(k: int, n: int) -> None:
    z = 1.959963984540054  # the 97.5 % point of the normal distribution
    p, centre = k / n, (k + z * z / 2) / (n + z * z)
    half = z * n / (n + z * z) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    rate = wilson(k, n)
    assert (rate.low, rate.high) == pytest.approx((centre - half, centre + half), abs=1e-12)
    assert rate.low - 1e-12 <= rate.value == p <= rate.high + 1e-12


def test_wilson_of_nothing_is_refused() -> None:
    for k, n in ((0, 0), (3, 2), (-1, 5)):
        with pytest.raises(MetricError, match="1 answer or more"):
            wilson(k, n)


def test_real_or_made_in_words_and_numbers() -> None:
    counts = {("made", "real"): 39, ("made", "made"): 57, ("real", "real"): 60, ("real", "made"): 36}
    answers = answers_of(counts)
    answers = [replace(a, judge="judge002") if a.question % 2 else a for a in answers]
    summary = summarise(answers)
    assert summary.sentence() == (
        "Judges took 41 % of the made pictures for real (95 %: 31 to 51 %, 96 answers by 2 people). "
        "50 % would mean that nobody can tell."
    )
    assert "recognised 62 % of the real ones" in str(summary) and "61 % were right" in str(summary)
    assert summary.rates["accuracy"].successes == 57 + 60 and summary.rates["accuracy"].trials == 192
    numbers = summary.numbers()
    assert set(numbers) == {"made_taken_for_real", "real_recognised", "accuracy"}
    low, high = wilson(39, 96).low, wilson(39, 96).high
    one = numbers["made_taken_for_real"]
    assert (one["value"], one["n"]) == (round(39 / 96, 4), 96) and one["interval"] == [round(low, 4), round(high, 4)]
    for part in ("Wilson", "2 people", "200 questions of seed 0", "pictures.zip", "512 px"):
        assert part in one["protocol"]


def test_a_or_b_in_words_and_numbers() -> None:
    won = {("A", "right"): 30, ("B", "left"): 31, ("A", "left"): 20, ("B", "right"): 19}  # B is chosen 61 times of 100
    summary = summarise(answers_of(won, TWO))
    assert str(summary) == (
        "Judges preferred new (B) to old (A) in 61 % of the pairs (95 %: 51 to 70 %, 100 answers by 1 person). "
        "The interval excludes 50 %: new is liked better."
    )
    of_b, of_a = summary.numbers(1)["preferred to old"], summary.numbers(0)["preferred to new"]
    assert (of_a["value"], of_b["value"]) == (0.39, 0.61)
    assert of_a["interval"] == pytest.approx([1 - of_b["interval"][1], 1 - of_b["interval"][0]])
    lost = summarise(answers_of({("A", "left"): 40, ("B", "left"): 5}, TWO))
    assert "old is liked better" in str(lost)
    even = summarise(answers_of({("A", "right"): 11, ("B", "left"): 1, ("A", "left"): 8}, TWO))
    assert "do not tell which is better" in str(even)


def test_only_what_was_asked_is_told() -> None:
    summary = summarise(answers_of({("real", "made"): 1}))
    assert set(summary.rates) == {"real_recognised", "accuracy"} and "1 answer by 1 person" in str(summary)
    with pytest.raises(MetricError, match="no answers yet"):
        summarise([])
    with pytest.raises(MetricError, match="different things"):
        summarise([*answers_of({("real", "made"): 1}), *answers_of({("A", "left"): 1}, TWO)])


# ---- questions


@pytest.mark.parametrize("kind", ["real-or-made", "a-or-b"])
@pytest.mark.parametrize("n", [1, 2, 7, 50, 500])
def test_plans_are_balanced(kind: str, n: int) -> None:
    questions = plan(kind, n, 0)
    assert [question.number for question in questions] == list(range(1, n + 1))
    second = {"real-or-made": ("made",), "a-or-b": ("B", "A")}[kind]
    assert sum(question.shown == second for question in questions) == (n + 1) // 2
    assert len({(question.shown if kind == "real-or-made" else "", question.index) for question in questions}) == n
    real = sorted(question.index for question in questions if question.shown == ("real",))
    assert real == list(range(len(real))), "real ones are the first of the stream"
    assert all(1000 <= q.index < 2**32 for q in questions if q.shown != ("real",)), "none that the card shows"


def test_plans_follow_their_seed() -> None:
    one, again, other = (plan("real-or-made", 50, seed) for seed in (1, 1, 2))
    assert one == again
    assert [q.shown for q in one] != [q.shown for q in other]
    assert not {q.index for q in one if q.shown == ("made",)} & {q.index for q in other if q.shown == ("made",)}
    # In random order: as many changes from one picture to the next as of a fair coin, within 4 standard deviations.
    shown = [q.shown for q in plan("real-or-made", 500, 0)]
    assert abs(sum(a != b for a, b in zip(shown, shown[1:], strict=False)) - 250) < 4 * math.sqrt(499 / 4)


# ---- the file


def test_a_file_holds_so_many_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judging, "MAX_ANSWERS", 2)
    file = AnswerFile(tmp_path / "answers.jsonl", ONE)
    for number in (1, 2):
        assert file.append(answer(ONE, number, ("made",), "real"))
    assert not file.append(answer(ONE, 2, ("made",), "made"))
    with pytest.raises(MetricError, match="holds 2 answers: name another file"):
        file.append(answer(ONE, 3, ("made",), "real"))
    assert len(file.answers()) == 2


def test_answers_come_back_and_are_kept_once(tmp_path: Path) -> None:
    path = tmp_path / "new" / "answers.jsonl"
    file = AnswerFile(path, ONE)
    first = answer(ONE, 1, ("made",), "real")
    assert file.append(first)
    assert len(path.read_text().splitlines()) == 1, "on the disk at once"
    assert not file.append(replace(first, answer="made")), "the first answer counts"
    assert file.append(replace(first, judge="judge002"))
    assert file.answers() == [first, replace(first, judge="judge002")]
    line = json.loads(path.read_text().splitlines()[0])
    assert (line["judge"], line["question"], line["shown"], line["answer"]) == ("judge001", 1, ["made"], "real")
    assert line["seconds"] == 1.25 and line["weights"] == ["0123456789ab"]


def test_a_judge_goes_on_and_a_new_one_starts(tmp_path: Path) -> None:
    questions = plan("real-or-made", 3, 5)
    file = AnswerFile(tmp_path / "answers.jsonl", ONE)
    for question in questions[:2]:
        file.append(replace(answer(ONE, question.number, question.shown, "real"), plan_seed=5, questions=3))
    reopened = AnswerFile(tmp_path / "answers.jsonl", ONE)
    assert reopened.next_question("judge001", questions, 5) == questions[2]
    assert reopened.next_question("judge002", questions, 5) == questions[0]
    assert reopened.next_question("judge001", plan("real-or-made", 3, 6), 6).number == 1, "another plan"
    reopened.append(replace(answer(ONE, 3, questions[2].shown, "made"), plan_seed=5, questions=3))
    assert reopened.next_question("judge001", questions, 5) is None


@pytest.mark.parametrize("torn", ['{"kind": "real-or-m', '{"kind": "real-or-made"}', "\x00\x00\x00", "[1]", "null"])
def test_a_damaged_last_line_costs_nothing_else(tmp_path: Path, torn: str) -> None:
    path = tmp_path / "answers.jsonl"
    AnswerFile(path, ONE).append(answer(ONE, 1, ("made",), "real"))
    with path.open("a") as file:
        file.write(torn)
    after = AnswerFile(path, ONE)
    assert after.append(answer(ONE, 2, ("real",), "real"))
    found, damaged = read_answers(path)
    assert [a.question for a in found] == [1, 2] and damaged == 1
    assert str(summarise(found, left_out=damaged)).endswith("1 damaged line left out.")


def test_many_judges_at_once(tmp_path: Path) -> None:
    file = AnswerFile(tmp_path / "answers.jsonl", ONE)

    def judge(name: str) -> None:
        for number in range(1, 11):
            file.append(answer(ONE, number, ("made",), "real", judge=name))

    threads = [threading.Thread(target=judge, args=(f"judge{i:03}",)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found, damaged = read_answers(file.path)
    assert len(found) == 80 and damaged == 0


def test_files_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(MetricError, match="cannot be kept .* name another file"):
        AnswerFile(tmp_path / "file" / "answers.jsonl", ONE)
    with pytest.raises(MetricError, match="cannot be kept"):
        AnswerFile(tmp_path, ONE)
    (tmp_path / "diary.txt").write_text("Monday\nTuesday\n")
    with pytest.raises(MetricError, match="something other than answers"):
        AnswerFile(tmp_path / "diary.txt", ONE)
    AnswerFile(tmp_path / "answers.jsonl", ONE).append(answer(ONE, 1, ("made",), "real"))
    with pytest.raises(MetricError, match="something else .*another file"):
        AnswerFile(tmp_path / "answers.jsonl", replace(ONE, weights=("ffffffffffff",)))


@pytest.mark.parametrize(
    ("change", "says"),
    [({"answer": "left"}, "real or made"), ({"shown": ("A", "B")}, "cannot show"), ({"judge": "<b>"}, "8 to 32"),
     ({"seconds": math.nan}, "seconds")],
)  # fmt: skip
def test_an_answer_checks_itself(change: dict, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        replace(answer(ONE, 1, ("made",), "real"), **change)


# ---- the command


@pytest.fixture(scope="module")
def stock(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tiny models, and five pictures."""
    folder = tmp_path_factory.mktemp("stock")
    for name in ("conditional-gan", "dcgan", "gatys"):
        get_architecture(name).tiny().save_pretrained(folder / "models" / f"tiny-{name}")
    (folder / "pictures").mkdir()
    noise = np.random.default_rng(0).integers(0, 255, (5, 24, 20, 3), dtype=np.uint8)
    for i, pixels in enumerate(noise):
        Image.fromarray(pixels).save(folder / "pictures" / f"{i}.png")
    return folder


@pytest.fixture
def here(stock: Path, models_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with a copy of the stock's models within reach and its pictures in it."""
    shutil.copytree(stock / "models", models_folder, dirs_exist_ok=True)
    shutil.copytree(stock / "pictures", tmp_path / "pictures")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: str) -> str:
    result = CliRunner().invoke(cli, ["judge", *arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output.replace("\n", " ")


def prepared(names: list[str], n: int, **data: object):
    from ganhub.cli.judge import prepare
    from ganhub.data import DataConfig

    kind = "real-or-made" if data else "a-or-b"
    generators = [get_architecture(name.removeprefix("tiny-")).from_pretrained(name) for name in names]
    config = DataConfig.from_dict(data) if data else None
    return generators, prepare(kind, generators, names, config, plan(kind, n, 3), 3, Path("answers.jsonl"))


def pixels(address: str) -> Image.Image:
    kind, data = address.split(",", 1)
    assert kind == "data:image/png;base64"
    return Image.open(io.BytesIO(base64.b64decode(data)))


def test_pictures_are_what_they_say_and_look_alike(here: Path) -> None:
    (generator,), panel = prepared(["tiny-dcgan"], 8, path="pictures", seed=3, crop="random", flip=True)
    assert panel.file.subject.data == "pictures, crop random, flip"
    for question, (address,) in zip(panel.questions, panel.pictures, strict=True):
        picture = pixels(address)
        assert (picture.size, picture.mode, picture.info) == ((512, 512), "RGB", {}), "no text chunk, no other size"
        squares = np.asarray(picture).reshape(16, 32, 16, 32, 3)
        assert (squares == squares[:, :1, :, :1]).all(), "each pixel is a square"
        if question.shown == ("made",):
            expected = to_uint8(generator.sample(1, seed=question.index))[0].permute(1, 2, 0).numpy()
            assert (squares[:, 0, :, 0] == expected).all()


def test_real_pictures_are_prepared_as_for_training(here: Path) -> None:
    _, panel = prepared(["tiny-dcgan"], 10, path="pictures", seed=3)
    from ganhub.images import fit

    pool = {to_uint8(fit(load_image(p), 16, 16)).numpy().tobytes() for p in (here / "pictures").iterdir()}
    shown = [np.asarray(pixels(a))[::32, ::32] for q, (a,) in zip(panel.questions, panel.pictures, strict=True)
             if q.shown == ("real",)]  # fmt: skip
    assert {s.transpose(2, 0, 1)[None].tobytes() for s in shown} == pool, "each of the five once"


def test_models_of_different_size_and_colour_meet(here: Path) -> None:
    generators, panel = prepared(["tiny-dcgan", "tiny-conditional-gan"], 4)
    assert [generator.config.image_size for generator in generators] == [16, 8]
    for question, addresses in zip(panel.questions, panel.pictures, strict=True):
        pictures = [pixels(address) for address in addresses]
        assert {(p.size, p.mode) for p in pictures} == {((512, 512), "RGB")}
        left_is_grey = np.ptp(np.asarray(pictures[0]), axis=2).max() == 0
        assert left_is_grey == (question.shown[0] == "B")


@pytest.mark.parametrize(
    ("sizes", "side", "smooth"),
    [([16], 512, False), ([28], 504, False), ([28, 32], 448, False), ([64, 96], 576, False), ([64, 128], 512, False),
     ([64, 100], 500, True), ([128], 512, True), ([256, 512], 512, True), ([1024], 1024, True)],
)  # fmt: skip
def test_the_side_that_all_are_raised_to(sizes: list[int], side: int, smooth: bool) -> None:
    from ganhub.app.embedding import is_smooth, shown_side

    assert (shown_side(sizes), is_smooth(sizes)) == (side, smooth)


def test_report_and_record(here: Path) -> None:
    _, panel = prepared(["tiny-dcgan"], 4, path="pictures", seed=3)
    usual = here / "judgements" / "tiny-dcgan.jsonl"
    file = AnswerFile(usual, panel.file.subject)
    for question in panel.questions:
        file.append(answer(panel.file.subject, question.number, question.shown, "real"))
    sentence = "Judges took 100 % of the made pictures for real (95 %: 34 to 100 %, 2 answers by 1 person)."
    assert sentence in run("tiny-dcgan", "--report")
    assert sentence in run("--answers", str(usual), "--report")
    folder = here / "models" / "tiny-dcgan"
    assert "Recorded in" in run("tiny-dcgan", "--record")
    people = json.loads((folder / "metrics.json").read_text())["people"]
    assert people["made_taken_for_real"]["value"] == 1 and people["accuracy"]["n"] == 4
    card = (folder / "README.md").read_text()
    assert "| Made taken for real (people) | 1 (95 %: 0.34 to 1.00, 2 answers) | 1 |" in card
    assert "1. 1 person, 200 questions of seed 0, one picture at a time" in card


def test_record_of_two_models(here: Path) -> None:
    names = ["tiny-dcgan", "tiny-conditional-gan"]
    _, panel = prepared(names, 4)
    for question in panel.questions:
        side = ("left", "right")[question.shown.index("B")]
        panel.file.append(answer(panel.file.subject, question.number, question.shown, side))
    assert "preferred tiny-conditional-gan (B)" in run(*names, "--record", "--answers", "answers.jsonl")
    for name, other, value in ((names[0], names[1], 0.0), (names[1], names[0], 1.0)):
        people = json.loads((here / "models" / name / "metrics.json").read_text())["people"]
        assert people[f"preferred to {other}"]["value"] == value
    Path("answers.jsonl").write_text(Path("answers.jsonl").read_text().replace(panel.file.subject.weights[0], "0" * 12))
    with pytest.raises(MetricError, match="other weights"):
        run("--record", "--answers", "answers.jsonl")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "Name one model with --data, or two models, not 0"),
        (("tiny-dcgan",), "needs --data"),
        (("tiny-dcgan", "tiny-conditional-gan", "--data", "pictures"), "leave --data"),
        (("tiny-dcgan", "tiny-dcgan"), "the same weights"),
        (("tiny-gatys", "--data", "pictures"), "tiny-gatys is a stylizer"),
        (("tiny-dcgn", "--data", "pictures"), "There is no model 'tiny-dcgn'"),
        (("tiny-dcgan", "--data", "pictures", "--n", "0"), "--n must be from 1 to 500"),
        (("tiny-dcgan", "--data", "pictures", "--seed", "-1"), "--seed must be from 0"),
        (("tiny-dcgan", "--data", "pictures"), "holds 5 pictures, and 50 questions show 25: ask for --n 10"),
        (("tiny-dcgan", "--data", "nowhere"), "nowhere does not exist"),
        (("tiny-dcgan", "--data", "pictures", "data.crp=random"), "Did you mean 'crop'"),
        (("tiny-dcgan", "--data", "pictures", "train.images=5"), "says nothing of the real pictures"),
        (("tiny-dcgan", "--data", "pictures", "--n", "4", "--answers", "pictures"), "cannot be kept in pictures"),
        (("tiny-dcgan", "--report"), "There is no judgements/tiny-dcgan.jsonl yet"),
        (("--report",), "--answers FILE.jsonl"),
        (("--report", "--answers", "empty.jsonl"), "empty.jsonl holds no answers yet"),
    ],
)
def test_refusals(
    here: Path, arguments: tuple, says: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (here / "empty.jsonl").write_text("")
    monkeypatch.setattr(sys, "argv", ["ganhub", "judge", *arguments])
    with pytest.raises(SystemExit) as stop:
        main()
    error = capsys.readouterr().err
    assert stop.value.code == 1 and says in error.replace("\\", "/") and "Traceback" not in error
