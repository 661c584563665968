"""Marks in files: written by us, read here by other means, and what strangers may have put in their place."""

from __future__ import annotations

import io
import itertools
import json
import random
import struct
import zlib
from pathlib import Path
from xml.etree import ElementTree

import av
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from ganhub.errors import ConfigError, GanhubError, ImageError
from ganhub.images import (
    encode_png,
    is_animated,
    load_image,
    provenance,
    save_gif,
    save_image,
    to_uint8,
    video,
)
from ganhub.images.provenance import COMPOSITE, ENHANCED, GENERATED, Mark
from ganhub.nn.random import uniform

TEXT = json.dumps({"format": 1, "creation": {"verb": "generate", "model": "m", "seed": 3}})
MARK = Mark(TEXT, GENERATED, 'ganhub with <a "quoted" & ünusual> \x00name')
FRAMES = uniform([1, 2, 3], 3, 40, 56) * 2 - 1
PICTURES, FILMS = ("png", "jpg", "webp"), ("gif", "mp4", "webm")
IPTC = "{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}"
ASKED_IPTC = "http://cv.iptc.org/newscodes/digitalsourcetype/"


def write(path: Path, mark: Mark | None = MARK) -> Path:
    if path.suffix.lstrip(".") in FILMS:
        video.save_video(FRAMES, path, fps=10, mark=mark)
    else:
        save_image(FRAMES[:1], path, mark=mark, srgb=True)
    return path


# ---- other readers: the containers are walked here by hand, after their specifications


def chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    """Of a PNG."""
    place, found = 8, []
    while place < len(data):
        length, kind = struct.unpack_from(">I4s", data, place)
        body = data[place + 8 : place + 8 + length]
        assert struct.unpack_from(">I", data, place + 8 + length)[0] == zlib.crc32(kind + body)
        found.append((kind, body))
        place += 12 + length
    return found


def segments(data: bytes) -> list[bytes]:
    """APP1 of a JPEG."""
    place, found = 2, []
    while data[place + 1] != 0xDA:
        length = int.from_bytes(data[place + 2 : place + 4], "big")
        found += [data[place + 4 : place + 2 + length]] if data[place + 1] == 0xE1 else []
        place += 2 + length
    return found


def riff(data: bytes) -> dict[bytes, bytes]:
    """Chunks of a WebP."""
    place, found = 12, {}
    while place < len(data):
        kind, length = struct.unpack_from("<4sI", data, place)
        found[kind] = data[place + 8 : place + 8 + length]
        place += 8 + length + length % 2
    return found


def boxes(data: bytes) -> list[tuple[bytes, bytes]]:
    """Of an MP4, the outermost."""
    place, found = 0, []
    while place < len(data):
        length, kind = struct.unpack_from(">I4s", data, place)
        found.append((kind, data[place + 8 : place + length]))
        place += length
    assert place == len(data)
    return found


def packet(path: Path) -> bytes:
    """The XMP packet of a file."""
    data, kind = path.read_bytes(), path.suffix
    if kind == ".png":
        texts = [body for name, body in chunks(data) if name == b"iTXt"]
        (text,) = [body for body in texts if body.startswith(b"XML:com.adobe.xmp\0\0\0\0\0")]
        return text[22:]
    if kind == ".jpg":
        sign = b"http://ns.adobe.com/xap/1.0/\0"
        (text,) = [body for body in segments(data) if body.startswith(sign)]
        return text.removeprefix(sign)
    if kind == ".webp":
        return riff(data)[b"XMP "]
    if kind == ".gif":
        start = data.index(b"!\xff\x0bXMP DataXMP") + 14
        return data[start : data.index(b"\x01\xff\xfe\xfd", start)]
    (box,) = [body for name, body in boxes(data) if name == b"uuid"]
    assert box[:16].hex() == "be7acfcb97a942e89c71999491e3afac"
    return box[16:]


def fields(path: Path) -> dict[str, str]:
    (description,) = ElementTree.fromstring(packet(path)).iter(
        "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}Description"
    )
    return dict(description.attrib)


def text_of(path: Path) -> str:
    return (video.read_text if path.suffix in (".mp4", ".webm") else provenance.read_text)(path)


@pytest.mark.parametrize("kind", [*PICTURES, "gif", "mp4"])
@pytest.mark.parametrize("source", [GENERATED, COMPOSITE, ENHANCED])
def test_other_programs_find_the_term(tmp_path: Path, kind: str, source: str) -> None:
    path = write(tmp_path / f"a.{kind}", Mark(TEXT, source, MARK.system))
    said = fields(path)
    assert said[f"{IPTC}DigitalSourceType"] == ASKED_IPTC + source
    assert said[f"{IPTC}AISystemUsed"] == 'ganhub with <a "quoted" & ünusual> ?name'


