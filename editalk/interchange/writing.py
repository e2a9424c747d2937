"""Writers: one format, one class. OpenTimelineIO is loaded only to write."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ClassVar, Protocol

from editalk.errors import MediaError, UsageError
from editalk.interchange.timecode import COUNTED
from editalk.interchange.types import Timeline
from editalk.timebase import FrameRate

REMOVED = ".removed"  # ends the name of a file with what was taken out


class Writer(Protocol):
    """A format: `name` chooses it, `suffix` ends its files. `several`: one file holds several timelines. `counts`: it
    writes timecode, which only broadcast rates have.
    """

    name: ClassVar[str]
    suffix: ClassVar[str]
    several: ClassVar[bool]
    counts: ClassVar[bool]

    def write(self, timelines: Sequence[Timeline]) -> str:
        """The whole file; just one timeline where it cannot hold several."""
        ...


class OtioWriter:
    """OpenTimelineIO's own JSON. DaVinci Resolve wants one timeline a file."""

    name: ClassVar[str] = "otio"
    suffix: ClassVar[str] = ".otio"
    several: ClassVar[bool] = False
    counts: ClassVar[bool] = False

    def write(self, timelines: Sequence[Timeline]) -> str:
        import opentimelineio as otio

        from editalk.interchange.schema import to_otio

        text: str = otio.adapters.write_to_string(to_otio(timelines[0]), "otio_json")
        return text + "\n"


class FcpxmlWriter:
    """Final Cut Pro."""

    name: ClassVar[str] = "fcpxml"
    suffix: ClassVar[str] = ".fcpxml"
    several: ClassVar[bool] = True
    counts: ClassVar[bool] = True

    def write(self, timelines: Sequence[Timeline]) -> str:
        from editalk.interchange.fcpxml import to_fcpxml

        return to_fcpxml(timelines)


class EdlWriter:
    """CMX 3600."""

    name: ClassVar[str] = "edl"
    suffix: ClassVar[str] = ".edl"
    several: ClassVar[bool] = False
    counts: ClassVar[bool] = True

    def write(self, timelines: Sequence[Timeline]) -> str:
        from editalk.interchange.edl import to_edl

        return to_edl(timelines[0])


class XmlWriter:
    """Premiere Pro (Final Cut Pro 7)."""

    name: ClassVar[str] = "xml"
    suffix: ClassVar[str] = ".xml"
    several: ClassVar[bool] = True
    counts: ClassVar[bool] = True

    def write(self, timelines: Sequence[Timeline]) -> str:
        from editalk.interchange.premiere import to_xml

        return to_xml(timelines)


FORMATS: dict[str, Callable[[], Writer]] = {w.name: w for w in (OtioWriter, FcpxmlWriter, EdlWriter, XmlWriter)}


def get_writer(name: str) -> Writer:
    """The writer of a format: otio, fcpxml, edl or xml."""
    if name not in FORMATS:
        raise UsageError(f"there is no timeline format {name!r}; choose from {', '.join(FORMATS)}")
    return FORMATS[name]()


def get_writers(names: str) -> tuple[Writer, ...]:
    """The writers of a comma list, each once. Raises UsageError."""
    wanted = dict.fromkeys(name.strip() for name in names.split(",") if name.strip())
    if not wanted:
        raise UsageError(f"--timeline names none of {', '.join(FORMATS)}")
    return tuple(get_writer(name) for name in wanted)


def targets(writer: Writer, base: Path) -> tuple[Path, ...]:
    """The files of a format beside `base`, named like it but for the suffix: the edit's, and that of what was taken out
    where one file cannot hold both.
    """
    own = base.with_name(base.stem + writer.suffix)
    return (own,) if writer.several else (own, base.with_name(base.stem + REMOVED + writer.suffix))


def check_rate(writers: Sequence[Writer], rate: FrameRate, name: str) -> None:
    """Raises MediaError where a format counts in timecode and the rate has none."""
    counting = [w.name for w in writers if w.counts]
    if counting and rate.value not in COUNTED:
        raise MediaError(
            f"{name}: there is no timecode at {float(rate):g} frames a second, and {', '.join(counting)} counts in it; "
            "write --timeline otio, or convert the video to a broadcast rate first"
        )


def write_timelines(writers: Sequence[Writer], base: Path, edited: Timeline, removed: Timeline) -> dict[Path, str]:
    """The text of every file of `targets`."""
    made: dict[Path, str] = {}
    for writer in writers:
        files = targets(writer, base)
        held = [[edited, removed]] if writer.several else [[edited], [removed]]
        made |= {path: writer.write(timelines) for path, timelines in zip(files, held, strict=True)}
    return made
