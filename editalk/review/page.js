"use strict";
// Times are seconds, positions frames of the timeline (fractional within a frame), unless a name says otherwise.
const $ = (id) => document.getElementById(id);
const data = JSON.parse($("data").textContent);
const RATE = data.rate[0] / data.rate[1];
const JUMP_OFF = 6; // frames apart from which on a seek is quicker than a change of pace
const PULL = 0.15; // of its pace by which before hurries or waits for each frame that it is off
const AROUND = 1; // seconds around an edit that are looped, half of it around what was cut
const before = $("before"), after = $("after");
const state = { edit: -1, loop: false, cut: null, away: false, heard: "after", speed: 1, jumped: 0, lag: 0.05 };

const clamp = (value, low, high) => Math.min(high, Math.max(low, value));
const waiting = new Map(); // video → where it goes once the seek under way is done
const timeOf = (video) => waiting.get(video) ?? video.currentTime;
const position = () => timeOf(after) * RATE;
const frame = () => clamp(Math.floor(position() + 1e-3), 0, data.frames - 1);
const middle = (frame) => (frame + 0.5) / RATE; // a time that no rounding takes to a neighbouring frame

function timecode(frame) {
  const base = Math.round(RATE), two = (n) => String(n).padStart(2, "0");
  const seconds = Math.floor(frame / base);
  return [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60, frame % base].map(two).join(":");
}

// Chromium hangs now and then in a seek that another one interrupts.
function go(video, time) {
  if (video.seeking) {
    waiting.set(video, time);
  } else {
    waiting.delete(video); // of a seek that is done, but has not said so yet
    video.currentTime = time;
  }
}
for (const video of [before, after]) {
  video.addEventListener("seeked", () => {
    if (waiting.has(video)) go(video, waiting.get(video));
  });
}

function element(tag, text, kind) {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  if (kind) made.className = kind;
  return made;
}

// The source position that a timeline position shows; null: new content.
function sourceAt(at) {
  const run = data.runs.find(([start, end]) => start <= at && at < end);
  return run ? run[2] + (at - run[0]) * run[3] : null;
}

function lastSource(at) {
  const run = data.runs.filter(([, end]) => end <= at).pop();
  return run ? run[2] + (run[1] - run[0]) * run[3] - 0.5 : 0.5;
}

// --- playing in step: after leads, before follows ---

function follow() {
  if (state.cut) {
    if (timeOf(before) >= state.cut[1] || before.ended) endCut();
    return;
  }
  if (state.away) return;
  const at = position(), source = sourceAt(at), playing = !after.paused && !after.ended;
  note(source === null ? "New here: the source has no picture for it" : "");
  if (!playing || source === null) {
    before.pause();
    const still = (source ?? lastSource(at)) / RATE;
    if (!before.seeking && Math.abs(before.currentTime - still) * RATE > (source === null ? 1.5 : 0.4)) go(before, still);
    return;
  }
  const target = source / RATE, off = (before.currentTime - target) * RATE;
  const run = data.runs.find(([start, end]) => start <= at && at < end);
  const pace = state.speed * run[3];
  if (before.paused && !before.ended) before.play().catch(() => {}); // a seek interrupts it
  if (before.seeking) return;
  if (Math.abs(off) > JUMP_OFF) {
    state.jumped = performance.now();
    go(before, target + state.lag * pace);
  } else {
    before.playbackRate = clamp(pace * (1 - PULL * off), 0.1, 8);
  }
}

before.addEventListener("seeked", () => {
  if (!after.paused && !state.cut) state.lag = 0.7 * state.lag + 0.3 * clamp((performance.now() - state.jumped) / 1000, 0, 0.5);
});

// It is read out, so only when it is another one.
function note(text) {
  if ($("note").textContent !== text) $("note").textContent = text;
}

function seek(to, sourceTime = null) {
  endCut();
  const wanted = clamp(Math.round(to), 0, data.frames - 1);
  go(after, middle(wanted));
  state.away = sourceTime !== null; // before shows what after no longer has
  if (state.away) {
    after.pause();
    before.pause();
    go(before, middle(Math.floor(sourceTime * RATE + 1e-3)));
    note("Removed: no longer in the edit");
  }
  dirty = true;
}

function failed(error) {
  if (error.name !== "AbortError") trouble(error); // which is only that a pause came first
}

function play() {
  state.away = false;
  if (state.cut) return endCut();
  if (!after.paused) return after.pause();
  if (after.ended || frame() >= data.frames - 1) go(after, middle(0));
  after.play().catch(failed);
}

function playCut() {
  const span = cutOf(state.edit);
  if (!span) return;
  after.pause();
  state.cut = [Math.max(0, span[0] - AROUND / 2), Math.min(before.duration, span[1] + AROUND / 2)];
  go(before, state.cut[0]);
  before.playbackRate = state.speed;
  before.play().catch(failed);
  note(`Playing what was cut: ${(span[1] - span[0]).toFixed(2)} s of the source`);
  hear();
}

