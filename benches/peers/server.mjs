// The peer on node's `ws`, beside which okgate is measured: node server.mjs --listen 127.0.0.1:0
//
// It does what the peers of the harness do: `["pong",{"qid":…}]` for `["ping",{"qid":…}]`, after the request was really parsed, and
// the text of `["broadcast",{"text":…}]` to all other connections. Its first line ends with its address.

import { createRequire } from 'node:module';
import { parseArgs } from 'node:util';
import { WebSocket, WebSocketServer } from 'ws';

const MESSAGE_BYTES_MAX = 1 << 20;
const BACKLOG = 1024;

const { values } = parseArgs({ options: { listen: { type: 'string', default: '127.0.0.1:4097' } } });
const [host, port] = values.listen.split(':');
const server = new WebSocketServer({
  host,
  port: Number(port),
  backlog: BACKLOG,
  perMessageDeflate: false,
  maxPayload: MESSAGE_BYTES_MAX,
});

server.on('listening', () => {
  const { version } = createRequire(import.meta.url)('ws/package.json');
  const { address, port } = server.address();
  console.log(`ws ${version} on node ${process.versions.node} listening on ${address}:${port}`);
});

server.on('connection', (socket, request) => {
  const stream = request.socket;
  // A connection that fails is closed by the library.
  socket.on('error', () => {});
  socket.on('message', (data, isBinary) => {
    if (isBinary) return;
    joinWrites(stream);
    take(socket, data);
  });
});

// Lets all that is written for one batch of messages go out in one write.
function joinWrites(stream) {
  if (stream.writableCorked > 0) return;
  stream.cork();
  process.nextTick(() => stream.uncork());
}

function take(socket, data) {
  let method;
  let fields;
  try {
    [method, fields] = JSON.parse(data.toString());
    if (typeof method !== 'string' || typeof fields !== 'object' || fields === null) throw new SyntaxError('not a request');
  } catch (error) {
    socket.send(JSON.stringify(['error', { error: error.message }]));
    return;
  }
  const { qid, text } = fields;
  if (method === 'ping') socket.send(JSON.stringify(['pong', { qid }]));
  else if (method === 'broadcast' && typeof text === 'string') tellOthers(socket, text);
  else socket.send(JSON.stringify(['error', { qid, error: 'unknown method' }]));
}

function tellOthers(speaker, text) {
  const data = Buffer.from(text);
  for (const client of server.clients) {
    if (client !== speaker && client.readyState === WebSocket.OPEN) client.send(data, { binary: false });
  }
}
