// The library: found by words and filters, page by page; chosen tracks become playlists or get their tags written.

import { get, post, query } from "./api.js";
import { button, el, failed, fill, tell, waiting } from "./dom.js";
import { count } from "./format.js";
import { trackTable } from "./rows.js";
import { ended, progress } from "./song.js";
import { writeTags } from "./write.js";

const LIMIT = 50;
const READY = [["Instrumental", "voice:instrumental"], ["Slow", "bpm < 90"], ["Fast", "bpm > 130"], ["Minor", "key:minor"], ["Short", "duration < 2:30"], ["Long", "duration > 6:00"]];

/** Show the page; `q` are words for music, `filter` says exactly which tracks. */
export async function libraryPage(main, parameters, signal) {
  const words = el("input", { type: "search", value: parameters.get("q") ?? "", placeholder: "calm piano -vocals", id: "words" });
  const filter = el("input", { type: "text", value: parameters.get("filter") ?? "", placeholder: "genre:jazz and bpm < 100", spellcheck: "false", id: "filter" });
  const go = () => { location.hash = `#/library${query({ q: words.value.trim(), filter: filter.value.trim() })}`; };
  const found = el("div"), chosen = new Set(), actions = el("div.inline.actions", { hidden: true });
  fill(main, el("h1", {}, "Library"),
    el("form.form", { role: "search", onsubmit: (event) => { event.preventDefault(); go(); } },
      el("div.field.grow", {}, el("label", { for: "words" }, "Sounds like"), words),
      el("div.field.grow", {}, el("label", { for: "filter" }, "Only tracks that fit"), filter),
      button("Find", null, { type: "submit", class: "main" })),
    el("p.chips", {}, READY.map(([name, text]) => button(name, () => { filter.value = filter.value.trim() ? `(${filter.value.trim()}) and ${text}` : text; go(); }, { class: "chip", title: text })),
      (words.value || filter.value) && button("Clear", () => { location.hash = "#/library"; }, { class: "chip" })),
    actions, found);
  const onchoose = () => {
    actions.hidden = !chosen.size;
    fill(actions, el("strong", {}, count(chosen.size, "track")),
      el("a.button", { href: `#/playlist${query({ seed: [...chosen] })}` }, "Make a playlist from them"),
      button("Write their tags…", () => writeTags([...chosen])));
  };
  const options = { choose: chosen, onchoose };
  await (words.value.trim() ? showMatches : showPages)(found, words.value.trim(), filter.value.trim() || null, options, signal);
}

async function showMatches(box, words, filter, options, signal) {
  fill(box, waiting("Looks for it…"));
  try {
    const { matches, notes } = await get("/v1/search", { q: words, filter, n: LIMIT }, signal);
    fill(box, notes.map((note) => el("p.muted", {}, note)), matches.length ? trackTable(matches, options) : nothing());
  } catch (error) { if (error.name !== "AbortError") fill(box, failed(error)); }
}

async function showPages(box, _, filter, options, signal) {
  fill(box, waiting());
  try {
    const first = await get("/v1/tracks", { filter, limit: LIMIT, tags: 5 }, signal);
    if (!first.total) { fill(box, filter ? nothing() : empty(signal)); return; }
    const table = trackTable(first.tracks, options), more = button("Show more", async () => {
      more.disabled = true;
      try {
        const page = await get("/v1/tracks", { filter, limit: LIMIT, tags: 5, cursor: next }, signal);
        table.add(page.tracks);
        next = page.next;
        more.hidden = !next;
      } catch (error) { tell(error); }
      more.disabled = false;
    });
    let { next } = first;
    more.hidden = !next;
    fill(box, el("p.muted", {}, count(first.total, "track")), table, more);
  } catch (error) { if (error.name !== "AbortError") fill(box, failed(error)); }
}

const nothing = () => el("p.empty", {}, "Nothing fits. Try fewer words, or a wider filter.");

function empty(signal) {
  const box = el("div");
  fill(box, el("div.empty", {}, el("h2", {}, "Your library is empty"),
    el("p", {}, "Let earmark listen to your music: half a second to a second a song, in the background, as often as there is something new."),
    addMusic(box, signal)));
  return box;
}

/** Make the button that has the folders of music heard; how far it is shows in `box`. */
export function addMusic(box, signal, text = "Listen to my folders of music") {
  return button(text, async () => {
    try {
      const job = await progress(await post("/v1/jobs", { kind: "add", parameters: {} }), box, signal);
      if (job.state !== "done") { fill(box, ended(job)); return; }
      const { n_heard, n_failed, failures } = job.result;
      fill(box, el("p", {}, n_heard ? `${count(n_heard, "track")} heard. ` : "There was nothing new. ", el("a", { href: "#/library" }, "To the library")),
        n_failed > 0 && el("details", {}, el("summary", {}, `${count(n_failed, "file")} could not be heard`), el("ul", {}, failures.map((one) => el("li", {}, one.error, one.hint && el("small", {}, ` ${one.hint}`))))));
      if (location.hash.startsWith("#/library")) dispatchEvent(new HashChangeEvent("hashchange"));
    } catch (error) { tell(error); }
  }, { class: "main" });
}
