"""Coverage-guided fuzzing of what reads texts of others: python -m tests.fuzz TARGET… --seconds N (atheris; `list`).

Each target runs in a process of its own; what it has found to be interesting stays in build/fuzz/corpus, so that the
next run goes on from there. An input that breaks a promise is kept in build/fuzz/found and ends its target's run.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
LONGEST_INPUT = 20_000  # bytes
SLOW = 15  # seconds that one of them may take, under instrumentation
MEMORY = 3000  # MB


def main() -> int:
    parser = argparse.ArgumentParser(description="Fuzzes what reads texts of others.")
    parser.add_argument("targets", nargs="*", help="default: all; `list` prints them")
    parser.add_argument("--seconds", type=int, default=60, help="for each target")
    parser.add_argument("--folder", type=Path, default=Path("build/fuzz"))
    parser.add_argument("--seed", type=int, default=0, help="0: another one each time")
    parser.add_argument("--inside", help=argparse.SUPPRESS)
    wanted = parser.parse_args()
    if wanted.inside:
        inside(wanted.inside, wanted.folder, wanted.seconds, wanted.seed)
    from hostile import TARGETS

    if wanted.targets == ["list"]:
        print("\n".join(TARGETS))
        return 0
    if unknown := set(wanted.targets) - set(TARGETS):
        parser.error(f"no target {', '.join(sorted(unknown))}; there are {', '.join(TARGETS)}")
    failed = [name for name in wanted.targets or TARGETS if not run(name, wanted.folder, wanted.seconds, wanted.seed)]
    return 1 if failed else 0


def run(name: str, folder: Path, seconds: int, seed: int) -> bool:
    """One target in a process; whether it kept its promises. A row of its figures goes to fuzz.jsonl."""
    command = [sys.executable, "-m", "tests.fuzz", "--inside", name, "--folder", str(folder), "--seconds", str(seconds),
               "--seed", str(seed)]  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    begin = time.monotonic()
    log = folder / f"{name}.log"
    with log.open("wb") as out:
        code = subprocess.run(command, stdout=out, stderr=subprocess.STDOUT, check=False).returncode
    told = log.read_text("utf-8", "replace")
    counts = [int(n) for n in re.findall(r"^#(\d+)", told, re.MULTILINE)]
    done = re.search(r"stat::number_of_executed_units:\s*(\d+)", told)
    row = {"target": name, "seconds": round(time.monotonic() - begin), "code": code,
           "executions": int(done[1]) if done else max(counts, default=0)}  # fmt: skip
    with (folder / "fuzz.jsonl").open("a", encoding="utf-8") as rows:
        rows.write(json.dumps(row) + "\n")
    outcome = "nothing" if code == 0 else f"found something, see {log} and {folder}/found"
    print(f"{name:14} {row['executions']:>9} executions in {row['seconds']} s: {outcome}", flush=True)
    return code == 0


def inside(name: str, folder: Path, seconds: int, seed: int) -> None:
    """Fuzzes until the time is over; ends the process."""
    import atheris

    with atheris.instrument_imports(include=["editalk"]):
        from hostile import TARGETS, attempt
    target = TARGETS[name]
    corpus, found = folder / "corpus" / name, folder / "found"
    for place in (corpus, found):
        place.mkdir(parents=True, exist_ok=True)
    seeds = target.seeds()
    for k, data in enumerate(seeds):
        (corpus / f"seed{k}").write_bytes(data)
        attempt(target, data)  # loads what is loaded late, outside of the time of one input
    words = folder / f"{name}.dict"
    words.write_text("".join(f'"{_quoted(token)}"\n' for token in target.tokens), "ascii")
    options = [
        sys.argv[0], str(corpus), f"-artifact_prefix={found}/{name}-", f"-max_total_time={seconds}",
        f"-max_len={LONGEST_INPUT}", f"-timeout={SLOW}", f"-rss_limit_mb={MEMORY}", "-print_final_stats=1",
        f"-seed={seed}", *([f"-dict={words}"] if target.tokens else []),
    ]  # fmt: skip

    def once(data: bytes) -> None:
        attempt(target, data)

    rest: dict[str, Any] = {"custom_mutator": _values} if target.json else {}
    atheris.Setup(options, once, **rest)
    atheris.Fuzz()


def _quoted(token: str) -> str:
    return "".join(f"\\x{byte:02x}" for byte in token.encode())


def _values(data: bytes, most: int, seed: int) -> bytes:
    """Half of the time another value somewhere in a JSON text, else other bytes."""
    import atheris

    chance = random.Random(seed)
    if chance.random() < 0.5:
        try:
            made = json.dumps(changed(json.loads(data), chance), ensure_ascii=chance.random() < 0.5).encode(
                "utf-8", "surrogatepass")  # fmt: skip
            return made[:most]
        except (ValueError, RecursionError):
            pass
    return bytes(atheris.Mutate(data, most))


ODD: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2, 0.5, -0.0, 1e-9, 1e308, float("inf"), float("-inf"), float("nan"), 10**30, 10**400,
    -(10**30), 2**31, 2**63, "", " ", "a", "\0", "\ud800", "\udcff", "\u202e", "\n", "../../x", "/", "25", "1/0", "0/1",
    "9999999999", "mouth", "source", [], {}, [[]], {"": 0},
)  # fmt: skip


def changed(value: Any, chance: random.Random) -> Any:
    """A JSON value with something in it changed: another value, a number moved, a key gone, doubled or exchanged."""
    places = list(_places(value))
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        if not places:
            return chance.choice(ODD)
        holder, key = chance.choice(places)
        try:
            old = holder[key]
        except (KeyError, IndexError):
            continue
        how = chance.randrange(6)
        if how == 0:
            holder[key] = chance.choice(ODD)
        elif how == 1 and isinstance(old, int | float):
            holder[key] = old + chance.choice((-1, 1, -25, 25, 0.001, 10**6))
        elif how == 2:
            other, place = chance.choice(places)
            try:
                holder[key] = json.loads(json.dumps(other[place]))
            except (KeyError, IndexError):
                continue
        elif how == 3:
            del holder[key]
        elif how == 4 and isinstance(holder, list):
            holder.insert(chance.randrange(len(holder) + 1), json.loads(json.dumps(old)))
        elif isinstance(holder, dict):
            holder[chance.choice(("", "editalk", "x", *holder))] = holder.pop(key)
        else:
            chance.shuffle(holder)
    return value


def _places(value: Any) -> Any:
    """(list or object, key) of all that is in a value; no recursion, values of others are deep."""
    waiting = [value]
    while waiting:
        holder = waiting.pop()
        if isinstance(holder, dict | list):
            for key in list(holder) if isinstance(holder, dict) else range(len(holder)):
                yield holder, key
                waiting.append(holder[key])


if __name__ == "__main__":
    sys.exit(main())
