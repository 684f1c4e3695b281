// Keeps the console live, sends its forms without leaving it, and adds the keys. The server renders everything.
"use strict";
(() => {
  const byId = (id) => document.getElementById(id);
  const still = matchMedia("(prefers-reduced-motion: reduce)");
  const status = byId("status"), lost = byId("lost"), problem = byId("problem");
  // The lines that describe a button before it is pressed: what the server says in their place, and by the part they are in.
  const lines = { attacks: "attack-line", scenario: "waits" }, said = {};
  for (const id of Object.values(lines)) said[id] = byId(id).cloneNode(true);

  const parse = (html) => {
    const t = document.createElement("template");
    t.innerHTML = html; // rendered and escaped by the server; the content security policy allows no inline script
    return t.content.firstElementChild;
  };

  // Records that the key has just opened change one after the other, within a second.
  let revealing = [], shownID, wasInView;
  const reveal = (old, fresh) => {
    for (const t of revealing) clearTimeout(t);
    revealing = [];
    if (still.matches) return;
    const opened = [...fresh.querySelectorAll(".cell.good")].filter((c) => byId(c.id)?.dataset.severity === "wait").reverse();
    if (opened.length < 2) return;
    opened.forEach((cell, i) => {
      cell.classList.replace("good", "wait");
      revealing.push(setTimeout(() => cell.classList.replace("wait", "good"), (i + 1) * 900 / opened.length));
    });
  };

  // The record in the columns is in view when it is chosen, and stays there while the strip grows. A viewer may scroll away.
  const outside = (cells, cell) => {
    const frame = cells.getBoundingClientRect(), box = cell.getBoundingClientRect();
    return Math.max(0, box.right - frame.right) || Math.min(0, box.left - frame.left);
  };
  const keepInView = (fresh, scrolled) => {
    const cells = fresh.querySelector(".cells"), shown = cells.querySelector(".shown");
    cells.scrollLeft = scrolled;
    if (shown && (shown.id !== shownID || wasInView)) cells.scrollLeft += outside(cells, shown);
    shownID = shown?.id;
  };

  let refocusing = false, pointed; // the id of the button under the pointer
  const put = (id, html) => {
    const old = byId(id), fresh = parse(html);
    const focused = old.contains(document.activeElement) && document.activeElement.id;
    const scrolled = old.querySelector(".cells")?.scrollLeft;
    if (id === "log") {
      reveal(old, fresh);
      const shown = old.querySelector(".shown");
      wasInView = shown && outside(old.querySelector(".cells"), shown) === 0;
    }
    const described = lines[id] && old.querySelector("[data-described]");
    old.replaceWith(fresh);
    if (id === "log") keepInView(fresh, scrolled);
    if (id === "release") offerCopy();
    if (focused) {
      refocusing = true;
      byId(focused)?.focus({ preventScroll: true });
      refocusing = false;
    }
    if (lines[id]) {
      const line = byId(lines[id]), news = line.textContent !== said[line.id].textContent;
      said[line.id] = line.cloneNode(true);
      if (described && !news) line.replaceWith(described); // news of the server's take its place
    }
    if (id === "attacks") {
      const became = fresh.querySelector(".became");
      if (became && became.textContent !== old.querySelector(".became")?.textContent) status.textContent = byId("attack-line").textContent;
    }
  };

  // A button that is replaced between its press and its release is never clicked: until then, nothing is replaced.
  let pressed = false, kept = {}, releasing;
  const update = (parts) => {
    if (pressed) { Object.assign(kept, parts); return; }
    for (const [id, html] of Object.entries(parts)) put(id, html);
    count();
    measure();
    fade();
  };
  const press = (e) => {
    clearTimeout(releasing);
    pressed = !!e.target.closest?.("button, a");
  };
  const release = () => {
    clearTimeout(releasing);
    releasing = setTimeout(() => { // after the click
      pressed = false;
      const parts = kept;
      kept = {};
      update(parts);
    });
  };
  document.addEventListener("pointerdown", (e) => { if (e.button === 0) press(e); });
  document.addEventListener("keydown", (e) => { if (e.key === " ") press(e); });
  for (const event of ["click", "pointerup", "pointercancel", "keyup"]) document.addEventListener(event, release);
  window.addEventListener("blur", release);

  // Ciphertext that does not fit fades at its end.
  const fade = () => {
    for (const t of document.querySelectorAll(".text.cipher")) t.classList.toggle("cut", t.scrollHeight > t.clientHeight + 4);
  };
  window.addEventListener("resize", fade);
  fade();

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
  const line = byId("line"), sendProblem = byId("send-problem");
  const measure = () => {
    const length = byId("length"), limit = Number(length.dataset.limit), used = new TextEncoder().encode(line.value).length;
    const long = used > limit;
    length.textContent = length.dataset[long ? "long" : "used"].replace("{used}", used).replace("{n}", limit);
    length.classList.toggle("bad", long);
    line.setAttribute("aria-invalid", String(long));
    if (long) line.setCustomValidity(length.textContent); else line.setCustomValidity("");
  };
  line.addEventListener("input", () => { sendProblem.textContent = ""; measure(); });

  // A problem covers a part of the page, so it goes away again.
  let telling;
  const tell = (text) => {
    clearTimeout(telling);
    problem.textContent = text;
    if (text) telling = setTimeout(tell, 10000, "");
  };

  const post = async (form, button) => {
    const body = new URLSearchParams(new FormData(form, button));
    const answer = await fetch(form.action, { method: "POST", body, headers: { Accept: "application/json" } });
    return answer.ok ? "" : answer.text();
  };
  document.addEventListener("submit", async (e) => {
    e.preventDefault();
    const form = e.target, sends = form.contains(line);
    if (e.submitter?.getAttribute("aria-disabled") === "true") { tell(e.submitter.title); return; }
    tell("");
    let failed;
    try { failed = await post(form, e.submitter); } catch { failed = lost.dataset.text; }
    if (sends) {
      sendProblem.textContent = failed;
      line.setAttribute("aria-invalid", String(failed !== ""));
      if (!failed) { line.value = ""; measure(); }
      return;
    }
    tell(failed);
  });

  // What an attack, a format or a scenario does is said before it is started. A button that is replaced under the pointer, or
  // that gets the focus back, is no other one: what the server has said since stays.
  const describe = (target) => {
    for (const id of Object.values(lines)) if (byId(id).dataset.described) byId(id).replaceWith(said[id].cloneNode(true));
    const button = target.closest?.("button[data-tries]");
    if (!button || button.getAttribute("aria-disabled") === "true") return;
    const line = byId(button.dataset.line);
    line.dataset.described = "1";
    line.replaceChildren(button.dataset.tries);
    if (!button.dataset.name) return;
    const name = document.createElement("strong");
    name.textContent = button.dataset.name + ": ";
    line.prepend(name);
  };
  document.addEventListener("mouseover", (e) => {
    const id = e.target.closest?.("button[data-tries]")?.id;
    if (id === pointed) return;
    pointed = id;
    describe(e.target);
  });
  document.addEventListener("focusin", (e) => { if (!refocusing) describe(e.target); });

  document.addEventListener("keydown", (e) => {
    if (e.ctrlKey || e.metaKey || e.altKey || e.repeat || e.target.closest("input")) return;
    if (e.key !== "p" && (e.key !== " " || e.target.closest("button, a, pre"))) return; // the space bar presses, or scrolls
    e.preventDefault();
    byId("freeze").click();
  });

  // The command that verifies the page, into the clipboard. The button is there when the page may do that.
  const offerCopy = () => { if (navigator.clipboard) byId("copy").hidden = false; };
  document.addEventListener("click", async (e) => {
    if (e.target.id !== "copy") return;
    try { await navigator.clipboard.writeText(byId("verify-command").textContent.trim().replace(/\s+/g, " ")); } catch { return; }
    e.target.textContent = e.target.dataset.copied;
  });
  offerCopy();

  let stream;
  const connect = () => {
    stream?.close();
    stream = new EventSource("/events?lang=" + document.documentElement.lang);
    stream.onopen = () => { lost.textContent = ""; };
    stream.onmessage = (e) => update(JSON.parse(e.data));
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
