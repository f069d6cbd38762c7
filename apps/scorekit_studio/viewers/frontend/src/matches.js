// Correspondences: press a place of the left picture, see where it is in the right one and how similar every other place is.
// With features the match is worked out here, as DIFT does (arXiv:2306.03881): the cell of highest cosine similarity, then the mean of
// the places around it weighted by exp(30 * similarity). Without them the nearest known match is shown.
import { element, viewer } from "./shell.js";
import { urls } from "./envelope.js";
import { decoded } from "./picture.js";
import { colours } from "./colours.js";

const SHARPNESS = 30, WINDOW = 2, REACH = 0.08;

/** int8 vectors (channels, rows, columns) of length 127 or so; `at` interpolates, `likeness` gives cosines with one vector. */
function field([channels, rows, columns], part) {
  const values = new Int8Array(part.bytes.buffer), cells = rows * columns;
  const lengths = new Float32Array(cells);
  for (let c = 0; c < channels; c++) for (let i = 0; i < cells; i++) lengths[i] += values[c * cells + i] ** 2;
  for (let i = 0; i < cells; i++) lengths[i] = Math.sqrt(lengths[i]) || 1;
  return {
    rows, columns,
    at(u, v) {
      const x = Math.min(columns - 1, Math.max(0, u * columns - 0.5)), y = Math.min(rows - 1, Math.max(0, v * rows - 0.5));
      const x0 = Math.floor(x), y0 = Math.floor(y), x1 = Math.min(columns - 1, x0 + 1), y1 = Math.min(rows - 1, y0 + 1);
      const corners = [[y0, x0, (1 - y + y0) * (1 - x + x0)], [y0, x1, (1 - y + y0) * (x - x0)], [y1, x0, (y - y0) * (1 - x + x0)], [y1, x1, (y - y0) * (x - x0)]];
      const vector = new Float32Array(channels);
      for (const [row, column, weight] of corners)
        for (let c = 0; c < channels; c++) vector[c] += weight * values[c * cells + row * columns + column];
      return vector;
    },
    likeness(vector) {
      const found = new Float32Array(cells), length = Math.hypot(...vector) || 1;
      for (let c = 0; c < channels; c++) for (let i = 0; i < cells; i++) found[i] += vector[c] * values[c * cells + i];
      for (let i = 0; i < cells; i++) found[i] /= lengths[i] * length;
      return found;
    },
  };
}

function best(likeness, { rows, columns }) {
  let top = 0;
  for (let i = 1; i < likeness.length; i++) if (likeness[i] > likeness[top]) top = i;
  const row = Math.floor(top / columns), column = top % columns;
  let sum = 0, x = 0, y = 0;
  for (let r = Math.max(0, row - WINDOW); r <= Math.min(rows - 1, row + WINDOW); r++)
    for (let c = Math.max(0, column - WINDOW); c <= Math.min(columns - 1, column + WINDOW); c++) {
      const weight = Math.exp(SHARPNESS * (likeness[r * columns + c] - likeness[top]));
      sum += weight;
      x += weight * (c + 0.5);
      y += weight * (r + 0.5);
    }
  return { u: x / sum / columns, v: y / sum / rows, score: likeness[top] };
}

