// Opened records: loads the rest of a record, and makes an opened row the sample.
"use strict";
(() => {
  const { byId, parse, activate } = page;
  const again = 3000; // ms until what got no answer is asked for once more
  // load puts the rest of a record into its place, and returns whether it came.
  const load = async (into, href) => {
    let came = false;
    into.setAttribute("aria-busy", "true");
    try {
      const answer = await fetch(href); // for a record that is no longer held, the answer says so
      if (!answer.ok) throw new Error("not now");
      const html = await answer.text();
      await new Promise(afterPress);
      into.replaceChildren(activate(parse(html)));
      came = true;
    } catch { /* the link to the record's page stays */ }
    into.removeAttribute("aria-busy");
    const row = into.closest(".row details[open]");
    if (row && row.firstElementChild.matches(":focus-visible")) { // opened by keyboard
      row.scrollIntoView({ block: row.offsetHeight > innerHeight - 60 ? "start" : "nearest" });
    }
    return came;
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
  const isOpen = (row) => row.open && row.isConnected;
  const fill = async (row) => {
    if (!isOpen(row) || row.dataset.loaded) return;
    row.dataset.loaded = "1";
    if (await load(row.querySelector(".more"), row.dataset.href + "?part=1")) return;
    delete row.dataset.loaded;
    setTimeout(fill, again, row);
  };
  let request;
  const showSample = async (row) => {
    if (request) request.abort(); // its answer may be the slower one
    const { signal } = request = new AbortController();
    try {
      const answer = await fetch(row.dataset.href + "?part=sample", { signal }), html = await answer.text();
      await new Promise(afterPress);
      if (answer.ok && html && !signal.aborted && isOpen(row)) byId("sample").replaceWith(activate(parse(html)));
    } catch { // the sample stays as it is, until then
      setTimeout(() => { if (!signal.aborted && isOpen(row)) showSample(row); }, again);
    }
  };
  rows.addEventListener("toggle", (e) => {
    const d = e.target;
    fill(d);
    const shown = d.open ? d : rows.querySelector("details[open]");
    if (shown) showSample(shown);
  }, true);
})();
