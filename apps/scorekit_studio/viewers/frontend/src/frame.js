// A plugin's own view: its HTML in a frame that has no origin, cannot leave its place and reaches no network.
// Two frames: the policy of the outer one (frame-src 'none') also forbids the inner one to go to another address.
import { element, theme, viewer } from "./shell.js";

const quoted = (text) => text.replaceAll("&", "&amp;").replaceAll('"', "&quot;");

export default viewer("frame", async (box, content) => {
  const html = new TextDecoder().decode(content.parts.get("html").bytes);
  const scripts = content.scripts ? "script-src 'unsafe-inline'; " : "script-src 'none'; ";
  const shared = "style-src 'unsafe-inline'; img-src data: blob:; media-src data: blob:; font-src data:; form-action 'none'; base-uri 'none'; frame-src 'none'; child-src 'none'";
  const inside = `default-src 'none'; ${scripts}${shared}`;
  const rights = content.scripts ? "allow-scripts" : "";
  const dark = theme(box, "background-color", "#fff");
  const look = `:root{--text-color:${theme(box, "text-color", "#222")};--background-color:${dark};--primary-color:${theme(box, "primary-color", "#2563eb")};color-scheme:${luminance(dark) < 0.4 ? "dark" : "light"}}body{color:var(--text-color);font-family:system-ui,sans-serif;margin:8px}`;
  const head = `<!doctype html><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="${inside}"><meta name="referrer" content="no-referrer"><meta http-equiv="x-dns-prefetch-control" content="off">`;
  const inner = `${head}<style>${look}</style>${html}`;
  const outer = `${head}<style>html,body{margin:0;height:100%;overflow:hidden}iframe{border:0;width:100%;height:100%}</style><iframe sandbox="${rights}" referrerpolicy="no-referrer" title="${quoted(content.alt)}" srcdoc="${quoted(inner)}"></iframe>`;
  const frame = element("iframe", { title: content.alt, height: content.height });
  frame.setAttribute("sandbox", rights);
  frame.setAttribute("referrerpolicy", "no-referrer");
  const loaded = new Promise((resolve) => frame.addEventListener("load", resolve, { once: true }));
  frame.srcdoc = outer;
  box.append(frame);
  await Promise.race([loaded, new Promise((resolve) => setTimeout(resolve, 8000))]);
  return {};
});

function luminance(colour) {
  const pen = element("canvas", { width: 1, height: 1 }).getContext("2d");
  pen.fillStyle = colour;
  pen.fillRect(0, 0, 1, 1);
  const [r, g, b] = pen.getImageData(0, 0, 1, 1).data;
  return (0.2126 * r + 0.7152 * g + 0.0722 * b) / 255;
}
