// Sound: waveform and spectrogram, drawn from what the server worked out; press to go there.
import { element, theme, viewer } from "./shell.js";
import { urls } from "./envelope.js";
import { colours } from "./colours.js";

const WAVE = 72, SPECTRUM = 180;

export default viewer("sound", async (box, content) => {
  const made = urls();
  const sound = element("audio", { controls: true, preload: "metadata" });
  sound.setAttribute("aria-label", content.alt);
  const playable = content.parts.get("sound");
  if (playable) sound.src = made.of(playable);
  const frame = element("div", { className: "stage" });
  frame.setAttribute("role", "img");
  frame.setAttribute("aria-label", `${content.alt}: waveform above, spectrogram below, frequencies up to ${(content.rate / 2000).toFixed(1)} kHz`);
  const canvas = element("canvas");
  const mark = element("div");
  mark.style.cssText = "position:absolute;top:0;bottom:0;width:2px;background:var(--accent);left:0;pointer-events:none";
  frame.append(canvas, mark);
  box.append(frame);
  if (playable && !content.small) box.append(sound);
  box.append(element("span", { className: "note", textContent: content.note }));

  const [bands, columns] = content.spectrum;
  const levels = content.parts.get("spectrum").bytes;
  const peaks = new Int8Array(content.parts.get("wave").bytes.buffer);
  const picture = new ImageData(columns, bands);
  for (let row = 0; row < bands; row++)
    for (let column = 0; column < columns; column++)
      picture.data.set(colours[levels[row * columns + column]], 4 * ((bands - 1 - row) * columns + column));
  const heat = element("canvas", { width: columns, height: bands });
  heat.getContext("2d").putImageData(picture, 0, 0);

  function draw() {
    const wide = Math.max(1, frame.clientWidth), ratio = devicePixelRatio || 1, high = content.small ? 90 : SPECTRUM;
    canvas.width = wide * ratio;
    canvas.height = (WAVE + high) * ratio;
    canvas.style.cssText = `width:${wide}px;height:${WAVE + high}px`;
    const pen = canvas.getContext("2d");
    pen.scale(ratio, ratio);
    pen.fillStyle = theme(box, "primary-color", "#2563eb");
    const count = peaks.length / 2;
    for (let i = 0; i < count; i++) {
      const low = peaks[2 * i] / 127, up = peaks[2 * i + 1] / 127;
      pen.fillRect((wide * i) / count, (WAVE / 2) * (1 - up), Math.max(1, wide / count), Math.max(1, (WAVE / 2) * (up - low)));
    }
    pen.imageSmoothingEnabled = true;
    pen.drawImage(heat, 0, WAVE, wide, high);
    pen.font = "11px system-ui, sans-serif";
    pen.fillStyle = "#fff";
    if (!content.small) {
      for (const [hz, y] of content.ticks) pen.fillText(hz >= 1000 ? `${hz / 1000} kHz` : `${hz} Hz`, 6, WAVE + high * (1 - y) - 3);
    }
  }
  const watch = new ResizeObserver(draw);
  watch.observe(frame);
  draw();
  const follow = () => (mark.style.left = `${(100 * sound.currentTime) / content.seconds}%`);
  sound.addEventListener("timeupdate", follow);
  if (playable) {
    frame.style.cursor = "pointer";
    frame.addEventListener("click", (event) => {
      const at = frame.getBoundingClientRect();
      sound.currentTime = (content.seconds * (event.clientX - at.left)) / at.width;
      follow();
    });
  }
  return { retheme: draw, end: () => (watch.disconnect(), sound.pause(), sound.removeAttribute("src"), made.free()) };
});
