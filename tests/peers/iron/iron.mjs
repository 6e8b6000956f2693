// iron-session, asked over a pipe: a line with the claims, then lines `open N` and `seal N`, each answered by
// nanoseconds of CPU time, of all threads: Node leaves cryptography to others than its own.
//
//   node iron.mjs DIRECTORY        the directory that has node_modules with iron-session

import { createRequire } from "node:module";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";

const require = createRequire(join(resolve(process.argv[2]), "package.json"));
const { sealData, unsealData } = require("iron-session");

const options = { password: "p".repeat(32), ttl: 12 * 3600 };
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const line = async () => (await lines.next()).value;

const claims = JSON.parse(await line());
const sealed = await sealData(claims, options);
console.log(JSON.stringify({ characters: sealed.length, claims: await unsealData(sealed, options) }));

const work = {
  open: () => unsealData(sealed, options),
  seal: () => sealData(claims, options),
};

for (let asked = await line(); asked; asked = await line()) {
  const [what, runs] = asked.split(" ");
  const begun = process.cpuUsage();
  for (let run = 0; run < Number(runs); run += 1) await work[what]();
  const { user, system } = process.cpuUsage(begun);
  console.log((user + system) * 1000);
}
