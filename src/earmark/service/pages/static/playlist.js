// Playlists from songs, moods and filters: shown, played, saved as a file for other players.

import { post } from "./api.js";
import { button, el, failed, field, fill, waiting } from "./dom.js";
import { clock, count, titleOf } from "./format.js";
import { player, songOf } from "./player.js";
import { trackTable } from "./rows.js";

/** Show the page; `seed` are ids of songs to start from. */
export function playlistPage(main, parameters) {
  const seeds = parameters.getAll("seed");
  const length = el("input", { type: "number", min: 2, max: 200, value: 25, required: true });
  const moods = el("input", { type: "text", placeholder: "calm:0.2 -> energetic:0.8" });
  const filter = el("input", { type: "text", placeholder: "genre:jazz and bpm < 120" });
  const variety = el("input", { type: "range", min: 0, max: 1, step: 0.05, value: 0.2 });
  const spread = el("input", { type: "number", min: 0, max: 50, value: 3 });
  const found = el("div");
  const make = async () => {
    fill(found, waiting("Chooses songs…"));
    try {
      const { tracks } = await post("/v1/playlist", {
        seeds, length: Number(length.value), moods: moods.value.trim() ? [moods.value.trim()] : [],
        filter: filter.value.trim() || null, no_repeat_artist: Number(spread.value), variety: Number(variety.value),
        random_seed: Math.floor(Math.random() * 2 ** 31),
      });
      fill(found, tracks.length ? result(tracks, Number(length.value), Number(spread.value)) : el("p.empty", {}, "No song fits. Try a wider filter."));
    } catch (error) { fill(found, failed(error)); }
  };
  fill(main, el("h1", {}, "Make a playlist"),
    el("p.lead", {}, seeds.length ? `From ${count(seeds.length, "song")}, by how they sound.` : "Say a mood or a filter; to start from a song, open it and press “Make a playlist”."),
    el("form.form", { onsubmit: (event) => { event.preventDefault(); make(); } },
      field("Songs", length), field("Artist again after", spread, "songs; 0 at once"), field("Variety", variety),
      el("div.field.grow", {}, field("Moods on the way", moods, "each with a level from 0 to 1")), el("div.field.grow", {}, field("Only songs that fit", filter)),
      button("Make it", null, { type: "submit", class: "main" })), found);
  if (seeds.length) make();
}

function result(tracks, wanted, spread) {
  const songs = tracks.map((track) => songOf(track, titleOf(track)));
  const seconds = tracks.reduce((sum, track) => sum + track.duration, 0);
  return [el("div.inline", {}, button("Play all", () => player.play(songs, 0), { class: "main" }), button("Save as M3U8", () => save(tracks)),
    el("span.muted", {}, `${count(tracks.length, "song")}, ${clock(seconds)}`)),
  tracks.length < wanted && el("p.muted", {}, spread ? `No artist comes again within ${count(spread, "song")}, so fewer songs go together than were asked for.` : "There are no more that fit."), trackTable(tracks)];
}

/** Save tracks as a playlist that other players read; the paths are those of the machine that the service runs on. */
function save(tracks) {
  const clean = (text) => text.replace(/[\r\n]+/g, " ");
  const lines = tracks.filter((track) => track.paths.length).flatMap((track) => [
    `#EXTINF:${Math.round(track.duration)},${clean([track.artist, titleOf(track)].filter(Boolean).join(" - "))}`, track.paths[0]]);
  const url = URL.createObjectURL(new Blob([["#EXTM3U", ...lines, ""].join("\n")], { type: "audio/x-mpegurl" }));
  el("a", { href: url, download: "playlist.m3u8" }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10000);
}
