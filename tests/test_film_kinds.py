"""Films as they are meant: oblong pixels, turned and mirrored ones, other suffixes, damaged ones, too many tags."""

from __future__ import annotations

import io
import random
import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch

from ganhub.errors import GanhubError, ImageError
from ganhub.images import video

# Red, green, blue and white, one in each quarter of a picture that is wider than high.
QUARTERS = np.zeros((64, 96, 3), np.uint8)
QUARTERS[:32, :48, 0] = QUARTERS[:32, 48:, 1] = QUARTERS[32:, :48, 2] = QUARTERS[32:, 48:] = 255


def film(kind: str = "mp4", codec: str = "libx264", ratio: Fraction | None = None, tags: dict | None = None) -> bytes:
    file = io.BytesIO()
    with av.open(file, "w", format=kind) as container:
        container.metadata.update(tags or {})
        stream = container.add_stream(codec, rate=10)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p" if codec == "libx264" else "rgb8"
        if ratio:
            stream.codec_context.sample_aspect_ratio = ratio
        for number in range(3):
            frame = av.VideoFrame.from_ndarray(QUARTERS, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 10)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return file.getvalue()


def first(path: Path) -> torch.Tensor:
    return next(iter(video.open_video(path)))


def corners(frame: torch.Tensor) -> list[str]:
    """What lies in the four quarters of [1, 3, H, W], row by row."""
    names = {(1, 0, 0): "red", (0, 1, 0): "green", (0, 0, 1): "blue", (1, 1, 1): "white"}
    height, width = frame.shape[-2:]
    places = [(y, x) for y in (height // 4, height * 3 // 4) for x in (width // 4, width * 3 // 4)]
    return [names[tuple(int(value > 0) for value in frame[0, :, y, x])] for y, x in places]


@pytest.mark.parametrize(
    ("ratio", "size"), [(Fraction(3, 2), (64, 144)), (Fraction(1, 2), (128, 96)), (Fraction(64, 45), (64, 137))]
)
@pytest.mark.parametrize("kind", ["mp4", "matroska"])
def test_oblong_pixels_are_made_square(tmp_path, kind, ratio, size):
    """By enlarging one side, so that no pixel is lost."""
    (tmp_path / "a.mp4").write_bytes(film(kind, ratio=ratio))
    frames = list(video.open_video(tmp_path / "a.mp4"))
    assert [tuple(frame.shape) for frame in frames] == [(1, 3, *size)] * 3
    assert corners(frames[0]) == ["red", "green", "blue", "white"]


def test_square_pixels_are_left_alone_and_a_ratio_of_thousands_is_too_large(tmp_path):
    (tmp_path / "a.mp4").write_bytes(film(ratio=Fraction(1, 1)))
    assert first(tmp_path / "a.mp4").shape == (1, 3, 64, 96)
    data = bytearray(film(ratio=Fraction(3, 2)))
    at = data.index(b"pasp") + 4
    data[at : at + 8] = struct.pack(">2I", 5000, 1)
    (tmp_path / "b.mp4").write_bytes(data)
    with pytest.raises(ImageError, match="b.mp4 is 480000 x 64 pixels"):
        list(video.open_video(tmp_path / "b.mp4"))


# The matrix of a track, (a, b, c, d): x' = a x + c y, y' = b x + d y; and the corners as they are then seen.
LAID = {
    (1, 0, 0, 1): "red green blue white",
    (0, 1, -1, 0): "blue red white green",  # a quarter turn clockwise, as phones write it
    (-1, 0, 0, -1): "white blue green red",
    (0, -1, 1, 0): "green white red blue",
    (-1, 0, 0, 1): "green red white blue",  # mirrored, as cameras that face their user
    (1, 0, 0, -1): "blue white red green",
    (0, 1, 1, 0): "red blue green white",
    (0, -1, -1, 0): "white green blue red",
}


@pytest.mark.parametrize("matrix", LAID)
def test_films_lie_as_they_say(tmp_path, matrix):
    data = bytearray(film(ratio=Fraction(3, 2)))
    at = data.index(b"tkhd") + 44
    a, b, c, d = (number << 16 for number in matrix)
    data[at : at + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    (tmp_path / "a.mp4").write_bytes(data)
    frame = first(tmp_path / "a.mp4")
    assert frame.shape == ((1, 3, 64, 144) if matrix[0] else (1, 3, 144, 64))
    assert corners(frame) == LAID[matrix].split()


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".gif", ".MOV"])
@pytest.mark.parametrize(("kind", "codec"), [("mp4", "libx264"), ("matroska", "libx264"), ("gif", "gif")])
def test_the_first_bytes_say_what_a_film_is(tmp_path, suffix, kind, codec):
    path = tmp_path / f"a{suffix}"
    path.write_bytes(film(kind, codec))
    frames = list(video.open_video(path))
    assert len(frames) == 3 and corners(frames[1]) == ["red", "green", "blue", "white"]


def test_what_opens_other_files_is_no_film_under_any_name(tmp_path):
    (tmp_path / "own.mp4").write_bytes(film())
    for text in ("ffconcat version 1.0\nfile own.mp4\n", "#EXTM3U\n#EXT-X-ENDLIST\nown.mp4\n"):
        for name in ("a.mp4", "a.mkv", "a.gif"):
            (tmp_path / name).write_text(text)
            with pytest.raises(ImageError, match="damaged or no film"):
                list(video.open_video(tmp_path / name))


def test_tags_in_another_encoding_and_too_many_tags(tmp_path, monkeypatch):
    data = film(tags={"title": "caf" + "e" * 9}).replace(b"cafeeeeeeeee", b"caf\xe9\xff\xfe\xff\xff\xff\xff\xff\xff")
    assert b"caf\xe9\xff" in data
    (tmp_path / "a.mp4").write_bytes(data)
    assert len(list(video.open_video(tmp_path / "a.mp4"))) == 3
    (tmp_path / "b.mkv").write_bytes(film("matroska", tags={"comment": "x" * 300_000}))
    assert len(list(video.open_video(tmp_path / "b.mkv"))) == 3
    monkeypatch.setattr(video, "MAX_HEADER", 200_000)
    with pytest.raises(ImageError, match="more tags and tables than any film needs"):
        video.open_video(tmp_path / "b.mkv")
    monkeypatch.setattr(video, "MAX_SECONDS", -1.0)  # the clock stands for a million tags that are compared
    with pytest.raises(ImageError, match="more tags and tables"):
        video.open_video(tmp_path / "a.mp4")


def test_any_damage_is_one_of_our_own_errors(tmp_path):
    """Bytes exchanged and cut off at places that a seed draws."""
    draw, path = random.Random(3), tmp_path / "a.mp4"
    films = [film(), film("matroska"), film("gif", "gif"), film(ratio=Fraction(3, 2))]
    for _ in range(150):
        data = bytearray(draw.choice(films))
        for _ in range(draw.randint(1, 8)):
            data[draw.randrange(len(data))] = draw.randrange(256)
        path.write_bytes(data[: draw.randrange(len(data))] if draw.random() < 0.2 else data)
        try:
            for frame in video.open_video(path):
                assert frame.shape[1] == 3
        except GanhubError as error:
            assert "\n" not in str(error)
