// A song: what it is, what was heard in it and when, what sounds like it. From the catalogue, or a file that was sent.

import { follow, get, post } from "./api.js";
import { button, el, failed, fill, tell, waiting } from "./dom.js";
import { clock, count, decode, titleOf } from "./format.js";
import { player, playButton, songOf } from "./player.js";
import { trackTable } from "./rows.js";
import { addTag, showAnswers, tagBars } from "./tags.js";
import { taggram } from "./taggram.js";
import { peaksOf, waveform } from "./waveform.js";
import { writeTags } from "./write.js";

/** Files that were dropped into this page, by the job that tags them: they need not come back from the service. */
export const dropped = new Map();

/** Show a track of the catalogue. */
export async function trackPage(main, id, signal) {
  let track;
  fill(main, waiting());
  try { track = await get(`/v1/tracks/${encodeURIComponent(id)}`, {}, signal); } catch (error) { fill(main, failed(error)); return; }
  const title = titleOf(track), song = songOf(track, title);
  const parts = { wave: el("div.wave"), heard: el("div"), similar: el("div") };
  fill(main, heading(song, track), parts.wave, parts.heard, el("section", {}, el("h2", {}, "Sounds like it"), parts.similar));
  showWave(parts.wave, song, track.duration, () => get(`/v1/tracks/${track.id}/waveform`, { n: 800 }, signal).then((one) => one.peaks));
  showSimilar(parts.similar, () => get("/v1/similar", { track: track.id, n: 10 }, signal).then((one) => one.matches));
  const job = await listen(track, parts.heard, signal);
  if (job?.state === "done") {
    showHeard(parts.heard, song, job.result, track.id);
    showAnswers(parts.heard, track.id, signal).catch(tell);
  } else if (job) fill(parts.heard, known(track, job.error));
}

/** Show a file that was sent, by the job that tags it. */
export async function heardPage(main, id, signal) {
  const kept = dropped.get(id), box = el("div");
  let job;
  fill(main, waiting());
  try { job = await get(`/v1/jobs/${encodeURIComponent(id)}`, {}, signal); } catch (error) { fill(main, failed(error)); return; }
  const name = job.parameters.upload ?? job.parameters.path ?? "A song", title = titleOf({ path: name });
  fill(main, el("div.song", {}, el("div", {}, el("h1", {}, title))), box);
  job = await progress(job, box, signal);
  if (job.state !== "done") { fill(box, ended(job)); return; }
  const { result } = job;
  const song = { key: id, title, artist: "", duration: result.duration, src: kept?.url, href: `#/heard/${id}` };
  const parts = { wave: el("div.wave"), heard: el("div"), similar: el("div") };
  fill(main, heading(song, { duration: result.duration, artist: "", genres: [] }, { id: result.track ?? null, playable: Boolean(kept) }), parts.wave, parts.heard,
    el("section", {}, el("h2", {}, "Sounds like it in your library"), parts.similar));
  if (kept) showWave(parts.wave, song, result.duration, () => peaksOf(kept.file));
  else fill(parts.wave, el("p.muted", {}, "The file was not kept. Drop it once more to hear it here."));
  showHeard(parts.heard, song, result, result.track ?? null);
  showSimilar(parts.similar, async () => result.similar ?? [], (result.notes ?? []).join(" "));
}

function heading(song, track, { id = track.id ?? null, playable = true } = {}) {
  const facts = [clock(track.duration), track.bpm && `${Math.round(track.bpm)} bpm`, track.key, track.year, ...(track.genres || [])].filter(Boolean);
  const cover = el("img.cover", { src: id ? `/v1/tracks/${id}/cover?size=320` : "", alt: "", loading: "lazy", onerror: (event) => event.target.remove() });
  return el("div.song", {}, id && cover, el("div", {},
    el("h1", {}, song.title), (track.artist || track.album) && el("p.lead", {}, [track.artist, track.album].filter(Boolean).join(" · ")),
    el("p.facts", {}, facts.map((fact) => el("span", {}, fact))),
    el("div.inline", {}, playable && playButton(song, { large: true }),
      id && el("a.button", { href: `#/playlist?seed=${id}` }, "Make a playlist"),
      id && button("Write tags into the file…", () => writeTags([id])),
      id && !track.id && el("a.button", { href: `#/track/${id}` }, "It is in your library"))));
}

