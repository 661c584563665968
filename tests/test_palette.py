"""Pixels that pick colours: StyleGAN2's ``palette``, in closed form and on the way through a run."""

from __future__ import annotations

import json

import pytest
import torch

from ganhub import AutoModel
from ganhub.errors import ConfigError
from ganhub.models.stylegan2 import PALETTE_GAIN, Palette, StyleGAN2, StyleGAN2Config
from ganhub.trainer import identity, make_recipe
from ganhub.trainer.prepare import build_model


def build(**changes) -> StyleGAN2:
    torch.manual_seed(0)
    return StyleGAN2(StyleGAN2Config.from_dict({**StyleGAN2.tiny().config.to_dict(), **changes}))


def test_each_pixel_is_the_mixture_of_the_palette_that_its_votes_say():
    torch.manual_seed(0)
    palette, votes, w = Palette(5, 3, 8).double(), torch.randn(2, 5, 4, 4).double(), torch.randn(2, 8).double()
    made = palette(votes, w)
    for n in range(2):
        colours = (palette.style.weight @ w[n] / 8**0.5 + palette.style.bias).view(5, 3)
        for y in range(4):
            for x in range(4):
                shares = torch.exp(PALETTE_GAIN * votes[n, :, y, x])
                torch.testing.assert_close(made[n, :, y, x], (shares / shares.sum()) @ colours)


def test_where_pixels_are_sure_an_area_is_flat_and_has_one_of_the_colours():
    torch.manual_seed(0)
    palette, w = Palette(4, 3, 8), torch.randn(1, 8)
    chosen = torch.randint(4, (1, 6, 6))
    votes = 5.0 * torch.nn.functional.one_hot(chosen, 4).permute(0, 3, 1, 2) + 0.2 * torch.randn(1, 4, 6, 6)
    colours = palette.style(w).view(4, 3)
    torch.testing.assert_close(palette(votes, w).permute(0, 2, 3, 1), colours[chosen], atol=1e-4, rtol=0)


def test_points_within_a_pixel_vote_and_the_pixel_is_their_mean():
    """Two colours, sure votes, and an edge at a slant: a pixel is the share of its points on either side."""
    torch.manual_seed(0)
    palette, w = Palette(2, 3, 8), torch.randn(1, 8)
    dark, light = palette.style(w).view(2, 3)
    y, x = torch.meshgrid(torch.arange(8.0), torch.arange(8.0), indexing="ij")
    side = x + 0.3 * y - 4.6  # above 0 the second colour
    made = palette(1e4 * torch.stack([-side, side])[None], w, 4)[0].permute(1, 2, 0)
    points = (torch.arange(4.0) + 0.5) / 4 - 0.5
    within = side[1:-1, 1:-1, None, None] + points + 0.3 * points[:, None]  # votes between pixels are bilinear
    share = (within > 0).float().mean((2, 3))[..., None]
    assert ((share > 0) & (share < 1)).any()
    torch.testing.assert_close(made[1:-1, 1:-1], dark + share * (light - dark), atol=1e-4, rtol=0)
    flat = torch.tensor([1.0, -1.0]).view(1, 2, 1, 1).expand(1, 2, 8, 8)
    torch.testing.assert_close(palette(flat, w, 4), palette(flat, w))


def test_without_a_palette_the_weights_are_those_of_the_paper():
    assert not [name for name in build().state_dict() if "palette" in name]
    assert build().blocks[-1].to_picture.weight.shape[0] == 3
    assert build(palette=7).blocks[-1].to_picture.weight.shape[0] == 7


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_a_palette_is_saved_and_everything_learns(tmp_path, channels):
    model = build(palette=6, channels=channels, alpha_gain=3.0).train()
    model.make(range(4)).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.palette.parameters())
    assert all(block.to_picture.weight.grad.abs().sum() > 0 for block in model.blocks)
    folder = model.eval().save_pretrained(tmp_path / "model")
    again = AutoModel.from_pretrained(folder)
    assert again.config.palette == 6 and again.sample(2).shape == (2, channels, 16, 16)
    torch.testing.assert_close(again.sample(2), model.sample(2), atol=1e-5, rtol=0)


def test_a_folder_from_before_has_no_palette(tmp_path):
    old = build().eval()
    folder = old.save_pretrained(tmp_path / "old")
    settings = json.loads((folder / "config.json").read_text("utf-8"))
    del settings["palette"], settings["alpha_gain"]
    (folder / "config.json").write_text(json.dumps(settings), "utf-8")
    again = AutoModel.from_pretrained(folder)
    assert again.config.palette == 0
    torch.testing.assert_close(again.sample(2), old.sample(2), atol=1e-5, rtol=0)


