// Writes times. The server writes UTC; only the browser knows its time zone.
"use strict";
const times = (() => {
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
  return { local, utc };
})();
