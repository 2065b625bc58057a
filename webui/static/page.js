// The page without a reload: keys, prefetch, zoom, history, and answers that are kept until the server has them.
const $ = (id) => document.getElementById(id);
const work = $("work"), empty = $("empty"), form = $("answer"), photo = $("photo"), frame = $("frame"), state = $("state");
const filter = $("filter"), skipDialog = $("skip-dialog"), helpDialog = $("help-dialog"), proposal = $("proposal");
const choices = [...form.querySelectorAll("input[name=labels]")];
const texts = JSON.parse(work.dataset.texts);
const sides = work.dataset.sides.split(" ").map(Number);
// Another workspace may be served at this address tomorrow: its answers are not these.
const whose = `${work.dataset.workspace} ${work.dataset.labeller}`;
const pendingKey = `al-fashion pending ${whose}`;
const speedKey = `al-fashion speed ${whose}`;
const POLL_MS = 3000, HEARTBEAT_MS = 200_000, TIMEOUT_MS = 15_000, STRIP = 14;

let current = null; // {token, image_id, …} of a lease, or {answer_id, …} of an answer to correct
let queue = [];
let history = []; // newest first; an answer on its way has no answer_id yet
let sending = false;
let shownAt = performance.now();
const done = new Set(); // tokens answered in this page: an older reply may still list them
const ahead = new Map(); // pictures being decoded, by address
const zoom = { scale: 1, x: 0, y: 0, pointers: new Map() };

