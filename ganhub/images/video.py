"""Films in and out: frames to a video that any browser plays, and back; smoothing over time.

Frames come and go one by one, so that a film needs no more memory than a few of them.

The encoder is PyAV (BSD-3), whose wheels for Linux, macOS and Windows carry FFmpeg with the x264 encoder, so
there is nothing else to install. It is imported with the first video, so that the app starts without it.
"""

from __future__ import annotations

import functools
import math
import os
import platform
import re
import stat
import struct
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import torch
from torch import Tensor
from torch.nn import functional as F

from ganhub.errors import ConfigError, ImageError
from ganhub.extras import needed_for
from ganhub.files import disk_is_full, write_atomically
from ganhub.images import MAX_PIXELS, MAX_SIDE, enlarge, from_uint8, on_white, provenance, save_gif, to_uint8
from ganhub.images.provenance import Mark

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.frame import VideoFrame

WATCHABLE = 256  # pixels; smaller frames are enlarged, since players blur or shrink tiny videos
READERS = {  # suffix -> FFmpeg's name: named, so that no file chooses one that opens other files
    ".gif": "gif", ".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".webm": "matroska", ".mkv": "matroska",
}  # fmt: skip
# How a file begins, and FFmpeg's name for it: many a film lies under another's suffix.
_SIGNS = (
    (b"GIF8[79]a", "gif"),
    (b"\x1aE\xdf\xa3", "matroska"),
    (b"....(?:ftyp|moov|mdat|wide|free|skip|pnot|styp)", "mp4"),
)
MAX_HEADER = 64 << 20  # bytes that are read before the first frame
MAX_SECONDS = 20.0  # that this may take
FORMATS = ("mp4", "gif", "webm")  # that films are written in
_ENCODERS = {  # suffix -> encoders, the best one first
    ".mp4": ("libx264", "libopenh264", "h264_videotoolbox", "h264_mf"), ".webm": ("libvpx-vp9", "libvpx"),
}  # fmt: skip


def fastest(path: str | os.PathLike[str]) -> int:
    """Frames a second that a film of this name shows at most."""
    return 50 if Path(path).suffix.lower() == ".gif" else 120


def check_speed(path: str | os.PathLike[str], fps: float) -> None:
    """Raise ImageError unless a film of this name can show so many frames a second."""
    if not 0 < fps <= fastest(path):  # NaN fails too
        raise ImageError(f"A video shows above 0 and up to 120 frames a second, a .gif up to 50, not {fps}.")


def save_video(
    frames: Tensor | Iterable[Tensor], path: str | os.PathLike[str], *, fps: float = 24, mark: Mark | None = None
) -> None:
    """Write frames as .mp4 (H.264, yuv420p, index at the front), as .webm (VP9, yuv420p) or as an endless .gif.

    Frames whose long side is under 256 pixels are enlarged by a whole number, pixel by pixel. An odd height
    or width, which yuv420p cannot hold, repeats its last row or column. Transparency is laid on white.

    Args:
        frames: [T, C, H, W] in [-1, 1], T at least 1, C = 1, 3 or 4; or an iterable of [C, H, W] or [1, C, H, W], all
            of one size, of which no more than one is held (a .gif keeps a byte for every pixel).
        path: Ends in .mp4, .webm or .gif. It appears only when it is complete.
        fps: Frames a second, above 0; at most 120, or 50 of a .gif.
        mark: How it was made, see `ganhub.images.provenance`.

    Raises:
        ImageError: No frames, another shape, suffix or speed.
        FileError: A place that cannot be written to.
    """
    path = Path(path)
    kind = path.suffix.lower()
    if kind.removeprefix(".") not in FORMATS:
        raise ImageError(f"{path.name} does not say what kind of video: end its name in .mp4, .webm or .gif.")
    if isinstance(frames, Tensor) and (frames.dim() != 4 or frames.shape[1] not in (1, 3, 4)):
        raise ImageError(f"Frames are [T, C, H, W] with C = 1, 3 or 4, not {list(frames.shape)}.")
    check_speed(path, fps)
    if isinstance(frames, Tensor) and 0 in frames.shape:
        raise ImageError("A video needs at least one frame: ask for more frames.")
    shown = _shown(frames)
    first = next(shown, None)
    if first is None:
        raise ImageError("A video needs at least one frame: ask for more frames.")
    factor = max(1, math.ceil(WATCHABLE / max(first.shape[-2:])))
    shown = chain([first], shown)
    if kind == ".gif":
        save_gif((enlarge(frame, factor) for frame in shown), path, fps=fps, mark=mark)
        return

    def fill(place: Path) -> None:
        named = {} if mark is None else provenance.tags(kind, mark)
        _encode(shown, _pixels(first, factor).shape[:2], factor, place, kind, fps, named)
        if mark is not None:
            provenance.finish(place, kind, mark)

    write_atomically(path, fill)


