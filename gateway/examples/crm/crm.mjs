// A small CRM for okgate in the modes ws-out, wss-out, ws-in and wss-in, in JSON. It names callers and has a customer's card.
// It needs the package ws: npm install ws
//
//   node crm.mjs listen 8045                                   ws-out: the gateway connects
//   node crm.mjs listen 8045 server.pem server.key             wss-out
//   node crm.mjs connect ws://127.0.0.1:4067                   ws-in: this program connects, and connects again
//   node crm.mjs connect wss://localhost:4067 authority.pem    wss-in
//
// CRM_CREDENTIALS=login:password is asked for when it listens, and given when it connects.
// CRM_USERS=anna,boris names users who are active here (way 1): their events and forms come to this program.
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { createServer as createSecureServer } from "node:https";
import { WebSocket, WebSocketServer } from "ws";

const CUSTOMERS = { 89274513158: "Maria Lindqvist, Northwind Traders" };
const credentials = process.env.CRM_CREDENTIALS;
const users = (process.env.CRM_USERS ?? "").split(",").filter(Boolean);

const parameter = (key, name) => ({ key, name, description: "", type: "string", items: [] });
const caller = parameter("callerid", "The caller's number");
const customer = parameter("name", "The customer");
const declared = (key, name, defineuser, inputparams, outputparams) => ({
  key, name, description: "", allowcancel: false, defineuser, connectiontype: "websocket", inputparams, outputparams,
});

// For each message that wants one: the answer's name and fields.
const answers = {
  whoareyou: () => ["iam", { type: "ws-server", name: "crm.mjs", version: "1", build: "1" }],
  getavailablemethods: () => [
    "availablemethods", { methods: [declared("callername", "Name a caller", false, [caller], [customer])] },
  ],
  getavailableforms: () => [
    "availableforms",
    { forms: [declared("card", "Customer", true, [caller, customer], [parameter("comment", "What was said")])] },
  ],
  getactiveusers: () => ["activeusers", { users: users.map((userlogin) => ({ userlogin, userid: "", type: "crm" })) }],
  executemethod: ({ executionid, inputparameters }) => [
    "methodresult", { executionid, outputparameters: { name: CUSTOMERS[inputparameters.callerid] ?? "" } },
  ],
  ping: (fields) => ["pong", fields],
};

function serve(link) {
  const packets = new Map(); // unfinished long messages by their message-id
  const take = (text) => {
    const [name, fields] = JSON.parse(text);
    if (name === "multipart") {
      const id = fields["message-id"];
      const parts = packets.get(id) ?? [];
      parts[fields.packetnumber] = Buffer.from(fields.content, "base64");
      packets.set(id, parts);
      if (Object.keys(parts).length === fields.packetcount) {
        packets.delete(id);
        take(Buffer.concat(parts));
      }
      return;
    }
    console.log(name, JSON.stringify(fields));
    const answer = answers[name]?.(fields);
    if (answer) link.send(JSON.stringify([answer[0], { qid: fields.qid, ...answer[1] }]));
  };
  link.on("message", take);
}

function listen(port, certificate, key) {
  const server = certificate
    ? createSecureServer({ cert: readFileSync(certificate), key: readFileSync(key) })
    : createServer();
  const handleProtocols = () => "json";
  const wanted = credentials && `Basic ${Buffer.from(credentials).toString("base64")}`;
  const verifyClient = ({ req: { headers } }, done) => {
    if (headers["sec-websocket-protocol"] !== "json") done(false, 400, "This CRM speaks JSON");
    else if (!wanted || headers.authorization === wanted) done(true);
    else done(false, 401, "Unauthorized", { "WWW-Authenticate": 'Basic realm="crm"' });
  };
  new WebSocketServer({ server, handleProtocols, verifyClient }).on("connection", serve);
  server.listen(port, "127.0.0.1", () => console.log(`listening on ${port}`));
}

function connect(url, authority, pause = 500) {
  const link = new WebSocket(url, "json", { auth: credentials, ca: authority && readFileSync(authority) });
  serve(link);
  link.on("open", () => {
    console.log(`connected to ${url}`);
    pause = 500;
  });
  link.on("error", (error) => console.log(error.message));
  link.on("close", () => setTimeout(connect, pause, url, authority, Math.min(pause * 2, 30_000)));
}

const [way, where, ...files] = process.argv.slice(2);
if (way === "listen") listen(Number(where), ...files);
else connect(where, files[0]);
