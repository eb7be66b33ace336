// A figure as it is shown: the server's, less what the filter takes away, plus a mark on the chosen trial, in the page's theme.

const MARK = "#e6007a";
const POINTWISE = ["x", "y", "z", "base", "width", "text", "hovertext", "customdata", "ids"];
const POINTWISE_INSIDE = { marker: ["size", "color", "symbol", "opacity"], line: ["color"] };

const numberAt = entry => Array.isArray(entry) ? entry[0] : entry;
const numbersIn = trace => Array.isArray(trace.customdata) ? trace.customdata.map(numberAt) : null;
const numbersOf = figure => new Set(figure.data.flatMap(trace => numbersIn(trace) || []).filter(number => number !== null));

const only = (trace, places) => {
  const n = trace.customdata.length;
  const take = value => Array.isArray(value) && value.length === n ? places.map(i => value[i]) : value;
  const result = { ...trace };
  for (const name of POINTWISE) if (name in result) result[name] = take(result[name]);
  for (const [part, names] of Object.entries(POINTWISE_INSIDE)) {
    if (!trace[part]) continue;
    result[part] = { ...trace[part] };
    for (const name of names) if (name in result[part]) result[part][name] = take(result[part][name]);
  }
  if (trace.dimensions) result.dimensions = trace.dimensions.map(one => ({ ...one, values: take(one.values) }));
  return result;
};

const filtered = trace => {
  const numbers = numbersIn(trace);
  if (!numbers || !filtering()) return { ...trace };
  return only(trace, numbers.flatMap((number, i) => number === null || passes(number) ? [i] : []));
};

const markOn = (trace, index) => {
  const places = (numbersIn(trace) || []).flatMap((number, i) => number === chosen ? [i] : []);
  if (!places.length || trace.guide || trace.type === "parcoords" || trace.visible === "legendonly") return null;
  const point = only(trace, places);
  const mark = { uid: `chosen${index}`, type: trace.type || "scatter", x: point.x, y: point.y, xaxis: trace.xaxis, yaxis: trace.yaxis,
    hoverinfo: "skip", showlegend: false, name: "chosen" };
  if (mark.type === "bar") {
    const bar = { base: point.base, width: point.width, orientation: trace.orientation };
    return { ...mark, ...bar, marker: { color: "rgba(0,0,0,0)", line: { color: MARK, width: 3 } } };
  }
  const lines = (trace.mode || "lines").includes("lines") && places.length > 1;
  const size = places.length > 3 ? 6 : 15;
  return { ...mark, type: "scatter", mode: lines ? "lines+markers" : "markers", cliponaxis: false,
    line: { color: MARK, width: 3, shape: trace.line?.shape },
    marker: { color: MARK, size, symbol: size > 6 ? "circle-open" : "circle", line: { color: MARK, width: size > 6 ? 3 : 0 } } };
};

const parcoordsMarked = trace => {  // one line can't be drawn over the others: the others turn grey, it is drawn last
  const place = (numbersIn(trace) || []).indexOf(chosen);
  if (place < 0) return trace;
  const last = trace.customdata.map((_, i) => i).filter(i => i !== place).concat(place);
  const line = { color: last.map(i => Number(i === place)), cmin: 0, cmax: 1, showscale: false,
    colorscale: [[0, dark() ? "#4a525c" : "#c3c9d0"], [0.99, dark() ? "#4a525c" : "#c3c9d0"], [1, MARK]] };
  return { ...only(trace, last), line };
};

const withLegendEntries = traces => {  // the first trace of a group that the filter left anything of stands for it in the legend
  const groups = new Set();
  return traces.map(trace => {
    if (!trace.legendgroup || trace.guide || !filtering()) return trace;
    const first = trace.x.length > 0 && !groups.has(trace.legendgroup);
    if (first) groups.add(trace.legendgroup);
    return { ...trace, showlegend: first };
  });
};

const shown = figure => {
  const traces = withLegendEntries(figure.data.map(filtered));
  const marks = chosen === null ? [] : traces.map(markOn).filter(mark => mark);
  const data = traces.map(trace => trace.type === "parcoords" ? parcoordsMarked(trace) : trace).concat(marks);
  return { data, layout: { ...structuredClone(figure.layout), template: theme() } };
};

const system = window.matchMedia("(prefers-color-scheme: dark)");
let printing = false;
const dark = () => {
  const wanted = document.documentElement.dataset.theme;
  return !printing && (wanted ? wanted === "dark" : system.matches);
};
const theme = () => {
  const night = dark();
  const grid = night ? "#2e343b" : "#e3e7eb", ink = night ? "#dde2e8" : "#24292f", ground = night ? "#14171b" : "#ffffff";
  const axis = { gridcolor: grid, linecolor: grid, zerolinecolor: grid, zeroline: false, ticks: "outside", tickcolor: grid };
  return { layout: { paper_bgcolor: ground, plot_bgcolor: "rgba(0,0,0,0)", xaxis: axis, yaxis: axis, colorway: [ink],
    font: { color: ink, size: 12.5, family: "system-ui, 'Segoe UI', Roboto, Helvetica, Arial, sans-serif" },
    hoverlabel: { bgcolor: ground, bordercolor: grid, font: { color: ink } } } };
};
const config = name => ({ responsive: false, displaylogo: false, displayModeBar: false, showTips: false, doubleClick: false,
  toImageButtonOptions: { filename: name, scale: 2 } });
