// Two pictures one over the other, with a slider between them.
import { element, viewer } from "./shell.js";
import { urls } from "./envelope.js";
import { decoded } from "./picture.js";

export default viewer("compare", async (box, content) => {
  const made = urls();
  const names = content.names;
  const [left, right] = await Promise.all(
    ["left", "right"].map((side, i) => decoded(made.of(content.parts.get(side)), names[i])),
  );
  const ratio = left.naturalWidth / left.naturalHeight;
  const frame = element("div", { className: "stage checker" });
  frame.style.cssText = `aspect-ratio:${ratio};max-height:560px;max-width:min(100%, ${560 * ratio}px);margin:0 auto;touch-action:pan-y;cursor:ew-resize`;
  const over = element("div");
  for (const image of [left, right]) {
    image.style.cssText = "position:absolute;inset:0;width:100%;height:100%;object-fit:contain";
    if (left.naturalWidth <= 160) image.style.imageRendering = "pixelated";
  }
  over.style.cssText = "position:absolute;inset:0";
  over.className = "checker";
  over.append(right);
  const line = element("div");
  line.style.cssText = "position:absolute;top:0;bottom:0;width:3px;margin-left:-1.5px;background:#fff;box-shadow:0 0 0 1px #0008;pointer-events:none";
  const tag = (text, side) => {
    const one = element("span", { textContent: text });
    one.style.cssText = `position:absolute;top:8px;${side}:8px;max-width:45%;overflow:hidden;text-overflow:ellipsis;white-space:nowrap;padding:2px 8px;border-radius:99px;background:#000a;color:#fff;font-size:12px;pointer-events:none`;
    return one;
  };
  frame.append(left, over, line, tag(names[0], "left"), tag(names[1], "right"));
  const slider = element("input", { type: "range", min: 0, max: 100, step: 0.5, value: 50 });
  slider.setAttribute("aria-label", `Slide between ${names[0]} and ${names[1]}`);
  function set(percent) {
    over.style.clipPath = `inset(0 0 0 ${percent}%)`;
    line.style.left = `${percent}%`;
    slider.value = percent;
  }
  slider.addEventListener("input", () => set(Number(slider.value)));
  const drag = (event) => {
    const at = frame.getBoundingClientRect();
    set(Math.min(100, Math.max(0, (100 * (event.clientX - at.left)) / at.width)));
  };
  frame.addEventListener("pointerdown", (event) => (frame.setPointerCapture(event.pointerId), drag(event)));
  frame.addEventListener("pointermove", (event) => event.buttons && drag(event));
  set(50);
  box.append(frame, slider);
  if (content.note) box.append(element("span", { className: "note", textContent: content.note }));
  return { end: () => made.free() };
});
