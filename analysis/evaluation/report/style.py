"""The report's style sheet: readable on a screen, light or dark, and on A4."""

STYLE = """
:root { color-scheme: light dark; --ground: #fff; --ink: #1b1f24; --soft: #57606a; --line: #d5dae0; --tint: #f4f6f8; --accent: #0b6bb0;
  --warn-ground: #fff4d6; --warn-ink: #5c4300; --warn-line: #e0b13a; }
@media (prefers-color-scheme: dark) { :root { --ground: #14171b; --ink: #e6e9ed; --soft: #a3acb6; --line: #363c44; --tint: #22272e;
  --accent: #6cb6ef; --warn-ground: #3d3110; --warn-ink: #ffe3a0; --warn-line: #8a6d1f; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink);
  font: 16px/1.5 system-ui, "Segoe UI", Roboto, Helvetica, Arial, sans-serif; }
header, main { max-width: 1180px; margin: 0 auto; padding: 0 24px; }
main { padding-bottom: 3rem; }
h1 { font-size: 1.7rem; margin: 1.4rem 0 .2rem; }
h2 { font-size: 1.3rem; margin: 2.6rem 0 .5rem; padding-top: .6rem; border-top: 1px solid var(--line); }
h3 { font-size: 1.05rem; margin: 1.6rem 0 .3rem; }
p, li { max-width: 85ch; overflow-wrap: anywhere; }
p { margin: .4rem 0 .7rem; }
a { color: var(--accent); }
a:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
.soft, figcaption, caption { color: var(--soft); }
.banner { background: var(--warn-ground); color: var(--warn-ink); border: 1px solid var(--warn-line); border-radius: 6px;
  padding: .5rem .9rem; margin: .8rem 0; max-width: none; font-weight: 600; }
.empty { border: 1px dashed var(--line); border-radius: 8px; padding: .8rem 1rem; color: var(--soft); }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(180px, 1fr)); gap: 10px; margin: 1rem 0; }
.tile { border: 1px solid var(--line); border-radius: 8px; padding: .55rem .8rem; }
.tile .name, .tile .more { color: var(--soft); font-size: .84rem; }
.tile .value { font-size: 1.3rem; font-weight: 650; overflow-wrap: anywhere; }
.contents h2 { border: 0; margin: 1.2rem 0 .2rem; padding: 0; font-size: 1rem; }
.contents ol { columns: 3 240px; margin: 0; padding-left: 1.6rem; font-size: .93rem; }
dl.facts { margin: 0 0 1rem; font-size: .93rem; }
dl.facts div { display: grid; grid-template-columns: 11rem minmax(0, 1fr); gap: 0 1rem; padding: .18rem 0;
  border-bottom: 1px solid var(--line); }
dl.facts dt { color: var(--soft); }
dl.facts dd { margin: 0; overflow-wrap: anywhere; }
.scroll { overflow-x: auto; margin: .9rem 0 1.4rem; }
table { border-collapse: collapse; font-size: .86rem; min-width: min(100%, 560px); }
caption { caption-side: top; text-align: left; padding: 0 0 .4rem; font-size: .9rem; }
th, td { text-align: left; padding: .3rem .65rem; border-bottom: 1px solid var(--line); vertical-align: top; }
th { font-weight: 600; border-bottom: 2px solid var(--line); vertical-align: bottom; }
td.n { font-variant-numeric: tabular-nums; white-space: nowrap; }
td small { display: block; white-space: pre; color: var(--soft); font-size: .86em; }
tr.best td { background: var(--tint); font-weight: 600; }
tr.best td small { font-weight: 400; }
figure { margin: 1.2rem 0 1.6rem; }
figure img { display: block; max-width: 100%; background: #fff; border: 1px solid var(--line); border-radius: 4px; }
figure.half { display: inline-block; width: calc(50% - 8px); min-width: 320px; vertical-align: top; margin-right: 6px; }
figcaption { font-size: .9rem; margin-top: .4rem; max-width: 95ch; }
figcaption b { font-weight: 600; color: var(--ink); margin-right: .3rem; }
@media (max-width: 640px) { header, main { padding: 0 12px; } dl.facts div { grid-template-columns: 1fr; }
  figure.half { width: 100%; } }
@page { size: A4; margin: 14mm 13mm; }
@media print { :root { color-scheme: light; --ground: #fff; --ink: #000; --soft: #444; --line: #bbb; --tint: #f1f1f1; --accent: #000;
    --warn-ground: #fff; --warn-ink: #000; --warn-line: #000; }
  body { font-size: 9.5pt; } header, main { max-width: none; padding: 0; } a { text-decoration: none; }
  h2 { margin-top: 1.4rem; } h2, h3, caption { break-after: avoid; } tr, .tile, .banner, figure { break-inside: avoid; }
  caption, dl.facts, figcaption, .soft { font-size: 8.5pt; }
  table { font-size: 7pt; } th, td { padding: .12rem .28rem; } thead { display: table-header-group; }
  td.n { white-space: normal; } .scroll { overflow: visible; } figure.half { min-width: 0; } figure img { max-height: 225mm; } }
"""
