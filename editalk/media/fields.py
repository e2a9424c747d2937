"""The two fields of interlaced pictures: which comes first, and telling an encoder so."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from av.filter import Graph
from av.filter.context import FilterContext
from av.video.frame import VideoFrame

from editalk.media.info import FieldOrder


def field_order(frame: VideoFrame) -> FieldOrder | None:
    """Of a decoded frame, None for a progressive one. The frame is drawn upon: give one that nobody needs.

    PyAV does not show the flag, and what containers say differs from it: so the frame gets black and white lines, and
    FFmpeg shows which come first when it parts them.
    """
    if not frame.interlaced_frame:
        return None
    plane = frame.planes[0]
    rows = np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, -1)
    rows[::2], rows[1::2] = 0, 255
    first = _through(frame, "separatefields")
    return FieldOrder.TOP if not memoryview(first.planes[0])[0] else FieldOrder.BOTTOM


class FieldMarker:
    """Marks frames of one size and format as interlaced, new pictures as well as kept ones."""

    def __init__(self, order: FieldOrder) -> None:
        self._order = order
        self._ends: tuple[FilterContext, FilterContext] | None = None
        self._graph: Graph | None = None

    def marked(self, frame: VideoFrame) -> VideoFrame:
        """A frame of its own on the same picture."""
        if self._ends is None:
            self._graph, *ends = _graph(frame, "setfield", f"mode={self._order}")
            self._ends = ends[0], ends[1]
        return _pass(frame, *self._ends)


def _through(frame: VideoFrame, name: str) -> VideoFrame:
    graph, source, sink = _graph(frame, name, None)
    first = _pass(frame, source, sink)
    del graph
    return first


def _graph(frame: VideoFrame, name: str, arguments: str | None) -> tuple[Graph, FilterContext, FilterContext]:
    graph = Graph()
    source = graph.add_buffer(
        width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base or Fraction(1, 25)
    )
    step, sink = graph.add(name, arguments), graph.add("buffersink")
    source.link_to(step)
    step.link_to(sink)
    graph.configure()
    return graph, source, sink


def _pass(frame: VideoFrame, source: FilterContext, sink: FilterContext) -> VideoFrame:
    source.push(frame)
    passed = sink.pull()
    if not isinstance(passed, VideoFrame):
        raise TypeError(f"{source.name} gives no pictures")
    return passed