def _shown(frames: Iterable[Tensor]) -> Iterator[Tensor]:
    """Frames as [C, H, W], of one size."""
    size = None
    for frame in frames:
        frame = frame[0] if frame.dim() == 4 and len(frame) == 1 else frame
        if frame.dim() != 3 or frame.shape[0] not in (1, 3, 4) or 0 in frame.shape:
            raise ImageError(f"A frame is [C, H, W] with C = 1, 3 or 4, not {list(frame.shape)}.")
        size = frame.shape[1:] if size is None else size
        if frame.shape[1:] != size:
            raise ImageError(f"The frames of a video have one size, not {list(size)} and {list(frame.shape[1:])}.")
        yield frame


def _pixels(frame: Tensor, factor: int) -> Tensor:
    """[C, H, W] in [-1, 1] -> uint8 [H', W', 3] with even sides."""
    frame = frame.detach().float().cpu()
    pixels = enlarge(to_uint8(on_white(frame[None].clamp(-1, 1))[0]), factor)
    if pixels.shape[-2] % 2:
        pixels = torch.cat([pixels, pixels[:, -1:]], dim=-2)
    if pixels.shape[-1] % 2:
        pixels = torch.cat([pixels, pixels[:, :, -1:]], dim=-1)
    return pixels.permute(1, 2, 0).contiguous()


def _encode(
    frames: Iterable[Tensor], size: tuple[int, int], factor: int, place: Path, kind: str, fps: float,
    tags: dict[str, str],
) -> None:  # fmt: skip
    with needed_for("Writing a film"):
        import av
        from av.video.reformatter import ColorRange, Colorspace, VideoReformatter

    encoder = next((name for name in _ENCODERS[kind] if name in av.codecs_available), None)
    if encoder is None:
        raise ImageError(f"This build of PyAV has no encoder for {kind}: pip install av, or save as .gif.")
    # Without "bitexact" a .webm has a number in it that is another one each time.
    options = {"movflags": "faststart"} if kind == ".mp4" else {"fflags": "+bitexact"}
    try:
        with av.open(str(place), "w", format=kind[1:], options=options) as container:
            container.metadata.update(tags)
            rate = Fraction(fps).limit_denominator(1001)
            stream = container.add_stream(encoder, rate=rate)
            height, width = size
            stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            stream.options = _options(encoder)
            # Say which colours these are, or players guess by the size of the picture: BT.709, 16..235.
            context = stream.codec_context
            context.colorspace = context.color_primaries = context.color_trc = context.color_range = 1
            convert = VideoReformatter()  # one for all: its tables take longer than a small frame
            for image in frames:
                frame = av.VideoFrame.from_ndarray(_pixels(image, factor).numpy(), format="rgb24")
                frame = convert.reformat(
                    frame,
                    format="yuv420p",
                    dst_colorspace=Colorspace.ITU709,
                    src_color_range=ColorRange.JPEG,
                    dst_color_range=ColorRange.MPEG,
                    **_one_thread(),
                )
                container.mux(stream.encode(frame))
            container.mux(stream.encode())
    except av.error.FFmpegError as error:
        if disk_is_full(error):
            raise  # write_atomically says so
        raise ImageError(f"The video of {size[1]} x {size[0]} pixels cannot be encoded ({error}): try .gif.") from error


def _options(encoder: str) -> dict[str, str]:
    """How an encoder works: well, quickly, and so that the same film has the same bytes."""
    if encoder.startswith("libvpx"):
        return {"crf": "24", "b": "0" if encoder == "libvpx-vp9" else "4M", "deadline": "good", "cpu-used": "4"}
    if encoder != "libx264":
        return {}
    # With AVX-512 x264 gives other bytes each time, on one thread too.
    same = {"x264-params": "asm=SSE2Fast"} if platform.machine() in ("x86_64", "AMD64") else {}
    return {"crf": "18", "preset": "faster", **same}