const text = (key, values = {}) => texts[key].replace(/\{(\w+)\}/g, (_, name) => values[name]);
const newId = () => [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

function say(message, bad = false) {
  state.textContent = message;
  state.classList.toggle("bad", bad);
}

// Pending answers outlive a reload, a crash and a server that is away.
const pending = () => JSON.parse(localStorage.getItem(pendingKey) || "[]");
const keep = (answers) => localStorage.setItem(pendingKey, JSON.stringify(answers));

async function call(path, body) {
  const options = { signal: AbortSignal.timeout(TIMEOUT_MS) };
  if (body) {
    options.method = "POST";
    options.headers = { "Content-Type": "application/json", "X-CSRFToken": work.dataset.token };
    options.body = JSON.stringify(body);
  }
  const response = await fetch(path, options);
  if (response.status >= 500) throw new Error(response.statusText);
  return { ok: response.ok, status: response.status, found: await response.json() };
}

// Pictures: in the size of the screen, decoded before they are needed.
function address(imageId, wanted = Math.max(frame.clientWidth, frame.clientHeight) * devicePixelRatio) {
  return `/photos/${imageId}?side=${sides.find((side) => side >= wanted) || sides.at(-1)}`;
}

function decodeAhead(next) {
  const source = address(next.image_id);
  if (ahead.has(source)) return;
  const picture = new Image();
  picture.src = source;
  picture.decode().catch(() => {});
  ahead.set(source, picture);
  if (ahead.size > 6) ahead.delete(ahead.keys().next().value);
}

function show(next) {
  current = next;
  work.hidden = !next;
  // While answers are on their way, more photos may be too.
  empty.hidden = Boolean(next) || pending().length > 0;
  if (!next) { if (!empty.hidden) refreshEnd(); return; }
  const correcting = Boolean(next.answer_id);
  $("correcting").hidden = !correcting;
  $("was").textContent = correcting && next.kind !== "labels" ? text(`it was ${next.kind}`) : "";
  for (const choice of choices) choice.checked = correcting && next.labels.includes(choice.value);
  if (filter) { filter.value = ""; narrow(); }
  resetZoom();
  $("missing").hidden = true;
  photo.hidden = false;
  // What the server put there may be too small for this screen.
  if (photo.getAttribute("src") !== address(next.image_id)) photo.src = address(next.image_id);
  photo.dataset.image = next.image_id;
  $("reasons").textContent = "";
  drawHistory();
  scrollTo(0, 0);
  shownAt = performance.now();
  if (work.dataset.showGuess && !correcting) explain();
}

async function refreshEnd() {
  const response = await fetch("/end").catch(() => null);
  if (response?.ok) empty.innerHTML = await response.text();
}

function progress(counts) {
  const all = counts.all, ready = Math.min(all, counts.done + pending().length);
  $("bar").max = all || 1;
  $("bar").value = ready;
  $("progress").textContent = `${ready} / ${all}`;
  $("progress").title = text("progress title", counts);
}

function countSpeed(milliseconds) {
  const speed = JSON.parse(sessionStorage.getItem(speedKey) || '{"count":0,"times":[]}');
  if (milliseconds !== undefined) {
    speed.count += 1;
    speed.times = [...speed.times, Math.round(milliseconds)].slice(-30);
    sessionStorage.setItem(speedKey, JSON.stringify(speed));
  }
  const median = [...speed.times].sort((a, b) => a - b)[Math.floor(speed.times.length / 2)];
  const rate = speed.times.length < 5 ? null : Math.round(60_000 / Math.max(median, 200));
  if (speed.count) $("speed").textContent = rate ? text("speed rate", { count: speed.count, rate }) : text("speed", speed);
}

// Photos that were just answered may still be in an older reply: leave them out.
function refill(photos) {
  const known = new Set([...done, ...pending().map((answer) => answer.token), current?.token]);
  queue = photos.filter((next) => !known.has(next.token));
  queue.forEach(decodeAhead);
  if (!current && queue.length) show(queue.shift());
}

async function fetchNext() {
  const { ok, found } = await call("/api/claim", {});
  if (!ok) { say(found.error, true); return; }
  progress(found.progress);
  refill(found.photos);
}

async function send() {
  if (sending) return;
  sending = true;
  let wait = 500;
  while (pending().length) {
    const answer = pending()[0];
    say(text("saving"));
    try {
      const { image_id: _, ...body } = answer;
      const { ok, status, found } = await call("/api/answers", body);
      if (status === 401 || status === 403 || status === 429) { say(found.error, true); break; }
      keep(pending().filter((kept) => kept.client_id !== answer.client_id));
      if (!ok) { say(found.error, true); continue; }
      arrived(answer, found.saved);
      say(text("saved"));
      progress(found.progress);
      refill(found.photos);
      wait = 500;
    } catch {
      say(text("not saved", { count: pending().length }), true);
      await sleep(wait);
      wait = Math.min(2 * wait, 5000);
    }
  }
  sending = false;
  if (!current) show(queue.shift() || null);
}

function arrived(answer, saved) {
  const place = history.findIndex((row) => row.client_id === answer.client_id);
  if (place >= 0) history[place] = saved;
  else history.unshift(saved);
  drawHistory();
}

function save(kind, more = {}) {
  if (!current) return;
  const labels = kind === "labels" ? choices.filter((choice) => choice.checked).map((choice) => choice.value) : [];
  if (kind === "labels" && !labels.length) { say(text("choose first"), true); return; }
  const what = current.answer_id ? { corrects: current.answer_id } : { token: current.token };
  const answer = { ...what, kind, labels, client_id: newId(), image_id: current.image_id, ...more };
  if (current.token && !current.answer_id) done.add(current.token);
  keep([...pending(), answer]);
  const place = history.findIndex((row) => row.answer_id && row.answer_id === current.answer_id);
  if (place >= 0) history[place] = answer;
  else history.unshift(answer);
  countSpeed(performance.now() - shownAt);
  show(queue.shift() || null);
  queue.forEach(decodeAhead);
  send();
}

// The strip of the last answers, to go back to.
function drawHistory() {
  const strip = $("history");
  strip.hidden = !history.length;
  strip.firstElementChild.replaceChildren(...history.slice(0, STRIP).map(historyItem));
}

function historyItem(row) {
  const said = row.kind === "labels" ? row.labels.join(", ") : text(`mark ${row.kind}`);
  const picture = Object.assign(new Image(), { src: address(row.image_id, 160), alt: "", loading: "lazy" });
  const button = Object.assign(document.createElement("button"), { type: "button", title: said });
  button.append(picture, Object.assign(document.createElement("span"), { textContent: said, dir: "auto" }));
  button.classList.toggle("waiting", !row.answer_id);
  if (current?.answer_id && row.answer_id === current.answer_id) button.setAttribute("aria-current", "true");
  button.addEventListener("click", () => { button.blur(); correct(row.image_id); });
  const item = document.createElement("li");
  item.append(button);
  return item;
}

// The answer that was just given may be the one to go back to: wait until the server has it.
async function correct(imageId) {
  while (pending().length) await sleep(50);
  const row = history.find((known) => known.image_id === imageId);
  if (!row?.answer_id) return;
  if (current && !current.answer_id) queue.unshift(current);
  show(row);
}

async function back(event) {
  event?.preventDefault();
  while (pending().length) await sleep(50);
  const place = current?.answer_id ? history.findIndex((row) => row.answer_id === current.answer_id) + 1 : 0;
  if (history[place]) correct(history[place].image_id);
  else if (current?.answer_id) show(queue.shift() || null);
}

function escape() {
  if (zoom.scale > 1) resetZoom();
  else if (current?.answer_id) show(queue.shift() || null);
}

async function explain() {
  const token = work.dataset.showGuess && current?.token && !current.answer_id ? current.token : (current?.answer_id ? current : history[0])?.token;
  const asked = current;
  if (!token) { $("reasons").textContent = text("why later"); return; }
  const { ok, found } = await call("/api/explain", { token });
  if (current !== asked) return;
  if (!ok) { $("reasons").textContent = found.error; return; }
  const guess = found.guess.map((row) => `${row.label} ${Math.round(100 * row.probability)} %`).join(", ");
  const parts = [text(found.round ? "why round" : "why text", found), guess ? text("why guess", { guess, round: found.round }) : text("why nothing")];
  if (found.score !== null) parts.splice(1, 0, text("why score", { score: found.score.toPrecision(3) }));
  $("reasons").textContent = parts.join(" ");
}

// Labels
function narrow() {
  const wanted = filter.value.trim().toLowerCase();
  for (const choice of choices) choice.closest("label").hidden = !choice.value.toLowerCase().includes(wanted);
}

function toggle(place) {
  const choice = choices[place];
  if (!choice) return;
  choice.checked = choice.type === "radio" ? true : !choice.checked;
  choice.closest("label").scrollIntoView({ block: "nearest" });
}

function inFilter(event) {
  if (event.key !== "Enter" && event.key !== "Escape") return;
  event.preventDefault();
  const first = choices.findIndex((choice) => !choice.closest("label").hidden);
  if (event.key === "Enter" && filter.value.trim()) toggle(first);
  filter.value = "";
  narrow();
  if (event.key === "Escape") filter.blur();
}

// Skipping asks why; the reason is one more key.
function chooseReason(reason) {
  if (reason === "not_in_list" && $("proposal-box").hidden) {
    $("proposal-box").hidden = $("skip-send").hidden = false;
    proposal.focus();
    return;
  }
  const proposed = reason === "not_in_list" ? proposal.value.trim() : "";
  skipDialog.close();
  save("skip", proposed ? { reason, proposal: proposed } : { reason });
}

function openSkip() {
  if (!current) return;
  proposal.value = "";
  $("proposal-box").hidden = $("skip-send").hidden = true;
  skipDialog.showModal();
}

function inDialog(event) {
  const reasons = [...skipDialog.querySelectorAll("[data-reason]")];
  if (!skipDialog.open) return;
  if (event.target === proposal) {
    if (event.key === "Enter") { event.preventDefault(); chooseReason("not_in_list"); }
  } else if (/^[1-4]$/.test(event.key)) {
    event.preventDefault();
    chooseReason(reasons[Number(event.key) - 1].dataset.reason);
  }
}

// Zoom and pan: keys, wheel, drag, pinch.
function drawZoom() {
  const room = (zoom.scale - 1) / 2;
  zoom.x = Math.max(-room, Math.min(room, zoom.x));
  zoom.y = Math.max(-room, Math.min(room, zoom.y));
  photo.style.transform = zoom.scale === 1 ? "" : `translate(${100 * zoom.x}%, ${100 * zoom.y}%) scale(${zoom.scale})`;
  frame.classList.toggle("zoomed", zoom.scale > 1);
}

function zoomBy(factor, event) {
  const before = zoom.scale;
  zoom.scale = Math.max(1, Math.min(8, zoom.scale * factor));
  if (event) { // keep what is below the pointer where it is
    const box = frame.getBoundingClientRect();
    const across = (event.clientX - box.left) / box.width - 0.5, down = (event.clientY - box.top) / box.height - 0.5;
    zoom.x = across - (across - zoom.x) * (zoom.scale / before);
    zoom.y = down - (down - zoom.y) * (zoom.scale / before);
  }
  drawZoom();
  if (zoom.scale > 1 && current) photo.src = address(current.image_id, sides.at(-1));
}

function resetZoom() {
  Object.assign(zoom, { scale: 1, x: 0, y: 0 });
  drawZoom();
}

function pan(x, y) {
  zoom.x += x;
  zoom.y += y;
  drawZoom();
}

function onPointer(event) {
  if (event.target.closest("button")) return;
  const before = new Map(zoom.pointers);
  const box = frame.getBoundingClientRect();
  if (event.type === "pointerdown") frame.setPointerCapture(event.pointerId);
  if (event.type === "pointerup" || event.type === "pointercancel") { zoom.pointers.delete(event.pointerId); return; }
  if (event.type === "pointermove" && !before.has(event.pointerId)) return;
  zoom.pointers.set(event.pointerId, event);
  if (event.type !== "pointermove") return;
  const apart = (points) => Math.hypot(points[0].clientX - points[1].clientX, points[0].clientY - points[1].clientY);
  const last = before.get(event.pointerId);
  if (zoom.pointers.size === 2) zoomBy(apart([...zoom.pointers.values()]) / Math.max(apart([...before.values()]), 1), event);
  else if (zoom.scale > 1) pan((event.clientX - last.clientX) / box.width, (event.clientY - last.clientY) / box.height);
}

// Keys: every action once; digits are the labels'.
const KEYS = keyMap([
  [["Enter"], () => save("labels")], [["n"], () => save("none")], [["c"], () => save("cannot_tell")],
  [["s"], openSkip], [["z"], back], [["w"], explain], [["?"], () => helpDialog.showModal()], [["/"], () => filter?.focus()],
  [["+", "="], () => zooms.in()], [["-"], () => zooms.out()], [["Escape"], escape],
  [["ArrowLeft"], () => pan(0.1, 0)], [["ArrowRight"], () => pan(-0.1, 0)],
  [["ArrowUp"], () => pan(0, 0.1)], [["ArrowDown"], () => pan(0, -0.1)],
]);

function keyMap(actions) {
  const found = new Map();
  for (const [keys, action] of actions) {
    for (const key of keys) {
      if (found.has(key) || /^\d$/.test(key)) throw new Error(`Two actions on the key ${key}`);
      found.set(key, action);
    }
  }
  return found;
}

function onKey(event) {
  if (event.ctrlKey || event.altKey || event.metaKey || event.isComposing) return;
  if (document.querySelector("dialog[open]")) { inDialog(event); return; }
  if (event.target === filter) { inFilter(event); return; }
  if (event.target.matches("input:not([type=checkbox]):not([type=radio]), textarea, select, summary")) return;
  // Some keyboards have / and ? on a digit; with Caps Lock a letter comes as a capital.
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const digit = /[/?]/.test(key) ? null : /^(?:Digit|Numpad)(\d)$/.exec(event.code);
  if (/^\d$/.test(event.key) || (digit && event.shiftKey)) {
    const number = Number(/^\d$/.test(event.key) && !event.shiftKey ? event.key : digit[1]);
    toggle((number + 9) % 10 + (event.shiftKey ? 10 : 0));
  } else if (event.key.startsWith("Arrow") && zoom.scale === 1) {
    return;
  } else if (KEYS.has(key) && !(key === "Enter" && event.target.matches("button, a"))) {
    if (!event.repeat || key.startsWith("Arrow")) KEYS.get(key)();
  } else {
    return;
  }
  event.preventDefault();
}

document.addEventListener("keydown", onKey);
form.addEventListener("submit", (event) => {
  event.preventDefault();
  event.submitter?.blur(); // or the next Enter would press this button again
  save(event.submitter?.value || "labels");
});
for (const [id, action] of [["skip", openSkip], ["why", explain], ["help", () => helpDialog.showModal()]]) {
  $(id).hidden = false;
  $(id).addEventListener("click", () => { $(id).blur(); action(); });
}
$("resume").hidden = false;
$("resume").addEventListener("click", (event) => { event.currentTarget.blur(); show(queue.shift() || null); });
$("back").addEventListener("click", (event) => { event.currentTarget.blur(); back(event); });
$("skip-cancel").addEventListener("click", () => skipDialog.close());
$("help-close").addEventListener("click", () => helpDialog.close());
$("skip-send").addEventListener("click", () => chooseReason("not_in_list"));
for (const button of skipDialog.querySelectorAll("[data-reason]")) button.addEventListener("click", () => chooseReason(button.dataset.reason));
const zooms = { in: () => zoomBy(1.4), out: () => zoomBy(1 / 1.4), reset: resetZoom };
frame.querySelector(".zoom").hidden = false;
for (const button of frame.querySelectorAll("[data-zoom]")) button.addEventListener("click", () => { button.blur(); zooms[button.dataset.zoom](); });
for (const type of ["pointerdown", "pointermove", "pointerup", "pointercancel"]) frame.addEventListener(type, onPointer);
frame.addEventListener("wheel", (event) => { event.preventDefault(); zoomBy(Math.exp(-event.deltaY / 400), event); }, { passive: false });
frame.addEventListener("dblclick", (event) => {
  if (event.target.closest("button")) return; // two quick presses of + are no double click
  if (zoom.scale > 1) resetZoom();
  else zoomBy(2.5, event);
});
filter?.addEventListener("input", narrow);
photo.addEventListener("error", () => { photo.hidden = true; $("missing").hidden = false; });
addEventListener("online", send);
addEventListener("beforeunload", (event) => { if (pending().length) event.preventDefault(); });
setInterval(() => { if (!current && !document.hidden) fetchNext().catch(() => {}); }, POLL_MS);
setInterval(() => {
  const tokens = [current, ...queue].filter((row) => row?.token && !row.answer_id).map((row) => row.token);
  if (tokens.length && !document.hidden) call("/api/heartbeat", { tokens }).catch(() => {});
}, HEARTBEAT_MS);

// After a reload the server may still show a photo whose answer is on its way.
const first = JSON.parse(work.dataset.answered || work.dataset.photo || "null");
if (first) {
  show(!first.answer_id && pending().some((answer) => answer.token === first.token) ? null : first);
}
countSpeed();
send();
call("/api/history").then(({ found }) => { history = [...history, ...found.answers]; drawHistory(); }).catch(() => {});
fetchNext().catch(() => {});
