// Elements. Whatever comes from the data goes in as text, never as markup.

const data = JSON.parse(document.getElementById("data").textContent);

/** What the reader chose: a network, an organisation, some that are hidden; functions that redraw what depends on them. */
const state = { network: 0, arch: data.archs.length - 1, hidden: new Set(), listeners: [] };

const network = () => data.networks[state.network];
const images = () => network().images.length;
const shownArchs = () => data.archs.map((_, i) => i).filter((i) => !state.hidden.has(i));

function changed() {
  for (const listener of state.listeners) listener();
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "on") for (const [event, call] of Object.entries(value)) element.addEventListener(event, call);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  for (const child of children.flat()) if (child !== null && child !== undefined) element.append(child);
  return element;
}

/** Make an HTML element; children are nodes or text. */
const h = (tag, attributes, ...children) => fill(document.createElement(tag), attributes, children);

/** Make an SVG element. */
const s = (tag, attributes, ...children) =>
  fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);

/** Make a part of a view: a heading, an explanation, what follows. */
function card(title, explanation, ...children) {
  return h(
    "section",
    { class: "card" },
    h("h2", {}, title),
    explanation ? h("p", { class: "note" }, explanation) : null,
    ...children,
  );
}

const missing = (text) => h("p", { class: "missing" }, text);
