"""Small files that would keep Pillow at work for minutes are refused by their structure; what is like them is read."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from PIL import Image

from ganhub.errors import ImageError
from ganhub.images import codec, headers, is_animated, load_image

SCREEN = b"GIF89a\x02\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff"
FRAME = b",\x00\x00\x00\x00\x02\x00\x01\x00\x00\x02\x02\x44\x0a\x00"


def comment(size: int) -> bytes:
    blocks = (bytes([len(block)]) + block for block in (bytes(min(255, size - i)) for i in range(0, size, 255)))
    return b"!\xfe" + b"".join(blocks) + b"\0"


def saved(picture: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def test_a_gif_may_have_comments_but_not_megabytes_of_them() -> None:
    for notes in (b"", comment(1000) * 3, b"!\xf9\x04\0\0\0\0\0"):
        assert load_image(SCREEN + notes + FRAME + b";").shape == (1, 3, 1, 2)
    assert is_animated(SCREEN + comment(9) + FRAME + comment(9) + FRAME + b";")
    for notes in (comment(headers.MAX_COMMENTS + 1), comment(1) * 5000):
        for file in (SCREEN + notes + FRAME + b";", SCREEN + FRAME + notes + FRAME + b";"):
            with pytest.raises(ImageError, match="damaged"):
                is_animated(file)
            with pytest.raises(ImageError, match="damaged"):
                load_image(file)
    # What stands behind the second frame is never read.
    assert load_image(SCREEN + FRAME * 2 + comment(1) * 5000).shape == (1, 3, 1, 2)


def test_a_gif_with_palettes_of_its_frames_is_read() -> None:
    frames = [Image.fromarray(np.full((9, 9, 3), shade, np.uint8)) for shade in (10, 90, 200)]
    file = saved(frames[0], "GIF", save_all=True, append_images=frames[1:], comment=b"x" * 600)
    assert is_animated(file) and load_image(file).shape == (1, 3, 9, 9)


def test_a_jpeg_has_few_parts_before_its_pixels() -> None:
    plain = saved(Image.new("RGB", (8, 8), "teal"), "JPEG", icc_profile=bytes(200_000), comment=b"hello")
    assert load_image(plain[:2] + b"\xff" * 50 + plain[2:]).shape == (1, 3, 8, 8)
    for padding in (b"\xff" * 30_000, b"\xff\xe1\x00\x02" * 30_000):
        with pytest.raises(ImageError, match="damaged"):
            load_image(plain[:2] + padding + plain[2:])


def test_what_is_read_number_by_number_is_small(monkeypatch: pytest.MonkeyPatch) -> None:
    odd = b"P5 40 30 254\n" + bytes(1200)  # not 255: Pillow scales each number
    packed = bytes.fromhex("0107") * 600 + b"\0\1"  # runs of one pixel
    head = b"BM" + struct.pack("<IHHI", 1078 + len(packed), 0, 0, 1078)
    head += struct.pack("<IiiHHIIiiII", 40, 40, 15, 1, 8, 1, len(packed), 0, 0, 256, 0)
    bmp = head + bytes(1024) + packed
    assert load_image(odd).shape == (1, 3, 30, 40)
    monkeypatch.setattr(codec, "MAX_ONE_BY_ONE", 1000)
    for file in (odd, bmp):
        with pytest.raises(ImageError, match="read one by one"):
            load_image(file)
    assert load_image(b"P5 40 30 255\n" + bytes(1200)).shape == (1, 3, 30, 40)


def test_numbers_that_are_all_the_same_and_huge_are_a_picture() -> None:
    picture = load_image(b"Pf\n9 9\n-1.0\n" + struct.pack("<f", 1e38) * 81)
    assert picture.isfinite().all() and picture.std() == 0
