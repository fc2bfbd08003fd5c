/* The score of results in the search. A word of search_words.toml has up to 100. The exact name of a
   function comes next, then a layer or a method of that name, then the glossary, then all else. */
var Scorer = {
  score: (result) => {
    const [docname, title, , , score] = result;
    if (docname === "glossary") return score / 2;
    if (title.startsWith("dlgradient.layers.")) return score - 5;
    if (title.startsWith("dlgradient.dlarray.")) return score - 10;
    return score;
  },
  objNameMatch: 90,
  objPartialMatch: 6,
  objPrio: { 0: 5, 1: 5, 2: -5 },
  objPrioDefault: 0,
  title: 15,
  partialTitle: 7,
  term: 5,
  partialTerm: 2,
};
