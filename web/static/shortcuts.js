// The keys, and their list. Other scripts add theirs.
"use strict";
const shortcuts = (() => {
  const { byId, remember, recall } = page;
  const dialog = byId("keys"), enabled = byId("keys-on"), button = byId("keys-open");
  const list = () => { if (!dialog.open) dialog.showModal(); };
  enabled.checked = recall("keys") !== "off";
  enabled.addEventListener("change", () => remember("keys", enabled.checked ? "on" : "off"));
  button.addEventListener("click", list);
  button.hidden = false;

  const actions = { "?": list };
  document.addEventListener("keydown", (e) => {
    if (e.ctrlKey || e.metaKey || e.altKey || dialog.open) return;
    const typing = e.target.closest("input, select, textarea");
    if (e.key === "Escape") {
      const open = e.target.closest(".row details[open]");
      if (open) { open.open = false; open.querySelector("summary").focus(); }
      return;
    }
    if (typing || !enabled.checked || !actions[e.key]) return;
    e.preventDefault();
    actions[e.key]();
  });
  return actions;
})();
