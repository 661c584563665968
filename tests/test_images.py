"""Every kind of upload is made on the fly and opened, or refused in a sentence."""

from __future__ import annotations

import io
import struct
import warnings
import zlib

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms, ImageDraw

from ganhub import images
from ganhub.errors import FileError, GanhubError, ImageError
from ganhub.files import write_atomically

RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)


def quarters(size=(48, 32)) -> Image.Image:
    """Red on the left, blue on the right: enough to see a rotation or a mirror."""
    picture = Image.new("RGB", size, RED)
    ImageDraw.Draw(picture).rectangle((size[0] // 2, 0, *size), fill=BLUE)
    return picture


def file_bytes(picture: Image.Image, kind: str, **options) -> bytes:
    file = io.BytesIO()
    picture.save(file, format=kind, **options)
    return file.getvalue()


def pixel(image: torch.Tensor, row: int, column: int) -> list[int]:
    return images.to_uint8(image)[0, :, row, column].tolist()


def png(width: int, height: int, chunks: bytes = b"") -> bytes:
    """A PNG header of any size, with no pixels to speak of."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunks + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


# ---- what comes in


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM"])
def test_formats(tmp_path, kind):
    path = tmp_path / f"a.{kind.lower()}"
    path.write_bytes(file_bytes(quarters(), kind))
    for source in (path, str(path), path.read_bytes(), io.BytesIO(path.read_bytes())):
        image = images.load_image(source)
        assert image.shape == (1, 3, 32, 48) and image.dtype == torch.float32
        assert np.allclose(pixel(image, 5, 5), RED, atol=12)
        assert np.allclose(pixel(image, 5, 43), BLUE, atol=12)
    with path.open("rb") as file:
        assert images.open_image(file).size == (48, 32)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_rotation(kind, orientation):
    """The picture is stored turned; opened, its red half is on the left again."""
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    stored = quarters() if orientation == 1 else quarters().transpose(undo[orientation])
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = images.load_image(file_bytes(stored, kind, exif=exif))
    assert image.shape == (1, 3, 32, 48)
    assert np.allclose(pixel(image, 16, 8), RED, atol=12) and np.allclose(pixel(image, 16, 40), BLUE, atol=12)


def test_broken_exif_is_ignored():
    data = file_bytes(quarters(), "JPEG", exif=b"Exif\x00\x00MM\x00*\x00\x00\x00\x08\xff\xff\x01\x12\x00\x03")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns of the broken block
        assert images.load_image(data).shape == (1, 3, 32, 48)


def test_transparency_is_composited_or_kept():
    picture = Image.new("RGBA", (4, 4), (255, 0, 0, 0))
    picture.putpixel((1, 0), (0, 255, 0, 255))
    picture.putpixel((2, 0), (0, 0, 255, 128))
    data = file_bytes(picture, "PNG")
    white, black = images.load_image(data), images.load_image(data, background="black")
    assert pixel(white, 0, 0) == [255, 255, 255] and pixel(black, 0, 0) == [0, 0, 0]
    assert pixel(white, 0, 1) == pixel(black, 0, 1) == [0, 255, 0]
    assert pixel(white, 0, 2) == [127, 127, 255] and pixel(black, 0, 2) == [0, 0, 128]
    assert pixel(images.load_image(data, background="#00ff00"), 0, 0) == [0, 255, 0]
    kept = images.load_image(data, channels=4)
    assert pixel(kept, 0, 0) == [255, 0, 0, 0] and pixel(kept, 0, 2) == [0, 0, 255, 128]
    assert pixel(images.load_image(file_bytes(quarters(), "PNG"), channels=4), 0, 0) == [255, 0, 0, 255]


def test_grey_with_alpha_and_palettes_with_transparency():
    grey = file_bytes(Image.merge("LA", [Image.new("L", (4, 4), 90), Image.new("L", (4, 4), 0)]), "PNG")
    assert images.open_image(grey).mode == "LA"
    assert pixel(images.load_image(grey), 1, 1) == [255] * 3
    assert pixel(images.load_image(grey, channels=1), 1, 1) == [255]
    assert pixel(images.load_image(grey, channels=4), 1, 1) == [90, 90, 90, 0]
    palette = Image.new("P", (4, 4), 1)
    palette.putpalette([255, 0, 0, 0, 0, 255])
    palette.putpixel((0, 0), 0)
    for kind in ("PNG", "GIF"):
        data = file_bytes(palette, kind, transparency=0)
        assert pixel(images.load_image(data), 0, 0) == [255] * 3
        assert pixel(images.load_image(data), 2, 2) == [0, 0, 255]
    single = file_bytes(quarters(), "PNG", transparency=RED)  # one RGB colour declared transparent
    assert pixel(images.load_image(single), 0, 0) == [255] * 3
    assert pixel(images.load_image(single), 0, 40) == [0, 0, 255]


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "PPM"])
def test_sixteen_bits_are_scaled_not_clipped(kind):
    ramp = np.linspace(0, 65535, 64 * 4).astype(np.uint16).reshape(4, 64)
    image = images.load_image(file_bytes(Image.fromarray(ramp), kind), channels=1)
    expected = np.round(ramp / 65535 * 255)
    assert np.abs(images.to_uint8(image)[0, 0].numpy().astype(int) - expected).max() <= 1


def test_thirty_two_bits_and_floats():
    for numbers in ([[0.0, 0.5, 1.0]], [[0.0, 127.5, 255.0]], [[-3.0, 0.0, 3.0]]):
        data = file_bytes(Image.fromarray(np.array(numbers, dtype=np.float32)), "TIFF")
        assert images.to_uint8(images.load_image(data, channels=1)).flatten().tolist() == [0, 128, 255]
    data = file_bytes(Image.fromarray(np.array([[0, 10_000_000, 20_000_000]], dtype=np.int32)), "TIFF")
    assert images.to_uint8(images.load_image(data, channels=1)).flatten().tolist() == [0, 128, 255]


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_cmyk(kind):
    """Pillow writes JPEG as Adobe does, inverted; a reader that does not know it sees a negative."""
    picture = Image.new("CMYK", (16, 16), (255, 0, 0, 0))  # full cyan
    data = file_bytes(picture, kind)
    assert images.open_image(data).mode == "RGB"
    assert np.allclose(pixel(images.load_image(data), 8, 8), (0, 255, 255), atol=8)


def test_grey_and_one_bit():
    assert images.open_image(file_bytes(Image.new("L", (3, 3), 77), "PNG")).mode == "L"
    assert pixel(images.load_image(file_bytes(Image.new("L", (3, 3), 77), "PNG")), 1, 1) == [77] * 3
    one_bit = Image.new("1", (8, 8), 0)
    one_bit.putpixel((3, 2), 1)
    image = images.load_image(file_bytes(one_bit, "PNG"))
    assert pixel(image, 2, 3) == [255] * 3 and pixel(image, 2, 4) == [0] * 3


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF"])
def test_animations_give_their_first_frame(kind):
    frames = [Image.new("RGB", (8, 8), colour) for colour in (RED, GREEN, BLUE)]
    data = file_bytes(frames[0], kind, save_all=True, append_images=frames[1:])
    assert np.allclose(pixel(images.load_image(data), 4, 4), RED, atol=3)


def test_colour_profile_is_converted_to_srgb():
    """Lab (60, 40, 30) stored through a LAB profile must come out as the sRGB colour that lcms computes."""
    lab = Image.new("LAB", (4, 4), (153, 40, 30))
    srgb, lab_profile = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    expected = ImageCms.profileToProfile(lab, lab_profile, srgb, outputMode="RGB").getpixel((0, 0))
    assert tuple(pixel(images.load_image(file_bytes(lab, "TIFF")), 0, 0)) == expected
    # An RGB file whose profile swaps red and green: an sRGB profile with two of its tags exchanged.
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    swapped = profile.replace(b"rXYZ", b"tXYZ").replace(b"gXYZ", b"rXYZ").replace(b"tXYZ", b"gXYZ")
    swapped = swapped.replace("sRGB".encode("utf-16-be"), "odd!".encode("utf-16-be"))
    data = file_bytes(Image.new("RGB", (4, 4), (250, 10, 10)), "PNG", icc_profile=swapped)
    assert np.allclose(pixel(images.load_image(data), 0, 0), (10, 250, 10), atol=6)
    picture = Image.new("RGBA", (4, 4), (250, 10, 10, 77))
    data = file_bytes(picture, "PNG", icc_profile=swapped)
    assert np.allclose(pixel(images.load_image(data, channels=4), 0, 0), (10, 250, 10, 77), atol=6)


def test_a_broken_or_foreign_profile_changes_nothing():
    for profile in (b"nonsense", ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()):
        data = file_bytes(Image.new("RGB", (4, 4), (10, 200, 30)), "PNG", icc_profile=profile)
        assert pixel(images.load_image(data), 0, 0) == [10, 200, 30]


def test_max_side_shrinks_and_never_enlarges():
    data = file_bytes(quarters((300, 100)), "PNG")
    assert images.load_image(data, max_side=150).shape == (1, 3, 50, 150)
    assert images.load_image(data, max_side=1000).shape == (1, 3, 100, 300)
    with pytest.raises(ImageError, match="max_side"):
        images.load_image(data, max_side=0)


# ---- what is refused


def refused(source, *words: str) -> str:
    with pytest.raises(ImageError) as caught:
        images.load_image(source)
    sentence = str(caught.value)
    for word in words:
        assert word in sentence, sentence
    assert "\n" not in sentence and sentence.endswith(".")
    return sentence


def test_no_picture(tmp_path):
    for name, content in {
        "a.txt": b"hello, world",
        "a.py": b"import os\n",
        "a.pdf": b"%PDF-1.7\n",
        "a.zip": b"PK\x03\x04" + bytes(60),
        "fake.png": b"GARBAGE" * 99,
        "eps.png": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",  # Pillow would start Ghostscript
    }.items():
        (tmp_path / name).write_bytes(content)
        refused(tmp_path / name, name, "not a picture")


def test_svg_heic_and_avif(tmp_path):
    for text in ("<svg xmlns='http://www.w3.org/2000/svg'/>", "<?xml version='1.0'?>\n<!-- x --><svg/>"):
        (tmp_path / "drawing.svg").write_text(text)
        refused(tmp_path / "drawing.svg", "drawing.svg", "SVG", "PNG")
    (tmp_path / "phone.heic").write_bytes(b"\x00\x00\x00\x18ftypheic" + bytes(40))
    refused(tmp_path / "phone.heic", "phone.heic", "HEIC", "JPEG")
    refused(b"\x00\x00\x00\x18ftypavif" + bytes(40), "AVIF")


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "BMP", "TIFF", "PPM"])
def test_truncated(tmp_path, kind):
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8))
    data = file_bytes(noise, kind)
    (tmp_path / "half.img").write_bytes(data[: len(data) // 2])
    refused(tmp_path / "half.img", "half.img", "damaged or incomplete")


def test_missing_empty_folder_and_odd_paths(tmp_path):
    refused(tmp_path / "gone.png", "gone.png", "does not exist")
    refused(tmp_path, "is a folder")
    (tmp_path / "empty.png").touch()
    refused(tmp_path / "empty.png", "empty.png", "is empty")
    refused(b"", "is empty")
    refused("bad\x00name.png")
    refused("x" * 5000)
    with pytest.raises(ImageError, match="path, bytes"):
        images.load_image(12)
    with pytest.raises(ImageError, match="binary"):
        images.load_image(io.StringIO("text"))


def test_size_is_refused_before_anything_is_decoded(tmp_path):
    """These headers promise gigabytes; there are no pixels behind them, so decoding would fail otherwise."""
    for width, height in ((20_000, 3), (3, 16_385), (9_000, 8_000)):
        (tmp_path / "big.png").write_bytes(png(width, height))
        refused(tmp_path / "big.png", "big.png", f"{width} x {height}", "64 megapixels")
    for side in (10_000, 60_000):  # from here on Pillow itself warns, then refuses
        (tmp_path / "bomb.png").write_bytes(png(side, side))
        refused(tmp_path / "bomb.png", "bomb.png", "64 megapixels")
    assert images.open_image(file_bytes(Image.new("1", (16_384, 2)), "PNG")).size == (16_384, 2)


def test_a_bomb_in_a_text_chunk_is_refused():
    text = b"Comment\x00\x00" + zlib.compress(bytes(200_000_000), 9)
    chunk = struct.pack(">I", len(text)) + b"zTXt" + text + struct.pack(">I", zlib.crc32(b"zTXt" + text))
    refused(png(8, 8, chunk))


def test_arguments_are_checked():
    picture = quarters()
    with pytest.raises(GanhubError, match="channels"):
        images.from_pil(picture, channels=2)
    with pytest.raises(GanhubError, match="colour"):
        images.from_pil(Image.new("RGBA", (2, 2)), background="nocolour")


@settings(max_examples=150, deadline=None)
@given(data=st.binary(max_size=200), at=st.integers(0, 150))
def test_whatever_bytes_give_a_picture_or_a_sentence(data, at):
    """Junk alone, and junk written over a real file of each kind, never lets another error out."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns of corrupt EXIF and TIFF tags
        for source in (data, *(good[:at] + data + good[at + len(data) :] for good in GOOD_FILES)):
            try:
                picture = images.open_image(source)
            except ImageError:
                continue
            assert picture.mode in ("L", "LA", "RGB", "RGBA")


GOOD_FILES = [file_bytes(quarters(), kind) for kind in ("PNG", "JPEG", "WEBP", "GIF", "TIFF", "BMP")]


# ---- numbers


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 3),
    st.sampled_from([1, 3, 4]),
    st.integers(1, 20),
    st.integers(1, 20),
    st.integers(0, 2**31),
)
def test_uint8_round_trip_is_exact(n, channels, height, width, seed):
    generator = torch.Generator().manual_seed(seed)
    pixels = torch.randint(0, 256, (n, channels, height, width), dtype=torch.uint8, generator=generator)
    floats = images.from_uint8(pixels)
    assert floats.min() >= -1 and floats.max() <= 1
    assert torch.equal(images.to_uint8(floats), pixels)
    through_png = images.load_image(images.encode_png(floats[0]), channels=channels)
    assert torch.equal(images.to_uint8(through_png), pixels[:1])
    assert torch.equal(images.from_pil(images.to_pil(floats[:1]), channels=channels), floats[:1])


