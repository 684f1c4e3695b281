// Keeps the page live and saves a way here and there. The server renders everything; this script puts it in place.
"use strict";
(() => {
  const byId = (id) => document.getElementById(id);
  const root = document.documentElement, status = byId("status");

  const parse = (html) => {
    const t = document.createElement("template");
    t.innerHTML = html; // rendered and escaped by the server; the page's policy allows no inline script
    return t.content;
  };
  const remember = (name, value) => { try { localStorage.setItem(name, value); } catch { /* not allowed here: forgotten */ } };
  const recall = (name) => { try { return localStorage.getItem(name); } catch { return null; } };
  let spoken = 0;
  const say = (text, now) => { // to a screen reader: at once what was asked for, else now and then
    if (!now && Date.now() - spoken < 10000) return;
    spoken = Date.now();
    status.textContent = text;
  };

  // Times. The server writes UTC; only the browser knows where it is.
  let local = recall("zone") === "local";
  const pad = (n, width = 2) => String(n).padStart(width, "0");
  const localTime = (iso) => {
    const d = new Date(iso), off = -d.getTimezoneOffset(), abs = Math.abs(off);
    return `${d.getFullYear()}-${pad(d.getMonth() + 1)}-${pad(d.getDate())} ${pad(d.getHours())}:${pad(d.getMinutes())}:${pad(d.getSeconds())}.${pad(d.getMilliseconds(), 3)} ` +
      `${off < 0 ? "-" : "+"}${pad(Math.floor(abs / 60))}:${pad(abs % 60)}`;
  };
  const utcTime = (iso) => iso.replace("T", " ").replace("Z", " UTC");
  const ago = (iso) => {
    const s = Math.round((new Date(iso) - Date.now()) / 1000), f = new Intl.RelativeTimeFormat(root.lang);
    for (const [unit, size] of [["day", 86400], ["hour", 3600], ["minute", 60]]) {
      if (Math.abs(s) >= size) return f.format(Math.trunc(s / size), unit);
    }
    return f.format(s, "second");
  };
  document.addEventListener("mouseover", (e) => {
    const time = e.target.closest && e.target.closest("time");
    if (time) time.title = ago(time.dateTime);
  });

  // wake makes what the server rendered for everybody fit for a browser with a script.
  const wake = (part) => {
    for (const b of part.querySelectorAll(".copy")) b.hidden = false;
    for (const t of part.querySelectorAll("time[data-local]")) {
      t.textContent = localTime(t.dateTime);
      t.closest(".localtime").hidden = false;
    }
    if (local) for (const t of part.querySelectorAll(".row summary time")) t.textContent = localTime(t.dateTime);
    return part;
  };

  // Copying.
  const base64 = (bytes) => {
    let text = "";
    for (const b of bytes) text += String.fromCharCode(b);
    return btoa(text);
  };
  const write = async (text) => {
    if (navigator.clipboard) return navigator.clipboard.writeText(text);
    const area = document.createElement("textarea"); // a page without TLS has no clipboard of its own
    area.value = text;
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    if (!done) throw new Error("copying is not allowed");
  };
  const textOf = async (b) => {
    if (b.dataset.copies) return byId(b.dataset.copies).textContent;
    if (b.dataset.link) return new URL(b.dataset.link, location).href;
    const answer = await fetch(b.dataset.raw);
    if (!answer.ok) throw new Error("gone");
    return b.dataset.kind === "hex" ? base64(new Uint8Array(await answer.arrayBuffer())) : answer.text();
  };
  const copy = async (b) => {
    let mark = "✓";
    try { await write(await textOf(b)); } catch { mark = "⚠"; }
    b.dataset.mark = mark;
    b.focus();
    setTimeout(() => delete b.dataset.mark, 2000);
  };

  // Opened records.
  const load = async (into, href) => {
    into.setAttribute("aria-busy", "true");
    try {
      const answer = await fetch(href); // one that has left is told so in the answer
      into.replaceChildren(wake(parse(await answer.text())));
    } catch { /* the link to the record's own page stays */ }
    into.removeAttribute("aria-busy");
  };
  document.addEventListener("click", (e) => {
    const b = e.target.closest(".copy"), all = e.target.closest("a.all");
    if (b) copy(b);
    if (all && !e.ctrlKey && !e.metaKey && !e.shiftKey) {
      e.preventDefault();
      load(all.closest(".more") || all.closest(".record").parentElement, all.href + "&part=1");
    }
  });

  // The list of keys.
  const dialog = byId("keys"), keysOn = byId("keys-on"), keysOpen = byId("keys-open");
  const showKeys = () => { if (!dialog.open) dialog.showModal(); };
  keysOn.checked = recall("keys") !== "off";
  keysOn.addEventListener("change", () => remember("keys", keysOn.checked ? "on" : "off"));
  keysOpen.addEventListener("click", showKeys);
  keysOpen.hidden = false;
  wake(document);

  const records = byId("records");
  const actions = { "?": showKeys };
  document.addEventListener("keydown", (e) => {
    if (e.ctrlKey || e.metaKey || e.altKey || dialog.open) return;
    const typing = e.target.closest("input, select, textarea");
    if (e.key === "Escape") {
      const open = e.target.closest(".row details[open]");
      if (open) { open.open = false; open.querySelector("summary").focus(); }
      return;
    }
    if (typing || !keysOn.checked || !actions[e.key]) return;
    e.preventDefault();
    actions[e.key]();
  });
  if (!records) return;

  // The list of records.
  const rows = byId("rows"), zone = byId("zone");
  const setZone = () => {
    zone.textContent = zone.dataset[local ? "local" : "utc"];
    for (const t of rows.querySelectorAll("summary time")) t.textContent = (local ? localTime : utcTime)(t.dateTime);
  };
  const changeZone = () => { local = !local; remember("zone", local ? "local" : "utc"); setZone(); };
  zone.addEventListener("click", changeZone);
  zone.hidden = false;
  setZone();
  const step = (by) => {
    const all = [...rows.querySelectorAll("summary")];
    const at = all.findIndex((s) => s.parentElement.contains(document.activeElement));
    const next = all[at < 0 ? 0 : Math.min(Math.max(at + by, 0), all.length - 1)];
    if (next) next.focus();
  };
  Object.assign(actions, { "/": () => byId("q").focus(), j: () => step(1), k: () => step(-1), z: changeZone });

  const live = byId("live"), pause = byId("pause"), dropped = byId("passed");
  rows.addEventListener("toggle", (e) => {
    const d = e.target;
    if (d.open && !d.dataset.loaded) {
      d.dataset.loaded = "1";
      load(d.querySelector(".more"), d.dataset.href + "?part=1");
    }
    if (live) reading();
  }, true);
  if (!live) return; // older records do not change

  const max = Number(records.dataset.max);
  let cursor = records.dataset.cursor, stream, retry, connected = false, missed = 0, passed = 0, left = 0;
  const holds = { user: false, scrolled: false, reading: false }; // why the list stands still
  const paused = () => holds.user || holds.scrolled || holds.reading;

  const show = () => {
    const state = !connected ? "lost" : paused() ? "paused" : byId("kafka").hasAttribute("data-away") ? "away" : "live";
    live.dataset.state = state;
    if (live.textContent !== live.dataset[state]) live.textContent = live.dataset[state];
    pause.textContent = pause.dataset[paused() ? "resume" : "pause"] + (missed ? ` (${pause.dataset.new.replace("{n}", missed)})` : "");
    pause.classList.toggle("waiting", missed > 0);
  };
  const tellDropped = () => {
    const texts = [];
    if (passed) texts.push(dropped.dataset.passed.replace("{n}", passed));
    if (left) texts.push(dropped.dataset.left.replace("{n}", left));
    dropped.hidden = texts.length === 0;
    dropped.textContent = texts.join(" · ");
  };

  // swap puts a row in the place of what it was, and leaves it open and focused if it was.
  const swap = (old, row) => {
    const open = old.querySelector("details[open]"), focused = old.contains(document.activeElement);
    old.replaceWith(row);
    if (open) row.querySelector("details").open = true;
    if (focused) row.querySelector("summary").focus({ preventScroll: true });
  };
  const place = (f, onlyChanged) => {
    if (f.reset) rows.replaceChildren();
    if (!f.rows) return;
    let next = rows.firstElementChild; // both lists are newest first
    for (const row of [...wake(parse(f.rows)).children]) {
      if (row.dataset.makes) records.classList.add(...row.dataset.makes.split(" "));
      const old = byId(row.id);
      if (old === next) next = next && next.nextElementSibling;
      if (old && old.dataset.seq === row.dataset.seq) { swap(old, row); continue; }
      if (onlyChanged) continue;
      if (old) old.remove(); // the topic was made anew, and its offsets with it
      while (next && Number(next.dataset.seq) > Number(row.dataset.seq)) next = next.nextElementSibling;
      rows.insertBefore(row, next);
    }
    while (rows.children.length > max) { rows.lastElementChild.remove(); left++; }
  };

  const parts = (f) => {
    for (const [id, html] of Object.entries(f.parts || {})) {
      const old = byId(id), fresh = wake(parse(html)), focused = old.contains(document.activeElement) && document.activeElement.id;
      for (const d of fresh.querySelectorAll("details[id]")) { // what somebody opened stays open
        const before = byId(d.id);
        if (before && !before.hidden && before.dataset.result === d.dataset.result && !d.open) d.open = before.open;
      }
      old.replaceWith(fresh);
      if (focused && byId(focused)) byId(focused).focus({ preventScroll: true });
    }
    if (f.parts && f.parts.verdict) say(byId("verdict-title").textContent);
    if (f.parts && f.parts.tally) say(byId("tally").textContent);
  };

  const disconnect = () => { clearTimeout(retry); if (stream) stream.close(); };
  const connect = () => {
    disconnect();
    missed = 0;
    const filter = records.dataset.filter;
    stream = new EventSource("/api/events?after=" + encodeURIComponent(cursor) + (filter && "&" + filter));
    stream.onopen = () => { connected = true; show(); };
    stream.onerror = () => {
      connected = false;
      show();
      if (stream.readyState === EventSource.CLOSED) retry = setTimeout(connect, 3000);
    };
    stream.onmessage = (e) => {
      const f = JSON.parse(e.data);
      parts(f);
      if (paused()) { // nothing that arrives is kept: it is asked for again from where the list stopped
        missed += (f.fresh || 0) + (f.passed || 0);
        if (!holds.user && !f.reset) place(f, true);
      } else {
        cursor = e.lastEventId;
        place(f);
        passed += f.passed || 0;
        tellDropped();
      }
      show();
    };
  };

  const hold = (why, on) => {
    if (holds[why] === on) return;
    const before = paused();
    holds[why] = on;
    if (before && !paused()) connect();
    show();
  };
  const reading = () => hold("reading", rows.querySelector("details[open]") !== null);
  const resume = () => {
    if (holds.scrolled) records.scrollIntoView();
    for (const d of rows.querySelectorAll("details[open]")) d.open = false;
    for (const why of ["reading", "scrolled", "user"]) hold(why, false);
  };
  const toggle = () => {
    reading(); // the browser tells of a row that just closed only afterwards
    if (paused()) resume(); else hold("user", true);
    say(live.textContent, true);
  };
  pause.addEventListener("click", toggle);
  Object.assign(actions, { p: toggle, t: () => { window.scrollTo(0, 0); hold("scrolled", false); resume(); } });
  let looking = false;
  window.addEventListener("scroll", () => { // reading further down: the rows must not move away
    if (looking) return;
    looking = true;
    requestAnimationFrame(() => { looking = false; hold("scrolled", rows.getBoundingClientRect().top < -60); });
  }, { passive: true });

  document.addEventListener("submit", (e) => {
    if (e.target.id !== "again") return;
    e.preventDefault();
    fetch(e.target.action, { method: "POST", redirect: "manual" }).catch(() => {});
    say(e.target.dataset.said, true);
    const note = byId("said") || document.createElement("p"); // until the verdict comes anew
    note.id = "said";
    note.className = "quiet";
    note.textContent = e.target.dataset.said;
    e.target.after(note);
  });

  // A tab that nobody sees asks for nothing.
  document.addEventListener("visibilitychange", () => { if (document.hidden) disconnect(); else connect(); });
  window.addEventListener("pagehide", disconnect);
  window.addEventListener("pageshow", (e) => { if (e.persisted) connect(); });
  live.hidden = pause.hidden = false;
  show();
  if (!document.hidden) connect();
})();
