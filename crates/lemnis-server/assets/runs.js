// The table of runs: rows are fetched in parts as they come into view, and only those near it are in the document.
// Chosen runs stay chosen while their rows come and go. Without this script the table has pages.
(() => {
  "use strict";
  const box = document.getElementById("runs");
  const form = document.getElementById("compare");
  if (!box || !form) return;
  const body = box.querySelector("tbody");
  const limit = Number(box.dataset.limit);
  const total = Number(box.dataset.total);
  const start = Number(box.dataset.offset);
  const pages = document.querySelector("nav.pages");

  // Choosing.
  const chosen = new Set();
  const picked = document.getElementById("picked");
  const remove = document.getElementById("remove");
  const submit = document.getElementById("do-compare");
  const most = 200;
  function tell() {
    picked.textContent = chosen.size > most ? `${chosen.size} chosen: at most ${most} can be compared` : chosen.size ? `${chosen.size} chosen` : "";
    submit.disabled = chosen.size === 0 || chosen.size > most;
    remove.hidden = chosen.size === 0;
  }
  let last = null;
  form.addEventListener("click", (event) => {
    const tick = event.target;
    if (!tick.matches || !tick.matches("td.pick input")) return;
    // With shift: every row between this one and the one before.
    if (event.shiftKey && last && last.isConnected) {
      const ticks = [...body.querySelectorAll("td.pick input")];
      const [from, to] = [ticks.indexOf(last), ticks.indexOf(tick)].sort((a, b) => a - b);
      for (const one of ticks.slice(from, to + 1)) {
        one.checked = tick.checked;
        one.checked ? chosen.add(one.value) : chosen.delete(one.value);
      }
    }
    tick.checked ? chosen.add(tick.value) : chosen.delete(tick.value);
    last = tick;
    tell();
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (chosen.size) location.assign("/compare?runs=" + [...chosen].join(","));
  });
  remove.addEventListener("click", async () => {
    const verb = remove.textContent.toLowerCase();
    if (!window.confirm(`${remove.textContent} ${chosen.size} runs?`)) return;
    for (const run_id of chosen) {
      const answer = await fetch(`/ajax-api/2.0/mlflow/runs/${verb}`, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ run_id }) });
      if (!answer.ok) {
        picked.textContent = (await answer.json().catch(() => ({}))).message || `a run could not be changed (${answer.status})`;
        return;
      }
    }
    location.reload();
  });
  for (const tick of body.querySelectorAll("td.pick input:checked")) chosen.add(tick.value);
  tell();

  // Scrolling.
  if (total <= body.rows.length) return;
  if (pages) pages.hidden = true;
  box.classList.add("fixed");
  // The first rows decide how wide columns are; rows that come later must not move them.
  const table = box.querySelector("table");
  const heads = [...table.tHead.rows[0].cells];
  const widths = heads.map((head) => head.getBoundingClientRect().width);
  heads.forEach((head, place) => { head.style.width = `${Math.ceil(widths[place])}px`; });
  table.style.width = `${Math.ceil(widths.reduce((a, b) => a + b, 0))}px`;
  table.style.minWidth = "100%";
  table.style.tableLayout = "fixed";
  const height = body.rows[0].getBoundingClientRect().height;

  const parts = new Map([[start / limit, [...body.rows]]]);
  const waiting = new Map();
  const spacer = () => {
    const row = document.createElement("tr");
    row.className = "space";
    row.setAttribute("aria-hidden", "true");
    row.appendChild(document.createElement("td")).colSpan = heads.length;
    return row;
  };
  const above = spacer();
  const below = spacer();
  table.setAttribute("aria-rowcount", String(total));

  async function fetchPart(part) {
    if (parts.has(part) || waiting.has(part)) return;
    const stop = new AbortController();
    waiting.set(part, stop);
    try {
      const answer = await fetch(`${box.dataset.rows}&offset=${part * limit}`, { signal: stop.signal });
      if (!answer.ok) throw new Error(String(answer.status));
      const holder = document.createElement("tbody");
      holder.innerHTML = await answer.text();
      for (const tick of holder.querySelectorAll("td.pick input")) tick.checked = chosen.has(tick.value);
      parts.set(part, [...holder.rows]);
      if (parts.size > 40) forget(part);
    } catch (error) {
      if (error.name !== "AbortError") picked.textContent = "The server does not answer; scroll to try again.";
    } finally {
      waiting.delete(part);
    }
    draw();
  }

  // The parts farthest from the one that came last are asked for again when they are needed.
  function forget(near) {
    const far = [...parts.keys()].sort((a, b) => Math.abs(b - near) - Math.abs(a - near));
    for (const part of far.slice(0, parts.size - 30)) parts.delete(part);
  }

  let drawn = "";
  function draw() {
    const margin = 15;
    const first = Math.max(0, Math.floor(box.scrollTop / height) - margin);
    const end = Math.min(total, Math.ceil((box.scrollTop + box.clientHeight) / height) + margin);
    const rows = [];
    let from = first;
    let key = "";
    for (let place = first; place < end; place += 1) {
      const row = (parts.get(Math.floor(place / limit)) || [])[place % limit];
      if (row) {
        if (!rows.length) from = place;
        row.setAttribute("aria-rowindex", String(place + 1));
        rows.push(row);
      }
    }
    key = `${from}-${rows.length}-${parts.size}`;
    if (key !== drawn) {
      drawn = key;
      above.firstChild.style.height = `${from * height}px`;
      below.firstChild.style.height = `${Math.max(0, total - from - rows.length) * height}px`;
      body.replaceChildren(above, ...rows, below);
    }
    // Half a part ahead in either direction, what is in view first.
    const wanted = new Set();
    const ask = (place) => { if (place >= 0 && place < total) wanted.add(Math.floor(place / limit)); };
    [first, end - 1, end + limit / 2, first - limit / 2].forEach(ask);
    for (const [part, stop] of waiting) if (!wanted.has(part)) stop.abort();
    return wanted;
  }

  let timer = 0;
  let frame = 0;
  let settled = 0;
  function scrolled() {
    frame = 0;
    draw();
    // Twenty times a second at most: a flick through the whole table asks for few parts.
    timer = timer || setTimeout(() => {
      timer = 0;
      draw().forEach(fetchPart);
    }, 50);
    clearTimeout(settled);
    settled = setTimeout(() => {
      const url = new URL(location.href);
      const part = Math.floor(box.scrollTop / height / limit) * limit;
      part ? url.searchParams.set("offset", String(part)) : url.searchParams.delete("offset");
      if (url.href !== location.href) history.replaceState(null, "", url);
    }, 150);
  }
  box.addEventListener("scroll", () => { frame = frame || requestAnimationFrame(scrolled); }, { passive: true });
  addEventListener("resize", () => { frame = frame || requestAnimationFrame(scrolled); });
  draw();
  box.scrollTop = start * height;
  scrolled();
})();
