"""`editalk models` against a hub of our own on this machine; nothing here reaches the internet."""

from __future__ import annotations

import hashlib
import io
import json
import os
import socket
import threading
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from editalk.cache import owner
from editalk.cli import main
from editalk.models import registry

COMMIT = "c" * 40
WEIGHTS = b"tensors" * 1000
MORE = b"more tensors" * 50
FILES = {
    "config.json": b'{"a": 1}', "unet/w-1-of-2.safetensors": WEIGHTS, "unet/w-2-of-2.safetensors": MORE,
    "unet/w.safetensors.index.json": b'{"weight_map": {"x": "w-1-of-2.safetensors", "y": "w-2-of-2.safetensors"}}',
    "evil.bin": b"pickle", "README.md": b"#",
}  # fmt: skip
WANTED = {name for name in FILES if name not in ("evil.bin", "README.md")}
PT = b"whisper's own" * 9
REGISTRY = """
[licences]
"Strict-1" = ["Free of charge below US$ 10.", "No impersonation."]
["mouth-1.5"]
purpose = "lips"
backend = "dit"
repository = "someone/mouth"
revision = "main"
licence = "{licence}"
licence_url = "https://example.org/licence"
memory_gib = 2
gigabytes = 0.001
files = [
  {{ name = "config.json" }},
  {{ name = "unet/w-2-of-2.safetensors", sha256 = "{more}" }},
  {{ name = "unet/*.json" }},
  {{ name = "unet/*.safetensors" }},
]
["both-1"]
purpose = "lips"
backend = "dit"
repository = "someone/mouth"
revision = "main"
licence = "MIT"
licence_url = "https://example.org/mit"
memory_gib = 1
files = [
  {{ name = "a/config.json", source = "someone/mouth@main:config.json" }},
  {{ name = "a/model.safetensors", source = "someone/mouth@main:unet/w-1-of-2.safetensors" }},
  {{ name = "b/config.json", source = "someone/mouth@main:config.json", size = 8 }},
]
[whisper-x]
purpose = "transcribe"
backend = "whisper"
repository = "{url}/whisper"
revision = "v1"
licence = "MIT"
licence_url = "https://example.org/mit"
memory_gib = 1
files = [{{ name = "x.pt", sha256 = "{pt}", size = {size} }}]
"""


@dataclass
class Hub:
    """What the server has and how it misbehaves. `cut`: gives half of this file, then nothing."""

    files: dict[str, bytes] = field(default_factory=lambda: dict(FILES))
    claimed: dict[str, bytes] = field(default_factory=lambda: dict(FILES))  # what its metadata says of them
    gated: int = 0
    down: bool = False
    cut: str = ""
    asked: list[str] = field(default_factory=list)
    url: str = ""

    def bodies(self) -> list[str]:
        return [path for path in self.asked if path.startswith("GET") and "/resolve/" in path]


