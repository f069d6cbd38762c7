// Meshes and point clouds: GLB, OBJ, PLY and STL by three.js. One WebGL context serves all viewers of a page (browsers end old
// contexts when there are too many), and draws only when something has changed.
import {
  Box3, Color, DirectionalLight, DoubleSide, Group, HemisphereLight, LoadingManager, Mesh, MeshStandardMaterial,
  PerspectiveCamera, Points, PointsMaterial, Scene, Sphere, Vector2, Vector3, WebGLRenderer,
} from "three";
import { OrbitControls } from "three/addons/controls/OrbitControls.js";
import { GLTFLoader } from "three/addons/loaders/GLTFLoader.js";
import { MTLLoader } from "three/addons/loaders/MTLLoader.js";
import { OBJLoader } from "three/addons/loaders/OBJLoader.js";
import { PLYLoader } from "three/addons/loaders/PLYLoader.js";
import { STLLoader } from "three/addons/loaders/STLLoader.js";
import { button, element, theme, toggle, trouble, viewer } from "./shell.js";
import { urls } from "./envelope.js";

const BACKGROUNDS = [["as the page", null], ["white", "#ffffff"], ["gray", "#808080"], ["dark", "#17181c"]];
const EMPTY = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg==";

let shared = null;

function renderer() {
  if (shared) return shared;
  try {
    shared = new WebGLRenderer({ antialias: true, alpha: true });
  } catch {
    throw trouble("This browser has no WebGL, which drawing in three dimensions needs.");
  }
  return shared;
}

