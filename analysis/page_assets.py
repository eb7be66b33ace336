"""The page's own style sheet and script (plotly.js comes with plotly). They are inlined: a page never asks the network for anything."""

STYLE = """
:root { color-scheme: light dark; --ground: #fff; --card: #fff; --ink: #1b1f24; --soft: #57606a; --line: #d5dae0; --tint: #f4f6f8;
  --accent: #0b6bb0; --warn-ground: #fff4d6; --warn-ink: #5c4300; --warn-line: #e0b13a; }
@media (prefers-color-scheme: dark) { :root { --ground: #14171b; --card: #1b1f24; --ink: #e6e9ed; --soft: #a3acb6; --line: #363c44;
  --tint: #22272e; --accent: #6cb6ef; --warn-ground: #3d3110; --warn-ink: #ffe3a0; --warn-line: #8a6d1f; } }
* { box-sizing: border-box; }
html { scroll-padding-top: 3.2rem; }
body { margin: 0; background: var(--ground); color: var(--ink);
  font: 15px/1.5 system-ui, "Segoe UI", Roboto, Helvetica, Arial, sans-serif; }
header, main, footer { max-width: 1500px; margin: 0 auto; padding: 0 24px; }
h1 { font-size: 1.55rem; margin: 1.2rem 0 .2rem; overflow-wrap: anywhere; }
h2 { font-size: 1.2rem; margin: 0 0 .15rem; }
h3 { font-size: .98rem; margin: .2rem 0 .1rem; overflow-wrap: anywhere; }
.soft, .how { color: var(--soft); }
.how { margin: 0 0 .7rem; max-width: 95ch; }
.banner { background: var(--warn-ground); color: var(--warn-ink); border: 1px solid var(--warn-line); border-radius: 6px;
  padding: .5rem .9rem; margin: .8rem 0; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(190px, 1fr)); gap: 10px; margin: 1rem 0; }
.tile { border: 1px solid var(--line); border-radius: 8px; padding: .55rem .8rem; background: var(--card); }
.tile .name { color: var(--soft); font-size: .82rem; }
.tile .value { font-size: 1.25rem; font-weight: 650; overflow-wrap: anywhere; }
.tile .more { font-size: .85rem; color: var(--soft); overflow-wrap: anywhere; }
dl.facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(230px, 1fr)); gap: .25rem 1.4rem;
  margin: 0 0 1rem; font-size: .9rem; }
dl.facts div { display: flex; gap: .5rem; min-width: 0; }
dl.facts dt { color: var(--soft); flex: none; }
dl.facts dd { margin: 0; overflow-wrap: anywhere; min-width: 0; }
nav { position: sticky; top: 0; z-index: 5; background: var(--ground); border-bottom: 1px solid var(--line); }
nav div { max-width: 1500px; margin: 0 auto; padding: .45rem 24px; display: flex; gap: 1.1rem; overflow-x: auto; white-space: nowrap; }
a { color: var(--accent); }
nav a { text-decoration: none; font-size: .92rem; }
nav a:hover { text-decoration: underline; }
section { margin: 1.7rem 0 2.2rem; }
.panels { display: grid; gap: 18px; grid-template-columns: var(--columns); }
.panel { min-width: 0; }
.plot { width: 100%; min-width: 0; }
.plot-scroll { overflow-x: auto; }
.note { background: var(--tint); border-left: 3px solid var(--line); padding: .4rem .8rem; margin: .4rem 0; font-size: .92rem; }
.note.warn { background: var(--warn-ground); color: var(--warn-ink); border-color: var(--warn-line); }
.empty { border: 1px dashed var(--line); border-radius: 8px; padding: 1.1rem; color: var(--soft); max-width: 80ch; }
.tabs { display: flex; flex-wrap: wrap; gap: 6px; margin: .2rem 0 .7rem; }
.tabs button, button.copy { font: inherit; font-size: .88rem; color: var(--ink); background: var(--tint); border: 1px solid var(--line);
  border-radius: 6px; padding: .22rem .7rem; cursor: pointer; white-space: nowrap; }
.tabs button[aria-selected=true] { background: var(--accent); color: var(--ground); border-color: var(--accent); }
button:focus-visible, a:focus-visible, summary:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
.tab-name { display: none; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .88rem; }
table.best td:last-child, td.name { white-space: nowrap; }
table.best th, table.best td { padding-left: .45rem; padding-right: .45rem; }
.plot .parcoords .axis path, .plot .parcoords .axis line { stroke: var(--soft) !important; }
.plot .parcoords .axis text { text-shadow: 0 0 2px var(--ground), 0 0 3px var(--ground) !important; }
th, td { text-align: left; padding: .32rem .7rem; border-bottom: 1px solid var(--line); vertical-align: top; }
th { color: var(--soft); font-weight: 600; white-space: nowrap; }
.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
td.message { overflow-wrap: anywhere; min-width: 220px; }
.plot + .scroll { margin-top: .8rem; }
.tag { font-size: .74rem; border: 1px solid var(--line); border-radius: 4px; padding: 0 .3rem; color: var(--soft); white-space: nowrap; }
details { display: inline-block; margin-left: .6rem; font-size: .86rem; }
details[open] { display: block; white-space: normal; margin: .4rem 0 0; max-width: 520px; }
summary { cursor: pointer; color: var(--accent); }
pre { background: var(--tint); border: 1px solid var(--line); border-radius: 6px; padding: .6rem; margin: .3rem 0;
  overflow-x: auto; font-size: .8rem; }
footer { color: var(--soft); font-size: .85rem; padding-bottom: 2rem; }
@media (max-width: 640px) { header, main, footer, nav div { padding-left: 12px; padding-right: 12px; } h1 { font-size: 1.25rem; } }
body.printing { width: 700px; }
body.printing header, body.printing main, body.printing footer { padding: 0; }
body.printing .plot { min-width: 0 !important; }
@media print { :root { color-scheme: light; --ground: #fff; --card: #fff; --ink: #000; --soft: #444; --line: #bbb; --tint: #f6f6f6;
    --warn-ground: #fff; --warn-ink: #000; --warn-line: #000; }
  nav, .tabs, button.copy, .modebar { display: none !important; }
  .tab-name { display: block; }
  .panel, .tile, tr, .banner { break-inside: avoid; }
  h2, h3, .how { break-after: avoid; }
  .how { break-inside: avoid; } .scroll { overflow: visible; } table.best { font-size: 7pt; }
  th, td { padding: .15rem .3rem; } }
"""

