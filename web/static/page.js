// What the page's scripts share. The server renders everything; the scripts put it in place.
"use strict";
const page = (() => {
  const byId = (id) => document.getElementById(id);
  const parse = (html) => {
    const t = document.createElement("template");
    t.innerHTML = html; // rendered and escaped by the server; the content security policy allows no inline script
    return t.content;
  };
  const remember = (name, value) => { try { localStorage.setItem(name, value); } catch { /* storage is not allowed: nothing is remembered */ } };
  const recall = (name) => { try { return localStorage.getItem(name); } catch { return null; } };

  const status = byId("status");
  let announcedAt = 0;
  const announce = (text, now) => { // to a screen reader: at once in answer to the user, else at most every 10 seconds
    if (!now && Date.now() - announcedAt < 10000) return;
    announcedAt = Date.now();
    status.textContent = text;
  };

  // activate shows what works with a script only, and times as the viewer wants them.
  const activate = (part) => {
    for (const b of part.querySelectorAll(".copy")) b.hidden = false;
    times.show(part);
    return part;
  };
  return { byId, parse, remember, recall, announce, activate };
})();
