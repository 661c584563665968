"""Frames to a video that any browser plays.

The encoder is PyAV (BSD-3), whose wheels for Linux, macOS and Windows carry FFmpeg with the x264 encoder, so
there is nothing else to install. It is imported with the first video, so that the app starts without it.
"""

from __future__ import annotations

import errno
import math
import os
from fractions import Fraction
from pathlib import Path

from torch import Tensor
from torch.nn import functional as F

from ganhub.errors import ImageError
from ganhub.images import save_gif, to_uint8, write_atomically

WATCHABLE = 256  # pixels; smaller frames are enlarged, since players blur or shrink tiny videos
_ENCODERS = ("libx264", "libopenh264", "h264_videotoolbox", "h264_mf")


def save_video(frames: Tensor, path: str | os.PathLike[str], *, fps: float = 24) -> None:
    """Write frames as .mp4 (H.264, yuv420p, index at the front) or as an endless .gif.

    Frames whose long side is under 256 pixels are enlarged by a whole number, pixel by pixel. An odd height
    or width, which yuv420p cannot hold, repeats its last row or column. Transparency is laid on white.

    Args:
        frames: [T, C, H, W] in [-1, 1], T at least 1, C = 1, 3 or 4.
        path: Ends in .mp4 or .gif. It appears only when it is complete.
        fps: Frames a second, above 0; at most 120 (.mp4) or 50 (.gif).

    Raises:
        ImageError: No frames, another shape, suffix or speed, or a place that cannot be written to.
    """
    path = Path(path)
    kind = path.suffix.lower()
    if kind not in (".mp4", ".gif"):
        raise ImageError(f"{path.name} does not say what kind of video: end its name in .mp4 or .gif.")
    if frames.dim() != 4 or frames.shape[1] not in (1, 3, 4):
        raise ImageError(f"Frames are [T, C, H, W] with C = 1, 3 or 4, not {list(frames.shape)}.")
    if 0 in frames.shape:
        raise ImageError("A video needs at least one frame: ask for more frames.")
    if not 0 < fps <= 120:  # NaN fails too
        raise ImageError(f"A video shows above 0 and up to 120 frames a second, not {fps}.")
    factor = max(1, math.ceil(WATCHABLE / max(frames.shape[-2:])))
    if kind == ".gif":
        save_gif(_enlarge(frames, factor), path, fps=fps)
        return
    write_atomically(path, lambda place: _encode(frames, factor, place, fps))


def _enlarge(frames: Tensor, factor: int) -> Tensor:
    return frames.repeat_interleave(factor, dim=-2).repeat_interleave(factor, dim=-1)


def _pixels(frame: Tensor, factor: int) -> Tensor:
    """[C, H, W] in [-1, 1] -> uint8 [H', W', 3] with even sides."""
    frame = frame.detach().float().cpu()
    if frame.shape[0] == 4:
        alpha = (frame[3:].clamp(-1, 1) + 1) / 2
        frame = frame[:3] * alpha + (1 - alpha)
    frame = _enlarge(frame.expand(3, -1, -1), factor)
    odd_height, odd_width = frame.shape[-2] % 2, frame.shape[-1] % 2
    frame = F.pad(frame[None], (0, odd_width, 0, odd_height), mode="replicate")[0]
    return to_uint8(frame).permute(1, 2, 0).contiguous()


def _encode(frames: Tensor, factor: int, place: Path, fps: float) -> None:
    import av
    from av.video.reformatter import ColorRange, Colorspace

    encoder = next((name for name in _ENCODERS if name in av.codecs_available), None)
    if encoder is None:
        raise ImageError("This build of PyAV has no H.264 encoder: pip install av, or save as .gif.")
    try:
        with av.open(str(place), "w", format="mp4", options={"movflags": "faststart"}) as container:
            rate = Fraction(fps).limit_denominator(1001)
            stream = container.add_stream(encoder, rate=rate)
            height, width = _pixels(frames[0], factor).shape[:2]
            stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            if encoder == "libx264":
                stream.options = {"crf": "18", "preset": "medium"}
            # Say which colours these are, or players guess by the size of the picture: BT.709, 16..235.
            context = stream.codec_context
            context.colorspace = context.color_primaries = context.color_trc = context.color_range = 1
            for image in frames:
                frame = av.VideoFrame.from_ndarray(_pixels(image, factor).numpy(), format="rgb24")
                frame = frame.reformat(
                    format="yuv420p",
                    dst_colorspace=Colorspace.ITU709,
                    src_color_range=ColorRange.JPEG,
                    dst_color_range=ColorRange.MPEG,
                )
                container.mux(stream.encode(frame))
            container.mux(stream.encode())
    except av.error.FFmpegError as error:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise  # the disk is full: write_atomically says so
        size = f"{frames.shape[-1]} x {frames.shape[-2]}"
        raise ImageError(f"The video of {size} pixels cannot be encoded ({error}): try .gif.") from error