function endCut() {
  if (!state.cut) return;
  state.cut = null;
  state.away = false;
  before.pause();
  hear();
  dirty = true;
}

// Source seconds that the edit takes out or replaces.
function cutOf(index) {
  const edit = data.operations[index];
  return edit && ["removal", "addition", "rerender"].includes(edit.kind) && edit.source[1] > edit.source[0] ? edit.source : null;
}

function hear() {
  before.muted = !(state.heard === "before" || state.cut);
  after.muted = state.heard !== "after";
  $("sound").textContent = `Sound: ${state.heard}`;
}

function view(name) {
  $("stage").dataset.view = name;
  for (const each of ["both", "before", "after"]) $(`view-${each}`).setAttribute("aria-pressed", String(each === name));
  dirty = true;
}

// --- edits and joins ---

const editFrame = (edit) => Math.round(edit.timeline[0] * RATE);

function toEdit(index) {
  if (!data.operations[index]) return;
  select(index);
  seek(editFrame(data.operations[index]));
}

function nextOf(frames, way) {
  const now = frame();
  return way > 0 ? frames.findIndex((at) => at > now) : frames.findLastIndex((at) => at < now);
}

// Edits may share a frame: from a selected one on the way is by their order.
function stepEdit(way) {
  const here = data.operations[state.edit];
  toEdit(here && editFrame(here) === frame() ? state.edit + way : nextOf(data.operations.map(editFrame), way));
}

function toJoin(way) {
  const index = nextOf(joins.map((join) => join.frame), way);
  if (index >= 0) seek(joins[index].frame);
}

function select(index) {
  state.edit = index;
  mark($("edit-rows"), index);
  $("cut").disabled = !cutOf(index);
  $("loop").disabled = index < 0;
}

function mark(rows, index) {
  for (const row of rows.querySelectorAll("[aria-current]")) row.removeAttribute("aria-current");
  if (index >= 0) rows.children[index].setAttribute("aria-current", "true");
}

function loopSpan() {
  const edit = state.loop && data.operations[state.edit];
  return edit ? [Math.max(0, edit.timeline[0] - AROUND), Math.min(data.frames / RATE, edit.timeline[1] + AROUND)] : null;
}

// Joins of the picture, and those of the sound that may be heard.
const joins = data.joins.map((join) => ({ ...join, kind: "picture" }))
  .concat(data.sound_joins.filter((join) => !join.ok).map((join) => (
    { frame: Math.floor(join.at * RATE), score: join.step / join.natural_p999, ok: false, reasons: ["the sound clicks"], kind: "sound" })))
  .sort((a, b) => a.frame - b.frame);
const verdict = (join) => join.ok ? "does not show" : `may ${join.kind === "sound" ? "be heard" : "show"}: ${join.reasons.join(", ")}`;

function row(cells, at, go, name) {
  const made = element("tr"), first = element("td"), button = element("button", timecode(at));
  button.type = "button";
  button.setAttribute("aria-label", name);
  first.append(button);
  made.append(first, ...cells);
  made.addEventListener("click", go);
  return made;
}

function fillTables() {
  const long = (range) => (range[1] - range[0]).toFixed(2);
  data.operations.forEach((edit, index) => {
    const kind = element("td", edit.region && edit.kind === "rerender" ? "new lips" : edit.kind, `kind ${edit.kind}`);
    const cells = [kind, element("td", edit.text), element("td", `${long(edit.source)} → ${long(edit.timeline)}`, "number")];
    const name = `${timecode(editFrame(edit))}, go to ${edit.kind} “${edit.text}”`;
    $("edit-rows").append(row(cells, editFrame(edit), () => toEdit(index), name));
  });
  for (const join of joins) {
    const score = element("td", undefined, "number"), bar = element("meter");
    bar.max = 2;
    bar.high = 1;
    bar.low = 1;
    bar.optimum = 0;
    bar.value = Math.min(2, join.score);
    bar.setAttribute("aria-label", `Score ${join.score.toFixed(2)}`);
    score.append(bar, join.score.toFixed(2));
    const name = `${timecode(join.frame)}, go to the join, score ${join.score.toFixed(2)}, ${verdict(join)}`;
    $("join-rows").append(row([score, element("td", verdict(join), join.ok ? "" : "poor")], join.frame, () => seek(join.frame), name));
  }
  for (const [rows, what] of [["edit-rows", "No edits"], ["join-rows", "No joins"]]) {
    if (!$(rows).children.length) $(rows).closest("section").append(element("p", what, "hint"));
    if (!$(rows).children.length) $(rows).closest("table").hidden = true;
  }
}

