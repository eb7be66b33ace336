// A figure as a file: as it is shown, with the reader's filter and zoom, but in light colours; its data as they are drawn.

const inLight = make => {
  const was = printing;
  printing = true;
  try { return make(); } finally { printing = was; }
};
const imageOf = async (plot, format) => {  // a data URL
  const { data, layout } = inLight(() => shown(figures[plot.dataset.figure]));
  const size = { width: plot.clientWidth, height: plot.clientHeight };
  keepZoom(plot, layout);
  return Plotly.toImage({ data, layout: { ...layout, ...size, autosize: false } }, { format, ...size, scale: format === "png" ? 2 : 1 });
};
const csvOf = figure => {
  const { heads, lines } = tableOf(figure, { field: true });
  const cell = value => {
    const text = String(value ?? "");
    return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  return [heads, ...lines].map(cells => cells.map(cell).join(",") + "\n").join("");
};
const blobOf = url => {  // of a data URL; the page's policy lets nothing be fetched
  const [head, body] = [url.slice(5, url.indexOf(",")), url.slice(url.indexOf(",") + 1)];
  const bytes = head.endsWith(";base64") ? Uint8Array.from(atob(body), char => char.charCodeAt(0)) : decodeURIComponent(body);
  return new Blob([bytes], { type: head.split(";")[0] });
};
const saveFile = (blob, name) => {
  const href = URL.createObjectURL(blob), link = element("a", { href, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(href), 60000);
};
document.addEventListener("click", async event => {
  const button = event.target.closest("button[data-save]");
  if (!button) return;
  const plot = button.closest(".panel").querySelector(".plot"), format = button.dataset.save, name = `${plot.dataset.name}.${format}`;
  try {
    const csv = () => new Blob([csvOf(figures[plot.dataset.figure])], { type: "text/csv" });
    saveFile(format === "csv" ? csv() : blobOf(await imageOf(plot, format)), `${facts.study}-${name}`);
    announce(`Saved ${name}`);
  } catch (error) {
    announce(`${name} could not be made`);
    throw error;
  }
});
