"""What the manifest of a file says, and whether it holds."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import c2pa  # type: ignore[import-untyped]

from editalk.errors import SigningError
from editalk.provenance.certificate import DEVELOPMENT
from editalk.provenance.manifest import EDIT
from editalk.provenance.signing import context, manifest_path, read_bytes

UNTRUSTED = "signingCredential.untrusted"
LARGEST = 64 * 2**20  # bytes of a manifest beside a file
WORDS = {
    "assertion.bmffHash.mismatch": "the file was changed after it was signed",
    "assertion.dataHash.mismatch": "the file was changed after it was signed",
    "assertion.hashedURI.mismatch": "a statement of the manifest was changed after it was signed",
    "assertion.missing": "a statement of the manifest is missing",
    "assertion.action.malformed": "the manifest's list of actions is malformed",
    "claim.missing": "the manifest has no claim",
    "claim.malformed": "the manifest's claim is malformed",
    "claim.hardBindings.missing": "the manifest is not bound to the file's content",
    "claimSignature.missing": "the manifest is not signed",
    "claimSignature.mismatch": "the signature does not fit the manifest: it was changed after it was signed",
    "claimSignature.outsideValidity": "the certificate was not valid when the file was signed",
    "ingredient.manifest.mismatch": "the manifest of an ingredient was changed",
    "signingCredential.expired": "the certificate has expired, and no time-stamp says that the signature is older",
    "signingCredential.invalid": "the certificate is not one that may sign media",
    "signingCredential.revoked": "the certificate was revoked",
    UNTRUSTED: "nobody that is trusted here vouches for the signer",
}


@dataclass(frozen=True)
class Failure:
    """`code`: C2PA's, "" where the manifest cannot be read; `what`: in words; `place`: in the manifest."""

    code: str
    what: str
    place: str = ""


@dataclass(frozen=True)
class Manifest:
    """The active manifest of a file. `beside`: the file that holds it, None: it is embedded. `failures`: why it is not
    valid; that nobody trusts the signer is none. `signer`, `organisation`: of the certificate. `edit`: our own
    assertion, empty in a manifest of another program.
    """

    beside: Path | None
    failures: tuple[Failure, ...]
    trusted: bool = False
    signer: str = ""
    organisation: str = ""
    algorithm: str = ""
    serial: str = ""
    generator: str = ""
    title: str = ""
    actions: tuple[dict[str, Any], ...] = ()
    ingredients: tuple[dict[str, Any], ...] = ()
    edit: dict[str, Any] | None = None

    @property
    def valid(self) -> bool:
        return not self.failures

    @property
    def development(self) -> bool:
        return self.signer == DEVELOPMENT


def read_manifest(video: Path, anchors: Path | None = None) -> Manifest | None:
    """The manifest in a file, else the one beside it; None where there is neither. `anchors`: certificates, PEM, of the
    authorities whose signers are trusted. Raises SigningError where they cannot be read.
    """
    try:
        trust = context(_text(anchors)) if anchors is not None else context()
    except c2pa.C2paError as error:
        raise SigningError(f"{anchors}: no certificates in PEM can be read from it") from error
    beside = manifest_path(video)
    with trust:
        try:
            with c2pa.Reader(video, context=trust) as reader:
                return _manifest(reader, None)
        except (c2pa.C2paError.ManifestNotFound, c2pa.C2paError.NotSupported):
            if not beside.is_file():
                return None
        except c2pa.C2paError as error:
            return Manifest(None, (_unreadable(error),))
        held = read_bytes(beside, LARGEST)
        try:
            with video.open("rb") as file, c2pa.Reader(None, file, held, context=trust) as reader:
                return _manifest(reader, beside)
        except c2pa.C2paError as error:
            return Manifest(beside, (_unreadable(error),))


def _unreadable(error: Exception) -> Failure:
    return Failure("", f"the manifest cannot be read: {str(error).splitlines()[0][:200]}")


def _text(path: Path) -> str:
    try:
        return read_bytes(path).decode("ascii")
    except UnicodeDecodeError as error:
        raise SigningError(f"{path}: no certificates in PEM can be read from it") from error


def _manifest(reader: c2pa.Reader, beside: Path | None) -> Manifest:
    held = json.loads(reader.json())
    active = held.get("manifests", {}).get(held.get("active_manifest"), {})
    assertions = {row.get("label"): row.get("data") for row in active.get("assertions", ())}
    actions = next((data for label, data in assertions.items() if str(label).startswith("c2pa.actions")), None) or {}
    signature = active.get("signature_info") or {}
    generators = active.get("claim_generator_info") or ()
    edit = assertions.get(EDIT)
    state = held.get("validation_state")
    failures = tuple(_failures(held.get("validation_results") or {}))
    if not failures and state not in ("Valid", "Trusted"):
        failures = (Failure("", f"the manifest's state is {state}"),)
    return Manifest(
        beside, failures, trusted=state == "Trusted", signer=str(signature.get("common_name") or ""),
        organisation=str(signature.get("issuer") or ""), algorithm=str(signature.get("alg") or ""),
        serial=str(signature.get("cert_serial_number") or ""),
        generator=" ".join(f"{g.get('name', '')} {g.get('version', '')}".strip() for g in generators),
        title=str(active.get("title") or ""), actions=tuple(actions.get("actions") or ()),
        ingredients=tuple(active.get("ingredients") or ()), edit=edit if isinstance(edit, dict) else None,
    )  # fmt: skip


def _failures(results: dict[str, Any]) -> Iterator[Failure]:
    """Of the active manifest, and what has come to its ingredients since."""
    found = [results.get("activeManifest") or {},
             *(row.get("validationDeltas") or {} for row in results.get("ingredientDeltas") or ())]  # fmt: skip
    for part in found:
        for row in part.get("failure") or ():
            code = str(row.get("code"))
            if code != UNTRUSTED:
                yield Failure(code, WORDS.get(code, str(row.get("explanation") or code)), str(row.get("url") or ""))
