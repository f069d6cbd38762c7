// An SVG, shown as a picture: in an <img> the browser runs no script and loads nothing, whatever the file holds.
// Hiding a layer draws the picture anew from the changed document.
import { element, fail, trouble, viewer } from "./shell.js";
import { decoded } from "./picture.js";
import { backgrounds, stage } from "./stage.js";

export default viewer("vector", async (box, content) => {
  const text = new TextDecoder().decode(content.parts.get("svg").bytes);
  const parsed = new DOMParser().parseFromString(text, "image/svg+xml");
  if (parsed.querySelector("parsererror") || parsed.documentElement.localName !== "svg") throw trouble("This is no well-formed SVG.");
  const { width, height, layers } = content;
  parsed.documentElement.setAttribute("width", width);
  parsed.documentElement.setAttribute("height", height);
  const parts = layers.map((layer) => parsed.querySelector(`[data-layer="${layer.index}"]`));

  let url = null;
  async function drawn() {
    const next = URL.createObjectURL(new Blob([new XMLSerializer().serializeToString(parsed)], { type: "image/svg+xml" }));
    const image = await decoded(next, content.alt);
    if (url) URL.revokeObjectURL(url);
    url = next;
    image.style.cssText = "position:absolute;left:0;top:0;max-width:none";
    return image;
  }
  let image = await drawn(), again = false, busy = false;
  const on = stage(box, { width, height, label: content.alt, small: content.small, least: 1e6 }, (w, h, x, y) => {
    image.style.width = `${w}px`;
    image.style.height = `${h}px`;
    image.style.transform = `translate(${x}px, ${y}px)`;
  });
  on.frame.append(image);
  on.draw();
  async function redraw() {
    again = true;
    if (busy) return;
    busy = true;
    try {
      while (again) {
        again = false;
        const next = await drawn();
        image.replaceWith(next);
        image = next;
        on.draw();
      }
    } catch (error) {
      fail(box, error);
    }
    busy = false;
  }

  on.bar.append(backgrounds(on.frame), element("span", { className: "grow" }), element("span", { className: "note", textContent: content.note ?? "" }));
  if (layers.length && !content.small) box.append(list(layers, parts, redraw));
  return { end: () => (on.end(), url && URL.revokeObjectURL(url)) };
});

function list(layers, parts, redraw) {
  const rows = element("ul", { className: "layers" });
  const show = (index, visible) => {
    if (visible) parts[index].removeAttribute("display");
    else parts[index].setAttribute("display", "none");
  };
  const boxes = layers.map((layer, index) => {
    const mark = element("input", { type: "checkbox", checked: true });
    mark.addEventListener("change", () => (show(index, mark.checked), redraw()));
    const chip = element("i", { "aria-hidden": "true" });
    chip.style.background = layer.colour ?? "transparent";
    const row = element("label", {}, mark, chip, element("span", { textContent: layer.name, title: layer.name }));
    rows.append(element("li", {}, row));
    return mark;
  });
  const all = (visible) => () => {
    boxes.forEach((mark, index) => ((mark.checked = visible), show(index, visible)));
    redraw();
  };
  const bar = element("div", { className: "bar" });
  for (const [text, visible] of [["Show all", true], ["Hide all", false]]) {
    const one = element("button", { type: "button", textContent: text });
    one.addEventListener("click", all(visible));
    bar.append(one);
  }
  bar.style.marginTop = "8px";
  const fold = element("details", {}, element("summary", { textContent: `Layers (${layers.length})` }), bar, rows);
  return fold;
}
