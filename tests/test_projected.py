"""The projected discriminator: what is frozen stays frozen, alpha and classes and sameness are seen, the losses."""

from __future__ import annotations

import importlib
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from ganhub.errors import ConfigError
from ganhub.losses.adversarial import score_statistics
from ganhub.models import get_architecture
from ganhub.nn import features, projected
from ganhub.nn.projected import LAYERS, ProjectedDiscriminator, _differences
from ganhub.objectives import Batch, ProjectedObjective, get_objective


def pictures(n: int = 4, channels: int = 3, height: int = 32, width: int = 32) -> Tensor:
    return torch.rand(n, channels, height, width, generator=torch.Generator().manual_seed(0)) * 2 - 1


def objective_of(architecture: str = "dcgan", **fields: object) -> ProjectedObjective:
    tiny = get_architecture(architecture).tiny().config.to_dict() | {"image_size": 16}
    model_class = get_architecture(architecture)
    model = model_class(model_class.Config.from_dict(tiny)).train()
    return ProjectedObjective(model, ProjectedObjective.Config.from_dict({"width": 8, "augment": "", **fields}))


def batch_for(objective: ProjectedObjective, n: int = 4) -> Batch:
    c = objective.model.config
    labels = torch.arange(n) % c.num_classes if c.num_classes else None
    return Batch(pictures(n, c.channels, *c.size), labels, torch.arange(n))


@pytest.mark.parametrize(
    "size, places",
    [((64, 64), [16] * 5), ((32, 32), [16, 16, 16, 16, 4]), ((28, 28), [49, 49, 49, 9]), ((16, 16), [16, 16, 16, 4]),
     ((16, 48), [48, 48, 48, 12]), ((64, 32), [32, 32, 32, 32, 8])],
)  # fmt: skip
def test_every_size_from_16_pixels_has_heads_of_about_4_by_4_logits(size, places):
    discriminator = ProjectedDiscriminator(size, width=4)
    logits = discriminator(pictures(2, 3, *size))
    assert [tuple(of_head.shape) for of_head in logits] == [(2, k) for k in places]
    assert discriminator.layers == LAYERS[: len(places)]


@pytest.mark.parametrize(
    "size, layers, says",
    [((8, 32), LAYERS, "from 16 x 16 pixels, not 8 x 32"), ((32, 32), ("relu9_1",), "no layer 'relu9_1'"),
     ((16, 16), ("relu5_1",), "name a shallower layer")],
)  # fmt: skip
def test_what_cannot_work_gets_a_sentence(size, layers, says):
    with pytest.raises(ConfigError, match=says):
        ProjectedDiscriminator(size, layers=layers)


def test_bad_settings_get_a_sentence():
    with pytest.raises(ConfigError, match="from 16 x 16 pixels, not 8 x 8"):
        model = get_architecture("conditional-gan").tiny()
        ProjectedObjective(model, ProjectedObjective.Config())
    with pytest.raises(ConfigError, match="one of hinge, relativistic"):
        ProjectedObjective.Config(pairing="wasserstein")
    with pytest.raises(ConfigError, match="at least one layer"):
        ProjectedObjective.Config(layers=())
    with pytest.raises(ConfigError, match="no feature network 'vgg-light'"):
        objective_of(network="vgg-light")


def test_the_state_has_heads_and_fixed_mixtures_and_no_feature_network():
    one, two = ProjectedDiscriminator((32, 32), width=4), ProjectedDiscriminator((32, 32), width=4)
    state = one.state_dict()
    assert {name.split(".")[0] for name, _ in one.named_parameters()} == {"heads"}
    fixed = {f"across{i}" for i in range(5)} | {f"up{i}" for i in range(1, 5)}
    assert {name for name in state if not name.startswith("heads")} == fixed
    assert sum(tensor.numel() for tensor in state.values()) < 20_000
    x = pictures()
    assert not torch.equal(one.eval()(x)[0], two.eval()(x)[0])
    two.load_state_dict(state)
    assert all(torch.equal(a, b) for a, b in zip(one(x), two(x), strict=True))


