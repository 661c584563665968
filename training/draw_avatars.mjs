// Draws portraits of one style for draw_avatars.py, which calls it:
//
//     node draw_avatars.mjs STYLE FIRST LAST SIDE OUT [lines|partly|usual]
//
// "lines" are line drawings, "usual" portraits in the usual colours of USUAL, "partly" those of which half are usual.
// Writes OUT.rgb, for each number from FIRST to LAST - 1 side x side x 3 bytes, and OUT.jsonl, its parts and colours.

import { writeFileSync } from 'node:fs';
import { createAvatar } from '@dicebear/core';
import * as collection from '@dicebear/collection';
import { Resvg } from '@resvg/resvg-js';

const BACKGROUNDS = ['b6e3f4', 'c0aede', 'c8ecd0', 'ffd5dc', 'ffdfbf', 'ffffff'];
// Heads that leave a wide rim are enlarged (per cent); rare glasses are drawn more often; no mask hides a mouth.
const OPTIONS = {
  adventurer: { scale: 125, glassesProbability: 25 },
  'big-smile': { scale: 115 },
  lorelei: { glassesProbability: 25 },
  'open-peeps': { maskProbability: 0 },
};
const SKINS = ['ffdbb4', 'edb98a', 'd08b5b', 'ae5d29', '694d3d'];
const USUAL = [[/^(skin|base)/, 'edb98a'], [/^(hair|headContrast)/, 'a55728'], [/^(clothing|clothes|shirt)/, '4f8fd9'],
  [/^glasses/, '3b4060'], [/^earring/, 'f4d150'], [/^eyeShadow/, 'ffffff']];
const USUAL_BACKGROUND = 'b6e3f4';
const OUTLINED = ['adventurer', 'lorelei', 'open-peeps']; // the other styles have areas of colour without an outline
const SHAPES = /<(mask|defs|metadata)\b.*?<\/\1>|<(?:path|circle|ellipse|rect|g)\b[^>]*>/gs; // or what only serves them
const SHADE = /\b(?:fill-)?opacity="0?\.|mix-blend-mode|fill="url/;

/** Every sixth portrait the order moves on by one, so that no background is tied to a remainder of the number. */
function background(number) {
  return BACKGROUNDS[(number + Math.floor(number / 6)) % 6];
}

/** The options that take every free colour away. A choice of one draws as many random numbers: the parts stay. */
function colourless(style) {
  const colours = Object.entries(style.schema.properties).filter(([name]) => name.endsWith('Color'));
  const free = colours.filter(([, property]) => property.default?.length > 1);
  return Object.fromEntries(free.map(([name]) => [name, ['ffffff']]));
}

/** A coin, always the same for one number and one text. */
function coin(number, text) {
  let hash = 2166136261;
  for (const letter of `${number}-${text}`) hash = Math.imul(hash ^ letter.charCodeAt(0), 16777619);
  return (hash >>> 13) & 1;
}

/** Options that give each free colour its usual value: all of them, or those that a coin decides. */
function usual(name, style, number, all) {
  const chosen = {};
  for (const [property, schema] of Object.entries(style.schema.properties)) {
    const paper = name === 'lorelei' && property === 'skinColor'; // white as it comes
    const colour = USUAL.find(([pattern]) => pattern.test(property) && property.endsWith('Color'))?.[1];
    if (!colour || !(paper || schema.default?.length > 1)) continue;
    if (all || coin(number, property)) chosen[property] = [colour];
    else if (paper) chosen[property] = SKINS;
  }
  if (all || coin(number, 'background')) chosen.backgroundColor = [USUAL_BACKGROUND];
  return chosen;
}

function dark(colour) {
  const hex = colour === 'black' ? '000' : colour.replace('#', '');
  const digits = hex.length === 3 ? [...hex].map((digit) => digit + digit) : hex.match(/../g) ?? [];
  return digits.reduce((sum, pair) => sum + parseInt(pair, 16), 0) < 150;
}

/** Black lines on white: dark areas stay, others become white, shades go; areas get an outline of `width`, if not 0. */
function toLines(svg, width) {
  return svg.replace(/<(mask|defs|metadata)\b.*?<\/\1>|<(?:path|circle|ellipse|rect|g)\b[^>]*>/gs, (tag, block) => {
    if (block) return tag;
    const stroked = tag.includes('stroke="');
    if (SHADE.test(tag)) return stroked ? tag.replace(/\bfill="[^"]+"/, 'fill="none"') : tag.replace(/^<\w+/, '$& display="none"');
    let outline = '';
    const shape = tag.replace(/\bfill="([^"]+)"/, (fill, colour) => {
      if (colour === 'none') return fill;
      if (dark(colour)) return 'fill="#000"';
      if (width && !tag.includes('stroke')) outline = ` stroke="#000" stroke-width="${width}"`;
      return 'fill="#fff"';
    });
    if (width && stroked && !tag.includes('stroke-width=')) outline = ` stroke-width="${width}"`;
    return shape.replace(/\bstroke="(?!none)[^"]+"/, 'stroke="#000"').replace(/^<\w+/, `$&${outline}`);
  });
}

/** Drawn at twice the side, then the mean of each 2 x 2 pixels, rounded half up. */
function render(svg, side) {
  const wide = 2 * side;
  const pixels = new Resvg(svg, { fitTo: { mode: 'width', value: wide } }).render().pixels;
  const rgb = Buffer.alloc(side * side * 3);
  for (let row = 0; row < side; row++) {
    for (let column = 0; column < side; column++) {
      for (let channel = 0; channel < 3; channel++) {
        const at = 4 * (2 * row * wide + 2 * column) + channel;
        const sum = pixels[at] + pixels[at + 4] + pixels[at + 4 * wide] + pixels[at + 4 * wide + 4];
        rgb[3 * (row * side + column) + channel] = (sum + 2) >> 2;
      }
    }
  }
  return rgb;
}

const [name, first, last, side, out, kind] = process.argv.slice(2);
const style = collection[name.replace(/-(.)/g, (_, letter) => letter.toUpperCase())];
const pictures = [];
const parts = [];
for (let number = Number(first); number < Number(last); number++) {
  const options = { ...OPTIONS[name], seed: `${name}-${number}`, backgroundColor: [background(number)] };
  if (kind === 'partly' || kind === 'usual') Object.assign(options, usual(name, style, number, kind === 'usual'));
  const avatar = createAvatar(style, options);
  let svg = avatar.toString();
  if (kind === 'lines') {
    const plain = createAvatar(style, { ...options, ...colourless(style), backgroundColor: [] }).toString();
    const size = Number(plain.match(/viewBox="0 0 (\d+)/)[1]);
    const drawing = toLines(plain, OUTLINED.includes(name) ? 0 : (0.8 * size) / Number(side));
    svg = drawing.replace(/<mask id="viewboxMask">/, `<rect width="${size}" height="${size}" fill="#fff"/>$&`);
  }
  pictures.push(render(svg, Number(side)));
  parts.push(JSON.stringify(avatar.toJson().extra));
}
writeFileSync(`${out}.rgb`, Buffer.concat(pictures));
writeFileSync(`${out}.jsonl`, parts.join('\n') + '\n');
