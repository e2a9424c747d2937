"""Ledger, manifest, keys, and what `verify` finds of what is done to a file afterwards."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from test_cli import WORDS, edited, run, talking

from editalk.errors import LedgerError, SigningError, UsageError
from editalk.provenance import (
    DEVELOPMENT,
    EDIT,
    Credential,
    definition,
    development,
    digest,
    ingredients,
    ledger_path,
    load_credential,
    read_consent,
    read_ledger,
    read_manifest,
    sign,
    to_json,
)
from editalk.provenance.manifest import COMPOSITE, TRAINED, source_type

Clip = Callable[[str], Path]
Capture = pytest.CaptureFixture[str]
TEXT = "one two five six seven eight"
CONSENT = "Ada agreed on 1 May 2026"


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("EDITALK_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a talk of two seconds and its signed edit."""
    from conftest import SPECS, write_clip

    from editalk.cli import main

    folder = tmp_path_factory.mktemp("signed")
    source = write_clip(folder / "clip.mp4", SPECS["25"])
    talk = talking(source, folder, 2.0)
    source.unlink()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EDITALK_CACHE", str(folder / "cache"))
        assert main(["apply", str(talk), edited(folder, TEXT), "--consent", CONSENT, "-q"]) == 0
    return folder


@pytest.fixture
def folder(signed: Path, tmp_path: Path) -> Path:
    """A copy to spoil."""
    return shutil.copytree(signed, tmp_path / "own", ignore=shutil.ignore_patterns("cache"))


def verified(capsys: Capture, folder: Path, *more: str) -> tuple[int, dict[str, Any], str]:
    code, out, err = run(capsys, "verify", str(folder / "talk.edited.mp4"), "--json", *more)
    return code, json.loads(out) if out else {}, err


def test_an_edit_says_what_it_is(folder: Path, capsys: Capture) -> None:
    code, made, err = verified(capsys, folder, "--source", str(folder / "talk.mp4"))
    assert (code, made["problems"]) == (0, []), err
    manifest = made["manifest"]
    assert [manifest[key] for key in ("valid", "development", "trusted")] == [True, True, False]
    assert manifest["consent"]["text"] == CONSENT
    assert [row["title"] for row in manifest["ingredients"]] == ["talk.mp4"]
    assert [action["action"] for action in manifest["actions"]][:2] == ["c2pa.opened", "c2pa.deleted"]
    assert "three" not in json.dumps(manifest)  # what was cut out is nobody's business
    ledger = read_ledger(folder / "talk.edited.ledger.json")
    new = [[row.start, row.end] for row in ledger.generated]
    assert new != []
    assert [row["frames"] for row in manifest["generated"]] == new
    assert [word.text for word in ledger.words] == TEXT.split()
    assert {word.state for word in ledger.words} == {"kept"}
    assert ledger.words[2].source == pytest.approx(WORDS.index("five") * 0.25 + 0.025, abs=0.05)
    assert (made["ledger"]["of_this_file"], made["ledger"]["of_this_manifest"]) == (True, True)
    assert made["source"]["is_ingredient"]
    assert made["source"]["compared"] == ledger.output.frames - sum(end - start for start, end in new)
    assert made["source"]["differ"] == []


def flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def in_the_pictures(folder: Path) -> None:
    out = folder / "talk.edited.mp4"
    flip(out, out.read_bytes().index(b"mdat") + 2000)


def in_the_manifest(folder: Path) -> None:
    out = folder / "talk.edited.mp4"
    flip(out, out.read_bytes().index(CONSENT.encode()) + 3)


def cut_short(folder: Path) -> None:
    out = folder / "talk.edited.mp4"
    out.write_bytes(out.read_bytes()[:-500])


def more_behind(folder: Path) -> None:
    with (folder / "talk.edited.mp4").open("ab") as file:
        file.write(b"\0\0\0\x0cfreemore")


def another_ledger(folder: Path) -> None:
    path = folder / "talk.edited.ledger.json"
    path.write_text(path.read_text().replace('"kept"', '"new"', 1))


def another_source(folder: Path) -> None:
    with (folder / "talk.mp4").open("ab") as file:
        file.write(b"\0\0\0\x0cfreemore")