def test_the_same_seed_gives_the_same_discriminator_whether_or_not_the_network_was_read_before(monkeypatch):
    states = []
    for loaded in ({}, dict(features._loaded)):
        monkeypatch.setattr(features, "_loaded", loaded)
        torch.manual_seed(5)
        states.append(ProjectedDiscriminator((16, 16), width=4).state_dict())
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def test_features_are_a_random_u_net_over_the_network_s():
    discriminator, x = ProjectedDiscriminator((32, 32), width=4, layers=LAYERS[:2]), pictures()
    trunk = features.feature_network("vgg-lite").body.trunk(x, LAYERS[:2])
    shallow, deep = (
        torch.einsum("oc,nchw->nohw", getattr(discriminator, f"across{i}")[:, :, 0, 0], F.avg_pool2d(of_layer, 2))
        for i, of_layer in enumerate(trunk.values())
    )
    up = F.interpolate(F.conv2d(deep, discriminator.up1, padding=1), scale_factor=2, mode="bilinear")
    mixed = discriminator.features(x)
    torch.testing.assert_close(mixed[1], deep)
    torch.testing.assert_close(mixed[0], shallow + up)


def test_every_scale_is_about_equally_loud():
    mixed = ProjectedDiscriminator((64, 64)).features(F.interpolate(pictures(8, 3, 8, 8), (64, 64), mode="bilinear"))
    for of_scale in mixed:
        assert 0.2 < of_scale.square().mean().sqrt() < 5


def test_bf16_features_are_close_and_nothing_runs_in_float32():
    discriminator, x = ProjectedDiscriminator((32, 32), width=8), pictures()
    with torch.autocast("cpu", torch.bfloat16), torch.no_grad():
        half = discriminator.features(x)
    for a, b in zip(half, discriminator.features(x), strict=True):
        assert a.dtype == torch.bfloat16
        assert (a.float() - b).norm() < 0.03 * b.norm()


def test_grey_is_rgb_repeated_and_alpha_matters():
    grey = ProjectedDiscriminator((32, 32), 1, width=4).eval()
    x = pictures(channels=1)
    colour = x.expand(-1, 3, -1, -1).contiguous()
    assert all(torch.equal(a, b) for a, b in zip(grey(x), grey(colour), strict=True))

    clear = ProjectedDiscriminator((32, 32), 4, width=4).eval()
    white, hole = torch.ones(4, 4, 32, 32), torch.ones(4, 4, 32, 32)
    hole[:, 3, 8:24, 8:24] = -1
    assert all((a - b).abs().max() > 1e-3 for a, b in zip(clear(white), clear(hole), strict=True))
    other = hole.clone()
    other[:, :3, 8:24, 8:24] = -0.5  # a colour that nobody sees
    assert all(torch.equal(a, b) for a, b in zip(clear(other), clear(hole), strict=True))
    hole[:, :3] = pictures()
    hole.requires_grad_()
    sum(of_head.sum() for of_head in clear(hole)).backward()
    assert hole.grad[:, 3].abs().min() > 0, "alpha learns everywhere"


def test_the_class_adds_the_projection_of_its_embedding():
    head = ProjectedDiscriminator((16, 16), num_classes=3, width=4).eval().heads[0]
    x, inner = torch.randn(2, 4, 8, 8), []
    head.score.register_forward_hook(lambda module, inputs, output: inner.append(inputs[0]))
    (one, classes), (two, _) = head(x, torch.tensor([0, 0])), head(x, torch.tensor([2, 1]))
    embed = head.embed.weight
    difference = embed[[2, 1]] - embed[[0, 0]]
    torch.testing.assert_close(two - one, torch.einsum("nc,nchw->nhw", difference, inner[0]).flatten(1))
    assert classes.shape == (2, 0), "nobody asked it to read classes"


