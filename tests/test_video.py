"""Videos are written and decoded again."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import av
import pytest
import torch
from PIL import Image

from ganhub.errors import FileError, ImageError
from ganhub.images.video import open_video, save_video


def decode(path) -> tuple[dict[str, object], torch.Tensor]:
    """What a film says of itself, read while it is open, and its frames."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        frames = [torch.from_numpy(f.to_ndarray(format="rgb24")) for f in container.decode(stream)]
        codec = stream.codec_context
        facts = {"codec": codec.name, "pixels": codec.pix_fmt, "space": codec.colorspace, "fps": stream.average_rate}
    return facts, torch.stack(frames)


@pytest.mark.parametrize(
    ("shape", "size"),
    [
        ((5, 3, 64, 64), (256, 256)),  # four times
        ((3, 1, 28, 28), (280, 280)),  # ten times
        ((2, 4, 27, 33), (216, 264)),
        ((2, 3, 301, 257), (302, 258)),  # odd sides are made even
        ((1, 3, 1, 300), (2, 300)),
    ],
)
def test_mp4_plays_in_browsers(tmp_path, shape, size):
    path = tmp_path / "a.mp4"
    save_video(torch.rand(*shape, generator=torch.Generator().manual_seed(0)) * 2 - 1, path, fps=12.5)
    facts, frames = decode(path)
    assert (facts["codec"], facts["pixels"], facts["fps"]) == ("h264", "yuv420p", 12.5)
    assert frames.shape == (shape[0], *size, 3)
    data = path.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")  # the index first: plays while it loads
    assert list(tmp_path.iterdir()) == [path]


def test_colours_survive(tmp_path):
    colours = torch.tensor([[1, -1, -1], [-1, 1, -1], [-1, -1, 1], [0.5, 0.2, -0.3]])
    save_video(colours.view(4, 3, 1, 1).expand(4, 3, 256, 256), tmp_path / "a.mp4")
    facts, frames = decode(tmp_path / "a.mp4")
    expected = (colours + 1) * 127.5
    assert (frames[:, 128, 128].float() - expected).abs().max() <= 4
    assert facts["space"] == 1  # BT.709 is said, so players need not guess


def test_transparency_is_laid_on_white(tmp_path):
    frames = torch.full((2, 4, 256, 256), -1.0)
    save_video(frames, tmp_path / "a.mp4")
    assert decode(tmp_path / "a.mp4")[1].min() >= 250


def test_gif(tmp_path):
    frames = torch.linspace(-1, 1, 6).view(6, 1, 1, 1).expand(6, 3, 32, 48)
    save_video(frames, tmp_path / "a.gif", fps=20)
    with Image.open(tmp_path / "a.gif") as gif:
        assert (gif.n_frames, gif.size, gif.info["duration"]) == (6, (288, 192), 50)


def test_sentences(tmp_path):
    frames = torch.zeros(2, 3, 8, 8)
    for bad, words in (
        ({"frames": frames[:0]}, "at least one frame"),
        ({"frames": frames[0]}, "Frames are"),
        ({"frames": torch.zeros(2, 2, 8, 8)}, "Frames are"),
        ({"path": tmp_path / "a.avi"}, ".mp4, .webm or .gif"),
        ({"fps": 0}, "frames a second"),
        ({"fps": float("nan")}, "frames a second"),
        ({"path": tmp_path / "a.gif", "fps": 60}, "frames a second"),
    ):
        with pytest.raises(ImageError, match=words):
            save_video(**{"frames": frames, "path": tmp_path / "a.mp4", **bad})
    (tmp_path / "file").touch()
    with pytest.raises(FileError, match="cannot be (made|written)"):
        save_video(frames, tmp_path / "file" / "a.mp4")
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_an_encoder_that_refuses_is_a_sentence_and_leaves_nothing(tmp_path):
    with pytest.raises(ImageError, match="cannot be encoded"):
        save_video(torch.zeros(1, 1, 2, 40_000), tmp_path / "a.mp4")  # wider than H.264 can say
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", ["mp4", "webm", "gif"])
def test_frames_come_and_go_one_by_one(tmp_path, kind):
    """Written from a generator, [1, C, H, W] or [C, H, W], and read again, twice."""
    values = torch.linspace(-0.9, 0.9, 7)
    path = tmp_path / f"a.{kind}"
    shapes = ((1, 3, 256, 300), (3, 256, 300))
    save_video((torch.full(shapes[k % 2], float(value)) for k, value in enumerate(values)), path, fps=10)
    film = open_video(path)
    assert film.fps == pytest.approx(10, rel=0.2) and not film.sound and film.count in (0, 7)
    for _ in range(2):
        frames = list(film)
        assert [tuple(frame.shape) for frame in frames] == [(1, 3, 256, 300)] * 7
        assert torch.allclose(torch.stack([frame.mean() for frame in frames]), values, atol=0.03)


def test_frames_of_two_sizes_and_none(tmp_path):
    for frames, words in (([torch.zeros(1, 3, 8, 8), torch.zeros(1, 3, 8, 9)], "one size"), ([], "at least one frame")):
        with pytest.raises(ImageError, match=words):
            save_video(iter(frames), tmp_path / "a.mp4")
    assert not list(tmp_path.iterdir())


def test_a_see_through_gif_lies_on_white(tmp_path):
    frames = [Image.new("RGBA", (40, 30), (0, 0, 0, 0)) for _ in range(2)]
    for k, frame in enumerate(frames):
        frame.paste((255, 0, 0, 255), (4 + 16 * k, 8, 16 + 16 * k, 24))
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:], duration=100, disposal=2)
    for k, frame in enumerate(open_video(tmp_path / "a.gif")):
        assert torch.allclose(frame[0, :, 15, 10 + 16 * k], torch.tensor([1.0, -1, -1]), atol=0.02)
        assert frame[..., 26 - 16 * k].min() == 1 and frame[..., :6, :].min() == 1


def test_sentences_of_reading(tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"no film")
    (tmp_path / "list.mp4").write_text("#EXTM3U\nfile:a.mp4\n")  # no playlist opens other files
    for name, words in (
        ("a.mp4", "damaged or no film"),
        ("list.mp4", "damaged or no film"),
        ("none.mp4", "cannot be read"),
        ("a.avi", "no film that can be read|not a film"),
    ):
        with pytest.raises(ImageError, match=words):
            open_video(tmp_path / name)


@pytest.mark.parametrize("kind", ["mp4", "webm"])
def test_the_same_film_has_the_same_bytes(tmp_path, kind):
    """Encoders choose their instructions by the processor; some gave other bytes each time."""
    frames, files = torch.rand(4, 3, 40, 56) * 2 - 1, set()
    for turn in range(12):
        save_video(frames, tmp_path / f"{turn}.{kind}", fps=10)
        files.add((tmp_path / f"{turn}.{kind}").read_bytes())
    assert len(files) == 1


def test_the_same_film_has_the_same_pixels(tmp_path):
    """Threads of FFmpeg that share a frame overwrote some pixels of each other, now and then on a busy machine."""
    save_video(torch.rand(3, 3, 40, 56) * 2 - 1, tmp_path / "film.mp4", fps=10)
    with ThreadPoolExecutor(8) as readers:
        reads = list(readers.map(lambda _: torch.cat(list(open_video(tmp_path / "film.mp4"))), range(100)))
    assert all(torch.equal(one, reads[0]) for one in reads)
