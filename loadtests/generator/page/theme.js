// Locust keeps its choice of light or dark in localStorage.theme: it holds here, too.
"use strict";
(() => {
  let kept = null;
  try { kept = localStorage.theme; } catch (error) { /* the browser keeps nothing */ }
  const dark = kept ? kept === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  document.documentElement.dataset.theme = dark ? "dark" : "light";
})();
