"use strict";
// The images of a page, each as a button with its thumbnail and its boxes.
const cards = (() => {
  const { html, svg, visible, count } = elements;
  const MOST_BOXES = 100; // that a card draws, best first; the viewer draws all

  const number = (index, digits) => String(index).padStart(digits, "0");
  const source = (image, suffix) =>
    `thumbs/${number(Math.floor(image.index / gallery.summary.folderSize), 3)}/${number(image.index, 6)}.${suffix}`;

  function styleOf(image, box) {
    const outcome = image.outcomes ? gallery.summary.outcomes[image.outcomes[box]] : null;
    const stroke = outcome ? outcome.color : gallery.summary.classes[image.classes[box]].color;
    const dashes = outcome && outcome.dashes.length ? outcome.dashes.map((length) => 2 * length).join(" ") : null;
    return { stroke, "stroke-dasharray": dashes };
  }

  function rectangle(image, box) {
    const [x, y, width, height] = image.boxes.slice(4 * box, 4 * box + 4);
    return svg("rect", { class: "box", x, y, width, height, ...styleOf(image, box) });
  }

  // The image, its masks and its boxes, on top of each other; without pixels, a frame of its size.
  function stage(holder, { image, boxes }, most) {
    const parts = [];
    if (image.thumbnail) parts.push(html("img", { src: source(image, "jpg"), alt: "", loading: "lazy", decoding: "async" }));
    if (image.masks) parts.push(html("img", { class: "masks", src: source(image, "png"), alt: "", loading: "lazy" }));
    if (image.size) {
      const [width, height] = image.size;
      const overlay = svg("svg", { viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" });
      if (!image.thumbnail) overlay.append(svg("rect", { class: "frame", x: 0, y: 0, width, height }));
      overlay.append(...boxes.slice(0, most).reverse().map((box) => rectangle(image, box)));
      parts.push(overlay);
    }
    if (!image.thumbnail && image.problem) {
      parts.push(html("span", { class: "note" }, image.problem[0] === "failed" ? "failed" : "image not found"));
    }
    holder.replaceChildren(...parts);
  }

  // Such as "2 dog, 1 person"; with ground truth, mistakes first.
  function contents({ image, boxes }) {
    const counts = new Map();
    for (const box of boxes) {
      const mistake = gallery.isMistake(image, box);
      const label = visible(gallery.summary.classes[image.classes[box]].name);
      const name = mistake ? `${gallery.summary.outcomes[image.outcomes[box]].name}: ${label}` : label;
      const known = counts.get(name) ?? { mistake, times: 0 };
      counts.set(name, { mistake, times: known.times + 1 });
    }
    const sorted = [...counts].sort(([, a], [, b]) => b.mistake - a.mistake || b.times - a.times);
    const shown = sorted.slice(0, 4).map(([name, { times }]) => `${times} ${name}`);
    return shown.length ? shown.join(", ") + (sorted.length > 4 ? ", …" : "") : "no boxes";
  }

  function card(entry, onOpen) {
    const { image } = entry;
    const holder = html("span", { class: "stage" });
    stage(holder, entry, MOST_BOXES);
    const name = visible(image.name);
    const text = image.problem && image.problem[0] === "failed" && !entry.boxes.length ? null : contents(entry);
    const button = html("button", { type: "button", class: "card", title: name, "data-index": image.index },
      holder,
      html("span", { class: "caption" },
        html("span", { class: "name" }, html("bdi", {}, name)),
        text === null ? null : html("span", { class: "line" }, text),
        image.problem ? html("span", { class: "line problem" }, visible(image.problem[1])) : null));
    button.addEventListener("click", () => onOpen(entry));
    return html("li", {}, button);
  }

  const facts = ({ image, boxes }) =>
    [image.size ? `${image.size[0]} × ${image.size[1]} pixels` : null, count(boxes.length, "box", "boxes"),
      image.problem ? visible(image.problem[1]) : null].filter(Boolean).join(" · ");

  return { card, stage, facts, styleOf };
})();
