#!/usr/bin/env node
// Commands to a running guest of the Linux kernel NVMe/TCP peer.
//
//   ctl.mjs [-n NAME] [-t SECONDS] COMMAND [ARG...]   run by a shell in the guest
//   ctl.mjs [-n NAME] [-t SECONDS] -                  the script on standard input
//   ctl.mjs [-n NAME] --pause | --resume              stop and continue the whole machine
//   ctl.mjs [-n NAME] --hmp 'info usernet'            any command of QEMU's monitor
//
// NAME is that of `run` (default: target). As with ssh, COMMAND and its ARGs are joined by blanks.
// Output, errors and exit status are those of the command; it is killed after SECONDS (default 300),
// with status 137. Status 255: the guest could not be reached. Calls may overlap.
import { readFileSync, realpathSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";

/** The guest could not be reached, or stopped answering. */
export class GuestUnreachable extends Error {
  name = "GuestUnreachable";
}

function stateOf(name) {
  const fallback = join(tmpdir(), `nvmeof-linux-peer.${process.getuid?.() ?? 0}`);
  return join(process.env.NVMEOF_PEER_STATE ?? fallback, name);
}

/**
 * Connects, writes `request` and collects what comes until `complete(bytes)` gives a value. The
 * other side closes after its answer, or we do.
 */
function exchange(address, request, timeoutMs, complete) {
  return new Promise((resolve, reject) => {
    const socket = connect(address);
    let received = Buffer.alloc(0);
    const fail = (why) => {
      socket.destroy();
      reject(new GuestUnreachable(why));
    };
    const timer = setTimeout(() => fail(`no answer within ${timeoutMs} ms`), timeoutMs);
    socket.on("data", (part) => {
      received = Buffer.concat([received, part]);
      const answer = complete(received);
      if (answer === undefined) return;
      socket.destroy();
      resolve(answer);
    });
    socket.on("error", (error) => fail(error.message));
    socket.on("close", () => {
      clearTimeout(timer);
      reject(new GuestUnreachable("the guest closed the connection"));
    });
    socket.write(request);
  });
}

/** Runs a shell script in the guest `name`; see `guest/agent` for the exchange. */
export async function runInGuest(name, script, { seconds = 300 } = {}) {
  const port = Number(readFileSync(join(stateOf(name), "ctl.port"), "utf8"));
  const request = `${seconds} ${Buffer.byteLength(script)}\n${script}`;
  // The guest ends the script itself; our limit is for a guest that no longer answers.
  return exchange({ host: "127.0.0.1", port }, request, (seconds + 15) * 1000, (bytes) => {
    const line = bytes.indexOf("\n");
    if (line === -1) return undefined;
    const [status, out, err] = bytes.subarray(0, line).toString().split(" ").map(Number);
    const at = line + 1;
    if (bytes.length < at + out + err) return undefined;
    return {
      status,
      stdout: bytes.subarray(at, at + out).toString(),
      stderr: bytes.subarray(at + out, at + out + err).toString(),
    };
  });
}

/** One command to QEMU itself (QMP); resolves with what it returned. */
export async function monitor(name, execute, args = {}) {
  const request = [{ execute: "qmp_capabilities" }, { execute, arguments: args }]
    .map((command) => `${JSON.stringify(command)}\n`)
    .join("");
  const answer = await exchange({ path: join(stateOf(name), "qmp") }, request, 15_000, (bytes) => {
    // A greeting, an answer to each of the two commands, and events between them.
    const lines = bytes.toString().split("\n").slice(0, -1);
    return lines.map((line) => JSON.parse(line)).filter((m) => "return" in m || "error" in m)[1];
  });
  if (answer.error) throw new Error(answer.error.desc);
  return answer.return;
}

async function main(args) {
  const options = { "-n": "target", "-t": "300" };
  while (args[0] in options) options[args.shift()] = args.shift();
  const name = options["-n"];
  const [verb, ...rest] = args;
  if (verb === "--pause") await monitor(name, "stop");
  else if (verb === "--resume") await monitor(name, "cont");
  else if (verb === "--hmp") {
    const line = { "command-line": rest.join(" ") };
    process.stdout.write(await monitor(name, "human-monitor-command", line));
  } else if (verb === undefined || verb.startsWith("--")) {
    const help = readFileSync(fileURLToPath(import.meta.url), "utf8").match(/(?:^\/\/.*\n)+/m)[0];
    process.stderr.write(help.replaceAll(/^\/\/ ?/gm, ""));
    process.exitCode = 2;
  } else {
    const script = args.join(" ") === "-" ? await text(process.stdin) : `${args.join(" ")}\n`;
    const { status, stdout, stderr } = await runInGuest(name, script, {
      seconds: Number(options["-t"]),
    });
    process.stdout.write(stdout);
    process.stderr.write(stderr);
    process.exitCode = status;
  }
}

if (realpathSync(process.argv[1] ?? ".") === fileURLToPath(import.meta.url)) {
  await main(process.argv.slice(2)).catch((error) => {
    process.stderr.write(`ctl: ${error.message}\n`);
    process.exitCode = 255;
  });
}