SPOILT: dict[str, tuple[Callable[[Path], None], str]] = {
    "a bit of the pictures": (in_the_pictures, "changed after it was signed"),
    "a bit of the manifest": (in_the_manifest, "changed after it was signed"),
    "the end": (cut_short, ""),
    "bytes that nobody hashes": (more_behind, "ledger of another file"),
    "the ledger": (another_ledger, "not the ledger that the manifest tells of"),
    "the source": (another_source, "not the source"),
}


@pytest.mark.parametrize("name", SPOILT)
def test_what_is_done_to_it_is_found(name: str, folder: Path, capsys: Capture) -> None:
    spoil, message = SPOILT[name]
    spoil(folder)
    code, made, _ = verified(capsys, folder)
    assert code == 4
    assert message in "; ".join(made["problems"])


def test_a_remuxed_file_has_no_manifest(folder: Path, capsys: Capture) -> None:
    out, plain = folder / "talk.edited.mp4", folder / "plain.mp4"
    with av.open(str(out)) as source, av.open(str(plain), "w") as box:
        streams = {s.index: box.add_stream_from_template(s) for s in source.streams if s.type in ("video", "audio")}
        for packet in source.demux(*(source.streams[k] for k in streams)):
            if packet.dts is not None:
                packet.stream = streams[packet.stream.index]
                box.mux(packet)
    code, made, err = run(capsys, "verify", str(plain), "--json")
    assert (code, json.loads(made)["manifest"]) == (1, None)
    assert "no C2PA manifest" in err
    plain.replace(out)
    assert verified(capsys, folder)[0] == 4  # its ledger knows better


