// Elements, icons, notices and dialogs. Text from outside only ever becomes text: nothing here writes HTML.

const SVG = "http://www.w3.org/2000/svg";
const ICONS = {
  play: "M7 4.5v15l12-7.500z",
  pause: "M6.500 4.500h4v15h-4zM13.500 4.500h4v15h-4z",
  next: "M5 5v14l9.500-7zM16 5h3v14h-3z",
  previous: "M19 5v14l-9.500-7zM5 5h3v14H5z",
  yes: "M9.500 17.800 4 12.300l1.800-1.800 3.700 3.700 8.700-8.700L20 7.300z",
  no: "m6.300 4.500 5.700 5.700 5.700-5.700 1.800 1.800-5.700 5.700 5.700 5.700-1.800 1.800-5.700-5.700-5.700 5.700-1.800-1.800 5.700-5.700-5.700-5.700z",
  sun: "M12 7.500a4.500 4.500 0 1 1 0 9 4.500 4.500 0 0 1 0-9zM11 2h2v3h-2zM11 19h2v3h-2zM2 11h3v2H2zM19 11h3v2h-3zM5.600 4.200l2.100 2.100-1.400 1.400-2.100-2.100zM17.700 16.300l2.100 2.100-1.400 1.400-2.100-2.100zM18.400 4.200l1.400 1.400-2.100 2.100-1.400-1.400zM6.300 16.300l1.400 1.400-2.100 2.100-1.400-1.400z",
  moon: "M20 14.500A8.500 8.500 0 0 1 9.500 4a8.500 8.500 0 1 0 10.500 10.500z",
  volume: "M4 9v6h4l5 4.500v-15L8 9zM15.500 8.500a5 5 0 0 1 0 7l1.300 1.300a6.800 6.800 0 0 0 0-9.600z",
};

/** Make an element: `el("a.link", { href: "#/", onclick }, "text", child)`; attributes that are null or false are left out. */
export function el(name, attributes = {}, ...children) {
  const [tag, ...classes] = name.split(".");
  const made = document.createElement(tag);
  if (classes.length) made.className = classes.join(" ");
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (key === "class") made.classList.add(...value.split(" ").filter(Boolean));
    else if (key === "style") for (const [name, one] of Object.entries(value)) made.style.setProperty(name, one);
    else if (key === "value" || key === "checked" || key === "disabled" || key === "hidden") made[key] = value;
    else made.setAttribute(key, value === true ? "" : String(value));
  }
  made.append(...children.flat(Infinity).filter((one) => one !== null && one !== undefined && one !== false));
  return made;
}

/** Make a picture of one of the shapes above; whoever cannot see it is told by the element around it. */
export function icon(name) {
  const made = document.createElementNS(SVG, "svg");
  made.setAttribute("viewBox", "0 0 24 24");
  made.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", ICONS[name]);
  made.append(path);
  return made;
}

/** Make a button with an icon and no text. */
export function iconButton(name, label, onclick, attributes = {}) {
  return el("button.icon.quiet", { type: "button", "aria-label": label, title: label, onclick, ...attributes }, icon(name));
}

/** Make a button. */
export function button(text, onclick, attributes = {}) {
  return el("button", { type: "button", onclick, ...attributes }, text);
}

/** Replace what an element holds. */
export function fill(element, ...children) {
  element.replaceChildren(...children.flat(Infinity).filter((one) => one !== null && one !== undefined && one !== false));
  return element;
}

/** Tell the user something for a while; `action` is a text and what it does. */
export function notice(text, { hint = null, action = null, bad = false } = {}) {
  const box = el("div.notice", { class: bad ? "bad" : "" }, el("p", {}, text, hint && el("small", {}, hint)));
  const close = () => box.remove();
  if (action) box.append(button(action.text, () => { close(); action.run(); }, { class: "small" }));
  box.append(iconButton("no", "Close", close));
  document.getElementById("notices").append(box);
  if (!bad) setTimeout(close, action ? 15000 : 6000);
}

/** Tell the user of an error. */
export function tell(error) {
  if (error.name === "AbortError") return;
  notice(error.message, { hint: error.hint, bad: true });
}

/** Say in the page why something is not there. */
export function failed(error, retry = null) {
  return el("div.empty", { role: "alert" }, el("h2", {}, error.message), error.hint && el("p", {}, error.hint),
    retry && button("Try again", retry));
}

/** Say in the page that something is on its way. */
export function waiting(text = "One moment…") {
  return el("p.waiting", { role: "status" }, el("span.spinner", { "aria-hidden": "true" }), text);
}

/** Open a dialog; returns how to close it. Escape and a click beside it do, too. */
export function dialog(heading, content, { wide = false } = {}) {
  const box = el("dialog", { class: wide ? "wide" : "", "aria-label": heading });
  const close = () => box.close();
  box.append(el("header", {}, el("h2", {}, heading), iconButton("no", "Close", close)), content);
  box.addEventListener("close", () => box.remove());
  box.addEventListener("click", (event) => { if (event.target === box) close(); });
  document.body.append(box);
  box.showModal();
  return close;
}

/** Make a labelled field of a form. */
export function field(label, input, hint = null) {
  const id = input.id || (input.id = `field-${Math.random().toString(36).slice(2, 9)}`);
  const help = hint && el("small", { id: `${id}-hint` }, hint);
  if (help) input.setAttribute("aria-describedby", help.id);
  return el("div.field", {}, el("label", { for: id }, label), input, help);
}
