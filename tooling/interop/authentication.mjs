// DH-HMAC-CHAP with the Linux kernel at the other end, as target and as host: every hash and group, one
// way and both ways; and who has no secret, a wrong one, or is not known, is turned away by either side.
import { randomBytes } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { nvmeof, nvmeofJson, serve } from "./cli.mjs";
import { loopback } from "./kernel-host-against-serve.mjs";

const hashes = ["sha256", "sha384", "sha512"];
const groups = ["null", "ffdhe2048", "ffdhe3072", "ffdhe4096", "ffdhe6144", "ffdhe8192"];
const hostNqn = "nqn.2024-01.org.example:authenticated";
const stranger = "nqn.2024-01.org.example:stranger";
/** What the command ends with when it is turned away. */
const AUTH = 6;

/** A secret for this run, in a file of its own. `hmac` is how the key is made of it: 0 to 3. */
async function secretFile({ folder, report }, name, hmac) {
  const file = join(folder, `${name}.secret`);
  const bytes = `${file}.hex`;
  writeFileSync(bytes, randomBytes([32, 32, 48, 64][hmac]).toString("hex"), { mode: 0o600 });
  const args = [
    "keys",
    "gen-dhchap-key",
    "-m",
    String(hmac),
    "-n",
    hostNqn,
    "--secret-file",
    bytes,
  ];
  const { stdout } = await nvmeof(args, { log: () => {} });
  writeFileSync(file, stdout, { mode: 0o600 });
  report.log(`made ${file}\n`);
  return { file, text: stdout.trim() };
}

async function secrets(run) {
  return {
    host: await secretFile(run, "host", 1),
    controller: await secretFile(run, "controller", 3),
    wrong: await secretFile(run, "wrong", 0),
  };
}

function expectAgreed(data, expected) {
  const agreed = JSON.stringify(data.authentication);
  if (agreed !== JSON.stringify(expected)) throw new Error(`agreed upon ${agreed}`);
}

/** Options of `nvmeof` for the secret of the host, and for that of the controller. */
const fileOptions = (...files) =>
  files.flatMap(({ file }, i) => [["--dhchap-secret-file", "--dhchap-ctrl-secret-file"][i], file]);

/** Our host against the kernel's target. */
export async function authenticateToKernel(run) {
  const { report, target, nqn } = run;
  report.group("our host authenticates to the kernel's target");
  let made;
  const isReady = await report.check(
    "the kernel takes secrets of `keys gen-dhchap-key`",
    async () => {
      made = await secrets(run);
      await target.run(`tgt allow ${nqn} ${hostNqn} ${made.host.text} ${made.controller.text}`);
    },
  );
  if (!isReady) return;
  try {
    await agreeWithKernel(run, made);
    await refuseAndAreRefused(run, made);
    await report.check("it reads and writes, and authenticates again meanwhile", () =>
      copyAuthenticated(run, made),
    );
  } finally {
    const subsystem = `/sys/kernel/config/nvmet/subsystems/${nqn}`;
    await target.run(`rm ${subsystem}/allowed_hosts/${hostNqn}
      echo 1 >${subsystem}/attr_allow_any_host`);
  }
}

const uriOf = ({ target, nqn }) => `nvme+tcp://127.0.0.1:${target.ports[0]}/${nqn}`;

async function agreeWithKernel(run, { host, controller }) {
  const { report, target } = run;
  const own = `/sys/kernel/config/nvmet/hosts/${hostNqn}`;
  const ask = (...files) => {
    const args = ["connect", uriOf(run), "-q", hostNqn, ...fileOptions(...files)];
    return nvmeofJson(args, { log: report.log });
  };
  for (const hash of hashes) {
    for (const dhgroup of groups) {
      await report.check(`${hash}, ${dhgroup}, one way and both ways`, async () => {
        await target.run(
          `echo 'hmac(${hash})' >${own}/dhchap_hash; echo ${dhgroup} >${own}/dhchap_dhgroup`,
        );
        expectAgreed(await ask(host), { hash, dhgroup, mutual: false });
        expectAgreed(await ask(host, controller), { hash, dhgroup, mutual: true });
      });
    }
  }
}

