// Tags into files: what would change is shown first; what was changed can be taken back.

import { get, post } from "./api.js";
import { button, dialog, el, failed, fill, notice, tell, waiting } from "./dom.js";
import { count } from "./format.js";

/** Show what writing the tags of some tracks would change, and write them if that is wanted. */
export async function writeTags(ids) {
  const profile = el("select", { "aria-label": "For which player" }), force = el("input", { type: "checkbox" });
  const shown = el("div.changes"), go = button("Write", null, { class: "main", disabled: true });
  const body = el("div", {},
    el("p", {}, "Nothing is changed until you press Write, and everything that is can be taken back."),
    el("div.inline", {}, el("label", {}, "For ", profile), el("label", {}, force, " Replace what somebody else wrote")), shown, el("footer", {}, go));
  const close = dialog(`Write tags into ${count(ids.length, "file")}`, body, { wide: true });
  // A request works for a minute at most; what it had no time for is asked for again, which does nothing twice.
  const ask = async (apply) => {
    const files = [], runs = [];
    for (let left = ids; left.length;) {
      const said = await post("/v1/write", { tracks: left, profile: profile.value || "standard", force: force.checked, apply });
      files.push(...said.files);
      if (said.run) runs.push(said.run);
      if (said.left.length >= left.length) break;
      ({ left } = said);
    }
    return { files, runs };
  };
  const look = async () => {
    go.disabled = true;
    fill(shown, waiting("Looks at the files…"));
    try {
      const { files } = await ask(false);
      const n = files.filter((file) => file.status === "proposed").length;
      fill(shown, files.map(difference));
      go.disabled = !n;
      go.textContent = n ? `Write into ${count(n, "file")}` : "Nothing to write";
    } catch (error) { fill(shown, failed(error)); }
  };
  go.onclick = async () => {
    go.disabled = true;
    try {
      const done = await ask(true);
      close();
      const n = done.files.filter((file) => file.status === "written").length;
      notice(`Tags were written into ${count(n, "file")}`, { action: done.runs.length > 0 && { text: "Undo", run: async () => { for (const run of done.runs.reverse()) await undo(run); } } });
      for (const file of done.files.filter((one) => one.problem)) notice(file.problem.error, { hint: file.problem.hint, bad: true });
    } catch (error) { tell(error); go.disabled = false; }
  };
  profile.onchange = look;
  force.onchange = look;
  try {
    const { profiles } = await get("/v1/write/profiles");
    fill(profile, profiles.map((one) => el("option", { value: one.name }, one.name)));
    profile.value = "standard";
  } catch (error) { fill(shown, failed(error)); return; }
  await look();
}

function difference(file) {
  const name = file.path ? file.path.split("/").pop() : "A track without a file";
  const kept = file.kept.length > 0 && el("p.muted", {}, `Somebody else’s ${file.kept.join(", ")} stays as it is.`);
  if (file.problem) return el("section", {}, el("h3", {}, name), el("p.bad", {}, file.problem.error, file.problem.hint && el("small", {}, file.problem.hint)));
  if (!file.changes.length) return el("section", {}, el("h3", {}, name), kept || el("p.muted", {}, "It has all of this already."));
  return el("section", {}, el("h3", {}, name), el("table.difference", {}, el("tbody", {}, file.changes.map((change) => el("tr", { class: change.field.startsWith("EARMARK") ? "aside" : "" },
    el("th", { scope: "row" }, change.field),
    el("td", {}, change.before.length ? el("del", {}, change.before.join("; ")) : el("span.muted", {}, "nothing")),
    el("td", {}, change.after.length ? el("ins", {}, change.after.join("; ")) : el("span.muted", {}, "nothing")))))), kept);
}

/** Take back what a run wrote. */
export async function undo(run) {
  try {
    const done = await post("/v1/write/undo", { run });
    const back = done.files.filter((file) => file.is_restored);
    notice(`${count(back.length, "file")} ${back.length === 1 ? "is" : "are"} as before`);
    for (const file of done.files.filter((one) => !one.is_restored)) notice(file.path.split("/").pop(), { hint: file.reason, bad: true });
  } catch (error) { tell(error); }
}
