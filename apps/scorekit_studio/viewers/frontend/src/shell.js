// The life of a viewer on a page. A viewer is `async draw(box, content, send)`, which fills `box` and may return
// {end, retheme, update}. The shell says on the box how it went: data-loaded or data-error.
import { open } from "./envelope.js";
import css from "./style.css";

const living = new WeakMap(); // shadow root -> {stamp, view, box}

export function viewer(name, draw) {
  return ({ data, parentElement: root }) => {
    const content = open(data);
    const before = living.get(root);
    if (before?.stamp === content.stamp) {
      before.view?.retheme?.();
      return before.end;
    }
    before?.end();
    const style = Object.assign(document.createElement("style"), { textContent: css });
    const box = element("div", { className: "viewer" });
    box.dataset.viewer = name;
    if (content.small) box.classList.add("small");
    root.append(style, box);
    const one = { stamp: content.stamp, view: null, gone: false };
    one.end = () => {
      one.gone = true;
      one.view?.end?.();
      one.view = null;
      style.remove();
      box.remove();
      if (living.get(root) === one) living.delete(root);
    };
    living.set(root, one);
    const began = performance.now();
    Promise.resolve()
      .then(() => draw(box, content))
      .then((view) => {
        if (one.gone) return view?.end?.();
        one.view = view;
        box.dataset.loaded = String(Math.round(performance.now() - began));
      })
      .catch((error) => fail(box, error));
    return one.end;
  };
}

/** Replace what there is by one sentence. */
export function fail(box, error) {
  const text = error?.sentence ?? "This file cannot be drawn; it can still be downloaded.";
  box.dataset.error = error?.message ?? String(error);
  box.replaceChildren(element("p", { className: "trouble", role: "alert", textContent: text }));
}

export function trouble(sentence) {
  return Object.assign(new Error(sentence), { sentence });
}

export function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [key, value] of Object.entries(properties)) {
    if (key in made && key !== "role") made[key] = value;
    else made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
}

/** A button of a tool bar: a text or sign to see, a sentence for the tip and for screen readers. */
export function button(sign, tip, act) {
  const made = element("button", { type: "button", title: tip, textContent: sign });
  made.setAttribute("aria-label", tip);
  made.addEventListener("click", act);
  return made;
}

/** A button that is on or off. */
export function toggle(sign, tip, on, act) {
  const made = button(sign, tip, () => {
    const now = made.getAttribute("aria-pressed") !== "true";
    made.setAttribute("aria-pressed", String(now));
    act(now);
  });
  made.setAttribute("aria-pressed", String(on));
  return made;
}

/** The value of one of the page's theme variables. */
export function theme(box, name, otherwise) {
  return getComputedStyle(box).getPropertyValue(`--st-${name}`).trim() || otherwise;
}