def test_heads_that_read_classes_become_sure_of_them_wherever_the_difference_lies():
    """Two classes that differ by the position of a dot: scores bounded by a spectral norm, or averaged, can't tell."""
    torch.manual_seed(0)
    discriminator = ProjectedDiscriminator((16, 16), num_classes=2, width=8, pixel_head=True, read_classes=True)
    images, labels = -torch.ones(8, 3, 16, 16), torch.arange(8) % 2
    images[labels == 0, :, 2:6, 2:6], images[labels == 1, :, 10:14, 10:14] = 1.0, 1.0
    optimizer = torch.optim.Adam(discriminator.parameters(), 1e-2)
    for _ in range(40):
        _, classes = discriminator.judge(discriminator.features(images), labels)
        loss = torch.stack([F.cross_entropy(of_head, labels) for of_head in classes]).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert len(classes) == 5
    assert all((of_head.softmax(1)[torch.arange(8), labels] > 0.99).all() for of_head in classes)


def test_the_pixel_head_sees_transparency_and_flat_colours_as_they_are():
    torch.manual_seed(0)
    plain = ProjectedDiscriminator((32, 32), 4, width=4)
    more = ProjectedDiscriminator((32, 32), 4, width=4, pixel_head=True)
    assert len(more.heads) == len(plain.heads) + 1
    assert "pixels" not in plain.state_dict() and "pixels" in more.state_dict()
    assert not more.pixels.requires_grad and "pixels" not in dict(more.named_parameters())
    x = pictures(channels=4)
    patches = F.pixel_unshuffle(projected._with_steps(x), 2)  # 2 x 2 pixels of 4 channels and their steps
    torch.testing.assert_close(more.features(x)[-1], torch.einsum("oc,nchw->nohw", more.pixels.flatten(1), patches))
    odd = ProjectedDiscriminator((17, 18), 4, width=4, pixel_head=True)
    assert odd.features(x[:, :, :17, :18])[-1].shape[2:] == (9, 9)
    wide = ProjectedDiscriminator((32, 32), 4, width=48, pixel_head=True)
    assert torch.linalg.matrix_rank(wide.pixels.flatten(1)) == 48, "nothing is lost"
    hazy = x.clone()
    hazy[:, 3] = x[:, 3] * 0.9  # alpha a little off everywhere
    change = (more(x)[-1] - more(hazy)[-1]).abs().max()
    assert change > 1e-3


def test_faint_steps_are_made_loud():
    x = torch.zeros(1, 1, 2, 3)
    x[0, 0, 0, 1], x[0, 0, 1, 2] = projected.FAINT, 1.0
    seen = projected._with_steps(x)
    full = 1 / (1 + projected.FAINT)
    torch.testing.assert_close(seen[:, :1], x)
    torch.testing.assert_close(seen[0, 1], torch.tensor([[0.5, -0.5, 0.0], [0.0, full, 0.0]]))  # to the right
    torch.testing.assert_close(seen[0, 2], torch.tensor([[0.0, -0.5, full], [0.0, 0.0, 0.0]]))  # to the lower one
    stained = torch.zeros(1, 3, 32, 32)
    stained[:, :, 8:16, 8:16] = 0.02
    torch.manual_seed(0)
    head = ProjectedDiscriminator((32, 32), width=36, pixel_head=True).eval()
    apart = (head.features(stained)[-1] - head.features(torch.zeros(1, 3, 32, 32))[-1]).abs().max()
    assert apart > 5 * 0.02  # the pixels alone would differ by about as much as they do


def test_the_deepest_heads_notice_that_pictures_repeat():
    discriminator, x = ProjectedDiscriminator((64, 64), width=8).eval(), pictures(4, 3, 64, 64)
    alone, among = discriminator(x[:1].expand(4, -1, -1, -1)), discriminator(x)
    changed = [(a[0] - b[0]).abs().max().item() > 1e-4 for a, b in zip(alone, among, strict=True)]
    assert changed == [False, False, False, True, True]