def test_every_byte_and_what_lies_outside():
    every = torch.arange(256, dtype=torch.uint8)
    assert torch.equal(images.to_uint8(images.from_uint8(every)), every)
    odd = torch.tensor([-9.0, 9.0, float("inf"), float("-inf"), float("nan")])
    assert images.to_uint8(odd).tolist() == [0, 255, 255, 0, 128]


@settings(max_examples=40, deadline=None)
@given(st.sampled_from([1, 3, 4]), st.integers(1, 40), st.integers(1, 40), st.integers(1, 50), st.integers(1, 50))
def test_resize_and_fit_sizes(channels, height, width, new_height, new_width):
    image = torch.rand(2, channels, height, width) * 2 - 1
    for result in (
        images.resize(image, (new_height, new_width)),
        images.fit(image, new_height, new_width),
    ):
        assert result.shape == (2, channels, new_height, new_width)
        assert result.min() >= -1 and result.max() <= 1
    assert min(images.resize(image, new_height).shape[-2:]) == new_height


def test_resize_keeps_constants_proportions_and_does_not_alias():
    flat = torch.full((1, 3, 40, 60), 0.3)
    assert torch.allclose(images.resize(flat, (17, 90)), torch.tensor(0.3), atol=1e-5)
    assert images.resize(flat, 20).shape == (1, 3, 20, 30)
    assert images.resize(flat.transpose(2, 3), 20).shape == (1, 3, 30, 20)
    # A one-pixel checkerboard is grey when halved; picking pixels would give black or white.
    board = ((torch.arange(64)[:, None] + torch.arange(64)) % 2 * 2.0 - 1).view(1, 1, 64, 64)
    assert images.resize(board, 24)[..., 4:-4, 4:-4].abs().max() < 0.1
    with pytest.raises(ImageError, match="a side"):
        images.resize(flat, (0, 5))


