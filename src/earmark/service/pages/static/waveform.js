// The waveform of a song, to see where it plays and to go elsewhere in it.

import { colours, keepDrawn } from "./canvas.js";
import { el } from "./dom.js";
import { clock } from "./format.js";
import { player, whileShown } from "./player.js";

const STEP = 5; // seconds that an arrow key goes
const BAR = 3; // pixels from one bar to the next

/** Make a waveform: `peaks` in [0, 1], evenly over `duration` seconds; a song that plays moves through it. */
export function waveform(song, peaks, duration) {
  const canvas = el("canvas.waveform", { role: "slider", tabindex: 0, "aria-label": "Place in the song", "aria-valuemin": 0, "aria-valuemax": Math.round(duration) });
  const at = () => (player.holds(song.key) ? player.time : 0);
  const loudest = Math.max(...peaks, 1e-6);
  const draw = keepDrawn(canvas, (context, width, height) => {
    const colour = colours(), n = Math.max(1, Math.floor(width / BAR)), done = (at() / duration) * n;
    for (let i = 0; i < n; i++) {
      const from = Math.floor((i / n) * peaks.length), to = Math.max(from + 1, Math.floor(((i + 1) / n) * peaks.length));
      let peak = 0;
      for (let j = from; j < to; j++) peak = Math.max(peak, peaks[j]);
      const h = Math.max(2, (peak / loudest) * (height - 4));
      context.fillStyle = i < done ? colour("accent") : colour("quiet");
      context.fillRect(i * BAR, (height - h) / 2, BAR - 1, h);
    }
  });
  const show = () => {
    canvas.setAttribute("aria-valuenow", Math.round(at()));
    canvas.setAttribute("aria-valuetext", `${clock(at())} of ${clock(duration)}`);
    draw();
  };
  const go = (time) => player.toggle(song, Math.min(Math.max(time, 0), duration));
  canvas.addEventListener("pointerdown", (event) => {
    const box = canvas.getBoundingClientRect();
    go(((event.clientX - box.left) / box.width) * duration);
  });
  canvas.addEventListener("keydown", (event) => {
    const times = { ArrowLeft: at() - STEP, ArrowRight: at() + STEP, Home: 0, End: duration - 1 };
    if (event.key in times) { event.preventDefault(); go(times[event.key]); }
    if (event.key === "Enter" || event.key === " ") { event.preventDefault(); player.toggle(song); }
  });
  whileShown(canvas, "time", show);
  whileShown(canvas, "change", show);
  show();
  return canvas;
}

/** Find the peaks of a file that was dropped here, in the browser; null if it cannot be decoded or is very long. */
export async function peaksOf(file, n = 800) {
  if (file.size > 60e6) return null;
  try {
    const context = new OfflineAudioContext(1, 1, 8000);
    const heard = await context.decodeAudioData(await file.arrayBuffer());
    const samples = heard.getChannelData(0), peaks = new Array(n).fill(0);
    for (let i = 0; i < samples.length; i++) {
      const slot = Math.min(n - 1, Math.floor((i / samples.length) * n)), value = Math.abs(samples[i]);
      if (value > peaks[slot]) peaks[slot] = value;
    }
    return peaks.map((one) => Math.min(one, 1));
  } catch { return null; }
}
