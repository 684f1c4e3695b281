// Holds back changes of the page while something is pressed: a click counts only if what was pressed is still there on
// release.
"use strict";
const afterPress = (() => {
  const longest = 10000; // ms; after that the release went unnoticed, as one outside of the window can
  let held, ending, timer; // held are the changes, in order
  const release = () => {
    const changes = held;
    held = undefined;
    for (const change of changes) change();
  };
  const releaseIn = (ms) => { clearTimeout(timer); timer = setTimeout(release, ms); };
  const start = () => { held ||= []; ending = false; releaseIn(longest); };
  const end = () => {
    if (!held || ending) return;
    ending = true;
    releaseIn(50); // the click comes after the release
  };
  document.addEventListener("pointerdown", start, true);
  document.addEventListener("keydown", (e) => { if (e.key === " " && !e.repeat) start(); }, true); // presses a button
  for (const type of ["pointerup", "pointercancel", "keyup"]) document.addEventListener(type, end, true);
  document.addEventListener("pointermove", (e) => { if (e.buttons === 0) end(); }, { capture: true, passive: true });
  return (change) => { if (held) held.push(change); else change(); };
})();
