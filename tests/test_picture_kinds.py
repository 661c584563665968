"""Pictures as they are meant: deep pixels, TIFF's kinds, profiles, long texts, animations; and what is bounded."""

from __future__ import annotations

import io
import random
import struct
import tracemalloc
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms, PngImagePlugin

from ganhub import images
from ganhub.errors import ImageError
from ganhub.images import headers

D50 = (0.9642, 1.0, 0.8249)


def stored(picture: Image.Image, kind: str, **options) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def pixels(data: bytes, mode: str = "RGB") -> np.ndarray:
    return np.asarray(images.open_image(data).convert(mode)).astype(int)


def tiff(
    array: np.ndarray, *, planes: bool = False, photometric: int | None = None, bits: int = 0, big: bool = False
) -> bytes:
    """Uncompressed, of one strip, or of one for each plane; ``array`` is [H, W], [H, W, C], or [C, H, W] in planes."""
    order = ">" if big else "<"
    height, width = array.shape[-2:] if planes else array.shape[:2]
    samples = 1 if array.ndim == 2 else array.shape[0 if planes else 2]
    kind = {"u": 1, "i": 2, "f": 3}[array.dtype.kind]
    photometric = photometric if photometric is not None else 2 if samples >= 3 else 1
    data, strips = array.astype(array.dtype.newbyteorder(order)).tobytes(), samples if planes else 1
    start = 400
    tags = [(256, 4, [width]), (257, 4, [height]), (258, 3, [bits or array.itemsize * 8] * samples), (259, 3, [1]),
            (262, 3, [photometric]), (273, 4, [start + len(data) // strips * k for k in range(strips)]),
            (277, 3, [samples]), (278, 4, [height]), (279, 4, [len(data) // strips] * strips),
            (284, 3, [2 if planes else 1]), (339, 3, [kind] * samples)]  # fmt: skip
    table, beside, place = b"", b"", 8 + 2 + 12 * len(tags) + 4
    for code, form, values in tags:
        raw = struct.pack(f"{order}{len(values)}{'H' if form == 3 else 'I'}", *values)
        if len(raw) > 4:
            raw, beside = struct.pack(f"{order}I", place + len(beside)), beside + raw
        table += struct.pack(f"{order}HHI", code, form, len(values)) + raw.ljust(4, b"\0")
    head = (b"MM\0*" if big else b"II*\0") + struct.pack(f"{order}IH", 8, len(tags)) + table + bytes(4) + beside
    return head.ljust(start, b"\0") + data


# ---- deep pixels


def ramp(most: float, count: int = 600) -> np.ndarray:
    return np.linspace(0, most, count, dtype=np.float32).reshape(20, -1)


@pytest.mark.parametrize("most", [1.0, 255.0, 65535.0])
@pytest.mark.parametrize("odd", [37_000.0, -900.0, float("nan"), float("inf"), float("-inf")])
def test_one_number_far_off_does_not_change_the_scale(most, odd):
    numbers = ramp(most)
    wanted = (numbers / most * 255).round()
    numbers[3, 7] = odd * most if np.isfinite(odd) else odd
    found = pixels(stored(Image.fromarray(numbers), "TIFF"), "L")
    off = np.abs(found - wanted)
    off[3, 7] = 0
    assert off.max() <= 1
    assert found[3, 7] == (255 if odd > 0 else 0)


def test_a_little_outside_the_scale_is_clipped_and_other_scales_are_stretched():
    numbers = ramp(1.06) - 0.03  # as resampling leaves it
    assert np.abs(pixels(stored(Image.fromarray(numbers), "TIFF"), "L") - (numbers.clip(0, 1) * 255).round()).max() <= 1
    numbers = ramp(3.0) - 1.5
    found = pixels(stored(Image.fromarray(numbers), "TIFF"), "L")
    assert (found[0, 0], found[-1, -1]) == (0, 255) and abs(found[10, 0] - 128) <= 1
    assert (pixels(stored(Image.fromarray(np.full((8, 8), 0.5, np.float32)), "TIFF"), "L") == 128).all()
    nothing = Image.fromarray(np.full((8, 8), np.nan, np.float32))
    with pytest.raises(ImageError, match="The picture holds no number that is finite: save it as PNG"):
        images.open_image(stored(nothing, "TIFF"))


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_deep_pixels_do_not_take_many_times_their_memory(kind):
    """Nine megapixels of 16 bits: as one in float64 they would have 72 MB, and more for what is computed of them."""
    deep = Image.fromarray(np.zeros((3000, 3000), np.uint16))
    data = stored(deep, kind, **({} if kind == "PNG" else {"compression": "tiff_deflate"}))
    tracemalloc.start()  # sees NumPy's memory, of which there is one strip at a time, and not Pillow's
    try:
        images.open_image(data)
        assert tracemalloc.get_traced_memory()[1] < 48 << 20
    finally:
        tracemalloc.stop()


# ---- kinds of TIFF


@pytest.mark.parametrize("big", [False, True])
def test_grey_tiffs_whose_white_is_zero(big):
    levels = np.arange(256, dtype=np.uint8).reshape(8, 32)
    assert (pixels(tiff(levels, photometric=0, big=big), "L") == 255 - levels).all()
    if big:  # which Pillow does not open: it is named
        with pytest.raises(ImageError, match="is a TIFF of 1 channel of 16 bits, which cannot be read here"):
            images.open_image(tiff(levels.astype(np.uint16) * 257, photometric=0, big=True))
    else:
        assert (pixels(tiff(levels.astype(np.uint16) * 257, photometric=0), "L") == 255 - levels).all()
        numbers = (levels / 255).astype(np.float32)
        assert np.abs(pixels(tiff(numbers, photometric=0), "L") - (255 - levels.astype(int))).max() <= 1


def test_twelve_bits_have_their_own_white():
    """Two pixels in three bytes, as scanners and microscopes store them."""
    packed = np.frombuffer(bytes([0xFF, 0xF8, 0x00] * 32), np.uint8)
    data = tiff(packed.reshape(8, 12), bits=12)
    data = data.replace(struct.pack("<HHII", 256, 4, 1, 12), struct.pack("<HHII", 256, 4, 1, 8))
    assert (pixels(data, "L") == np.tile([255, 128], 32).reshape(8, 8)).all()


def test_planes_and_deep_colours_are_read_right_or_named():
    colour = np.array([50_000, 25_000, 12_500], np.uint16)
    eight = np.broadcast_to((colour // 257).astype(np.uint8), (8, 6, 3))
    deep = np.broadcast_to(colour, (8, 6, 3))
    assert (pixels(tiff(eight)) == eight).all()
    assert (pixels(tiff(np.ascontiguousarray(eight.transpose(2, 0, 1)), planes=True)) == eight).all()
    for big in (False, True):
        assert np.abs(pixels(tiff(deep, big=big)) - eight).max() <= 1
    for array, words in {
        "planes": (deep.transpose(2, 0, 1), "3 channels of 16 bits in separate planes"),
        "floats": ((deep / 65535).astype(np.float32), r"3 channels of 32 bits \(floating-point numbers\)"),
        "halves": ((deep[:, :, 0] / 65535).astype(np.float16), r"1 channel of 16 bits \(floating-point numbers\)"),
        "long": (deep.astype(np.uint32), "3 channels of 32 bits"),
    }.values():
        data = tiff(np.ascontiguousarray(array), planes=words.endswith("planes"))
        with pytest.raises(ImageError, match=f"The picture is a TIFF of {words}, which cannot be read here: save"):
            images.open_image(data)


def test_tags_that_share_bytes_are_no_picture():
    """A thousand tags, each of which claims the same megabyte: Pillow would keep a gigabyte."""
    small = tiff(np.zeros((8, 8), np.uint8))
    at = len(small)
    many = b"".join(struct.pack("<HHII", 40_000 + k, 1, 1_000_000, at) for k in range(1000))
    file = b"II*\0" + struct.pack("<IH", 8, 1000) + many + bytes(4)
    with pytest.raises(ImageError, match="damaged or incomplete"):
        images.open_image(file.ljust(1_100_000, b"\0"))
    exif = b"Exif\0\0" + file.ljust(60_000, b"\0")
    assert images.open_image(stored(Image.new("RGB", (8, 8)), "PNG", exif=exif)).size == (8, 8)


# ---- how it lies


def test_a_picture_is_turned_though_the_rest_of_its_exif_is_broken():
    """An orientation, and a directory of GPS that lies beyond the end."""
    entries = struct.pack("<HHII", 0x0112, 3, 1, 6) + struct.pack("<HHII", 0x8825, 4, 1, 60_000)
    exif = b"Exif\0\0II*\0" + struct.pack("<IH", 8, 2) + entries + bytes(4)
    for kind in ("JPEG", "PNG", "WEBP"):
        assert images.open_image(stored(Image.new("RGB", (30, 20)), kind, exif=exif)).size == (20, 30), kind


def test_a_description_in_xmp_says_it_too():
    xmp = b'<x:xmpmeta><rdf:Description tiff:Orientation="8"/></x:xmpmeta>'
    assert images.open_image(stored(Image.new("RGB", (30, 20)), "WEBP", xmp=xmp)).size == (20, 30)


def test_deep_pictures_are_turned_too():
    exif = Image.Exif()
    exif[0x0112] = 6
    deep = Image.fromarray(np.arange(600, dtype=np.uint16).reshape(20, 30) * 100)
    for kind in ("PNG", "TIFF"):
        turned = pixels(stored(deep, kind, exif=exif), "L")
        assert turned.shape == (30, 20) and turned[0, -1] == 0 and turned[-1, 0] == 59_900 // 257


# ---- colour


def profile(gammas: float, primaries: tuple = (), name: str = "test") -> bytes:
    """A profile of version 2: power curves, and for colours where red, green and blue lie in XYZ under D50."""

    def number(value: float) -> bytes:
        return struct.pack(">i", round(value * 65536))

    text = name.encode() + b"\0"
    curve = b"curv" + bytes(4) + struct.pack(">IH", 1, round(gammas * 256)) + bytes(2)
    tags = {
        b"desc": b"desc" + bytes(4) + struct.pack(">I", len(text)) + text + bytes(4 + 4 + 2 + 1 + 67),
        b"wtpt": b"XYZ " + bytes(4) + b"".join(map(number, D50)),
    }
    for letter, place in zip(b"rgb" if primaries else b"k", primaries or [None], strict=True):
        tags[bytes([letter]) + b"TRC"] = curve
        if place is not None:
            tags[bytes([letter]) + b"XYZ"] = b"XYZ " + bytes(4) + b"".join(map(number, place))
    table, body, at = struct.pack(">I", len(tags)), b"", 128 + 4 + 12 * len(tags)
    for tag, data in tags.items():
        data += bytes(-len(data) % 4)
        table += tag + struct.pack(">II", at + len(body), len(data))
        body += data
    space = b"RGB " if primaries else b"GRAY"
    head = struct.pack(">I4sI", 128 + len(table + body), bytes(4), 0x02400000) + b"mntr" + space + b"XYZ " + bytes(12)
    head += b"acsp" + bytes(28) + b"".join(map(number, D50))
    return head.ljust(128, b"\0") + table + body


SRGB = ((0.4361, 0.2225, 0.0139), (0.3851, 0.7169, 0.0971), (0.1431, 0.0606, 0.7141))
SCREENS = {  # curves and primaries of what cameras, phones and programs write
    "Adobe RGB": (2.19921875, ((0.6097, 0.3111, 0.0195), (0.2053, 0.6257, 0.0609), (0.1492, 0.0632, 0.7446))),
    "ProPhoto": (1.8, ((0.7977, 0.2880, 0.0), (0.1352, 0.7119, 0.0), (0.0313, 0.0001, 0.8249))),
    "P3 of cinemas": (2.6, ((0.5151, 0.2412, -0.0010), (0.2920, 0.6922, 0.0419), (0.1571, 0.0666, 0.7841))),
    "linear sRGB, by name": (1.0, SRGB),
}


def seen(colour: tuple, gamma: float, primaries: tuple) -> np.ndarray:
    """By the book: through the curve to light, to XYZ, to sRGB's light, through its curve."""
    light = np.linalg.inv(np.array(SRGB).T) @ np.array(primaries).T @ (np.array(colour) / 255) ** gamma
    light = light.clip(0, 1)
    return np.where(light > 0.0031308, 1.055 * light ** (1 / 2.4) - 0.055, light * 12.92) * 255


@pytest.mark.parametrize("screen", SCREENS)
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF"])
def test_colours_are_those_that_the_profile_means(screen, kind):
    gamma, primaries = SCREENS[screen]
    icc = profile(gamma, primaries, "sRGB linear" if "name" in screen else screen)
    for colour in ((120, 110, 90), (60, 100, 80), (200, 190, 205)):
        exact = {"WEBP": {"lossless": True}, "JPEG": {"quality": 100, "subsampling": 0}}.get(kind, {})
        found = pixels(stored(Image.new("RGB", (16, 16), colour), kind, icc_profile=icc, **exact))[8, 8]
        assert np.abs(found - seen(colour, gamma, primaries)).max() <= (5 if kind == "JPEG" else 2.5), (colour, found)


def test_a_profile_with_srgb_s_own_curves_changes_nothing_whatever_it_is_called():
    own = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    noise = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    for icc in (own, own.replace("sRGB".encode("utf-16-be"), "c2ci".encode("utf-16-be"))):
        assert (pixels(stored(Image.fromarray(noise), "PNG", icc_profile=icc)) == noise).all()


@pytest.mark.parametrize("mode", ["L", "LA"])
def test_grey_pictures_have_profiles_of_their_own(mode):
    grey = Image.new("L", (8, 8), 128)
    picture = grey if mode == "L" else Image.merge("LA", [grey, Image.new("L", (8, 8), 90)])
    wanted = seen((128,) * 3, 1.8, SRGB)[0]
    for icc in (profile(1.8), profile(1.8, SRGB)):  # some programs give grey pictures one for colours
        found = images.open_image(stored(picture, "PNG", icc_profile=icc))
        level, *alpha = np.asarray(found).reshape(8, 8, -1)[3, 3].tolist()
        assert found.mode == mode and abs(level - wanted) <= 2 and alpha == [90] * (mode == "LA")


def test_damaged_profiles_are_passed_over():
    whole = profile(*SCREENS["Adobe RGB"])
    draw = random.Random(2)
    for _ in range(40):
        broken = bytearray(whole[: draw.randrange(40, len(whole))])
        broken[draw.randrange(len(broken))] ^= 0xFF
        data = stored(Image.new("RGB", (4, 4), (9, 99, 199)), "PNG", icc_profile=bytes(broken))
        assert pixels(data).shape == (4, 4, 3)


# ---- long texts


def with_chunks(*chunks: tuple[bytes, bytes], colour: tuple = (200, 100, 50)) -> bytes:
    """A PNG with more chunks after its header."""
    data = stored(Image.new("RGB", (8, 8), colour), "PNG")
    more = b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks
    )
    return data[:33] + more + data[33:]


LONG = b"long" * 700_000
TEXTS = {
    "text": (b"tEXt", b"note\0" + LONG),
    "packed": (b"zTXt", b"note\0\0" + zlib.compress(LONG)),
    "international": (b"iTXt", b"note\0\0\0\0\0" + LONG),
    "international, packed": (b"iTXt", b"note\0\1\0en\0Notiz\0" + zlib.compress(LONG)),
    "a bomb": (b"zTXt", b"note\0\0" + zlib.compress(bytes(200_000_000), 9)),
    "damaged": (b"zTXt", b"note\0\0" + zlib.compress(LONG)[:500]),
    "a profile that is a bomb": (b"iCCP", b"icc\0\0" + zlib.compress(bytes(200_000_000), 9)),
}


@pytest.mark.parametrize("kind", TEXTS)
def test_texts_of_any_length_do_not_hide_the_picture(kind):
    assert (pixels(with_chunks(TEXTS[kind])) == (200, 100, 50)).all()
    assert (pixels(with_chunks(*[TEXTS[kind]] * 3)) == (200, 100, 50)).all()


def test_short_texts_stay_and_many_are_passed_over():
    data = with_chunks((b"tEXt", b"seed\x007"), TEXTS["packed"], (b"tEXt", b"psi\x001"))
    lean, _ = headers.lean_png(io.BytesIO(data))
    assert Image.open(lean).text == {"seed": "7", "psi": "1"}
    many = [(b"zTXt", b"note\0\0" + zlib.compress(bytes(900_000)))] * 100  # Pillow stops at 64 MB together
    assert (pixels(with_chunks(*many)) == (200, 100, 50)).all()


def test_a_large_profile_is_applied():
    gamma, primaries = SCREENS["ProPhoto"]
    icc = bytearray(profile(gamma, primaries) + bytes(3_000_000))
    icc[:4] = struct.pack(">I", len(icc))
    data = with_chunks((b"iCCP", b"icc\0\0" + zlib.compress(bytes(icc))), colour=(60, 100, 80))
    assert np.abs(pixels(data)[0, 0] - seen((60, 100, 80), gamma, primaries)).max() <= 2.5


# ---- time


def test_a_jpeg_painted_in_hundreds_of_scans_is_refused(monkeypatch):
    """The last scan of a progressive JPEG over and over, which costs a pass over all pixels each time."""
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8))
    whole = stored(noise, "JPEG", progressive=True)
    monkeypatch.setattr(headers, "MAX_SCANNED", 64 * 64 * 16)
    assert images.open_image(whole).size == (64, 64)
    last = whole[whole.rindex(b"\xff\xda") : -2]
    with pytest.raises(ImageError, match="is painted in so many scans that it takes very long"):
        images.open_image(whole[:-2] + last * 50 + b"\xff\xd9")


def test_a_picture_written_out_as_text_is_small():
    assert (pixels(b"P3 2 1 255  1 2 3  4 5 6\n") == [[[1, 2, 3], [4, 5, 6]]]).all()
    with pytest.raises(ImageError, match="3000 x 2000 pixels that are read one by one"):
        images.open_image(b"P2 3000 2000 255 " + b"1 " * 100)


# ---- animations


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_animations_are_told_from_pictures(kind):
    frames = [Image.new("RGB", (12, 8), colour) for colour in ("red", "lime", "blue")]
    moves = stored(frames[0], kind, save_all=True, append_images=frames[1:])
    assert images.is_animated(moves) and not images.is_animated(stored(frames[0], kind))
    assert not images.is_animated(stored(frames[0], kind, save_all=True))
    assert images.open_image(moves).size == (12, 8)
    for other in ("JPEG", "TIFF"):
        assert not images.is_animated(stored(frames[0], other))
    with pytest.raises(ImageError):
        images.is_animated(b"no picture")


# ---- damage


def test_any_damage_is_one_of_our_own_errors():
    """Bytes exchanged, put in and cut off at places that a seed draws."""
    draw, exif = random.Random(11), Image.Exif()
    exif[0x0112] = 6
    noise = Image.fromarray(np.random.default_rng(1).integers(0, 256, (20, 28, 3), dtype=np.uint8))
    icc = profile(*SCREENS["Adobe RGB"])
    files = [stored(noise, kind, exif=exif, icc_profile=icc) for kind in ("PNG", "JPEG", "WEBP", "TIFF")]
    files += [stored(noise, "JPEG", progressive=True), stored(noise.quantize(16), "GIF"), stored(noise, "BMP")]
    files += [tiff(np.zeros((8, 8), np.uint16)), tiff(ramp(1.0)), with_chunks(TEXTS["damaged"])]
    for _ in range(600):
        data = bytearray(draw.choice(files))
        for _ in range(draw.randint(1, 6)):
            at = draw.randrange(min(len(data), 300) if draw.random() < 0.6 else len(data))
            data[at : at + draw.randint(0, 4)] = draw.choice((b"\xff", b"\xff" * 4, bytes(4), draw.randbytes(3)))
        data = bytes(data[: draw.randrange(len(data))] if draw.random() < 0.2 else data)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns of corrupt tags
            for look in (images.open_image, images.is_animated):
                try:
                    look(data)
                except ImageError as error:
                    assert "\n" not in str(error)


def test_png_metadata_is_still_written_and_read():
    notes = PngImagePlugin.PngInfo()
    notes.add_text("model", "x" * 5000, zip=True)
    lean, _ = headers.lean_png(io.BytesIO(stored(Image.new("L", (4, 4)), "PNG", pnginfo=notes)))
    assert Image.open(lean).text == {"model": "x" * 5000}
