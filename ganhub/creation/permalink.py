"""A Creation as a short text for the query of an address: "1", then letters, digits, - and _ only.

The 1 is the version. After it stands base64url of two bytes of a checksum and of what deflate leaves of the Creation's
JSON without the fields that have their default values. Input pictures are in no link, only their sha256.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import json
import re
import zlib

from ganhub.creation._base import Creation
from ganhub.creation.checks import shown
from ganhub.errors import ConfigError
from ganhub.files import parse_json

VERSION = "1"
MAX_CODE = 8_192  # characters of a link that are read
MAX_JSON = 32_768  # bytes that these may unfold to
MAX_LIST = 4_096  # values of one list in it
# What is often in a Creation; deflate points at it, so that links are short. It belongs to version 1, and stays.
OFTEN = (
    b'"strokes":"keep_colour":"luminance""histogram""style_size":512,"styles":[["","strength":"opaque":true,"size":1024,'
    b'"photo":"","mask":"","cleaner":"","inpainter":"inpainting","colourist":"pix2pix-colorize","upscaler":"srgan-x4",'
    b'"verb":"inpaint""verb":"translate""verb":"restore""verb":"style""directions":[["pca:0",["pca:1",["sefa:0",'
    b'["class:","mix_seed":"mixed":"coarse""middle""fine""frames":48,"label":"","loop":false,"seeds":[0,'
    b'"pace":"picture""space":"fps":"labels":["","likeness":0.85,"around":0,"model":"conditional-gan-mnist'
    b"cut-monetfast-stylearbitrary-styledcgan-wgan-gp-progressive-gan-glyphsemojistylegan2-monetstylegan2-landscapes"
    b'stylegan2-heroes","truncation":0.7,"verb":"edit"}"verb":"interpolate"}{"count":24,"model":"stylegan2-heroes",'
    b'"seed":0,"verb":"generate"}'
)
CUT = "This link is not whole: copy all of it, up to its last letter."
LONG = f"This link is longer than any that ganhub makes ({MAX_CODE} characters): copy it once more."
NEWER = "This link was made by a newer version of ganhub: bring this one up to date, or ask for the picture itself."


def to_code(creation: Creation) -> str:
    """The text of a Creation; equal Creations have the same.

    Raises:
        ConfigError: It holds more than a link can.
    """
    given = {field.name: field.default for field in dataclasses.fields(creation)}
    fields = {key: value for key, value in creation.to_dict().items() if _differs(creation, key, given)}
    text = json.dumps(fields, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()
    packer = zlib.compressobj(9, zlib.DEFLATED, -15, 9, zlib.Z_DEFAULT_STRATEGY, OFTEN)
    packed = _checksum(text) + packer.compress(text) + packer.flush()
    code = VERSION + base64.urlsafe_b64encode(packed).decode().rstrip("=")
    if len(code) > MAX_CODE or len(text) > MAX_JSON:
        raise ConfigError("This holds too much for a link: keep its picture or the zip instead.")
    return code


def from_code(text: str) -> Creation:
    """The Creation of a text, checked as any other.

    Raises:
        ConfigError: It was cut or changed on the way, comes from a newer version, or asks for what cannot be.
    """
    text = text.strip() if isinstance(text, str) else ""
    if len(text) > MAX_CODE:
        raise ConfigError(LONG)
    if not re.fullmatch(r"[A-Za-z0-9_-]{8,}", text):
        raise ConfigError(CUT)
    if text[0] != VERSION:
        raise ConfigError(NEWER if text[0].isdigit() else CUT)
    try:
        data = parse_json(_unpacked(text[1:]), longest=MAX_LIST)
    except ValueError as error:
        raise ConfigError(CUT) from error
    return Creation.from_dict(data)


def read(text: str) -> Creation:
    """The Creation of a link's text, or of its JSON; ConfigError for what is neither."""
    if isinstance(text, str) and text.lstrip().startswith("{"):
        if len(text) > MAX_JSON:
            raise ConfigError(f"A creation has at most {MAX_JSON} letters; this one begins with {shown(text)!r}.")
        return Creation.from_json(text)
    return from_code(text)


def _differs(creation: Creation, key: str, defaults: dict) -> bool:
    return key not in defaults or defaults[key] is dataclasses.MISSING or getattr(creation, key) != defaults[key]


def _unpacked(text: str) -> bytes:
    """The JSON of a code without its version; ValueError where it is not whole."""
    try:
        packed = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        opener = zlib.decompressobj(-15, zdict=OFTEN)
        whole = opener.decompress(packed[2:], MAX_JSON)  # so far and no farther: some bytes unfold to gigabytes
    except (binascii.Error, zlib.error) as error:
        raise ValueError(str(error)) from error
    if not opener.eof or opener.unused_data or packed[:2] != _checksum(whole):
        raise ValueError("it is cut")
    return whole


def _checksum(text: bytes) -> bytes:
    return zlib.crc32(text).to_bytes(4, "big")[:2]
