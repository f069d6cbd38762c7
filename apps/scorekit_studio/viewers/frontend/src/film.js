// A film with a strip of frames under it; a frame pressed leads there.
import { element, trouble, viewer } from "./shell.js";
import { urls } from "./envelope.js";

const FRAMES = 8;
const HEIGHT = 64;

export default viewer("film", async (box, content) => {
  const made = urls();
  const url = made.of(content.parts.get("film"));
  const film = element("video", { controls: !content.small, loop: true, muted: true, playsInline: true, preload: "auto" });
  film.setAttribute("aria-label", content.alt);
  await arrived(film, "loadeddata", () => (film.src = url));
  box.append(film);
  if (content.small) {
    film.tabIndex = 0;
    for (const kind of ["mouseenter", "focus"]) film.addEventListener(kind, () => film.play().catch(() => {}));
    for (const kind of ["mouseleave", "blur"]) film.addEventListener(kind, () => film.pause());
    return { end: () => stop(film, made) };
  }
  const strip = element("div", { className: "strip", role: "group" });
  strip.setAttribute("aria-label", "Frames of the film");
  box.append(strip);
  // The film can be watched before its strip is done, and without it.
  if (Number.isFinite(film.duration) && film.duration > 0)
    fill(strip, film, url).then(() => (box.dataset.strip = "done"), () => strip.remove());
  box.append(element("span", { className: "note", textContent: words(film) }));
  return { end: () => stop(film, made) };
});

async function fill(strip, film, url) {
  const scout = element("video", { muted: true, preload: "auto" });
  await arrived(scout, "loadeddata", () => (scout.src = url));
  const width = Math.max(1, Math.round((HEIGHT * scout.videoWidth) / scout.videoHeight));
  const times = Array.from({ length: FRAMES }, (_, i) => (film.duration * (i + 0.5)) / FRAMES);
  const cells = [];
  for (const time of times) {
    await arrived(scout, "seeked", () => (scout.currentTime = time));
    const canvas = element("canvas", { width, height: HEIGHT });
    canvas.getContext("2d").drawImage(scout, 0, 0, width, HEIGHT);
    const cell = element("button", { type: "button" }, canvas);
    cell.setAttribute("aria-label", `Go to ${time.toFixed(1)} seconds`);
    cell.addEventListener("click", () => {
      film.pause();
      film.currentTime = time;
    });
    strip.append(cell);
    cells.push(cell);
  }
  scout.removeAttribute("src");
  film.addEventListener("timeupdate", () => {
    const now = Math.min(FRAMES - 1, Math.floor((FRAMES * film.currentTime) / film.duration));
    cells.forEach((cell, i) => cell.classList.toggle("now", i === now));
  });
}

/** Wait for an event, at most a minute: a damaged film may never say that it is not going on, and a busy machine is slow. */
function arrived(film, event, start) {
  return new Promise((resolve, reject) => {
    const late = "This film does not start: it may be damaged, or this machine is very busy. Open the page again, or download it.";
    const timer = setTimeout(() => done(() => reject(trouble(late))), 60_000);
    const done = (then) => {
      clearTimeout(timer);
      film.removeEventListener(event, good);
      film.removeEventListener("error", bad);
      then();
    };
    const good = () => done(resolve);
    const bad = () => done(() => reject(trouble("This film cannot be played: it is damaged, or its format is unknown to this browser.")));
    film.addEventListener(event, good);
    film.addEventListener("error", bad);
    start();
  });
}

function words(film) {
  return `${film.videoWidth} × ${film.videoHeight} px, ${film.duration.toFixed(1)} s`;
}

function stop(film, made) {
  film.pause();
  film.removeAttribute("src");
  film.load();
  made.free();
}
