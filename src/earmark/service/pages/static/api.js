// What the service is asked: everything the page does goes through /v1, as any other client's requests do.

import { el, button, field } from "./dom.js";

/** An answer that tells of a mistake. */
export class Problem extends Error {
  constructor(status, message, hint) {
    super(message);
    this.status = status;
    this.hint = hint;
  }
}

const AWAY = "The service does not answer";
const AWAY_HINT = "Is it still running? It is started with: earmark serve";

async function problemOf(response) {
  let said = {};
  try { said = await response.json(); } catch { /* no JSON: a proxy answered */ }
  return new Problem(response.status, said.error || `The service answered ${response.status}`, said.hint || null);
}

let asking = null;

/** Ask for the token that a service on another machine wants; it is kept in a cookie that scripts cannot read. */
function askForToken() {
  asking ??= new Promise((resolve) => {
    const input = el("input", { type: "password", autocomplete: "current-password", required: true });
    const said = el("p.bad", { role: "alert" });
    const box = el("dialog", { "aria-label": "A token is needed" },
      el("header", {}, el("h2", {}, "A token is needed")),
      el("form", {
        onsubmit: async (event) => {
          event.preventDefault();
          const response = await fetch("/v1/session", { method: "POST", headers: { Authorization: `Bearer ${input.value.trim()}` } });
          if (response.ok) { box.close(); box.remove(); resolve(); } else said.textContent = (await problemOf(response)).message;
        },
      }, field("Token", input, "Whoever runs the service makes one: earmark serve token add NAME"), said, button("Sign in", null, { type: "submit", class: "main" })));
    box.addEventListener("cancel", (event) => event.preventDefault());
    document.body.append(box);
    box.showModal();
  }).finally(() => { asking = null; });
  return asking;
}

/** Send a request; returns the response, whatever it is, unless a token has to be shown first. */
export async function send(path, options = {}) {
  for (;;) {
    let response;
    try { response = await fetch(path, options); } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new Problem(0, AWAY, AWAY_HINT);
    }
    if (response.status !== 401) return response;
    await askForToken();
  }
}

async function json(path, options) {
  const response = await send(path, options);
  if (!response.ok) throw await problemOf(response);
  return response.status === 204 ? null : response.json();
}

/** Write parameters of a request; those that are null are left out. */
export function query(parameters) {
  const made = new URLSearchParams();
  for (const [key, value] of Object.entries(parameters)) {
    if (value === null || value === undefined || value === "") continue;
    for (const one of [value].flat()) made.append(key, one);
  }
  const text = made.toString();
  return text ? `?${text}` : "";
}

export const get = (path, parameters = {}, signal = undefined) => json(path + query(parameters), { signal });
export const remove = (path) => json(path, { method: "DELETE" });
export const post = (path, body = undefined) => json(path, {
  method: "POST",
  headers: body === undefined ? {} : { "Content-Type": "application/json" },
  body: body === undefined ? undefined : JSON.stringify(body),
});

/** Send a file to be tagged in a job; `onprogress` gets the share that was sent. */
export function upload(file, parameters, onprogress, signal) {
  const attempt = () => new Promise((resolve, reject) => {
    const request = new XMLHttpRequest(), form = new FormData();
    form.append("file", file, file.name);
    request.open("POST", `/v1/jobs/upload${query(parameters)}`);
    request.responseType = "json";
    request.upload.onprogress = (event) => event.lengthComputable && onprogress(event.loaded / event.total);
    request.onload = () => {
      const said = request.response || {};
      if (request.status < 300) resolve(said);
      else reject(new Problem(request.status, said.error || `The service answered ${request.status}`, said.hint || null));
    };
    request.onerror = () => reject(new Problem(0, "The file could not be sent", AWAY_HINT));
    request.onabort = () => reject(new DOMException("cancelled", "AbortError"));
    signal?.addEventListener("abort", () => request.abort());
    request.send(form);
  });
  return attempt().catch((error) => (error.status === 401 ? askForToken().then(attempt) : Promise.reject(error)));
}

/** Wait. */
export const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** Follow a job until it has ended; `onchange` gets it whenever something changed. Returns the job. */
export async function follow(id, onchange, signal) {
  let last = null;
  for (let fails = 0; ;) {
    try {
      const headers = last === null ? {} : { "Last-Event-ID": String(last) };
      const response = await send(`/v1/jobs/${id}/events`, { headers, signal });
      if (!response.ok) throw await problemOf(response);
      if (response.status === 204) return await get(`/v1/jobs/${id}`, {}, signal);
      for await (const job of events(response)) {
        last = job.version;
        fails = 0;
        onchange(job);
        if (["done", "failed", "cancelled"].includes(job.state)) return job;
      }
    } catch (error) {
      if (error.name === "AbortError" || (error.status >= 400 && error.status < 500 && error.status !== 429)) throw error;
      if (++fails > 5) throw error;
    }
    await pause(1000 * (fails + 1));
  }
}

async function* events(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    text += value;
    const parts = text.split("\n\n");
    text = parts.pop();
    for (const part of parts) {
      const data = part.split("\n").filter((line) => line.startsWith("data: ")).map((line) => line.slice(6)).join("");
      if (data) yield JSON.parse(data);
    }
  }
}
