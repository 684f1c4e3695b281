// Opened records: loads the rest of a record, and makes an opened row the sample.
"use strict";
(() => {
  const { byId, parse, activate } = page;
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

  const rows = byId("rows");
  if (!rows) return;
  let request;
  const showSample = async (row) => {
    if (request) request.abort(); // its answer may be the slower one
    const { signal } = request = new AbortController();
    try {
      const answer = await fetch(row.dataset.href + "?part=sample", { signal }), html = await answer.text();
      await new Promise(afterPress);
      if (answer.ok && html && !signal.aborted && row.open && row.isConnected) byId("sample").replaceWith(activate(parse(html)));
    } catch { /* the sample stays as it is */ }
  };
  rows.addEventListener("toggle", (e) => {
    const d = e.target;
    if (d.open && !d.dataset.loaded) {
      d.dataset.loaded = "1";
      load(d.querySelector(".more"), d.dataset.href + "?part=1");
    }
    const shown = d.open ? d : rows.querySelector("details[open]");
    if (shown) showSample(shown);
  }, true);
})();
