// When figures are drawn, and how a trial is chosen in one.

const plots = () => all(".plot");
const visible = plot => plot.offsetParent !== null;
const drawn = new WeakMap();  // plot → the figure it shows

// The reader's zoom stays: plotly keeps it as long as a figure gives an axis the range that it gave before.
const given = new WeakMap();  // plot → the ranges that its axes were given; plotly writes the reader's into the figure
const keepZoom = (plot, now) => {
  const before = given.get(plot) ?? {}, moved = plot._fullLayout?._preGUI ?? {};
  const axes = Object.keys(now.layout).filter(name => /^[xy]axis\d*$/.test(name));
  for (const axis of axes) {
    const range = plot._fullLayout?.[axis]?.range ?? [];
    const zoomed = [0, 1].some(end => `${axis}.range[${end}]` in moved && moved[`${axis}.range[${end}]`] !== range[end]);
    if (zoomed && before[axis]) now.layout[axis].range = [...before[axis]];
  }
  given.set(plot, Object.fromEntries(axes.map(axis => [axis, structuredClone(now.layout[axis].range)])));
};

const paint = plot => {
  const figure = figures[plot.dataset.figure];
  if (!figure) return;
  const first = !drawn.has(plot), now = shown(figure);
  keepZoom(plot, now);
  drawn.set(plot, now);
  if (printing) Object.assign(now.layout, { width: plot.clientWidth, height: plot.clientHeight, autosize: false });
  Plotly.react(plot, now.data, now.layout, config(plot.dataset.figure));
  if (first) listen(plot);
  else if (plot._fullLayout.width !== plot.clientWidth) Plotly.Plots.resize(plot);
  describe(plot, figure);
};

// Drawing takes its turn: what is on the screen first, then what is less than a screen away; the rest when one scrolls there.
const waiting = new Set();
let working = false;
const touch = (which = plots()) => {
  which.forEach(plot => waiting.add(plot));
  if (working) return;
  working = true;
  document.body.dataset.ready = "false";
  setTimeout(work, 0);
};
const touchDrawn = () => { touch(plots().filter(plot => drawn.has(plot))); if (chosen !== null) drawCurve(trials.get(chosen)); };
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
for (const moved of ["scroll", "resize"]) addEventListener(moved, () => { if (waiting.size) touch([]); }, { passive: true });
const paintAll = () => { plots().filter(visible).forEach(plot => { waiting.delete(plot); paint(plot); }); };

// A pointer chooses what it points at; arrow keys go through the figure's trials.
const listen = plot => {
  let hovered = null;
  const under = data => data.points ? numberAt(data.points[0].customdata) : numberAt(drawn.get(plot).data[0].customdata?.[data.curveNumber]);
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
