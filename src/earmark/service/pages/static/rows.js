// Tracks in lists, as all pages show them.

import { el } from "./dom.js";
import { bestTags, clock, titleOf } from "./format.js";
import { playButton, songOf } from "./player.js";

/** Make a table of tracks of the catalogue; `choose` (a Set of ids) puts a box before each. */
export function trackTable(tracks, { choose = null, onchoose = null, similarity = false } = {}) {
  const body = el("tbody"), queue = [];
  const head = el("tr", {}, choose && el("th", {}, el("span.hidden", {}, "Choose")), el("th", {}, el("span.hidden", {}, "Play")), el("th", {}, "Title"),
    el("th.wide", {}, "Heard in it"), similarity && el("th.number", {}, "Alike"), el("th.number.wide", {}, "Tempo"), el("th.wide", {}, "Key"), el("th.number", {}, "Length"));
  const table = el("table.tracks", {}, el("thead", {}, head), body);
  table.add = (more) => {
    for (const track of more) {
      const title = titleOf(track), index = queue.push(songOf(track, title)) - 1;
      body.append(el("tr", {},
        choose && el("td", {}, el("input", { type: "checkbox", checked: choose.has(track.id), "aria-label": `Choose ${title}`, onchange: (event) => { event.target.checked ? choose.add(track.id) : choose.delete(track.id); onchoose?.(); } })),
        el("td", {}, playButton(queue[index], { queue, index })),
        el("td.name", {}, el("a", { href: `#/track/${track.id}` }, title), el("small", {}, [track.artist, track.album].filter(Boolean).join(" · "))),
        el("td.wide", {}, bestTags(track).map(([tag]) => el("span.tag", {}, tag))),
        similarity && el("td.number", {}, track.similarity.toFixed(2)),
        el("td.number.wide", {}, track.bpm ? Math.round(track.bpm) : ""),
        el("td.wide", {}, track.key || ""),
        el("td.number", {}, clock(track.duration))));
    }
  };
  table.add(tracks);
  return table;
}
