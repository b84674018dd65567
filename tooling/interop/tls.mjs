// TLS with pre-shared keys between `nvmeof` and the Linux kernel, in both directions. The kernel shakes hands
// by tlshd, in the guest, and its nvme-cli derives keys in its own way (--tls-compat).
// Read first: tooling/peers/linux/README.md; SECURITY.md.
import { readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { monitor } from "../peers/linux/ctl.mjs";
import { nvmeof, nvmeofJson, serve } from "./cli.mjs";
import { loopback } from "./kernel-host-against-serve.mjs";

const hostId = "5c1b3d52-6a0f-4c53-9d3e-0c7f8f5d2b11";
const hostNqn = `nqn.2014-08.org.nvmexpress:uuid:${hostId}`;
const strangerNqn = "nqn.2024-01.org.example:stranger";
const discoveryNqn = "nqn.2014-08.org.nvmexpress.discovery";
const mib = 2 ** 20;

/** A new key, in a file of its own. */
async function newKey({ folder, log }, name) {
  const { stdout } = await nvmeof(["keys", "gen-tls-key"], { log: () => {} });
  const file = join(folder, `${name}.key`);
  writeFileSync(file, stdout, { mode: 0o600 });
  log(`a key in ${file}\n`);
  return { file, text: stdout.trim() };
}

/** Lets the kernel of a guest shake hands, with a key for each of these. */
async function shakeHands(guest, key, ...derived) {
  const inserts = derived.map(
    ({ nqn, version, hostNqn: asked = hostNqn }) =>
      `nvme check-tls-key --insert --hostnqn=${asked} --subsysnqn=${nqn} --identity=${version} ` +
      `--keydata=${key.text}`,
  );
  await guest.run(
    ["modprobe tls", "pidof tlshd || setsid tlshd -s </dev/null >/tmp/tlshd.log 2>&1 &", "sleep 1"]
      .concat(inserts)
      .join("\n"),
  );
}

function freePort() {
  return new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

/** Our host against a port of the kernel's target that takes TLS only. */
export async function hostByTls(run) {
  const { report, folder, target, nqn } = run;
  const { log } = report;
  report.group("our host, the kernel's target, TLS");
  const port = await freePort();
  const asHost = ["--hostnqn", hostNqn, "--tls-compat", "--connect-timeout", "20s"];
  const uri = `nvme+tcp://127.0.0.1:${port}/${nqn}`;
  let key;
  const setUp = async () => {
    key = await newKey({ folder, log }, "host");
    await shakeHands(target, key, { nqn, version: 0 }, { nqn, version: 1 });
    const attributes = "addr_tsas=tls1.3 addr_treq=required";
    await target.run(`tgt port ${port} ${attributes} && tgt link ${port} ${nqn}`);
    const forward = `hostfwd_add data tcp:127.0.0.1:${port}-127.0.0.1:${port}`;
    await monitor(target.name, "human-monitor-command", { "command-line": forward });
    await target.complaints();
  };
  if (!(await report.check("a port that requires TLS", setUp, { needed: true }))) return;
  const withKey = [...asHost, "--tls-key-file", key.file];
  await hostIsTaken({ ...run, uri, key, withKey });
  await hostIsRefused({ ...run, uri, key, asHost, withKey });
}

async function hostIsTaken({ report, folder, target, nqn, uri, key, withKey }) {
  const { log } = report;
  for (const version of ["0", "1"]) {
    await report.check(`connect, identity version ${version}`, async () => {
      await nvmeofJson(["connect", uri, ...withKey, "--tls-key-identity", version], { log });
      const lines = await target.run("dmesg | grep 'Created nvm controller' | tail -1");
      if (!lines.includes("TLS")) throw new Error(`the kernel says nothing of TLS: ${lines}`);
    });
  }
  await report.check("the identity is that of nvme-cli in the guest", async () => {
    const asked = ["--hostnqn", hostNqn, "--subsysnqn", nqn, "--identity", "1"];
    const ours = await nvmeof(["keys", "check-tls-key", key.file, ...asked, "--compat"], { log });
    const theirs = await target.run(`nvme check-tls-key --keydata=${key.text} ${asked.join(" ")}`);
    if (ours.stdout !== theirs) throw new Error(`${ours.stdout} is not ${theirs}`);
  });
  await report.check("copy a namespace there and back", async () => {
    const [from, to] = ["tls.in", "tls.out"].map((name) => join(folder, name));
    writeFileSync(from, Buffer.alloc(8 * mib, "nvme over tls "));
    const options = { log, deadlineMs: 120_000 };
    await nvmeof(["cp", from, `${uri}?nsid=3`, ...withKey, "--yes"], options);
    await nvmeof(["cp", `${uri}?nsid=3`, to, ...withKey], options);
    if (!readFileSync(from).equals(readFileSync(to))) throw new Error("it came back changed");
  });
}

async function hostIsRefused({ report, folder, target, nqn, uri, key, asHost, withKey }) {
  const { log } = report;
  const other = await newKey({ folder, log }, "other");
  const isRefused = (name, where, args, ...codes) =>
    report.check(name, async () => {
      const { stdout } = await nvmeof(["connect", where, ...args, "--json"], {
        log,
        exitCode: null,
      });
      const { error } = JSON.parse(stdout);
      if (!codes.includes(error?.code))
        throw new Error(`it came to ${stdout}, not ${codes.join()}`);
      return error.code;
    });
  // The kernel's says nothing to a host whose key it has not, or has another of.
  const refusals = ["HANDSHAKE", "REJECTED", "UNKNOWN_IDENTITY", "WRONG_KEY"];
  const closed = refusals.map((failure) => `NVME_ERR_TLS_${failure}`);
  const wrong = [...asHost, "--tls-key-file", other.file, "--tls-key-identity", "0"];
  await isRefused("another key is refused", uri, wrong, ...closed);
  const stranger = ["--hostnqn", strangerNqn, "--tls-compat", "--tls-key-file", key.file];
  await isRefused("an unknown host is refused", uri, stranger, ...closed);
  const inClear = ["--hostnqn", hostNqn, "--connect-timeout", "20s"];
  const silences = ["CONNECTION_LOST", "INITIALIZE_TIMEOUT", "PROTOCOL"];
  const ends = silences.map((failure) => `NVME_ERR_${failure}`);
  await isRefused("no TLS is refused", uri, inClear, ...ends);
  const plain = `nvme+tcp://127.0.0.1:${target.ports[0]}/${nqn}`;
  const name = "a port without TLS refuses who insists";
  await isRefused(name, plain, withKey, "NVME_ERR_TLS_NOT_SPOKEN", ...closed);
}

/** The kernel's host against `nvmeof serve` with a key. */
export async function kernelHostByTls({ report, folder, host }) {
  const { log } = report;
  report.group("the kernel's host, our target, TLS");
  const [key, other] = [
    await newKey({ folder, log }, "target"),
    await newKey({ folder, log }, "none"),
  ];
  const readyFile = join(folder, "ready-tls");
  const options = [
    "--mem",
    "64M",
    "--advertise",
    loopback,
    "--tls-key-file",
    key.file,
    "--tls-compat",
  ];
  let served;
  const setUp = async () => {
    served = await serve(options, { log, readyFile });
    await shakeHands(host, key, { nqn: served.nqn, version: 1 }, { nqn: discoveryNqn, version: 1 });
    await host.complaints();
  };
  if (!(await report.check("serve", setUp, { needed: true }))) return;
  const { listen, discovery, nqn, program } = served;
  const names = `-q ${hostNqn} -I ${hostId}`;
  const secure = `${names} --tls --keyring=.nvme`;
  const connect = `nvme connect -t tcp -a ${loopback} -s ${listen.port} -n ${nqn} -k 30`;
  const refuses = (name, script) =>
    report.check(name, async () => {
      const said = await host.run(`if ${script}; then echo connected; else echo refused; fi`);
      if (!said.includes("refused")) throw new Error("it was let in");
    });

  await report.check("discover: TLS is required", async () => {
    const where = `-t tcp -a ${loopback} -s ${discovery.port}`;
    const { records } = await host.json(`nvme discover ${where} ${secure} -o json`);
    const found = records.filter(({ subnqn }) => subnqn === nqn);
    const isSecure = ({ treq, sectype }) => treq.startsWith("required") && sectype === "tls13";
    if (found.length === 0 || !found.every(isSecure)) throw new Error(JSON.stringify(records));
  });
  await report.check("connect, write and read back", async () => {
    await host.run(`${connect} ${secure}`);
    const device = (await host.run(`nsdev ${nqn} 1`)).trim();
    await host.run(
      `dd if=/dev/urandom of=/tmp/tls.in bs=1M count=8 && dd if=/tmp/tls.in of=${device} bs=256k oflag=direct &&
       dd if=${device} of=/tmp/tls.out bs=1M count=8 iflag=direct && cmp /tmp/tls.in /tmp/tls.out`,
    );
    await host.run(`nvme disconnect -n ${nqn}`);
  });
  await refuses("no TLS is refused", `${connect} ${names}`);
  await shakeHands(host, other, { nqn, version: 0, hostNqn: strangerNqn });
  await refuses("another key is refused", `${connect} -q ${strangerNqn} --tls --keyring=.nvme`);
  await report.check("serve ends when told to", async () => {
    if (!(await program.stop(5000))) throw new Error("it was still running after 5 s");
  });
}
