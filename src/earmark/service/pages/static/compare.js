// How well two people's taste agrees, and why.

import { post, query } from "./api.js";
import { button, el, failed, fill, tell } from "./dom.js";
import { clock, count, percent } from "./format.js";
import { player, playButton, songOf } from "./player.js";
import { ended, progress } from "./song.js";

const SOURCES = [
  ["", "Part of my library", "artist:Beatles", "a filter, such as artist:Beatles or genre:jazz"],
  ["path", "A folder or playlist", "Anna", "in the folders of music of this service"],
  ["listenbrainz:", "ListenBrainz", "rob", "a user's name"],
  ["lastfm:", "Last.fm", "rj", "a user's name; needs a key of Last.fm"],
  ["soundcloud:", "SoundCloud", "forss", "a user's name; only likes are taken, no audio"],
  ["jamendo:", "Jamendo", "claire", "a user's name; needs a key of Jamendo"],
];

const WIDE = 60; // points between the ends of an interval that tells little
const STEPS = [[90, "Very near"], [70, "Near"], [30, "About as near as any two"], [10, "Far"], [-Infinity, "Very far"]];

/** Show the page; `a` and `b` are listeners. */
export function comparePage(main, parameters, signal) {
  const a = listener("One", parameters.get("a")), b = listener("The other", parameters.get("b")), found = el("div");
  const go = async () => {
    try {
      const job = await progress(await post("/v1/jobs", { kind: "compatibility", parameters: { a: a.value(), b: b.value() } }), found, signal);
      fill(found, job.state === "done" ? result(job.result) : ended(job));
    } catch (error) { if (error.name !== "AbortError") fill(found, failed(error)); }
  };
  fill(main, el("h1", {}, "Compare two people"), el("p.lead", {}, "How well do two tastes agree, where do they meet, and what could one play to the other?"),
    el("form.pair", { onsubmit: (event) => { event.preventDefault(); history.replaceState(null, "", `#/compare${query({ a: a.value(), b: b.value() })}`); go(); } },
      a.element, b.element, button("Compare", null, { type: "submit", class: "main" })), found);
  if (parameters.get("a") && parameters.get("b")) go();
}

function listener(name, given) {
  const known = given && SOURCES.find(([prefix]) => prefix.endsWith(":") && given.startsWith(prefix));
  const source = el("select", { "aria-label": `${name}: from where` }, SOURCES.map(([value, text]) => el("option", { value }, text)));
  const input = el("input", { type: "text", required: true, "aria-label": `${name}: who`, autocomplete: "off" }), hint = el("small");
  source.value = known ? known[0] : "";
  input.value = given ? given.slice(source.value.endsWith(":") ? source.value.length : 0) : "";
  const show = () => {
    const [, , example, text] = SOURCES.find(([value]) => value === source.value);
    input.placeholder = example;
    hint.textContent = text;
  };
  source.onchange = show;
  show();
  const prefix = () => (source.value.endsWith(":") ? source.value : "");
  return { element: el("fieldset", {}, el("legend", {}, name), source, input, hint), value: () => prefix() + input.value.trim() };
}

