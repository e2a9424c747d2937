"""Keys and certificates, and a manifest signed into a file."""

from __future__ import annotations

import io
import json
import mimetypes
import os
import shutil
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import c2pa  # type: ignore[import-untyped]
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import NameOID

from editalk.errors import OutputError, SigningError, UsageError
from editalk.provenance.certificate import Credential
from editalk.provenance.manifest import Ingredient

PASSWORD = "EDITALK_SIGN_PASSWORD"
SETTINGS: dict[str, Any] = {
    "version": 1,
    "verify": {"remote_manifest_fetch": False, "ocsp_fetch": False},
    "core": {"allowed_network_hosts": []},  # no network, whatever a file asks for
    "builder": {"thumbnail": {"enabled": False}},
}
LEAST_RSA = 2048
_CURVES = {"secp256r1": "es256", "secp384r1": "es384", "secp521r1": "es512"}
_EMBEDDING = {".mp4", ".m4v", ".mov"}
_TYPES = {".m4v": "video/x-m4v", ".mkv": "video/x-matroska", ".webm": "video/webm"}
_UNKNOWN = "application/octet-stream"


def load_credential(key: Path | None, cert: Path | None, password: str | None) -> Credential | None:
    """A key in PEM and its certificates, the signer's and those up to an authority. None where neither is given.

    Raises UsageError for one without the other, SigningError where they cannot sign.
    """
    if key is None or cert is None:
        if key is not cert:
            raise UsageError("--sign-key and --sign-cert belong together; give both or none")
        return None
    private = _key(key, password)
    algorithm = _algorithm(private, key)
    chain = _chain(cert, private.public_key(), key)
    leaf = chain[0]
    name = next((str(a.value) for oid in (NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME)
                 for a in leaf.subject.get_attributes_for_oid(oid)), leaf.subject.rfc4514_string())  # fmt: skip
    now = datetime.now(UTC)
    if now > leaf.not_valid_after_utc:
        raise SigningError(f"{cert}: the certificate of {name} expired on {leaf.not_valid_after_utc:%Y-%m-%d}")
    if now < leaf.not_valid_before_utc:
        raise SigningError(f"{cert}: the certificate of {name} is valid from {leaf.not_valid_before_utc:%Y-%m-%d} on")
    text = b"".join(one.public_bytes(Encoding.PEM) for one in chain)
    made = Credential(text, private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), algorithm, name)
    try_out(made, cert)
    return made


_Private = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey


def _key(path: Path, password: str | None) -> _Private:
    data = read_bytes(path)
    try:
        key = load_pem_private_key(data, password.encode() if password and b"ENCRYPTED" in data else None)
    except TypeError as error:
        raise SigningError(f"{path} is encrypted; let {PASSWORD} hold its password") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        encrypted = b"ENCRYPTED" in data
        why = f"its password is not that of {PASSWORD}" if encrypted and password else "it is no private key in PEM"
        raise SigningError(f"{path}: {why}") from error
    if not isinstance(key, _Private):
        raise SigningError(f"{path}: C2PA signs with EC, RSA and Ed25519 keys, not with this one")
    return key


def _algorithm(key: _Private, path: Path) -> str:
    if isinstance(key, ec.EllipticCurvePrivateKey):
        if key.curve.name not in _CURVES:
            raise SigningError(f"{path}: C2PA signs on the curves P-256, P-384 and P-521, not on {key.curve.name}")
        return _CURVES[key.curve.name]
    if isinstance(key, rsa.RSAPrivateKey):
        if key.key_size < LEAST_RSA:
            raise SigningError(f"{path}: an RSA key of {key.key_size} bits; C2PA wants {LEAST_RSA} and more")
        return "ps256"
    return "ed25519"


def _chain(path: Path, public: Any, key: Path) -> list[x509.Certificate]:
    """The key's own certificate first."""
    try:
        held = x509.load_pem_x509_certificates(read_bytes(path))
    except ValueError as error:
        raise SigningError(f"{path}: no certificates in PEM can be read from it") from error
    own = _plain(public)
    mine = [one for one in held if _plain(one.public_key()) == own]
    if not mine:
        raise SigningError(f"{path}: none of its certificates is of the key {key}")
    return [mine[0], *(one for one in held if one != mine[0])]


