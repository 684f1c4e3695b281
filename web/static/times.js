// Writes times. The server writes UTC; only the browser knows its time zone.
"use strict";
const times = (() => {
  const { byId, remember, recall } = page;
  const pad = (n, width = 2) => String(n).padStart(width, "0");
  const local = (iso) => {
    const d = new Date(iso), off = -d.getTimezoneOffset(), abs = Math.abs(off);
    return `${d.getFullYear()}-${pad(d.getMonth() + 1)}-${pad(d.getDate())} ${pad(d.getHours())}:${pad(d.getMinutes())}:${pad(d.getSeconds())}.${pad(d.getMilliseconds(), 3)} ` +
      `${off < 0 ? "-" : "+"}${pad(Math.floor(abs / 60))}:${pad(abs % 60)}`;
  };
  const utc = (iso) => iso.replace("T", " ").replace("Z", " UTC");
  const ago = (iso) => {
    const s = Math.round((new Date(iso) - Date.now()) / 1000), f = new Intl.RelativeTimeFormat(document.documentElement.lang);
    for (const [unit, size] of [["day", 86400], ["hour", 3600], ["minute", 60]]) {
      if (Math.abs(s) >= size) return f.format(Math.trunc(s / size), unit);
    }
    return f.format(s, "second");
  };
  document.addEventListener("mouseover", (e) => {
    const time = e.target.closest && e.target.closest("time");
    if (time) time.title = ago(time.dateTime);
  });

  let isLocal = recall("zone") === "local"; // rows show times in the browser's zone
  const text = (iso) => (isLocal ? local : utc)(iso);
  // A row's time has its day apart, which a narrow list leaves out.
  const setTime = (t) => {
    const written = text(t.dateTime), space = written.indexOf(" ");
    t.querySelector(".day").textContent = written.slice(0, space + 1);
    t.querySelector(".clock").textContent = written.slice(space + 1);
  };
  const show = (part) => {
    for (const t of part.querySelectorAll("time[data-local]")) {
      t.textContent = local(t.dateTime);
      t.closest(".localtime").hidden = false;
    }
    if (isLocal) for (const t of part.querySelectorAll(".row summary time")) setTime(t);
  };

  // The button above the list changes the zone.
  const zone = byId("zone");
  const setZone = () => {
    zone.textContent = zone.dataset[isLocal ? "local" : "utc"];
    for (const t of document.querySelectorAll(".row summary time")) setTime(t);
  };
  const change = () => { isLocal = !isLocal; remember("zone", isLocal ? "local" : "utc"); setZone(); };
  if (zone) {
    zone.addEventListener("click", change);
    zone.hidden = false;
    setZone();
  }
  return { text, show, change };
})();
page.activate(document);
