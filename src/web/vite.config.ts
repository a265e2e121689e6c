import { fileURLToPath } from "node:url";
import tailwind from "@tailwindcss/vite";
import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

/** How scripts/build_web.ts builds a page: the folder of its sources comes as the root. */
export default defineConfig(({ mode }) => ({
  // The till's page is all that its server has; the console shares its server with the API.
  base: mode === "console" ? "/console/" : "/",
  root: fileURLToPath(new URL(`./${mode}/`, import.meta.url)),
  // Names of files in dist/web/<page>/assets change with their content.
  build: {
    outDir: fileURLToPath(new URL(`../../dist/web/${mode}/`, import.meta.url)),
    emptyOutDir: true,
    // An inlined file would break the page's rule that nothing comes from a data: address.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  define: { "process.env.NODE_ENV": '"production"' },
  plugins: [react(), tailwind()],
}));
