// The page without a reload: keys, prefetch, and answers that are kept until the server has them.
const work = document.getElementById("work");
const empty = document.getElementById("empty");
const form = document.getElementById("answer");
const photo = document.getElementById("photo");
const missing = document.getElementById("missing");
const state = document.getElementById("state");
const filter = document.getElementById("filter");
const choices = [...form.querySelectorAll("input[name=labels]")];
const pendingKey = `al-fashion pending ${work.dataset.labeller}`;
const ACTIONS = { n: "none", s: "skip" };
const POLL_MS = 3000;

let current = work.dataset.query ? { query_id: Number(work.dataset.query), image_id: work.dataset.image } : null;
let queue = [];
let sending = false;

function say(text, bad = false) {
  state.textContent = text;
  state.classList.toggle("bad", bad);
}

// Pending answers outlive a reload, a crash and a server that is away.
function pending() {
  return JSON.parse(localStorage.getItem(pendingKey) || "[]");
}

function keep(answers) {
  localStorage.setItem(pendingKey, JSON.stringify(answers));
}

function newId() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

function preload(next) {
  if (next) {
    const picture = new Image();
    picture.src = `/photos/${next.image_id}`;
    picture.decode().catch(() => {});
  }
}

function show(next) {
  current = next;
  work.hidden = !next;
  // While answers are on their way, more photos may be too.
  empty.hidden = Boolean(next) || pending().length > 0;
  document.getElementById("correcting")?.remove();
  document.getElementById("back").href = "/previous";
  delete work.dataset.correcting;
  for (const choice of choices) choice.checked = false;
  if (filter) { filter.value = ""; narrow(); }
  if (!next) return;
  missing.hidden = true;
  photo.hidden = false;
  photo.src = `/photos/${next.image_id}`;
  form.elements.query_id.value = next.query_id;
}

function progress(counts) {
  const waiting = pending().length;
  const done = Math.min(counts.all, counts.done + waiting);
  document.getElementById("bar").max = counts.all || 1;
  document.getElementById("bar").value = done;
  document.getElementById("progress").textContent = `${done} / ${counts.all}`;
}

// Photos that were just answered may still be in the server's list: leave them out.
function refill(photos) {
  const known = new Set(pending().map((answer) => answer.query_id));
  if (current) known.add(current.query_id);
  queue = photos.filter((next) => !known.has(next.query_id));
  preload(queue[0]);
  if (!current) show(queue.shift() || null);
}

async function fetchNext() {
  const without = current ? `?without=${current.query_id}` : "";
  const response = await fetch(`/next${without}`);
  if (!response.ok) return;
  const found = await response.json();
  progress(found.progress);
  refill(found.next);
}

async function send() {
  if (sending) return;
  sending = true;
  let wait = 500;
  while (pending().length) {
    const answer = pending()[0];
    say("Saving…");
    try {
      const response = await fetch("/answers", {
        method: "POST",
        headers: { "Content-Type": "application/json", "X-CSRFToken": work.dataset.token },
        body: JSON.stringify(answer),
      });
      if (response.status >= 500) throw new Error("server");
      const found = await response.json();
      if (response.status === 403) { say(found.error, true); break; }
      keep(pending().filter((kept) => kept.client_id !== answer.client_id));
      if (!response.ok) { say(found.error, true); continue; }
      say("Saved");
      progress(found.progress);
      refill(found.next);
      wait = 500;
    } catch {
      say(`Not saved yet: ${pending().length} waiting, trying again`, true);
      await new Promise((resolve) => setTimeout(resolve, wait));
      wait = Math.min(2 * wait, 5000);
    }
  }
  sending = false;
}

function save(kind) {
  if (!current) return;
  const labels = kind === "labels" ? choices.filter((choice) => choice.checked).map((choice) => choice.value) : [];
  if (kind === "labels" && !labels.length) {
    say("Choose a label, or n for none of these, or s to skip", true);
    return;
  }
  keep([...pending(), { query_id: current.query_id, kind, labels, client_id: newId() }]);
  show(queue.shift() || null);
  preload(queue[0]);
  send();
}

function narrow() {
  const wanted = filter.value.trim().toLowerCase();
  for (const choice of choices) {
    choice.closest("label").hidden = !choice.value.toLowerCase().includes(wanted);
  }
}

function toggle(place) {
  const choice = choices[place];
  if (!choice) return;
  choice.checked = choice.type === "radio" ? true : !choice.checked;
  choice.closest("label").scrollIntoView({ block: "nearest" });
}

function inFilter(event) {
  if (event.key === "Enter") {
    event.preventDefault();
    const first = choices.findIndex((choice) => !choice.closest("label").hidden);
    if (filter.value.trim()) toggle(first);
    filter.value = "";
    narrow();
  } else if (event.key === "Escape") {
    filter.value = "";
    narrow();
    filter.blur();
  }
}

function onKey(event) {
  if (event.ctrlKey || event.altKey || event.metaKey) return;
  if (event.target === filter) { inFilter(event); return; }
  if (event.target.matches("input:not([type=checkbox]):not([type=radio]), textarea, summary")) return;
  const digit = /^(?:Digit|Numpad)(\d)$/.exec(event.code);
  if (digit || /^\d$/.test(event.key)) {
    const number = Number(/^\d$/.test(event.key) && !event.shiftKey ? event.key : digit[1]);
    toggle((number + 9) % 10 + (event.shiftKey ? 10 : 0));
  } else if (event.key === "/" && filter) {
    filter.focus();
  } else if (event.repeat) {
    return;
  } else if (event.key === "Enter" && !event.target.matches("button, a")) {
    save("labels");
  } else if (event.key === "z") {
    document.getElementById("back").click();
  } else if (ACTIONS[event.key]) {
    save(ACTIONS[event.key]);
  } else {
    return;
  }
  event.preventDefault();
}

async function back(event) {
  event.preventDefault();
  // The photo that was just answered is the one to go back to: wait until the server has it.
  while (pending().length) await new Promise((resolve) => setTimeout(resolve, 50));
  location.href = event.currentTarget?.href || document.getElementById("back").href;
}

document.addEventListener("keydown", onKey);
document.getElementById("back").addEventListener("click", back);
filter?.addEventListener("input", narrow);
photo.addEventListener("error", () => { photo.hidden = true; missing.hidden = false; });
form.addEventListener("submit", (event) => {
  event.preventDefault();
  save(event.submitter?.value || "labels");
});
addEventListener("online", send);
addEventListener("beforeunload", (event) => { if (pending().length) event.preventDefault(); });
setInterval(() => { if (!current) fetchNext().catch(() => {}); }, POLL_MS);

// After a reload the server may still show a photo whose answer is on its way.
if (current && pending().some((answer) => answer.query_id === current.query_id)) show(null);
send();
fetchNext().catch(() => {});
