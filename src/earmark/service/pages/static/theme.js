"use strict";
// Before anything is drawn: light or dark as it was chosen, else as the system has it.
(() => {
  const root = document.documentElement;
  let chosen = null;
  try { chosen = localStorage.getItem("earmark-theme"); } catch { /* storage is switched off */ }
  const dark = chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "dark" : "light";
})();
