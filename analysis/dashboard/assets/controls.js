// The bar on top: which trials are shown, which one is looked for, light or dark; and the tabs of a section.

const families = () => [...new Set([...trials.values()].map(trial => trial.family))];
const chips = (place, names, wanted, spoken) => {
  for (const name of names) {
    let chip = all("button", place).find(one => one.value === name);
    if (!chip) {
      chip = element("button", { type: "button", class: "chip", "aria-pressed": "false" });
      chip.value = name;
      place.append(chip);
    }
    const count = [...trials.values()].filter(trial => wanted(trial) === name).length;
    const label = `${spoken(name)} ${count}`;
    if (chip.textContent !== label) chip.textContent = label;
  }
  all("button", place).forEach(chip => { if (!names.includes(chip.value)) chip.remove(); });
};
const refilter = () => {
  chips(byId("families"), families(), trial => trial.family, name => name);
  const states = Object.keys(facts.states).filter(state => [...trials.values()].some(trial => trial.state === state));
  chips(byId("states"), states, trial => trial.state, state => facts.states[state][0]);
  all("#filter .chip").forEach(chip => chip.setAttribute("aria-pressed", String(filter[chip.parentElement.id].has(chip.value))));
  byId("bar").classList.toggle("no-trials", !trials.size);
  byId("bar").classList.toggle("filtering", filtering());
  const n = [...trials.keys()].filter(passes).length;
  byId("by").textContent = described();
  byId("count").textContent = filtering() ? `Showing ${n} of ${spokenCount(trials.size)}.` : trials.size === 1 ? "1 trial." : `Showing all ${trials.size} trials.`;
  byId("reset").hidden = !filtering();
  all("tr[data-trial]").forEach(row => { row.hidden = !passes(Number(row.dataset.trial)); });
  all(".panel").filter(panel => !panel.querySelector(".plot") && panel.querySelector("tr[data-trial]")).forEach(panel => {
    panel.toggleAttribute("data-none", !panel.querySelector("tr[data-trial]:not([hidden])"));
  });
};
const described = () => {  // what paper says of the filter
  const states = [...filter.states].map(state => facts.states[state][0]), { least, most } = filter;
  const epochs = least === null ? most !== null && `at most ${most} epochs` : most === null ? `${least} epochs or more` : `${least} to ${most} epochs`;
  return [[...filter.families].join(", "), states.join(", "), epochs].filter(part => part).join("; ");
};
const wholeNumber = input => {
  const right = Number.isInteger(input.valueAsNumber) && input.valueAsNumber >= 0;
  input.toggleAttribute("aria-invalid", !right && (input.value !== "" || input.validity.badInput));
  return right ? input.valueAsNumber : null;
};
const changed = () => { refilter(); fillCard(trials.get(chosen)); redraw(); };

byId("filter").addEventListener("click", event => {
  const chip = event.target.closest(".chip");
  if (!chip) return;
  const set = filter[chip.parentElement.id];
  if (!set.delete(chip.value)) set.add(chip.value);
  if (filter.families.size === 1) openTabs([...filter.families][0]);
  changed();
});
byId("filter").addEventListener("input", event => {
  if (event.target.id === "go") return;
  Object.assign(filter, { least: wholeNumber(byId("least")), most: wholeNumber(byId("most")) });
  changed();
});
byId("reset").addEventListener("click", () => {
  filter.families.clear();
  filter.states.clear();
  Object.assign(filter, { least: null, most: null });
  for (const id of ["least", "most"]) { byId(id).value = ""; byId(id).removeAttribute("aria-invalid"); }
  changed();
  all("#filter .chip")[0]?.focus();
});
byId("go").addEventListener("keydown", event => { if (event.key === "Enter") go(event); });
byId("go").addEventListener("change", event => go(event));
const go = event => {
  const number = wholeNumber(event.target);
  if (number === null) return;
  const wrong = trials.has(number) ? "" : `There is no trial ${number}.`;
  event.target.toggleAttribute("aria-invalid", Boolean(wrong));
  event.target.setCustomValidity(wrong);
  if (!wrong) return void choose(number, event.target, { focus: true });
  announce(wrong);
  event.target.reportValidity();
};

const THEMES = ["", "light", "dark"];
const setTheme = name => {
  if (name) document.documentElement.dataset.theme = name;
  else delete document.documentElement.dataset.theme;
  byId("theme").textContent = `Theme: ${name || "system"}`;
};
byId("theme").addEventListener("click", () => {
  const next = THEMES[(THEMES.indexOf(document.documentElement.dataset.theme || "") + 1) % THEMES.length];
  settings.set("ecg-tune theme", next);
  setTheme(next);
  redrawShown();
});
system.addEventListener("change", () => redrawShown());
setTheme(THEMES.includes(settings.get("ecg-tune theme")) ? settings.get("ecg-tune theme") : "");

const showTab = (section, index) => {
  all("[role=tab]", section).forEach((tab, i) => {
    tab.setAttribute("aria-selected", String(i === index));
    tab.tabIndex = i === index ? 0 : -1;
  });
  all("[role=tabpanel]", section).forEach((panel, i) => { panel.hidden = i !== index; });
  redraw(all(".plot", section));
};
const openTabs = label => all("section").forEach(section => {
  const tabs = all("[role=tab]", section), index = tabs.findIndex(tab => tab.textContent === label);
  if (index >= 0 && tabs[index].getAttribute("aria-selected") !== "true") showTab(section, index);
});
const tabPlace = tab => {
  const tabs = all("[role=tab]", tab.closest("section"));
  return [tabs, tabs.indexOf(tab)];
};
document.addEventListener("click", event => {
  const tab = event.target.closest("[role=tab]");
  if (tab) showTab(tab.closest("section"), tabPlace(tab)[1]);
});
document.addEventListener("keydown", event => {
  const tab = event.target.closest?.("[role=tab]");
  if (!tab) return;
  const [tabs, at] = tabPlace(tab);
  const next = { ArrowRight: (at + 1) % tabs.length, ArrowLeft: (at + tabs.length - 1) % tabs.length, Home: 0, End: tabs.length - 1 }[event.key];
  if (next === undefined) return;
  event.preventDefault();
  showTab(tab.closest("section"), next);
  tabs[next].focus();
});
document.addEventListener("toggle", event => {
  if (event.target.matches?.("details.data[open]")) fillTable(event.target);
}, true);
