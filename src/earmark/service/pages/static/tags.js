// The tags of a song by category, as bars; each can be said to be right or wrong, which teaches a tag of one's own.

import { get, post } from "./api.js";
import { button, el, iconButton, notice, tell } from "./dom.js";
import { clock, count, percent, times } from "./format.js";
import { player } from "./player.js";

const CATEGORIES = { genre: "Genre", mood: "Mood", instrument: "Instruments", voice: "Voice", era: "Era", other: "More" };
const SHOWN = 5;

/** Make the bars; `id` is the song's in the catalogue, null if it is not in there, and nothing can be taught. */
export function tagBars(song, tags, id) {
  const groups = Object.entries(CATEGORIES).map(([category, name]) => {
    const own = tags.filter((tag) => tag.category === category).sort((a, b) => b.score - a.score);
    return own.length ? group(song, name, own, id) : null;
  });
  return el("div.bars", {}, groups);
}

function group(song, name, tags, id) {
  const likely = tags.filter((tag, i) => i < SHOWN && (i < 1 || tag.score >= 0.02 || tag.is_above));
  const rest = tags.filter((tag) => !likely.includes(tag));
  const list = el("ul", {}, likely.map((tag) => bar(song, tag, id)));
  const more = rest.length ? button(`${rest.length} more`, () => { list.append(...rest.map((tag) => bar(song, tag, id))); more.remove(); }, { class: "small quiet" }) : null;
  return el("section", {}, el("h3", {}, name), list, more);
}

function bar(song, tag, id) {
  const said = `${tag.tag}: ${percent(tag.score)}${tag.lift ? `, ${times(tag.lift)} as much as usual` : ""}`;
  return el("li.bar", { class: tag.category },
    el("button.name", { type: "button", title: `Holds most at ${clock(tag.peak_time)}`, "aria-label": `${said}; holds most at ${clock(tag.peak_time)}: play from there`, onclick: () => player.toggle(song, Math.max(0, tag.peak_time - 1)) }, tag.tag),
    el("span.track", { "aria-hidden": "true" }, el("i", { style: { "--share": String(tag.score) } })),
    el("span.number", {}, percent(tag.score)),
    el("span.lift", { title: "How many times as much as in music in general" }, times(tag.lift)),
    id && el("span.answers", {}, answer(tag.tag, id, true), answer(tag.tag, id, false)));
}

/** Show which tags of a track were answered about before. */
export async function showAnswers(box, id, signal) {
  const { tags } = await get("/v1/own-tags", { track: id }, signal);
  const given = new Map(tags.filter((one) => one.answer !== null).map((one) => [one.tag, one.answer]));
  for (const made of box.querySelectorAll("[data-tag]")) made.setAttribute("aria-pressed", String(given.get(made.dataset.tag) === (made.dataset.is === "yes")));
}

function answer(tag, id, is) {
  return iconButton(is ? "yes" : "no", `${tag} is ${is ? "right" : "wrong"}`, async (event) => {
    const pressed = event.currentTarget;
    pressed.disabled = true;
    try {
      await teach(tag, id, is);
      for (const one of pressed.parentElement.children) { one.disabled = false; one.setAttribute("aria-pressed", String(one === pressed)); }
    } catch (error) { pressed.disabled = false; tell(error); }
  }, { "aria-pressed": "false", "data-tag": tag, "data-is": is ? "yes" : "no" });
}

/** Tell the library that a tag is right or wrong for a track, and the user what it made of that. */
export async function teach(tag, id, is) {
  const learned = await post("/v1/own-tags", { tag, [is ? "yes" : "no"]: [id] });
  const action = { text: "Own tags", run: () => { location.hash = "#/settings"; } };
  const hint = learned.is_applied ? `Your own tag “${learned.tag}” was learned anew: ${count(learned.n_tracks, "track")} of your library ${learned.n_tracks === 1 ? "has" : "have"} it now.` : learned.notes.join(" ").replace(/^./, (letter) => letter.toUpperCase());
  notice(`Kept: ${learned.tag} is ${is ? "right" : "wrong"} here`, { hint, action });
}

/** Make the form for a tag that was not heard. */
export function addTag(id) {
  const input = el("input", { type: "text", required: true, maxlength: 100, placeholder: "such as “Sunday morning”", "aria-label": "A tag that fits this song" });
  return el("form.inline", { onsubmit: async (event) => {
    event.preventDefault();
    try { await teach(input.value.trim(), id, true); input.value = ""; } catch (error) { tell(error); }
  } }, input, button("Add a tag of your own", null, { type: "submit" }));
}