async function showWave(box, song, duration, load) {
  fill(box, el("div.waveform.blank"));
  try {
    const peaks = await load();
    fill(box, peaks ? waveform(song, peaks, duration) : el("p.muted", {}, "There is no picture of the waveform of this file; the player below moves through it."));
  } catch (error) { if (error.name !== "AbortError") fill(box, el("p.muted", {}, error.message)); }
}

async function showSimilar(box, load, note = "") {
  fill(box, waiting());
  try {
    const matches = await load();
    fill(box, matches.length ? trackTable(matches, { similarity: true }) : el("p.muted", {}, note || "There is nothing to compare it with yet: add your music in Settings."));
  } catch (error) { if (error.name !== "AbortError") fill(box, el("p.muted", {}, error.message)); }
}

function showHeard(box, song, result, id) {
  const grid = result.taggram && decode(result.taggram), times = result.times && decode(result.times);
  fill(box,
    grid && grid.shape[0] > 0 && el("section", {}, el("h2", {}, "When it is heard"), taggram(song, result, grid, times)),
    el("section", {}, el("h2", {}, "What is heard"),
      el("p.muted", {}, "Bars are scores. A number such as ×4 says how many times as much as in music in general. ",
        id ? "Say what is right and what is wrong: it teaches tags of your own." : "Add the song to your library to correct its tags."),
      tagBars(song, result.tags, id), id && addTag(id)),
    result.warnings?.length ? el("p.muted", {}, result.warnings.join(" ")) : null);
}

/** Have a track heard whole, for the taggram; what was heard in this visit is asked for once. */
async function listen(track, box, signal) {
  const key = `earmark-heard-${track.id}`;
  try {
    let job = null;
    const before = sessionStorage.getItem(key);
    if (before) job = await get(`/v1/jobs/${before}`, {}, signal).catch(() => null);
    if (!job || job.state === "failed" || job.state === "cancelled") {
      if (!track.paths.length) return { state: "failed", error: { error: "The file of this track is gone.", hint: null } };
      job = await post("/v1/jobs", { kind: "tag", parameters: { path: track.paths[0], taggram: true } });
      sessionStorage.setItem(key, job.id);
    }
    return await progress(job, box, signal);
  } catch (error) {
    return error.name === "AbortError" ? null : { state: "failed", error: { error: error.message, hint: error.hint } };
  }
}

/** Show how far a job is until it has ended; returns it. */
export async function progress(job, box, signal) {
  const bar = el("progress", { max: 1 }), text = el("p", { role: "status" }), stop = button("Cancel", () => post(`/v1/jobs/${job.id}/cancel`).catch(tell));
  const show = (one) => {
    const { done, total } = one.progress;
    if (total) bar.value = done / total; else bar.removeAttribute("value");
    const share = one.kind === "tag" ? `${clock(done)}${total ? ` of ${clock(total)}` : ""} heard` : one.progress.text;
    text.textContent = one.state === "waiting" ? (one.error ? `Is tried again: ${one.error.error}` : "Waits for its turn…") : one.cancelling ? "Is being cancelled…" : share || "Begins…";
  };
  fill(box, el("div.progress", {}, text, bar, stop));
  show(job);
  return ["done", "failed", "cancelled"].includes(job.state) ? get(`/v1/jobs/${job.id}`, {}, signal) : follow(job.id, show, signal);
}

/** Say why a job brought nothing. */
export function ended(job) {
  if (job.state === "cancelled") return el("div.empty", {}, el("h2", {}, "Cancelled"), el("p", {}, "Nothing was changed by it."));
  return failed({ message: job.error?.error ?? "It failed", hint: job.error?.hint });
}

/** What the catalogue knows, where the file cannot be heard anew. */
function known(track, problem) {
  const models = Object.entries(track.heard);
  return el("section", {}, el("h2", {}, "What is heard"),
    problem && el("p.muted", {}, `When each tag holds cannot be shown: ${problem.error}${problem.hint ? ` (${problem.hint})` : ""}`),
    models.map(([model, heard]) => el("div.bars", {}, el("section", {}, el("h3", {}, model), el("ul", {}, Object.entries(heard.tags).slice(0, 15).map(([tag, score]) => el("li.bar.other", {},
      el("span.name", {}, tag), el("span.track", { "aria-hidden": "true" }, el("i", { style: { "--share": String(score) } })), el("span.number", {}, `${Math.round(100 * score)} %`))))))),
    !models.length && el("p.empty", {}, "Nothing was heard in it yet."));
}
