// Which page is shown: what stands after the # says so. Keys that work everywhere; light and dark.

import { button, el, failed, fill, icon } from "./dom.js";
import { comparePage } from "./compare.js";
import { libraryPage } from "./library.js";
import { listenPage } from "./listen.js";
import { mapPage } from "./map.js";
import { player, showPlayer } from "./player.js";
import { playlistPage } from "./playlist.js";
import { settingsPage } from "./settings.js";
import { heardPage, trackPage } from "./song.js";

const PAGES = { "": listenPage, library: libraryPage, map: mapPage, compare: comparePage, settings: settingsPage, playlist: playlistPage };
const SONGS = { track: trackPage, heard: heardPage };
const main = document.getElementById("main");
let shown = new AbortController();

async function route() {
  shown.abort();
  shown = new AbortController();
  const [path, search] = location.hash.replace(/^#\/?/, "").split("?"), [name, ...rest] = path.split("/");
  main.className = "";
  for (const link of document.querySelectorAll("nav a")) {
    const own = link.getAttribute("href").replace("#/", "");
    if (own === name) link.setAttribute("aria-current", "page"); else link.removeAttribute("aria-current");
  }
  scrollTo(0, 0);
  try {
    if (name in SONGS && rest[0]) await SONGS[name](main, decodeURIComponent(rest[0]), shown.signal);
    else if (name in PAGES) await PAGES[name](main, new URLSearchParams(search ?? ""), shown.signal);
    else fill(main, el("div.empty", {}, el("h1", {}, "There is no such page"), el("a.button", { href: "#/" }, "To the start")));
  } catch (error) {
    if (error.name === "AbortError") return;
    fill(main, failed({ message: "This page could not be shown", hint: error.message }), button("Load it again", () => location.reload()));
    throw error;
  }
}

function showTheme() {
  const root = document.documentElement, toggle = document.getElementById("theme");
  const show = () => {
    const dark = root.dataset.theme === "dark", label = dark ? "Light colours" : "Dark colours";
    fill(toggle, icon(dark ? "sun" : "moon"));
    toggle.setAttribute("aria-label", label);
    toggle.title = label;
  };
  const set = (theme, keep) => {
    root.dataset.theme = theme;
    if (keep) try { localStorage.setItem("earmark-theme", theme); } catch { /* storage is switched off */ }
    show();
    document.dispatchEvent(new Event("earmark-theme"));
  };
  toggle.onclick = () => { set(root.dataset.theme === "dark" ? "light" : "dark", true); if (location.hash.startsWith("#/map")) route(); };
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", (event) => {
    try { if (localStorage.getItem("earmark-theme")) return; } catch { /* as above */ }
    set(event.matches ? "dark" : "light", false);
  });
  show();
}

function listenForKeys() {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, textarea, select, button, a, dialog, [role=slider], label")) return;
    if (event.key === " " && player.song) { event.preventDefault(); player.toggle(null); }
    if (event.key === "/") {
      const search = main.querySelector("input[type=search]");
      if (search) { event.preventDefault(); search.focus(); } else location.hash = "#/library";
    }
  });
}

showTheme();
showPlayer(document.getElementById("player"));
listenForKeys();
addEventListener("hashchange", route);
route();
