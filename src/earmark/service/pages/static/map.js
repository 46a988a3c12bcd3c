// The map of the library: every track a dot, alike near alike. The map is a page of its own, shown in this one.

import { pause, query, send } from "./api.js";
import { button, el, failed, fill, waiting } from "./dom.js";

/** Show the page. */
export async function mapPage(main, parameters, signal) {
  const filter = el("input", { type: "text", value: parameters.get("filter") ?? "", placeholder: "all tracks; or a filter such as genre:jazz", "aria-label": "Only tracks that fit", spellcheck: "false" });
  const box = el("div.map");
  main.classList.add("full");
  fill(main, el("form.inline", { onsubmit: (event) => { event.preventDefault(); location.hash = `#/map${query({ filter: filter.value.trim() })}`; } },
    el("h1", {}, "Map"), filter, button("Draw", null, { type: "submit" })), box);
  fill(box, waiting("Draws the map…"));
  try {
    const address = `/page/map${query({ filter: parameters.get("filter") })}`;
    let response = await send(address, { signal });
    while (response.status === 503) { // a large library takes a while; what was begun goes on
      await pause(1000 * Number(response.headers.get("Retry-After") ?? 10));
      response = await send(address, { signal });
    }
    if (!response.ok) {
      const said = await response.json();
      const none = response.status === 400 && !parameters.get("filter");
      fill(box, none ? el("div.empty", {}, el("h2", {}, "There is nothing on the map yet"), el("p", {}, said.error), el("a.button", { href: "#/library" }, "To the library"))
        : failed({ message: said.error, hint: said.hint }));
      return;
    }
    fill(box, el("iframe", { src: `${address}#theme=${document.documentElement.dataset.theme}`, title: "Map of your library" }));
  } catch (error) { if (error.name !== "AbortError") fill(box, failed(error)); }
}
