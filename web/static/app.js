// Keeps the page live. The server renders everything; this script only puts it in place.
"use strict";
(() => {
  const byId = (id) => document.getElementById(id);
  const rows = byId("rows"), live = byId("live"), pause = byId("pause"), passed = byId("passed"), status = byId("status");
  const max = Number(document.body.dataset.max);
  let cursor = document.body.dataset.cursor;
  let stream, retry, paused = false, missed = 0, dropped = 0, spoken = 0;

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
      let next = rows.firstElementChild; // both lists are newest first
      for (const row of [...parse(f.rows).children]) {
        const old = byId(row.id);
        if (old === next) next = next && next.nextElementSibling;
        if (old && old.dataset.seq === row.dataset.seq) { old.replaceWith(row); continue; }
        if (old) old.remove(); // the topic was made anew, and its offsets with it
        while (next && Number(next.dataset.seq) > Number(row.dataset.seq)) next = next.nextElementSibling;
        rows.insertBefore(row, next);
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
  const label = () => {
    pause.textContent = pause.dataset[paused ? "resume" : "pause"] + (missed ? " (" + pause.dataset.new.replace("{n}", missed) + ")" : "");
  };

  const connect = () => {
    clearTimeout(retry);
    if (stream) stream.close();
    stream = new EventSource("/api/events?after=" + encodeURIComponent(cursor));
    stream.onopen = () => show(paused ? "paused" : "live");
    stream.onerror = () => {
      show("lost");
      if (stream.readyState === EventSource.CLOSED) retry = setTimeout(connect, 3000);
    };
    stream.onmessage = (e) => {
      const f = JSON.parse(e.data);
      parts(f);
      if (paused) { missed += (f.count || 0) + (f.passed || 0); label(); return; }
      cursor = e.lastEventId;
      place(f);
    };
  };

  // A paused page keeps nothing of what arrives: it asks again from where it stopped.
  pause.addEventListener("click", () => {
    paused = !paused;
    missed = 0;
    pause.setAttribute("aria-pressed", String(paused));
    show(paused ? "paused" : "live");
    label();
    if (!paused) connect();
  });
  window.addEventListener("pagehide", () => stream.close());
  window.addEventListener("pageshow", (e) => { if (e.persisted) connect(); });
  live.hidden = pause.hidden = false;
  connect();
})();