export default viewer("matches", async (box, content) => {
  const made = urls();
  const [left, right] = await Promise.all(
    ["source", "target"].map((name) => decoded(made.of(content.parts.get(name)), name)),
  );
  const features = content.features && [
    field(content.features.source, content.parts.get("source features")),
    field(content.features.target, content.parts.get("target features")),
  ];
  const known = content.matches; // [u, v, u', v', score], in shares of the pictures
  const screens = [left, right].map((image, i) => {
    const scale = Math.min(1, 900 / image.naturalWidth) * (image.naturalWidth < 300 ? Math.ceil(300 / image.naturalWidth) : 1);
    return element("canvas", { width: Math.round(image.naturalWidth * scale), height: Math.round(image.naturalHeight * scale) });
  });
  const said = element("p", { className: "note" });
  said.setAttribute("aria-live", "polite");
  said.style.margin = "0";
  const [source, target] = screens;
  source.tabIndex = 0;
  source.setAttribute("role", "application");
  source.setAttribute("aria-label", "Source picture. Press a place, or move the mark with the arrow keys, to see its match.");
  target.setAttribute("role", "img");
  target.setAttribute("aria-label", "Target picture with the match");
  source.style.cursor = "crosshair";
  const pair = element("div", { className: "pair" },
    element("figure", {}, element("figcaption", { textContent: "Press a place here" }), source),
    element("figure", {}, element("figcaption", { textContent: features ? "Match and likeness" : "Match" }), target));
  box.append(pair, said);

  let mark = known.length ? [known[0][0], known[0][1]] : [0.5, 0.5];
  function ring(screen, u, v) {
    const pen = screen.getContext("2d"), unit = screen.width / (screen.clientWidth || screen.width);
    const [x, y] = [u * screen.width, v * screen.height];
    for (const [radius, width, colour] of [[9, 5, "#000"], [9, 2.5, "#fff"]]) {
      pen.beginPath();
      pen.arc(x, y, radius * unit, 0, 2 * Math.PI);
      pen.lineWidth = width * unit;
      pen.strokeStyle = colour;
      pen.stroke();
    }
    pen.beginPath();
    pen.arc(x, y, 2.5 * unit, 0, 2 * Math.PI);
    pen.fillStyle = "#ef4444";
    pen.fill();
  }
  function dots() {
    const pen = source.getContext("2d"), unit = source.width / (source.clientWidth || source.width);
    pen.fillStyle = "#fff";
    pen.strokeStyle = "#000";
    pen.lineWidth = unit;
    for (const [u, v] of known.slice(0, 400)) {
      pen.beginPath();
      pen.arc(u * source.width, v * source.height, 2 * unit, 0, 2 * Math.PI);
      pen.fill();
      pen.stroke();
    }
  }
  function heat(likeness, { rows, columns }) {
    const sorted = Float32Array.from(likeness).sort(), low = sorted[sorted.length >> 1], span = sorted.at(-1) - low || 1;
    const map = new ImageData(columns, rows);
    likeness.forEach((value, i) => {
      const strength = Math.max(0, Math.min(1, (value - low) / span));
      map.data.set([...colours[Math.round(255 * strength)].slice(0, 3), Math.round(215 * strength)], 4 * i);
    });
    const small = element("canvas", { width: columns, height: rows });
    small.getContext("2d").putImageData(map, 0, 0);
    const pen = target.getContext("2d");
    pen.fillStyle = "#0006";
    pen.fillRect(0, 0, target.width, target.height);
    pen.drawImage(small, 0, 0, target.width, target.height);
  }
  function draw() {
    for (const [screen, image] of [[source, left], [target, right]]) {
      const pen = screen.getContext("2d");
      pen.imageSmoothingEnabled = image.naturalWidth >= 300;
      pen.drawImage(image, 0, 0, screen.width, screen.height);
      pen.imageSmoothingEnabled = true;
    }
    dots();
    let found = null;
    if (features) {
      const likeness = features[1].likeness(features[0].at(...mark));
      heat(likeness, features[1]);
      found = best(likeness, features[1]);
    } else {
      let nearest = null, distance = REACH;
      for (const match of known) {
        const gap = Math.hypot(match[0] - mark[0], match[1] - mark[1]);
        if (gap < distance) [nearest, distance] = [match, gap];
      }
      if (nearest) {
        mark = [nearest[0], nearest[1]];
        found = { u: nearest[2], v: nearest[3], score: nearest[4] };
      }
    }
    ring(source, ...mark);
    if (found) ring(target, found.u, found.v);
    const at = (u, v, image) => `(${Math.round(u * image.naturalWidth)}, ${Math.round(v * image.naturalHeight)})`;
    said.textContent = found
      ? `${at(...mark, left)} → ${at(found.u, found.v, right)} px, similarity ${found.score.toFixed(2)}`
      : "No match is known near this place; the dots have one. Runs that save their features have a match for every place.";
    box.dataset.found = found ? `${found.u.toFixed(4)},${found.v.toFixed(4)}` : "";
  }
  function choose(u, v) {
    mark = [Math.min(1, Math.max(0, u)), Math.min(1, Math.max(0, v))];
    draw();
  }
  source.addEventListener("click", (event) => {
    const at = source.getBoundingClientRect();
    choose((event.clientX - at.left) / at.width, (event.clientY - at.top) / at.height);
  });
  source.addEventListener("keydown", (event) => {
    const [u, v] = mark, step = event.shiftKey ? 0.1 : 0.02;
    const moves = { ArrowLeft: [u - step, v], ArrowRight: [u + step, v], ArrowUp: [u, v - step], ArrowDown: [u, v + step] };
    if (!moves[event.key]) return;
    event.preventDefault();
    if (features) choose(...moves[event.key]);
    else choose(...next(known, mark, event.key));
  });
  draw();
  return { end: () => made.free() };
});

/** The nearest known match in the direction of an arrow key. */
function next(known, [u, v], key) {
  const [dx, dy] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[key];
  let chosen = [u, v], least = Infinity;
  for (const [x, y] of known) {
    const along = (x - u) * dx + (y - v) * dy, across = Math.abs((x - u) * dy) + Math.abs((y - v) * dx);
    if (along > 1e-4 && along + 2 * across < least) [chosen, least] = [[x, y], along + 2 * across];
  }
  return chosen;
}
