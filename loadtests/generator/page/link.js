// Puts the link to the study's page into Locust's own navigation bar, and keeps it there.
"use strict";
(() => {
  const make = () => {
    const link = document.createElement("a");
    link.id = "study-link";
    link.href = "./study/";
    link.textContent = "COMPARE CONTENDERS";
    link.style.cssText = "color:inherit;font:500 14px Roboto,Helvetica,Arial,sans-serif;margin:0 16px;text-underline-offset:4px";
    return link;
  };
  const place = () => {
    if (document.getElementById("study-link")) return;
    const bar = document.querySelector("header .MuiToolbar-root, header");
    if (!bar) return;
    const first = bar.querySelector("a");
    const link = make();
    if (first) first.after(link);
    else bar.append(link);
  };
  new MutationObserver(place).observe(document.body, { childList: true, subtree: true });
  place();
})();
