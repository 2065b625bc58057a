// The owner's page by keys: one item at a time, the digits are the labels'.
const items = [...document.querySelectorAll("[data-item]")];
let place = 0;

function mark(next) {
  items[place].removeAttribute("aria-current");
  place = next;
  items[place].setAttribute("aria-current", "true");
}

function show(next) {
  if (!items[next]) return;
  mark(next);
  items[place].focus({ preventScroll: true });
  items[place].scrollIntoView({ block: "nearest" });
}

function toggle(number) {
  const box = items[place].querySelectorAll("input[name=labels]")[number];
  if (box) box.checked = box.type === "radio" ? true : !box.checked;
}

const press = (selector) => items[place].querySelector(selector)?.click();
const KEYS = new Map([
  ["j", () => show(place + 1)], ["ArrowDown", () => show(place + 1)],
  ["k", () => show(place - 1)], ["ArrowUp", () => show(place - 1)],
  ["Enter", () => press("button[value=labels]")], ["n", () => press("button[value=none]")],
  ["c", () => press("button[value=cannot_tell]")], ["a", () => press("button[data-accept]")],
]);

document.addEventListener("keydown", (event) => {
  if (event.target.matches("input:not([type=checkbox], [type=radio]), textarea, select")) return;
  if (!items.length || event.ctrlKey || event.altKey || event.metaKey || event.isComposing) return;
  const digit = /^(?:Digit|Numpad)(\d)$/.exec(event.code);
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if (digit && (event.shiftKey || /^\d$/.test(event.key))) {
    toggle((Number(digit[1]) + 9) % 10 + (event.shiftKey ? 10 : 0));
  } else if (KEYS.has(key) && !event.repeat && !(key === "Enter" && event.target.matches("button, a, input"))) {
    KEYS.get(key)();
  } else {
    return;
  }
  event.preventDefault();
});
// Whoever comes by Tab or by mouse is where they clicked.
for (const [number, item] of items.entries()) item.addEventListener("focusin", () => mark(number));
if (items.length) show(0);