def test_with_classes_pictures_are_compared_within_their_class():
    torch.manual_seed(0)
    discriminator = ProjectedDiscriminator((32, 32), num_classes=2, width=8).eval()
    one, other = pictures(2)
    labels = torch.tensor([0, 1, 0, 1, 1])
    motif = torch.stack([one, other, one, other, other])  # one picture for each class: of the batch, they differ
    varied = torch.stack([one, other, other, one, other])

    def deepest(images: Tensor, labels: Tensor) -> tuple[Tensor, list[float]]:
        x = discriminator.features(images)[-1]
        difference, comparable = _differences(x, labels)
        assert difference.shape == x.shape
        return difference, comparable.flatten().tolist()

    assert (deepest(motif, labels)[0] < 1e-3).all()
    found, comparable = deepest(varied, labels)
    x = discriminator.features(varied)[-1]
    for i, j in ((0, 2), (2, 0), (1, 3), (3, 1)):
        torch.testing.assert_close(found[i], (x[i] - x[j]).abs())
    assert comparable == [1, 1, 1, 1, 0], "the odd one has no partner"
    assert deepest(motif, torch.tensor([0, 1, 0, 1, 2]))[1] == [1, 1, 1, 1, 0]
    assert deepest(motif, torch.tensor([0, 1, 1, 2, 2]))[1] == [0, 1, 1, 1, 1], (
        "one without a partner moves nobody else"
    )
    found, comparable = deepest(motif[:4], torch.tensor([0, 0, 0, 1]))
    assert comparable == [1, 1, 0, 0] and not found[2:].any(), "partners of two classes"
    # Without a partner of its class, a picture is judged alone.
    with torch.no_grad():
        discriminator.heads[-1].notice.bias.fill_(5.0)
    alone, beside = (discriminator(x, torch.tensor([0, 1])) for x in (motif[:2], torch.stack([one, one])))
    torch.testing.assert_close(alone[-1][0], beside[-1][0])


@pytest.mark.parametrize("pairing", ["hinge", "relativistic"])
def test_losses_are_the_paper_s_with_equal_weight_for_each_head(pairing):
    objective = objective_of(pairing=pairing)
    objective.discriminator.eval()  # the spectral norms stand still
    batch = batch_for(objective)
    real = objective.discriminator(batch.images)
    fake = objective.discriminator(objective.model.make(batch.seeds).detach())
    pairs = list(zip(real, fake, strict=True))
    assert len({r.shape[1] for r in real}) > 1
    if pairing == "hinge":
        ours = [(1 - r).clamp(min=0).mean() + (1 + f).clamp(min=0).mean() for r, f in pairs]
        theirs = [-f.mean() for f in fake]
    else:
        ours = [F.softplus(f - r).mean() for r, f in pairs]
        theirs = [F.softplus(r - f).mean() for r, f in pairs]
    for phase, losses in zip(objective.phases(), (theirs, ours), strict=True):
        assert phase.loss(batch)["loss"].item() == pytest.approx(torch.stack(losses).mean().item(), rel=1e-4)
    numbers = objective.discriminator_loss(batch)
    scores = [torch.stack([of_head.mean(1) for of_head in of_all]).mean(0) for of_all in (real, fake)]
    for name, value in score_statistics(*scores).items():
        assert numbers[name].item() == pytest.approx(value.item(), abs=1e-5)


def test_r1_of_the_heads_is_the_square_of_each_head_s_slope():
    """Beside slopes found by small steps, in double precision; each fourth step, of the discriminator alone."""
    plain, objective = objective_of("conditional-gan"), objective_of("conditional-gan", head_r1=3.0)
    assert len(plain.phases()) == 2 and not plain.second_order
    assert [(p.player, p.every) for p in objective.phases()[2:]] == [("discriminator", 4)]
    assert objective.second_order == {"discriminator"}
    objective.discriminator.eval()  # the spectral norms stand still
    batch = batch_for(objective, 2)
    numbers = objective.r1_loss(batch)
    numbers["loss"].backward()
    assert any(p.grad is not None and p.grad.any() for p in objective.discriminator.parameters())
    assert not any(p.grad is not None and p.grad.any() for p in objective.model.parameters())
    heads, draws, steep = objective.discriminator.heads.double(), torch.Generator().manual_seed(0), []
    for head, x in zip(heads, objective.discriminator.features(batch.images), strict=True):
        x, squares = x.double(), []
        for _ in range(60):  # the mean square of the slope along directions, times their number, is its square
            way = torch.randn(x.shape, generator=draws, dtype=x.dtype)
            ahead, behind = (head(x + sign * 1e-6 * way, batch.labels)[0].mean(1) for sign in (1, -1))
            squares.append(((ahead - behind) / 2e-6).square().mean())
        steep.append(torch.stack(squares).mean())
    found = torch.stack(steep).mean().item()
    assert numbers["r1"].item() == pytest.approx(found, rel=0.35)
    assert numbers["loss"].item() == pytest.approx(numbers["r1"].item() * 3 / 2 * 4, rel=1e-5)
    with pytest.raises(ConfigError, match="head_r1 must be 0"):
        objective_of(head_r1=-1.0)


