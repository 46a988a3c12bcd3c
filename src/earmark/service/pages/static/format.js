// Numbers as people read them.

/** Seconds as m:ss or h:mm:ss. */
export function clock(seconds) {
  if (!Number.isFinite(seconds)) return "–";
  const whole = Math.max(0, Math.floor(seconds + 0.5));
  const h = Math.floor(whole / 3600), m = Math.floor((whole % 3600) / 60), s = whole % 60;
  return h ? `${h}:${String(m).padStart(2, "0")}:${String(s).padStart(2, "0")}` : `${m}:${String(s).padStart(2, "0")}`;
}

/** A share of 1 as per cent. */
export function percent(value) {
  return value >= 0.0995 || value === 0 ? `${Math.round(100 * value)} %` : `${(100 * value).toFixed(1)} %`;
}

/** How many times as high as usual. */
export function times(lift) {
  if (lift === null || lift === undefined) return "";
  return `×${lift >= 9.95 ? Math.round(lift) : lift.toFixed(1)}`;
}

/** A number of things, with the word for them. */
export function count(n, one, many = `${one}s`) {
  return `${n.toLocaleString("en")} ${n === 1 ? one : many}`;
}

/** A time in seconds since 1970 as one of the day, or with the date. */
export function when(seconds) {
  const then = new Date(1000 * seconds), now = new Date();
  const time = then.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  return then.toDateString() === now.toDateString() ? time : `${then.toLocaleDateString()} ${time}`;
}

/** What a track of the catalogue is called. */
export function titleOf(track) {
  if (track.title) return track.title;
  const path = (track.paths && track.paths[0]) || track.path || track.name || "";
  return path.split("/").pop().replace(/\.[^.]+$/, "").replaceAll("_", " ").trim() || track.id || "Untitled";
}

/** Read an array that was written bit by bit: little-endian, in C order. */
export function decode({ dtype, base64, shape }) {
  const text = atob(base64), bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  const values = dtype === "<f8" ? new Float64Array(bytes.buffer) : new Float32Array(bytes.buffer);
  return { shape, values };
}

/** The best tags that were heard in a track of the catalogue, over all models. */
export function bestTags(track, n = 3) {
  const best = new Map();
  for (const heard of Object.values(track.heard || {})) {
    for (const [tag, score] of Object.entries(heard.tags)) best.set(tag, Math.max(score, best.get(tag) || 0));
  }
  return [...best].sort((a, b) => b[1] - a[1]).slice(0, n);
}