def test_resize_does_not_let_hidden_colours_bleed():
    image = torch.full((1, 4, 16, 16), 1.0)
    image[:, :3] = torch.tensor([1.0, -1.0, -1.0]).view(1, 3, 1, 1)  # red
    image[:, 1, :, 8:] = 1.0  # transparent yellow on the right
    image[:, 3, :, 8:] = -1.0
    small = images.resize(image, 5)
    visible = small[:, 3] > -0.9
    assert small[:, 1][visible].max() < -0.98


def test_fit_keeps_the_centre():
    image = torch.zeros(1, 1, 10, 30)
    image[..., 10:20] = 1.0
    assert images.fit(image, 10, 10).min() > 0.999
    assert images.fit(torch.zeros(1, 1, 1, 16_000), 64, 64).shape == (1, 1, 64, 64)


def test_grid():
    batch = torch.stack([torch.full((3, 4, 6), value) for value in (-1.0, -0.5, 0.0, 0.5, 0.9)])
    grid = images.make_grid(batch)  # 3 columns, 2 rows
    assert grid.shape == (1, 3, 2 * 4 + 2, 3 * 6 + 2 * 2)
    assert (grid[..., :4, :6] == -1).all() and (grid[..., 6:, 8:14] == 0.9).all()
    assert (grid[..., 4:6, :] == 1).all() and (grid[..., 6:, 16:] == 1).all()
    assert images.make_grid(batch, columns=9, padding=0).shape == (1, 3, 4, 30)
    with pytest.raises(ImageError):
        images.make_grid(batch, columns=0)
    with pytest.raises(ImageError):
        images.make_grid(batch[:0])
    with pytest.raises(ImageError):
        images.make_grid(batch[0])


