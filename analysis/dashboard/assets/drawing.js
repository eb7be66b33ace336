// When figures are drawn, and how a trial is chosen in one.

const plots = () => all(".plot");
const visible = plot => plot.offsetParent !== null;
const drawn = new WeakMap();  // plot → the figure it shows

// The reader's zoom stays until a double click lets go of it. It is kept here: plotly's own reset would go back to the ranges of its
// first drawing, and a live figure grows. A part of a broken axis that no longer holds what was zoomed into is shown whole.
const zooms = new WeakMap();  // plot → axis → range
const keepZoom = (plot, layout) => {
  const zoomed = zooms.get(plot) ?? {}, { yaxis, yaxis2 } = layout;
  if (yaxis2 && zoomed.yaxis && Math.min(...zoomed.yaxis) < yaxis.range[0]) delete zoomed.yaxis;
  if (yaxis2 && zoomed.yaxis2 && Math.max(...zoomed.yaxis2) > yaxis2.range[1]) delete zoomed.yaxis2;
  for (const axis of Object.keys(layout).filter(name => /^[xy]axis\d*$/.test(name))) {
    layout[axis].uirevision = 0;  // of the axes plotly remembers nothing
    if (zoomed[axis]) layout[axis].range = [...zoomed[axis]];
  }
};
const noteZoom = (plot, changes) => {
  const zoomed = zooms.get(plot) ?? {};
  for (const name of Object.keys(changes)) {
    const axis = /^([xy]axis\d*)\.range/.exec(name)?.[1];
    if (axis) zoomed[axis] = [...plot._fullLayout[axis].range];
  }
  zooms.set(plot, zoomed);
};

const paint = plot => {
  const figure = figures[plot.dataset.figure];
  if (!figure) return;
  const first = !drawn.has(plot), now = shown(figure);
  keepZoom(plot, now.layout);
  drawn.set(plot, now);
  if (printing && now.data[0]?.dimensions) Object.assign(now.data[0], { tickfont: { size: 8 }, labelfont: { size: 10 } });
  if (printing) Object.assign(now.layout, { width: plot.clientWidth, height: plot.clientHeight, autosize: false });
  Plotly.react(plot, now.data, now.layout, config(plot.dataset.figure));
  if (first) listen(plot);
  else if (plot._fullLayout.width !== plot.clientWidth) Plotly.Plots.resize(plot);
  describe(plot, figure);
};

// Drawing takes its turn: what is on the screen first, then what is less than a screen away; the rest when one scrolls there.
const waiting = new Set();
let working = false;
const redraw = (which = plots()) => {
  which.forEach(plot => waiting.add(plot));
  if (working) return;
  working = true;
  document.body.dataset.ready = "false";
  setTimeout(work, 0);
};
const redrawShown = () => { redraw(plots().filter(plot => drawn.has(plot))); if (chosen !== null) drawCurve(trials.get(chosen)); };
const distance = plot => {
  const { top, bottom } = plot.getBoundingClientRect();
  return top > innerHeight ? top - innerHeight : bottom < 0 ? -bottom : 0;
};
const work = () => {
  for (const plot of waiting) if (!plot.isConnected) waiting.delete(plot);
  const near = [...waiting].filter(visible).map(plot => [distance(plot), plot]).filter(([away]) => away <= innerHeight);
  near.sort((a, b) => a[0] - b[0]);
  const began = performance.now();
  while (near.length && performance.now() - began < 40) {
    const [, plot] = near.shift();
    waiting.delete(plot);
    paint(plot);
  }
  if (!near.length || near[0][0] > 0) performance.mark("first screen");
  working = near.length > 0;
  if (working) setTimeout(work, 0);
  else document.body.dataset.ready = "true";
};
for (const moved of ["scroll", "resize"]) addEventListener(moved, () => { if (waiting.size) redraw([]); }, { passive: true });
const paintAll = () => { plots().filter(visible).forEach(plot => { waiting.delete(plot); paint(plot); }); };

// A pointer chooses what it points at; arrow keys go through the figure's trials.
const listen = plot => {
  let hovered = null;
  const under = data => data.points ? numberAt(data.points[0].customdata) : numberAt(drawn.get(plot).data[0].customdata?.[data.curveNumber]);
  plot.on("plotly_relayout", changes => noteZoom(plot, changes));
  plot.on("plotly_doubleclick", () => { zooms.delete(plot); redraw([plot]); });
  plot.on("plotly_click", data => { const number = under(data); if (Number.isInteger(number)) choose(number, plot); });
  if (drawn.get(plot).data[0]?.type !== "parcoords") return;  // these tell what is hovered, not what is clicked
  plot.on("plotly_hover", data => { hovered = under(data); });
  plot.on("plotly_unhover", () => { hovered = null; });
  plot.addEventListener("click", () => { if (Number.isInteger(hovered)) choose(hovered, plot); });
};
document.addEventListener("keydown", event => {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key], plot = event.target;
  if (!step || !plot.classList?.contains("plot")) return;
  const numbers = [...numbersOf(figures[plot.dataset.figure])].filter(passes).sort((a, b) => a - b);
  if (!numbers.length) return;
  event.preventDefault();
  const after = numbers.findIndex(number => number >= (chosen ?? -1)), at = after < 0 ? numbers.length : after;
  const next = step > 0 ? at + Number(numbers[at] === chosen) : at - 1;
  choose(numbers[(next + numbers.length) % numbers.length], plot, { replace: true });
});
