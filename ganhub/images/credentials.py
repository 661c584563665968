"""Content credentials: a C2PA manifest, signed with the certificate that the environment names.

``GANHUB_C2PA_CERT`` and ``GANHUB_C2PA_KEY`` are the paths of PEM files: the certificate with those that vouch for it,
and its private key. ``GANHUB_C2PA_ALG`` is the algorithm of the key, es256 by default. A signature is another one each
time, so a signed file is never equal to the byte; its pixels are.
"""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path

from ganhub._version import __version__
from ganhub.errors import ConfigError, ImageError
from ganhub.extras import needed_for
from ganhub.files import expanded, read_within

CERT, KEY, ALG = "GANHUB_C2PA_CERT", "GANHUB_C2PA_KEY", "GANHUB_C2PA_ALG"
ALGORITHMS = ("es256", "es384", "es512", "ps256", "ps384", "ps512", "ed25519")
FORMATS = {
    ".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".webp": "image/webp", ".gif": "image/gif",
    ".mp4": "video/mp4",
}  # fmt: skip
MAX_PEM = 1_000_000
log = logging.getLogger(__name__)


def are_configured() -> bool:
    """Whether files are signed.

    Raises:
        ConfigError: One of certificate and key is named, and not the other.
    """
    there = [name for name in (CERT, KEY) if os.environ.get(name)]
    if len(there) == 1:
        missing = KEY if there == [CERT] else CERT
        raise ConfigError(f"${there[0]} is set and ${missing} is not: set both, or none.")
    return bool(there)


def sign_file(path: Path, suffix: str, text: str, source: str) -> None:
    """Sign a file in its place, where a certificate is configured.

    Args:
        suffix: What the file is; of a kind that cannot be signed (.webm) that is logged.
        text: JSON of how it was made; it becomes an assertion of the manifest.
        source: IPTC's Digital Source Type, as an address.

    Raises:
        ConfigError: Certificate, key or algorithm cannot be used.
        MissingPackage: c2pa-python is not installed.
        ImageError: The file cannot be signed.
    """
    if not are_configured():
        return
    if suffix not in FORMATS:
        log.warning("A %s file cannot hold a C2PA manifest: it is marked, and not signed.", suffix)
        return
    with needed_for("Signing a file by C2PA"):
        import c2pa

    algorithm = os.environ.get(ALG, "").strip().lower() or "es256"
    if algorithm not in ALGORITHMS:
        raise ConfigError(f"${ALG} is one of {', '.join(ALGORITHMS)}, not {algorithm[:40]!r}.")
    pems = [_pem(name) for name in (CERT, KEY)]
    signed = path.with_name(f"{path.name}.signed")
    try:
        context = c2pa.Context.from_dict(
            {"builder": {"thumbnail": {"enabled": False}}}
        )  # it is larger than the picture
        with c2pa.Signer.from_info(c2pa.C2paSignerInfo(algorithm, *pems, None)) as signer, context:
            with c2pa.Builder(manifest(text, source), context) as builder:
                with path.open("rb") as whole, signed.open("w+b") as out:
                    builder.sign(signer, FORMATS[suffix], whole, out)
    except c2pa.C2paError as error:
        raise ImageError(
            f"The file cannot be signed by C2PA ({' '.join(str(error).split())[:200]}): check ${CERT}, ${KEY} and "
            f"${ALG}, or unset them."
        ) from error
    os.replace(signed, path)


def manifest(text: str, source: str) -> str:
    """The manifest of a picture or film that ganhub has made, as JSON."""
    agent = {"name": "ganhub", "version": __version__}
    created = {"action": "c2pa.created", "digitalSourceType": source, "softwareAgent": agent}
    assertions = [{"label": "c2pa.actions.v2", "data": {"actions": [created]}}]
    if text:
        assertions.append({"label": "org.ganhub.creation", "data": json.loads(text)})
    return json.dumps({"claim_generator_info": [agent], "assertions": assertions})


def _pem(name: str) -> bytes:
    path = expanded(os.environ[name])
    try:
        return read_within(path, MAX_PEM)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "it is no PEM file"
        raise ConfigError(f"${name} names {path.name}, which cannot be read ({reason}): check the path.") from error
