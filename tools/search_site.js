/* What the search of the built site finds first: `node tools/search_site.js site [word ...]`.

Without words, it searches for the words of ``tools/searches.txt``, one line for each with the page that
must come first, and fails if another one does. It runs the site's own program, so no browser is needed. */
"use strict";
const fs = require("fs");
const path = require("path");
const vm = require("vm");

const [, , site, ...asked] = process.argv;
const read = (name) => fs.readFileSync(path.join(site, name), "utf8");

const element = { hasChildNodes: () => false, lastChild: null, classList: { add() {} } };
const page = {
  document: { getElementById: () => element, readyState: "loading", addEventListener() {} },
  localStorage: { setItem() {} },
  SPHINX_HIGHLIGHT_ENABLED: false,
  _: (text) => text,
  _ready() {},
  console,
};
page.window = page;
const context = vm.createContext(page);
for (const name of ["_static/language_data.js", "_static/searchtools.js", "searchindex.js"]) {
  vm.runInContext(read(name), context, { filename: name });
}
const search = (words) => {
  page.words = words;
  // The best result is the last one.
  return vm.runInContext("Search._performSearch(...Search._parseQuery(words))", context).reverse();
};
const shown = ([docname, title, anchor]) => `${docname}${anchor}`;

if (asked.length) {
  for (const result of search(asked.join(" ")).slice(0, 10)) console.log(result[4], shown(result));
} else {
  let wrong = 0;
  const lines = fs.readFileSync(path.join(__dirname, "searches.txt"), "utf8").split("\n");
  for (const line of lines.filter((text) => text.trim() && !text.startsWith("#"))) {
    const [words, wanted] = line.split(" -> ");
    const first = search(words)[0];
    const found = first ? shown(first) : "nothing";
    if (found !== wanted) {
      wrong += 1;
      console.log(`${words}: ${found} comes first, not ${wanted}`);
    }
  }
  process.exitCode = wrong ? 1 : 0;
}
