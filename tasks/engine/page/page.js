// The page may be opened long after it was written: ages are counted from now, and a copy that has become old says so.
(() => {
  const root = document.documentElement;
  const all = (selector) => document.querySelectorAll(selector);
  const say = (seconds) => {
    const minutes = Math.floor(Math.max(0, seconds) / 60);
    const hours = Math.floor(minutes / 60);
    if (minutes < 1) return "less than a minute";
    if (hours < 1) return `${minutes} min`;
    if (hours < 48) return minutes % 60 ? `${hours} h ${minutes % 60} min` : `${hours} h`;
    return hours % 24 ? `${Math.floor(hours / 24)} d ${hours % 24} h` : `${hours / 24} d`;
  };
  const since = (instant) => (Date.now() - Date.parse(instant)) / 1000;
  const tick = () => {
    for (const time of all("time[data-age]")) time.textContent = say(since(time.dateTime));
    for (const time of all("time[data-until]")) {
      const passed = since(time.dateTime);
      time.textContent = passed < 0 ? `in ${say(-passed)}` : `${say(passed)} ago`;
    }
    for (const done of all("[data-gauge]")) {
      const share = since(done.dataset.gauge) / Number(done.dataset.of);
      done.setAttribute("width", `${Math.min(100, Math.max(0, 100 * share)).toFixed(2)}%`);
    }
    const late = all("[data-overdue]");
    for (const notice of late) notice.hidden = since(notice.dataset.overdue) < 0;
    const staleAfter = root.dataset.staleAfter;
    if (staleAfter && since(root.dataset.copyAt) > Number(staleAfter)) {
      for (const part of all("[data-when]")) part.hidden = part.dataset.when !== "stale";
      root.dataset.tone = "bad";
      document.title = root.dataset.staleTitle;
      const icon = document.querySelector("link[rel=icon]");
      icon.href = icon.dataset.bad;
    }
  };
  for (const part of all("[data-static]")) part.hidden = true;
  for (const time of all("time[data-local]")) {
    const local = new Date(time.dateTime);
    time.title = `${local.toLocaleString()} where you are`;
  }
  tick();
  setInterval(tick, 20000);
})();
