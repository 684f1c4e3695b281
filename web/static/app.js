// Keeps the page live and adds shortcuts. The server renders everything; this script puts it in place.
"use strict";
(() => {
  const byId = (id) => document.getElementById(id);
  const root = document.documentElement, status = byId("status");

  const parse = (html) => {
    const t = document.createElement("template");
    t.innerHTML = html; // rendered and escaped by the server; the content security policy allows no inline script
    return t.content;
  };
  const remember = (name, value) => { try { localStorage.setItem(name, value); } catch { /* storage is not allowed: nothing is remembered */ } };
  const recall = (name) => { try { return localStorage.getItem(name); } catch { return null; } };
  let announcedAt = 0;
  const announce = (text, now) => { // to a screen reader: at once in answer to the user, else at most every 10 seconds
    if (!now && Date.now() - announcedAt < 10000) return;
    announcedAt = Date.now();
    status.textContent = text;
  };

  let local = recall("zone") === "local"; // times are shown in the browser's zone
  // A row's time has its day apart, which a narrow list leaves out.
  const setTime = (t, text) => {
    const space = text.indexOf(" ");
    t.querySelector(".day").textContent = text.slice(0, space + 1);
    t.querySelector(".clock").textContent = text.slice(space + 1);
  };

  // activate shows what works with a script only, and local times.
  const activate = (part) => {
    for (const b of part.querySelectorAll(".copy")) b.hidden = false;
    for (const t of part.querySelectorAll("time[data-local]")) {
      t.textContent = times.local(t.dateTime);
      t.closest(".localtime").hidden = false;
    }
    if (local) for (const t of part.querySelectorAll(".row summary time")) setTime(t, times.local(t.dateTime));
    return part;
  };

  // Opened records.
  const load = async (into, href) => {
    into.setAttribute("aria-busy", "true");
    try {
      const answer = await fetch(href); // for a record that is no longer held, the answer says so
      if (!answer.ok) throw new Error("not now");
      const html = await answer.text();
      await new Promise(afterPress);
      into.replaceChildren(activate(parse(html)));
    } catch { // the link to the record's page stays, and opening the row again tries again
      const row = into.closest("details");
      if (row) delete row.dataset.loaded;
    }
    into.removeAttribute("aria-busy");
    const row = into.closest(".row details[open]");
    if (row && row.firstElementChild.matches(":focus-visible")) { // opened by keyboard
      row.scrollIntoView({ block: row.offsetHeight > innerHeight - 60 ? "start" : "nearest" });
    }
  };
  document.addEventListener("click", (e) => {
    const all = e.target.closest("a.all");
    if (all && !e.ctrlKey && !e.metaKey && !e.shiftKey) {
      e.preventDefault();
      load(all.closest(".more") || all.closest(".record").parentElement, all.href + "&part=1");
    }
  });

  // The list of keyboard shortcuts.
  const dialog = byId("keys"), keysOn = byId("keys-on"), keysOpen = byId("keys-open");
  const showKeys = () => { if (!dialog.open) dialog.showModal(); };
  keysOn.checked = recall("keys") !== "off";
  keysOn.addEventListener("change", () => remember("keys", keysOn.checked ? "on" : "off"));
  keysOpen.addEventListener("click", showKeys);
  keysOpen.hidden = false;
  activate(document);

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
    for (const t of rows.querySelectorAll("summary time")) setTime(t, (local ? times.local : times.utc)(t.dateTime));
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

  // markNewKeys marks the rows that were decrypted with a key for the first time, after others.
  const markNewKeys = () => {
    const seen = new Set();
    for (const row of [...rows.children].reverse()) { // the newest row is the first
      const id = row.dataset.key, mark = row.querySelector(".new-key"), isNew = id && !seen.has(id) && seen.size > 0;
      if (id) seen.add(id);
      if (mark && !isNew) mark.remove();
      if (mark || !isNew) continue;
      const p = document.createElement("p");
      p.className = "new-key";
      p.dataset.testid = "new-key";
      p.textContent = records.dataset.newKey;
      row.append(p);
    }
  };

  // An opened row is the sample.
  let sampleRequest;
  const showSample = async (row) => {
    if (sampleRequest) sampleRequest.abort(); // its answer may be the slower one
    const { signal } = sampleRequest = new AbortController();
    try {
      const answer = await fetch(row.dataset.href + "?part=sample", { signal }), html = await answer.text();
      await new Promise(afterPress);
      if (answer.ok && html && !signal.aborted && row.open && row.isConnected) byId("sample").replaceWith(activate(parse(html)));
    } catch { /* the sample stays as it is */ }
  };

  const live = byId("live"), pause = byId("pause"), skippedNote = byId("skipped"), stale = byId("stale");
  rows.addEventListener("toggle", (e) => {
    const d = e.target;
    if (d.open && !d.dataset.loaded) {
      d.dataset.loaded = "1";
      load(d.querySelector(".more"), d.dataset.href + "?part=1");
    }
    const shown = d.open ? d : rows.querySelector("details[open]");
    if (shown) showSample(shown);
    if (live) reading();
  }, true);
  if (!live) return; // older records do not change

  const max = Number(records.dataset.max);
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
    if (lost) stale.textContent = stale.dataset.text.replace("{time}", (local ? times.local : times.utc)(new Date(receivedAt).toISOString()));
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

  // replaceRow replaces a row, and keeps it open and focused.
  const replaceRow = (old, row) => {
    const open = old.querySelector("details[open]"), focused = old.contains(document.activeElement);
    old.replaceWith(row);
    if (open) row.querySelector("details").open = true;
    if (focused) row.querySelector("summary").focus({ preventScroll: true });
  };
  const updateRows = (f, onlyChanged) => {
    if (f.reset) rows.replaceChildren();
    if (!onlyChanged) for (const id of f.gone || []) byId(id)?.remove(); // while paused nothing moves: these rows go later
    if (!f.rows) return;
    let next = rows.firstElementChild; // both lists are newest first
    for (const row of [...activate(parse(f.rows)).children]) {
      if ("senders" in row.dataset) records.classList.add("senders");
      const old = byId(row.id);
      if (old && old === next) next = next.nextElementSibling;
      if (old && old.dataset.seq === row.dataset.seq) { replaceRow(old, row); continue; }
      if (onlyChanged || old && Number(old.dataset.seq) > Number(row.dataset.seq)) continue; // a newer record is at this position
      if (old) old.remove(); // the topic was recreated, so offsets repeat
      while (next && Number(next.dataset.seq) > Number(row.dataset.seq)) next = next.nextElementSibling;
      rows.insertBefore(row, next);
    }
    while (rows.children.length > max) { rows.lastElementChild.remove(); left++; }
    markNewKeys();
  };

  // The filter. It applies as one types: the server renders the page with it, and its rows replace the present ones.
  const form = byId("filter"), problem = byId("problem"), matches = byId("matches"), unfiltered = byId("unfiltered");
  let typing, pending;
  const markProblem = () => {
    for (const a of byId("alerts").querySelectorAll("[data-problem]")) {
      const on = a.dataset.problem === problem.value;
      if (on) a.setAttribute("aria-current", "true"); else a.removeAttribute("aria-current");
      a.href = on ? "/" : "/?problem=" + a.dataset.problem;
    }
  };
  const showMatches = () => {
    matches.hidden = !records.dataset.filter;
    matches.textContent = matches.dataset.text.replace("{n}", records.dataset.selected).replace("{m}", records.dataset.searched);
  };
  const countMatches = (f) => { // of the records that were searched when the filter was set, and since
    const d = records.dataset;
    if (f.matches) [d.selected, d.searched] = [f.matches.selected, f.matches.searched];
    else [d.selected, d.searched] = [Number(d.selected) + (f.fresh || 0), Number(d.searched) + (f.read || 0)];
    showMatches();
  };
  const applyFilter = async () => {
    clearTimeout(typing);
    typing = undefined;
    if (pending) pending.abort();
    const { signal } = pending = new AbortController();
    const query = new URLSearchParams([...new FormData(form)].filter(([, value]) => value)).toString(), url = query ? "/?" + query : "/";
    let page;
    try {
      const answer = await fetch(url, { signal });
      if (!answer.ok) throw new Error("not now");
      page = new DOMParser().parseFromString(await answer.text(), "text/html");
      await new Promise(afterPress);
    } catch { // the page stays as it is, and says so
      if (signal.aborted) return;
      if (unfiltered.hidden) announce(unfiltered.textContent, true);
      unfiltered.hidden = false;
      typing = setTimeout(applyFilter, 3000);
    }
    if (!page || signal.aborted) return;
    unfiltered.hidden = true;
    history.replaceState(null, "", url);
    const fresh = page.getElementById("records");
    Object.assign(records.dataset, fresh.dataset);
    records.className = fresh.className;
    cursor = records.dataset.cursor;
    rows.replaceChildren(...activate(page.getElementById("rows")).children);
    for (const id of ["none", "older", "clear", "languages"]) byId(id).replaceWith(page.getElementById(id));
    byId("export")?.replaceWith(page.getElementById("export")); // there only if WEB_EXPORT is set
    skipped = unsearched = left = 0;
    showSkipped();
    showMatches();
    markProblem();
    announce(matches.hidden ? byId("counts").textContent : matches.textContent, true);
    reading();
    connect();
    show();
  };
  const setFilter = (name) => { // to one problem, or to nothing
    for (const field of form.elements) if (field.name) field.value = "";
    problem.value = name;
    applyFilter();
  };
  form.addEventListener("input", () => { clearTimeout(typing); typing = setTimeout(applyFilter, 250); });
  form.addEventListener("submit", (e) => { e.preventDefault(); applyFilter(); });
  byId("filter-apply").hidden = true;
  document.addEventListener("click", (e) => {
    const a = e.target.closest("[data-problem], #clear, #none a");
    if (!a || e.ctrlKey || e.metaKey || e.shiftKey) return;
    e.preventDefault();
    setFilter(a.dataset.problem && !a.hasAttribute("aria-current") ? a.dataset.problem : "");
  });

  const updateParts = (f) => {
    for (const [id, html] of Object.entries(f.parts || {})) {
      if (id === "sample" && paused()) continue; // it comes again on resume
      const old = byId(id), fresh = activate(parse(html)), focused = old.contains(document.activeElement) && document.activeElement.id;
      for (const d of fresh.querySelectorAll("details[id]")) { // details stay open
        const before = byId(d.id);
        if (before && !before.hidden && before.dataset.result === d.dataset.result && !d.open) d.open = before.open;
      }
      old.replaceWith(fresh);
      if (id === "alerts") markProblem();
      if (focused && byId(focused)) byId(focused).focus({ preventScroll: true });
    }
    if (f.parts && f.parts.banner) announce(byId("banner-title").textContent);
    if (f.parts && f.parts.alerts && byId("alerts").classList.contains("bad")) announce(byId("alerts").textContent);
    if (f.parts && f.parts.counts) announce(byId("counts").textContent);
  };

  const update = (e) => {
    const f = JSON.parse(e.data);
    updateParts(f);
    if (paused()) { // new rows are not kept: on resume the server sends them again
      missed += (f.fresh || 0) + (f.skipped || 0);
      if (!pausedBy.user && !f.reset) updateRows(f, true);
    } else {
      cursor = e.lastEventId;
      updateRows(f);
      countMatches(f);
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
    const filter = records.dataset.filter;
    const source = stream = new EventSource("/api/events?after=" + encodeURIComponent(cursor) + (filter && "&" + filter));
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
  Object.assign(actions, { p: toggle, t: () => { window.scrollTo(0, 0); setPaused("scrolled", false); resume(); } });
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
    clearTimeout(typing);
    if (document.hidden) { disconnect(); setConnected(false); return; }
    connect();
    if (typing) applyFilter();
  });
  window.addEventListener("pagehide", disconnect);
  window.addEventListener("pageshow", (e) => { if (e.persisted) connect(); });
  pause.hidden = false;
  show();
  if (!document.hidden) connect();
})();
