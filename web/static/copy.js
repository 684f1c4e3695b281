// Copies a text, a link or a record's bytes at the click of a button.
"use strict";
(() => {
  const base64 = (bytes) => {
    let text = "";
    for (const b of bytes) text += String.fromCharCode(b);
    return btoa(text);
  };
  const write = async (text) => {
    if (navigator.clipboard) return navigator.clipboard.writeText(text);
    const area = document.createElement("textarea"); // without TLS browsers offer no clipboard
    area.value = text;
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    if (!done) throw new Error("copying is not allowed");
  };
  const textOf = async (b) => {
    if (b.dataset.copies) return document.getElementById(b.dataset.copies).textContent;
    if (b.dataset.link) return new URL(b.dataset.link, location).href;
    const answer = await fetch(b.dataset.raw);
    if (!answer.ok) throw new Error("gone");
    return b.dataset.kind === "hex" ? base64(new Uint8Array(await answer.arrayBuffer())) : answer.text();
  };
  const copy = async (b) => {
    let mark = "✓";
    try { await write(await textOf(b)); } catch { mark = "⚠"; }
    b.dataset.mark = mark;
    b.focus();
    setTimeout(() => delete b.dataset.mark, 2000);
  };
  document.addEventListener("click", (e) => {
    const b = e.target.closest(".copy");
    if (b) copy(b);
  });
})();
