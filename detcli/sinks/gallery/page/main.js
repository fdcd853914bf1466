"use strict";
// Fills the page, and shows the images again when a filter or the page changes.
(() => {
  const { html, svg, find, visible, count } = elements;
  const PER_PAGE = 48;
  const MOST_BARS = 300; // classes with a bar, most frequent first
  const { summary } = gallery;
  let selected = [], page = 0, loaded = false;

  const number = (id) => (find(id).value === "" ? null : Number(find(id).value));

  function filter() {
    return {
      text: find("text").value.trim().toLowerCase(), class: number("class"), from: number("from"), to: number("to"),
      size: number("size"), outcome: number("outcome"), state: find("state").value, sort: find("sort").value,
      reverse: find("reverse").checked,
    };
  }

  function describe() {
    const what = summary.boxesAre === "detections" ? ["detection", "detections"] : ["box", "boxes"];
    const parts = [count(summary.images, "image", "images"), count(summary.boxes, ...what)];
    if (summary.failed) parts.push(`${summary.failed.toLocaleString("en")} failed`);
    if (summary.missing) parts.push(`${count(summary.missing, "image", "images")} not found`);
    document.title = `${visible(summary.title)} – detcli ${summary.boxesAre === "detections" ? "report" : "data view"}`;
    find("title").textContent = visible(summary.title);
    find("totals").textContent = parts.join(" · ");
    find("facts").replaceChildren(...Object.entries(summary.facts).map(([name, value]) => html("li", {}, `${name}: ${visible(value)}`)));
    find("facts").hidden = !Object.keys(summary.facts).length;
    find("notes").replaceChildren(...summary.notes.map((note) => html("li", {}, visible(note))));
    find("notes").hidden = !summary.notes.length;
    find("version").textContent = `Made by detcli ${summary.detcli}. Everything is in this folder; nothing is sent anywhere.`;
  }

  function choose(id, value) {
    const select = find(id);
    select.value = select.value === String(value) ? "" : String(value);
    refresh();
  }

  function drawOverview() {
    const used = summary.classes.map((entry, value) => ({ ...entry, value })).filter((entry) => entry.count);
    const byCount = [...used].sort((a, b) => b.count - a.count);
    charts.bars(find("class-bars"), byCount.slice(0, MOST_BARS), (value) => choose("class", value));
    const sizes = ["small", "medium", "large"].map((name, value) => ({ name, value, count: summary.sizes[value] }));
    charts.bars(find("size-bars"), sizes, (value) => choose("size", value));
    const [medium, large] = summary.areas.map(Math.sqrt);
    find("sizes-caption").textContent = `Sizes of boxes: small below ${medium}² pixels, large from ${large}²`;
    if (summary.scores) {
      find("score-bars").replaceChildren(charts.scores(summary.scores));
      if (summary.otherScores) find("score-bars").append(html("p", {}, `${count(summary.otherScores, "score is", "scores are")} outside 0 to 1`));
      find("score-figure").hidden = false;
    }
  }

  function drawEvaluation() {
    if (!summary.metrics) return;
    const draw = (chosen) => {
      const { chart, legend } = charts.curves(summary.metrics, chosen);
      find("curves").replaceChildren(chart);
      find("curves-legend").replaceChildren(...legend);
    };
    draw(null);
    find("metrics").replaceChildren(...charts.metricsList(summary.metrics));
    find("class-metrics").replaceChildren(charts.classTable(summary.metrics, (entry, button) => {
      const isNew = button.getAttribute("aria-pressed") === "false";
      for (const other of find("class-metrics").querySelectorAll("button")) other.setAttribute("aria-pressed", "false");
      button.setAttribute("aria-pressed", String(isNew));
      draw(isNew ? entry : null);
    }));
    find("evaluation").hidden = false;
  }

  function fillFilters() {
    const named = summary.classes.map((entry, value) => [visible(entry.name), value]);
    const ofTruth = new Set((summary.metrics?.classes ?? []).map((entry) => entry.name));
    const used = named.filter(([, value]) => summary.classes[value].count || ofTruth.has(summary.classes[value].name));
    used.sort((a, b) => a[0].localeCompare(b[0]));
    find("class").append(...used.map(([name, value]) => html("option", { value }, name)));
    for (const label of document.querySelectorAll("label.scores")) label.hidden = !summary.scores;
    find("outcome").append(...summary.outcomes.map((outcome, value) => html("option", { value }, outcome.name)));
    document.querySelector("label.outcomes").hidden = !summary.outcomes.length;
    find("outcome-legend").hidden = !summary.outcomes.length;
    find("outcome-legend").replaceChildren(...summary.outcomes.map((outcome) => html("li", {},
      svg("svg", { viewBox: "0 0 22 8", "aria-hidden": "true" }, svg("path", { d: "M0 4H22", stroke: outcome.color, "stroke-width": 3,
        "stroke-dasharray": outcome.dashes.map((length) => 2 * length).join(" ") || null })), outcome.name)));
    if (summary.outcomes.length) {
      find("sort").querySelector("[value=mistakes]").setAttribute("selected", "");
      find("sort").value = "mistakes";
      find("images-title").textContent = "Worst images first";
    } else {
      find("sort").querySelector("[value=mistakes]").remove();
    }
    if (summary.boxesAre !== "detections") {
      find("sort").querySelector("[value=order]").textContent = "order of the dataset";
      find("state").querySelector("[value=failed]").remove();
    }
    if (!summary.scores) for (const value of ["highest", "lowest"]) find("sort").querySelector(`[value=${value}]`).remove();
  }

  const pageCount = () => Math.max(1, Math.ceil(selected.length / PER_PAGE));

  function showPage(to) {
    page = Math.min(Math.max(0, to), pageCount() - 1);
    const shown = selected.slice(page * PER_PAGE, (page + 1) * PER_PAGE);
    find("cards").replaceChildren(...shown.map((entry) => cards.card(entry, (opened) => viewer.open(selected, opened))));
    find("page").value = page + 1;
    find("page").max = pageCount();
    find("page-count").textContent = `of ${pageCount().toLocaleString("en")}`;
    find("first").disabled = find("previous").disabled = page === 0;
    find("last").disabled = find("next").disabled = page === pageCount() - 1;
    find("pages").hidden = pageCount() === 1;
  }

  function say() {
    const total = count(summary.images, "image", "images");
    const range = pageCount() > 1
      ? `${(page * PER_PAGE + 1).toLocaleString("en")} to ${Math.min(selected.length, (page + 1) * PER_PAGE).toLocaleString("en")} of ` : "";
    const reading = loaded ? "" : ` · reading ${gallery.images.length.toLocaleString("en")} of ${summary.images.toLocaleString("en")} …`;
    const all = loaded && selected.length === summary.images;
    find("count").textContent = all ? `${range}${total}` : `${range}${count(selected.length, "image", "images")} that match, of ${total}${reading}`;
    find("nothing").hidden = selected.length > 0 || !loaded;
    find("nothing").textContent = summary.images ? "No image matches these filters." : "There are no images.";
  }

  function refresh(to = 0) {
    const asked = filter();
    selected = gallery.select(asked);
    charts.press(find("class-bars"), asked.class ?? "");
    charts.press(find("size-bars"), asked.size ?? "");
    showPage(to);
    say();
  }

  function turn(to) {
    showPage(to);
    say();
    find("images-title").scrollIntoView();
  }

  function listen() {
    const form = find("filters");
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("input", () => refresh());
    form.addEventListener("reset", () => setTimeout(() => { display(); refresh(); }));
    const display = () => {
      document.body.classList.toggle("hide-boxes", !find("show-boxes").checked);
      document.body.classList.toggle("hide-masks", !find("show-masks").checked);
    };
    find("show-boxes").addEventListener("change", display);
    find("show-masks").addEventListener("change", display);
    find("first").addEventListener("click", () => turn(0));
    find("previous").addEventListener("click", () => turn(page - 1));
    find("next").addEventListener("click", () => turn(page + 1));
    find("last").addEventListener("click", () => turn(pageCount() - 1));
    find("page").addEventListener("change", () => turn(Number(find("page").value) - 1));
  }

  if (window.innerWidth < 720) for (const id of ["overview", "evaluation"]) find(id).open = false;
  describe();
  drawOverview();
  drawEvaluation();
  fillFilters();
  listen();
  viewer.start();
  refresh();
  // The first images are on the screen before the others are read.
  requestAnimationFrame(() => setTimeout(() => gallery.load(say, () => {
    loaded = true;
    find("masks-label").hidden = !gallery.images.some((image) => image.masks);
    refresh(page);
    document.body.dataset.loaded = "true";
  }, (url) => { find("count").textContent = `'${url}' cannot be read: the report is not complete.`; })));
})();