@dataclass(frozen=True)
class Film:
    """A film that can be read frame by frame, as often as it is asked.

    Attributes:
        path: The file.
        fps: Frames a second; the mean, where they differ.
        count: How many frames it says that it has; 0 if it does not say.
        sound: Whether it has sound, which is not read.
    """

    path: Path
    fps: float
    count: int
    sound: bool

    def __iter__(self) -> Iterator[Tensor]:
        """Frames [1, 3, H, W] in [-1, 1], upright, in square pixels; transparency is laid on white."""
        with self.path.open("rb") as file, _opened(file, self.path) as container:
            ratio = container.streams.video[0].sample_aspect_ratio
            for frame in container.decode(video=0):
                size = _shown_size(frame.width, frame.height, ratio)
                _check_size(self.path, *size)
                yield _picture(frame, size)


def open_video(path: str | os.PathLike[str]) -> Film:
    """Look into a film: .mp4, .m4v, .mov, .webm, .mkv or .gif. Which of these it is, its first bytes say.

    Raises:
        ImageError: Missing, no film, damaged, or larger than a picture may be.
    """
    path = Path(path)
    if path.suffix.lower() not in READERS:
        raise ImageError(f"{path.name} is not a film that can be read here: use {', '.join(READERS)}.")
    try:
        _require_no_pipe(path)
        with path.open("rb") as file, _opened(file, path) as container:
            if not container.streams.video:
                raise ImageError(f"{path.name} has no pictures, only sound: choose a film.")
            stream = container.streams.video[0]
            _check_size(path, *_shown_size(stream.width, stream.height, stream.sample_aspect_ratio))
            rate = stream.average_rate or stream.guessed_rate or 24
            return Film(path, float(rate), stream.frames, bool(container.streams.audio))
    except OSError as error:
        raise ImageError(f"{path} cannot be read ({error.strerror or error}): check path and permissions.") from error


def read_text(path: str | os.PathLike[str]) -> str:
    """The text of a film's mark, or what stands in its place; "" where nothing does. ImageError as `open_video`."""
    path = Path(path)
    try:
        _require_no_pipe(path)
        with path.open("rb") as file, _opened(file, path) as container:
            text = container.metadata.get("comment") or container.metadata.get("COMMENT") or ""
    except OSError as error:
        raise ImageError(f"{path} cannot be read ({error.strerror or error}): check path and permissions.") from error
    return text if len(text) <= 1 << 20 else ""


def _require_no_pipe(path: Path) -> None:
    """ImageError where opening a path would wait without end; OSError where it is not there."""
    mode = path.stat().st_mode
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        raise ImageError(f"{path.name} is a pipe or a device, not a film: give the path of a file.")


@contextmanager
def _opened(file: BinaryIO, path: Path) -> Iterator[InputContainer]:
    with needed_for("Reading a film"):
        import av

    damaged = f"{path.name} is damaged or no film: save or download it again."
    start, bounded = file.read(64), _BoundedReader(file)
    kind = next((kind for sign, kind in _SIGNS if re.match(sign, start, re.DOTALL)), READERS[path.suffix.lower()])
    file.seek(0)
    try:
        # Tags are no text that is asked for: those in another encoding are left out.
        with av.open(bounded, format=kind, metadata_errors="ignore") as container:
            bounded.opened = True
            yield container
    except ImageError:
        raise
    except Exception as error:  # a damaged film makes PyAV raise nearly anything
        if isinstance(error, OSError) and not isinstance(error, av.error.FFmpegError):
            raise
        raise ImageError(damaged) from error


class _BoundedReader:
    """A file whose header takes neither much memory nor much time: what tags and tables a film opens with.

    Two hours of film have an index of some 20 MB. A million small tags are compared with each other, one by one.
    """

    def __init__(self, file: BinaryIO) -> None:
        self.file, self.opened = file, False
        self.left, self.until = MAX_HEADER, time.monotonic() + MAX_SECONDS

    def read(self, size: int = -1) -> bytes:
        data = self.file.read(size)
        if not self.opened:
            self.left -= len(data)
            if self.left < 0 or time.monotonic() > self.until:
                raise ImageError("The film begins with more tags and tables than any film needs: convert it first.")
        return data

    def seek(self, place: int, whence: int = 0) -> int:
        return self.file.seek(place, whence)

    def tell(self) -> int:
        return self.file.tell()

    def seekable(self) -> bool:
        return True


