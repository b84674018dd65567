// The envelope, as scripts know it: a change here is a change for them.

import { expect, test } from "vitest";
import { envelope, jsonText } from "./envelope.ts";
import { CliError, describeError, errorText, noteCircumstances } from "./errors.ts";
import { version } from "./version.ts";

test("a result is one document on one line, with every field of the envelope", () => {
  const data = {
    nsid: 1,
    sizeBytes: 2n ** 60n,
    nguid: Uint8Array.of(0xab, 0),
    gone: null,
    ms: 1.23456,
  };
  expect(jsonText(envelope("list", data, ["careful"], null), false)).toBe(
    `{"schema":"nvmeof/list","version":1,"tool":"${version}",` +
      `"data":{"nsid":1,"sizeBytes":"1152921504606846976","nguid":"ab00","gone":null,"ms":1.235},` +
      `"warnings":["careful"],"error":null}\n`,
  );
});

test("an error has all its fields, whatever is known", () => {
  const error = new CliError("NVME_ERR_USAGE", "so it does not work", { hint: "do it so" });
  expect(JSON.parse(jsonText(envelope("list", null, [], describeError(error)), true))).toEqual({
    schema: "nvmeof/list",
    version: 1,
    tool: version,
    data: null,
    warnings: [],
    error: {
      code: "NVME_ERR_USAGE",
      message: "so it does not work",
      hint: "do it so",
      phase: null,
      outcome: null,
      peer: null,
      nvme: null,
      retryable: false,
      exitCode: 2,
      cause: null,
    },
  });
});

test("people read what, with its code, and the hint on a line of its own", () => {
  const error = new CliError("NVME_ERR_USAGE", "so it does not work", { hint: "do it so" });
  const text = "nvmeof: so it does not work (NVME_ERR_USAGE)\nhint: do it so\n";
  expect(errorText(describeError(error))).toBe(text);
});

test("the peer is named once, and what it sent cannot reach the terminal", () => {
  const peer = { address: "::1", port: 4420, subnqn: null };
  const silent = new CliError("NVME_ERR_DEADLINE", "no answer\u001b[2J\r");
  noteCircumstances(silent, { peer, wasLive: true });
  const text = "nvmeof: [::1]:4420: no answer\\x1b[2J\\x0d (NVME_ERR_DEADLINE)\n";
  expect(errorText(describeError(silent))).toBe(text);
  const named = new CliError("NVME_ERR_DEADLINE", "cannot reach [::1]:4420");
  noteCircumstances(named, { peer, wasLive: true });
  expect(errorText(describeError(named))).toContain("nvmeof: cannot reach [::1]:4420 (");
});
