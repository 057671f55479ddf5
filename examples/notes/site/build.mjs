// Bundles the page into dist/: what is in public/ as it is, the todo page's looks, and src/main.ts with the SDK. How
// people sign in is the todo page's too; nodePaths lets it find the SDK here.
import { cp, rm } from "node:fs/promises";
import { build } from "esbuild";

await rm("dist", { recursive: true, force: true });
await cp("public", "dist", { recursive: true });
await cp("../../todo/site/public/style.css", "dist/style.css");
await build({
  entryPoints: ["src/main.ts"],
  outfile: "dist/main.js",
  bundle: true,
  minify: true,
  format: "esm",
  target: "es2022",
  legalComments: "none",
  nodePaths: ["node_modules"],
});
