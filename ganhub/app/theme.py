"""How the app looks: paper and ink with one vermilion seal, in light and dark, with the fonts a system has."""

from __future__ import annotations

import gradio as gr
from gradio.themes.utils import colors, fonts, sizes

from ganhub.app.declared import ASSETS

SANS = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "Noto Sans", "PingFang SC", "Microsoft YaHei", "sans-serif")
MONO = ("ui-monospace", "SF Mono", "Menlo", "Consolas", "monospace")

VERMILION = colors.Color(
    name="vermilion", c50="#fdf3f0", c100="#fbe4de", c200="#f6c9bd", c300="#eda391", c400="#e27a61",
    c500="#d2573b", c600="#b9432a", c700="#983521", c800="#7a2d1e", c900="#64281d", c950="#37120c",
)  # fmt: skip
STONE = colors.Color(
    name="paper", c50="#faf9f6", c100="#f3f1ec", c200="#e6e3db", c300="#d3cec3", c400="#a49e92",
    c500="#78736a", c600="#58544d", c700="#403d38", c800="#292724", c900="#1d1b19", c950="#141312",
)  # fmt: skip


# Of Gradio's theme, in its own names; those with * are its variables.
LOOK = dict(
    body_background_fill="*neutral_50",
    body_background_fill_dark="*neutral_950",
    body_text_color="*neutral_800",
    body_text_color_dark="*neutral_200",
    body_text_color_subdued="*neutral_600",
    body_text_color_subdued_dark="*neutral_400",
    background_fill_primary="white",
    background_fill_primary_dark="*neutral_900",
    background_fill_secondary="*neutral_100",
    background_fill_secondary_dark="*neutral_800",
    border_color_primary="*neutral_200",
    border_color_primary_dark="*neutral_800",
    border_color_accent="*primary_300",
    border_color_accent_dark="*primary_700",
    block_background_fill="white",
    block_background_fill_dark="*neutral_900",
    block_border_color="*neutral_200",
    block_border_color_dark="*neutral_800",
    block_border_width="1px",
    block_shadow="none",
    block_label_background_fill="*background_fill_primary",
    block_label_background_fill_dark="*background_fill_primary",
    block_label_border_width="0px",
    block_label_text_color="*neutral_600",
    block_label_text_color_dark="*neutral_400",
    block_title_text_color="*neutral_700",
    block_title_text_color_dark="*neutral_300",
    block_title_text_weight="500",
    block_info_text_color="*neutral_600",
    block_info_text_color_dark="*neutral_400",
    input_background_fill="*neutral_50",
    input_background_fill_dark="*neutral_950",
    input_border_color="*neutral_200",
    input_border_color_dark="*neutral_700",
    input_border_color_focus="*primary_400",
    input_border_color_focus_dark="*primary_500",
    slider_color="*primary_500",
    slider_color_dark="*primary_500",
    loader_color="*primary_500",
    button_border_width="1px",
    button_primary_background_fill="*primary_600",
    button_primary_background_fill_hover="*primary_700",
    button_primary_background_fill_dark="*primary_600",
    button_primary_background_fill_hover_dark="*primary_700",
    button_primary_text_color="white",
    button_primary_text_color_dark="white",
    button_primary_border_color="transparent",
    button_primary_border_color_dark="transparent",
    button_secondary_background_fill="white",
    button_secondary_background_fill_hover="*neutral_100",
    button_secondary_background_fill_dark="*neutral_900",
    button_secondary_background_fill_hover_dark="*neutral_800",
    button_secondary_border_color="*neutral_300",
    button_secondary_border_color_dark="*neutral_700",
    button_secondary_text_color="*neutral_700",
    button_secondary_text_color_dark="*neutral_200",
    button_cancel_background_fill="white",
    button_cancel_background_fill_hover="*primary_50",
    button_cancel_background_fill_dark="*neutral_900",
    button_cancel_background_fill_hover_dark="*neutral_800",
    button_cancel_border_color="*primary_300",
    button_cancel_border_color_dark="*primary_700",
    button_cancel_text_color="*primary_700",
    button_cancel_text_color_dark="*primary_300",
    link_text_color="*primary_700",
    link_text_color_dark="*primary_300",
    link_text_color_hover="*primary_800",
    link_text_color_hover_dark="*primary_200",
    link_text_color_visited="*primary_700",
    link_text_color_visited_dark="*primary_300",
)


def theme() -> gr.themes.Base:
    """The project's Gradio theme. No font is fetched: only names that a system resolves by itself."""
    return gr.themes.Base(
        primary_hue=VERMILION,
        secondary_hue=STONE,
        neutral_hue=STONE,
        radius_size=sizes.radius_md,
        font=[fonts.Font(name) for name in SANS],
        font_mono=[fonts.Font(name) for name in MONO],
    ).set(**LOOK)


HEADER = (ASSETS / "header.html").read_text(encoding="utf-8")
CSS = (ASSETS / "page.css").read_text(encoding="utf-8")
