// What stands beside a figure: whether the filter acts on it, whether it left anything, and its data as a table.
const describe = (plot, figure) => {
  const panel = plot.closest(".panel"), numbers = numbersOf(figure);
  if (!panel) return;
  panel.toggleAttribute("data-whole", filtering() && !numbers.size);
  panel.toggleAttribute("data-none", filtering() && numbers.size > 0 && ![...numbers].some(passes));
  const table = panel.querySelector("details.data[open]");
  if (table) fillTable(table);
};
const MOST_LINES = 1000;
const fillTable = details => {
  const figure = figures[details.closest(".panel").querySelector(".plot").dataset.figure];
  const named = axis => axis?.title?.text || "";
  const { xaxis, yaxis } = figure.layout;
  const lines = figure.data.map(filtered).flatMap(trace => trace.dimensions ? dimensionLines(trace) : pointLines(trace));
  const first = figure.data[0];
  const heads = first?.dimensions ? ["Trial", "Parameters", facts.metric] : ["Series", "Trial", named(xaxis) || "x", named(yaxis) || "y"].map(plain);
  const row = (cells, tag) => element("tr", {}, ...cells.map(cell => element(tag, {}, shortened(cell))));
  const body = element("tbody", {}, ...lines.slice(0, MOST_LINES).map(cells => row(cells, "td")));
  const more = lines.length > MOST_LINES ? `The first ${MOST_LINES} of ${lines.length} lines.` : `${lines.length} lines.`;
  details.querySelector(".scroll").replaceChildren(element("table", {}, element("caption", {}, more), element("thead", {}, row(heads, "th")), body));
};
const shortened = value => {
  if (value === null || value === undefined) return "";
  return typeof value === "number" && !Number.isInteger(value) ? String(Number(value.toPrecision(6))) : String(value);
};
const plain = value => {  // names in figures are escaped for plotly
  return typeof value === "string" ? new DOMParser().parseFromString(value, "text/html").documentElement.textContent : value;
};
const pointLines = trace => {
  const numbers = numbersIn(trace), name = trace.name || "";
  const line = (x, i) => [name, numbers ? numbers[i] : "", x, trace.y?.[i]].map(plain);
  return Array.isArray(trace.x) && Array.isArray(trace.y) ? trace.x.map(line).filter(cells => cells[2] !== null) : [];
};
const dimensionLines = trace => (numbersIn(trace) || []).map(number => {
  const trial = trials.get(number);
  return [number, trial?.params?.replaceAll("\n", ", ") || "", trial?.value ?? ""];
});
