"""What the shell offers for the values of options; nothing heavy is loaded for it."""

from __future__ import annotations

from editalk.errors import EditalkError


def backends() -> list[str]:
    from editalk.backends import NAMES

    return ["auto", *NAMES]


def lip_passes() -> list[str]:
    from editalk.backends import LIP_PASSES

    return list(LIP_PASSES)


def precisions() -> list[str]:
    from editalk.backends import PRECISIONS

    return list(PRECISIONS)


def regions() -> list[str]:
    return ["mouth", "face", "head", "frame"]


def timelines() -> list[str]:
    return ["otio", "fcpxml", "edl", "xml"]


def devices() -> list[str]:
    return ["auto", "cpu", "cuda"]


def models() -> list[str]:
    """Names of models.toml; none where it cannot be read: a shell cannot show why."""
    from editalk.models import load_registry

    try:
        return list(load_registry())
    except EditalkError:
        return []


def weights() -> list[str]:
    return [name for name in models() if name.startswith("ltx")]


def transcribers() -> list[str]:
    return ["auto", "pocketsphinx", *(n.removeprefix("whisper-") for n in models() if n.startswith("whisper-"))]


def checks() -> list[str]:
    from editalk.quality.checks import CHOICES

    return list(CHOICES)


def stages() -> list[str]:
    """Those that the cache holds."""
    from editalk.upkeep import usage

    try:
        return [stage.name for stage in usage().stages]
    except EditalkError:
        return []


def commands() -> list[str]:
    from editalk.cli.manual import PAGES, TOPICS

    return sorted({words.partition(" ")[0] for words in PAGES} | set(TOPICS))
