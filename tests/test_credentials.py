"""C2PA manifests: signed with a certificate that the test makes, read back with c2pa-python's own reader."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ganhub.errors import ConfigError, ImageError
from ganhub.images import load_image, provenance, save_image, video
from ganhub.images.provenance import COMPOSITE, Mark
from ganhub.nn.random import uniform

c2pa = pytest.importorskip("c2pa")
x509 = pytest.importorskip("cryptography.x509")

FRAMES = uniform([1, 2, 3], 3, 40, 56) * 2 - 1
MARK = Mark(json.dumps({"format": 1, "creation": {"verb": "generate", "model": "m"}}), COMPOSITE)


def certificate(name: str, issuer: str, key: Any, signer: Any, authority: bool) -> Any:
    from cryptography.hazmat.primitives import hashes

    def named(text: str) -> Any:
        oid = x509.oid.NameOID
        return x509.Name(
            [x509.NameAttribute(oid.COMMON_NAME, text), x509.NameAttribute(oid.ORGANIZATION_NAME, "ganhub tests")]
        )

    now = datetime.now(UTC)
    usage = dict.fromkeys(
        ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "encipher_only",
         "decipher_only"), False,
    )  # fmt: skip
    usage |= {"digital_signature": not authority, "key_cert_sign": authority, "crl_sign": authority}
    builder = (
        x509.CertificateBuilder().subject_name(named(name)).issuer_name(named(issuer)).public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=9))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(**usage), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
    )  # fmt: skip
    if not authority:
        purpose = x509.ExtendedKeyUsage([x509.oid.ExtendedKeyUsageOID.EMAIL_PROTECTION])
        builder = builder.add_extension(purpose, critical=False)
    return builder.sign(signer, hashes.SHA256())


@pytest.fixture(scope="module")
def pems(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    from cryptography.hazmat.primitives import serialization as forms
    from cryptography.hazmat.primitives.asymmetric import ec

    folder = tmp_path_factory.mktemp("pem")
    root, own = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    chain = [
        certificate("signer", "root", own, root, False).public_bytes(forms.Encoding.PEM),
        certificate("root", "root", root, root, True).public_bytes(forms.Encoding.PEM),
    ]
    (folder / "cert.pem").write_bytes(b"".join(chain))
    (folder / "key.pem").write_bytes(
        own.private_bytes(forms.Encoding.PEM, forms.PrivateFormat.PKCS8, forms.NoEncryption())
    )
    return folder / "cert.pem", folder / "key.pem"


@pytest.fixture
def configured(pems: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GANHUB_C2PA_CERT", str(pems[0]))
    monkeypatch.setenv("GANHUB_C2PA_KEY", str(pems[1]))


def write(path: Path) -> Path:
    if path.suffix in (".gif", ".mp4"):
        video.save_video(FRAMES, path, fps=10, mark=MARK)
    else:
        save_image(FRAMES[:1], path, mark=MARK)
    return path


@pytest.mark.parametrize("kind", ["png", "jpg", "webp", "gif", "mp4"])
def test_files_are_signed(tmp_path: Path, configured: None, kind: str) -> None:
    path = write(tmp_path / f"a.{kind}")
    with c2pa.Reader(path) as reader:
        said = json.loads(reader.json())
    manifest = said["manifests"][said["active_manifest"]]
    assertions = {one["label"]: one["data"] for one in manifest["assertions"]}
    (action,) = assertions["c2pa.actions.v2"]["actions"]
    assert action["digitalSourceType"] == provenance.TERMS + COMPOSITE and action["action"] == "c2pa.created"
    assert assertions["org.ganhub.creation"] == json.loads(MARK.text)
    # The bytes fit the signature; who signed is a stranger to everybody, as the certificate is the test's own.
    assert [one["code"] for one in said.get("validation_status", [])] == ["signingCredential.untrusted"]
    assert (video.read_text if kind == "mp4" else provenance.read_text)(path) == MARK.text
    assert [one.name for one in tmp_path.iterdir()] == [path.name]


def test_a_changed_pixel_breaks_the_signature(tmp_path: Path, configured: None) -> None:
    path = write(tmp_path / "a.jpg")
    data = bytearray(path.read_bytes())
    data[-40] ^= 1
    path.write_bytes(data)
    with c2pa.Reader(path) as reader:
        codes = [one["code"] for one in json.loads(reader.json())["validation_status"]]
    assert "assertion.dataHash.mismatch" in codes and load_image(path).shape[1] == 3


@pytest.mark.parametrize(
    ("changed", "error", "says"),
    [
        ({"GANHUB_C2PA_KEY": ""}, ConfigError, r"\$GANHUB_C2PA_CERT is set and \$GANHUB_C2PA_KEY is not"),
        ({"GANHUB_C2PA_CERT": "nowhere.pem"}, ConfigError, "names nowhere.pem, which cannot be read"),
        ({"GANHUB_C2PA_ALG": "rot13"}, ConfigError, "is one of es256"),
        ({"GANHUB_C2PA_ALG": "ps256"}, ImageError, "cannot be signed by C2PA"),
        ({"GANHUB_C2PA_CERT": __file__}, ImageError, "cannot be signed by C2PA"),
    ],
)
def test_what_is_configured_and_broken_is_said(
    tmp_path: Path, configured: None, monkeypatch: pytest.MonkeyPatch, changed: dict, error: type, says: str
) -> None:
    for name, value in changed.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(error, match=says) as refused:
        write(tmp_path / "a.png")
    assert "\n" not in str(refused.value) and list(tmp_path.iterdir()) == []


def test_without_a_certificate_nothing_is_signed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GANHUB_C2PA_CERT", raising=False)
    monkeypatch.delenv("GANHUB_C2PA_KEY", raising=False)
    with pytest.raises(c2pa.C2paError), c2pa.Reader(write(tmp_path / "a.png")):
        pass
