// The filter. It applies as one types: the server renders the page with it, and its rows replace the present ones.
"use strict";
const filter = (() => {
  const { byId, activate, announce } = page;
  if (!byId("live")) return undefined; // older records do not change
  const { records, rows } = list;
  const form = byId("filter"), problem = byId("problem"), matches = byId("matches"), unfiltered = byId("unfiltered");
  const own = { applied() {} }; // applied is replaced by who follows the filter
  let typing, pending;

  const markProblem = own.markProblem = () => {
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
  own.count = (f) => { // of the records that were searched when the filter was set, and since
    const d = records.dataset;
    if (f.matches) [d.selected, d.searched] = [f.matches.selected, f.matches.searched];
    else [d.selected, d.searched] = [Number(d.selected) + (f.fresh || 0), Number(d.searched) + (f.read || 0)];
    showMatches();
  };
  const apply = async () => {
    clearTimeout(typing);
    typing = undefined;
    if (pending) pending.abort();
    const { signal } = pending = new AbortController();
    const query = new URLSearchParams([...new FormData(form)].filter(([, value]) => value)).toString(), url = query ? "/?" + query : "/";
    let answered;
    try {
      const answer = await fetch(url, { signal });
      if (!answer.ok) throw new Error("not now");
      answered = new DOMParser().parseFromString(await answer.text(), "text/html");
      await new Promise(afterPress);
    } catch { // the page stays as it is, and says so
      if (signal.aborted) return;
      if (unfiltered.hidden) announce(unfiltered.textContent, true);
      unfiltered.hidden = false;
      typing = setTimeout(apply, 3000);
    }
    if (!answered || signal.aborted) return;
    unfiltered.hidden = true;
    history.replaceState(null, "", url);
    const fresh = answered.getElementById("records");
    Object.assign(records.dataset, fresh.dataset);
    records.className = fresh.className;
    rows.replaceChildren(...activate(answered.getElementById("rows")).children);
    for (const id of ["none", "older", "clear", "languages"]) byId(id).replaceWith(answered.getElementById(id));
    byId("export")?.replaceWith(answered.getElementById("export")); // there only if WEB_EXPORT is set
    showMatches();
    markProblem();
    announce(matches.hidden ? byId("counts").textContent : matches.textContent, true);
    own.applied();
  };
  const set = (name) => { // to one problem, or to nothing
    for (const field of form.elements) if (field.name) field.value = "";
    problem.value = name;
    apply();
  };
  form.addEventListener("input", () => { clearTimeout(typing); typing = setTimeout(apply, 250); });
  form.addEventListener("submit", (e) => { e.preventDefault(); apply(); });
  byId("filter-apply").hidden = true;
  document.addEventListener("click", (e) => {
    const a = e.target.closest("[data-problem], #clear, #none a");
    if (!a || e.ctrlKey || e.metaKey || e.shiftKey) return;
    e.preventDefault();
    set(a.dataset.problem && !a.hasAttribute("aria-current") ? a.dataset.problem : "");
  });
  own.hold = () => clearTimeout(typing); // in a hidden tab
  own.resume = () => { if (typing) apply(); };
  return own;
})();
