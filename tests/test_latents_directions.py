"""Directions against closed forms: a mapping that is a matrix has known components, boundaries and class means."""

from __future__ import annotations

import pytest
import torch

from ganhub import latents
from ganhub.errors import ConfigError
from ganhub.models import get_architecture
from tests.latent_toy import toy


def along(first: torch.Tensor, second: torch.Tensor) -> float:
    """|cosine| between two vectors."""
    return abs(float(torch.cosine_similarity(first.double(), second.double(), dim=0)))


def test_principal_directions_are_the_singular_vectors_of_the_mapping():
    """w = M z with z ~ N(0, I): the components are M's left singular vectors, the deviations its singular values."""
    model = toy(num_classes=3)
    u, s, _ = torch.linalg.svd(model.matrix.detach().double())
    found = latents.principal_directions(model, 6, samples=20_000)
    for i, direction in enumerate(found):
        assert direction.name == f"pca:{i}" and direction.layers == (0, 6) and direction.vector.dtype == torch.float32
        assert direction.deviation == pytest.approx(s[i].item(), rel=0.04)
    space = torch.stack([d.vector for d in found]).double()  # single ones turn where singular values are close
    assert torch.allclose(space @ space.T, torch.eye(6, dtype=torch.float64), atol=1e-5)
    covariance = space.T @ torch.diag(torch.tensor([d.deviation**2 for d in found], dtype=torch.float64)) @ space
    assert torch.allclose(covariance, u[:, :6] * s.square() @ u[:, :6].T, atol=0.15 * float(s[0] ** 2))
    assert along(found[0].vector, u[:, 0]) > 0.98
    one = latents.principal_directions(model, 2, samples=20_000, label=1)
    assert along(one[0].vector, found[0].vector) > 0.98


def test_signs_and_results_are_the_same_each_time():
    model = toy()
    for make in (latents.principal_directions, latents.closed_form_directions):
        first, again = make(model, 4), make(model, 4)
        for one, other in zip(first, again, strict=True):
            assert torch.equal(one.vector, other.vector) and one.deviation == other.deviation
            assert one.vector[one.vector.abs().argmax()] > 0 and one.vector.norm() == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize(("layers", "name"), [(None, "sefa:1"), ("2-4", "sefa:1@2-4"), ("fine", "sefa:1@4-6")])
def test_closed_form_directions_are_right_singular_vectors(layers, name):
    """Eigenvectors of A^T A are right singular vectors of A; deviations follow from the mapping's matrix."""
    model = toy()
    start, stop = latents.layer_range(layers, 6)
    _, _, vh = torch.linalg.svd(torch.cat(model.style_weights()[start:stop]).double())
    found = latents.closed_form_directions(model, 3, layers)
    for i, direction in enumerate(found):
        assert along(direction.vector, vh[i]) == pytest.approx(1, abs=1e-6)
        expected = (direction.vector @ model.matrix.detach()).norm().item()
        assert direction.deviation == pytest.approx(expected, rel=0.05)
        assert direction.layers == (start, stop) and direction.depth == 6
    assert found[1].name == name
    assert torch.equal(latents.direction(model, name).vector, found[1].vector)


def test_style_weights_fit_every_style_generator():
    model = get_architecture("stylegan2").tiny()
    weights = model.style_weights()
    assert len(weights) == model.layers and {w.shape[1] for w in weights} == {model.style_mean.shape[1]}
    assert len(latents.closed_form_directions(model, 2, "coarse")) == 2


def test_class_differences():
    """Classes are offsets of w: their difference is the direction, and z's part the deviation."""
    model = toy(num_classes=3, class_names=("cat", "dog", "owl"))
    found = latents.difference_direction(model, "cat", "owl")
    offset = model.style_mean[2] - model.style_mean[0]
    assert torch.allclose(found.vector, offset / offset.norm(), atol=1e-5)  # the same seeds: exact
    assert found.deviation == pytest.approx((found.vector @ model.matrix.detach()).norm().item(), rel=0.05)
    back = latents.direction(model, "class: owl > cat")
    assert back.name == "class:owl>cat" and torch.allclose(back.vector, -found.vector, atol=1e-5)


