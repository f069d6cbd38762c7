// Bundles every viewer of src/ into ../bundle, with the licence of what it contains beside it.
//   npm ci && npm run build
import { build } from "esbuild";
import { copyFile, mkdir, readdir, rm, stat } from "node:fs/promises";

const VIEWERS = ["model", "vector", "picture", "compare", "film", "sound", "matches", "frame"];
const target = "../bundle";

await rm(target, { recursive: true, force: true });
await mkdir(target);
await build({
  entryPoints: VIEWERS.map((name) => `src/${name}.js`),
  bundle: true,
  minify: true,
  format: "esm",
  target: "es2022",
  loader: { ".css": "text" },
  legalComments: "eof",
  outdir: target,
  entryNames: "[name]-[hash]", // a browser that keeps files takes a new one for a new name
});
await copyFile("node_modules/three/LICENSE", `${target}/three-LICENSE.txt`);
for (const name of (await readdir(target)).sort()) console.log(name, (await stat(`${target}/${name}`)).size);
