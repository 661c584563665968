"""Working in latent space: walks between seeds, truncation, style mixing, directions and edits, projection of photos.

from ganhub import AutoModel, latents, load_image

model = AutoModel.from_pretrained("model_cards/stylegan2-landscapes")
film = latents.walk(model, seeds=[1, 2, 3], frames=60, loop=True, space="w")
projected = latents.project(model, load_image("photo.jpg"))
edited = latents.edit(projected.w, latents.direction(model, "pca:0"), 2.0)
picture = model.from_w(edited, noise=projected.noise)
"""

from ganhub.latents.directions import (
    Direction,
    boundary_direction,
    closed_form_directions,
    difference_direction,
    direction,
    edit,
    principal_directions,
)
from ganhub.latents.mixing import layer_range, mix, truncate
from ganhub.latents.paths import frames_of, lerp, slerp, walk, walk_latents
from ganhub.latents.points import load_w, save_w
from ganhub.latents.projection import PerceptualDistance, Projection, project

__all__ = [
    "Direction",
    "PerceptualDistance",
    "Projection",
    "boundary_direction",
    "closed_form_directions",
    "difference_direction",
    "direction",
    "edit",
    "frames_of",
    "layer_range",
    "lerp",
    "load_w",
    "mix",
    "principal_directions",
    "project",
    "save_w",
    "slerp",
    "truncate",
    "walk",
    "walk_latents",
]
