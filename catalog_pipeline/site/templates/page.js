/* Search over INDEX, and the way of a column in the picture. It needs no server. */
"use strict";

const LIMIT = 40;
const input = document.getElementById("search");
const found = document.getElementById("found");
const count = document.getElementById("count");
const list = found.querySelector("ol");
const KEYS = INDEX.map(([name, , , description]) => [name.toLowerCase(), description.toLowerCase()]);

/* The lower, the nearer; Infinity where a word is found nowhere. */
function distance([name, description], words, kind) {
  let sum = kind === "column" ? 1 : 0;
  for (const word of words) {
    const last = name.slice(name.lastIndexOf(".") + 1);
    if (last === word || name === word) sum += 0;
    else if (last.startsWith(word)) sum += 2;
    else if (name.includes(word)) sum += 4;
    else if (description.includes(word)) sum += 8;
    else return Infinity;
  }
  return sum;
}

function search() {
  const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
  found.hidden = words.length === 0;
  const hits = words.length === 0 ? [] : KEYS.map((key, n) => [distance(key, words, INDEX[n][1]), n])
    .filter(([far]) => far < Infinity).sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  count.textContent = hits.length === 0 ? "Nothing is named or described so."
    : hits.length > LIMIT ? `The first ${LIMIT} of ${hits.length}` : `${hits.length} found`;
  list.replaceChildren(...hits.slice(0, LIMIT).map(([, n]) => hit(INDEX[n])));
}

function hit([name, kind, address, description]) {
  const link = document.createElement("a");
  link.href = address;
  for (const [tag, text] of [["b", name], ["small", kind], ["span", description]]) {
    link.appendChild(document.createElement(tag)).textContent = text;
  }
  link.addEventListener("click", () => { input.value = ""; search(); });
  const item = document.createElement("li");
  item.append(link);
  return item;
}

function move(step) {
  const links = [...list.querySelectorAll("a")];
  const next = links.indexOf(document.activeElement) + step;
  (next < 0 ? input : links[Math.min(next, links.length - 1)])?.focus();
}

input.addEventListener("input", search);
document.addEventListener("keydown", (event) => {
  const typing = /^(INPUT|TEXTAREA)$/.test(document.activeElement.tagName);
  if (event.key === "/" && !typing) { event.preventDefault(); input.focus(); input.select(); }
  if (found.hidden) return;
  if (event.key === "ArrowDown") { event.preventDefault(); move(1); }
  if (event.key === "ArrowUp") { event.preventDefault(); move(-1); }
  if (event.key === "Enter" && typing) list.querySelector("a")?.click();
  if (event.key === "Escape") { input.value = ""; search(); input.focus(); }
});
document.addEventListener("click", (event) => { if (!event.target.closest(".search")) found.hidden = true; });
input.addEventListener("focus", search);

const picture = document.querySelector(".picture svg");
if (picture) {
  const edges = [...picture.querySelectorAll(".edge")];
  const cells = [...picture.querySelectorAll(".cell")];

  /* The numbers of the columns at any distance from one, in one direction. */
  const reached = (start, from, to) => {
    const numbers = new Set([start]);
    for (const number of numbers) {
      for (const edge of edges) if (edge.dataset[from] === number) numbers.add(edge.dataset[to]);
    }
    return numbers;
  };
  const show = (number) => {
    const before = reached(number, "to", "from"), after = reached(number, "from", "to");
    picture.classList.toggle("picked", number !== undefined);
    for (const cell of cells) {
      cell.classList.toggle("on", before.has(cell.dataset.number) || after.has(cell.dataset.number));
    }
    for (const edge of edges) {
      const { from, to } = edge.dataset;
      edge.classList.toggle("on", before.has(from) && before.has(to) || after.has(from) && after.has(to));
    }
  };
  const ofAddress = () => cells.find((cell) => cell.dataset.column && `#${cell.dataset.column}` === location.hash);
  const rest = () => show(ofAddress()?.dataset.number);
  for (const cell of cells) {
    for (const type of ["mouseenter", "focus"]) cell.addEventListener(type, () => show(cell.dataset.number));
    for (const type of ["mouseleave", "blur"]) cell.addEventListener(type, rest);
  }
  addEventListener("hashchange", rest);
  rest();
  const own = picture.querySelector(".own rect");
  const frame = picture.parentElement;
  frame.scrollLeft = own.x.baseVal.value + own.width.baseVal.value / 2 - frame.clientWidth / 2;
}
