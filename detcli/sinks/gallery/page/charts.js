"use strict";
// Histograms, curves and tables of the whole gallery.
const charts = (() => {
  const { html, svg, visible, count } = elements;
  const WIDTH = 360, HEIGHT = 220, LEFT = 40, RIGHT = 10, TOP = 10, BOTTOM = 34;
  const across = (share) => LEFT + share * (WIDTH - LEFT - RIGHT);
  const up = (share) => HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM);

  // A list of buttons with bars; a pressed one is the value of a filter.
  function bars(list, entries, onPress) {
    const most = Math.max(1, ...entries.map((entry) => entry.count));
    list.replaceChildren(...entries.map((entry) => {
      const bar = html("span", { class: "bar" });
      bar.style.width = `${(100 * entry.count) / most}%`;
      const name = visible(entry.name);
      const button = html("button", { type: "button", "aria-pressed": "false", title: name, "data-value": entry.value },
        html("span", { class: "label" }, name), html("span", { class: "track" }, bar),
        html("span", { class: "number" }, entry.count.toLocaleString("en")));
      button.addEventListener("click", () => onPress(entry.value));
      return html("li", {}, button);
    }));
  }

  function press(list, value) {
    for (const button of list.querySelectorAll("button")) {
      button.setAttribute("aria-pressed", String(button.dataset.value === String(value)));
    }
  }

  function frame(label, xName, yName, yMost) {
    const chart = svg("svg", { class: "chart", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": label },
      svg("path", { class: "axis", d: `M${LEFT} ${TOP}V${HEIGHT - BOTTOM}H${WIDTH - RIGHT}` }),
      svg("text", { x: across(0.5), y: HEIGHT - 4, "text-anchor": "middle" }, xName),
      svg("text", { x: 11, y: up(0.5), "text-anchor": "middle", transform: `rotate(-90 11 ${up(0.5)})` }, yName),
      svg("text", { x: LEFT - 4, y: up(1) + 4, "text-anchor": "end" }, yMost),
      svg("text", { x: LEFT - 4, y: up(0) + 4, "text-anchor": "end" }, "0"));
    for (const tick of [0, 0.25, 0.5, 0.75, 1]) {
      chart.append(svg("text", { x: across(tick), y: HEIGHT - BOTTOM + 14, "text-anchor": "middle" }, String(tick)));
    }
    return chart;
  }

  function scores(bins) {
    const most = Math.max(1, ...bins);
    const range = (bin) => `${(bin / bins.length).toFixed(2)} to ${((bin + 1) / bins.length).toFixed(2)}`;
    const top = bins.indexOf(Math.max(...bins));
    const label = `Histogram of scores from 0 to 1: most boxes, ${bins[top]}, have a score from ${range(top)}`;
    const compact = new Intl.NumberFormat("en", { notation: "compact" });
    const chart = frame(label, "score", "boxes", compact.format(most));
    bins.forEach((number, bin) => {
      const left = across(bin / bins.length), height = up(0) - up(number / most);
      chart.append(svg("rect",
        { class: "column", x: left + 0.5, width: across(1 / bins.length) - LEFT - 1, y: up(number / most), height },
        svg("title", {}, `${range(bin)}: ${count(number, "box", "boxes")}`)));
    });
    return chart;
  }

  const path = (curve) => curve.map((value, at) => {
    const share = at / (curve.length - 1);
    return `${at ? "L" : "M"}${across(share).toFixed(1)} ${up(value).toFixed(1)}`;
  }).join("");

  // The curves of the mean of all classes, and that of one class.
  function curves(metrics, chosen) {
    const named = Object.entries(metrics.curves).map(([name, curve], at) => [`mean of classes, ${name}`, curve, `curve-${at}`]);
    if (chosen && chosen.curve.length) named.push([visible(chosen.name), chosen.curve, "curve-class"]);
    const names = named.map(([name]) => name).join("; ");
    const chart = frame(`Precision over recall: ${names || "no class has ground truth"}`, "recall", "precision", "1");
    const legend = named.map(([name, curve, style]) => {
      chart.append(svg("path", { class: `curve ${style}`, d: path(curve) }));
      const sample = svg("svg", { class: "chart", viewBox: "0 0 22 8", "aria-hidden": "true" },
        svg("path", { class: `curve ${style}`, d: "M0 4H22" }));
      return html("li", {}, sample, name);
    });
    return { chart, legend };
  }

  const metric = (value) => (value === null ? "–" : value.toFixed(3));

  function metricsList(metrics) {
    const facts = [...Object.entries(metrics.metrics).map(([name, value]) => [name, metric(value)]),
      ...Object.entries(metrics.counts).map(([name, value]) => [name, value.toLocaleString("en")])];
    return facts.map(([name, value]) => html("div", {}, html("dt", {}, name), html("dd", {}, value)));
  }

  function classTable(metrics, onPress) {
    const columns = ["class", "AP", "AP50", "ground truth", "detections"];
    const head = html("tr", {}, ...columns.map((name, at) => html("th", { scope: "col", class: at ? "number" : null }, name)));
    const sorted = [...metrics.classes].sort((a, b) => (a.ap ?? 2) - (b.ap ?? 2));
    const rows = sorted.map((entry) => {
      const button = html("button", { type: "button", "aria-pressed": "false", disabled: !entry.curve.length }, visible(entry.name));
      button.addEventListener("click", () => onPress(entry, button));
      const numbers = [metric(entry.ap), metric(entry.ap50), entry.truth.toLocaleString("en"), entry.detections.toLocaleString("en")];
      return html("tr", {}, html("td", {}, button), ...numbers.map((text) => html("td", { class: "number" }, text)));
    });
    return html("table", {}, html("thead", {}, head), html("tbody", {}, ...rows));
  }

  return { bars, press, scores, curves, metricsList, classTable };
})();
