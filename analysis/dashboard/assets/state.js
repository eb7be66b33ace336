// What the page knows: its figures, its trials, and what the reader chose. Everything drawn is a function of these.

const read = id => JSON.parse(document.getElementById(id).textContent);
const figures = read("figures");
const facts = read("facts");
const trials = new Map();
{
  const { cards, lines } = facts;
  for (const card of cards) {
    for (const part of ["params", "config", "failure"]) if (card[part]) card[part] = card[part].map(i => lines[i]).join("\n");
    trials.set(card.number, card);
  }
  delete facts.cards;
  delete facts.lines;
}

let chosen = null;
const filter = { families: new Set(), states: new Set(), least: null, most: null };
const filtering = () => filter.families.size > 0 || filter.states.size > 0 || filter.least !== null || filter.most !== null;
const passes = number => {
  const trial = trials.get(number);
  if (!trial) return true;
  return (!filter.families.size || filter.families.has(trial.family))
    && (!filter.states.size || filter.states.has(trial.state))
    && (filter.least === null || trial.epochs >= filter.least)
    && (filter.most === null || trial.epochs <= filter.most);
};

const all = (selector, within = document) => [...within.querySelectorAll(selector)];
const byId = id => document.getElementById(id);
const element = (tag, attributes = {}, ...children) => {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) if (value !== null) made.setAttribute(name, value);
  made.append(...children.filter(child => child !== null));
  return made;
};
const announce = text => { byId("said").textContent = text; };
const settings = {  // remembered by the browser, which may refuse
  get: name => { try { return localStorage.getItem(name); } catch (refused) { console.info(refused.name); return null; } },
  set: (name, value) => { try { localStorage.setItem(name, value); } catch (refused) { console.info(refused.name); } },
};
const spokenTrial = trial => `trial ${trial.number}, ${trial.family}, ${facts.states[trial.state][0]}`;
const spokenCount = count => `${count} ${count === 1 ? "trial" : "trials"}`;
const spokenTime = seconds => {
  if (seconds < 90) return seconds >= 10 ? `${Math.round(seconds)} s` : `${seconds.toFixed(1)} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 90 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, "0")} min`;
};
