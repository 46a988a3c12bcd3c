"use strict";
// The page of a map: reads what it carries, draws it, and answers the reader.

const $ = (id) => document.getElementById(id);
const SLOW = 16; // milliseconds for one picture
const colourNumber = (text) => parseInt(text.slice(1), 16);

async function readData() {
  const text = atob($("data").textContent);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  $("data").remove();
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return core.unpack(await new Response(stream).arrayBuffer());
}

/** Put a new canvas in the place of one: what was once asked for WebGL has no other way to be drawn on. */
function fresh(canvas) {
  const other = canvas.cloneNode();
  canvas.replaceWith(other);
  return other;
}

function startPage(data) {
  const grid = core.makeGrid(data.points);
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const wished = new URLSearchParams(location.hash.slice(1));
  const root = document.documentElement;
  const [over, tip, audio] = [$("over"), $("tip"), $("audio")];
  const pen = over.getContext("2d");
  let dots = wished.has("canvas") ? null : webglDots($("dots"), data.points);
  dots ??= canvasDots(fresh($("dots")), data.points);
  const rgba = new Uint8Array(4 * data.n);
  const state = { id: "", coloured: null, chosen: new Set(), least: 0, found: null, active: null, track: -1, hover: -1 };
  let theme = wished.get("theme") ?? (dark.matches ? "dark" : "light");
  let ink = {};
  let waiting = false;

  // --- drawing ---

  /** Draw without WebGL from now on if that is slow: then a processor does the work of a card, and we do it better. */
  function preferQuick() {
    if (dots.name !== "WebGL" || wished.has("webgl")) return;
    const timed = () => {
      const begin = performance.now();
      dots.draw(map.view, dotSize());
      dots.finish();
      return performance.now() - begin;
    };
    if (Math.min(timed(), timed(), timed()) < SLOW) return;
    dots = canvasDots(fresh($("dots")), data.points);
    repaint();
  }

  function redraw() {
    if (!waiting) requestAnimationFrame(draw);
    waiting = true;
  }

  /** The size of dots, in canvas pixels: larger where there are few, and slowly larger when the map comes closer. */
  function dotSize() {
    const base = Math.max(2.8, Math.min(14, 140 / Math.sqrt(data.n) + 2.4));
    return Math.min(18, base * map.depth() ** 0.4) * map.view.density;
  }

  function draw() {
    waiting = false;
    const size = dotSize();
    dots.draw(map.view, size);
    pen.clearRect(0, 0, over.width, over.height);
    pen.lineJoin = "round";
    drawLinks(size);
    if (state.found && state.found.length <= 200) for (const i of state.found) ring(i, size, 1.2);
    for (const i of [state.hover, state.track]) if (i >= 0) ring(i, size, i === state.track ? 3 : 2);
    const boxes = [...groupBoxes(), ...titleBoxes(size)];
    for (const box of core.apart(boxes)) write(box);
  }

  function drawLinks(size) {
    if (state.track < 0) return;
    pen.strokeStyle = ink.text;
    pen.globalAlpha = 0.45;
    pen.lineWidth = map.view.density;
    const [x, y] = canvasPlace(state.track);
    for (const i of nearest(state.track)) {
      pen.beginPath();
      pen.moveTo(x, y);
      pen.lineTo(...canvasPlace(i));
      pen.stroke();
    }
    pen.globalAlpha = 1;
    for (const i of nearest(state.track)) ring(i, size, 1.2);
  }

  function ring(i, size, width) {
    const density = map.view.density;
    pen.beginPath();
    pen.arc(...canvasPlace(i), size / 2 + (1 + width) * density, 0, 2 * Math.PI);
    pen.lineWidth = (width + 2) * density;
    pen.strokeStyle = ink.background;
    pen.stroke();
    pen.lineWidth = width * density;
    pen.strokeStyle = ink.text;
    pen.stroke();
  }

  const canvasPlace = (i) => map.toCanvas(data.points[2 * i], data.points[2 * i + 1]);
  const nearest = (i) => (data.neighbours ? data.neighbours.subarray(i * data.nNeighbours, (i + 1) * data.nNeighbours) : []);

  /** Where the names of groups would stand: those of the largest first. */
  function groupBoxes() {
    if (!data.groupPlaces || (state.coloured.kind !== "names" && map.depth() > 6)) return [];
    return data.groups.flatMap((name, g) => {
      const [x, y] = data.groupPlaces[g] ? map.toCanvas(...data.groupPlaces[g]) : [NaN, NaN];
      const shown = state.id !== "group" || !state.chosen.size || state.chosen.has(g);
      return shown && x > 0 && x < over.width && y > 0 && y < over.height ? [boxOf(name, x, y - dotSize() - 9 * map.view.density, 13, "600", true)] : [];
    });
  }

  /** Where titles would stand, once there are few enough dots on the screen to read them. */
  function titleBoxes(size) {
    const [x0, y1] = map.toMap(0, 0);
    const [x1, y0] = map.toMap(over.clientWidth, over.clientHeight);
    const few = core.dotsIn(grid, x0, y0, x1, y1, 60, state.active) ?? [];
    return few.map((i) => {
      const [x, y] = canvasPlace(i);
      return boxOf(short(data.titles[i]), x + size / 2 + 4 * map.view.density, y, 11.5, "400", false);
    });
  }

  const short = (title) => (title.length > 40 ? `${title.slice(0, 39)}…` : title);

  function boxOf(text, x, y, size, weight, centred) {
    const high = size * map.view.density;
    const font = `${weight} ${high}px system-ui, sans-serif`;
    pen.font = font;
    const wide = pen.measureText(text).width;
    const left = centred ? Math.max(6, Math.min(over.width - wide - 6, x - wide / 2)) : x;
    return { text, font, x: left, y, left: left - 4, right: left + wide + 4, top: y - high * 0.7, bottom: y + high * 0.7 };
  }

  function write({ text, font, x, y }) {
    pen.font = font;
    pen.textBaseline = "middle";
    pen.strokeStyle = ink.background;
    pen.lineWidth = 3 * map.view.density;
    pen.globalAlpha = 0.75;
    pen.strokeText(text, x, y);
    pen.globalAlpha = 1;
    pen.fillStyle = ink.text;
    pen.fillText(text, x, y);
  }

  // --- colours ---

  function setTheme() {
    root.dataset.theme = theme;
    const style = getComputedStyle(root);
    ink = { text: style.getPropertyValue("--text").trim(), background: style.getPropertyValue("--background").trim() };
    const { ramp, categories, circle } = data.palettes[theme];
    ink.ramp = ramp.map(colourNumber);
    ink.categories = categories.map(colourNumber);
    ink.circle = circle.map(colourNumber);
    const none = style.getPropertyValue("--none").trim();
    ink.none = colourNumber(none);
    repaint();
    showLegend();
  }

  function repaint() {
    state.active = core.activeDots(data.n, state.coloured, state);
    dots.colour(core.paint(state.coloured, state.active, ink, rgba), core.drawOrder(state.coloured, state.active));
    redraw();
  }

  function colourBy(id) {
    Object.assign(state, { id, coloured: core.colouring(data, id), chosen: new Set(), least: 0 });
    $("colour").value = state.coloured.label;
    repaint();
    showLegend();
  }

  function showLegend() {
    const inside = $("legend").querySelector(".inside");
    $("legend").querySelector("summary").textContent = state.coloured.label;
    inside.replaceChildren(...(state.coloured.kind === "scale" ? scaleLegend() : namesLegend()));
  }

  function scaleLegend() {
    const { coloured } = state;
    const ramp = make("canvas", { id: "ramp", width: 255, height: 1 });
    const brush = ramp.getContext("2d");
    data.palettes[theme].ramp.slice(0, 255).forEach((colour, x) => {
      brush.fillStyle = colour;
      brush.fillRect(x, 0, 1, 1);
    });
    const ticks = [0, 0.5, 1].map((part) => make("span", { textContent: coloured.write(part) }));
    const least = make("input", { type: "range", min: 0, max: 254, value: state.least, ariaLabel: `Show from this ${coloured.label} on` });
    const said = make("p");
    const say = () => {
      const shown = state.active.reduce((sum, on) => sum + on, 0);
      const what = coloured.isTag ? "score" : coloured.label.toLowerCase();
      said.textContent = state.least > 0 ? `${what} from ${coloured.write(state.least / 254)} on: ${tracks(shown)}` : what;
    };
    least.addEventListener("input", () => {
      state.least = Number(least.value);
      repaint();
      say();
    });
    say();
    const missing = coloured.places.reduce((sum, place) => sum + (place === core.UNKNOWN), 0);
    const note = missing ? [make("p", { textContent: `grey: not known of ${tracks(missing)}` })] : [];
    return [ramp, make("div", { className: "ticks" }, ...ticks), least, said, ...note];
  }

  function namesLegend() {
    const { coloured, chosen } = state;
    const rows = coloured.entries.filter((entry) => entry.count).map((entry) => {
      const swatch = make("i");
      swatch.style.background = data.palettes[theme][coloured.palette][entry.colour];
      const row = make("button", { className: "name", type: "button", title: entry.name }, swatch);
      row.append(make("span", { textContent: entry.name, dir: "auto" }), make("small", { textContent: entry.count.toLocaleString("en") }));
      row.setAttribute("aria-pressed", String(chosen.has(entry.number)));
      row.addEventListener("click", () => {
        if (!chosen.delete(entry.number)) chosen.add(entry.number);
        row.setAttribute("aria-pressed", String(chosen.has(entry.number)));
        repaint();
      });
      return row;
    });
    const notes = [];
    if (coloured.nOthers) notes.push(`grey: ${coloured.nOthers.toLocaleString("en")} others`);
    if (coloured.palette === "circle") notes.push("Keys that are near on the circle of fifths have near colours.");
    return [...rows, ...notes.map((textContent) => make("p", { textContent }))];
  }

  const tracks = (count) => `${count.toLocaleString("en")} ${count === 1 ? "track" : "tracks"}`;

  // --- tracks ---

  function dotNear(px, py, touch) {
    const reach = ((touch ? 22 : 9) * map.view.density + dotSize() / 2) / map.view.scale;
    return core.dotAt(grid, ...map.toMap(px, py), reach, state.active);
  }

  function hover(px, py, touch) {
    if (touch) return;
    const i = dotNear(px, py, false);
    $("map").classList.toggle("pointing", i >= 0);
    tip.hidden = i < 0;
    if (i >= 0) {
      const lines = [core.artistOf(data, i), core.valueOf(state.coloured, i)];
      lines.push(core.topTags(data, i, 4).map(({ tag, score }) => `${tag} ${score.toFixed(2)}`).join(" · "));
      tip.replaceChildren(make("b", { textContent: data.titles[i], dir: "auto" }));
      tip.append(...lines.filter(Boolean).map((textContent) => make("span", { textContent, dir: "auto" })));
      const left = Math.min(px + 14, $("map").clientWidth - tip.offsetWidth - 8);
      const above = py + 18 + tip.offsetHeight > $("map").clientHeight;
      tip.style.left = `${Math.max(8, left)}px`;
      tip.style.top = `${above ? Math.max(4, py - tip.offsetHeight - 12) : py + 16}px`;
    }
    if (i !== state.hover) {
      state.hover = i;
      redraw();
    }
  }

  function choose(i, { show = false, atOnce = undefined, play = $("auto").checked } = {}) {
    state.track = i;
    tip.hidden = true;
    showDetails(i, play);
    document.querySelector("main").classList.add("chosen");
    map.resize(); // on a narrow screen the details take half of it
    if (show) bring(i, atOnce);
    redraw();
    $("status").textContent = `${data.titles[i]}. ${core.artistOf(data, i)}`;
  }

  /** Bring a dot into the part of the view that the details leave free, if it is not there. */
  function bring(i, atOnce) {
    const beside = window.innerWidth > 700; // else the details stand below the map
    const wide = over.width - (beside ? $("details").offsetWidth * map.view.density : 0);
    const [x, y] = canvasPlace(i);
    if (x > 0.08 * wide && x < 0.92 * wide && y > 0.08 * over.height && y < 0.92 * over.height) return;
    const scale = Math.max(map.view.scale, map.fitScale() * Math.max(1, Math.min(3, Math.sqrt(data.n) / 25)));
    map.fly(data.points[2 * i] + (over.width - wide) / 2 / scale, data.points[2 * i + 1], scale, atOnce);
  }

  function showDetails(i, play) {
    $("title").textContent = data.titles[i];
    $("artist").textContent = core.artistOf(data, i);
    const known = (name) => data[name] && !Number.isNaN(data[name][i]);
    const facts = [known("year") && String(data.year[i]), known("duration") && core.clock(data.duration[i])];
    facts.push(known("bpm") && `${Math.round(data.bpm[i])} bpm`, core.keyOf(data, i), core.genreOf(data, i));
    facts.push(data.group && data.group[i] >= 0 && `group: ${data.groups[data.group[i]]}`);
    $("facts").textContent = facts.filter(Boolean).join(" · ");
    showPlayer(i, play);
    const tags = core.topTags(data, i, 8);
    $("heard").hidden = !tags.length;
    $("bars").replaceChildren(...tags.flatMap(({ tag, score }) => {
      const name = make("button", { type: "button", textContent: tag, title: `Colour by ${tag}` });
      name.addEventListener("click", () => colourBy(`tag:${tag}`));
      const bar = make("i");
      bar.style.width = `${Math.round(100 * score)}%`;
      return [name, make("div", {}, bar), make("span", { textContent: score.toFixed(2) })];
    }));
    const others = [...nearest(i)];
    $("alike").hidden = !others.length;
    $("near").replaceChildren(...others.map((other) => {
      const row = make("button", { type: "button", textContent: data.titles[other], dir: "auto" });
      row.append(make("small", { textContent: core.artistOf(data, other) }));
      row.addEventListener("click", () => choose(other, { show: true }));
      return make("li", {}, row);
    }));
    $("details").hidden = false;
    $("details").scrollTop = 0;
  }

  function showPlayer(i, play) {
    const url = core.urlOf(data, i);
    $("player").hidden = !url;
    $("nowhere").hidden = Boolean(url) || data.hasLinks;
    $("trouble").hidden = true;
    audio.pause();
    if (!url) return audio.removeAttribute("src");
    $("open").href = data.pages ? data.pages[i] : url;
    if (data.pages) {
      $("open").target = "_top"; // the page is shown inside another
      $("open").textContent = "Open the song";
    }
    audio.src = url;
    if (play) playIt();
  }

  const playIt = () => audio.play().catch((error) => complain(error.name));

  function complain(reason) {
    const said = core.trouble(reason, audio.getAttribute("src") ?? "", location.protocol);
    if (!said || state.track < 0) return;
    $("trouble").textContent = said;
    $("trouble").hidden = false;
  }

  function close() {
    audio.pause();
    state.track = -1;
    $("details").hidden = true;
    document.querySelector("main").classList.remove("chosen");
    map.resize();
    redraw();
  }

  // --- finding ---

  function find(text) {
    const found = core.search(data, text);
    state.found = text.trim() ? found : null;
    repaint();
    $("status").textContent = state.found ? `${tracks(found.length)} found` : "";
    return found;
  }

  const map = makeView($("map"), grid, {
    changed: redraw,
    resized: () => state.active && draw(), // at once: a canvas of a new size is empty
    hovered: hover,
    clicked: (px, py, touch) => {
      const i = dotNear(px, py, touch);
      if (i >= 0) choose(i);
      else close();
    },
  });

  const MOST_FOUND = 60;
  const searchBox = makeCombobox($("search"), $("found"), {
    items: (text) => {
      const found = find(text);
      const rows = found.slice(0, MOST_FOUND).map((i) => ({ label: data.titles[i], note: core.artistOf(data, i), value: i }));
      const head = found.length > MOST_FOUND ? `${tracks(found.length)}, the first ${MOST_FOUND}` : tracks(found.length);
      return rows.map((row) => ({ ...row, category: head }));
    },
    pick: (i) => {
      state.found = null; // one was meant: the others come back
      repaint();
      choose(i, { show: true });
      $("map").focus();
    },
    closed: (escaped) => {
      if (!escaped) return;
      $("search").value = "";
      find("");
      $("map").focus();
    },
  });

  const ways = core.colourings(data);
  makeCombobox($("colour"), $("colours"), {
    items: (text) => {
      const words = core.fold(text === state.coloured.label ? "" : text).split(/\s+/);
      const fits = ways.filter((way) => words.every((word) => core.fold(`${way.label} ${way.category}`).includes(word)));
      return fits.map((way) => ({ ...way, value: way.id }));
    },
    pick: (id) => {
      colourBy(id);
      $("map").focus();
    },
    closed: (escaped) => {
      $("colour").value = state.coloured.label;
      if (escaped) $("map").focus();
    },
  });
  $("colour").addEventListener("focus", () => $("colour").select());

  // --- keys and buttons ---

  const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };

  function middleDot() {
    return core.dotAt(grid, map.view.x, map.view.y, Infinity, state.active);
  }

  $("map").addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const arrow = ARROWS[event.key];
    if (arrow && event.shiftKey) {
      const i = state.track < 0 ? middleDot() : core.dotBeside(data.points, state.track, ...arrow, state.active);
      if (i >= 0) choose(i, { show: true, play: false });
    } else if (arrow) map.pan(arrow[0] * 0.12, arrow[1] * 0.12);
    else if (event.key === "+" || event.key === "=") map.zoom(1.5);
    else if (event.key === "-") map.zoom(1 / 1.5);
    else if (event.key === "0") map.fit();
    else if (event.key === "Enter" && state.track < 0) choose(middleDot(), { show: true });
    else if (event.key === "Enter") audio.paused ? playIt() : audio.pause();
    else return;
    event.preventDefault();
  });

  document.addEventListener("keydown", (event) => {
    const writing = event.target.matches?.("input:not([type=range]):not([type=checkbox])");
    if (writing || $("about").open || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Escape") {
      close();
      $("search").value = "";
      Object.assign(state, { chosen: new Set(), least: 0, found: null });
      repaint();
      showLegend();
    } else if (event.key === "/") {
      event.preventDefault();
      $("search").focus();
    } else if (event.key === "c") {
      event.preventDefault();
      $("colour").focus();
      $("colour").click();
    }
  });

  $("in").addEventListener("click", () => map.zoom(1.8));
  $("out").addEventListener("click", () => map.zoom(1 / 1.8));
  $("all").addEventListener("click", () => map.fit());
  $("close").addEventListener("click", close);
  $("more").addEventListener("click", () => $("about").showModal());
  $("theme").addEventListener("click", () => {
    theme = theme === "dark" ? "light" : "dark";
    setTheme();
  });
  dark.addEventListener("change", () => {
    theme = dark.matches ? "dark" : "light";
    setTheme();
  });
  audio.addEventListener("error", () => complain(String(audio.error?.code ?? "")));
  audio.addEventListener("playing", () => {
    $("trouble").hidden = true;
  });
  $("dots").addEventListener("redraw", redraw);
  if (window.innerWidth <= 700) $("legend").open = false;

  const wish = ways.find((way) => [way.id, way.label].includes(wished.get("colour") ?? data.colour));
  state.coloured = core.colouring(data, (wish ?? ways[0])?.id ?? "none");
  state.id = (wish ?? ways[0])?.id ?? "none";
  $("colour").value = state.coloured.label;
  setTheme();
  preferQuick();
  const track = Number(wished.get("track") ?? -1);
  if (track >= 0 && track < data.n) choose(track, { show: true, atOnce: true, play: false });
  return { data, state, map, drawnBy: () => dots, draw, colourBy, choose, find, hover, searchBox };
}

window.earmark = readData().then(startPage);
window.earmark.catch((error) => {
  const old = typeof DecompressionStream === "undefined";
  $("fault").textContent = old
    ? "This browser is too old for this map: it takes Chrome or Edge 80, Firefox 113, Safari 16.4, or later."
    : `This map cannot be drawn: ${error.message}`;
  $("fault").hidden = false;
});
