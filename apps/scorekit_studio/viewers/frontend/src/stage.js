// A stage on which one thing of a known size is zoomed and moved: by buttons, keys, drag, pinch, and the wheel with Ctrl held
// (without it the wheel scrolls the page).
import { button, element } from "./shell.js";

const NEAREST = 40;

/** `place(width, height, x, y)` is called when the thing has to be drawn `width` CSS pixels wide at (x, y). */
export function stage(box, { width, height, label, small, most = 560, least = 1 }, place) {
  const frame = element("div", { className: "stage", tabIndex: 0 });
  frame.setAttribute("role", "group");
  frame.setAttribute("aria-label", `${label}. Zoom with plus and minus, move with the arrow keys, 0 fits it.`);
  frame.style.touchAction = "pan-y";
  const note = element("span", { className: "note" });
  note.setAttribute("aria-live", "polite");
  let zoom = 1, fit = 1, x = 0, y = 0, moved = false;

  function size() {
    const wide = frame.clientWidth || 300;
    // Small pictures are enlarged by whole numbers, so that their pixels stay squares.
    const room = Math.min(wide / width, (small ? 220 : most) / height);
    fit = room >= 2 && least >= 2 && least < 100 ? Math.floor(Math.min(room, least)) : Math.min(room, Math.max(1, least));
    frame.style.height = `${Math.round(Math.max(height * fit, small ? 60 : 120)) + 2}px`;
  }
  function draw() {
    const w = width * fit * zoom, h = height * fit * zoom;
    const roomX = frame.clientWidth, roomY = frame.clientHeight;
    x = w <= roomX ? (roomX - w) / 2 : Math.min(0, Math.max(roomX - w, x));
    y = h <= roomY ? (roomY - h) / 2 : Math.min(0, Math.max(roomY - h, y));
    frame.style.touchAction = zoom > 1 ? "none" : "pan-y";
    frame.style.cursor = w > roomX || h > roomY ? "grab" : "";
    note.textContent = `${Math.round(100 * fit * zoom)} %`;
    place(w, h, x, y);
  }
  function scale(factor, atX = frame.clientWidth / 2, atY = frame.clientHeight / 2) {
    const next = Math.min(NEAREST / fit, Math.max(0.25, zoom * factor));
    x = atX - ((atX - x) * next) / zoom;
    y = atY - ((atY - y) * next) / zoom;
    zoom = next;
    moved = true;
    draw();
  }
  function shift(dx, dy) {
    x += dx;
    y += dy;
    draw();
  }
  function reset() {
    zoom = 1;
    moved = false;
    size();
    draw();
  }

  frame.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    const at = frame.getBoundingClientRect();
    scale(Math.exp(-event.deltaY / 300), event.clientX - at.left, event.clientY - at.top);
  }, { passive: false });
  frame.addEventListener("keydown", (event) => {
    const acts = {
      "+": () => scale(1.25), "=": () => scale(1.25), "-": () => scale(0.8), 0: reset,
      ArrowLeft: () => shift(40, 0), ArrowRight: () => shift(-40, 0), ArrowUp: () => shift(0, 40), ArrowDown: () => shift(0, -40),
    };
    if (event.ctrlKey || event.metaKey || event.altKey || !acts[event.key]) return;
    if (event.key.startsWith("Arrow") && zoom <= 1) return;
    event.preventDefault();
    acts[event.key]();
  });
  const fingers = new Map();
  frame.addEventListener("pointerdown", (event) => {
    fingers.set(event.pointerId, [event.clientX, event.clientY]);
    if (zoom > 1) frame.setPointerCapture(event.pointerId);
  });
  frame.addEventListener("pointermove", (event) => {
    const before = fingers.get(event.pointerId);
    if (!before) return;
    const now = [event.clientX, event.clientY];
    if (fingers.size === 2) {
      const other = [...fingers].find(([id]) => id !== event.pointerId)[1];
      const at = frame.getBoundingClientRect();
      const gap = (a) => Math.hypot(a[0] - other[0], a[1] - other[1]) || 1;
      scale(gap(now) / gap(before), (now[0] + other[0]) / 2 - at.left, (now[1] + other[1]) / 2 - at.top);
    } else if (zoom > 1) {
      shift(now[0] - before[0], now[1] - before[1]);
    }
    fingers.set(event.pointerId, now);
  });
  for (const kind of ["pointerup", "pointercancel"]) frame.addEventListener(kind, (event) => fingers.delete(event.pointerId));
  frame.addEventListener("dblclick", (event) => {
    const at = frame.getBoundingClientRect();
    if (moved) reset();
    else scale(2.5, event.clientX - at.left, event.clientY - at.top);
  });
  frame.addEventListener("dragstart", (event) => event.preventDefault());

  const bar = element("div", { className: "bar", role: "toolbar" });
  bar.append(
    button("−", "Zoom out", () => scale(0.8)),
    button("+", "Zoom in", () => scale(1.25)),
    button("Fit", "Fit to view", reset),
    note,
  );
  box.append(frame, bar);
  const watch = new ResizeObserver(() => {
    if (!moved) size();
    draw();
  });
  watch.observe(frame);
  reset();
  return { frame, bar, draw, end: () => watch.disconnect() };
}

/** A button that goes through backgrounds; the first is the one at the beginning. */
export function backgrounds(frame, names = ["checker", "paper", "night"]) {
  const words = { checker: "checkerboard", paper: "white", night: "dark" };
  let at = 0;
  const made = button("◐", "", () => set(at + 1));
  function set(next) {
    frame.classList.remove(names[at]);
    at = next % names.length;
    frame.classList.add(names[at]);
    const tip = `Background: ${words[names[at]]}. Press for ${words[names[(at + 1) % names.length]]}.`;
    made.title = tip;
    made.setAttribute("aria-label", tip);
  }
  set(0);
  return made;
}
