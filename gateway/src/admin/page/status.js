// The live status page: reads /api/v1/status every second and shows it.

const INTERVAL_MS = 1000;
const TOKEN_KEY = 'okgate-admin-token';

const element = (id) => document.getElementById(id);
let last = null;

function row(parent, tag, cells) {
  const line = parent.appendChild(document.createElement(tag === 'dl' ? 'div' : 'tr'));
  for (const [name, text] of cells) {
    line.appendChild(document.createElement(name)).textContent = text;
  }
}

function showFigures(id, figures) {
  const list = element(id);
  list.replaceChildren();
  for (const [name, value] of figures) row(list, 'dl', [['dt', name], ['dd', value]]);
}

function showCounts(id, counts, empty) {
  const table = element(id);
  table.replaceChildren();
  const rows = Object.entries(counts).sort((one, other) => other[1] - one[1]);
  if (rows.length === 0) row(table, 'tr', [['th', empty]]);
  for (const [name, count] of rows) {
    row(table, 'tr', [['th', name], ['td', count.toLocaleString()]]);
  }
}

function showShards(shards) {
  const table = element('shards');
  table.replaceChildren();
  const columns = ['links', 'tabs', 'queue_bytes', 'connections', 'upgrades'];
  row(table, 'tr', [['th', 'core'], ...columns.map((name) => ['th', name.replace('_', ' ')])]);
  shards.forEach((shard, index) => {
    const cells = columns.map((name) => ['td', shard[name].toLocaleString()]);
    row(table, 'tr', [['th', String(index)], ...cells]);
  });
}

const sum = (counts) => Object.values(counts).reduce((total, count) => total + count, 0);

function perSecond(current, read) {
  if (!last || current.at <= last.at) return '–';
  const rate = ((read(current) - read(last)) * 1000) / (current.at - last.at);
  return Math.max(0, Math.round(rate)).toLocaleString();
}

function duration(seconds) {
  const days = Math.floor(seconds / 86400);
  const clock = new Date((seconds % 86400) * 1000).toISOString().slice(11, 19);
  return days > 0 ? `${days} d ${clock}` : clock;
}

function health(isGood, text) {
  const line = element('health');
  line.className = isGood ? 'good' : 'bad';
  line.textContent = text;
}

function show(status) {
  const current = { at: Date.now(), ...status };
  element('content').hidden = false;
  element('version').textContent = status.version;
  const uptime = duration(Math.max(0, Math.round(current.at / 1000) - status.started_at));
  health(status.ready, status.ready ? `ready, up ${uptime}` : `not ready: ${status.reasons.join(', ')}`);
  showFigures('figures', [
    ['users online', `${status.users_online} / ${status.users}`],
    ['tabs', status.tabs],
    ['calls', status.calls],
    ['sessions', status.sessions],
    ['method runs', status.method_runs],
    ['messages/s', perSecond(current, (at) => sum(at.messages))],
    ['events/s', perSecond(current, (at) => sum(at.events_to_links))],
    ['switch', status.pbx_connected ? 'connected' : 'lost'],
  ]);
  const crm = status.crm;
  showFigures('crm', [
    ['mode', crm.mode],
    ['state', crm.state],
    ['name', crm.name ?? '–'],
    ['methods, forms', `${crm.methods}, ${crm.forms}`],
    ['connects, losses', `${crm.connects}, ${crm.losses}`],
    ['bytes waiting', crm.queue_bytes.toLocaleString()],
    ['last error', crm.last_error ?? '–'],
  ]);
  showShards(status.shards);
  showCounts('messages', status.messages, 'none yet');
  showCounts('events', status.events_to_links, 'none yet');
  showCounts('refusals', status.refusals, 'none');
  last = current;
}

async function read() {
  const token = sessionStorage.getItem(TOKEN_KEY);
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  const answer = await fetch('/api/v1/status', { headers });
  const body = await answer.json();
  element('access').hidden = answer.status !== 401;
  if (answer.ok) {
    show(body);
  } else {
    health(false, body.message);
  }
  return answer.status !== 401;
}

async function keepReading() {
  let goesOn = true;
  try {
    goesOn = await read();
  } catch {
    health(false, 'no answer');
  }
  if (goesOn) setTimeout(keepReading, INTERVAL_MS);
}

element('access').addEventListener('submit', (event) => {
  event.preventDefault();
  sessionStorage.setItem(TOKEN_KEY, element('token').value);
  element('token').value = '';
  keepReading();
});

keepReading();
