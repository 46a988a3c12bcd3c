// The taggram: when in a song each tag holds. It moves with playback, and a click leads to where a tag holds most.

import { colours, keepDrawn } from "./canvas.js";
import { button, el } from "./dom.js";
import { clock, percent } from "./format.js";
import { player, whileShown } from "./player.js";

const ROW = 26; // pixels
const N_ROWS = 12;
const WINDOW = 60; // seconds that are seen at once while it moves with playback

/** Choose the rows that are shown: the highest scores, and the tags that stand out at some moment. */
function chosen(tags) {
  const worth = (tag) => Math.max(tag.score, 0.6 * tag.peak);
  return tags.map((tag, column) => ({ ...tag, column })).sort((a, b) => worth(b) - worth(a)).slice(0, N_ROWS);
}

/**
 * Make a taggram.
 *
 * song: of the player; heard: `{ tags, duration }`; grid: shape (chunks, tags); times: shape (chunks, 2), seconds.
 */
export function taggram(song, { tags, duration }, grid, times) {
  const rows = chosen(tags), n = grid.shape[0], k = grid.shape[1];
  const value = (chunk, row) => grid.values[chunk * k + row.column];
  const highest = Math.max(...rows.map((row) => row.peak), 0.05);
  const at = () => (player.holds(song.key) ? player.time : null);
  const chunkAt = (time) => {
    let i = 0;
    while (i + 1 < n && times.values[2 * (i + 1)] <= time) i++;
    return i;
  };
  // A chunk is drawn from its own start to that of the next: chunks may overlap, pictures should not.
  const ends = Array.from({ length: n }, (_, i) => (i + 1 < n ? times.values[2 * (i + 1)] : Math.min(times.values[2 * i + 1], duration) || duration));

  let following = duration > WINDOW;
  const view = () => {
    const now = at();
    if (!following || now === null || duration <= WINDOW) return [0, duration];
    const begin = Math.min(Math.max(0, now - WINDOW / 2), duration - WINDOW);
    return [begin, begin + WINDOW];
  };

  const canvas = el("canvas", { role: "img", "aria-label": `When each of ${rows.length} tags holds; the list before it leads to where each holds most`, style: { height: `${rows.length * ROW}px` } });
  const axis = el("div.axis", { "aria-hidden": "true" });
  const labels = rows.map((row) => {
    const now = el("i"), made = el("button.row", { type: "button", class: row.category, style: { height: `${ROW}px` }, title: `${row.tag}: holds most at ${clock(row.peak_time)}`, "aria-label": `${row.tag}, holds most at ${clock(row.peak_time)}: play from there`, onclick: () => player.toggle(song, Math.max(0, row.peak_time - 1)) }, now, el("span", {}, row.tag));
    return { made, now, row };
  });

  const draw = keepDrawn(canvas, (context, width, height) => {
    const colour = colours(), [begin, end] = view(), scale = width / (end - begin);
    rows.forEach((row, r) => {
      context.fillStyle = colour(row.category) || colour("other");
      for (let i = 0; i < n; i++) {
        const x = (times.values[2 * i] - begin) * scale, x1 = (ends[i] - begin) * scale;
        if (x1 < 0 || x > width) continue;
        context.globalAlpha = Math.min(1, 0.04 + 0.96 * Math.sqrt(Math.max(0, value(i, row)) / highest));
        context.fillRect(x, r * ROW + 2, Math.max(1, x1 - x - (x1 - x > 4 ? 1 : 0)), ROW - 4);
      }
      context.globalAlpha = 1;
    });
    const now = at();
    if (now !== null) {
      context.fillStyle = colour("text");
      context.fillRect((now - begin) * scale - 1, 0, 2, height);
    }
    const marks = Math.max(2, Math.min(8, Math.floor(width / 90)));
    axis.replaceChildren(...Array.from({ length: marks + 1 }, (_, i) => el("span", {}, clock(begin + (i / marks) * (end - begin)))));
  });

  const show = () => {
    const now = at();
    for (const { made, now: bar, row } of labels) {
      const share = now === null ? row.score : value(chunkAt(now), row);
      bar.style.setProperty("--share", String(Math.min(1, share / highest)));
      made.dataset.now = percent(share);
    }
    draw();
  };
  canvas.addEventListener("pointerdown", (event) => {
    const box = canvas.getBoundingClientRect(), [begin, end] = view();
    player.toggle(song, begin + ((event.clientX - box.left) / box.width) * (end - begin));
  });
  const lens = button("Whole song", () => { following = !following; label(); show(); }, { class: "small quiet" });
  const label = () => {
    lens.textContent = following ? "Show the whole song" : "Move with the music";
    lens.setAttribute("aria-pressed", String(following));
  };
  label();
  const box = el("figure.taggram", {}, el("div.labels", {}, labels.map((one) => one.made)), el("div.picture", {}, canvas, axis),
    el("figcaption", {}, "Dark is much of a tag, pale is little. Click a tag to hear where it holds most.", duration > WINDOW && lens));
  whileShown(box, "time", show);
  whileShown(box, "change", show);
  show();
  return box;
}
