// Keeps the page live: follows the stream of changes, unless the list is paused.
"use strict";
(() => {
  const { byId, parse, announce, activate } = page;
  const live = byId("live"), pause = byId("pause"), skippedNote = byId("skipped"), stale = byId("stale");
  if (!live) return; // older records do not change
  const { records, rows } = list, root = document.documentElement;

  let cursor = records.dataset.cursor, stream, retryTimer, connected = false, missed = 0, skipped = 0, unsearched = 0, left = 0;
  const pausedBy = { user: false, scrolled: false, reading: false }; // why the list is paused
  const paused = () => pausedBy.user || pausedBy.scrolled || pausedBy.reading;

  // The page shows the state when the server last sent something. Without a stream that may be long ago.
  let receivedAt = Date.now(), silenceTimer, slowTimer;
  const setConnected = (on) => {
    connected = on;
    live.hidden = false; // hidden at first: nothing is lost before it was there
    const lost = !on && !document.hidden;
    root.classList.toggle("stale", lost);
    stale.hidden = !lost;
    if (lost) stale.textContent = stale.dataset.text.replace("{time}", times.text(new Date(receivedAt).toISOString()));
    show();
  };
  const disconnected = () => {
    const before = connected;
    setConnected(false);
    if (before) announce(stale.textContent, true);
  };
  const silence = 40000; // more than two heartbeats: then the stream is lost, even if the browser does not notice
  const received = () => {
    receivedAt = Date.now();
    clearTimeout(silenceTimer);
    silenceTimer = setTimeout(() => { disconnected(); connect(); }, silence);
  };

  const show = () => {
    const state = !connected ? "lost" : paused() ? "paused" : byId("kafka").hasAttribute("data-unreachable") ? "unreachable" : "live";
    live.dataset.state = state;
    if (live.textContent !== live.dataset[state]) live.textContent = live.dataset[state];
    pause.textContent = pause.dataset[paused() ? "resume" : "pause"] + (missed ? ` (${pause.dataset.new.replace("{n}", missed)})` : "");
    pause.classList.toggle("waiting", missed > 0);
  };
  const showSkipped = () => {
    const texts = [];
    if (skipped) texts.push(skippedNote.dataset.skipped.replace("{n}", skipped));
    if (unsearched) texts.push(skippedNote.dataset.unsearched.replace("{n}", unsearched));
    if (left) texts.push(skippedNote.dataset.left.replace("{n}", left));
    skippedNote.hidden = texts.length === 0;
    skippedNote.textContent = texts.join(" · ");
  };

  const updateParts = (f) => {
    for (const [id, html] of Object.entries(f.parts || {})) {
      if (id === "sample" && paused()) continue; // it comes again on resume
      const old = byId(id), fresh = activate(parse(html)), focused = old.contains(document.activeElement) && document.activeElement.id;
      for (const d of fresh.querySelectorAll("details[id]")) { // details stay open
        const before = byId(d.id);
        if (before && !before.hidden && before.dataset.result === d.dataset.result && !d.open) d.open = before.open;
      }
      old.replaceWith(fresh);
      if (id === "alerts") filter.markProblem();
      if (focused && byId(focused)) byId(focused).focus({ preventScroll: true });
    }
    if (f.parts && f.parts.banner) announce(byId("banner-title").textContent);
    if (f.parts && f.parts.alerts && byId("alerts").querySelector("li")) announce(byId("alerts").textContent);
    if (f.parts && f.parts.counts) announce(byId("counts").textContent);
  };

  const update = (e) => {
    const f = JSON.parse(e.data);
    updateParts(f);
    if (paused()) { // new rows are not kept: on resume the server sends them again
      missed += (f.fresh || 0) + (f.skipped || 0);
      if (!pausedBy.user && !f.reset) left += list.update(f, true);
    } else {
      cursor = e.lastEventId;
      left += list.update(f);
      filter.count(f);
      skipped += f.skipped || 0;
      unsearched += f.unsearched || 0;
      showSkipped();
    }
    show();
  };

  const disconnect = () => { for (const t of [retryTimer, silenceTimer, slowTimer]) clearTimeout(t); if (stream) stream.close(); };
  const connect = () => {
    disconnect();
    missed = 0;
    const query = records.dataset.filter;
    const source = stream = new EventSource("/api/events?after=" + encodeURIComponent(cursor) + (query && "&" + query));
    slowTimer = setTimeout(() => { if (!connected) disconnected(); }, 3000);
    silenceTimer = setTimeout(connect, silence);
    stream.onopen = () => { received(); setConnected(true); };
    stream.addEventListener("alive", received);
    stream.onerror = () => {
      disconnected();
      if (stream.readyState === EventSource.CLOSED) retryTimer = setTimeout(connect, 3000);
    };
    stream.onmessage = (e) => {
      received();
      afterPress(() => { if (source === stream) update(e); });
    };
  };

  const setPaused = (why, on) => {
    if (pausedBy[why] === on) return;
    const before = paused();
    pausedBy[why] = on;
    if (before && !paused()) connect();
    show();
  };
  const reading = () => setPaused("reading", rows.querySelector("details[open]") !== null);
  const resume = () => {
    if (pausedBy.scrolled) records.scrollIntoView();
    for (const d of rows.querySelectorAll("details[open]")) d.open = false;
    for (const why of ["reading", "scrolled", "user"]) setPaused(why, false);
  };
  const toggle = () => {
    reading(); // the browser reports a row that was just closed only afterwards
    if (paused()) resume(); else setPaused("user", true);
    announce(live.textContent, true);
  };
  pause.addEventListener("click", toggle);
  rows.addEventListener("toggle", reading, true);
  Object.assign(shortcuts, { p: toggle, t: () => { window.scrollTo(0, 0); setPaused("scrolled", false); resume(); } });
  filter.applied = () => {
    cursor = records.dataset.cursor;
    skipped = unsearched = left = 0;
    showSkipped();
    reading();
    connect();
    show();
  };
  let scrollPending = false;
  window.addEventListener("scroll", () => { // a reader further down: the rows must not move away
    if (scrollPending) return;
    scrollPending = true;
    requestAnimationFrame(() => { scrollPending = false; setPaused("scrolled", rows.getBoundingClientRect().top < -60); });
  }, { passive: true });

  document.addEventListener("submit", (e) => {
    if (e.target.id !== "check-again") return;
    e.preventDefault();
    fetch(e.target.action, { method: "POST", redirect: "manual" }).catch(() => {});
    announce(e.target.dataset.confirmation, true);
    const note = byId("confirmation") || document.createElement("p"); // until the stream replaces the banner
    note.id = "confirmation";
    note.className = "muted";
    note.textContent = e.target.dataset.confirmation;
    e.target.after(note);
  });

  // A hidden tab requests nothing.
  document.addEventListener("visibilitychange", () => {
    filter.hold();
    if (document.hidden) { disconnect(); setConnected(false); return; }
    connect();
    filter.resume();
  });
  window.addEventListener("pagehide", disconnect);
  window.addEventListener("pageshow", (e) => { if (e.persisted) connect(); });
  pause.hidden = false;
  show();
  if (!document.hidden) connect();
})();
