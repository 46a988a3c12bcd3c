// What the script of a map's page works out, checked against slower ways. Reads a page from standard input; see test_map_page.py.
const assert = require("node:assert");
const zlib = require("node:zlib");
const fs = require("node:fs");
const page = fs.readFileSync(0, "utf8");
const script = page.match(/<script>([\s\S]*)<\/script>/)[1].split("// Drawing dots")[0];
const holder = { exports: {} };
new Function("module", script)(holder);
const core = holder.exports;
const raw = zlib.inflateSync(Buffer.from(page.match(/id="data">([^<]*)</)[1], "base64"));
const data = core.unpack(raw.buffer.slice(raw.byteOffset, raw.byteOffset + raw.length));
const n = data.n;
const all = new Uint8Array(n).fill(1);
const range = (count) => [...Array(count).keys()];

// the grid finds what a look at every dot finds
const grid = core.makeGrid(data.points);
const brute = (x, y, radius, active) => {
  let [best, least] = [-1, radius * radius];
  for (const i of range(n)) {
    const square = (data.points[2 * i] - x) ** 2 + (data.points[2 * i + 1] - y) ** 2;
    if (square <= least && active[i]) [best, least] = [i, square];
  }
  return best;
};
const some = Uint8Array.from(range(n), (i) => i % 3 === 0);
for (const k of range(400)) {
  const [x, y] = [Math.sin(k * 12.9898) * 0.7, Math.cos(k * 78.233) * 0.5];
  const radius = [0.01, 0.1, 3, Infinity][k % 4];
  for (const active of [all, some]) {
    assert.strictEqual(core.dotAt(grid, x, y, radius, active), brute(x, y, radius, active));
  }
  const within = (i, half) => Math.abs(data.points[2 * i] - x) <= half && Math.abs(data.points[2 * i + 1] - y) <= half;
  const inside = range(n).filter((i) => within(i, 0.2));
  const found = core.dotsIn(grid, x - 0.2, y - 0.2, x + 0.2, y + 0.2, n, all);
  assert.deepStrictEqual([...found].sort((a, b) => a - b), inside);
  assert.strictEqual(core.dotsIn(grid, x - 0.2, y - 0.2, x + 0.2, y + 0.2, inside.length - 1, all), null);
}
const one = core.makeGrid(new Float32Array([0, 0]));
assert.strictEqual(core.dotAt(one, 0.1, 0, 1, all), 0);

// the next dot in a direction lies in that direction
for (const i of range(n)) {
  const right = core.dotBeside(data.points, i, 1, 0, all);
  if (right >= 0) assert(data.points[2 * right] > data.points[2 * i]);
  const [x, y] = [data.points[2 * i], data.points[2 * i + 1]];
  const none = range(n).every((j) => data.points[2 * j] - x <= Math.abs(data.points[2 * j + 1] - y));
  assert.strictEqual(right < 0, none);
}

// search: every word, in title or artist, whatever the accents and the case
assert.deepStrictEqual(core.search(data, "TITULO 7"), [7, 17, 27, 37]);
assert.deepStrictEqual(core.search(data, "bjork titulo 4"), [4, 24]);
assert.deepStrictEqual(core.search(data, "  "), []);
assert.deepStrictEqual(core.search(data, "nothing"), []);
assert.strictEqual(core.artistOf(data, 3), "");
assert.strictEqual(core.keyOf(data, 2), "F# minor");

// tags: those that tell, the highest score first
for (const i of range(n)) {
  const told = core.topTags(data, i, 2);
  assert(told.length <= 2 && told.every(({ score }) => score >= 0.02));
  assert(told.length < 2 || told[0].score >= told[1].score);
}

// colours
const ways = core.colourings(data).map(({ id }) => id);
assert.deepStrictEqual(ways, ["group", "artist", "genre", "key", "bpm", "duration", "tag:piano", "tag:rock", "tag:slow"]);
const piano = core.colouring(data, "tag:piano");
const byScore = range(n).sort((a, b) => data.scores[a] - data.scores[b]);
assert(byScore.every((i, k) => k === 0 || piano.places[i] >= piano.places[byScore[k - 1]]));
assert.strictEqual(Math.max(...piano.places), 254);
const best = byScore[n - 1];
assert(Math.abs(Number(piano.write(piano.places[best] / 254)) - core.score(data.scores[best])) < 0.011);
const tempo = core.colouring(data, "bpm");
assert(range(n).every((i) => (tempo.places[i] === core.UNKNOWN) === Number.isNaN(data.bpm[i])));
const artists = core.colouring(data, "artist");
assert.deepStrictEqual(artists.entries.map(({ name, count }) => [name, count]), [["Björk", 10], ["Cher", 10], ["Ella", 10]]);
assert.strictEqual(artists.nOthers, 0);
const oneEach = { artists: range(n).map(String), artist: Int32Array.from(range(n), (i) => (i < 5 ? 7 : i)) };
const many = core.colouring({ ...data, ...oneEach }, "artist");
assert.deepStrictEqual([many.entries[0].name, many.entries[0].count, many.entries.length], ["7", 6, data.nColours]);
assert.strictEqual(many.numbers[n - 1], -1);
assert.deepStrictEqual(core.colouring(data, "none").entries, []);

// what is put aside, and what is drawn last
const chosen = core.activeDots(n, artists, { chosen: new Set([1]), least: 0, found: null });
assert.deepStrictEqual(range(n).filter((i) => chosen[i]), range(n).filter((i) => i % 4 === 1));
const high = core.activeDots(n, piano, { chosen: new Set(), least: 100, found: [best, byScore[0]] });
assert.deepStrictEqual(range(n).filter((i) => high[i]), [best]);
const order = core.drawOrder(piano, all);
assert.deepStrictEqual([...order].sort((a, b) => a - b), range(n));
assert(order.every((i, k) => k === 0 || piano.places[i] >= piano.places[order[k - 1]]));
assert.strictEqual(core.drawOrder(piano, high)[n - 1], best);
const ink = { none: 0x010203, ramp: range(255).map((k) => k << 16), categories: [0xaabbcc, 0x112233, 0x445566] };
const rgba = core.paint(artists, chosen, ink, new Uint8Array(4 * n));
assert.deepStrictEqual([...rgba.slice(0, 8)], [1, 2, 3, 30, 0x11, 0x22, 0x33, 225]);
assert.deepStrictEqual([...core.paint(artists, all, ink, rgba).slice(12, 16)], [1, 2, 3, 225]); // has no artist
assert.strictEqual(core.valueOf(artists, 0), "Björk");
assert.match(core.valueOf(piano, best), /^piano 0\.\d\d$/);

// boxes, times, files
const box = (left) => ({ left, right: left + 10, top: 0, bottom: 5 });
assert.deepStrictEqual(core.apart([box(0), box(5), box(20)]), [box(0), box(20)]);
assert.deepStrictEqual([83.4, 3600].map(core.clock), ["1:23", "1:00:00"]);
assert.strictEqual(core.urlOf(data, 3), "file:///music/b/3.mp3");
assert.strictEqual(core.nameOf("./a/caf%C3%A9.mp3"), "café.mp3");
assert.strictEqual(core.nameOf("./a/caf%E9.mp3"), "caf%E9.mp3");
assert.match(core.trouble("4", "file:///x/a.mp3", "https:"), /came over a network/);
assert.match(core.trouble("4", "./a.mp3", "file:"), /could not open a\.mp3/);
assert.match(core.trouble("NotAllowedError", "./a.mp3", "file:"), /press play/);
assert.strictEqual(core.trouble("AbortError", "./a.mp3", "file:"), "");
console.log("all well");
