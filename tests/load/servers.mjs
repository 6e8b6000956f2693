// Two servers that compare.py puts beside ours: Node's bare handler, and one with iron-session. Both answer with the headers
// that ours answers with, which come as one line of JSON.
//
//   node servers.mjs bare|iron-session DIRECTORY        the directory that has node_modules with iron-session

import { createServer } from "node:http";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";

const [role, directory] = process.argv.slice(2);
const lines = createInterface({ input: process.stdin });
const headers = JSON.parse((await lines[Symbol.asyncIterator]().next()).value);
headers["content-length"] = "0";

function bare(request, response) {
  response.writeHead(200, headers).end();
}

function ironSession() {
  const require = createRequire(join(resolve(directory), "package.json"));
  const { getIronSession } = require("iron-session");
  const options = { cookieName: "session", password: "p".repeat(32), ttl: 12 * 3600 };

  async function login(request, response) {
    let body = "";
    for await (const part of request) body += part;
    const session = await getIronSession(request, response, options);
    Object.assign(session, JSON.parse(body));
    await session.save();
    response.writeHead(204).end();
  }

  async function who(request, response) {
    const { sub, roles, amr, jti, iat, exp } = await getIronSession(request, response, options);
    if (!sub || exp * 1000 < Date.now()) return response.writeHead(401, { "content-length": "0" }).end();
    const own = {
      "x-session-subject": sub,
      "x-session-id": jti,
      "x-session-roles": roles.join(","),
      "x-session-amr": amr.join(","),
      "x-session-started": String(iat),
      "x-session-expires": String(exp),
    };
    response.writeHead(200, { ...headers, ...own }).end();
  }

  return (request, response) => (request.url === "/login" ? login : who)(request, response);
}

const server = createServer(role === "iron-session" ? ironSession() : bare);
server.listen(0, "127.0.0.1", () => console.log(`127.0.0.1:${server.address().port}`));
