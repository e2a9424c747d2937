// --- timeline: ruler, edits, the sound of after and, under it, of what before shows there ---

const RULER = 20, LANE = 24, AFTER = 84, BEFORE = 52; // px of height
const box = $("timeline"), front = $("canvas"), back = document.createElement("canvas"); // back: all but the playhead
const pen = back.getContext("2d"), dark = matchMedia("(prefers-color-scheme: dark)");
const whole = data.frames / RATE;
const shownPart = { start: 0, span: whole }; // seconds
const levels = Object.fromEntries(Object.entries(data.peaks).map(([name, { rate, values }]) => (
  [name, { rate, values: Uint8Array.from(atob(values), (c) => c.charCodeAt(0)) }])));
const timeX = (time) => (time - shownPart.start) / shownPart.span * box.clientWidth;
const xTime = (x) => shownPart.start + x / box.clientWidth * shownPart.span;
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`);

function level(name, from, to) {
  const { rate, values } = levels[name];
  let most = 0;
  for (let k = Math.max(0, Math.floor(from * rate)); k < Math.min(values.length, Math.max(from * rate + 1, to * rate)); k++) most = Math.max(most, values[k]);
  return Math.sqrt(most / 255); // quiet speech is seen, too
}

function drawWave(name, top, high, sourceTime) {
  pen.fillStyle = colour(name);
  for (let x = 0; x < box.clientWidth; x++) {
    const from = sourceTime(xTime(x)), long = shownPart.span / box.clientWidth;
    if (from === null) continue;
    const reach = Math.max(0.5, level(name, from, from + long) * (high - 6) / 2);
    pen.fillRect(x, top + high / 2 - reach, 1, 2 * reach);
  }
}

function drawRuler(wide) {
  const steps = [1 / RATE, 2 / RATE, 5 / RATE, 10 / RATE, 1, 2, 5, 10, 30, 60, 120, 300, 600, 1800];
  const step = steps.find((s) => s / shownPart.span * wide >= 92) ?? 3600;
  pen.fillStyle = colour("quiet");
  pen.font = "11px ui-monospace, Menlo, Consolas, monospace";
  for (let time = Math.ceil(shownPart.start / step - 1e-6) * step; time < shownPart.start + shownPart.span; time += step) {
    const x = Math.round(timeX(time));
    pen.fillRect(x, RULER - 6, 1, 6);
    if (x + 86 < wide) pen.fillText(timecode(Math.round(time * RATE)), x + 4, RULER - 6);
  }
}

function drawEdits() {
  pen.font = "11px system-ui, sans-serif";
  for (const [index, edit] of data.operations.entries()) {
    const left = timeX(edit.timeline[0]), right = Math.max(left + 3, timeX(edit.timeline[1]));
    const text = edit.kind === "removal" ? `−${(edit.source[1] - edit.source[0]).toFixed(1)} s` : edit.text;
    pen.fillStyle = colour(edit.kind);
    pen.fillRect(left, RULER + 2, right - left - 1, LANE - 5);
    pen.strokeStyle = colour("text");
    pen.lineWidth = 2;
    if (index === state.edit) pen.strokeRect(left - 1, RULER + 1, right - left + 1, LANE - 3);
    const outside = right - left < 24;
    pen.save();
    pen.beginPath();
    pen.rect(outside ? right : left, RULER, outside ? 60 : right - left - 3, LANE);
    pen.clip();
    pen.fillStyle = outside ? colour(edit.kind) : colour("panel");
    pen.fillText(text, (outside ? right : left) + 4, RULER + 16);
    pen.restore();
  }
}

function drawJoins(high) {
  for (const join of joins) {
    const x = timeX(join.frame / RATE), wide = join.ok ? 4 : 6;
    pen.fillStyle = colour(join.ok ? "fine" : "poor");
    pen.fillRect(x - 0.5, RULER + LANE, join.ok ? 1 : 2, high - RULER - LANE);
    pen.beginPath();
    pen.moveTo(x - wide, RULER + LANE);
    pen.lineTo(x + wide, RULER + LANE);
    pen.lineTo(x, RULER + LANE + 1.6 * wide);
    pen.fill();
  }
}

function label(text, bottom) {
  pen.font = "11px system-ui, sans-serif";
  pen.fillStyle = colour("ground");
  pen.fillRect(1, bottom - 17, pen.measureText(text).width + 10, 16);
  pen.fillStyle = colour("quiet");
  pen.fillText(text, 6, bottom - 5);
}

let drawn = "";
function draw() {
  const wide = box.clientWidth, high = box.clientHeight, dense = window.devicePixelRatio || 1, over = front.getContext("2d");
  const shows = [wide, high, dense, shownPart.start, shownPart.span, state.edit, state.loop, dark.matches].join();
  if (shows !== drawn) {
    for (const each of [front, back]) [each.width, each.height] = [Math.round(wide * dense), Math.round(high * dense)];
    pen.setTransform(dense, 0, 0, dense, 0, 0);
    drawAll(wide, high);
    drawn = shows;
  }
  over.clearRect(0, 0, front.width, front.height);
  over.drawImage(back, 0, 0);
  over.fillStyle = colour("head");
  over.fillRect((timeX(timeOf(after)) - 0.75) * dense, 0, 1.5 * dense, front.height);
}

function drawAll(wide, high) {
  pen.fillStyle = colour("window");
  for (const [start, end] of data.windows) pen.fillRect(timeX(start / RATE), RULER + LANE, timeX(end / RATE) - timeX(start / RATE), AFTER);
  pen.fillStyle = colour("line");
  pen.fillRect(0, RULER + LANE + AFTER, wide, 1);
  drawWave("after", RULER + LANE + 4, AFTER, (time) => time);
  drawWave("before", RULER + LANE + AFTER + 4, BEFORE, (time) => {
    const source = sourceAt(time * RATE);
    return source === null ? null : source / RATE;
  });
  label("After", RULER + LANE + AFTER);
  label("Before", high);
  const loop = loopSpan();
  if (loop) {
    pen.fillStyle = colour("strong");
    pen.globalAlpha = 0.13;
    pen.fillRect(timeX(loop[0]), 0, timeX(loop[1]) - timeX(loop[0]), high);
    pen.globalAlpha = 1;
  }
  drawRuler(wide);
  drawEdits();
  drawJoins(high);
}

// What lies at a time, in words; `reach`: seconds to either side.
function describe(time, reach) {
  const join = joins.filter((each) => Math.abs(each.frame / RATE - time) <= reach).pop();
  const edits = data.operations.filter((edit) => edit.timeline[0] - reach <= time && time < edit.timeline[1] + reach);
  const parts = edits.map((edit) => `${edit.kind} “${edit.text}”`);
  if (join) parts.push(`join, score ${join.score.toFixed(2)}, ${verdict(join)}`);
  return parts.join("; ");
}

function zoom(factor, at = timeOf(after)) {
  const span = clamp(shownPart.span * factor, Math.min(whole, 0.5), whole);
  shownPart.start = clamp(at - (at - shownPart.start) * span / shownPart.span, 0, whole - span);
  shownPart.span = span;
  dirty = true;
}

function keepShown() {
  const now = timeOf(after), { start, span } = shownPart;
  if (now < start || now > start + span) shownPart.start = clamp(now - span / 8, 0, whole - span);
}

box.addEventListener("pointerdown", (event) => {
  if (event.button !== 0) return;
  box.setPointerCapture(event.pointerId);
  seek(Math.floor(xTime(event.offsetX) * RATE));
});
box.addEventListener("pointermove", (event) => {
  const time = xTime(event.offsetX), text = describe(time, 5 * shownPart.span / box.clientWidth), tip = $("tip");
  if (event.buttons & 1 && box.hasPointerCapture(event.pointerId)) seek(Math.floor(time * RATE));
  tip.hidden = false;
  tip.textContent = timecode(clamp(Math.floor(time * RATE), 0, data.frames - 1)) + (text ? `  ${text}` : "");
  tip.style.left = `${clamp(event.offsetX + 12, 0, box.clientWidth - tip.offsetWidth)}px`;
});
box.addEventListener("pointerleave", () => { $("tip").hidden = true; });
box.addEventListener("wheel", (event) => {
  if (event.ctrlKey) zoom(event.deltaY > 0 ? 1.25 : 0.8, xTime(event.offsetX));
  else if (event.deltaX && shownPart.span < whole) shownPart.start = clamp(shownPart.start + event.deltaX / box.clientWidth * shownPart.span, 0, whole - shownPart.span);
  else return;
  event.preventDefault();
  dirty = true;
}, { passive: false });
box.addEventListener("keydown", (event) => {
  if (event.key === "Home") seek(0);
  else if (event.key === "End") seek(data.frames - 1);
  else return;
  event.preventDefault();
});

// --- what the page is made to do ---

const actions = {
  "play": play, "back": () => seek(frame() - 1), "on": () => seek(frame() + 1),
  "second-back": () => seek(frame() - RATE), "second-on": () => seek(frame() + RATE),
  "previous-edit": () => stepEdit(-1), "next-edit": () => stepEdit(1),
  "previous-join": () => toJoin(-1), "next-join": () => toJoin(1),
  "loop": () => { state.loop = !state.loop; $("loop").setAttribute("aria-pressed", String(state.loop)); dirty = true; },
  "cut": playCut, "both": () => view("both"), "view-before": () => view("before"), "view-after": () => view("after"),
  "flip": () => view($("stage").dataset.view === "before" ? "after" : "before"),
  "sound": () => { state.heard = state.heard === "after" ? "before" : "after"; hear(); },
  "closer": () => zoom(0.5), "wider": () => zoom(2), "fit": () => zoom(Infinity), "help": () => $("help").showModal(),
};
const keys = {
  " ": "play", "k": "play", "ArrowLeft": "back", "ArrowRight": "on", "shift+ArrowLeft": "second-back", "shift+ArrowRight": "second-on",
  "j": "second-back", "l": "second-on", "p": "previous-edit", "n": "next-edit", "[": "previous-join", "]": "next-join", "r": "loop", "x": "cut",
  "b": "flip", "v": "both", "m": "sound", "+": "closer", "=": "closer", "-": "wider", "0": "fit", "?": "help",
};

document.addEventListener("click", (event) => {
  const name = event.target.closest("[data-do]")?.dataset.do;
  if (name) actions[name]();
});
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || $("help").open) return;
  if (event.target.closest("input, select, textarea") || (event.target.closest("button") && [" ", "Enter"].includes(event.key))) return;
  const arrow = event.key.startsWith("Arrow") && event.shiftKey, name = keys[arrow ? `shift+${event.key}` : event.key.length > 1 ? event.key : event.key.toLowerCase()];
  if (!name) return;
  event.preventDefault();
  actions[name]();
});
$("keys").addEventListener("click", actions.help);
$("speed").addEventListener("change", () => {
  state.speed = Number($("speed").value);
  after.playbackRate = state.speed;
});

let dirty = true, painted = -1;
function tick() {
  const moving = !after.paused || state.cut !== null, loop = moving && !state.cut && loopSpan();
  if (loop && timeOf(after) >= loop[1]) go(after, loop[0]);
  if (moving || dirty || after.currentTime !== painted || after.seeking || before.seeking) {
    dirty = false;
    painted = after.currentTime;
    follow();
    paint(moving);
  }
  requestAnimationFrame(tick);
}

function paint(moving) {
  const now = frame(), time = timeOf(after), seen = clamp(Math.floor(before.currentTime * RATE + 1e-3), 0, data.source_frames - 1);
  const inside = data.operations.findIndex((edit) => edit.timeline[0] <= time && time < Math.max(edit.timeline[1], edit.timeline[0] + 0.25));
  if (moving && !state.cut && !state.loop && inside >= 0 && inside !== state.edit) select(inside);
  if (moving) keepShown();
  $("after-time").textContent = `${timecode(now)}  frame ${now}`;
  $("before-time").textContent = `${timecode(seen)}  frame ${seen}`;
  const text = describe(now / RATE, 0.5 / RATE), made = data.windows.some(([start, end]) => start <= now && now < end);
  $("place").textContent = text || (made ? "Rendered: new pixels" : "");
  $("play").classList.toggle("playing", !after.paused);
  $("play").setAttribute("aria-label", after.paused ? "Play" : "Pause");
  box.setAttribute("aria-valuenow", String(now));
  box.setAttribute("aria-valuetext", [timecode(now), text].filter(Boolean).join(", "));
  mark($("join-rows"), joins.findIndex((join) => Math.abs(join.frame - now) <= (moving ? 3 : 0)));
  markWord();
  draw();
}

function trouble(error) {
  $("trouble").hidden = false;
  $("trouble").textContent = `The picture cannot be played here (${error.message || error}); open the page in another browser.`;
}

function load(video, id) {
  const text = atob($(id).textContent), bytes = new Uint8Array(text.length);
  for (let k = 0; k < text.length; k++) bytes[k] = text.charCodeAt(k);
  $(id).remove();
  video.addEventListener("error", () => trouble(video.error));
  video.addEventListener("loadeddata", () => { dirty = true; });
  video.src = URL.createObjectURL(new Blob([bytes], { type: "video/mp4" }));
}

document.documentElement.style.setProperty("--aspect", data.size[0] / data.size[1]);
box.setAttribute("aria-valuemax", String(data.frames - 1));
fillFacts();
fillTables();
fillWords();
select(-1);
hear();
load(before, "before-bytes");
load(after, "after-bytes");
new ResizeObserver(() => { dirty = true; }).observe(box);
dark.addEventListener("change", () => { dirty = true; });
after.addEventListener("loadeddata", () => seek(0), { once: true });
requestAnimationFrame(tick);