def test_mode_seeking_adds_what_its_weight_says_and_asks_for_the_same_classes():
    objective = objective_of("conditional-gan", mode_seeking=0.5)
    objective.discriminator.eval()  # the spectral norms stand still
    model, batch = objective.model, batch_for(objective)
    z, labels = model.latent(batch.seeds), batch.labels
    made, other = model.make(batch.seeds, labels), model(z.roll(1, 0), labels)
    numbers = objective.generator_loss(batch)
    wanted = ((z - z.roll(1, 0)).abs().mean() / (made - other).abs().mean()).item()
    assert numbers["sameness"].item() == pytest.approx(wanted, rel=1e-3)
    objective.config = replace(objective.config, mode_seeking=0.0)
    plain = objective.generator_loss(batch)["loss"].item()
    assert numbers["loss"].item() - 0.5 * wanted == pytest.approx(plain, abs=1e-3 * wanted)


def test_the_class_weight_adds_how_the_heads_misread_real_pictures_and_made_ones():
    objective = objective_of("conditional-gan", class_weight=0.5)
    objective.discriminator.eval()  # the spectral norms stand still
    batch = batch_for(objective)
    weighed = [phase.loss(batch)["loss"].item() for phase in objective.phases()]
    objective.config = replace(objective.config, class_weight=0.0)
    plain = [phase.loss(batch)["loss"].item() for phase in objective.phases()]
    for images, more, less in zip((objective.model.make(batch.seeds, batch.labels), batch.images), weighed, plain,
                                  strict=True):  # fmt: skip
        with torch.no_grad():
            _, classes = objective.discriminator.judge(objective.discriminator.features(images), batch.labels)
        misread = -sum(x.log_softmax(1)[torch.arange(len(x)), batch.labels].mean() for x in classes) / len(classes)
        assert more - less == pytest.approx(0.5 * misread.item(), rel=1e-3)


def test_within_a_step_the_discriminator_judges_what_the_generator_drew_and_after_it_something_new():
    objective = objective_of("conditional-gan")
    drawn, make = [], objective.model.make
    objective.model.make = lambda seeds, labels: drawn.append(seeds.tolist()) or make(seeds, labels)
    first, second = batch_for(objective), batch_for(objective)
    second = replace(second, seeds=second.seeds + 100, labels=second.labels.roll(1))
    for _ in range(2):
        objective.at(0)
        generator, discriminator = objective.phases()
        generator.loss(first)
        discriminator.loss(second)
    assert drawn == [first.seeds.tolist()] * 2
    discriminator.loss(second)
    assert drawn[2:] == [second.seeds.tolist()], "there is nothing left of the generator's turns"
    generator.loss(first)
    objective.at(64)
    discriminator.loss(second)
    assert drawn[-1] == second.seeds.tolist(), "nothing is carried from one step into the next"