async function parsed(content, made) {
  const manager = new LoadingManager();
  const beside = new Map([...content.parts].filter(([name]) => name !== "model").map(([name, part]) => [name, made.of(part)]));
  // Nothing is loaded but what came along: no address in a file is ever followed.
  manager.setURLModifier((url) => {
    if (url.startsWith("blob:") || url.startsWith("data:")) return url;
    return beside.get(decodeURIComponent(url).replace(/^\.?\//, "")) ?? EMPTY;
  });
  const textures = new Promise((resolve) => {
    manager.onLoad = resolve;
    manager.onError = resolve;
  });
  const bytes = content.parts.get("model").bytes;
  const text = () => new TextDecoder().decode(bytes);
  const group = new Group();
  if (content.format === "glb") {
    group.add((await new GLTFLoader(manager).parseAsync(bytes.buffer, "")).scene);
  } else if (content.format === "obj") {
    const loader = new OBJLoader(manager);
    const library = content.parts.get("library");
    if (library) {
      const materials = new MTLLoader(manager).parse(new TextDecoder().decode(library.bytes), "");
      materials.preload();
      loader.setMaterials(materials);
    }
    group.add(loader.parse(text()));
    if (library && beside.size > 1) await Promise.race([textures, new Promise((resolve) => setTimeout(resolve, 5000))]);
  } else {
    const geometry = content.format === "ply" ? new PLYLoader(manager).parse(bytes.buffer) : new STLLoader(manager).parse(bytes.buffer);
    const colours = Boolean(geometry.attributes.color);
    const surface = content.format === "stl" || geometry.index;
    if (surface && !geometry.attributes.normal) geometry.computeVertexNormals();
    group.add(
      surface
        ? new Mesh(geometry, new MeshStandardMaterial({ vertexColors: colours, color: colours ? "#ffffff" : "#b8bcc8", roughness: 0.8 }))
        : new Points(geometry, new PointsMaterial({ vertexColors: colours, color: colours ? "#ffffff" : "#5b8def", size: geometry.attributes.position.count < 5000 ? 5 : 2, sizeAttenuation: false })),
    );
  }
  return group;
}

function counted(group) {
  let vertices = 0, faces = 0;
  group.traverse((node) => {
    const geometry = node.geometry;
    if (!geometry?.attributes?.position) return;
    vertices += geometry.attributes.position.count;
    if (node.isMesh) faces += (geometry.index?.count ?? geometry.attributes.position.count) / 3;
  });
  return { vertices, faces: Math.floor(faces) };
}

export default viewer("model", async (box, content) => {
  const draw3d = renderer();
  const made = urls();
  let group;
  try {
    group = await parsed(content, made);
  } catch (error) {
    made.free();
    throw Object.assign(error, { sentence: "This model cannot be read: it is damaged, or uses what this viewer does not know." });
  }
  const bounds = new Box3().setFromObject(group);
  const sphere = bounds.getBoundingSphere(new Sphere());
  if (bounds.isEmpty() || !Number.isFinite(sphere.radius)) {
    made.free();
    throw trouble("This model holds nothing to draw.");
  }
  const radius = Math.max(sphere.radius, 1e-9), middle = sphere.center.clone();
  const scene = new Scene();
  group.traverse((node) => {
    if (!node.isMesh) return;
    if (!node.geometry.attributes.normal) node.geometry.computeVertexNormals();
    for (const material of [node.material].flat()) {
      material.side = DoubleSide;
      if ("metalness" in material) material.metalness = Math.min(material.metalness, 0.2); // metal is black where nothing is around
    }
  });
  const camera = new PerspectiveCamera(35, 1, radius / 100, radius * 100);
  const lamp = new DirectionalLight("#ffffff", 1.6);
  scene.add(group, new HemisphereLight("#ffffff", "#a3a8b5", 2.1), camera);
  camera.add(lamp);
  lamp.position.set(0.6, 0.9, 1);

  const canvas = element("canvas");
  const frame = element("div", { className: "stage", tabIndex: 0 }, canvas);
  frame.setAttribute("role", "group");
  frame.setAttribute("aria-label", `${content.alt}. Turn with the arrow keys, zoom with plus and minus, 0 fits it.`);
  box.append(frame);
  const pen = canvas.getContext("2d");
  const controls = new OrbitControls(camera, frame);
  frame.style.touchAction = "pan-y"; // a finger moved up or down scrolls the page
  controls.enableDamping = false;
  controls.enableZoom = false; // the wheel scrolls the page until the model has been pressed
  controls.minDistance = radius / 20;
  controls.maxDistance = radius * 30;
  let background = 0, asked = 0, frames = 0, seen = false;

  function draw() {
    asked = 0;
    const wide = frame.clientWidth, high = frame.clientHeight;
    if (!wide || !high || !seen) return;
    const ratio = Math.min(devicePixelRatio || 1, 2);
    const [w, h] = [Math.round(wide * ratio), Math.round(high * ratio)];
    if (canvas.width !== w || canvas.height !== h) [canvas.width, canvas.height] = [w, h];
    canvas.style.cssText = `width:${wide}px;height:${high}px`;
    camera.aspect = wide / high;
    camera.updateProjectionMatrix();
    const size = draw3d.getSize(new Vector2());
    if (size.x !== w || size.y !== h) draw3d.setSize(w, h, false);
    const colour = BACKGROUNDS[background][1] ?? theme(box, "secondary-background-color", "#f2f2f4");
    scene.background = new Color(colour);
    draw3d.render(scene, camera);
    pen.drawImage(draw3d.domElement, 0, 0);
    box.dataset.frames = String(++frames);
  }
  function ask() {
    asked ||= requestAnimationFrame(draw);
  }
  function fit() {
    const aspect = frame.clientWidth / Math.max(1, frame.clientHeight);
    const half = (camera.fov * Math.PI) / 360;
    const distance = radius / Math.sin(Math.min(half, Math.atan(Math.tan(half) * aspect)));
    controls.target.copy(middle);
    camera.position.copy(middle).addScaledVector(new Vector3(0.55, 0.38, 1).normalize(), distance * 1.02);
    controls.update();
    ask();
  }
  function turn(across, up) {
    const arm = camera.position.clone().sub(controls.target);
    const length = arm.length();
    const azimuth = Math.atan2(arm.x, arm.z) + across;
    const polar = Math.min(Math.PI - 0.05, Math.max(0.05, Math.acos(arm.y / length) + up));
    arm.set(Math.sin(polar) * Math.sin(azimuth), Math.cos(polar), Math.sin(polar) * Math.cos(azimuth)).multiplyScalar(length);
    camera.position.copy(controls.target).add(arm);
    controls.update();
    ask();
  }
  function near(factor) {
    const arm = camera.position.clone().sub(controls.target);
    arm.setLength(Math.min(controls.maxDistance, Math.max(controls.minDistance, arm.length() * factor)));
    camera.position.copy(controls.target).add(arm);
    controls.update();
    ask();
  }
  function wires(on) {
    group.traverse((node) => node.isMesh && [node.material].flat().forEach((material) => (material.wireframe = on)));
    ask();
  }

  controls.addEventListener("change", ask);
  frame.addEventListener("pointerdown", () => (controls.enableZoom = true));
  frame.addEventListener("blur", () => (controls.enableZoom = false));
  frame.addEventListener("dblclick", fit);
  const keys = {
    ArrowLeft: () => turn(-0.2, 0), ArrowRight: () => turn(0.2, 0), ArrowUp: () => turn(0, -0.15), ArrowDown: () => turn(0, 0.15),
    "+": () => near(0.85), "=": () => near(0.85), "-": () => near(1.18), 0: fit,
  };
  frame.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !keys[event.key]) return;
    event.preventDefault();
    keys[event.key]();
  });

  const wire = toggle("Wireframe", "Wireframe", false, wires);
  const ground = button("◐", "Change the background", () => {
    background = (background + 1) % BACKGROUNDS.length;
    ground.title = `Background: ${BACKGROUNDS[background][0]}`;
    ask();
  });
  const { vertices, faces } = counted(group);
  const words = [`${vertices.toLocaleString("en")} vertices`, ...(faces ? [`${faces.toLocaleString("en")} faces`] : [])].join(", ");
  box.append(
    element("div", { className: "bar", role: "toolbar" },
      button("−", "Zoom out", () => near(1.18)), button("+", "Zoom in", () => near(0.85)), button("Fit", "Fit to view", fit),
      wire, ground, element("span", { className: "grow" }), element("span", { className: "note", textContent: words })),
  );
  const size = () => (frame.style.height = `${content.small ? 200 : Math.round(Math.min(520, Math.max(260, frame.clientWidth * 0.75)))}px`);
  size();
  const resized = new ResizeObserver(() => (size(), ask()));
  resized.observe(frame);
  const watched = new IntersectionObserver(([entry]) => {
    seen = entry.isIntersecting;
    if (seen) ask();
  }, { rootMargin: "200px" });
  watched.observe(frame);
  seen = true;
  fit();
  draw();
  return {
    retheme: ask,
    end() {
      cancelAnimationFrame(asked);
      resized.disconnect();
      watched.disconnect();
      controls.dispose();
      group.traverse((node) => {
        node.geometry?.dispose();
        for (const material of [node.material ?? []].flat()) {
          for (const value of Object.values(material)) if (value?.isTexture) value.dispose();
          material.dispose();
        }
      });
      made.free();
    },
  };
});
