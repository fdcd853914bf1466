"use strict";
// One image at a time, large, with labels and a table of its boxes.
const viewer = (() => {
  const { html, svg, find, visible } = elements;
  const LETTERS = 13; // pixels
  const SIZES = ["small", "medium", "large"];
  let entries = [], at = 0, opener = null;

  const nameOf = (index) => visible(gallery.summary.classes[index].name);
  const scoreOf = (image, box) => (image.scores && image.scores[box] !== null ? image.scores[box].toFixed(2) : "");

  function outcomeOf(image, box) {
    if (!image.outcomes) return "";
    const expected = image.expected[box];
    return gallery.summary.outcomes[image.outcomes[box]].name + (expected < 0 ? "" : `: is ${nameOf(expected)}`);
  }

  function labelOf(image, box) {
    const track = image.tracks ? `#${image.tracks[box]}` : "";
    const outcome = gallery.isMistake(image, box) ? `(${outcomeOf(image, box)})` : "";
    return [nameOf(image.classes[box]), track, scoreOf(image, box), outcome].filter(Boolean).join(" ");
  }

  // Labels have the same size on the screen whatever the size of the image.
  function drawLabels() {
    const overlay = find("viewer-stage").querySelector("svg");
    if (!overlay) return;
    for (const text of overlay.querySelectorAll("text")) text.remove();
    const { image, boxes } = entries[at];
    const [width, height] = image.size;
    const scale = Math.max(width / (overlay.clientWidth || 1), height / (overlay.clientHeight || 1));
    for (const box of [...boxes].reverse()) {
      const [x, y] = image.boxes.slice(4 * box, 4 * box + 2);
      const baseline = Math.max(y - 4 * scale, LETTERS * scale);
      overlay.append(svg("text", { x: x + scale, y: baseline, "font-size": LETTERS * scale }, labelOf(image, box)));
    }
  }

  function table({ image, boxes }) {
    const columns = ["class", image.scores ? "score" : null, image.outcomes ? "outcome" : null, image.tracks ? "track" : null,
      "left, top, width, height", "size"].filter(Boolean);
    const head = html("tr", {}, ...columns.map((name) => html("th", { scope: "col" }, name)));
    const rectangles = [...find("viewer-stage").querySelectorAll("rect.box")].reverse();
    const rows = boxes.map((box, row) => {
      const chip = html("span", { class: "chip" });
      chip.style.background = cards.styleOf(image, box).stroke;
      const values = [image.scores ? scoreOf(image, box) : null, image.outcomes ? outcomeOf(image, box) : null,
        image.tracks ? String(image.tracks[box]) : null, image.boxes.slice(4 * box, 4 * box + 4).join(", "),
        SIZES[gallery.sizeOf(image, box)]].filter((value) => value !== null);
      const line = html("tr", {}, html("td", {}, chip, nameOf(image.classes[box])), ...values.map((value) => html("td", {}, value)));
      const choose = (chosen) => {
        line.classList.toggle("chosen", chosen);
        rectangles[row]?.classList.toggle("chosen", chosen);
      };
      line.addEventListener("pointerenter", () => choose(true));
      line.addEventListener("pointerleave", () => choose(false));
      return line;
    });
    return html("table", { class: "boxes" }, html("thead", {}, head), html("tbody", {}, ...rows));
  }

  function show() {
    const entry = entries[at];
    find("viewer-name").textContent = visible(entry.image.name);
    find("viewer-facts").textContent = `${at + 1} of ${entries.length.toLocaleString("en")} · ${cards.facts(entry)}`;
    cards.stage(find("viewer-stage"), entry, Infinity);
    find("viewer-boxes").replaceChildren(entry.boxes.length ? table(entry) : html("p", {}, "no boxes"));
    find("viewer-previous").disabled = at === 0;
    find("viewer-next").disabled = at === entries.length - 1;
    drawLabels();
  }

  function step(by) {
    const to = at + by;
    if (to < 0 || to >= entries.length) return;
    at = to;
    show();
    if (document.activeElement.disabled) find("viewer-close").focus(); // so that the keys still arrive
  }

  function open(list, entry) {
    entries = list;
    at = list.indexOf(entry);
    opener = document.activeElement;
    find("viewer").showModal();
    find("viewer-close").focus();
    show();
  }

  function start() {
    const dialog = find("viewer");
    find("viewer-close").addEventListener("click", () => dialog.close());
    find("viewer-previous").addEventListener("click", () => step(-1));
    find("viewer-next").addEventListener("click", () => step(1));
    dialog.addEventListener("keydown", (event) => {
      if (event.key === "ArrowLeft") step(-1);
      if (event.key === "ArrowRight") step(1);
    });
    dialog.addEventListener("close", () => opener?.focus());
    window.addEventListener("resize", () => dialog.open && drawLabels());
  }

  return { start, open };
})();