function fillFacts() {
  const seconds = (n) => `${(n / RATE).toFixed(2)} s`, seen = joins.filter((join) => !join.ok).length;
  const facts = [
    `${Number(RATE.toFixed(3))} fps`, `${seconds(data.source_frames)} before, ${seconds(data.frames)} after`,
    `${data.frames_identical} of ${data.frames} frames untouched`, `backend ${data.backend}`,
    `${data.operations.length} ${data.operations.length === 1 ? "edit" : "edits"}`,
    `${joins.length} ${joins.length === 1 ? "join" : "joins"}`,
  ];
  if (data.moving.reduce((sum, [start, end]) => sum + end - start, 0) < data.frames) facts.push("long: pictures move near the edits only");
  $("name").textContent = `${data.source} → ${data.output}`;
  $("facts").append(...facts.map((fact) => element("li", fact)));
  if (seen) $("facts").append(element("li", `${seen} may show`, "poor"));
  for (const warning of data.warnings) $("facts").append(element("li", warning, "poor"));
}

// --- transcript ---

const spoken = []; // { start, end, button } in the order of the timeline
const styles = { removed: ["del"], moved_from: ["del", "moved"], added: ["ins"], moved_to: ["span", "moved"], caption: ["span", "caption"], kept: ["span"] };
const said = { removed: "removed", moved_from: "moved from here", added: "added", moved_to: "moved to here", caption: "caption changed" };

function wordButton([text, start, end, source], style) {
  const button = element("button", text);
  button.type = "button";
  button.tabIndex = -1;
  if (said[style]) button.setAttribute("aria-description", said[style]);
  if (source === null) spoken.push({ start, end, button });
  button.addEventListener("click", () => {
    focusWord(button);
    seek(Math.floor(start * RATE + 1e-3), source);
    const index = data.operations.findIndex((edit) => source === null
      ? edit.timeline[0] <= start + 1e-3 && start < edit.timeline[1] : edit.source[0] <= source + 1 / RATE && source < edit.source[1]);
    if (index >= 0) select(index);
  });
  return button;
}

function fillWords() {
  const words = $("words"), places = new Map();
  words.lang = data.language;
  let paragraph = words.appendChild(element("p"));
  for (const span of data.spans) {
    if (span.paragraph) paragraph = words.appendChild(element("p"));
    const [tag, kind] = styles[span.style], box = element(tag, undefined, kind);
    span.words.forEach((word, k) => box.append(k ? " " : "", wordButton(word, span.style)));
    if (span.style.startsWith("moved")) {
      const key = span.style === "moved_from" ? "from" : "to", jump = element("button", key === "from" ? "moved ⇣" : "⇡ from", "jump");
      const pair = places.get(span.edit) ?? places.set(span.edit, {}).get(span.edit);
      jump.type = "button";
      jump.tabIndex = -1;
      jump.setAttribute("aria-label", key === "from" ? "Go to where this passage is now" : "Go to where this passage was");
      pair[key] ??= box.querySelector("button");
      jump.addEventListener("click", () => (key === "from" ? pair.to : pair.from)?.click());
      box.append(" ", jump);
    }
    paragraph.append(box, " ");
  }
  spoken.sort((a, b) => a.start - b.start);
  const first = words.querySelector("button");
  if (first) first.tabIndex = 0;
}

function focusWord(button) {
  for (const each of $("words").querySelectorAll('[tabindex="0"]')) each.tabIndex = -1;
  button.tabIndex = 0;
  button.focus({ preventScroll: true });
}

$("words").addEventListener("keydown", (event) => {
  const buttons = [...$("words").querySelectorAll("button")], at = buttons.indexOf(event.target);
  const to = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: buttons.length - 1 }[event.key];
  if (to === undefined || event.shiftKey || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  event.stopPropagation();
  if (buttons[to]) focusWord(buttons[to]);
  reveal(buttons[to]);
});

// Scrolls the transcript alone: scrollIntoView would move the page, too.
function reveal(word) {
  if (!word) return;
  const words = $("words"), top = word.offsetTop, low = top + word.offsetHeight;
  if (top < words.scrollTop || low > words.scrollTop + words.clientHeight) words.scrollTop = top - words.clientHeight / 3;
}

let current = null;
function markWord() {
  const now = (frame() + 1) / RATE - 1e-6; // a word is marked from the frame on in which it begins
  let low = 0, high = spoken.length;
  while (low < high) {
    const half = (low + high) >> 1;
    if (spoken[half].start <= now) low = half + 1;
    else high = half;
  }
  const word = low && now < spoken[low - 1].end + 0.2 ? spoken[low - 1].button : null;
  if (word === current) return;
  current?.removeAttribute("aria-current");
  word?.setAttribute("aria-current", "true");
  current = word;
  if (!after.paused) reveal(word);
}