@pytest.mark.parametrize("kind", PICTURES)
def test_the_text_is_where_other_programs_look(tmp_path: Path, kind: str) -> None:
    path = write(tmp_path / f"a.{kind}")
    with Image.open(path) as picture:
        if kind == "png":
            assert picture.text["ganhub"] == TEXT and picture.text["Software"].startswith("ganhub ")
            return
        exif = picture.getexif()
        assert exif.get_ifd(0x8769)[0x9286] == b"ASCII\0\0\0" + TEXT.encode() and exif[0x0131].startswith("ganhub ")


def test_films_say_it_in_their_comment(tmp_path: Path) -> None:
    with av.open(str(write(tmp_path / "a.mp4"))) as film:
        assert film.metadata["comment"] == TEXT and len(list(film.decode(video=0))) == 3
    with Image.open(write(tmp_path / "a.gif")) as gif:
        assert gif.info["comment"].decode() == TEXT and gif.n_frames == 3 and gif.info["loop"] == 0
    with av.open(str(tmp_path / "a.gif"), format="gif") as film:  # FFmpeg finds its way past the packet, too
        assert len(list(film.decode(video=0))) == 3
    with av.open(str(write(tmp_path / "a.webm"))) as film:  # it has no place for XMP
        assert film.metadata["COMMENT"] == TEXT and len(list(film.decode(video=0))) == 3
        assert film.metadata["DIGITAL_SOURCE_TYPE"] == ASKED_IPTC + GENERATED


@pytest.mark.parametrize("kind", PICTURES + FILMS)
def test_a_mark_changes_no_pixel_and_is_read_back(tmp_path: Path, kind: str) -> None:
    plain, marked = write(tmp_path / f"a.{kind}", None), write(tmp_path / f"b.{kind}")
    if kind in FILMS:
        pairs = list(zip(video.open_video(plain), video.open_video(marked), strict=True))
    else:
        pairs = [(load_image(plain), load_image(marked))]
    assert all(bool((one == other).all()) for one, other in pairs)
    assert (text_of(plain), text_of(marked)) == ("", TEXT)
    same = marked.read_bytes() == write(tmp_path / f"c.{kind}").read_bytes()
    assert same, "the same picture and mark, another file"


def test_a_bare_mark_says_the_term_alone(tmp_path: Path) -> None:
    for kind in PICTURES + FILMS:
        path = write(tmp_path / f"a.{kind}", provenance.bare(COMPOSITE))
        assert text_of(path) == ""
        if kind == "webm":
            with av.open(str(path)) as film:
                assert film.metadata["DIGITAL_SOURCE_TYPE"].endswith(COMPOSITE)
        else:
            assert fields(path)[f"{IPTC}DigitalSourceType"].endswith(COMPOSITE)


def test_a_bmp_holds_no_mark_and_that_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(tmp_path / "a.bmp")
    assert "a.bmp says nothing of how it was made: a .bmp file cannot." in caplog.text
    caplog.clear()
    write(tmp_path / "b.bmp", None)
    assert not caplog.text


@settings(max_examples=40, deadline=None)
@given(st.text(st.characters(codec="ascii", categories=["L", "N", "P", "S", "Zs"]), min_size=1, max_size=3000))
def test_any_text_comes_back(text: str) -> None:
    mark, picture = Mark(text, GENERATED), to_uint8(FRAMES[0]).permute(1, 2, 0).numpy()
    assert provenance.read_text(encode_png(FRAMES[:1], mark=mark)) == text
    for kind in ("JPEG", "WEBP"):
        file = io.BytesIO()
        Image.fromarray(picture).save(file, format=kind, **provenance.options(kind, mark))
        assert provenance.read_text(file.getvalue()) == text


@pytest.mark.parametrize("length", [60_000, 59_999, 255, 256])
def test_the_longest_texts_fit(tmp_path: Path, length: int) -> None:
    mark = Mark("x" * length, GENERATED)
    for kind in PICTURES + FILMS:
        path = write(tmp_path / f"a.{kind}", mark)
        assert text_of(path) == mark.text


def test_what_no_mark_can_be() -> None:
    with pytest.raises(ImageError, match="takes 60,001 letters"):
        Mark("x" * 60_001, GENERATED)
    for text in ("ü", "a\nb", "a\x00b"):
        with pytest.raises(ConfigError, match="one line of ASCII"):
            Mark(text, GENERATED)
    with pytest.raises(ConfigError, match="digital source type"):
        Mark("", "digitalCapture")