@pytest.mark.parametrize("architecture, pairing", [("dcgan", "hinge"), ("conditional-gan", "relativistic")])
def test_each_turn_moves_its_own_player_and_never_the_frozen_network(architecture, pairing):
    objective = objective_of(architecture, pairing=pairing, augment="colour,translation,cutout")
    batch, players = batch_for(objective), objective.players()
    assert objective.second_order == frozenset()
    for phase in objective.phases():
        for player, networks in players.items():
            for network in networks:
                network.zero_grad()
                network.requires_grad_(player == phase.player)
        phase.loss(batch)["loss"].backward()
        missing = [name for name, p in players[phase.player][0].named_parameters() if p.grad is None]
        assert not missing
        others = [p.grad for player in players if player != phase.player for p in players[player][0].parameters()]
        assert all(gradient is None for gradient in others)
    assert not any(p.requires_grad for p in objective.discriminator.frozen.network.parameters())


def test_the_heads_learn_to_tell_stripes_from_what_the_generator_makes():
    objective = objective_of(augment="translation")
    stripes = torch.sin(torch.arange(16) * 1.5).expand(8, 3, 16, 16)
    optimizer = torch.optim.Adam(objective.discriminator.parameters(), 4e-3, betas=(0.0, 0.99))
    first = objective.discriminator_loss(Batch(stripes, None, torch.arange(8)))["loss"].item()
    for step in range(25):
        numbers = objective.discriminator_loss(Batch(stripes, None, torch.arange(8) + 8 * step))
        optimizer.zero_grad()
        numbers["loss"].backward()
        optimizer.step()
    assert numbers["real_sign"] == 1 and numbers["loss"] < 0.8 * first


def test_every_cure_of_the_benchmark_is_a_recipe_and_takes_a_step(monkeypatch):
    """Those that live in the benchmark alone have losses with gradients."""
    cures = importlib.import_module("benchmarks.cures")
    monkeypatch.setattr(projected, "_differences", projected._differences)  # one of them lays a hand on it
    for name, (overrides, _) in cures.CURES.items():
        recipe = cures.recipe_of(name, ["data.path=x", *cures.BASE, *overrides])
        tables = {key: value for key, value in recipe.objective.items() if key != "name"}
        assert get_objective(recipe.objective["name"]).Config.from_dict(tables)
    config = replace(get_architecture("stylegan2").tiny().config, image_size=32, num_classes=2)
    for name in ("fade", "noisy-twins", "fake-twins", "pair-seeking", "head-consistency"):
        kind = get_objective(name)
        model = get_architecture("stylegan2")(config)
        objective = kind(model, kind.Config(width=4, layers=("relu1_1", "relu2_1"), augment=""))
        objective.at(8_000)
        batch = Batch(images=pictures(4, 3, 32, 32), labels=torch.tensor([0, 1, 0, 1]), seeds=torch.arange(4))
        loss = objective.generator_loss(batch)["loss"]
        loss.backward()
        assert loss.isfinite() and all(
            parameter.grad.isfinite().all() for parameter in model.parameters() if parameter.grad is not None
        )
        assert objective.discriminator_loss(batch)["loss"].isfinite()


def test_twins_are_alike_when_they_are_one_and_apart_when_they_repeat_themselves():
    cures = importlib.import_module("benchmarks.cures")
    x = torch.linalg.qr(torch.randn(64, 8, dtype=torch.float64))[0].float()
    x = x - x.mean(0)
    same, other = cures.twins(x, x), cures.twins(x, torch.randn(64, 8))
    repeated = cures.twins(x[:, :1].repeat(1, 8), x[:, :1].repeat(1, 8))
    assert same < 0.02 * other
    # correlation of 63/64 everywhere: 8 on the diagonal, 56 beside it
    expected = cures.TWIN_WEIGHT * (8 * (1 / 64) ** 2 + cures.OFF_DIAGONAL * 56 * (63 / 64) ** 2)
    assert repeated.item() == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize("full_size", [False, True])
def test_the_benchmark_of_speed_takes_a_step_in_both_forms(full_size):
    benchmark = importlib.import_module("benchmarks.stylegan2")
    recipe = Path(benchmark.__file__).parents[1] / "training" / "recipes" / "stylegan2_heroes.toml"
    step, batch = benchmark.projected_step(recipe, full_size=full_size)
    step()
    assert batch == 32
