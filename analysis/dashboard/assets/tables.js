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
  const parallel = Boolean(figure.data[0]?.dimensions), columns = columnsOf(figure);
  const everyLine = figure.data.map(filtered).flatMap(trace => parallel ? dimensionLines(trace) : pointLines(trace, Object.values(columns)));
  const names = parallel ? ["Trial", "Parameters", facts.metric] : Object.keys(columns);
  const used = names.flatMap((_, i) => everyLine.some(cells => shortened(cells[i]) !== "") ? [i] : []);
  const heads = used.map(i => plain(names[i])), lines = everyLine.map(cells => used.map(i => cells[i]));
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
const columnsOf = figure => {
  const { xaxis, yaxis } = figure.layout, named = axis => axis?.title?.text || "";
  return figure.columns ?? { Series: "name", Trial: 0, [named(xaxis) || "x"]: "x", [named(yaxis) || "y"]: "y" };
};
const pointLines = (trace, fields) => {
  if (!Array.isArray(trace.x) || !Array.isArray(trace.y) || trace.z || trace.guide) return [];  // z: a field, not points
  const drawn = i => trace.marker?.size?.[i] !== 0;  // else the end or the foot of a stepped line
  const value = (field, i) => {
    if (field === "name") return trace.name;
    if (typeof field === "string") return trace[field]?.[i];
    const known = trace.customdata?.[i];
    return Array.isArray(known) ? known[field] : field === 0 ? known : undefined;
  };
  return trace.x.flatMap((x, i) => x === null || !drawn(i) ? [] : [fields.map(field => plain(value(field, i)))]);
};
const dimensionLines = trace => (numbersIn(trace) || []).map(number => {
  const trial = trials.get(number);
  return [number, trial?.params?.replaceAll("\n", ", ") || "", trial?.value ?? ""];
});