def test_a_file_that_takes_no_manifest_has_it_beside(clip: Clip, tmp_path: Path, capsys: Capture) -> None:
    talk = talking(clip("25"), tmp_path, 2.0)
    out = tmp_path / "out.mkv"
    code, _, err = run(capsys, "apply", str(talk), edited(tmp_path, TEXT), "-o", str(out))
    assert code == 0, err
    assert "nobody trusts" in err
    code, text, _ = run(capsys, "verify", str(out), "--json")
    made = json.loads(text)
    assert (code, made["manifest"]["beside"]) == (0, str(tmp_path / "out.c2pa"))
    flip(out, out.stat().st_size // 2)
    assert run(capsys, "verify", str(out), "--no-config")[0] == 4
    code, _, err = run(capsys, "apply", str(talk), edited(tmp_path, TEXT), "-o", str(tmp_path / "out.webm"))
    assert (code, "exists already" in err) == (1, True)


def test_none_of_it(clip: Clip, tmp_path: Path, capsys: Capture) -> None:
    talk = talking(clip("25"), tmp_path, 2.0)
    asked = ("apply", str(talk), edited(tmp_path, TEXT))
    assert run(capsys, *asked)[0] == 0
    assert ledger_path(tmp_path / "talk.edited.mp4").exists()
    assert run(capsys, *asked, "-y", "--no-sign", "--no-ledger")[0] == 0  # the old one's ledger is not left beside it
    assert not ledger_path(tmp_path / "talk.edited.mp4").exists()
    assert run(capsys, "verify", str(tmp_path / "talk.edited.mp4"))[0] == 1
    code, _, err = run(capsys, *asked, "-y", "--no-sign", "--no-ledger", "--consent", CONSENT)
    assert (code, "--no-sign" in err) == (2, True)


def test_the_manifest_of_a_ledger(signed: Path, tmp_path: Path) -> None:
    path = signed / "talk.edited.ledger.json"
    ledger = read_ledger(path)
    assert to_json(ledger) == path.read_text()
    made = definition(ledger)
    actions, own = (row["data"] for row in made["assertions"])
    assert own["ledger"]["sha256"] == digest(ledger)
    assert made["assertions"][1]["label"] == EDIT
    removal = actions["actions"][1]
    assert removal["changes"][0]["region"][0]["time"]["type"] == "npt"
    assert [a.get("digitalSourceType") for a in actions["actions"][2:]] == [COMPOSITE]


def test_a_source_whose_own_manifest_cannot_be_read(folder: Path, tmp_path: Path) -> None:
    """It is an ingredient like one without any."""
    damaged, out = folder / "talk.edited.mp4", tmp_path / "again.mp4"
    data = bytearray(damaged.read_bytes())
    at = data.index(b"jumb") + 20
    data[at : at + 380] = bytes(380)
    damaged.write_bytes(data)
    ledger = read_ledger(folder / "talk.edited.ledger.json")
    said: list[str] = []
    parts = dict(zip(ingredients(ledger), [damaged], strict=True))
    sign(definition(ledger), parts, development(), folder / "talk.mp4", out, said.append)
    assert [str(damaged) in line and "cannot be read" in line for line in said] == [True]
    held = read_manifest(out)
    assert held is not None
    assert held.failures == ()
    assert [row["title"] for row in held.ingredients] == ["talk.mp4"]


@pytest.mark.parametrize(("lips", "trained", "kind"), [(True, False, TRAINED), (False, True, TRAINED),
                                                       (False, False, COMPOSITE)])  # fmt: skip
def test_what_is_called_generated_by_a_model(lips: bool, trained: bool, kind: str) -> None:
    assert source_type(lips, trained) == kind


@pytest.mark.parametrize("text", ["", "[", "{}", "[" * 100000, '{"format": "editalk.ledger", "version": 2}',
                                  '{"format": "editalk.ledger", "version": 1, "frames": 3}'])  # fmt: skip
def test_no_ledger(text: str, tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(LedgerError, match=r"x\.json"):
        read_ledger(tmp_path / "x.json")


def test_ledger_with_a_gap(signed: Path, tmp_path: Path) -> None:
    data = json.loads((signed / "talk.edited.ledger.json").read_text())
    del data["frames"][0]
    (tmp_path / "x.json").write_text(json.dumps(data))
    with pytest.raises(LedgerError, match=r"frames\[0\]"):
        read_ledger(tmp_path / "x.json")


def test_consent(tmp_path: Path) -> None:
    assert read_consent(f" {CONSENT} ").text == CONSENT
    (tmp_path / "c.txt").write_text(CONSENT)
    (tmp_path / "c.pdf").write_bytes(b"%PDF\x00\xff")
    written, scanned = (read_consent(str(tmp_path / name)) for name in ("c.txt", "c.pdf"))
    assert written.text == CONSENT
    assert scanned.text is None
    assert written.document is not None
    assert scanned.document is not None
    assert scanned.document.name == "c.pdf"
    (tmp_path / "empty.txt").write_text(" \n")
    for wrong in ("  ", "nowhere.pdf", "folder/consent", str(tmp_path / "empty.txt"), "word " * 2000):
        with pytest.raises(UsageError):
            read_consent(wrong)


Key = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey


def written(folder: Path, key: Key, days: int = 30, usage: bool = True, password: bytes = b"") -> tuple[Path, Path]:
    """A key and its chain, of an authority of a desk's own."""
    top = ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(UTC)
    names = [x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Desk"),
                        x509.NameAttribute(NameOID.COMMON_NAME, n)]) for n in ("Desk CA", "Night desk")]  # fmt: skip

    def begun(subject: x509.Name, public: Any) -> x509.CertificateBuilder:
        return x509.CertificateBuilder(
            names[0], subject, public, x509.random_serial_number(), now - timedelta(days=60), now + timedelta(days=days)
        )

    def use(signs: bool) -> x509.KeyUsage:
        return x509.KeyUsage(signs, False, False, False, False, not signs, not signs, False, False)

    ca = (begun(names[0], top.public_key()).add_extension(x509.BasicConstraints(True, 0), True)
          .add_extension(use(False), True).sign(top, hashes.SHA256()))  # fmt: skip
    leaf = begun(names[1], key.public_key()).add_extension(x509.BasicConstraints(False, None), True)
    leaf = leaf.add_extension(use(True), True).add_extension(
        x509.AuthorityKeyIdentifier.from_issuer_public_key(top.public_key()), False)  # fmt: skip
    if usage:
        leaf = leaf.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), False)
    kept = BestAvailableEncryption(password) if password else NoEncryption()
    paths = folder / "key.pem", folder / "chain.pem"
    paths[0].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, kept))
    own, above = leaf.sign(top, hashes.SHA256()).public_bytes(Encoding.PEM), ca.public_bytes(Encoding.PEM)
    paths[1].write_bytes(above + own)  # in the wrong order, as some tools give them
    (folder / "ca.pem").write_bytes(above)
    return paths


