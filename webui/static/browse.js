// The gallery: only the rows in sight are there, the next page is fetched before it is needed, keys for everything.
const $ = (id) => document.getElementById(id);
const gallery = $("gallery"), tiles = $("tiles"), around = $("window"), state = $("state");
const texts = JSON.parse(gallery.dataset.texts);
const photos = JSON.parse(gallery.dataset.photos);
const most = Number(gallery.dataset.most);
const chosen = new Set();
const ROWS_AHEAD = 4, LIMIT = 120, SIDES = [160, 640];

let after = gallery.dataset.more ? gallery.dataset.after : "";
let loading = false;
let current = 0; // the photo that keys act on
let drawn = [0, tiles.children.length];

const text = (key, values = {}) => texts[key].replace(/\{(\w+)\}/g, (_, name) => values[name]);
const say = (message, bad = false) => { state.textContent = message; state.classList.toggle("bad", bad); };

function caption(photo) {
  if (photo.labels) return photo.labels.join(", ") || text("none");
  if (photo.predicted) return `${photo.predicted.join(", ") || text("none")}? ${Math.round(100 * photo.probability)} %`;
  return "";
}

function make(name, values, ...inside) {
  const element = Object.assign(document.createElement(name), values);
  element.append(...inside);
  return element;
}

function tile(photo, place) {
  const wanted = (tiles.firstElementChild?.clientWidth || 160) * devicePixelRatio;
  const side = SIDES.find((known) => known >= wanted * 0.8) || SIDES.at(-1);
  const box = make("input", { type: "checkbox", name: "image_ids", value: photo.image_id, checked: chosen.has(photo.image_id) });
  box.dataset.place = place;
  box.tabIndex = place === current ? 0 : -1;
  const picture = make("img", { src: `/photos/${photo.image_id}?side=${side}`, alt: text("photo number", { number: place + 1 }), decoding: "async" });
  const words = make("span", { className: photo.labels ? "caption" : "caption guess", textContent: caption(photo), dir: "auto" });
  const marks = photo.states.filter((name) => ["disputed", "suspected", "waiting"].includes(name)).map((name) => make("span", { className: "mark", textContent: text(`state ${name}`) }));
  const like = make("a", { className: "like", href: `/browse?like=${photo.image_id}`, title: text("like"), textContent: "≈", tabIndex: -1 });
  like.setAttribute("aria-label", text("like number", { number: place + 1 }));
  const item = make("li", { className: "tile" }, make("label", {}, box, picture, words), make("span", { className: "marks" }, ...marks), like);
  item.setAttribute("aria-posinset", place + 1);
  item.setAttribute("aria-setsize", after ? -1 : photos.length);
  return item;
}

// Which rows are in sight follows from where the window is, all tiles being equally high.
function measure() {
  const style = getComputedStyle(tiles);
  const gap = parseFloat(style.rowGap);
  return { columns: style.gridTemplateColumns.split(" ").length, row: parseFloat(style.gridAutoRows) + gap };
}

function draw(anew = false) {
  const { columns, row } = measure();
  const rows = Math.ceil(photos.length / columns);
  const top = Math.max(0, -around.getBoundingClientRect().top);
  const first = Math.min(Math.max(0, Math.floor(top / row) - ROWS_AHEAD), Math.max(0, rows - 1));
  const last = Math.min(rows, Math.ceil((top + innerHeight) / row) + ROWS_AHEAD);
  around.style.height = `${rows * row}px`;
  tiles.style.transform = `translateY(${first * row}px)`;
  const range = [first * columns, Math.min(photos.length, last * columns)];
  if (anew || range[0] !== drawn[0] || range[1] !== drawn[1]) {
    const focused = document.activeElement?.dataset?.place;
    const known = new Map([...tiles.children].map((item) => [item.querySelector("input").value, item]));
    const keep = (photo, place) => (anew ? null : known.get(photo.image_id)) || tile(photo, place);
    tiles.replaceChildren(...photos.slice(...range).map((photo, place) => keep(photo, range[0] + place)));
    drawn = range;
    if (focused !== undefined) box(Number(focused))?.focus({ preventScroll: true });
    // The photo that keys act on may be out of sight: Tab then comes to the first that is there.
    if (!tiles.querySelector("input[tabindex='0']")) tiles.querySelector("input")?.setAttribute("tabindex", 0);
  }
  if (after && (rows - last) * row < 2 * innerHeight) more();
}

const box = (place) => tiles.querySelector(`input[data-place="${place}"]`);

async function more() {
  if (loading) return;
  loading = true;
  // What the first page was asked for, not what has been typed since.
  const asked = new URLSearchParams([...new URLSearchParams(location.search)].filter(([, value]) => value));
  asked.delete("queued");
  asked.set("after", after);
  asked.set("limit", LIMIT);
  try {
    const response = await fetch(`/api/browse?${asked}`);
    const found = await response.json();
    if (!response.ok) throw new Error(found.error);
    photos.push(...found.photos);
    after = found.after;
    loading = false;
    draw();
  } catch (error) {
    say(error.message, true);
    setTimeout(() => { loading = false; draw(); }, 3000);
  }
}