# ---- what goes out


def test_png_carries_text():
    notes = {"seed": "7", "model": "dcgan", "prompt": "naïve 猫"}
    data = images.encode_png(torch.zeros(1, 3, 8, 8), metadata=notes)
    with Image.open(io.BytesIO(data)) as picture:
        assert {key: picture.text[key] for key in notes} == notes
    for key in ("", "x" * 80, "猫"):
        with pytest.raises(ImageError, match="PNG text"):
            images.encode_png(torch.zeros(3, 8, 8), metadata={key: "text"})


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".jpeg", ".webp", ".bmp", ".PNG"])
def test_save_image(tmp_path, suffix):
    image = images.from_pil(quarters(), channels=4)
    image[:, 3, :, :24] = -1
    path = tmp_path / "new folder" / f"a{suffix}"
    images.save_image(image, path)
    back = images.load_image(path)
    assert np.allclose(pixel(back, 10, 10), (255, 255, 255), atol=6)
    assert np.allclose(pixel(back, 10, 40), BLUE, atol=6)
    assert [p.name for p in path.parent.iterdir()] == [path.name]  # no temporary file stays


def test_save_refuses(tmp_path):
    image = torch.zeros(1, 3, 4, 4)
    with pytest.raises(ImageError, match="suffix"):
        images.save_image(image, tmp_path / "a.xyz")
    with pytest.raises(ImageError, match="metadata"):
        images.save_image(image, tmp_path / "a.jpg", metadata={"a": "b"})
    with pytest.raises(ImageError, match="make_grid"):
        images.save_image(torch.zeros(2, 3, 4, 4), tmp_path / "a.png")
    (tmp_path / "file").touch()
    with pytest.raises(FileError, match="cannot be (made|written)"):
        images.save_image(image, tmp_path / "file" / "a.png")


def test_a_failed_write_keeps_the_old_file(tmp_path):
    path = tmp_path / "a.png"
    images.save_image(torch.zeros(1, 3, 4, 4), path)
    before = path.read_bytes()

    def half(place):
        place.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    with pytest.raises(FileError, match="disk is full"):
        write_atomically(path, half)
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_gif(tmp_path, channels):
    frames = torch.linspace(-1, 1, 5).view(5, 1, 1, 1).expand(5, channels, 20, 30).clone()
    if channels == 4:
        frames[:, 3] = 1
    images.save_gif(frames, tmp_path / "a.gif", fps=10)
    with Image.open(tmp_path / "a.gif") as gif:
        assert (gif.n_frames, gif.size, gif.info["duration"], gif.info["loop"]) == (5, (30, 20), 100, 0)
        gif.seek(3)
        assert abs(gif.convert("L").getpixel((3, 3)) - 191) <= 2
    with pytest.raises(ImageError, match="frames a second"):
        images.save_gif(frames, tmp_path / "b.gif", fps=0)
