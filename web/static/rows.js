// The list of records: puts changed and new rows in their places.
"use strict";
const list = (() => {
  const { byId, parse, activate } = page;
  const records = byId("records"), rows = byId("rows");
  if (!records) return undefined; // the page of one record
  const max = Number(records.dataset.max);

  const step = (by) => {
    const all = [...rows.querySelectorAll("summary")];
    const at = all.findIndex((s) => s.parentElement.contains(document.activeElement));
    const next = all[at < 0 ? 0 : Math.min(Math.max(at + by, 0), all.length - 1)];
    if (next) next.focus();
  };
  Object.assign(shortcuts, { "/": () => byId("q").focus(), j: () => step(1), k: () => step(-1), z: times.change });

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

  // replaceRow replaces a row, and keeps it open and focused.
  const replaceRow = (old, row) => {
    const open = old.querySelector("details[open]"), focused = old.contains(document.activeElement);
    old.replaceWith(row);
    if (open) row.querySelector("details").open = true;
    if (focused) row.querySelector("summary").focus({ preventScroll: true });
  };
  // update puts the rows of an event in place, and returns how many it removed from the end of the list.
  const update = (f, onlyChanged) => {
    if (f.reset) rows.replaceChildren();
    if (!onlyChanged) for (const id of f.gone || []) byId(id)?.remove(); // while paused nothing moves: these rows go later
    if (!f.rows) return 0;
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
    let left = 0;
    for (; rows.children.length > max; left++) rows.lastElementChild.remove();
    markNewKeys();
    return left;
  };
  return { records, rows, update };
})();