def _plain(public: Any) -> bytes:
    return bytes(public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


def read_bytes(path: Path, most: int = -1) -> bytes:
    """Of a file the first so many (-1: all). Raises SigningError."""
    try:
        with path.open("rb") as file:
            return file.read(most)
    except OSError as error:
        raise SigningError(f"{path}: {error.strerror or error}") from error


def try_out(credential: Credential, cert: Path) -> None:
    """Sign a few bytes: c2pa says only then what it does not take. Raises SigningError."""
    try:
        with _signer(credential) as signer, c2pa.Context.from_dict(SETTINGS) as context:
            builder = c2pa.Builder({"claim_generator_info": [{"name": "editalk"}]}, context)
            builder.set_intent(c2pa.C2paBuilderIntent.CREATE, c2pa.C2paDigitalSourceType.EMPTY)
            builder.set_no_embed()
            builder.sign(signer, _UNKNOWN, io.BytesIO(b"editalk"), io.BytesIO())
    except c2pa.C2paError as error:
        raise SigningError(f"{cert}: C2PA does not take this certificate: {_said(error)}; it wants "
                           "the usage digitalSignature, an extended one such as emailProtection, and an authority "
                           "above") from error


def embeds(path: Path) -> bool:
    """Whether a file of this name takes a manifest; else the manifest lies beside it."""
    return path.suffix.lower() in _EMBEDDING


def manifest_path(video: Path) -> Path:
    """Where the manifest of a file that takes none lies: `talk.edited.c2pa`, as C2PA wants it."""
    return video.with_suffix(".c2pa")


def sign(
    definition: Mapping[str, Any], parts: Mapping[Ingredient, Path], credential: Credential, complete: Path,
    signed: Path, warn: Callable[[str], None],
) -> bytes:  # fmt: skip
    """The manifest. The file `complete` becomes `signed`, with the manifest in it or, where it takes none, as it is.

    `parts`: where the ingredients lie; those that have manifests of their own bring them along, of those whose cannot
    be read `warn` is told. Nothing is fetched from anywhere. Raises OutputError.
    """
    for suffix, kind in _TYPES.items():
        mimetypes.add_type(kind, suffix)  # c2pa asks there
    _room(complete, signed)
    try:
        with _signer(credential) as signer, c2pa.Context.from_dict(SETTINGS) as context:
            builder = c2pa.Builder(dict(definition), context)
            for part, path in parts.items():
                kind = mimetypes.guess_type(path.name)[0] or _UNKNOWN
                try:
                    _add(builder, part, path, kind)
                except c2pa.C2paError as error:
                    _add(builder, part, path, _UNKNOWN)
                    warn(f"{path}: its own manifest cannot be read ({_said(error)}); the edit's names the file by its "
                         "content alone")  # fmt: skip
            if not embeds(complete):
                builder.set_no_embed()
            return bytes(builder.sign_file(complete, signed, signer))
    except c2pa.C2paError as error:
        _room(complete, signed)
        raise OutputError(f"the edit cannot be signed: {_said(error)}; --no-sign leaves it unsigned") from error


def _add(builder: c2pa.Builder, part: Ingredient, path: Path, kind: str) -> None:
    """As a file of a kind that has no manifest c2pa looks at nothing but its bytes."""
    with path.open("rb") as file:
        builder.add_ingredient({**part.json, "format": kind}, kind, file)


def _room(complete: Path, signed: Path) -> None:
    """c2pa does not say that a disk is full. What `signed` takes already counts as room. Raises OutputError."""
    held = signed.stat().st_size if signed.exists() else 0
    if shutil.disk_usage(signed.parent).free + held < complete.stat().st_size:
        raise OutputError(f"{signed.parent}: no space is left on the disk for the signed file beside the unsigned one; "
                          "free some, write elsewhere, or leave out the signature with --no-sign")  # fmt: skip


def _signer(credential: Credential) -> c2pa.Signer:
    return c2pa.Signer.from_info(c2pa.C2paSignerInfo(credential.algorithm, credential.chain, credential.key, None))


def _said(error: c2pa.C2paError) -> str:
    """The library's words on one line, without its own name for the place."""
    lines = [line.split(" (self#jumbf")[0].strip() for line in str(error).splitlines()]
    return " ".join(line for line in lines if line)


def password() -> str | None:
    return os.environ.get(PASSWORD)


def context(anchors: str | None = None) -> c2pa.Context:
    """Of a reader. `anchors`: certificates of the authorities to trust, PEM."""
    trust = {"trust": {"trust_anchors": anchors}} if anchors else {}
    return c2pa.Context.from_json(json.dumps({**SETTINGS, **trust}))