# ---- the switch


@pytest.mark.parametrize("said", ["0", "off", " OFF "])
def test_marks_are_switched_off_and_that_is_logged_once(
    said: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("GANHUB_MARKS", said)
    provenance._say_off.cache_clear()
    assert not provenance.are_on() and provenance.bare(GENERATED) is None
    assert len([one for one in caplog.records if "Marks are off" in one.message]) == 1


def test_the_switch_says_what_it_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    for said in ("", "1", "on"):
        monkeypatch.setenv("GANHUB_MARKS", said)
        assert provenance.are_on()
    monkeypatch.setenv("GANHUB_MARKS", "maybe")
    with pytest.raises(ConfigError, match=r"\$GANHUB_MARKS is 1 or 0, not 'maybe'"):
        provenance.are_on()


# ---- files of strangers


def forged(text: str = "", *, xmp: str = "", packed: bool = False, kind: str = "PNG") -> bytes:
    file, picture = io.BytesIO(), Image.new("RGB", (8, 8))
    if kind == "PNG":
        notes = PngImagePlugin.PngInfo()
        notes.add_text("ganhub", text, zip=packed)
        notes.add_itxt("XML:com.adobe.xmp", xmp, zip=packed)
        picture.save(file, format="PNG", pnginfo=notes)
    else:
        exif = Image.Exif()
        exif.get_ifd(0x8769)[0x9286] = text.encode()
        picture.save(file, format=kind, exif=exif.tobytes(), xmp=xmp.encode())
    return file.getvalue()


LAUGHS = "".join(f'<!ENTITY {b} "{f"&{a};" * 10}">' for a, b in itertools.pairwise("abcdefghij"))
BOMB = f'<!DOCTYPE z [<!ENTITY a "ha">{LAUGHS}<!ENTITY x SYSTEM "file:///etc/passwd">]><z>&j;&x;</z>'


@pytest.mark.parametrize("packed", [False, True])
def test_ten_megabytes_in_a_png_are_passed_over(packed: bool) -> None:
    data = forged("[" * 10_000_000, packed=packed)
    assert provenance.read_text(data) == "" and load_image(data).shape == (1, 3, 8, 8)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_xml_is_never_parsed(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def parsed(*given: object) -> None:
        raise AssertionError("XML of a stranger was parsed")

    monkeypatch.setattr(ElementTree, "fromstring", parsed)
    monkeypatch.setattr(Image.Image, "getxmp", parsed)
    data = forged("hello", xmp=BOMB, kind=kind)
    assert provenance.read_text(data) == "hello" and load_image(data).shape == (1, 3, 8, 8)


def test_exif_of_other_kinds_is_text_or_nothing() -> None:
    for value in (b"UNICODE\0h\0i\0", b"\xff\xfe\x00", "text", 3, (1, 2)):
        exif, file = Image.Exif(), io.BytesIO()
        exif.get_ifd(0x8769)[0x9286] = value
        Image.new("RGB", (8, 8)).save(file, format="JPEG", exif=exif.tobytes())
        assert isinstance(provenance.read_text(file.getvalue()), str)


@pytest.mark.parametrize("kind", ("png", "jpg", "webp", "gif"))
def test_damaged_files_are_sentences(kind: str, tmp_path: Path) -> None:
    """Up to eight bytes at the beginning are others, and the file ends anywhere."""
    whole, chance = write(tmp_path / f"a.{kind}").read_bytes(), random.Random(0)
    for _ in range(150):
        broken = bytearray(whole)
        for _ in range(chance.randint(1, 8)):
            broken[chance.randrange(min(3000, len(whole)))] = chance.randrange(256)
        broken = bytes(broken[: chance.choice([len(broken), chance.randint(1, len(broken))])])
        for look in (provenance.read_text, is_animated):
            try:
                look(broken)
            except GanhubError as error:
                assert "\n" not in str(error)


def test_the_gif_of_a_palette_of_its_own_is_marked_after_it(tmp_path: Path) -> None:
    grey = uniform([1, 2], 1, 24, 32) * 2 - 1
    save_gif(grey, tmp_path / "grey.gif", mark=MARK)
    save_gif(grey, tmp_path / "plain.gif")
    with Image.open(tmp_path / "grey.gif") as one, Image.open(tmp_path / "plain.gif") as other:
        for place in (0, 1):
            one.seek(place), other.seek(place)
            assert one.convert("RGB").tobytes() == other.convert("RGB").tobytes()
