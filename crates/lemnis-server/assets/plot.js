// Small plots for pages that compare: lines on a canvas, and the scales that other drawings share.
// Colours come from the style sheet, so that light and dark follow the page.
window.lemnisPlot = (() => {
  "use strict";

  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const dark = () => matchMedia("(prefers-color-scheme: dark)").matches;
  // Steps of the golden angle: neighbours differ, however many there are.
  const colour = (place) => `hsl(${Math.round(172 + place * 137.508) % 360} ${dark() ? "62% 66%" : "70% 34%"})`;

  function number(value) {
    if (value === null || value === undefined || Number.isNaN(value)) return "–";
    const size = Math.abs(value);
    if (size !== 0 && (size < 1e-4 || size >= 1e6)) return value.toExponential(3).replace("-", "−");
    return String(Number(value.toPrecision(5))).replace("-", "−");
  }

  function duration(seconds) {
    const size = Math.abs(seconds);
    if (size < 120) return `${number(Number(seconds.toPrecision(3)))} s`;
    if (size < 7200) return `${number(Number((seconds / 60).toPrecision(3)))} min`;
    return `${number(Number((seconds / 3600).toPrecision(3)))} h`;
  }

  const moment = (ms) => new Date(ms).toISOString().slice(5, 16).replace("T", " ");

  // Steps of 1, 2 or 5 times a power of ten that lie in low..high.
  function ticks(low, high, count) {
    if (!(high > low)) return [low];
    const rough = (high - low) / count;
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].map((by) => by * power).find((by) => by >= rough * 0.999);
    const found = [];
    for (let tick = Math.ceil(low / step - 1e-9); tick * step <= high + step * 1e-9 && found.length < 30; tick += 1) found.push(Number((tick * step).toPrecision(12)));
    return found;
  }

  function range(values, log) {
    let low = Infinity;
    let high = -Infinity;
    for (const value of values) {
      if (value === null || !Number.isFinite(value) || (log && value <= 0)) continue;
      if (value < low) low = value;
      if (value > high) high = value;
    }
    if (low === Infinity) return null;
    if (low === high) {
      const by = Math.abs(low) * 0.05 || 1;
      return log ? [low / 1.5, high * 1.5] : [low - by, high + by];
    }
    return [low, high];
  }

  // From a value to a place between `from` and `to`.
  function scale([low, high], from, to, log) {
    const of = log ? Math.log : (value) => value;
    const [a, b] = [of(low), of(high)];
    const map = (value) => from + ((of(value) - a) / (b - a || 1)) * (to - from);
    map.ticks = (count) => {
      if (!log || high / low < 10) return ticks(low, high, count);
      const powers = [];
      const every = Math.max(1, Math.ceil((Math.log10(high) - Math.log10(low)) / 6));
      for (let power = Math.ceil(Math.log10(low) - 1e-9); 10 ** power <= high * 1.0001; power += every) powers.push(10 ** power);
      return powers.length > 1 ? powers : ticks(low, high, count);
    };
    return map;
  }

  // An exponential moving average without the pull to 0 at its start; 0 leaves the values as they are.
  function smooth(values, weight) {
    if (!weight) return values;
    let sum = 0;
    let norm = 0;
    return values.map((value) => {
      if (value === null) return null;
      sum = sum * weight + value * (1 - weight);
      norm = norm * weight + (1 - weight);
      return sum / norm;
    });
  }

  // Draws `lines` ({ name, colour, xs, ys, faint }) on `canvas`; returns what finds the points near the pointer.
  function draw(canvas, lines, { log, formatX, height = 240 }) {
    const width = canvas.clientWidth || 400;
    const sharp = window.devicePixelRatio || 1;
    canvas.width = width * sharp;
    canvas.height = height * sharp;
    canvas.style.height = `${height}px`;
    const pen = canvas.getContext("2d");
    pen.scale(sharp, sharp);
    pen.clearRect(0, 0, width, height);
    pen.font = "12px system-ui, sans-serif";
    const box = { left: 58, right: width - 12, top: 10, bottom: height - 26 };
    const spanX = range(lines.flatMap((line) => line.xs));
    const spanY = range(lines.flatMap((line) => line.ys), log);
    pen.fillStyle = css("--soft");
    if (!spanX || !spanY) {
      pen.fillText(log ? "no positive values" : "no points yet", box.left, height / 2);
      return null;
    }
    const x = scale(spanX, box.left, box.right);
    const y = scale(spanY, box.bottom, box.top, log);
    pen.strokeStyle = css("--line");
    pen.lineWidth = 1;
    pen.textAlign = "right";
    pen.textBaseline = "middle";
    for (const tick of y.ticks(4)) {
      const at = Math.round(y(tick)) + 0.5;
      pen.beginPath();
      pen.moveTo(box.left, at);
      pen.lineTo(box.right, at);
      pen.stroke();
      pen.fillText(number(tick), box.left - 8, at);
    }
    pen.textBaseline = "top";
    for (const tick of x.ticks(Math.max(2, Math.floor(width / 130)))) {
      pen.textAlign = x(tick) > box.right - 30 ? "right" : x(tick) < box.left + 30 ? "left" : "center";
      pen.fillText(formatX(tick), x(tick), box.bottom + 8);
    }
    pen.lineJoin = "round";
    for (const line of lines) {
      pen.strokeStyle = line.colour;
      pen.fillStyle = line.colour;
      pen.globalAlpha = line.faint ? 0.25 : 1;
      pen.lineWidth = line.faint ? 1 : 1.8;
      let down = false;
      let count = 0;
      pen.beginPath();
      line.ys.forEach((value, place) => {
        const seen = value !== null && Number.isFinite(value) && !(log && value <= 0);
        if (seen) {
          const [a, b] = [x(line.xs[place]), y(value)];
          down ? pen.lineTo(a, b) : pen.moveTo(a, b);
          count += 1;
        }
        down = seen;
      });
      pen.stroke();
      if (count === 1 && !line.faint) {
        const place = line.ys.findIndex((value) => value !== null);
        pen.beginPath();
        pen.arc(x(line.xs[place]), y(line.ys[place]), 3.5, 0, 7);
        pen.fill();
      }
    }
    pen.globalAlpha = 1;
    return { box, x, y, spanX, at: (px) => spanX[0] + ((px - box.left) / (box.right - box.left)) * (spanX[1] - spanX[0]) };
  }

  // The place of the value in sorted `xs` that is nearest to `value`.
  function nearest(xs, value) {
    let low = 0;
    let high = xs.length - 1;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (xs[middle] < value) low = middle;
      else high = middle;
    }
    return Math.abs(xs[low] - value) <= Math.abs(xs[high] - value) ? low : high;
  }

  return { css, colour, number, duration, moment, range, scale, smooth, draw, nearest };
})();
