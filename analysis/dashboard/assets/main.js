// Paper shows every tab, in light colours, at its own width; then the page begins.

const setPrinting = now => {
  printing = now;
  document.body.classList.toggle("printing", now);
  all("[role=tabpanel]").forEach(panel => {
    if (now) { panel.dataset.was = panel.hidden ? "hidden" : ""; panel.hidden = false; }
    else { panel.hidden = panel.dataset.was === "hidden"; }
  });
  all("details.more").forEach(details => {
    if (now) { details.dataset.was = details.open ? "open" : ""; details.open = true; }
    else { details.open = details.dataset.was === "open"; }
  });
  if (now) paintAll();
  else redrawShown();
};
window.addEventListener("beforeprint", () => setPrinting(true));
window.addEventListener("afterprint", () => setPrinting(false));
new ResizeObserver(() => { if (!printing) redrawShown(); }).observe(byId("main"));
new ResizeObserver(() => {  // a heading that one jumps to stands below the bar
  document.documentElement.style.setProperty("--bar", `${byId("bar").offsetHeight}px`);
}).observe(byId("bar"));

// What goes on to the right of its frame fades out there.
const fade = frame => frame.classList.toggle("more", frame.scrollWidth - frame.clientWidth - frame.scrollLeft > 4);
document.addEventListener("scroll", event => { if (event.target.classList?.contains("plot-scroll")) fade(event.target); }, { capture: true, passive: true });
new ResizeObserver(() => all(".plot-scroll").forEach(fade)).observe(byId("main"));

refilter();
follow();
redraw();
