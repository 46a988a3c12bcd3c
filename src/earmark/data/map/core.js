"use strict";
// What a map needs to know and that no browser is needed for: arrays, a grid, search, colours, order. See page.js.
const core = (() => {
  const UNKNOWN = 255; // position on a scale of colours: 0 to 254, or this
  const KINDS = { f4: Float32Array, i4: Int32Array, u1: Uint8Array };

  /** Read what the page carries: the length of a head, the head as JSON, then arrays, each at a multiple of 8 bytes. */
  function unpack(buffer) {
    const length = new DataView(buffer).getUint32(0, true);
    const head = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
    const start = Math.ceil((4 + length) / 8) * 8;
    const arrays = {};
    for (const [name, [at, count, kind]] of Object.entries(head.arrays)) {
      arrays[name] = new KINDS[kind](buffer, start + at, count);
    }
    return { ...head, ...arrays, n: head.titles.length };
  }

  // --- where dots are ---

  /** Sort dots into cells of a grid, about two in each. */
  function makeGrid(points) {
    const n = points.length / 2;
    let [left, bottom, right, top] = [Infinity, Infinity, -Infinity, -Infinity];
    for (let i = 0; i < n; i++) {
      left = Math.min(left, points[2 * i]);
      right = Math.max(right, points[2 * i]);
      bottom = Math.min(bottom, points[2 * i + 1]);
      top = Math.max(top, points[2 * i + 1]);
    }
    const side = Math.max(Math.sqrt(((right - left) * (top - bottom) * 2) / n), (right - left) / 1000, (top - bottom) / 1000, 1e-9);
    const columns = Math.floor((right - left) / side) + 1;
    const rows = Math.floor((top - bottom) / side) + 1;
    const starts = new Int32Array(columns * rows + 1);
    const cell = (i) => Math.floor((points[2 * i + 1] - bottom) / side) * columns + Math.floor((points[2 * i] - left) / side);
    for (let i = 0; i < n; i++) starts[cell(i) + 1]++;
    for (let c = 0; c < columns * rows; c++) starts[c + 1] += starts[c];
    const next = starts.slice();
    const items = new Int32Array(n);
    for (let i = 0; i < n; i++) items[next[cell(i)]++] = i;
    return { points, left, bottom, right, top, side, columns, rows, starts, items };
  }

  /** Call `visit` with every dot in the cells that a rectangle touches, until it returns true. */
  function visitCells(grid, x0, y0, x1, y1, visit) {
    const clamp = (value, most) => Math.max(0, Math.min(most, Math.floor(value)));
    const c0 = clamp((x0 - grid.left) / grid.side, grid.columns - 1);
    const c1 = clamp((x1 - grid.left) / grid.side, grid.columns - 1);
    const r0 = clamp((y0 - grid.bottom) / grid.side, grid.rows - 1);
    const r1 = clamp((y1 - grid.bottom) / grid.side, grid.rows - 1);
    for (let r = r0; r <= r1; r++) {
      for (let k = grid.starts[r * grid.columns + c0]; k < grid.starts[r * grid.columns + c1 + 1]; k++) {
        if (visit(grid.items[k])) return;
      }
    }
  }

  /** Find the dot nearest to a place, at most `radius` away, among those that are active; -1 if there is none. */
  function dotAt(grid, x, y, radius, active) {
    let best = -1;
    let least = radius * radius;
    visitCells(grid, x - radius, y - radius, x + radius, y + radius, (i) => {
      const dx = grid.points[2 * i] - x;
      const dy = grid.points[2 * i + 1] - y;
      const square = dx * dx + dy * dy;
      if (square <= least && active[i]) [best, least] = [i, square];
    });
    return best;
  }

  /** List the active dots in a rectangle; null if there are more than `most`. */
  function dotsIn(grid, x0, y0, x1, y1, most, active) {
    const found = [];
    visitCells(grid, x0, y0, x1, y1, (i) => {
      const x = grid.points[2 * i];
      const y = grid.points[2 * i + 1];
      if (active[i] && x >= x0 && x <= x1 && y >= y0 && y <= y1) found.push(i);
      return found.length > most;
    });
    return found.length > most ? null : found;
  }

  /** Find the next active dot in a direction, within 45 degrees of it; -1 if there is none. */
  function dotBeside(points, from, dx, dy, active) {
    let best = -1;
    let least = Infinity;
    for (let i = 0; i < points.length / 2; i++) {
      const x = points[2 * i] - points[2 * from];
      const y = points[2 * i + 1] - points[2 * from + 1];
      const along = x * dx + y * dy;
      const across = Math.abs(x * dy - y * dx);
      if (i === from || !active[i] || along <= 0 || across > along) continue;
      const cost = along + 2 * across;
      if (cost < least) [best, least] = [i, cost];
    }
    return best;
  }

  // --- search ---

  /** Write a text so that case and accents do not matter. */
  function fold(text) {
    return text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
  }

  const artistOf = (data, i) => (data.artist && data.artist[i] >= 0 ? data.artists[data.artist[i]] : "");
  const genreOf = (data, i) => (data.genre && data.genre[i] >= 0 ? data.genres[data.genre[i]] : "");
  const keyOf = (data, i) => (data.key && data.key[i] >= 0 ? data.keys[data.key[i]] : "");

  /** List all tracks whose title and artist hold every word. */
  function search(data, query) {
    const words = fold(query).split(/\s+/).filter(Boolean);
    if (!words.length) return [];
    data.folded ??= data.titles.map((title, i) => fold(`${title}\n${artistOf(data, i)}`));
    const found = [];
    data.folded.forEach((text, i) => words.every((word) => text.includes(word)) && found.push(i));
    return found;
  }

  // --- tags and colours ---

  const score = (byte) => (byte / 255) ** 2; // roots are stored: small scores keep their differences

  /** Choose the tags that tell most, by `score * log2(score / usual)` from a score of 0.02 on; the highest score first. */
  function topTags(data, i, most) {
    const told = [];
    for (let k = 0; k < data.tags.length; k++) {
      const value = score(data.scores[k * data.n + i]);
      const worth = value * Math.log2(value / Math.max(data.usual[k], 1e-4));
      if (value >= 0.02 && worth > 0) told.push({ tag: data.tags[k], score: value, worth });
    }
    const best = told.sort((a, b) => b.worth - a.worth).slice(0, most);
    return best.sort((a, b) => b.score - a.score);
  }

  const clock = (seconds) => {
    const whole = Math.round(seconds);
    const two = (value) => String(value).padStart(2, "0");
    const minutes = Math.floor(whole / 60);
    return minutes < 60 ? `${minutes}:${two(whole % 60)}` : `${Math.floor(minutes / 60)}:${two(minutes % 60)}:${two(whole % 60)}`;
  };
  const NUMBERS = {
    bpm: { label: "Tempo", write: (value) => `${Math.round(value)} bpm` },
    year: { label: "Year", write: (value) => String(Math.round(value)) },
    duration: { label: "Length", write: clock },
  };
  const NAMES = { group: "Group by sound", artist: "Artist", genre: "Genre in the file", key: "Key" };

  /** List what dots can be coloured by: what is known of the tracks, then the tags by category. */
  function colourings(data) {
    const facts = data.fields.map((id) => ({ id, label: NAMES[id] ?? NUMBERS[id].label, category: "the tracks" }));
    const tags = data.tags.map((tag, k) => ({ id: `tag:${tag}`, label: tag, category: data.categories[k] || "tags" }));
    const order = [...new Set(tags.map((tag) => tag.category))];
    tags.sort((a, b) => order.indexOf(a.category) - order.indexOf(b.category));
    return [...facts, ...tags];
  }

  /**
   * Work out a colouring. On a scale: `places`, from 0 to 254 per dot, and how to write the number at a part of it. By
   * names: the names, how many dots each has, its colour, and per dot the number of its name or -1.
   */
  function colouring(data, id) {
    if (id.startsWith("tag:")) return tagScale(data, data.tags.indexOf(id.slice(4)));
    if (id in NUMBERS) return numberScale(data, id);
    if (!(id in NAMES)) return named(data, "Tracks", [], new Int32Array(data.n).fill(-1), []);
    if (id === "group") return named(data, NAMES.group, data.groups, data.group, data.groupColours);
    if (id === "key") return named(data, NAMES.key, data.keys, data.key, data.keyColours, "circle");
    const [names, numbers] = id === "artist" ? [data.artists, data.artist] : [data.genres, data.genre];
    return commonest(named(data, NAMES[id], names, numbers, []), data.nColours);
  }

  function tagScale(data, k) {
    const bytes = data.scores.subarray(k * data.n, (k + 1) * data.n);
    const counts = new Int32Array(256);
    for (const byte of bytes) counts[byte]++;
    let most = 255; // the end of the scale: half a percent lie beyond, and it reaches to a score of 0.1 at least
    for (let above = counts[255]; most > 81 && above <= data.n * 0.005; ) above += counts[--most];
    const places = Uint8Array.from(bytes, (byte) => Math.min(254, Math.round((byte * 254) / most)));
    return { kind: "scale", label: data.tags[k], places, write: (part) => score(part * most).toFixed(2), isTag: true };
  }

  function numberScale(data, id) {
    const [low, high] = data.limits[id];
    const places = Uint8Array.from(data[id], (value) =>
      Number.isNaN(value) ? UNKNOWN : Math.round(254 * Math.max(0, Math.min(1, (value - low) / (high - low)))),
    );
    const { label, write } = NUMBERS[id];
    return { kind: "scale", label, places, write: (part) => write(low + part * (high - low)), isTag: false };
  }

  function named(data, label, names, numbers, colours, palette = "categories") {
    const counts = names.map(() => 0);
    for (const number of numbers) if (number >= 0) counts[number]++;
    const entries = names.map((name, number) => ({ name, number, count: counts[number], colour: colours[number] }));
    return { kind: "names", label, entries, numbers, palette };
  }

  /** Keep the `most` commonest names; tracks of all others count as "other", without a colour. */
  function commonest(coloured, most) {
    const sorted = [...coloured.entries].sort((a, b) => b.count - a.count || a.number - b.number);
    const kept = new Int32Array(sorted.length).fill(-1);
    const entries = sorted.slice(0, most).map((entry, place) => {
      kept[entry.number] = place;
      return { ...entry, number: place, colour: place };
    });
    const nOthers = sorted.slice(most).length;
    return { ...coloured, entries, nOthers, numbers: Int32Array.from(coloured.numbers, (i) => (i < 0 ? -1 : kept[i])) };
  }

  /** Say which dots are not put aside: by names that were chosen, a least place on the scale, and tracks found. */
  function activeDots(n, coloured, { chosen, least, found }) {
    const active = new Uint8Array(n).fill(1);
    for (let i = 0; i < n; i++) {
      if (coloured.kind === "names" && chosen.size && !chosen.has(coloured.numbers[i])) active[i] = 0;
      if (coloured.kind === "scale" && least > 0 && (coloured.places[i] === UNKNOWN || coloured.places[i] < least)) active[i] = 0;
    }
    if (found) {
      const kept = new Uint8Array(n);
      for (const i of found) kept[i] = active[i];
      return kept;
    }
    return active;
  }

  /** Put dots in an order to draw in: put aside first, then without a value, then from low to high. */
  function drawOrder(coloured, active) {
    const n = active.length;
    const rank = (i) => {
      if (!active[i]) return 0;
      if (coloured.kind === "scale") return coloured.places[i] === UNKNOWN ? 1 : 2 + coloured.places[i];
      return coloured.numbers[i] < 0 ? 1 : 2;
    };
    const starts = new Int32Array(258);
    for (let i = 0; i < n; i++) starts[rank(i) + 1]++;
    for (let r = 0; r < 257; r++) starts[r + 1] += starts[r];
    const order = new Uint32Array(n);
    for (let i = 0; i < n; i++) order[starts[rank(i)]++] = i;
    return order;
  }

  /** Fill red, green, blue and alpha of every dot; what is put aside is grey and faint. Colours are 0xrrggbb. */
  function paint(coloured, active, colours, rgba) {
    for (let i = 0; i < active.length; i++) {
      let colour = colours.none;
      if (!active[i]) {
        // as it is
      } else if (coloured.kind === "scale") {
        if (coloured.places[i] !== UNKNOWN) colour = colours.ramp[coloured.places[i]];
      } else if (coloured.numbers[i] >= 0) {
        colour = colours[coloured.palette][coloured.entries[coloured.numbers[i]].colour];
      }
      rgba[4 * i] = colour >> 16;
      rgba[4 * i + 1] = (colour >> 8) & 255;
      rgba[4 * i + 2] = colour & 255;
      rgba[4 * i + 3] = active[i] ? 225 : 30;
    }
    return rgba;
  }

  /** Say what a dot is by its colour, such as "piano 0.83". */
  function valueOf(coloured, i) {
    if (coloured.kind === "names") return coloured.numbers[i] < 0 ? "" : coloured.entries[coloured.numbers[i]].name;
    if (coloured.places[i] === UNKNOWN) return "";
    const value = coloured.write(coloured.places[i] / 254);
    return coloured.isTag ? `${coloured.label} ${value}` : value;
  }

  /** Keep of some boxes (left, top, right, bottom), in their order, those that overlap none before. */
  function apart(boxes) {
    const kept = [];
    for (const box of boxes) {
      const free = kept.every((k) => box.right < k.left || box.left > k.right || box.bottom < k.top || box.top > k.bottom);
      if (free) kept.push(box);
    }
    return kept;
  }

  // --- files ---

  const urlOf = (data, i) => (data.files && data.files[i] ? data.folders[data.folder[i]] + data.files[i] : "");

  const nameOf = (url) => {
    const name = url.slice(url.lastIndexOf("/") + 1);
    try {
      return decodeURIComponent(name);
    } catch {
      return name; // bytes that are no UTF-8 stay as they are escaped
    }
  };

  /** Say why a file does not play, and what to do. `reason` is the name of an error, or the code of a media error. */
  function trouble(reason, url, protocol) {
    const name = nameOf(url);
    if (reason === "NotAllowedError") return "The browser waits for you: press play.";
    if (reason === "AbortError") return "";
    if (url.startsWith("file:") && protocol !== "file:") {
      return `The browser may not open ${name}: this page came over a network, and the file lies on a disk. Open the page from the disk, or write it with relative links.`;
    }
    return `The browser could not open ${name}: it is no longer there, it is of a format that this browser does not play, or the browser may not read it from this page. Try “Open the file”.`;
  }

  return {
    UNKNOWN, unpack, makeGrid, dotAt, dotsIn, dotBeside, fold, search, artistOf, genreOf, keyOf, topTags, clock, colourings,
    colouring, activeDots, drawOrder, paint, valueOf, apart, urlOf, nameOf, trouble, score,
  };
})();
if (typeof module !== "undefined") module.exports = core;