KEYS: dict[str, Callable[[], Key]] = {
    "es256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "es384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "ed25519": ed25519.Ed25519PrivateKey.generate,
    "ps256": lambda: rsa.generate_private_key(65537, 2048),
}


@pytest.mark.parametrize("algorithm", KEYS)
def test_keys_of_ones_own(algorithm: str, tmp_path: Path) -> None:
    made = load_credential(*written(tmp_path, KEYS[algorithm](), password=b"secret"), "secret")
    assert made is not None
    assert (made.algorithm, made.name, made.development) == (algorithm, "Night desk", False)
    assert b"secret" not in repr(made).encode()
    assert b"PRIVATE" not in repr(made).encode()


def test_keys_that_do_not_sign(tmp_path: Path) -> None:
    key = KEYS["es256"]()
    for word, ask in (
        ("expired", lambda: written(tmp_path, key, days=-3)),
        ("emailProtection", lambda: written(tmp_path, key, usage=False)),
        ("encrypted", lambda: written(tmp_path, key, password=b"x")),
        ("P-256", lambda: written(tmp_path, ec.generate_private_key(ec.SECP256K1()))),
        ("none of its", lambda: (written(tmp_path, key)[1], _other(tmp_path))[::-1]),
        ("no private key", lambda: (written(tmp_path, key)[1],) * 2),
        ("no certificates", lambda: (written(tmp_path, key)[0],) * 2),
        ("No such file", lambda: (tmp_path / "nothing", written(tmp_path, key)[1])),
    ):
        with pytest.raises(SigningError, match=word):
            load_credential(*ask(), None)
    with pytest.raises(UsageError, match="belong together"):
        load_credential(tmp_path / "key.pem", None, None)


def _other(folder: Path) -> Path:
    path = folder / "other.pem"
    path.write_bytes(development().key)
    return path


def test_who_signed_is_asked_of_the_trusted(clip: Clip, tmp_path: Path, capsys: Capture) -> None:
    talk = talking(clip("25"), tmp_path, 2.0)
    written(tmp_path, KEYS["es256"]())
    (tmp_path / "desk.toml").write_text('[apply]\nsign-key = "key.pem"\nsign-cert = "chain.pem"\n')
    code, text, err = run(capsys, "apply", str(talk), edited(tmp_path, TEXT), "--json", "--config",
                          str(tmp_path / "desk.toml"))  # fmt: skip
    assert code == 0, err
    assert json.loads(text)["signature"]["signer"] == "Night desk"
    assert "nobody trusts" not in err
    out = str(tmp_path / "talk.edited.mp4")
    code, text, err = run(capsys, "verify", out, "--json", "--trust", str(tmp_path / "ca.pem"))
    assert (code, json.loads(text)["manifest"]["trusted"]) == (0, True), err
    written(tmp_path, KEYS["es256"]())  # another authority
    code, _, err = run(capsys, "verify", out, "--trust", str(tmp_path / "ca.pem"))
    assert (code, "vouches" in err) == (4, True)


def test_the_development_certificate_says_so() -> None:
    made: Credential = development()
    leaf, top = x509.load_pem_x509_certificates(made.chain)
    assert leaf.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value == DEVELOPMENT
    leaf.verify_directly_issued_by(top)
    assert development().key != made.key


def test_a_signature_that_fails_leaves_what_was_there(
    clip: Clip, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    talk = talking(clip("25"), tmp_path, 2.0)
    text = edited(tmp_path, TEXT)
    (tmp_path / "talk.edited.mp4").write_bytes(b"old")
    before = {path.name for path in tmp_path.iterdir()} | {"cache"}
    full = SimpleNamespace(disk_usage=lambda path: shutil._ntuple_diskusage(1, 1, 0))  # for the signing alone
    monkeypatch.setattr("editalk.provenance.signing.shutil", full)
    code, _, err = run(capsys, "apply", str(talk), text, "-y")
    assert (code, "no space" in err) == (1, True)
    assert (tmp_path / "talk.edited.mp4").read_bytes() == b"old"
    assert {path.name for path in tmp_path.iterdir()} == before