def test_the_last_layer_of_w_steers_the_colours_and_directions_see_it():
    model = build(palette=6).eval()
    weights = model.style_weights()
    assert len(weights) == model.layers
    assert weights[-1].shape[0] == model.blocks[-1].to_picture.weight.shape[1] + 6 * 3
    with torch.no_grad():  # w steers the votes through their style alone
        for block in model.blocks:
            block.to_picture.style.weight.zero_()
    w, noise = model.per_layer(model.to_w(model.latent(range(2)))).clone(), model.noise(range(2))
    other = w.clone()
    other[:, -1] = other[:, -1].flip(0)
    made, changed = (model.from_w(points, noise=noise) for points in (w, other))
    assert (changed - made).abs().mean() > 1e-3
    model.palette.style.weight.data.zero_()  # without it nothing else listens to the last layer of w
    still = [model.from_w(points, noise=noise) for points in (w, other)]
    torch.testing.assert_close(still[0], still[1], atol=1e-6, rtol=0)


@pytest.mark.parametrize("wrong", [-1, 1, 65, 1.5, "16"])
def test_what_is_no_palette_is_a_sentence(wrong):
    with pytest.raises(ConfigError, match="palette"):
        StyleGAN2Config.from_dict({"palette": wrong})


@pytest.mark.parametrize("fields", [{"supersampling": 0}, {"supersampling": 9}, {"supersampling": 1.5}, {}])
def test_what_is_no_supersampling_is_a_sentence(fields):
    with pytest.raises(ConfigError, match="supersampling"):
        StyleGAN2Config.from_dict({"palette": 8} | fields if fields else {"supersampling": 2})


def started(init, **changes) -> tuple[StyleGAN2, list[str]]:
    said: list[str] = []
    model = {"architecture": "stylegan2", **StyleGAN2.tiny().config.to_dict(), **changes}
    tables = {"model": model, "train": {"init": str(init)}, "data": {"path": "nowhere"}}
    return build_model(make_recipe(tables), said.append), said


@pytest.mark.parametrize("palette", [8, 3])  # 3: votes have the shape that colours had
def test_a_run_may_give_published_weights_a_palette(tmp_path, palette):
    old = build()
    old.save_pretrained(tmp_path / "old")
    new, said = started(tmp_path / "old", palette=palette)
    assert new.config.palette == palette and new.sample(2).shape == (2, 3, 16, 16)
    assert said == [
        f"palette was 0 in train.init and is {palette} now: the layers that depend on it start untrained, and named "
        "directions are left out."
    ]
    before, after = old.state_dict(), new.state_dict()
    kept = {name for name in after if name in before and torch.equal(before[name], after[name])}
    untrained = {name for name in after if name.startswith("palette") or name.endswith("to_picture.weight")}
    assert untrained.isdisjoint(kept)
    assert kept >= {name for name in before if "to_picture.weight" not in name and "to_picture.bias" not in name}
    same, said = started(tmp_path / "old")
    assert not said and all(torch.equal(x, before[name]) for name, x in same.state_dict().items())


def test_a_run_may_change_how_colours_end_up_in_pixels_and_nothing_else(tmp_path):
    old = build(channels=4)
    old.save_pretrained(tmp_path / "old")
    new, said = started(tmp_path / "old", channels=4, alpha_gain=3.0)
    assert new.config.alpha_gain == 3 and not said
    assert all(torch.equal(x, old.state_dict()[name]) for name, x in new.state_dict().items())
    drawn = build(palette=4)
    drawn.save_pretrained(tmp_path / "drawn")
    smooth, said = started(tmp_path / "drawn", palette=4, supersampling=2)
    assert smooth.config.supersampling == 2 and not said
    assert all(torch.equal(x, drawn.state_dict()[name]) for name, x in smooth.state_dict().items())
    again = build(palette=4, supersampling=2)
    again.load_state_dict(drawn.state_dict())
    assert (smooth.sample(2) - drawn.sample(2)).abs().max() > 1e-3
    torch.testing.assert_close(smooth.sample(2), again.eval().sample(2))
    with pytest.raises(ConfigError, match="trained with style_dim = 8, the recipe asks for 16"):
        started(tmp_path / "old", channels=4, style_dim=16)
    with pytest.raises(ConfigError, match="palette must be 0 or from 2 to 64"):
        started(tmp_path / "old", channels=4, palette=300)


def test_a_checkpoint_from_before_had_no_palette():
    held = {
        "model": {"architecture": "stylegan2", "image_size": 16}, "objective": {"name": "projected"},
        "train": {"seed": 0, "init": ""}, "data": {"settings": {}, "classes": [], "count": 1, "names": "", "sample": [],
                                                   "other": None},
    }  # fmt: skip
    for palette, differs in ((0, []), (8, ["another [model] (palette was 0 and is 8 now)"])):
        now = {**held, "model": {"architecture": "stylegan2", "image_size": 16, "palette": palette}}
        assert identity.compare(held, now)[0] == differs
    unknown = {**held, "model": {"architecture": "no such family", "image_size": 16}}
    assert identity.compare(unknown, unknown) == ([], [])
