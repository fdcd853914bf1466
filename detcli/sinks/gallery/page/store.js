"use strict";
// The images of the gallery, and which of them are shown, in which order. The scripts in data/ call begin and add.
const gallery = (() => {
  const images = [];
  let summary = null;
  let chunks = 0;

  function begin(value) {
    summary = value;
  }

  function add(records) {
    for (const record of records) {
      record.index = images.length;
      images.push(record);
    }
    chunks += 1;
  }

  // Read the other chunks one after the other; each is a script, since a page that is a file cannot fetch files.
  function load(progress, done, failed) {
    const policy = window.trustedTypes?.createPolicy("gallery", {
      createScriptURL: (url) => {
        if (!/^data\/images-\d+\.js$/.test(url)) throw new TypeError("not a chunk of this gallery");
        return url;
      },
    });
    function next() {
      if (chunks >= summary.chunks) return done();
      progress();
      const url = `data/images-${chunks}.js`;
      const script = document.createElement("script");
      script.onload = () => { script.remove(); next(); };
      script.onerror = () => failed(url);
      script.src = policy ? policy.createScriptURL(url) : url;
      document.head.append(script);
    }
    next();
  }

  const area = (image, box) => image.boxes[4 * box + 2] * image.boxes[4 * box + 3];

  function sizeOf(image, box) {
    const pixels = area(image, box);
    return pixels < summary.areas[0] ? 0 : pixels < summary.areas[1] ? 1 : 2;
  }

  const isMistake = (image, box) => Boolean(image.outcomes && summary.outcomes[image.outcomes[box]].mistake);

  function hasScore(image, box, filter) {
    if (filter.from === null && filter.to === null) return true;
    const score = image.scores ? image.scores[box] : null;
    return score !== null && score >= (filter.from ?? -Infinity) && score <= (filter.to ?? Infinity);
  }

  const passes = (image, box, filter) =>
    (filter.class === null || image.classes[box] === filter.class) &&
    (filter.size === null || sizeOf(image, box) === filter.size) &&
    (filter.outcome === null || (image.outcomes && image.outcomes[box] === filter.outcome)) &&
    hasScore(image, box, filter);

  const selectsBoxes = (filter) =>
    [filter.class, filter.size, filter.outcome, filter.from, filter.to].some((value) => value !== null);

  function shows(image, count, filter) {
    const problem = image.problem ? image.problem[0] : "";
    if (filter.text && !image.name.toLowerCase().includes(filter.text)) return false;
    if (filter.state === "failed" || filter.state === "missing") return problem === filter.state;
    if (filter.state === "without") return count === 0 && problem !== "failed";
    return count > 0 || !(filter.state === "with" || selectsBoxes(filter));
  }

  const scores = (image, boxes) => boxes.map((box) => (image.scores ? image.scores[box] : null)).filter((s) => s !== null);
  const extreme = (values, choose) => (values.length ? values.reduce((a, b) => choose(a, b)) : null);
  // The value that images are sorted by, ascending; null comes last in any direction.
  const keys = {
    order: ({ image }) => image.index,
    name: ({ image }) => image.name,
    mistakes: ({ image, boxes }) => -boxes.filter((box) => isMistake(image, box)).length,
    highest: ({ image, boxes }) => negative(extreme(scores(image, boxes), Math.max)),
    lowest: ({ image, boxes }) => extreme(scores(image, boxes), Math.min),
    count: ({ boxes }) => -boxes.length,
    largest: ({ image, boxes }) => negative(extreme(boxes.map((box) => area(image, box)), Math.max)),
    smallest: ({ image, boxes }) => extreme(boxes.map((box) => area(image, box)), Math.min),
    pixels: ({ image }) => (image.size ? -image.size[0] * image.size[1] : null),
  };
  const negative = (value) => (value === null ? null : -value);

  function compare(first, second, direction) {
    if (first.key !== second.key) {
      if (first.key === null) return 1;
      if (second.key === null) return -1;
      return first.key < second.key ? -direction : direction;
    }
    return first.image.index - second.image.index;
  }

  // The images that a filter shows, each with its boxes that pass, in order.
  function select(filter) {
    const found = [];
    for (const image of images) {
      const boxes = image.classes.map((_, box) => box).filter((box) => passes(image, box, filter));
      if (shows(image, boxes.length, filter)) found.push({ image, boxes });
    }
    for (const entry of found) entry.key = keys[filter.sort](entry);
    return found.sort((first, second) => compare(first, second, filter.reverse ? -1 : 1));
  }

  return {
    begin, add, load, select, sizeOf, isMistake,
    get images() { return images; },
    get summary() { return summary; },
  };
})();
