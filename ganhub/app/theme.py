"""How the app looks: paper and ink with one vermilion seal, in light and dark, with the fonts a system has."""

from __future__ import annotations

import gradio as gr
from gradio.themes.utils import colors, fonts, sizes

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


def theme() -> gr.themes.Base:
    """The project's Gradio theme. No font is fetched: only names that a system resolves by itself."""
    return gr.themes.Base(
        primary_hue=VERMILION,
        secondary_hue=STONE,
        neutral_hue=STONE,
        radius_size=sizes.radius_md,
        font=[fonts.Font(name) for name in SANS],
        font_mono=[fonts.Font(name) for name in MONO],
    ).set(
        body_background_fill="*neutral_50",
        body_background_fill_dark="*neutral_950",
        body_text_color="*neutral_800",
        body_text_color_dark="*neutral_200",
        body_text_color_subdued="*neutral_500",
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
        block_label_text_color="*neutral_500",
        block_label_text_color_dark="*neutral_400",
        block_title_text_color="*neutral_700",
        block_title_text_color_dark="*neutral_300",
        block_title_text_weight="500",
        block_info_text_color="*neutral_500",
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
        button_primary_background_fill_dark="*primary_500",
        button_primary_background_fill_hover_dark="*primary_400",
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


HEADER = """
<header class="masthead">
  <svg class="seal" viewBox="0 0 48 48" role="img" aria-label="ganhub">
    <rect width="48" height="48" rx="10" fill="#b9432a"/>
    <g fill="#fdf3f0"><rect x="9" y="9" width="8" height="8" rx="1.5"/>
    <rect x="20" y="9" width="8" height="8" rx="1.5"/>
    <rect x="31" y="9" width="8" height="8" rx="1.5"/><rect x="9" y="20" width="8" height="8" rx="1.5"/>
    <rect x="9" y="31" width="8" height="8" rx="1.5"/><rect x="20" y="31" width="8" height="8" rx="1.5"/>
    <rect x="31" y="31" width="8" height="8" rx="1.5"/><rect x="31" y="20" width="8" height="8" rx="1.5"/></g>
  </svg>
  <div class="words">
    <h1>ganhub</h1>
    <p>Pictures that no one has seen before, from networks you can read.</p>
  </div>
  <ol class="steps" aria-label="First steps">
    <li><b>Pick a model</b><span>in the menu on the left</span></li>
    <li><b>Press Generate</b><span>each number is a picture</span></li>
    <li><b>Click a picture</b><span>to keep its seed</span></li>
  </ol>
</header>
"""

# Rules that name .gradio-container stay outside of @media, where Gradio puts it in front of every selector.
CSS = """
.gradio-container { width: 100% !important; max-width: 1320px !important; margin: 0 auto !important;
  padding: 0 clamp(4px, 2vw, 20px) !important; }
.gradio-container main { width: 100% !important; max-width: none !important; }
.masthead { display: flex; align-items: center; gap: 16px; padding: 0 2px 2px; flex-wrap: wrap; }
.masthead-block, .masthead-block > div { padding: 0 !important; }
.masthead .seal { width: 46px; height: 46px; flex: none; }
.masthead h1 { font-family: "Iowan Old Style", "Palatino Linotype", Palatino, "Noto Serif", Georgia, serif;
  font-size: 27px; font-weight: 600; letter-spacing: -.01em; line-height: 1.1; margin: 0; }
.masthead .words { flex: 1 1 300px; }
.masthead .words p { margin: 3px 0 0; color: var(--body-text-color-subdued); font-size: 14px; }
.masthead .steps { display: flex; gap: 26px; list-style: none; margin: 0; padding: 0; counter-reset: step; }
.masthead .steps li { counter-increment: step; display: grid; grid-template-columns: auto auto; column-gap: 9px;
  align-items: center; font-size: 13px; line-height: 1.3; margin: 0; }
.masthead .steps li::before { content: counter(step); grid-row: 1 / 3; width: 24px; height: 24px; border-radius: 50%;
  border: 1px solid var(--color-accent); color: var(--color-accent); display: grid; place-items: center;
  font-size: 12px; font-weight: 600; }
.masthead .steps b { font-weight: 600; }
.masthead .steps span { color: var(--body-text-color-subdued); }

.gradio-container main { padding-top: 10px !important; gap: 12px !important; }
.gradio-container .fillable { padding: clamp(4px, 1.5vw, 16px) clamp(8px, 2.5vw, 32px) !important; }
.about, .status { padding: 0 4px !important; }
.about *, .status * { font-size: 13px; color: var(--body-text-color-subdued); line-height: 1.45; }
.about > div, .status > div { padding: 0 !important; }
.about { margin: -6px 0 -4px !important; }
.about a { text-decoration: none; color: var(--link-text-color) !important; padding: 0 !important; }
.about a:hover { text-decoration: underline; }
.status { min-height: 34px; } .status p { margin: 6px 0 0; }
.status .bar { height: 4px; border-radius: 2px; background: var(--border-color-primary); overflow: hidden; }
.status .bar i { display: block; height: 100%; background: var(--color-accent); border-radius: 2px;
  transition: width .25s ease; }
.status .bar.waiting i { width: 30%; animation: waiting 1.2s ease-in-out infinite alternate; }
@keyframes waiting { from { margin-left: 0 } to { margin-left: 70% } }
@media (prefers-reduced-motion: reduce) { .status .bar i { transition: none; animation: none !important; } }

/* Stop is there while something runs: while the tab shows a progress bar. */
.stop { display: none !important; }
.tabitem:has(.bar) .stop { display: flex !important; }

.wall, .wall .gallery-container, .wall .grid-wrap, .wall .grid-container { min-height: 0 !important; }
.wall .grid-wrap { max-height: none !important; height: auto !important; }
.wall .grid-container { grid-template-rows: none !important; grid-auto-rows: auto !important; }
.wall .thumbnail-item { height: auto !important; min-height: 0 !important; aspect-ratio: 1; width: 100%; }
.wall img { width: 100%; height: 100%; }
.wall .thumbnail-item { border-radius: 6px !important; box-shadow: none !important;
  border-color: transparent !important; background: var(--background-fill-secondary); }
.wall .thumbnail-item.selected, .wall .thumbnail-item:focus-visible { outline: 2px solid var(--color-accent);
  outline-offset: 1px; }
.wall .caption-label { font-size: 11px; padding: 1px 6px; border: 0; border-radius: 4px; opacity: 0;
  transition: opacity .12s; background: rgba(20, 19, 18, .72); color: #fff; }
.wall .thumbnail-item:hover .caption-label, .wall .thumbnail-item.selected .caption-label,
.wall.captions .caption-label { opacity: 1; }
.strip { min-height: 60px; }
.strip img { width: 100% !important; object-fit: contain; }
.picked .image-frame, .picked .image-frame img,
.painting .image-frame, .painting .image-frame img { width: 100%; height: 100%; object-fit: contain; }
.picked .image-frame img { image-rendering: pixelated; }
.compare .image-frame, .compare .image-frame img { width: 100%; height: 100%; object-fit: contain;
  image-rendering: pixelated; }
.beside { align-items: end !important; } .beside > button { height: 44px; white-space: nowrap; }
.recipe { min-height: 20px; } .recipe > div { text-align: center; }
.empty { margin: 24px auto; padding: 44px clamp(20px, 6vw, 60px); max-width: 620px; text-align: center;
  border: 1px dashed var(--border-color-primary); border-radius: 10px; background: var(--background-fill-primary); }
.empty h2 { font-family: "Iowan Old Style", "Palatino Linotype", Palatino, "Noto Serif", Georgia, serif;
  font-size: 24px; font-weight: 600; margin: 0 0 12px; }
.empty p { margin: 8px 0 0; font-size: 14px; line-height: 1.6; color: var(--body-text-color-subdued); }
.examples .gallery-item, .examples button { border-radius: 6px !important; }
footer { opacity: .75; }
.hint { padding: 0 4px !important; } .hint * { font-size: 13px; color: var(--body-text-color-subdued); }

@media (max-width: 760px) {
  .tab-container button { padding: 0 9px !important; font-size: 13px !important; }
  .masthead .words { flex-basis: 220px !important; }
  .compare, .compare .image-container { height: 46vw !important; min-height: 0 !important; }
  .masthead { padding-top: 12px; gap: 12px; }
  .masthead .seal { width: 38px; height: 38px; }
  .masthead .steps { gap: 14px; width: 100%; justify-content: space-between; }
  .masthead .steps span { display: none; }
}
"""

# On the Conditional tab the first picture of a row carries the name of its class; the others show it under the pointer.
CSS += "".join(
    f".wall.named.columns-{n} .grid-container > :nth-child({n}n + 1) .caption-label {{ opacity: 1; }}\n"
    f".wall.columns-{n} .grid-container {{ grid-template-columns: repeat({n}, minmax(0, 1fr)) !important; }}\n"
    for n in range(1, 13)
)
CSS += """
@media (max-width: 760px) {
  .wall.columns-8:not(.named) .grid-container { grid-template-columns: repeat(4, minmax(0, 1fr)) !important; }
}
"""