def git(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def handler(hub: Hub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *args: Any) -> None:
            pass

        def do_HEAD(self) -> None:
            self.answer(body=False)

        def do_GET(self) -> None:
            self.answer(body=True)

        def answer(self, body: bool) -> None:
            path = urllib.parse.urlparse(self.path).path
            hub.asked.append(f"{self.command} {path}")
            if hub.down:
                self.reply(500, b"")
            elif path.startswith("/api/models/someone/mouth"):
                self.reply(200, json.dumps(self.metadata()).encode())
            elif path.startswith("/someone/mouth/resolve/"):
                self.resolve(path.split("/", 5)[5], body)
            elif path == f"/whisper/{hashlib.sha256(PT).hexdigest()}/x.pt":
                self.content("x.pt", body, {})
            else:
                self.reply(404, b"{}", {"X-Error-Code": "RepoNotFound"} if "/api/" in path else {})

        def metadata(self) -> dict[str, Any]:
            rows = []
            for name, content in hub.claimed.items():
                row: dict[str, Any] = {"rfilename": name, "size": len(content), "blobId": git(content)}
                if name.endswith(".safetensors"):
                    digest = hashlib.sha256(content).hexdigest()
                    row["lfs"] = {"sha256": digest, "size": len(content), "pointerSize": 130}
                rows.append(row)
            return {"id": "someone/mouth", "sha": COMMIT, "siblings": rows}

        def resolve(self, name: str, body: bool) -> None:
            if hub.gated:
                self.reply(hub.gated, b"", {"X-Error-Code": "GatedRepo"} if hub.gated == 403 else {})
            elif name not in hub.files:
                self.reply(404, b"", {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": COMMIT})
            else:
                claimed = hub.claimed[name]
                large = name.endswith(".safetensors")
                tag = hashlib.sha256(claimed).hexdigest() if large else git(claimed)
                self.content(name, body, {"ETag": f'"{tag}"', "X-Repo-Commit": COMMIT})

        def content(self, name: str, body: bool, headers: dict[str, str]) -> None:
            content = hub.files[name]
            if body and hub.cut == name:
                hub.down = True
                self.reply(200, content, headers, len(content) // 2)
                self.close_connection = True
            else:
                self.reply(200, content, headers, len(content) if body else 0)

        def reply(
            self, status: int, content: bytes, headers: dict[str, str] | None = None, given: int | None = None
        ) -> None:
            self.send_response(status)
            for key, value in {"Content-Length": str(len(content)), **(headers or {})}.items():
                self.send_header(key, value)
            self.end_headers()
            self.wfile.write(content[: len(content) if given is None else given])

    return Handler


@pytest.fixture
def hub() -> Iterator[Hub]:
    made = Hub()
    made.files["x.pt"] = PT
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler(made))
    made.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield made
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(autouse=True)
def home(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in (
        "EDITALK_MODELS", "EDITALK_CACHE", "HF_HOME", "HF_HUB_CACHE", "HF_HUB_OFFLINE", "EDITALK_OFFLINE", "HF_TOKEN",
        "EDITALK_ACCEPT_LICENCE", "EDITALK_PROGRESS", "http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy",
    ):  # fmt: skip
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_ENDPOINT", hub.url)
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setattr("time.sleep", lambda seconds: None)  # between the library's retries
    use(tmp_path, monkeypatch, hub, "MIT")
    return tmp_path


def use(folder: Path, monkeypatch: pytest.MonkeyPatch, hub: Hub, licence: str) -> None:
    digests = {"more": hashlib.sha256(MORE).hexdigest(), "pt": hashlib.sha256(PT).hexdigest()}
    text = REGISTRY.format(licence=licence, url=hub.url, size=len(PT), **digests)
    (folder / "models.toml").write_text(text, "utf-8")
    monkeypatch.setattr(registry, "registry_path", lambda: folder / "models.toml")


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = main(["models", *words])
    out, err = capsys.readouterr()
    assert "Traceback" not in err
    return code, out, err


def snapshot(home: Path) -> Path:
    return home / "cache" / "huggingface" / "hub" / "models--someone--mouth" / "snapshots" / COMMIT


def left_over(home: Path) -> list[str]:
    return [str(path) for path in home.rglob("*") if "part" in path.name or "incomplete" in path.name]


def test_pull_verify_and_list(hub: Hub, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "pull", "mouth-1.5", "--progress", "json")
    assert (code, out.strip()) == (0, str(snapshot(home)))
    lines = [json.loads(line) for line in err.splitlines()]
    total = sum(len(FILES[name]) for name in WANTED)
    assert lines[0] == {"stage": "Downloading mouth-1.5", "done": 0, "total": total}
    last = {"stage": "Downloading mouth-1.5", "done": total, "total": total, "unit": "bytes", "cached": 0}
    assert lines[-1] == last | {"seconds": lines[-1]["seconds"], "finished": True}
    there = {path.relative_to(snapshot(home)).as_posix() for path in snapshot(home).rglob("*") if path.is_file()}
    assert there == WANTED | {".editalk.json"}
    assert all((snapshot(home) / name).read_bytes() == FILES[name] for name in WANTED)
    assert not any("evil" in path for path in hub.bodies())
    code, out, _ = run(capsys, "verify", "--json")
    (row,) = json.loads(out)
    assert (code, row["ok"], row["path"]) == (0, True, str(snapshot(home)))
    assert {file["name"]: file["state"] for file in row["files"]} == dict.fromkeys(WANTED, "ok")
    assert "4 of 4 files are right" in run(capsys, "verify", "mouth-1.5")[1]
    rows = {row["name"]: row for row in json.loads(run(capsys, "list", "--json")[1])}
    assert rows["mouth-1.5"]["path"] == str(snapshot(home))
    assert rows["whisper-x"]["path"] is None
    listed = run(capsys, "list")[1]
    assert "not here" in listed
    assert "2 GiB" in listed
    asked = len(hub.asked)
    code, out, err = run(capsys, "pull", "mouth-1.5")
    assert (code, len(hub.asked)) == (0, asked)
    assert "already in" in err
    assert left_over(home) == []


def test_pull_into_a_folder(
    hub: Hub, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = run(capsys, "pull", "mouth-1.5", "--to", str(home / "own"), "--json", "-q")
    assert (code, json.loads(out)[0]["path"]) == (0, str(home / "own" / "mouth-1.5"))
    assert not snapshot(home).exists()
    assert run(capsys, "verify", "mouth-1.5")[0] == 5
    monkeypatch.setenv("EDITALK_MODELS", str(home / "own"))
    assert run(capsys, "verify")[0] == 0
    record = json.loads((home / "own" / "mouth-1.5" / ".editalk.json").read_text())
    assert record["files"]["unet/w-1-of-2.safetensors"] == hashlib.sha256(WEIGHTS).hexdigest()
    monkeypatch.setenv("EDITALK_MODELS", str(home / "other"))
    assert run(capsys, "pull", "mouth-1.5")[1].strip() == str(home / "other" / "mouth-1.5")


def test_a_model_whose_files_come_from_several_places(
    hub: Hub, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = home / "cache" / "editalk" / "models" / "both-1"
    assert run(capsys, "pull", "both-1")[:2] == (0, f"{folder}\n")
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert there == {"a/config.json", "a/model.safetensors", "b/config.json", ".editalk.json"}
    assert (folder / "a/model.safetensors").read_bytes() == WEIGHTS
    assert run(capsys, "verify")[0] == 0
    assert [path for path in folder.iterdir() if path.name.startswith(".pulling")] == []
    (folder / "b" / "config.json").write_bytes(b"half")
    before = len(hub.bodies())
    assert run(capsys, "pull", "both-1")[0] == 0  # only what is missing or wrong
    assert len(hub.bodies()) == before + 1
    assert run(capsys, "verify")[0] == 0


def test_a_damaged_file_is_found_and_fetched_anew(hub: Hub, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "pull", "mouth-1.5")[0] == 0
    damaged = snapshot(home) / "unet/w-1-of-2.safetensors"
    damaged.resolve().write_bytes(WEIGHTS[::-1])
    code, out, err = run(capsys, "verify")
    assert code == 5
    assert "mouth-1.5: unet/w-1-of-2.safetensors: wrong (its hash is" in out
    assert f"{damaged} is wrong" in err
    assert "remove it, then get it with: editalk models pull mouth-1.5" in err
    damaged.unlink()
    code, out, err = run(capsys, "verify", "--json")
    assert (code, json.loads(out)[0]["ok"]) == (5, False)
    assert "is missing; get it with" in err
    before = len(hub.bodies())
    assert run(capsys, "pull", "mouth-1.5")[0] == 0  # the blob is still there, and still wrong
    assert len(hub.bodies()) == before + 1
    assert run(capsys, "verify")[0] == 0


@pytest.mark.parametrize("name", ["unet/w-1-of-2.safetensors", "unet/w-2-of-2.safetensors", "config.json"])
@pytest.mark.parametrize("to", [True, False])
def test_another_content_than_promised(
    name: str, to: bool, hub: Hub, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hub.files[name] = b"?" * len(FILES[name])
    if name == "unet/w-2-of-2.safetensors":  # the metadata agree with it, models.toml does not
        hub.claimed[name] = hub.files[name]
    words = ["--to", str(home / "own")] if to else []
    code, out, err = run(capsys, "pull", "mouth-1.5", *words)
    assert (code, out) == (5, "")
    assert f"{name} from someone/mouth has another content than it should" in err
    assert [path for path in home.rglob("*") if path.is_file() and path.read_bytes() == hub.files[name]] == []
    assert left_over(home) == []
    hub.files, hub.claimed = {**FILES, "x.pt": PT}, dict(FILES)
    assert run(capsys, "pull", "mouth-1.5", *words)[0] == 0


@pytest.mark.parametrize("status", [401, 403])
def test_a_gated_repository(status: int, hub: Hub, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    hub.gated = status
    code, _, err = run(capsys, "pull", "mouth-1.5")
    assert code == 5
    assert "gated (or gone): accept its conditions at https://huggingface.co/someone/mouth, then set HF_TOKEN" in err


def test_a_connection_that_is_cut(hub: Hub, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    hub.cut = "unet/w-1-of-2.safetensors"
    code, _, err = run(capsys, "pull", "mouth-1.5")
    assert code == 5
    assert "cannot be read" in err
    assert "check the network" in err
    assert left_over(home) == []
    assert not (snapshot(home) / hub.cut).exists()
    hub.cut, hub.down = "", False
    before = len(hub.bodies())
    assert run(capsys, "pull", "mouth-1.5")[0] == 0
    assert len(hub.bodies()) - before < len(WANTED)  # what was complete is kept


def test_no_network(home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{port}")
    code, _, err = run(capsys, "pull", "mouth-1.5")
    assert code == 5
    assert "cannot be read" in err
    assert "copy the files" in err


@pytest.mark.parametrize("name", ["HF_HUB_OFFLINE", "EDITALK_OFFLINE"])
def test_offline(
    name: str, hub: Hub, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(name, "1")
    for model in ("mouth-1.5", "whisper-x"):
        code, _, err = run(capsys, "pull", model)
        assert code == 5
        assert "downloads are off: unset HF_HUB_OFFLINE" in err
    assert hub.asked == []


def test_no_room(home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    import shutil

    usage = shutil.disk_usage(home)._replace(free=100)
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage)
    for name in ("mouth-1.5", "whisper-x"):
        code, _, err = run(capsys, "pull", name)
        assert code == 1
        assert "GB free; make room" in err
    (home / "file").write_text("")
    monkeypatch.undo()


def test_a_place_that_cannot_be_written(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / "file").write_text("")
    for name in ("mouth-1.5", "whisper-x"):
        code, _, err = run(capsys, "pull", name, "--to", str(home / "file"))
        assert code == 1
        assert "EDITALK_MODELS" in err


def test_a_repository_that_has_changed(hub: Hub, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    del hub.claimed["config.json"]
    code, _, err = run(capsys, "pull", "mouth-1.5")
    assert code == 5
    assert "someone/mouth has no file config.json at revision main" in err
    path = home / "models.toml"
    path.write_text(path.read_text().replace("someone/mouth", "someone/else"))
    code, _, err = run(capsys, "pull", "mouth-1.5")
    assert code == 5
    assert "has nothing at revision main" in err


def test_whispers_files_come_by_url(hub: Hub, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = home / "cache" / "whisper" / "x.pt"
    hub.files["x.pt"] = PT[::-1]
    code, _, err = run(capsys, "pull", "x")
    assert code == 5
    assert "nothing was kept" in err
    hub.files["x.pt"], hub.cut = PT, "x.pt"
    assert run(capsys, "pull", "x")[0] == 5
    hub.cut = ""
    code, _, err = run(capsys, "pull", "x")  # the server answers 500 now
    assert code == 5
    assert "cannot be read" in err
    assert not place.exists()
    assert left_over(home) == []
    hub.down = False
    killed = place.parent / f".x.pt.{owner().replace(str(os.getpid()), '99999999', 1)}part"
    killed.write_bytes(b"half")
    assert run(capsys, "pull", "x")[1].strip() == str(place.parent)
    assert left_over(home) == []
    assert place.read_bytes() == PT
    assert run(capsys, "verify")[0] == 0


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_licence_that_restricts_is_shown_and_asked_for(
    hub: Hub, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    use(home, monkeypatch, hub, "Strict-1")
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    code, _, err = run(capsys, "pull", "mouth-1.5", "-q")
    assert code == 5
    assert "Strict-1, https://example.org/licence\nFree of charge below US$ 10.\nNo impersonation.\n" in err
    assert "--accept-licence" in err
    monkeypatch.setattr("sys.stdin", Terminal("n\n"))
    code, _, err = run(capsys, "pull", "mouth-1.5")
    assert code == 5
    assert "nothing was downloaded" in err
    assert hub.asked == []
    monkeypatch.setattr("sys.stdin", Terminal("y\n"))
    assert run(capsys, "pull", "mouth-1.5", "--to", str(home / "a"))[0] == 0
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    code, _, err = run(capsys, "pull", "mouth-1.5", "--to", str(home / "b"))  # not again
    assert code == 0
    assert "impersonation" not in err
    (kept,) = json.loads((home / "cache" / "editalk" / "models" / "licences.json").read_text())["accepted"]
    assert kept == "Strict-1 <https://example.org/licence>"


@pytest.mark.parametrize("how", ["flag", "variable"])
def test_a_licence_is_accepted_in_a_script(
    how: str, hub: Hub, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    use(home, monkeypatch, hub, "Strict-1")
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    if how == "variable":
        monkeypatch.setenv("EDITALK_ACCEPT_LICENCE", "1")
    code, _, err = run(capsys, "pull", "mouth-1.5", *(["--accept-licence"] if how == "flag" else []))
    assert code == 0
    assert "No impersonation." in err


def test_what_cannot_be_checked_is_not_called_right(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in WANTED:
        path = home / "cache" / "editalk" / "models" / "mouth-1.5" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(FILES[name])
    code, out, _ = run(capsys, "verify")
    assert code == 0
    assert "1 of 4 files are right" in out
    assert "config.json: not checked (no sha256 is known)" in out


def test_names_that_are_none(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["pull", "nobody"], ["verify", "nobody"], ["pull"]):
        assert run(capsys, *words)[0] == 2
    code, out, err = run(capsys, "verify")
    assert (code, out) == (0, "")
    assert "none of the models" in err
    code, out, err = run(capsys, "verify", "whisper-x")
    assert code == 5
    assert "whisper-x: not here" in out
    assert "editalk models pull whisper-x" in err
