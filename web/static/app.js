// Keeps the page live. The server renders everything; this script only puts it in place.
"use strict";
(() => {
  const byId = (id) => document.getElementById(id);
  const rows = byId("rows"), live = byId("live"), pause = byId("pause"), passed = byId("passed"), status = byId("status");
  const max = Number(document.body.dataset.max);
  let cursor = document.body.dataset.cursor;
  let stream, paused = false, waiting = [], dropped = 0, spoken = 0;

  const parse = (html) => {
    const t = document.createElement("template");
    t.innerHTML = html; // rendered and escaped by the server; the page's policy allows no inline script
    return t.content;
  };
  const show = (state) => { live.dataset.state = state; live.textContent = live.dataset[state]; };
  const say = (text) => { // to a screen reader, now and then
    const now = Date.now();
    if (now - spoken > 10000) { spoken = now; status.textContent = text; }
  };

  const place = (f) => {
    if (f.reset) rows.replaceChildren();
    if (f.rows) {
      for (const row of [...parse(f.rows).children].reverse()) {
        const old = byId(row.id);
        if (old) old.replaceWith(row); else rows.prepend(row);
      }
      while (rows.children.length > max) rows.lastElementChild.remove();
    }
    if (f.passed) {
      dropped += f.passed;
      passed.hidden = false;
      passed.textContent = passed.dataset.text.replace("{n}", dropped);
    }
  };
  const parts = (f) => {
    for (const [id, html] of Object.entries(f.parts || {})) byId(id).replaceWith(parse(html));
    const tally = byId("tally");
    if (f.parts && f.parts.tally) say(tally.textContent);
  };
  const count = () => waiting.reduce((n, f) => n + (f.rows ? parse(f.rows).children.length : 0) + (f.passed || 0), 0);
  const label = () => {
    const n = paused ? count() : 0;
    pause.textContent = pause.dataset[paused ? "resume" : "pause"] + (n ? " (" + pause.dataset.new.replace("{n}", n) + ")" : "");
  };

  const connect = () => {
    stream = new EventSource("/api/events?after=" + encodeURIComponent(cursor));
    stream.onopen = () => show(paused ? "paused" : "live");
    stream.onerror = () => {
      show("lost");
      if (stream.readyState === EventSource.CLOSED) setTimeout(connect, 3000);
    };
    stream.onmessage = (e) => {
      cursor = e.lastEventId;
      const f = JSON.parse(e.data);
      parts(f);
      if (!paused) { place(f); return; }
      if (f.reset) waiting = [];
      waiting.push(f);
      while (waiting.length > 1000) dropped += (waiting.shift().passed || 0);
      label();
    };
  };

  pause.addEventListener("click", () => {
    paused = !paused;
    pause.setAttribute("aria-pressed", String(paused));
    if (!paused) { waiting.forEach(place); waiting = []; }
    show(paused ? "paused" : "live");
    label();
  });
  window.addEventListener("pagehide", () => stream.close());
  window.addEventListener("pageshow", (e) => { if (e.persisted) connect(); });
  live.hidden = pause.hidden = false;
  connect();
})();
