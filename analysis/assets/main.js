// Paper shows every tab, in light colours, at its own width; then the page begins.

const setPrinting = now => {
  printing = now;
  document.body.classList.toggle("printing", now);
  all("[role=tabpanel]").forEach(panel => {
    if (now) { panel.dataset.was = panel.hidden ? "hidden" : ""; panel.hidden = false; }
    else { panel.hidden = panel.dataset.was === "hidden"; }
  });
  if (now) paintAll();
  else touchDrawn();
};
window.addEventListener("beforeprint", () => setPrinting(true));
window.addEventListener("afterprint", () => setPrinting(false));
new ResizeObserver(() => { if (!printing) touchDrawn(); }).observe(byId("main"));

refilter();
follow();
touch();
