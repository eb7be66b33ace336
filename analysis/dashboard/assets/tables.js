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
  const { heads, lines } = tableOf(figures[details.closest(".panel").querySelector(".plot").dataset.figure]);
  const row = (cells, tag) => element("tr", {}, ...cells.map(cell => element(tag, {}, shortened(cell))));
  const body = element("tbody", {}, ...lines.slice(0, MOST_LINES).map(cells => row(cells, "td")));
  const more = lines.length > MOST_LINES ? `The first ${MOST_LINES} of ${lines.length} lines.` : `${lines.length} lines.`;
  details.querySelector(".scroll").replaceChildren(element("table", {}, element("caption", {}, more), element("thead", {}, row(heads, "th")), body));
};
const tableOf = (figure, { field = false } = {}) => {  // the points; of a smoothed field its grid too, if asked for
  const columns = columnsOf(figure), fields = Object.values(columns), names = Object.keys(columns);
  const everyLine = figure.data.map(filtered).flatMap(trace => trace.z ? (field ? gridLines(trace, fields) : []) : pointLines(trace, fields));
  const used = names.flatMap((_, i) => everyLine.some(cells => shortened(cells[i]) !== "") ? [i] : []);
  return { heads: used.map(i => plain(names[i])), lines: everyLine.map(cells => used.map(i => cells[i])) };
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
  const along = trace.dimensions ? trace.customdata : trace.x;
  if (!Array.isArray(along) || !(trace.dimensions || Array.isArray(trace.y)) || trace.guide) return [];
  const drawn = i => trace.marker?.size?.[i] !== 0;  // else the end or the foot of a stepped line
  const value = (field, i) => {
    if (field === "name") return trace.name;
    if (typeof field === "string") return trace[field]?.[i];
    const known = trace.customdata?.[i];
    return Array.isArray(known) ? known[field] : field === 0 ? known : undefined;
  };
  return along.flatMap((x, i) => x === null || !drawn(i) ? [] : [fields.map(field => plain(value(field, i)))]);
};
const gridLines = (trace, fields) => trace.z.flatMap((line, row) => line.flatMap((z, column) => z === null ? [] : [
  fields.map((field, i) => i === fields.length - 1 ? z : field === "x" ? plain(trace.x[column]) : field === "y" ? plain(trace.y[row]) : "")]));
