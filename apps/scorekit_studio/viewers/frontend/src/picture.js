// One picture: zoom, pan, a checkerboard behind what is transparent, square pixels where it is enlarged.
import { element, trouble, viewer } from "./shell.js";
import { urls } from "./envelope.js";
import { backgrounds, stage } from "./stage.js";

export async function decoded(url, alt) {
  const image = element("img", { alt, draggable: false });
  image.src = url;
  try {
    await image.decode();
  } catch {
    throw trouble("This picture cannot be decoded.");
  }
  return image;
}

export default viewer("picture", async (box, content) => {
  const made = urls();
  const image = await decoded(made.of(content.parts.get("picture")), content.alt);
  image.style.cssText = "position:absolute;left:0;top:0;max-width:none";
  const { naturalWidth: width, naturalHeight: height } = image;
  const enlarged = Math.max(width, height) <= 160 ? 8 : 1.4;
  const on = stage(box, { width, height, label: content.alt, small: content.small, least: enlarged }, (w, h, x, y) => {
    image.style.width = `${w}px`;
    image.style.height = `${h}px`;
    image.style.transform = `translate(${x}px, ${y}px)`;
    image.style.imageRendering = w >= 2 * width ? "pixelated" : "auto";
  });
  on.frame.append(image);
  if (content.transparent) on.bar.append(backgrounds(on.frame));
  on.bar.append(element("span", { className: "grow" }), element("span", { className: "note", textContent: content.note ?? "" }));
  on.draw();
  return { end: () => (on.end(), made.free()) };
});
