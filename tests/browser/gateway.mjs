// The real programs for the browser tests: the gateway and the simulated CRM, on free ports, in a directory of their own.
import { spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { isAbsolute, join } from "node:path";

import { passwordHashes } from "../../gateway/web/md5.js";

/** The callers whose names the simulated CRM knows. */
export const CALLERS = { 89274513158: "Ivan Golubev", 89031112233: "Мария Соколова" };

export const USERS = [
  {
    id: "11111111-1111-4111-8111-111111111101",
    login: "anna",
    name: "Anna Petrova",
    number: "101",
    password: "Anna-secret",
  },
  {
    id: "11111111-1111-4111-8111-111111111102",
    login: "boris",
    name: "Boris Klimov",
    number: "102",
    password: "Борис",
  },
];

/**
 * Starts the simulated CRM and the gateway, and waits until the gateway is ready and knows the CRM's method.
 *
 * @param {object} [office]
 * @param {object[]} [office.users] as {@link USERS}, and `supervises` and `operator` of the settings
 * @param {string} [office.sim] more keys of `[pbx.sim]`
 * @param {string} [office.more] more sections of the settings
 * @returns {Promise<{pageUrl: string, api: (method: string, path: string, body?: object) => Promise<any>, stop: () => Promise<void>}>}
 */
export async function startGateway(office = {}) {
  const [gatewayBin, harnessBin] = [programFrom("OKGATE_BIN"), programFrom("OKGATE_HARNESS_BIN")];
  const directory = await mkdtemp(join(tmpdir(), "okgate-browser-"));
  const ports = await freePorts(["tabs", "web", "admin", "crm"]);
  const [settings, callers] = [join(directory, "okgate.toml"), join(directory, "callers.json")];
  await writeFile(callers, JSON.stringify(CALLERS));
  await writeFile(settings, settingsText(ports, office));

  const crm = start(harnessBin, ["crm", "--listen", `127.0.0.1:${ports.crm}`, "--callers", callers], directory);
  const gateway = start(gatewayBin, ["run", "--config", settings], directory);
  const programs = [gateway, crm];
  const api = (method, path, body) => callAdmin(ports.admin, method, path, body);
  const stop = async () => {
    await Promise.all(programs.map((program) => program.stop()));
    await rm(directory, { recursive: true, force: true });
  };
  try {
    await until("the gateway is ready", programs, () => api("GET", "/readyz"));
    await until("the CRM's method is known", programs, async () => {
      const methods = JSON.stringify(await api("GET", "/api/v1/methods"));
      if (!methods.includes('"callername"')) throw new Error(`declared: ${methods}`);
    });
  } catch (error) {
    await stop();
    throw error;
  }
  return { pageUrl: `http://127.0.0.1:${ports.web}/`, api, stop };
}

function settingsText(ports, { users = USERS, sim = "", more = "" }) {
  const entries = users.map(({ id, login, name, number, password, supervises = [], operator = false }) => {
    const hashes = passwordHashes(password);
    return `
[[users]]
id = "${id}"
login = "${login}"
name = "${name}"
number = "${number}"
password_md5 = "${hashes.Password}"
password_lower_md5 = "${hashes.password}"
operator = ${operator}
supervises = ${JSON.stringify(supervises)}
`;
  });
  return `
[gateway]
cores = 2
[clients]
listen = ["127.0.0.1:${ports.tabs}"]
[web]
listen = ["127.0.0.1:${ports.web}"]
[admin]
listen = "127.0.0.1:${ports.admin}"
[crm]
mode = "ws-out"
address = "127.0.0.1:${ports.crm}"
format = "json"
[crm.caller_name]
method = "callername"
[pbx]
driver = "sim"
[pbx.sim]
${sim}
${entries.join("")}
[[departments]]
id = "22222222-2222-4222-8222-222222222201"
name = "Sales"
users = ${JSON.stringify(users.map(({ login }) => login))}
[[break_reasons]]
id = 1
name = "Lunch"
[[break_reasons]]
id = 2
name = "Training"
${more}
`;
}

function programFrom(variable) {
  const path = process.env[variable];
  if (!path || !isAbsolute(path)) {
    throw new Error(
      `${variable} must be the absolute path of the built program; it is ${path ? `"${path}"` : "not set"}`,
    );
  }
  return path;
}

/** Free ports on loopback, all held at the same time so that no two are equal. */
async function freePorts(roles) {
  const servers = await Promise.all(
    roles.map(
      () =>
        new Promise((resolve, reject) => {
          const server = createServer();
          server.once("error", reject);
          server.listen(0, "127.0.0.1", () => resolve(server));
        }),
    ),
  );
  const ports = servers.map((server) => server.address().port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return Object.fromEntries(roles.map((role, index) => [role, ports[index]]));
}

/** A child process with its last output at hand. */
function start(program, args, cwd) {
  const child = spawn(program, args, { cwd, stdio: ["ignore", "pipe", "pipe"] });
  const run = { ended: false, output: "", stop: null };
  const keep = (chunk) => {
    run.output = (run.output + chunk).slice(-OUTPUT_KEPT);
  };
  child.stdout.on("data", keep);
  child.stderr.on("data", keep);
  const gone = new Promise((resolve) => {
    child.once("error", (error) => {
      keep(String(error));
      run.ended = true;
      resolve();
    });
    child.once("exit", (code, signal) => {
      keep(`\n${program} ended: ${signal ?? code}`);
      run.ended = true;
      resolve();
    });
  });
  run.stop = async () => {
    if (run.ended) return;
    child.kill("SIGTERM");
    const timer = setTimeout(() => child.kill("SIGKILL"), STOP_DEADLINE_MS);
    await gone;
    clearTimeout(timer);
  };
  return run;
}

/** Tries again until it succeeds, a program ends or the deadline is over. */
async function until(what, programs, attempt) {
  const deadline = Date.now() + START_DEADLINE_MS;
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      const output = programs.map((program) => program.output).join("\n---\n");
      if (programs.some((program) => program.ended)) throw new Error(`a program ended before ${what}:\n${output}`);
      if (Date.now() > deadline)
        throw new Error(`not within ${START_DEADLINE_MS} ms: ${what} (${error.message}):\n${output}`);
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

async function callAdmin(port, method, path, body) {
  const answer = await fetch(`http://127.0.0.1:${port}${path}`, {
    method,
    headers: body ? { "content-type": "application/json" } : {},
    body: body && JSON.stringify(body),
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${method} ${path} answered ${answer.status}: ${text}`);
  return text.startsWith("{") || text.startsWith("[") ? JSON.parse(text) : text;
}

const START_DEADLINE_MS = 20_000;
const STOP_DEADLINE_MS = 5_000;
const POLL_MS = 100;
const OUTPUT_KEPT = 8_000;