function move(by) {
  if (!photos.length) return;
  const wanted = Math.max(0, Math.min(photos.length - 1, current + by));
  const { columns, row } = measure();
  const top = around.getBoundingClientRect().top + Math.floor(wanted / columns) * row;
  const bar = document.querySelector(".bar").offsetHeight;
  if (top < 0) scrollBy(0, top - 8);
  else if (top + row > innerHeight - bar) scrollBy(0, top + row - innerHeight + bar + 8);
  draw();
  current = wanted;
  box(wanted)?.focus({ preventScroll: true }); // which makes it the one that Tab comes back to
}

function choose(place, on = !chosen.has(photos[place]?.image_id)) {
  if (!photos[place]) return;
  if (on) chosen.add(photos[place].image_id);
  else chosen.delete(photos[place].image_id);
  const its = box(place);
  if (its) its.checked = on;
  count();
}

function count() {
  $("chosen").textContent = text("chosen", { count: chosen.size });
  $("send").disabled = !chosen.size;
}

function chooseAll(on) {
  chosen.clear();
  if (on) for (const photo of photos.slice(0, most)) chosen.add(photo.image_id);
  for (const its of tiles.querySelectorAll("input")) its.checked = chosen.has(its.value);
  count();
}

async function send() {
  if (!chosen.size) { say(text("choose photos"), true); return; }
  const ids = [...chosen].slice(0, most);
  $("send").disabled = true;
  try {
    const response = await fetch("/api/browse/queue", {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-CSRFToken": gallery.dataset.token },
      body: JSON.stringify({ image_ids: ids }),
    });
    const found = await response.json();
    if (!response.ok) throw new Error(found.error);
    say(text("sent", { count: found.queued }) + (found.waiting ? ` ${text("sent before", { count: found.waiting })}` : ""));
    // What waits for an answer tells nothing any more.
    const hidden = { labels: null, predicted: null, probability: null, uncertainty: null, states: ["asked", "waiting"] };
    for (const photo of photos) if (chosen.has(photo.image_id)) Object.assign(photo, hidden);
    chooseAll(false);
    draw(true);
  } catch (error) {
    say(error.message, true);
    count();
  }
}

function open() {
  const photo = photos[current];
  if (!photo) return;
  $("large-photo").src = `/photos/${photo.image_id}?side=1280`;
  $("large-caption").textContent = caption(photo);
  $("large").showModal();
}

const KEYS = new Map([
  ["ArrowLeft", () => move(-1)], ["ArrowRight", () => move(1)],
  ["ArrowUp", () => move(-measure().columns)], ["ArrowDown", () => move(measure().columns)],
  ["Home", () => move(-photos.length)], ["End", () => move(photos.length)],
  ["x", () => choose(current)], ["a", () => chooseAll(true)], ["Escape", () => chooseAll(false)],
  ["s", send], ["o", open], ["?", () => $("help-dialog").showModal()], ["/", () => $("q").focus()],
  ["m", () => { if (photos[current]) location.href = `/browse?like=${photos[current].image_id}`; }],
]);

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey || event.isComposing || document.querySelector("dialog[open]")) return;
  if (event.target.matches("input:not([type=checkbox]), select")) { if (event.key === "Escape") event.target.blur(); return; }
  const action = KEYS.get(event.key.length === 1 ? event.key.toLowerCase() : event.key);
  if (!action) return;
  event.preventDefault();
  action();
});
tiles.addEventListener("change", (event) => choose(Number(event.target.dataset.place), event.target.checked));
tiles.addEventListener("focusin", (event) => {
  if (event.target.dataset.place === undefined) return;
  current = Number(event.target.dataset.place);
  for (const its of tiles.querySelectorAll("input")) its.tabIndex = its === event.target ? 0 : -1;
});
gallery.addEventListener("submit", (event) => { event.preventDefault(); send(); });
for (const select of $("filters").querySelectorAll("select")) select.addEventListener("change", () => $("filters").requestSubmit());
for (const [id, action] of [["all", () => chooseAll(true)], ["none", () => chooseAll(false)], ["keys", () => $("help-dialog").showModal()]]) {
  $(id).hidden = false;
  $(id).addEventListener("click", action);
}
for (const name of ["help", "large"]) $(`${name}-close`).addEventListener("click", (event) => event.target.closest("dialog").close());
// Nothing empty in the address, and so nothing that the server would have to pass by.
$("filters").addEventListener("submit", () => { for (const field of $("filters").elements) field.disabled = field.name && !field.value; });
addEventListener("pageshow", () => { for (const field of $("filters").elements) field.disabled = false; });
addEventListener("scroll", () => draw(), { passive: true });
addEventListener("resize", () => draw());
count();
draw(true);
