"""What an edit leaves about itself: a ledger beside it, a signed manifest in it; and how both are read again."""

from editalk.provenance.certificate import DEVELOPMENT, Credential, development
from editalk.provenance.consent import Consent, FileRef, as_text, read_consent
from editalk.provenance.ledger import (
    EditRow,
    FrameRow,
    Ledger,
    Output,
    Renderer,
    SoundRow,
    WordRow,
    digest,
    ledger_path,
    read_ledger,
    to_json,
)
from editalk.provenance.manifest import EDIT, Ingredient, definition, ingredients
from editalk.provenance.reading import Failure, Manifest, read_manifest
from editalk.provenance.signing import embeds, load_credential, manifest_path, password, sign, try_out

__all__ = [
    "DEVELOPMENT", "EDIT", "Consent", "Credential", "EditRow", "Failure", "FileRef", "FrameRow", "Ingredient", "Ledger",
    "Manifest", "Output", "Renderer", "SoundRow", "WordRow", "as_text", "definition", "development", "digest", "embeds",
    "ingredients", "ledger_path", "load_credential", "manifest_path", "password", "read_consent", "read_ledger",
    "read_manifest", "sign", "to_json", "try_out",
]  # fmt: skip
