// One player for the whole page: what plays goes on while another page is looked at.

import { el, fill, icon, iconButton, notice } from "./dom.js";
import { clock } from "./format.js";

const audio = new Audio();
audio.preload = "metadata";

/** What is to be played, and where in it; listeners hear of "change" (another song, started, stopped) and "time". */
class Player extends EventTarget {
  queue = [];
  index = -1;

  get song() { return this.queue[this.index] || null; }
  get playing() { return !audio.paused && !audio.ended; }
  get time() { return audio.currentTime || 0; }
  get duration() { return Number.isFinite(audio.duration) ? audio.duration : (this.song?.duration ?? NaN); }

  /** Whether a song, known by its key, is the one in the player. */
  holds(key) { return this.song?.key === key; }

  /** Play songs, `{ key, title, artist, src, duration, href }`, from one of them on. */
  async play(songs, index = 0, at = 0) {
    this.queue = songs;
    this.index = index;
    audio.src = this.song.src;
    if (at) audio.currentTime = at;
    document.getElementById("player").hidden = false;
    this.tell("change");
    await this.go();
  }

  async go() {
    try { await audio.play(); } catch (error) {
      if (error.name === "AbortError") return; // another song was chosen meanwhile
      const hint = error.name === "NotAllowedError" ? "Press play once more: the browser wants to be asked." : "The browser cannot play this file; what was heard in it is right all the same.";
      notice(`${this.song?.title ?? "The song"} cannot be played`, { hint, bad: true });
    }
  }

  /** Start or stop a song; one that is not in the player yet is put there. */
  toggle(song, at = null) {
    if (!song || this.holds(song.key)) {
      if (at !== null) { audio.currentTime = at; if (!this.playing) this.go(); }
      else if (this.playing) audio.pause();
      else this.go();
    } else this.play([song], 0, at ?? 0);
  }

  /** Go to a time of the song in the player, seconds. */
  seek(time) {
    if (!this.song) return;
    audio.currentTime = Math.min(Math.max(time, 0), Number.isFinite(this.duration) ? this.duration : time);
    this.tell("time");
  }

  /** Go on to another song of the queue. */
  step(n) {
    if (n < 0 && this.time > 3) { this.seek(0); return; }
    if (this.index + n >= 0 && this.index + n < this.queue.length) this.play(this.queue, this.index + n);
  }

  set volume(value) { audio.volume = value; }
  get volume() { return audio.volume; }

  tell(name) { this.dispatchEvent(new Event(name)); }
}

export const player = new Player();

for (const name of ["play", "pause", "loadedmetadata", "durationchange"]) audio.addEventListener(name, () => player.tell("change"));
audio.addEventListener("seeked", () => player.tell("time"));
audio.addEventListener("ended", () => { player.tell("change"); player.step(1); });

// The event of the browser comes four times a second; pictures that move with the music want every frame.
function beat() {
  if (player.playing) player.tell("time");
  requestAnimationFrame(beat);
}
requestAnimationFrame(beat);

/** Make the button that starts and stops a song; it shows what is the case. */
export function playButton(song, { queue = null, index = 0, large = false } = {}) {
  const made = el("button.icon.play", { type: "button", class: large ? "large" : "", onclick: () => {
    if (queue && !player.holds(song.key)) player.play(queue, index);
    else player.toggle(song);
  } });
  const show = () => {
    const on = player.holds(song.key) && player.playing;
    const label = `${on ? "Pause" : "Play"} ${song.title}`;
    if (made.getAttribute("aria-label") === label) return;
    made.setAttribute("aria-label", label);
    fill(made, icon(on ? "pause" : "play"));
  };
  whileShown(made, "change", show);
  show();
  return made;
}

/** Call a function at every event of the player for as long as an element is in the page. */
export function whileShown(element, name, run) {
  let wasShown = false;
  const hear = () => {
    if (element.isConnected) { wasShown = true; run(); } else if (wasShown) player.removeEventListener(name, hear);
  };
  player.addEventListener(name, hear);
}

/** Build the bar at the foot of the page. */
export function showPlayer(bar) {
  const toggle = el("button.icon.play", { type: "button", onclick: () => player.toggle(null) });
  const back = iconButton("previous", "Back", () => player.step(-1)), on = iconButton("next", "On", () => player.step(1));
  const title = el("a.title"), artist = el("small");
  const place = el("input", { type: "range", min: 0, max: 1000, value: 0, "aria-label": "Place in the song", oninput: () => player.seek((place.value / 1000) * player.duration) });
  const time = el("output"), rest = el("output");
  const volume = el("input.volume", { type: "range", min: 0, max: 100, value: 100, "aria-label": "Volume", oninput: () => { player.volume = volume.value / 100; } });
  fill(bar, el("div.buttons", {}, back, toggle, on), el("div.what", {}, title, artist),
    el("div.place", {}, time, place, rest), el("div.loud", {}, icon("volume"), volume));
  bar.setAttribute("role", "region");
  bar.setAttribute("aria-label", "Player");
  const change = () => {
    const { song } = player;
    if (!song) return;
    title.textContent = song.title;
    title.href = song.href || "#/";
    artist.textContent = song.artist || "";
    toggle.setAttribute("aria-label", player.playing ? "Pause" : "Play");
    fill(toggle, icon(player.playing ? "pause" : "play"));
    back.disabled = false;
    on.disabled = player.index + 1 >= player.queue.length;
    document.title = player.playing ? `${song.title} – earmark` : "earmark";
    if ("mediaSession" in navigator) navigator.mediaSession.metadata = new MediaMetadata({ title: song.title, artist: song.artist || "" });
    tick();
  };
  const tick = () => {
    const { duration } = player;
    if (document.activeElement !== place || player.playing) place.value = duration ? (1000 * player.time) / duration : 0;
    place.setAttribute("aria-valuetext", `${clock(player.time)} of ${clock(duration)}`);
    time.textContent = clock(player.time);
    rest.textContent = clock(duration);
  };
  player.addEventListener("change", change);
  player.addEventListener("time", tick);
  if ("mediaSession" in navigator) {
    navigator.mediaSession.setActionHandler("nexttrack", () => player.step(1));
    navigator.mediaSession.setActionHandler("previoustrack", () => player.step(-1));
  }
}

/** What the player takes, of a track of the catalogue. */
export function songOf(track, title) {
  return { key: track.id, title, artist: track.artist, duration: track.duration, src: `/v1/tracks/${track.id}/audio`, href: `#/track/${track.id}` };
}
