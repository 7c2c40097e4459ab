// The page that compares runs: curves, parallel coordinates and a scatter plot of the runs in its data.
// What is chosen stands in the address, so that a link shows the same picture.
(() => {
  "use strict";
  const holder = document.getElementById("compared");
  const plot = window.lemnisPlot;
  if (!holder || !plot) return;
  const data = JSON.parse(holder.textContent);
  const runs = data.runs;
  const el = (id) => document.getElementById(id);
  const state = new URL(location.href).searchParams;
  const hidden = new Set((state.get("hide") || "").split(",").filter(Boolean));
  const shown = () => runs.filter((run) => !hidden.has(run.id));
  const places = new Map(runs.map((run, place) => [run.id, place]));
  const colourOf = (run) => plot.colour(places.get(run.id));

  function remember(name, value) {
    const url = new URL(location.href);
    value === "" || value === null ? url.searchParams.delete(name) : url.searchParams.set(name, value);
    history.replaceState(null, "", url);
  }

  function node(tag, attributes = {}, ...inside) {
    const made = /^(svg|g|path|circle|line|text|rect|title)$/.test(tag) ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    made.append(...inside);
    return made;
  }

  // A value of a run by `metrics.NAME` or `params.NAME`; a param that is a number counts as one.
  function valueOf(run, key) {
    const dot = key.indexOf(".");
    const kind = key.slice(0, dot);
    const value = (run[kind] || {})[key.slice(dot + 1)];
    if (value === undefined || value === null || value === "") return null;
    if (kind === "metrics") return value;
    const numeric = Number(value);
    return Number.isFinite(numeric) ? numeric : value;
  }
  const fields = [...data.params.map((name) => `params.${name}`), ...data.metrics.map((name) => `metrics.${name}`)];

  // An axis for any field: numbers on a line, texts at slots of their own.
  function axis(key, from, to) {
    const values = runs.map((run) => valueOf(run, key)).filter((value) => value !== null);
    if (values.every((value) => typeof value === "number")) {
      const span = plot.range(values);
      if (!span) return null;
      const map = plot.scale(span, from, to);
      return { place: (value) => (typeof value === "number" ? map(value) : null), ticks: map.ticks(4).map((tick) => [map(tick), plot.number(tick)]) };
    }
    const names = [...new Set(values.map(String))].sort();
    const slot = (place) => (names.length === 1 ? (from + to) / 2 : from + (place / (names.length - 1)) * (to - from));
    const every = Math.ceil(names.length / 10);
    return { place: (value) => (value === null ? null : slot(names.indexOf(String(value)))), ticks: names.map((name, place) => [slot(place), name.length > 16 ? `${name.slice(0, 15)}…` : name]).filter((_, place) => place % every === 0) };
  }

  // The width that a box has for a drawing.
  const inside = (box) => {
    const style = getComputedStyle(box);
    return Math.floor(box.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight));
  };

  // The list of runs: colour and visibility.
  for (const tick of document.querySelectorAll("[data-run]")) {
    const run = runs[places.get(tick.dataset.run)];
    tick.checked = !hidden.has(run.id);
    tick.closest("tr").style.setProperty("--s", colourOf(run));
    tick.addEventListener("change", () => {
      tick.checked ? hidden.delete(run.id) : hidden.add(run.id);
      remember("hide", [...hidden].join(","));
      drawAll();
    });
  }

  // Curves.
  const curves = new Map();
  const charts = new Map();
  const controls = { x: el("x-axis"), smooth: el("smoothing"), log: el("log-scale") };
  controls.x.value = state.get("x") || "step";
  controls.smooth.value = state.get("smooth") || "0";
  controls.log.checked = state.get("log") === "1";
  const ticksOfMetrics = [...document.querySelectorAll("[data-metric]")];
  const wantedMetrics = state.getAll("metric");
  for (const tick of ticksOfMetrics) if (wantedMetrics.length) tick.checked = wantedMetrics.includes(tick.value);

  async function load(metric) {
    const ids = runs.map((run) => run.id).join(",");
    const answer = await fetch(`/api/v1/curves?metric=${encodeURIComponent(metric)}&points=600&runs=${ids}`);
    if (!answer.ok) throw new Error(String(answer.status));
    const found = await answer.json();
    curves.set(metric, new Map(found.curves.map((curve) => [curve.run, curve])));
  }

  function chart(metric) {
    if (charts.has(metric)) return charts.get(metric);
    const canvas = node("canvas", { role: "img", "aria-label": `${metric} of each run; the values are in the table below` });
    const tip = node("div", { class: "tip", hidden: "" });
    const line = node("div", { class: "cross", hidden: "" });
    const card = node("section", { class: "card chart" }, node("h3", {}, metric), node("div", { class: "chart-box" }, canvas, line, tip));
    const made = { metric, card, canvas, tip, line, lines: [], frame: null };
    canvas.addEventListener("pointermove", (event) => hover(made, event));
    canvas.addEventListener("pointerleave", () => { tip.hidden = true; line.hidden = true; });
    charts.set(metric, made);
    return made;
  }

  const formats = { step: (value) => plot.number(value), wall: plot.moment, relative: plot.duration };

  function drawChart(made) {
    const of = curves.get(made.metric) || new Map();
    const weight = Number(controls.smooth.value);
    const x = controls.x.value;
    const lines = [];
    for (const run of shown()) {
      const curve = of.get(run.id);
      if (!curve) continue;
      const order = x === "step" ? null : curve.times.map((_, place) => place).sort((a, b) => curve.times[a] - curve.times[b]);
      const sorted = (list) => (order ? order.map((place) => list[place]) : list);
      const times = sorted(curve.times);
      const begin = times.reduce((a, b) => Math.min(a, b), Infinity);
      const xs = x === "step" ? curve.steps : x === "wall" ? times : times.map((time) => (time - begin) / 1000);
      const raw = sorted(curve.values);
      const base = { run, colour: colourOf(run), xs };
      if (weight) lines.push({ ...base, ys: raw, faint: true });
      lines.push({ ...base, ys: plot.smooth(raw, weight) });
    }
    made.lines = lines.filter((line) => !line.faint);
    made.frame = plot.draw(made.canvas, lines, { log: controls.log.checked, formatX: formats[x] });
  }

  function hover(made, event) {
    const { frame, tip, line } = made;
    if (!frame) return;
    const { left, top } = made.canvas.getBoundingClientRect();
    const px = Math.min(Math.max(event.clientX - left, frame.box.left), frame.box.right);
    const at = frame.at(px);
    const rows = made.lines.map((one) => {
      const place = plot.nearest(one.xs, at);
      return { one, x: one.xs[place], value: one.ys[place] };
    }).filter((row) => row.value !== null && row.value !== undefined);
    if (!rows.length) return;
    const py = event.clientY - top;
    rows.sort((a, b) => Math.abs(frame.y(a.value) - py) - Math.abs(frame.y(b.value) - py));
    const near = rows.slice(0, 10).sort((a, b) => b.value - a.value);
    tip.replaceChildren(node("div", { class: "faint" }, `${controls.x.value} ${formats[controls.x.value](rows[0].x)}`), ...near.map((row) => {
      const key = node("span", { class: "key" }, `${row.one.run.name} `, node("b", {}, plot.number(row.value)));
      key.style.setProperty("--s", row.one.colour);
      return key;
    }));
    if (rows.length > near.length) tip.append(node("div", { class: "faint" }, `and ${rows.length - near.length} more`));
    tip.hidden = false;
    line.hidden = false;
    line.style.left = `${px}px`;
    tip.style.left = px > made.canvas.clientWidth / 2 ? "auto" : `${px + 14}px`;
    tip.style.right = px > made.canvas.clientWidth / 2 ? `${made.canvas.clientWidth - px + 14}px` : "auto";
  }

  async function drawCurves(fresh) {
    const grid = el("curves");
    const metrics = ticksOfMetrics.filter((tick) => tick.checked).map((tick) => tick.value);
    grid.replaceChildren(...metrics.map((metric) => chart(metric).card));
    for (const metric of metrics) {
      try {
        if (fresh || !curves.has(metric)) await load(metric);
        drawChart(chart(metric));
      } catch {
        chart(metric).tip.textContent = "";
        el("curves-note").textContent = "The server does not answer.";
      }
    }
    el("curves").dataset.drawn = String(metrics.length);
  }
  for (const tick of ticksOfMetrics) {
    tick.addEventListener("change", () => {
      const url = new URL(location.href);
      url.searchParams.delete("metric");
      for (const one of ticksOfMetrics) if (one.checked) url.searchParams.append("metric", one.value);
      history.replaceState(null, "", url);
      drawCurves();
    });
  }
  controls.x.addEventListener("change", () => { remember("x", controls.x.value); charts.forEach(drawChart); });
  controls.log.addEventListener("change", () => { remember("log", controls.log.checked ? "1" : ""); charts.forEach(drawChart); });
  controls.smooth.addEventListener("input", () => { el("smoothing-value").textContent = controls.smooth.value; charts.forEach(drawChart); });
  controls.smooth.addEventListener("change", () => remember("smooth", controls.smooth.value === "0" ? "" : controls.smooth.value));
  el("smoothing-value").textContent = controls.smooth.value;
  // Runs that still run are asked about now and then, until all have ended.
  async function follow() {
    if (!document.hidden) {
      await drawCurves(true);
      const answer = await fetch(`/api/v1/compare?runs=${runs.map((run) => run.id).join(",")}`).catch(() => null);
      const now = answer && answer.ok ? (await answer.json()).runs : [];
      if (now.length && now.every((run) => run.state !== "working")) return;
    }
    setTimeout(follow, 3000);
  }

  // Parallel coordinates: an axis for each chosen field, a line for each run; dragging on an axis keeps the runs within.
  const brushes = new Map();
  const dimensions = [...document.querySelectorAll("[data-dimension]")];
  const wantedDimensions = state.getAll("dim");
  for (const tick of dimensions) {
    if (wantedDimensions.length) tick.checked = wantedDimensions.includes(tick.value);
    tick.addEventListener("change", () => {
      const url = new URL(location.href);
      url.searchParams.delete("dim");
      for (const one of dimensions) if (one.checked) url.searchParams.append("dim", one.value);
      history.replaceState(null, "", url);
      drawParallel();
    });
  }

  function drawParallel() {
    const box = el("parallel");
    const keys = dimensions.filter((tick) => tick.checked).map((tick) => tick.value);
    const width = Math.max(inside(box), keys.length * 110);
    const height = 300;
    const [top, bottom, side] = [34, height - 12, 60];
    const axes = keys.map((key, place) => ({ key, x: keys.length < 2 ? width / 2 : side + (place / (keys.length - 1)) * (width - 2 * side), axis: axis(key, bottom, top) })).filter((one) => one.axis);
    const svg = node("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": "parallel coordinates; the values are in the table below" });
    const kept = (run) => axes.every(({ key, axis: scale }) => {
      const brush = brushes.get(key);
      if (!brush) return true;
      const at = scale.place(valueOf(run, key));
      return at !== null && at >= brush[0] && at <= brush[1];
    });
    let count = 0;
    for (const run of shown()) {
      const isKept = kept(run);
      count += isKept ? 1 : 0;
      let d = "";
      let down = false;
      for (const one of axes) {
        const at = one.axis.place(valueOf(run, one.key));
        if (at === null) { down = false; continue; }
        d += `${down ? "L" : "M"}${one.x.toFixed(1)} ${at.toFixed(1)}`;
        down = true;
      }
      svg.append(node("path", { d, class: isKept ? "pline" : "pline off", stroke: colourOf(run) }, node("title", {}, run.name)));
    }
    for (const one of axes) {
      const brush = brushes.get(one.key);
      const label = one.key.slice(one.key.indexOf(".") + 1);
      const group = node("g", { class: "axis" }, node("line", { x1: one.x, x2: one.x, y1: top, y2: bottom }), node("text", { x: one.x, y: 14, "text-anchor": "middle", class: "axis-name" }, label.length > 18 ? `${label.slice(0, 17)}…` : label, node("title", {}, one.key)));
      for (const [at, text] of one.axis.ticks) group.append(node("text", { x: one.x - 6, y: at + 4, "text-anchor": "end" }, text));
      if (brush) group.append(node("rect", { class: "brush", x: one.x - 9, width: 18, y: brush[0], height: Math.max(2, brush[1] - brush[0]) }));
      const grip = node("rect", { class: "grip", x: one.x - 16, width: 32, y: top - 4, height: bottom - top + 8 });
      grip.addEventListener("pointerdown", (event) => {
        const place = (moved) => Math.min(bottom, Math.max(top, ((moved.clientY - svg.getBoundingClientRect().top) / svg.getBoundingClientRect().height) * height));
        const begin = place(event);
        const move = (moved) => {
          const now = place(moved);
          Math.abs(now - begin) < 4 ? brushes.delete(one.key) : brushes.set(one.key, [Math.min(begin, now) - 0.5, Math.max(begin, now) + 0.5]);
          drawParallel();
        };
        const end = (moved) => { move(moved); removeEventListener("pointermove", move); };
        addEventListener("pointermove", move);
        addEventListener("pointerup", end, { once: true });
        event.preventDefault();
      });
      group.append(grip);
      svg.append(group);
    }
    box.replaceChildren(svg);
    el("parallel-note").textContent = brushes.size ? `${count} of ${shown().length} runs lie within the brushes; click an axis to clear its brush.` : "Drag along an axis to keep the runs within a range.";
  }

  // Scatter: a dot for each run.
  const scatterX = el("scatter-x");
  const scatterY = el("scatter-y");
  for (const select of [scatterX, scatterY]) for (const key of fields) select.append(node("option", { value: key }, key));
  scatterX.value = fields.includes(state.get("sx")) ? state.get("sx") : fields.find((key) => new Set(runs.map((run) => valueOf(run, key))).size > 1) || fields[0];
  scatterY.value = fields.includes(state.get("sy")) ? state.get("sy") : `metrics.${data.metrics[0]}`;
  scatterX.addEventListener("change", () => { remember("sx", scatterX.value); drawScatter(); });
  scatterY.addEventListener("change", () => { remember("sy", scatterY.value); drawScatter(); });

  function drawScatter() {
    const box = el("scatter");
    if (!scatterX.value || !scatterY.value) return box.replaceChildren("nothing to draw");
    const width = Math.max(260, inside(box));
    const height = 300;
    const [left, right, top, bottom] = [70, width - 20, 14, height - 30];
    const x = axis(scatterX.value, left, right);
    const y = axis(scatterY.value, bottom, top);
    if (!x || !y) return box.replaceChildren("no run has both");
    const svg = node("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": `${scatterY.value} by ${scatterX.value}` });
    for (const [at, text] of y.ticks) svg.append(node("line", { class: "gridline", x1: left, x2: right, y1: at, y2: at }), node("text", { x: left - 8, y: at + 4, "text-anchor": "end" }, text));
    for (const [at, text] of x.ticks) svg.append(node("text", { x: at, y: bottom + 20, "text-anchor": "middle" }, text));
    for (const run of shown()) {
      const [a, b] = [x.place(valueOf(run, scatterX.value)), y.place(valueOf(run, scatterY.value))];
      if (a === null || b === null) continue;
      const dot = node("circle", { cx: a, cy: b, r: 6, fill: colourOf(run), class: "scatter-dot" }, node("title", {}, `${run.name}\n${scatterX.value} ${valueOf(run, scatterX.value)}\n${scatterY.value} ${valueOf(run, scatterY.value)}`));
      dot.addEventListener("click", () => location.assign(`/runs/${run.id}`));
      svg.append(dot);
    }
    box.replaceChildren(svg);
  }

  function drawAll() {
    drawCurves();
    if (runs.length > 1) { drawParallel(); drawScatter(); }
  }
  let resized = 0;
  addEventListener("resize", () => { clearTimeout(resized); resized = setTimeout(drawAll, 120); });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    for (const tick of document.querySelectorAll("[data-run]")) tick.closest("tr").style.setProperty("--s", colourOf(runs[places.get(tick.dataset.run)]));
    drawAll();
  });
  drawAll();
  if (runs.some((run) => run.state === "working")) setTimeout(follow, 3000);
})();