def _check_size(path: Path, width: int, height: int) -> None:
    if max(width, height) > MAX_SIDE or width * height > MAX_PIXELS:
        raise ImageError(f"{path.name} is {width} x {height} pixels: make it smaller first.")


def _shown_size(width: int, height: int, ratio: Fraction | None) -> tuple[int, int]:
    """Width and height in square pixels, of a film whose pixels are ``ratio`` times as wide as high: the larger way."""
    if not ratio or ratio <= 0 or ratio == 1:
        return width, height
    return (round(width * ratio), height) if ratio > 1 else (width, round(height / ratio))


@functools.cache
def _one_thread() -> dict[str, int]:
    """For every conversion of a frame. With several threads, as PyAV takes from version 17 on, FFmpeg 8 writes past the
    end of a row into the first row of the next thread: some pixels there are others each time."""
    import av

    return {"threads": 1} if int(av.__version__.partition(".")[0]) >= 17 else {}


def _picture(frame: VideoFrame, size: tuple[int, int]) -> Tensor:
    width, height = size  # in which FFmpeg scales it
    pixels = torch.from_numpy(
        frame.to_ndarray(format="rgba", width=width, height=height, interpolation="BICUBIC", **_one_thread())
    )
    picture = from_uint8(_as_it_lies(pixels, frame).permute(2, 0, 1)[None])
    if (pixels[:, :, 3] == 255).all():
        return picture[:, :3].contiguous()
    return torch.lerp(torch.ones((), device="cpu"), picture[:, :3], (picture[:, 3:] + 1) / 2)


def _as_it_lies(pixels: Tensor, frame: VideoFrame) -> Tensor:
    """[H, W, C], turned and mirrored as the film says: phones film upright and say how to lay it.

    A display matrix holds nine numbers, of which the first, second, fourth and fifth say where x and y go.
    """
    matrix = frame.side_data.get("DISPLAYMATRIX")
    if matrix is None:
        return pixels
    a, b, _, c, d = struct.unpack("=5i", bytes(matrix)[:20])
    if abs(b) + abs(c) > abs(a) + abs(d):  # columns become rows
        pixels, a, d = pixels.transpose(0, 1), c, b
    flipped = [side for side, way in ((0, d), (1, a)) if way < 0]
    return pixels.flip(flipped) if flipped else pixels


class Smoother:
    """Smooths what was made of a film's frames, where the film itself stands still; knows no network.

    Networks that paint each frame by itself flicker. Each result is drawn towards the one before, by ``amount`` where
    the film did not change and by less the more it did: exponential smoothing with a weight for each place,
    amount * exp(-(change / tolerance)^2), so that what moves leaves no ghost and a cut begins anew.

    Args:
        amount: From 0 (nothing) to 0.95.
        tolerance: Change of a place, on the scale of [-1, 1], by which the weight has fallen to a third.
        around: Pixels about a place whose change counts; noise of the film is averaged over them.
    """

    def __init__(self, amount: float = 0.5, *, tolerance: float = 0.08, around: int = 4) -> None:
        if not 0 <= amount <= 0.95:
            raise ConfigError(f"smoothing must be from 0 to 0.95, not {amount!r}.")
        self.amount, self.tolerance, self.around = amount, tolerance, around
        self._before: tuple[Tensor, Tensor] | None = None

    def __call__(self, frame: Tensor, painted: Tensor) -> Tensor:
        """The film's frame [1, C, H, W] and the picture painted from it, [1, C', H', W'] -> that, smoothed."""
        if self.amount == 0:
            return painted
        if self._before is not None and self._before[0].shape == frame.shape and self._before[1].shape == painted.shape:
            change = (frame - self._before[0]).abs().amax(1, keepdim=True)
            window = 2 * self.around + 1
            change = F.avg_pool2d(change, window, 1, self.around, count_include_pad=False)
            if change.shape[-2:] != painted.shape[-2:]:
                change = F.interpolate(change, size=painted.shape[-2:], mode="bilinear")
            weight = self.amount * torch.exp(-((change / self.tolerance) ** 2))
            painted = torch.lerp(painted, self._before[1], weight.to(painted))
        self._before = frame, painted
        return painted
