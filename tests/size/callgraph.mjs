/*
 * The deepest stack of a program, from the call graphs that gcc writes with -fcallgraph-info=su.
 *
 * It is a bound, not a sample: every call that is in the code counts, taken or not. A call through a
 * pointer may go to each function that nobody calls by name. Recursion, and a frame whose size is not
 * known at compile time, are errors.
 */
import fs from "node:fs";

const NODE = /^node: \{ title: "([^"]+)" label: "[^"]*?(?:\\n(\d+) bytes \((\w+)\))?"/;
const EDGE = /^edge: \{ sourcename: "([^"]+)" targetname: "([^"]+)"/;
const INDIRECT = "__indirect_call";

export function read_call_graph(files) {
  const graph = { frames: new Map(), calls: new Map(), called: new Set() };
  for (const line of files.flatMap((file) => fs.readFileSync(file, "utf8").split("\n"))) {
    const node = NODE.exec(line);
    if (node && node[2] !== undefined) {
      if (node[3] !== "static")
        throw new Error(`${node[1]}: the size of its frame is not known`);
      graph.frames.set(node[1], Number(node[2]));
    }
    const edge = EDGE.exec(line);
    if (edge) {
      graph.calls.set(edge[1], (graph.calls.get(edge[1]) ?? new Set()).add(edge[2]));
      graph.called.add(edge[2]);
    }
  }
  return graph;
}

/* The function's name without the object file before it, and without the suffix of a clone. */
export const plain = (title) => title.split(":").pop().replace(/\..*$/, "");

/* { bytes, path } of the deepest chain of calls from `root`; `linked` says what is in the program. */
export function deepest_stack(graph, root, linked) {
  const start = [...graph.frames.keys()].find((title) => plain(title) === root);
  if (start === undefined)
    throw new Error(`no function ${root} in the call graph`);
  const pointed = [...graph.frames.keys()].filter((title) =>
    title !== start && !graph.called.has(title) && linked.has(plain(title)));
  const known = new Map();

  const visit = (title, above) => {
    if (above.includes(title))
      throw new Error(`recursion: ${[...above, title].map(plain).join(" > ")}`);
    if (known.has(title))
      return known.get(title);
    let below = { bytes: 0, path: [] };
    for (const target of graph.calls.get(title) ?? []) {
      for (const callee of target === INDIRECT ? pointed : [target]) {
        const found = visit(callee, [...above, title]);
        if (found.bytes > below.bytes)
          below = found;
      }
    }
    const frame = graph.frames.get(title) ?? 0;
    const found = { bytes: frame + below.bytes, path: [`${plain(title)} ${frame}`, ...below.path] };
    known.set(title, found);
    return found;
  };
  return visit(start, []);
}
