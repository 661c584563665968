"""The tray's pure parts: the zip out and in, its contact sheet, and Creations that come from another one."""

from __future__ import annotations

import io
import json
import random
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from ganhub.creation import (
    Creation,
    Edit,
    Evolve,
    Generate,
    Interpolate,
    LocalLibrary,
    Point,
    Restore,
    Style,
    Translate,
    render,
)
from ganhub.creation import variations as vary
from ganhub.creation.tray import MAX_NOTE, MOST, Kept, contact_sheet, in_words, read_tray, write_tray
from ganhub.errors import ConfigError
from ganhub.images import encode_png, load_image
from ganhub.images.lettering import Line, blank, encode_thumbnail, with_text
from ganhub.models import get_architecture
from ganhub.nn.random import uniform

PHOTO = "ab" * 32
PNG = encode_png(uniform([3], 3, 20, 30) * 2 - 1)
WALL = Generate(model="stylegan2-heroes", seed=7, count=3)
KEPT = [
    Kept(WALL, [(".png", PNG)] * 3, True, "the knight"),
    Kept(Interpolate(model="m", seeds=(1, 2)), [(".png", PNG), (".mp4", b"film")]),
    Kept(Translate(model="m", photo=PHOTO), (), False, "名"),
]  # fmt: skip


# ---- the zip


def test_a_zip_comes_back(tmp_path: Path) -> None:
    write_tray(tmp_path / "tray.zip", KEPT)
    back = read_tray(tmp_path / "tray.zip")
    assert [(one.creation, one.star, one.note) for one in back] == [(one.creation, one.star, one.note) for one in KEPT]
    assert [list(one.files) for one in back] == [[(".png", PNG)], [(".png", PNG)], []]


def test_half_an_emoji_does_not_break_the_zip(tmp_path: Path) -> None:
    """A browser counts an emoji as two letters, and may cut a note between them."""
    write_tray(tmp_path / "tray.zip", [Kept(WALL, (), False, "龍😀\ud83d"), Kept(WALL, (), False, "😀" * 500)])
    notes = [one.note for one in read_tray(tmp_path / "tray.zip")]
    assert notes == ["龍😀", "😀" * MAX_NOTE]


def test_the_zip_is_of_use_without_ganhub(tmp_path: Path) -> None:
    write_tray(tmp_path / "tray.zip", KEPT)
    with zipfile.ZipFile(tmp_path / "tray.zip") as archive:
        names = archive.namelist()
        table = json.loads(archive.read("tray.json"))
        assert "contact-sheet.png" in names and len(names) == len(set(names)) == 7
        assert archive.read("pictures/001-stylegan2-heroes-seeds-7-to-9-02.png") == PNG
        assert archive.read(table["results"][1]["files"][1]) == b"film"
        assert Creation.from_dict(table["results"][0]["creation"]) == WALL
        sheet = load_image(archive.read("contact-sheet.png"))
    assert (sheet - contact_sheet(KEPT)).abs().max() < 0.01


def test_the_contact_sheet_shows_each_picture() -> None:
    red = encode_png(blank(50, 50, (255, 0, 0)))
    one, two = contact_sheet([KEPT[2]] * 2), contact_sheet([KEPT[2], Kept(WALL, [(".png", red)])])
    changed = (one != two).any(1)[0].nonzero()
    assert ((two[0, 0] > 0.99) & (two[0, 1] < -0.99)).sum() == 200 * 200  # enlarged into its cell
    assert changed.min(0).values[1] > two.shape[-1] // 2 - 16  # nothing of the first one


def rewritten(path: Path, edit: Callable[[dict[str, Any]], Any], **more: bytes) -> Path:
    """A tray whose table is another, and with more files."""
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    table = json.loads(files["tray.json"])
    files["tray.json"] = json.dumps(edit(table) or table).encode()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in {**files, **more}.items():
            archive.writestr(name, data)
    return path


def row(**fields: Any) -> Callable[[dict[str, Any]], None]:
    return lambda table: table["results"][0].update(fields)


@pytest.mark.parametrize(
    ("edit", "says"),
    [
        (lambda table: table.pop("ganhub_tray") and None, "is no tray of ganhub"),
        (lambda table: [1], "is no tray of ganhub"),
        (lambda table: table.update(ganhub_tray=2), "newer version"),
        (lambda table: table.update(ganhub_tray=0), "is damaged"),
        (lambda table: table.update(results={}), "is damaged"),
        (lambda table: table.update(results=["a"]), "is damaged"),
        (lambda table: table.update(results=table["results"] * 40), f"room for {MOST}"),
        (row(creation={"verb": "generate", "model": "m", "count": 10**7}), "count must be from 1 to 4096"),
        (row(creation={"verb": "smash"}), "There is no verb 'smash'"),
        (row(creation="../../x"), "a table of fields"),
    ],
)
def test_a_wrong_table_is_one_sentence(tmp_path: Path, edit: Callable, says: str) -> None:
    write_tray(tmp_path / "tray.zip", KEPT)
    with pytest.raises(ConfigError) as error:
        read_tray(rewritten(tmp_path / "tray.zip", edit))
    assert says in str(error.value)


