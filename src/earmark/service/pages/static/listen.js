// The start: drop a song, or pick one from the library.

import { get, query, upload } from "./api.js";
import { button, el, fill, notice, tell } from "./dom.js";
import { titleOf, when } from "./format.js";
import { dropped } from "./song.js";

const SOUNDS = "audio/*,video/mp4,video/webm,.flac,.opus,.ogg,.oga,.m4a,.wma,.aiff,.aif,.ape,.mka";

/** Show the page. */
export async function listenPage(main, _, signal) {
  const input = el("input.hidden", { type: "file", accept: SOUNDS, multiple: true, id: "file", onchange: () => take([...input.files]) });
  const sending = el("div.sending"), picked = el("div"), lately = el("section");
  const zone = el("label.drop", { for: "file", tabindex: 0, onkeydown: (event) => { if (event.key === "Enter" || event.key === " ") { event.preventDefault(); input.click(); } } },
    el("strong", {}, "Drop a song here"), el("span", {}, "or press to choose one"), el("small", {}, "It is heard on the machine that earmark runs on, and goes nowhere else."));
  const take = (files) => { input.value = ""; for (const file of files) sendFile(file, sending, files.length === 1, signal); };
  listenForDrops(zone, take, signal);
  fill(main, el("h1.hero", {}, "What is in this song?"), input, zone, sending,
    el("section", {}, el("h2", {}, "Or pick one from your library"), picker(picked, signal), picked),
    lately);
  showLately(lately, signal);
}

function listenForDrops(zone, take, signal) {
  const over = (event) => {
    if (![...(event.dataTransfer?.types ?? [])].includes("Files")) return;
    event.preventDefault();
    zone.classList.add("over");
  };
  document.addEventListener("dragover", over, { signal });
  document.addEventListener("dragleave", (event) => { if (!event.relatedTarget) zone.classList.remove("over"); }, { signal });
  document.addEventListener("drop", (event) => {
    if (!event.dataTransfer?.files.length) return;
    event.preventDefault();
    zone.classList.remove("over");
    take([...event.dataTransfer.files]);
  }, { signal });
}

async function sendFile(file, box, opens, signal) {
  const stop = new AbortController(), bar = el("progress", { max: 1, value: 0 });
  const line = el("div.progress", {}, el("p", { role: "status" }, `Sends ${file.name}…`), bar, button("Cancel", () => stop.abort()));
  box.append(line);
  try {
    const job = await upload(file, { taggram: true, similar: 10 }, (share) => { bar.value = share; }, stop.signal);
    dropped.set(job.id, { file, url: URL.createObjectURL(file) });
    const open = () => { location.hash = `#/heard/${job.id}`; };
    if (signal.aborted) notice(`${file.name} is being heard`, { action: { text: "Open", run: open } });
    else if (opens) open();
    else fill(line, el("p", {}, el("a", { href: `#/heard/${job.id}` }, file.name), " is being heard."));
  } catch (error) { line.remove(); tell(error); }
}

function picker(box, signal) {
  const input = el("input", { type: "search", placeholder: "Title or artist", "aria-label": "Title or artist", autocomplete: "off", id: "pick" });
  let timer = 0, last = null;
  const look = async () => {
    const words = input.value.trim().replaceAll('"', "");
    last?.abort();
    last = new AbortController();
    if (!words) { fill(box); return; }
    try {
      const { tracks } = await get("/v1/tracks", { filter: `title:"${words}" or artist:"${words}" or path:"${words}"`, limit: 8, tags: 3 }, last.signal);
      fill(box, tracks.length ? el("ul.plain", {}, tracks.map((track) => el("li", {}, el("a", { href: `#/track/${track.id}` }, titleOf(track)), " ", el("small", {}, track.artist))))
        : el("p.muted", {}, `Nothing in your library is called “${words}”. `, el("a", { href: `#/library${query({ q: words })}` }, "Look for it by tags")));
    } catch (error) { if (!signal.aborted) tell(error); }
  };
  input.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(look, 200); });
  return el("form", { role: "search", onsubmit: (event) => { event.preventDefault(); look(); } }, input);
}

async function showLately(box, signal) {
  try {
    const { jobs } = await get("/v1/jobs", { limit: 50 }, signal);
    const heard = jobs.filter((job) => job.kind === "tag" && job.parameters.upload).slice(0, 8);
    if (heard.length) fill(box, el("h2", {}, "Heard lately"), el("ul.plain", {}, heard.map((job) => el("li", {}, el("a", { href: `#/heard/${job.id}` }, job.parameters.upload), " ",
      el("small", {}, when(job.created), job.state === "done" ? "" : `, ${job.state}`)))));
  } catch (error) { if (!signal.aborted) tell(error); }
}
