"""Links: a Creation as a short text, the same on every machine, and one sentence for whatever else is in its place."""

from __future__ import annotations

import base64
import json
import random
import zlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ganhub.creation import Creation, Edit, Generate, Interpolate, Restore, Style, Translate
from ganhub.creation.permalink import CUT, LONG, MAX_CODE, NEWER, OFTEN, from_code, read, to_code
from ganhub.errors import ConfigError

PHOTO = "0123456789abcdef" * 4
WALL = Generate(model="stylegan2-heroes", seed=100, count=24)
MANY = [
    WALL,
    Generate(model="conditional-gan-mnist", count=8, labels=("zero", 7, "né"), truncation=0.35),
    Generate(model="stylegan2-heroes", seed=2**32 - 1, likeness=0.85, around=7),
    Interpolate(model="dcgan-landscapes", seeds=(3, 13, 23), frames=96, loop=False, pace="picture"),
    Edit(model="stylegan2-heroes", seed=5, directions=(("pca:0", 1.5), ("class:cat>dog", -2.0)), mixed="fine"),
    Style(model="fast-style", photo=PHOTO, styles=(("mosaic", 1.0),), opaque=True, size=1024),
    Translate(model="pix2pix-sketch2emoji", photo=PHOTO, self_ensemble=True),
    Restore(photo=PHOTO, cleaner="srgan-clean", upscaler="srgan-x4", mask=PHOTO[::-1]),
]  # fmt: skip


def packed(data: Any, *, version: str = "1", text: bytes | None = None) -> str:
    """A link by the format's description, with whatever JSON."""
    text = json.dumps(data).encode() if text is None else text
    packer = zlib.compressobj(9, zlib.DEFLATED, -15, zdict=OFTEN)
    body = (zlib.crc32(text) >> 16).to_bytes(2, "big") + packer.compress(text) + packer.flush()
    return version + base64.urlsafe_b64encode(body).decode().rstrip("=")


@pytest.mark.parametrize("creation", MANY, ids=lambda one: one.verb)
def test_there_and_back(creation: Creation) -> None:
    code = to_code(creation)
    assert from_code(code) == creation == read(code) == read(creation.to_json())
    assert set(code) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
    assert to_code(from_code(code)) == code


def test_links_of_every_day_are_short() -> None:
    assert len(to_code(WALL)) <= 20
    assert len(to_code(Interpolate(model="stylegan2-landscapes", seeds=(3, 13, 23)))) <= 40
    assert max(len(to_code(one)) for one in MANY) <= 140


def test_links_that_people_have_keep_their_meaning() -> None:
    """Written down when version 1 was: whoever changes the format makes a version 2, and reads both."""
    assert to_code(WALL) == "1vxkjzQRDA2xmAAA"
    assert from_code("1qbKrxqIN4UolRCQY6xga6xgZx-pgdQgA") == Interpolate(
        model="stylegan2-landscapes", seeds=(3, 13, 23)
    )


@pytest.mark.parametrize("creation", MANY, ids=lambda one: one.verb)
def test_a_cut_link_is_one_sentence(creation: Creation) -> None:
    """Wherever it was cut, and nothing else is read from what is left of it."""
    code = to_code(creation)
    for end in range(len(code)):
        with pytest.raises(ConfigError) as error:
            from_code(code[:end])
        assert str(error.value) == CUT


def test_a_changed_letter_is_noticed() -> None:
    """By the checksum, unless one in 65,536 fits by chance; then what it asks for is checked as any other."""
    code, chance, passed = to_code(MANY[4]), random.Random(0), 0
    for _ in range(2000):
        place = chance.randrange(1, len(code))
        other = code[:place] + chance.choice("ABCdef012-_") + code[place + 1 :]
        try:
            passed += from_code(other) != MANY[4]
        except ConfigError:
            pass
    assert passed <= 2


@given(st.one_of(st.text(), st.binary().map(lambda raw: "1" + base64.urlsafe_b64encode(raw).decode().rstrip("="))))
@settings(max_examples=300)
def test_whatever_stands_there_is_one_sentence(text: str) -> None:
    for reader in (from_code, read):
        try:
            assert isinstance(reader(text), Creation)
        except ConfigError as error:
            assert "\n" not in str(error) and len(str(error)) < 400


@pytest.mark.parametrize(
    ("code", "says"),
    [
        (packed(WALL.to_dict(), version="2"), NEWER),
        (packed(WALL.to_dict(), version="9"), NEWER),
        (packed(WALL.to_dict(), version="x"), CUT),
        ("", CUT),
        (None, CUT),
        (17, CUT),
        ("1" * 1_000_000, LONG),
        ("1" + "A" * (MAX_CODE - 1), CUT),
        (packed(None, text=b'{"verb":"generate"'), CUT),
        (packed(None, text=b"\xff\xfe"), CUT),
        (packed([1, 2]), "a table of fields"),
        (packed({"verb": "generate"}), "generate needs a value for model"),
        (packed({"verb": "paint", "model": "m"}), "There is no verb 'paint' here"),
        (packed({"verb": "generate", "model": "m", "colour": 1}), "has no field 'colour'"),
        (packed({"verb": "generate", "model": "m", "count": 10**9}), "count must be from 1 to 4096"),
        (packed({"verb": "generate", "model": "m", "seed": -1}), "seed must be from 0"),
        (packed({"verb": "generate", "model": "m", "truncation": 7}), "truncation must be from 0 to 1.5"),
        (packed(None, text=b'{"verb":"generate","model":"m","truncation":NaN}'), CUT),
        (packed(None, text=b'{"verb":"generate","model":"m","seed":' + b"9" * 5000 + b"}"), CUT),
        (packed(None, text=b'{"verb":' + b"[" * 5000 + b"]" * 5000 + b"}"), CUT),
    ],
    ids=lambda value: str(value)[:24],
)  # fmt: skip
def test_other_links_are_one_sentence(code: Any, says: str) -> None:
    with pytest.raises(ConfigError) as error:
        from_code(code)
    assert says in str(error.value)


def test_a_bomb_does_not_unfold(monkeypatch: pytest.MonkeyPatch) -> None:
    """8 KB of link that would be 6 MB of JSON: no more than 32 KB of them are ever in memory."""
    bomb = packed(None, text=b'{"verb":"generate","model":"' + b"a" * 6_000_000 + b'"}')
    assert len(bomb) <= MAX_CODE
    unfolded: list[int] = []

    class Watched:
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            self.inner = opener(*args, **kwargs)
            self.unused_data = b""

        def decompress(self, *args: Any) -> bytes:
            unfolded.append(len(data := self.inner.decompress(*args)))
            return data

        @property
        def eof(self) -> bool:
            return self.inner.eof

    opener = zlib.decompressobj
    monkeypatch.setattr(zlib, "decompressobj", Watched)
    with pytest.raises(ConfigError, match="not whole"):
        from_code(bomb)
    assert unfolded == [32_768]


def test_what_does_not_fit_into_a_link_says_so() -> None:
    chance = random.Random(1)
    names = tuple("".join(chance.choice("abcdefghijklmnop0123456789") for _ in range(40)) for _ in range(400))
    with pytest.raises(ConfigError, match="too much for a link"):
        to_code(Generate(model="m", labels=names))
