// Keeps an open page fresh: fetches its inside again and changes only what differs, so that selection, focus,
// scrolling and running animations stay. Pages work without it.
(() => {
  "use strict";
  // Links that MLflow's client prints: /#/experiments/1/runs/ID and /#/models/NAME.
  const run = location.hash.match(/^#\/experiments\/[^/]+\/runs\/([^/?]+)/);
  const model = location.hash.match(/^#\/models\/([^/?]+)/);
  if (run) return location.replace("/runs/" + run[1]);
  if (model) return location.replace("/models/" + model[1]);
  const experiment = location.hash.match(/^#\/experiments\/([^/?]+)/);
  if (experiment) return location.replace("/runs?experiment=" + experiment[1]);
  if (location.hash.startsWith("#/experiments")) return location.replace("/experiments");
  const main = document.querySelector("main[data-live]");
  if (!main || !window.fetch || !window.DOMParser) return;
  const note = document.querySelector(".live-note");
  const period = Math.max(500, Number(main.dataset.live) || 2000);
  let failures = 0;
  let ended = false;

  const same = (a, b) => a.nodeType === b.nodeType && a.nodeName === b.nodeName && (a.id || "") === (b.id || "");

  function attributes(from, to) {
    for (const { name, value } of [...to.attributes]) {
      if (from.getAttribute(name) !== value) from.setAttribute(name, value);
    }
    for (const { name } of [...from.attributes]) {
      // What the reader opened stays open.
      if (!to.hasAttribute(name) && !(name === "open" && from.nodeName === "DETAILS")) from.removeAttribute(name);
    }
  }

  function morph(from, to) {
    if (from.nodeType === Node.TEXT_NODE) {
      if (from.data !== to.data) from.data = to.data;
      return;
    }
    if (from.nodeType !== Node.ELEMENT_NODE || from === document.activeElement && /^(INPUT|SELECT)$/.test(from.nodeName)) return;
    if (from.isEqualNode(to)) return;
    attributes(from, to);
    const old = [...from.childNodes];
    const fresh = [...to.childNodes];
    fresh.forEach((node, place) => {
      const now = old[place];
      if (!now) from.appendChild(document.importNode(node, true));
      else if (same(now, node)) morph(now, node);
      else from.replaceChild(document.importNode(node, true), now);
    });
    old.slice(fresh.length).forEach((node) => node.remove());
  }

  async function refresh() {
    if (document.hidden) return;
    const url = new URL(location.href);
    url.hash = "";
    url.searchParams.set("fragment", "1");
    const stop = new AbortController();
    const timer = setTimeout(() => stop.abort(), 10000);
    try {
      const answer = await fetch(url, { signal: stop.signal, headers: { accept: "text/html" } });
      if (!answer.ok) throw new Error(String(answer.status));
      const text = await answer.text();
      const fresh = new DOMParser().parseFromString("<main></main>", "text/html").querySelector("main");
      fresh.innerHTML = text;
      [...main.attributes].forEach(({ name, value }) => fresh.setAttribute(name, value));
      morph(main, fresh);
      ended = Boolean(fresh.querySelector("[data-live-end]"));
      failures = 0;
      if (note) note.textContent = "";
    } catch {
      failures += 1;
      if (note && failures > 1) note.textContent = "The server does not answer; this page shows its last state.";
    } finally {
      clearTimeout(timer);
    }
  }

  async function tick() {
    await refresh();
    // What no longer changes is no longer asked for.
    if (!ended) setTimeout(tick, Math.min(period * 2 ** Math.min(failures, 4), 30000));
  }
  setTimeout(tick, period);
  document.addEventListener("visibilitychange", () => { if (!document.hidden && !ended) refresh(); });
})();