@pytest.mark.parametrize(
    "files",
    ["../../secret.png", ["../secret.png"], ["/etc/passwd"], ["pictures/../../secret.png"], ["C:\\x.png"], [7], None,
     ["pictures/nowhere.png"], ["pictures/a\0.png"], {"a": 1}, ["secret.png"]],
    ids=str,
)  # fmt: skip
def test_a_name_is_never_a_path(tmp_path: Path, files: Any) -> None:
    """What a table names is looked for in the zip, under pictures/ only; the rest of the result is taken."""
    (tmp_path / "secret.png").write_bytes(PNG)
    (tmp_path / "in").mkdir()
    write_tray(tmp_path / "in" / "tray.zip", KEPT)
    more = {"../secret.png": PNG, "secret.png": PNG, "/etc/passwd": b"x"}
    back = read_tray(rewritten(tmp_path / "in" / "tray.zip", row(files=files), **more))
    assert back[0].files == [] and back[0].creation == WALL and len(back) == 3
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["in", "secret.png", "tray.zip"]


def test_zips_that_are_no_tray(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    for data, says in (
        (b"", "no tray"), (b"PK", "no tray"), (b"PK\x03\x04" + bytes(200), "no tray"), (PNG, "no tray"),
        (b"PK\x05\x06" + bytes(18), "no tray"),
    ):  # fmt: skip
        path.write_bytes(data)
        with pytest.raises(ConfigError, match=says):
            read_tray(path)


def test_a_damaged_zip_is_one_sentence(tmp_path: Path) -> None:
    """Wherever a byte is another: it is refused, or what was not touched comes out of it."""
    write_tray(tmp_path / "tray.zip", KEPT)
    whole, chance = (tmp_path / "tray.zip").read_bytes(), random.Random(0)
    for _ in range(150):
        broken = bytearray(whole)
        for _ in range(chance.randrange(1, 6)):
            broken[chance.randrange(len(broken))] = chance.randrange(256)
        (tmp_path / "tray.zip").write_bytes(broken[: chance.choice([len(broken), chance.randrange(len(broken))])])
        try:
            assert len(read_tray(tmp_path / "tray.zip")) <= MOST
        except ConfigError as error:
            assert "\n" not in str(error)


def test_bombs_do_not_unfold(tmp_path: Path) -> None:
    """A table and a picture of zeros, and a list of a million files."""
    path = tmp_path / "tray.zip"
    for name, size, says in (("tray.json", 50_000_000, "unfolds to more"), ("picture", 64_000_000, "unfolds to more")):
        write_tray(path, KEPT[:1])
        with zipfile.ZipFile(path) as archive:
            files = {one: archive.read(one) for one in archive.namelist()}
        at = name if name in files else next(one for one in files if one.startswith("pictures/"))
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for one, data in files.items():
                archive.writestr(one, bytes(size) if one == at else data)
        assert path.stat().st_size < 100_000
        with pytest.raises(ConfigError, match=says):
            read_tray(path)
    write_tray(path, KEPT)
    data = bytearray(path.read_bytes())
    end = data.rfind(b"PK\x05\x06")
    data[end + 10 : end + 12] = struct.pack("<H", 60_000)
    path.write_bytes(data)
    with pytest.raises(ConfigError, match="no tray"):
        read_tray(path)


# ---- small pictures and words


@pytest.mark.parametrize("shape", [(3, 64, 64), (1, 28, 28), (4, 32, 32), (3, 40, 900), (3, 2000, 1500)], ids=str)
def test_thumbnails_are_small(shape: tuple[int, ...]) -> None:
    """Of noise too, which packs worst: with its address in front it is under 4 KB."""
    data = encode_thumbnail(uniform([1], *shape) * 2 - 1)
    assert len(data) <= 3_000
    with Image.open(io.BytesIO(data)) as picture:
        assert picture.format == "WEBP" and 8 <= max(picture.size) <= 128


def test_text_stays_in_its_room() -> None:
    canvas = blank(60, 300, (255, 255, 255))
    drawn = with_text(canvas, [Line("W" * 200, 20, 10, 24, (0, 0, 0), 200)])
    columns = (drawn != canvas).any(1).any(1)[0].nonzero().flatten()
    assert 20 <= columns.min() < 30 and 190 < columns.max() <= 220
    assert (with_text(canvas, [Line("", 0, 0, 24, (0, 0, 0), 200)]) == canvas).all()


def test_results_in_words() -> None:
    assert in_words(WALL) == "stylegan2-heroes, seeds 7 to 9"
    assert in_words(Edit(model="m", seed=4)) == "m, seed 4"
    assert in_words(Generate(model="m", seed=4, likeness=0.8, around=2)) == "m, seed 4, near seed 2"
    assert in_words(Style(model="m", photo=PHOTO, styles=(("waves", 1.0), (PHOTO, 1.0)))) == "m, your photo, waves"
    assert in_words(Restore(photo=PHOTO, cleaner="a", upscaler="b")) == "a, b, your photo"
    assert in_words(Interpolate(model="m", seeds=(1, 2, 3), labels=("", "cat", ""))) == "m, seeds 1, 2, 3, cat"


# ---- Creations that come from another one


@pytest.mark.parametrize(
    "creation",
    [WALL, Interpolate(model="m", seeds=(1, 2, 3), frames=60), Edit(model="m", seed=3, directions=(("pca:0", 1.0),)),
     Edit(model="m", photo=PHOTO), Style(model="m", photo=PHOTO, styles=(("waves", 1.0),))],
    ids=lambda one: one.verb,
)  # fmt: skip
def test_new_seeds_change_chance_and_nothing_else(creation: Creation) -> None:
    free = {"seed", "seeds", "mix_seed", "mixed", "around", "likeness"}
    before = creation.to_dict()
    for lock in (False, True):
        results = [vary.new_seeds(creation, random.Random(n), lock=lock).to_dict() for n in range(5)]
        assert results[0] == vary.new_seeds(creation, random.Random(0), lock=lock).to_dict()
        assert len({json.dumps(one) for one in results}) > 1
        for one in results:
            changed = {key for key in before if one[key] != before[key]}
            assert changed and changed <= (free | {"truncation"} if lock else free)
            if lock and "photo" not in before:
                assert one.get("seed") == before.get("seed")
                assert one.get("seeds", [0])[0] == before.get("seeds", [0])[0]


def test_a_surprise_mixes_with_a_new_seed_and_no_longer_with_a_photo() -> None:
    mixed = Edit(model="m", seed=3, mixed="fine", mix_photo=PHOTO)
    again = [vary.new_seeds(mixed, random.Random(n), lock=True) for n in range(5)]
    assert not any(one.mix_photo for one in again) and len({one.mix_seed for one in again}) == 5


def test_a_surprise_takes_another_named_style() -> None:
    painting = Style(model="m", photo=PHOTO, styles=(("waves", 1.0),))
    names = {vary.new_seeds(painting, random.Random(n), styles=("waves", "glass", "wash")).styles[0][0]
             for n in range(20)}  # fmt: skip
    assert names == {"glass", "wash"}
    with pytest.raises(ConfigError, match="nothing random"):
        vary.new_seeds(Translate(model="m", photo=PHOTO), random.Random(0))


def test_more_like_this_is_near_its_seed(models_folder: Path) -> None:
    """In pixels, too: nearer than other seeds are, and a second press nearer still."""
    get_architecture("stylegan2").tiny().save_pretrained(models_folder / "tiny-stylegan2")
    library, model = LocalLibrary(), "tiny-stylegan2"
    one = render(Generate(model=model, seed=5), library).pictures
    others = vary.near(Generate(model=model, seed=5), random.Random(1))
    nearer = vary.near(others, random.Random(1))
    assert others.around == nearer.around == 5 and others.seed == 5 and 1 > nearer.likeness > others.likeness
    far = render(Generate(model=model, seed=100, count=12), library).pictures
    apart = [float((render(wall, library).pictures - one).square().mean()) for wall in (nearer, others)]
    assert apart[0] < apart[1] < 0.7 * float((far - one).square().mean())


def test_what_takes_a_seed_along() -> None:
    chance = random.Random(2)
    picture = Generate(model="m", seed=9, labels=("cat",), truncation=0.6)
    walk = vary.walk(picture, chance)
    assert (walk.seeds[0], len(walk.seeds), walk.label, walk.truncation, walk.model) == (9, 3, "cat", 0.6, "m")
    assert vary.walk(WALL, chance).seeds == (7, 8, 9)
    assert vary.walk(picture, chance, Edit(model="m", seed=2)).seeds == (9, 2)
    assert vary.edit_of(picture) == Edit(model="m", seed=9, label="cat", truncation=0.6)
    one = vary.search_from(picture)
    assert one == Point(model="m", seed=9, label="cat", truncation=0.6, weights=(1, *[0] * 31)) == vary.search_from(one)
    assert vary.search_from(WALL) == Evolve(model=WALL.model, seed=7, truncation=WALL.truncation, generations=15)
    film = Interpolate(model="m", seeds=(4, 5), label="dog", labels=("", "cat"))
    assert vary.edit_of(film) == Edit(model="m", seed=4, label="dog"), "the first pin has the film's class"
    assert vary.edit_of(Interpolate(model="m", seeds=(4, 5), labels=("", "cat"))).label is None
    with pytest.raises(ConfigError, match="must be of one model"):
        vary.walk(picture, chance, Edit(model="other", seed=2))
    for creation in (Translate(model="m", photo=PHOTO), Edit(model="m", photo=PHOTO),
                     Generate(model="m", seed=3, likeness=0.5, around=1)):  # fmt: skip
        with pytest.raises(ConfigError, match="a picture of one seed"):
            vary.edit_of(creation) if not isinstance(creation, Edit) else vary.walk(creation, chance)


def test_a_restored_photo_takes_no_seed_along() -> None:
    """It names several models, and none of them has a seed."""
    restored = Restore(photo="0" * 64, cleaner="srgan-clean")
    for way in (vary.search_from, vary.edit_of):
        with pytest.raises(ConfigError):
            way(restored)