SCRIPT = """
"use strict";
(() => {
  const figures = JSON.parse(document.getElementById("figures").textContent);
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  let printing = false;

  const theme = () => {
    const night = dark.matches && !printing;
    const grid = night ? "#2e343b" : "#e3e7eb", ink = night ? "#dde2e8" : "#24292f", ground = night ? "#14171b" : "#ffffff";
    const axis = { gridcolor: grid, linecolor: grid, zerolinecolor: grid, zeroline: false, ticks: "outside", tickcolor: grid };
    return { layout: { paper_bgcolor: ground, plot_bgcolor: "rgba(0,0,0,0)", xaxis: axis, yaxis: axis, colorway: [ink],
      font: { color: ink, size: 12.5, family: "system-ui, 'Segoe UI', Roboto, Helvetica, Arial, sans-serif" },
      hoverlabel: { bgcolor: ground, bordercolor: grid, font: { color: ink } } } };
  };
  const config = name => ({ responsive: true, displaylogo: false, displayModeBar: false, showTips: false,
    toImageButtonOptions: { filename: name, scale: 2 } });

  const plots = () => [...document.querySelectorAll(".plot")];
  const visible = plot => plot.offsetParent !== null;
  const drawn = new Set();
  const draw = plot => {
    if (drawn.has(plot)) return;
    drawn.add(plot);
    const figure = figures[plot.dataset.figure];
    Plotly.newPlot(plot, figure.data, { ...figure.layout, template: theme() }, config(plot.dataset.figure));
  };
  const retheme = () => drawn.forEach(plot => Plotly.relayout(plot, { template: theme() }));

  const show = (section, index) => {
    section.querySelectorAll("[role=tab]").forEach((tab, i) => {
      tab.setAttribute("aria-selected", String(i === index));
      tab.tabIndex = i === index ? 0 : -1;
    });
    section.querySelectorAll("[role=tabpanel]").forEach((panel, i) => { panel.hidden = i !== index; });
    section.querySelectorAll(".plot").forEach(plot => { if (visible(plot)) { draw(plot); Plotly.Plots.resize(plot); } });
  };
  document.querySelectorAll("section").forEach(section => section.querySelectorAll("[role=tab]").forEach((tab, i, all) => {
    tab.addEventListener("click", () => show(section, i));
    tab.addEventListener("keydown", event => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!step) return;
      const next = (i + step + all.length) % all.length;
      show(section, next);
      all[next].focus();
    });
  }));

  const copyText = async text => {
    if (navigator.clipboard) {
      try { await navigator.clipboard.writeText(text); return true; }
      catch (refused) { console.info("clipboard refused: " + refused.name); }
    }
    const area = document.createElement("textarea");
    area.value = text;
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
  };
  document.addEventListener("click", async event => {
    const button = event.target.closest("button.copy");
    if (!button) return;
    const details = button.parentElement.querySelector("details");
    const done = await copyText(details.querySelector("pre.yaml").textContent);
    if (!done) details.open = true;
    button.dataset.label ??= button.textContent;
    button.textContent = done ? "Copied" : "Select it below";
    setTimeout(() => { button.textContent = button.dataset.label; }, 1600);
  });

  const setPrinting = now => {
    printing = now;
    document.body.classList.toggle("printing", now);
    document.querySelectorAll("[role=tabpanel]").forEach(panel => {
      if (now) { panel.dataset.was = panel.hidden ? "hidden" : ""; panel.hidden = false; }
      else { panel.hidden = panel.dataset.was === "hidden"; }
    });
    if (now) plots().forEach(draw);
    drawn.forEach(plot => {
      const size = now ? { width: plot.clientWidth, autosize: false } : { width: null, autosize: true };
      if (visible(plot)) Plotly.relayout(plot, { template: theme(), ...size });
    });
  };
  window.addEventListener("beforeprint", () => setPrinting(true));
  window.addEventListener("afterprint", () => setPrinting(false));
  dark.addEventListener("change", retheme);
  plots().filter(visible).forEach(draw);
  document.body.dataset.ready = "true";
})();
"""
