// A live page asks its server for news; what did not change is not sent, what the reader did stays.

const PAUSE_S = 2, LONGEST_PAUSE_S = 30;
let since = document.body.dataset.version;

const setAll = (target, changes, put = value => value) => {
  for (const [key, value] of changes) if (value === null) target.delete(key); else target.set(key, put(value));
};
const notice = text => {
  if (byId("notice").textContent !== text) byId("notice").textContent = text;
  byId("notice").hidden = !text;
};
const apply = news => {
  if (news.markup && document.body.hasAttribute("data-waiting")) return location.reload();  // the first state there is
  if (news.replaced) return location.replace(location.pathname + location.search);  // zoom, filter and choice were another study's
  since = news.version;
  if (news.title !== undefined) document.title = news.title;
  if (news.notice !== undefined) serverNotice = news.notice;
  if (news.facts) Object.assign(facts, news.facts);
  setAll(trials, Object.entries(news.cards || {}).map(([number, card]) => [Number(number), card]));
  for (const [key, figure] of Object.entries(news.figures || {})) if (figure) figures[key] = figure; else delete figures[key];
  for (const [id, markup] of Object.entries(news.markup || {})) {
    if (!markup) byId(id)?.remove();
    else if (byId(id)) morph(byId(id), parsed(markup));
    else byId("main").append(parsed(markup));
  }
  refilter();
  follow();
  const changed = new Set(Object.keys(news.figures || {}));
  redraw(plots().filter(plot => changed.has(plot.dataset.figure) || !drawn.has(plot)));
  document.body.dataset.version = since;
  return undefined;
};

const LOST = "The server of this page does not answer any more: what you see is its last state. Start the server again, and this page follows it.";
let serverNotice = byId("notice").textContent, pause = PAUSE_S, timer = null;

const fetched = async () => {  // {} when there is no news, null when there is no answer
  const token = new URLSearchParams(location.search).get("token");
  try {
    const answer = await fetch("news?" + new URLSearchParams({ since, ...(token ? { token } : {}) }), { cache: "no-store" });
    if (answer.status === 200) return await answer.json();
    if (answer.status === 204) return {};
  } catch (lost) { console.info(lost.message); }
  return null;
};
const ask = async () => {
  clearTimeout(timer);
  try {
    const news = await fetched();
    if (news?.version) apply(news);
    pause = news ? PAUSE_S : Math.min(2 * pause, LONGEST_PAUSE_S);
    notice(news ? serverNotice : LOST);
  } finally {
    timer = setTimeout(ask, pause * 1000);
  }
};
document.addEventListener("visibilitychange", () => { if (!document.hidden) ask(); else clearTimeout(timer); });
timer = setTimeout(ask, pause * 1000);
