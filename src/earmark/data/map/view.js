"use strict";
// What part of the map is seen, and the gestures that change it. A view has the place in the middle (x, y) and a scale in
// canvas pixels per unit of the map; y grows upwards.

function makeView(element, grid, { changed, resized, hovered, clicked }) {
  const view = { x: 0, y: 0, scale: 1, width: 1, height: 1, density: 1 };
  const still = matchMedia("(prefers-reduced-motion: reduce)");
  let flight = 0;

  function fitScale() {
    const margin = Math.min(60 * view.density, 0.08 * Math.min(view.width, view.height));
    const room = (side) => Math.max(side - 2 * margin, side * 0.6);
    const wide = Math.max(grid.right - grid.left, 1e-6);
    const high = Math.max(grid.top - grid.bottom, 1e-6);
    return Math.min(room(view.width - aside()) / wide, room(view.height) / high);
  }

  function set(x, y, scale) {
    const least = fitScale();
    view.scale = Math.max(least * 0.5, Math.min(least * 400, scale));
    const [beyondX, beyondY] = [view.width, view.height].map((side) => (0.4 * side) / view.scale); // some of it stays
    view.x = Math.max(grid.left - beyondX, Math.min(grid.right + beyondX, x));
    view.y = Math.max(grid.bottom - beyondY, Math.min(grid.top + beyondY, y));
    changed();
  }

  /** What the legend takes of the left side, in canvas pixels; nothing on a narrow screen. */
  const aside = () => (element.clientWidth > 900 ? 260 * view.density : 0);
  const middle = () => [(grid.left + grid.right - aside() / fitScale()) / 2, (grid.bottom + grid.top) / 2];

  function resize() {
    const near = (a, b) => Math.abs(a - b) * view.scale < 1;
    const whole = view.width === 1 || (Math.abs(view.scale / fitScale() - 1) < 1e-3 && near(view.x, middle()[0]) && near(view.y, middle()[1]));
    view.density = window.devicePixelRatio || 1;
    const width = Math.max(1, Math.round(element.clientWidth * view.density));
    const height = Math.max(1, Math.round(element.clientHeight * view.density));
    if (view.width === width && view.height === height) return;
    [view.width, view.height] = [width, height];
    for (const canvas of element.querySelectorAll("canvas")) {
      [canvas.width, canvas.height] = [view.width, view.height];
    }
    if (whole) set(...middle(), fitScale());
    resized();
  }

  /** Go to a view, in a quarter of a second or, for people who want no motion, at once. */
  function fly(x, y, scale, atOnce = still.matches) {
    cancelAnimationFrame(flight);
    if (atOnce) return set(x, y, scale);
    const from = { ...view };
    let begin = -1;
    const step = (now) => {
      if (begin < 0) begin = now;
      const part = Math.min(1, (now - begin) / 250);
      const eased = part * part * (3 - 2 * part);
      const mix = (a, b) => a + (b - a) * eased;
      set(mix(from.x, x), mix(from.y, y), from.scale * (scale / from.scale) ** eased);
      if (part < 1) flight = requestAnimationFrame(step);
    };
    flight = requestAnimationFrame(step);
  }

  /** Zoom such that a place on the screen (CSS pixels in the element) stays where it is. */
  function zoomAt(px, py, factor) {
    cancelAnimationFrame(flight);
    const [x, y] = toMap(px, py);
    set(view.x, view.y, view.scale * factor);
    const [nx, ny] = toMap(px, py);
    set(view.x + x - nx, view.y + y - ny, view.scale);
  }

  const toMap = (px, py) => [
    view.x + (px * view.density - view.width / 2) / view.scale,
    view.y - (py * view.density - view.height / 2) / view.scale,
  ];
  /** Where a place of the map is, in canvas pixels. */
  const toCanvas = (x, y) => [view.width / 2 + (x - view.x) * view.scale, view.height / 2 - (y - view.y) * view.scale];

  const centre = () => [element.clientWidth / 2, element.clientHeight / 2];

  // --- pointers: one drags, two pinch ---
  const pointers = new Map();
  let moved = 0;
  const place = (event) => {
    const box = element.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };

  element.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    if (!pointers.size) moved = 0;
    cancelAnimationFrame(flight);
    pointers.set(event.pointerId, place(event));
    element.setPointerCapture(event.pointerId);
  });
  element.addEventListener("pointermove", (event) => {
    const now = place(event);
    const before = pointers.get(event.pointerId);
    if (!before) return hovered(...now, event.pointerType === "touch");
    const [dx, dy] = [now[0] - before[0], now[1] - before[1]];
    moved += Math.hypot(dx, dy);
    if (pointers.size === 1 && moved < 5) return;
    if (pointers.size === 2) {
      const [id] = [...pointers.keys()].filter((key) => key !== event.pointerId);
      const other = pointers.get(id);
      const spread = (p) => Math.max(Math.hypot(p[0] - other[0], p[1] - other[1]), 10);
      zoomAt((now[0] + other[0]) / 2, (now[1] + other[1]) / 2, spread(now) / spread(before));
    }
    const share = view.density / view.scale / pointers.size;
    element.classList.add("dragged");
    set(view.x - dx * share, view.y + dy * share, view.scale);
    pointers.set(event.pointerId, now);
  });
  const released = (event) => {
    const was = pointers.delete(event.pointerId);
    element.classList.remove("dragged");
    if (was && !pointers.size && event.type === "pointerup" && moved < 5) clicked(...place(event), event.pointerType === "touch");
  };
  element.addEventListener("pointerup", released);
  element.addEventListener("pointercancel", released);
  element.addEventListener("pointerleave", () => hovered(-1e4, -1e4, false));
  element.addEventListener(
    "wheel",
    (event) => {
      event.preventDefault();
      const lines = event.deltaMode === 1 ? 16 : event.deltaMode === 2 ? 400 : 1;
      const step = Math.max(-240, Math.min(240, event.deltaY * lines));
      zoomAt(...place(event), Math.exp(-step * (event.ctrlKey ? 0.01 : 0.002)));
    },
    { passive: false },
  );
  new ResizeObserver(resize).observe(element);
  resize();

  return {
    view, set, fly, resize, toMap, toCanvas, centre, zoomAt, fitScale,
    fit: () => fly(...middle(), fitScale()),
    pan: (right, up) => set(view.x + (right * view.width) / view.scale, view.y + (up * view.height) / view.scale, view.scale),
    zoom: (factor) => fly(view.x, view.y, view.scale * factor),
    /** How much closer than the whole map this is. */
    depth: () => view.scale / fitScale(),
  };
}

