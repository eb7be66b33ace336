// The card of the chosen trial. The choice is the address's hash, #trial-12, so that it can be sent.

const inHash = () => { const found = /^#trial-(\d+)$/.exec(location.hash); return found ? Number(found[1]) : null; };
let cameFrom = null;

const choose = (number, from = null, { replace = false, focus = false } = {}) => {
  cameFrom = from || cameFrom;
  const hash = number === null ? "" : `#trial-${number}`;
  if (location.hash !== hash) history[replace || number === null ? "replaceState" : "pushState"](null, "", hash || location.href.split("#")[0]);
  follow({ focus });
};
const follow = ({ focus = false } = {}) => {
  const number = inHash();
  if (number === null && location.hash && chosen !== null && !focus) return;  // the hash names a section: the choice stays
  const before = chosen;
  chosen = trials.has(number) ? number : null;
  if (number !== null && chosen === null) announce(`There is no trial ${number}.`);
  all("tr[data-trial]").forEach(row => {
    if (Number(row.dataset.trial) === chosen) row.setAttribute("aria-current", "true");
    else row.removeAttribute("aria-current");
  });
  const trial = trials.get(chosen);
  if (chosen === before) fillCard(trial);
  else inPlace(() => {
    if (trial) openTabs(trial.family);
    fillCard(trial);
  });
  if (trial && chosen !== before) announce(spokenTrial(trial));
  if (trial && focus) byId("card-name").focus();
  if (chosen !== before) redraw();
};
// The card narrows the page and tabs change with the family: what one looks at stays where it is.
const inPlace = change => {
  const box = place => place.getBoundingClientRect();
  const onScreen = place => Boolean(place.offsetParent) && box(place).bottom > 0 && box(place).top < innerHeight;
  const pointed = byId("main").contains(cameFrom) && onScreen(cameFrom) ? cameFrom : null;
  const middle = scrollY > 0 ? all(".plot, .panel > .scroll, .empty").find(place => onScreen(place) && box(place).bottom > innerHeight / 2) : null;
  const looked = pointed ?? middle;
  const anchors = looked ? [looked, looked.closest("section")].map(place => [place, box(place).top]) : [];
  const { style } = document.documentElement;
  style.overflowAnchor = "none";  // the browser's own correction would come on top of this one
  change();
  const [anchor, top] = anchors.find(([place]) => place.offsetParent) ?? [];
  if (anchor) scrollBy(0, box(anchor).top - top);
  requestAnimationFrame(() => requestAnimationFrame(() => { style.overflowAnchor = ""; }));
};
const close = () => {
  const back = cameFrom?.isConnected ? cameFrom : byId("go");
  choose(null);
  back.focus({ preventScroll: true });
  announce("");
};

const fillCard = trial => {
  const card = byId("card");
  document.body.classList.toggle("with-card", Boolean(trial));
  card.hidden = !trial;
  if (!trial) return;
  const place = card.scrollTop, again = card.dataset.trial === String(trial.number);
  card.dataset.trial = trial.number;
  card.setAttribute("aria-label", spokenTrial(trial));
  byId("card-name").textContent = `Trial ${trial.number}`;
  byId("card-facts").replaceChildren(...cardFacts(trial).flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, value)]));
  byId("card-failure").replaceChildren(...cardFailure(trial));
  byId("card-story").replaceChildren(...cardStory(trial));
  byId("card-classes").replaceChildren(...cardClasses(trial));
  const texts = { params: trial.params, config: trial.config };
  for (const [part, text] of Object.entries(texts)) {
    byId(`card-${part}`).hidden = !text;
    const yaml = byId(`card-${part}`).querySelector("pre");
    if (yaml.textContent !== (text || "")) yaml.textContent = text || "";
  }
  drawCurve(trial);
  card.scrollTop = again ? place : 0;
};
const cardFacts = trial => [
  ["State", (trial.waits ? "waits at a rung" : facts.states[trial.state][0]) + (trial.ended_by ? `, ended by ${trial.ended_by}` : "")],
  ["Set aside", trial.set_aside ? "outside of the search space since that changed" : null],
  ["Note", trial.note], ["Tags", trial.tags?.join(", ")],
  ["Filter", passes(trial.number) ? null : "hides this trial in the figures"],
  ["Family", trial.family + (trial.default ? " (its default config)" : "")],
  ["Value", trial.value === undefined ? null : trial.value.toFixed(4) + (trial.best_epoch ? ` at epoch ${trial.best_epoch}` : "")],
  ["Best epoch's value", trial.value !== undefined || trial.reached === undefined ? null : trial.reached.toFixed(4)],
  ["Epochs", `${trial.epochs}` + (trial.seconds === undefined ? "" : `, ${spokenTime(trial.seconds)}`)],
  ["Extends", trial.continued_from === undefined ? null : `trial ${trial.continued_from}`],
  ["Started", trial.start], ["Ended", trial.end],
  ["Node", trial.node], ["Worker", trial.worker], ["Device", trial.device],
  ["Parameters", trial.n_parameters?.toLocaleString("en")], ["Seed", trial.seed],
].filter(([, value]) => value !== null && value !== undefined && value !== "").map(([name, value]) => [name, String(value)]);
const cardFailure = trial => trial.state !== "FAIL" ? [] : [
  element("h3", {}, `Failure: ${trial.fail_reason || "reason not recorded"}`),
  trial.failure ? element("pre", { class: "message", tabindex: "0" }, trial.failure) : element("p", { class: "soft" }, "It left no message."),
];
const cardStory = trial => !trial.story ? [] : [
  element("h3", {}, "Why it waited and resumed"),
  element("ol", { class: "story" }, ...trial.story.map(line => element("li", {}, line))),
];
const cardClasses = trial => {
  if (!trial.per_class_auc) return [];
  const line = (auc, i) => {
    const bar = element("span", { class: "bar", "aria-hidden": "true" });
    bar.style.width = `${auc === null ? 0 : Math.max(0, (auc - 0.5) * 200)}%`;
    return element("tr", {}, element("th", { scope: "row" }, facts.classes[i] || `class ${i + 1}`),
      element("td", { class: "n" }, auc === null ? "—" : auc.toFixed(3)), element("td", { class: "bars" }, bar));
  };
  const caption = `Validation AUC of each class${trial.best_epoch ? ` at epoch ${trial.best_epoch}` : ""}; bars from 0.5 to 1`;
  return [element("table", {}, element("caption", {}, caption), element("tbody", {}, ...trial.per_class_auc.map(line)))];
};
const drawCurve = trial => {
  const plot = byId("card-curve"), values = trial.curve || [], epochs = trial.epochs_at || values.map((_, i) => i + 1);
  plot.hidden = !values.length;
  byId("card-no-curve").hidden = values.length > 0;
  if (!values.length) return;
  const best = values.indexOf(Math.max(...values)), color = facts.states[trial.state][1];
  plot.setAttribute("aria-label", `Learning curve of trial ${trial.number}: ${values.map((value, i) => `epoch ${epochs[i]} ${value.toFixed(4)}`).join(", ")}`);
  const data = [
    { x: epochs, y: values, mode: "lines+markers", line: { color, width: 2 }, marker: { size: 6 }, hovertemplate: "epoch %{x}: %{y:.4f}<extra></extra>" },
    { x: [epochs[best]], y: [values[best]], mode: "markers", marker: { size: 14, symbol: "circle-open", color: MARK, line: { width: 2 } }, hoverinfo: "skip" },
  ];
  const last = epochs.at(-1), low = Math.min(...values), high = values[best], pad = Math.max(0.06 * (high - low), 0.01);
  const rung = epoch => ({ type: "line", x0: epoch, x1: epoch, yref: "paper", y0: 0, y1: 1, line: { dash: "dot", width: 1, color: "#8d939c" } });
  const layout = { height: 210, margin: { l: 52, r: 12, t: 8, b: 44 }, showlegend: false, template: theme(), uirevision: trial.number,
    xaxis: { title: { text: "epoch" }, range: [0.5, last + 0.5], tickformat: "d", nticks: Math.min(last + 1, 8) },
    yaxis: { range: [low - pad, high + pad], tickformat: ".3f" }, shapes: facts.rungs.filter(epoch => epoch <= last).map(rung) };
  Plotly.react(plot, data, layout, { ...config(`trial-${trial.number}`), doubleClick: "reset" });
};

