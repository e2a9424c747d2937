"""A tab of a browser with a review page in it."""

from __future__ import annotations

from typing import Any

from conftest import BITS

READY = "() => before.readyState >= 2 && after.readyState >= 2 && !before.seeking && !after.seeking && !waiting.size"

# The number that a video's picture carries, see `conftest.picture`.
NUMBER = """(id) => {
  const video = document.getElementById(id), canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
  const pen = canvas.getContext("2d"), step = Math.floor(canvas.width / BITS);
  pen.drawImage(video, 0, 0);
  let number = 0;
  for (let bit = 0; bit < BITS; bit++) {
    if (pen.getImageData(bit * step + step / 2, canvas.height / 8, 1, 1).data[1] > 125) number |= 1 << bit;
  }
  return number;
}""".replace("BITS", str(BITS))

CONTRAST = """() => {
  const value = (name) => {
    const pen = document.createElement("canvas").getContext("2d");
    pen.fillStyle = getComputedStyle(document.documentElement).getPropertyValue(`--${name}`);
    pen.fillRect(0, 0, 1, 1);
    const parts = [...pen.getImageData(0, 0, 1, 1).data].slice(0, 3).map((v) => v / 255);
    const [r, g, b] = parts.map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ratio = (a, b) => (Math.max(value(a), value(b)) + 0.05) / (Math.min(value(a), value(b)) + 0.05);
  const texts = ["text", "quiet", "strong", "addition", "removal", "move", "rerender", "retime", "poor"];
  const pairs = texts.flatMap((name) => [[name, "panel"], [name, "on"]]).concat([["text", "key"], ["quiet", "ground"]]);
  return Object.fromEntries(pairs.map(([a, b]) => [`${a} on ${b}`, ratio(a, b)]));
}"""


class Tab:
    """The page in a browser, and everything that it complained of or asked for."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.wrong: list[str] = []
        self.asked: list[str] = []
        page.on("console", lambda message: self.wrong.append(message.text))
        page.on("pageerror", lambda error: self.wrong.append(str(error)))
        page.on("dialog", lambda dialog: self.wrong.append(dialog.message))
        page.on("request", lambda request: self.asked.append(request.url))

    def open(self, address: str) -> None:
        self.page.goto(address)
        self.settle()

    def settle(self) -> None:
        """Both pictures are where they are wanted."""
        self.page.wait_for_function(READY)
        self.page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        self.page.wait_for_function(READY)

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)
        self.settle()

    def frames(self) -> tuple[int, int]:
        """The frames at which after and before stand."""
        found = self.page.evaluate("[after, before].map((video) => Math.floor(video.currentTime * RATE + 1e-3))")
        return found[0], found[1]

    def numbers(self) -> tuple[int, int]:
        """The source frames on screen: in after, in before."""
        return self.page.evaluate(NUMBER, "after"), self.page.evaluate(NUMBER, "before")

    def text(self, selector: str) -> str:
        found: str = self.page.locator(selector).inner_text()
        return found