/** Make an element; what is given as text is never read as HTML. */
function make(tag, facts = {}, ...children) {
  const element = Object.assign(document.createElement(tag), facts);
  element.append(...children);
  return element;
}

/**
 * Make a field with a list: type to choose from it, with arrows and Enter or a click. `list(text)` gives items of label,
 * note, category and value; `pick(value)` is told the choice; `closed()` that the list was left without one.
 */
function makeCombobox(input, list, { items, pick, closed = () => {}, shown = () => {} }) {
  let current = [];
  let at = -1;

  function highlight(next) {
    at = next;
    current.forEach(({ row }, i) => row.setAttribute("aria-selected", String(i === at)));
    if (at >= 0) {
      input.setAttribute("aria-activedescendant", current[at].row.id);
      current[at].row.scrollIntoView({ block: "nearest" });
    } else input.removeAttribute("aria-activedescendant");
  }

  function show() {
    const entries = items(input.value);
    list.replaceChildren();
    current = [];
    let category = "";
    for (const entry of entries) {
      if (entry.category && entry.category !== category) {
        category = entry.category;
        list.append(make("li", { role: "presentation", textContent: category }));
      }
      const row = make("li", { role: "option", id: `${list.id}-${current.length}`, textContent: entry.label, dir: "auto" });
      if (entry.note) row.append(make("small", { textContent: entry.note }));
      const place = current.push({ ...entry, row }) - 1;
      row.addEventListener("pointerdown", (event) => {
        event.preventDefault(); // the field keeps the focus
      });
      row.addEventListener("click", () => choose(place));
      list.append(row);
    }
    list.hidden = !entries.length;
    input.setAttribute("aria-expanded", String(!list.hidden));
    highlight(-1);
    shown(input.value);
  }

  function hide() {
    list.hidden = true;
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
  }

  function choose(place) {
    const { value } = current[place];
    hide();
    pick(value);
  }

  input.addEventListener("input", show);
  input.addEventListener("click", show);
  input.addEventListener("blur", () => {
    hide();
    closed();
  });
  input.addEventListener("keydown", (event) => {
    const move = { ArrowDown: 1, ArrowUp: -1, PageDown: 8, PageUp: -8 }[event.key];
    if (move) {
      event.preventDefault();
      if (list.hidden) show();
      if (current.length) highlight(Math.max(0, Math.min(current.length - 1, at + move)));
    } else if (event.key === "Enter" && !list.hidden && current.length) {
      choose(Math.max(at, 0));
    } else if (event.key === "Escape") {
      event.preventDefault();
      hide();
      closed(true);
    }
  });
  return { show, hide };
}
