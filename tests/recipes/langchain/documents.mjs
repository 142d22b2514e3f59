// LangChain.js's documents, written and read by @langchain/core itself: the goldens of tests/oracle/langchain.
//
//     node documents.mjs write    // javascript.jsonl
//     UPDATE_GOLDENS=1 pytest tests/oracle/test_goldens_of_langchain.py
//     node documents.mjs read     // what is read in our output
//
// It needs @langchain/core (1.4.0 made the goldens) in a node_modules above this file, or a copy of it beside one.

import { readFileSync, writeFileSync } from "node:fs";
import { Document } from "@langchain/core/documents";

const goldens = process.argv[3] ?? new URL("../../oracle/langchain", import.meta.url).pathname;
const records = [
  {
    query: "what boils water",
    documents: [
      new Document({ pageContent: "Herons fish in shallow water.", metadata: { source: "birds.pdf", loc: { page: 3 } } }),
      new Document({ pageContent: "A kettle is for boiling water.", metadata: {}, id: "k" }),
      new Document({ pageContent: "水をわかす道具です。", metadata: { relevanceScore: 0.5 } }),
    ],
  },
  { query: "what flies", documents: [new Document({ pageContent: "A kite." }), new Document({ pageContent: "" })] },
];

if (process.argv[2] === "write") {
  writeFileSync(`${goldens}/javascript.jsonl`, records.map((each) => JSON.stringify(each) + "\n").join(""));
} else {
  const lines = readFileSync(`${goldens}/javascript.scored.jsonl`, "utf8").trim().split("\n").map(JSON.parse);
  const read = lines.map(({ query, documents }) => ({ query, documents: documents.map((each) => new Document(each)) }));
  writeFileSync(`${goldens}/javascript.read.json`, JSON.stringify({ records: read }, null, 1) + "\n");
}