def test_boundaries_are_fishers():
    generator = torch.Generator().manual_seed(0)
    mixing = torch.randn(5, 5, dtype=torch.float64, generator=generator)
    means = torch.randn(2, 5, dtype=torch.float64, generator=generator) * 2
    labels = torch.arange(9_000) % 3 == 0  # a third is of the one kind
    points = torch.randn(9_000, 5, dtype=torch.float64, generator=generator) @ mixing.T + means[labels.long()]
    expected = torch.linalg.solve(mixing @ mixing.T, means[1] - means[0])
    found = latents.boundary_direction(points.float(), labels, name="smile", ridge=1e-6)
    cosine = torch.cosine_similarity(found.vector.double(), expected, dim=0)
    assert cosine > 0.99 and found.name == "smile"  # and it points to the kind labelled 1
    assert found.deviation == pytest.approx(float((mixing.T @ found.vector.double()).norm()), rel=0.05)
    flat = torch.eye(4)[[0, 0, 1, 1]]  # no scatter within the kinds at all
    assert along(latents.boundary_direction(flat, torch.tensor([0, 0, 1, 1])).vector, flat[2] - flat[0]) > 0.999


@pytest.mark.parametrize(
    ("points", "labels", "says"),
    [
        (torch.zeros(4, 3), torch.tensor([0, 1]), "labels \\[N\\]"),
        (torch.zeros(4, 2, 3), torch.tensor([0, 0, 1, 1]), "points \\[N, D\\]"),
        (torch.zeros(4, 3), torch.tensor([0, 0, 1, 2]), "0 or 1"),
        (torch.zeros(4, 3), torch.tensor([0, 0, 0, 1]), "two points of each kind"),
        (torch.zeros(4, 3), torch.tensor([0, 0, 1, 1]), "same mean"),
    ],
)
def test_boundary_sentences(points, labels, says):
    with pytest.raises(ConfigError, match=says):
        latents.boundary_direction(points, labels)


def test_edits_move_by_deviations():
    model = toy()
    direction = latents.direction(model, "pca:0")
    w = model.to_w(model.latent([1, 2]))
    moved = latents.edit(w, direction, -2.0)
    assert moved.shape == w.shape
    assert torch.allclose(moved - w, -2 * direction.deviation * direction.vector.expand(2, -1), atol=1e-5)
    assert torch.allclose(latents.edit(moved, direction, 2.0), w, atol=1e-5)
    plus = model.per_layer(w)
    assert torch.allclose(latents.edit(plus, direction, -2.0), model.per_layer(moved), atol=1e-5)
    some = latents.edit(w, direction, -2.0, "coarse")
    assert torch.allclose(some[:, :2], model.per_layer(moved)[:, :2], atol=1e-5)
    assert torch.equal(some[:, 2:], plus[:, 2:])
    partial = latents.direction(model, "pca:0@coarse")
    assert partial.name == "pca:0@0-2" and torch.equal(latents.edit(w, partial, -2.0), some)
    assert torch.allclose(latents.edit(w, partial, -2.0, "all"), moved, atol=1e-6)


def test_edit_sentences():
    model = toy()
    direction = latents.direction(model, "pca:0")
    loose = latents.boundary_direction(torch.randn(8, 8), torch.arange(8) % 2)
    w = torch.zeros(2, 8)
    for arguments, says in (
        ((torch.zeros(2, 7), direction, 1.0), "take w of the same model"),
        ((torch.zeros(2, 5, 8), direction, 1.0), "take w of the same model"),
        ((torch.zeros(8), direction, 1.0), "take w of the same model"),
        ((w, direction, float("nan")), "number of standard deviations"),
        ((w, direction, 1.0, "9-12"), "do not exist"),
        ((w, loose, 1.0, "coarse"), "give w\\+"),
    ):
        with pytest.raises(ConfigError, match=says):
            latents.edit(*arguments)
    assert latents.edit(torch.zeros(2, 5, 8), loose, 1.0).shape == (2, 5, 8)


@pytest.mark.parametrize("name", ["pca", "pca:8", "pca:-1", "pcx:0", "sefa:x", "class:a>b", "", "pca:0@9-12"])
def test_a_direction_that_does_not_exist_says_which_do(name):
    with pytest.raises(ConfigError, match="pca:0 to pca:7, sefa:0 to sefa:7|do not exist"):
        latents.direction(toy(), name)


def test_direction_sentences():
    model = toy(num_classes=2)
    for make, says in (
        (lambda: latents.direction(model, "klass:0>1"), "Did you mean 'class'.*class:FIRST>SECOND as in class:0>1"),
        (lambda: latents.difference_direction(model, 0, 0), "the same class"),
        (lambda: latents.difference_direction(model, 0, 5), "no class '5'"),
        (lambda: latents.difference_direction(toy(), 0, 1), "knows no classes"),
        (lambda: latents.principal_directions(model, 9), "ask for 1 to 8"),
        (lambda: latents.principal_directions(model, 2, samples=1), "samples must be"),
        (lambda: latents.principal_directions(get_architecture("dcgan").tiny()), "dcgan has no W space"),
    ):
        with pytest.raises(ConfigError, match=says):
            make()
