// Keeps the console live, sends its forms without leaving it, and adds the keys. The server renders everything.
"use strict";
(() => {
  const byId = (id) => document.getElementById(id);
  const still = matchMedia("(prefers-reduced-motion: reduce)");
  const status = byId("status"), lost = byId("lost");
  let said = byId("attack-line").cloneNode(true); // what the server says of the last attack

  const parse = (html) => {
    const t = document.createElement("template");
    t.innerHTML = html; // rendered and escaped by the server; the content security policy allows no inline script
    return t.content.firstElementChild;
  };

  // Records that the key has just opened turn one after the other, within a second.
  let healing = [];
  const heal = (old, fresh) => {
    for (const t of healing) clearTimeout(t);
    healing = [];
    if (still.matches) return;
    const turned = [...fresh.querySelectorAll(".cell.good")].filter((c) => byId(c.id)?.dataset.severity === "wait").reverse();
    if (turned.length < 2) return;
    turned.forEach((cell, i) => {
      cell.classList.replace("good", "wait");
      healing.push(setTimeout(() => cell.classList.replace("wait", "good"), (i + 1) * 900 / turned.length));
    });
  };

  const put = (id, html) => {
    const old = byId(id), fresh = parse(html);
    const focused = old.contains(document.activeElement) && document.activeElement.id;
    const scrolled = old.querySelector(".cells")?.scrollLeft;
    if (id === "log") heal(old, fresh);
    old.replaceWith(fresh);
    if (scrolled) fresh.querySelector(".cells").scrollLeft = scrolled;
    if (focused) byId(focused)?.focus({ preventScroll: true });
    if (id === "attacks") {
      said = byId("attack-line").cloneNode(true);
      const became = fresh.querySelector(".became");
      if (became && became.textContent !== old.querySelector(".became")?.textContent) status.textContent = byId("attack-line").textContent;
    }
  };

  const count = () => {
    for (const c of document.querySelectorAll(".countdown")) {
      const seconds = Math.ceil((Number(c.dataset.at) - Date.now()) / 1000);
      const text = (seconds > 0 ? c.dataset.in : c.dataset.now).replace("{seconds}", seconds);
      if (c.textContent !== text) c.textContent = text;
    }
  };
  setInterval(count, 250);
  count();

  // What is typed: how long it is, and whether it is too long.
  const line = byId("line"), problem = byId("send-problem");
  const measure = () => {
    const room = byId("room"), limit = Number(room.dataset.limit), used = new TextEncoder().encode(line.value).length;
    const long = used > limit;
    room.textContent = room.dataset[long ? "long" : "room"].replace("{used}", used).replace("{n}", limit);
    room.classList.toggle("bad", long);
    line.setAttribute("aria-invalid", String(long));
    if (long) line.setCustomValidity(room.textContent); else line.setCustomValidity("");
  };
  line.addEventListener("input", () => { problem.textContent = ""; measure(); });

  const post = async (form, button) => {
    const body = new URLSearchParams(new FormData(form, button));
    const answer = await fetch(form.action, { method: "POST", body, headers: { Accept: "application/json" } });
    return answer.ok ? "" : answer.text();
  };
  document.addEventListener("submit", async (e) => {
    e.preventDefault();
    const form = e.target, sends = form.contains(line);
    let failed;
    try { failed = await post(form, e.submitter); } catch { failed = lost.dataset.text; }
    if (sends) {
      problem.textContent = failed;
      line.setAttribute("aria-invalid", String(failed !== ""));
      if (!failed) { line.value = ""; measure(); }
      return;
    }
    status.textContent = failed;
  });

  // What an attack does is said before it is started.
  const say = (e) => {
    const button = e.target.closest?.("button[data-tries]"), line = byId("attack-line");
    if (!button || button.getAttribute("aria-disabled") === "true") {
      if (line.dataset.before) line.replaceWith(said.cloneNode(true));
      return;
    }
    const name = document.createElement("strong");
    name.textContent = button.dataset.name + ": ";
    line.dataset.before = "1";
    line.replaceChildren(name, button.dataset.tries);
  };
  document.addEventListener("mouseover", say);
  document.addEventListener("focusin", say);

  document.addEventListener("keydown", (e) => {
    if (e.ctrlKey || e.metaKey || e.altKey || e.target.closest("input, pre")) return;
    if (e.key !== "p" && (e.key !== " " || e.target.closest("button, a"))) return;
    e.preventDefault();
    byId("freeze").click();
  });

  let stream;
  const connect = () => {
    stream?.close();
    stream = new EventSource("/events?lang=" + document.documentElement.lang);
    stream.onopen = () => { lost.textContent = ""; };
    stream.onmessage = (e) => {
      for (const [id, html] of Object.entries(JSON.parse(e.data))) put(id, html);
      count();
      measure();
    };
    stream.onerror = () => {
      lost.textContent = lost.dataset.text;
      if (stream.readyState === EventSource.CLOSED) setTimeout(connect, 1000);
    };
  };
  window.addEventListener("pagehide", () => stream?.close());
  window.addEventListener("pageshow", (e) => { if (e.persisted) connect(); });
  measure();
  connect();
})();
