// Settings: the music, jobs, own tags, what was written into files, models, signing out.

import { get, pause, post, remove } from "./api.js";
import { button, el, failed, fill, tell, waiting } from "./dom.js";
import { count, when } from "./format.js";
import { addMusic } from "./library.js";
import { undo } from "./write.js";

const EVERY = 3000; // milliseconds between two looks at the jobs
const KINDS = { add: "Listen to music", tag: "Tag a song", compatibility: "Compare two people" };

/** Show the page. */
export function settingsPage(main, _, signal) {
  const adding = el("div"), jobs = el("div"), own = el("div"), runs = el("div"), models = el("div");
  fill(main, el("h1", {}, "Settings"),
    el("section", {}, el("h2", {}, "Your music"), el("p", {}, "New and changed files in the folders of music are heard; what was heard before is not heard again."), addMusic(adding, signal, "Listen to what is new"), adding),
    el("section", {}, el("h2", {}, "Jobs"), jobs),
    el("section", {}, el("h2", {}, "Own tags"), el("p", {}, "Taught by what you said is right or wrong. One becomes useful with a few answers of each kind."), own),
    el("section", {}, el("h2", {}, "Written into files"), runs),
    el("section", {}, el("h2", {}, "Models"), models),
    el("section", {}, el("h2", {}, "More"), el("p", {}, el("a", { href: "/docs" }, "All requests that this service answers"), " · ", el("a", { href: "/metrics" }, "Numbers for monitoring")),
      button("Forget the token of this browser", async () => { try { await remove("/v1/session"); location.reload(); } catch (error) { tell(error); } })));
  showJobs(jobs, signal);
  show(own, () => get("/v1/own-tags", {}, signal), (said) => ownTags(said, own, signal));
  show(runs, () => get("/v1/write/runs", {}, signal), (said) => written(said, runs));
  show(models, () => get("/v1/models", {}, signal), modelTable);
}

async function show(box, load, draw) {
  fill(box, waiting());
  try { fill(box, draw(await load())); } catch (error) { if (error.name !== "AbortError") fill(box, failed(error, () => show(box, load, draw))); }
}

async function showJobs(box, signal) {
  let drawn = null;
  while (!signal.aborted) {
    try {
      const said = await get("/v1/jobs", { limit: 20 }, signal), now = JSON.stringify(said.jobs);
      if (now !== drawn) fill(box, jobTable(said, () => { drawn = null; }));
      drawn = now;
    } catch (error) {
      if (error.name === "AbortError") return;
      fill(box, failed(error));
      drawn = null;
    }
    await pause(EVERY);
  }
}

function jobTable({ jobs }, again) {
  if (!jobs.length) return el("p.muted", {}, "There were none in the last week.");
  const act = (job, what) => async (event) => {
    event.target.disabled = true;
    try { await post(`/v1/jobs/${job.id}/${what}`); again(); } catch (error) { tell(error); event.target.disabled = false; }
  };
  return el("table.jobs", {}, el("thead", {}, el("tr", {}, ["What", "State", "Since"].map((text) => el("th", {}, text)), el("td"))), el("tbody", {}, jobs.map((job) => {
    const { done, total, text } = job.progress, open = ["waiting", "running"].includes(job.state);
    return el("tr", {}, el("td.name", {}, job.kind === "tag" && job.parameters.upload ? el("a", { href: `#/heard/${job.id}` }, job.parameters.upload) : KINDS[job.kind] ?? job.kind, el("small", {}, job.error ? job.error.error : text)),
      el("td", {}, job.cancelling ? "is being cancelled" : job.state, job.state === "running" && el("progress", { max: 1, value: total ? done / total : null })),
      el("td", {}, when(job.created)),
      el("td", {}, open ? button("Cancel", act(job, "cancel"), { class: "small" }) : ["failed", "cancelled"].includes(job.state) ? button("Try again", act(job, "retry"), { class: "small" }) : null));
  })));
}

function ownTags(said, box, signal) {
  const { tags } = said;
  if (!tags.length) return el("p.muted", {}, "There are none yet. Open a song and say which of its tags are wrong, or add one of your own.");
  return el("table", {}, el("thead", {}, el("tr", {}, ["Tag", "Right", "Wrong", "Tracks"].map((text) => el("th", {}, text)), el("td"))), el("tbody", {}, tags.map((one) => el("tr", {},
    el("td", {}, el("a", { href: `#/library?filter=${encodeURIComponent(`taught:"${one.tag}"`)}` }, one.tag)), el("td.number", {}, one.n_yes), el("td.number", {}, one.n_no), el("td.number", {}, one.n_tracks ?? missing(one.missing)),
    el("td", {}, button("Remove", async () => {
      if (!confirm(`Remove the tag “${one.tag}” and all answers for it?`)) return;
      try { await remove(`/v1/own-tags/${encodeURIComponent(one.tag)}`); show(box, () => get("/v1/own-tags", {}, signal), (again) => ownTags(again, box, signal)); } catch (error) { tell(error); }
    }, { class: "small" }))))));
}

/** How many answers a tag still needs. */
function missing({ yes, no }) {
  return el("span.muted", {}, [yes && `${yes} more right`, no && `${no} more wrong`].filter(Boolean).join(", ") || "not yet");
}

function written({ runs }, box) {
  if (!runs.length) return el("p.muted", {}, "Nothing was written yet.");
  return el("table", {}, el("tbody", {}, runs.map((run) => el("tr", {}, el("td", {}, new Date(run.begun).toLocaleString()), el("td", {}, count(run.n_files, "file")),
    el("td", {}, run.n_undone === run.n_files ? "taken back" : button("Undo", async () => { await undo(run.run); show(box, () => get("/v1/write/runs"), (said) => written(said, box)); }, { class: "small" }))))));
}

function modelTable({ models, presets, preset, library }) {
  const used = new Set(presets[preset]);
  return [el("p", {}, `Listens with the preset “${preset}”: ${presets[preset].join(", ")}.`, library.length ? ` The library was heard by ${library.join(", ")}.` : ""),
    el("table", {}, el("thead", {}, el("tr", {}, ["Model", "Tags", "Licence", "On this machine"].map((text) => el("th", {}, text)))), el("tbody", {}, models.map((one) => el("tr", { class: used.has(one.name) ? "used" : "" },
      el("td", {}, one.name), el("td.number", {}, one.tags.length), el("td", {}, one.licence), el("td", {}, one.local ? "yes" : el("span.muted", {}, `earmark models pull ${one.name}`))))))];
}
