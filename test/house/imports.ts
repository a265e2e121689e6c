import { posix } from "node:path";

/**
 * Which file of src/ and tasks/ imports which, and where such imports go in a circle. src/branch is the
 * till's program: it uses nothing of the others but src/paths.ts, so that it can be packed by itself.
 * src/web are the pages, which run in a browser: of the others they may name types of APIs, no more.
 */

/** Files by their path from the root, as `src/http/app.ts`. */
export type Sources = ReadonlyMap<string, string>;

/** From each node to those that it uses. */
export type Graph = ReadonlyMap<string, ReadonlySet<string>>;

const importPattern =
  /(?:^|\n)\s*(?:import|export)\b(?:[^"';]*?\bfrom)?\s*["'](\.{1,2}\/[^"']+)["']|\bimport\(\s*["'](\.{1,2}\/[^"']+)["']/g;

/** What each file imports of the others, types included: who reads one file needs the other. */
export function importsOf(sources: Sources): Graph {
  const graph = new Map<string, Set<string>>();
  for (const [file, text] of sources) {
    const used = new Set<string>();
    for (const [, fixed, dynamic] of text.matchAll(importPattern)) {
      used.add(posix.join(posix.dirname(file), fixed ?? dynamic ?? ""));
    }
    graph.set(file, used);
  }
  return graph;
}

/** The room of a file: its folder; a file that stands in no room of src/ is one of its own. */
export function roomOf(file: string): string {
  const [top = "", room = "", ...rest] = file.split("/");
  if (top !== "src") return top;
  return rest.length > 0 ? `${top}/${room}` : file;
}

/** The same graph between rooms. */
export function betweenRooms(graph: Graph): Graph {
  const rooms = new Map<string, Set<string>>();
  for (const [file, used] of graph) {
    const room = roomOf(file);
    const others = rooms.get(room) ?? new Set();
    rooms.set(room, others);
    for (const each of used) if (roomOf(each) !== room) others.add(roomOf(each));
  }
  return rooms;
}

/** Circles, each as the way around it; one for every node where a walk comes back to its path. */
export function circlesOf(graph: Graph): string[] {
  const circles: string[] = [];
  const seen = new Set<string>();
  const walk = (node: string, path: readonly string[]) => {
    const start = path.indexOf(node);
    if (start >= 0) {
      circles.push([...path.slice(start), node].join(" -> "));
      return;
    }
    if (seen.has(node)) return;
    seen.add(node);
    for (const next of [...(graph.get(node) ?? [])].sort()) walk(next, [...path, node]);
  };
  for (const node of [...graph.keys()].sort()) walk(node, []);
  return circles;
}