function result(found) {
  const { a, b } = found;
  return el("div.taste", {},
    el("section.score", {}, el("p.big", {}, Math.round(found.score), el("small", {}, " of 100")),
      el("div", {}, el("h2", {}, `${a.name} and ${b.name}`), el("p", {}, el("strong", {}, `${verdict(found)}. `), `Of 100 pairs of listeners, ${Math.round(found.score)} are further apart; with other songs of theirs it may be ${Math.round(found.low)} to ${Math.round(found.high)}.`),
        interval(found), Object.entries(found.by_category).map(([name, one]) => el("div.part", {}, el("span", {}, `By ${name}`), interval(one), el("span.number", {}, Math.round(one.score)))))),
    el("div.notes", {}, [a, b].map((one) => el("p.muted", {}, `${one.name}: `, coverage(one.tracks), one.attribution && ` ${one.attribution}`, one.url && [" ", el("a", { href: safe(one.url), rel: "noreferrer", target: "_blank" }, "Profile")], one.notice && ` ${one.notice}`)),
      found.notes.map((note) => el("p.muted", {}, note))),
    facts("What they share", found.shared, a.name, b.name), facts("Where they differ", found.differences, a.name, b.name),
    found.bridges.length > 0 && el("section", {}, el("h2", {}, "Songs that meet"), el("table.tracks", {}, el("thead", {}, el("tr", {}, el("th", {}, a.name), el("th", {}, b.name), el("th.number", {}, "Alike"), el("th.wide", {}, "Both are"))),
      el("tbody", {}, found.bridges.map((one) => el("tr", {}, el("td.name", {}, songLine(one.a)), el("td.name", {}, songLine(one.b)), el("td.number", {}, one.similarity.toFixed(2)), el("td.wide", {}, one.tags.map((tag) => el("span.tag", {}, tag)))))))),
    el("div.two", {}, songs(`For ${b.name}, from ${a.name}`, found.for_b), songs(`For ${a.name}, from ${b.name}`, found.for_a)),
    songs("A playlist for both", found.playlist, true));
}

/** An address that may be followed: of the web, and nothing else. */
function safe(url) { return /^https?:\/\//i.test(url) ? url : "#/compare"; }

function coverage({ n, audio, tags_alone: tags, neither }) {
  const parts = [`${audio} heard`, tags && `${tags} with tags alone`, neither && `${neither} of which nothing is known`];
  return `${count(n, "track")}: ${parts.filter(Boolean).join(", ")}.`;
}

/** Say in words what a score tells; the words and bounds are those of the page that `earmark compatibility` writes. */
function verdict({ score, low, high }) {
  return high - low > WIDE ? "Cannot be told yet" : STEPS.find(([least]) => score >= least)[1];
}

function interval({ score, low, high }) {
  return el("div.interval", { role: "img", "aria-label": `${Math.round(score)}, between ${Math.round(low)} and ${Math.round(high)}` }, el("i", { style: { "--low": String(low), "--high": String(high) } }), el("b", { style: { "--at": String(score) } }));
}

function facts(heading, tags, a, b) {
  if (!tags.length) return null;
  const most = Math.max(...tags.flatMap((tag) => [tag.a, tag.b]), 0.01);
  const side = (value) => el("span.track", {}, el("i", { style: { "--share": String(value / most) } }));
  return el("section", {}, el("h2", {}, heading), el("div.butterfly", {}, el("div.line.head", { "aria-hidden": "true" }, el("span", {}, a), el("span"), el("span", {}, b)),
    tags.slice(0, 12).map((tag) => el("div.line", { role: "img", "aria-label": `${tag.tag}: ${percent(tag.a)} and ${percent(tag.b)}` }, side(tag.a), el("span.tagname", {}, tag.tag), side(tag.b)))));
}

const isHere = (track) => /^[0-9a-f]{32}$/.test(track.id) && track.path;
const songFor = (track) => songOf(track, track.title || track.name);

function songLine(track) {
  const text = track.title || track.name;
  return [isHere(track) ? el("a", { href: `#/track/${track.id}` }, text) : text, track.title && track.artist ? el("small", {}, track.artist) : null];
}

function songs(heading, tracks, whole = false) {
  if (!tracks.length) return null;
  const queue = tracks.filter(isHere).map(songFor);
  return el("section", {}, el("h2", {}, heading), whole && queue.length > 1 && button("Play all", () => player.play(queue, 0).catch(tell)),
    el("ol.songs", {}, tracks.map((track) => {
      const index = queue.findIndex((song) => song.key === track.id);
      return el("li", {}, index >= 0 && playButton(queue[index], { queue, index }), el("span.name", {}, songLine(track)), el("small", {}, track.duration ? clock(track.duration) : ""));
    })), whole && el("p.muted", {}, count(tracks.length, "song")));
}