async function refuseAndAreRefused(run, { host, wrong }) {
  const { report } = run;
  const cases = [
    {
      name: "without a secret it is told that one is needed",
      files: [],
      code: "NVME_ERR_AUTH_REQUIRED",
    },
    {
      name: "with a wrong secret it is turned away",
      files: [wrong],
      code: "NVME_ERR_AUTH_FAILED",
    },
    {
      name: "it takes no target with a wrong secret",
      files: [host, wrong],
      code: "NVME_ERR_AUTH_CONTROLLER",
    },
    {
      name: "an unknown host is turned away",
      who: stranger,
      files: [host],
      code: "NVME_ERR_HOST_NOT_ALLOWED",
    },
  ];
  for (const { name, who = hostNqn, files, code } of cases) {
    await report.check(name, async () => {
      const args = ["connect", uriOf(run), "-q", who, ...fileOptions(...files)];
      const error = await nvmeofJson(args, { log: report.log, exitCode: AUTH });
      if (error.code !== code) throw new Error(`${error.code}: ${error.message}`);
    });
  }
}

async function copyAuthenticated(run, { host }) {
  const image = join(run.folder, "authenticated");
  const back = `${image}.back`;
  writeFileSync(image, randomBytes(1 << 20));
  const auth = ["-q", hostNqn, ...fileOptions(host), "--dhchap-repeat", "1s"];
  const options = { log: run.report.log, deadlineMs: 120_000 };
  const namespace = `${uriOf(run)}?nsid=3`;
  await nvmeof(["cp", image, namespace, "--yes", ...auth], options);
  await nvmeof(["cp", namespace, back, "--count", "1M", ...auth], options);
  if (!readFileSync(image).equals(readFileSync(back))) throw new Error("it reads back otherwise");
}

/** The kernel's host against `serve`. */
export async function kernelAuthenticates(run) {
  const { report } = run;
  report.group("the kernel's host authenticates to our target");
  let made;
  const isReady = await report.check("secrets are made", async () => {
    made = await secrets(run);
  });
  if (!isReady) return;
  for (const hash of hashes) {
    await report.check(`${hash}, every group, one way and both ways`, async () => {
      for (const group of groups) await agreeWithUs(run, made, hash, group);
    });
  }
  await servedTo(run, made, [], (connect, nqn) => kernelsCases(run, made, connect, nqn));
}

/** Starts `serve`, and gives `use` what makes an `nvme connect` to it. */
async function servedTo({ report, folder }, { host, controller }, more, use) {
  const readyFile = join(folder, "ready-authenticated");
  writeFileSync(readyFile, "");
  const args = [
    ["--mem", "64M", "--advertise", loopback, "--limit", "authenticationFailuresMax=1000"],
    ["--dhchap-secret-file", `${hostNqn}=${host.file}`],
    ["--dhchap-ctrl-secret-file", `${hostNqn}=${controller.file}`],
    more,
  ].flat();
  const { listen, nqn, program } = await serve(args, { log: report.log, readyFile });
  const connect = (who, ...keys) => {
    const given = keys.map(({ text }, i) => `--dhchap${i === 0 ? "" : "-ctrl"}-secret=${text}`);
    const where = `-t tcp -a ${loopback} -s ${listen.port} -n ${nqn} -q ${who} -k 30`;
    return `nvme connect ${where} ${given.join(" ")}`;
  };
  try {
    await use(connect, nqn);
  } finally {
    await program.stop(5000);
  }
}

const agreeWithUs = (run, made, hash, group) =>
  servedTo(run, made, ["--dhchap-digests", hash, "--dhchap-dhgroups", group], async (connect) => {
    const { host, controller } = made;
    await run.host.run(`${connect(hostNqn, host)} && nvme disconnect-all`);
    await run.host.run(`${connect(hostNqn, host, controller)} && nvme disconnect-all`);
  });

async function kernelsCases({ report, host: guest }, { host, controller, wrong }, connect, nqn) {
  await report.check("it reads and writes by authenticated queues", async () => {
    await guest.run(`set -e
      ${connect(hostNqn, host, controller)}
      d=$(nsdev ${nqn} 1)
      dd if=/dev/urandom of=/tmp/data bs=64k count=16
      dd if=/tmp/data of=$d bs=64k oflag=direct
      dd if=$d bs=64k count=16 iflag=direct | cmp - /tmp/data
      nvme disconnect-all`);
  });
  const refused = [
    ["without a secret it does not get in", connect(hostNqn)],
    ["with a wrong secret it does not get in", connect(hostNqn, wrong)],
    ["it takes no target with a wrong secret", connect(hostNqn, host, wrong)],
    ["an unknown host does not get in", connect(stranger, host)],
  ];
  for (const [name, command] of refused) {
    await report.check(name, () =>
      guest.run(`if ${command}; then nvme disconnect-all; echo it was let in >&2; exit 1; fi`),
    );
  }
  await report.check("and the right one does, after all of that", async () => {
    await guest.run(`${connect(hostNqn, host)} && nvme disconnect-all`);
  });
}