window.addEventListener("hashchange", () => follow());
document.addEventListener("click", event => {
  const link = event.target.closest("a[href^='#trial-']");
  if (link) {
    event.preventDefault();
    choose(Number(link.hash.slice(7)), link, { focus: event.detail === 0 });  // detail 0: pressed with a key
    return;
  }
  const row = event.target.closest("tr[data-trial]");
  if (row && !event.target.closest("button, summary, details, pre") && !getSelection().toString()) choose(Number(row.dataset.trial), row.querySelector("a") || row);
});
document.addEventListener("keydown", event => {
  if (event.key === "Escape" && chosen !== null) close();
  if (event.key === "Enter" && event.target.classList?.contains("plot") && chosen !== null) byId("card-name").focus();
});
byId("card-close").addEventListener("click", close);
for (const [id, step] of [["card-before", -1], ["card-after", 1]]) {
  byId(id).addEventListener("click", () => {
    const numbers = [...trials.keys()].filter(number => passes(number) || number === chosen).sort((a, b) => a - b);
    const at = numbers.indexOf(chosen);
    choose(numbers[(at + step + numbers.length) % numbers.length], null, { replace: true });
  });
}
document.addEventListener("click", event => {  // a link to a section would drop the choice from the address
  const link = event.target.closest("nav a");
  if (!link || chosen === null) return;
  event.preventDefault();
  document.querySelector(link.hash)?.scrollIntoView();
});
