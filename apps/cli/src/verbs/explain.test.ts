// `explain`: from the tables that the command itself uses, which have no gaps.

import { Fes, Status, describeStatus } from "@nvmeof/codec";
import { describe, expect, test } from "vitest";
import { ExitCode, verdicts } from "../exit-code.ts";
import { failure, nvmeof, nvmeofJson } from "../testing/run.ts";

const meanings = async (...words: string[]): Promise<unknown> =>
  ((await nvmeofJson(["explain", ...words])).data as { meanings: unknown }).meanings;

test.each([["2h/85h"], ["0x285"], ["sct=2,sc=0x85"], ["sct=2 sc=133"], ["status 0x285"]])(
  "%s is a status",
  async (text) => {
    expect(await meanings(text)).toEqual([
      {
        kind: "status",
        name: "Compare Failure (2h/85h)",
        text: "The data compared differs.",
        sct: 2,
        sc: 0x85,
      },
    ]);
  },
);

test("a status that means two things is explained twice", async () => {
  expect(await meanings("1h/82h")).toMatchObject([
    { name: "Attempted Write to Read Only Range (1h/82h), of NVM commands" },
    { name: "Connect Invalid Parameters (1h/82h), of Fabrics commands" },
  ]);
});

test("a plain number is whatever it can be", async () => {
  expect(await meanings("3")).toMatchObject([
    { kind: "exit", exitCode: 3 },
    { kind: "fes", fes: 3 },
    { kind: "status", sct: 0, sc: 3 },
  ]);
});

test("people get the name, and what it means below", async () => {
  expect((await nvmeof(["explain", "fes", "3"])).stdout).toBe(
    "Header Digest Error (FES 3)\n" +
      "  The header digest does not match the header; FEI is the digest that was received.\n",
  );
  const exit = await nvmeof(["explain", "exit", "7"]);
  expect(exit.stdout).toBe("exit code 7 (timeout)\n  A deadline of ours passed.\n");
});

describe("nothing that the command can say is missing:", () => {
  test.each(Object.values(ExitCode))("exit code %i", async (code) => {
    expect(await meanings("exit", String(code))).toMatchObject([{ kind: "exit", exitCode: code }]);
  });

  test("every error code", async () => {
    for (const [code, { exit }] of Object.entries(verdicts)) {
      expect(await meanings(code)).toMatchObject([{ kind: "code", exitCode: ExitCode[exit] }]);
    }
  });

  test("every fatal error status", async () => {
    for (const fes of Object.values(Fes)) {
      const [meaning] = (await meanings("fes", String(fes))) as { text: string }[];
      expect(meaning!.text).not.toContain("no meaning");
    }
  });

  test("every status that the codec names", async () => {
    for (const status of Object.values(Status)) {
      const found = (await meanings(`0x${status.toString(16)}`)) as { name: string }[];
      const names = found.map(({ name }) => name).join();
      expect(names).toContain(describeStatus(status).name);
    }
  });
});

test("an error code says what has happened, how the command ends, and what to do", async () => {
  const [{ text }] = (await meanings("NVME_ERR_READ_ONLY")) as [{ text: string }];
  expect(text).toMatch(
    /^A write to what is read-only\. Ends with exit code 8: .* Nothing was written\./,
  );
});

test.each(["NVME_ERR_UNREACHABEL", "kat", "maxh2cdat"])(
  "what is near %s is suggested",
  async (text) => {
    expect((await failure(["explain", text])).hint).toMatch(
      /^Did you mean (NVME_ERR_UNREACHABLE|KATO|MAXH2CDATA)\?/,
    );
  },
);

test.each(
  "NQN ANA CNTLID KATO R2T CID SQE CQE NSID FES FEI MDTS MAXH2CDATA PDA PSK DNR CRD SCT SC CCR TTAG SUBNQN HOSTID DH-HMAC-CHAP".split(
    " ",
  ),
)("%s is a term", async (term) => {
  expect(await meanings(term)).toMatchObject([{ kind: "term", name: term }]);
});

test("abbreviations are explained, in any case", async () => {
  expect(await meanings("ana")).toMatchObject([{ kind: "term", name: "ANA" }]);
});

test.each([["nonsense"], ["constructor"], ["fes 99999"], ["exit 71"], ["9h/999h"], ["0xffff"]])(
  "%s is not known, and that is told",
  async (text) => {
    expect(await failure(["explain", ...text.split(" ")])).toMatchObject({
      code: "NVME_ERR_UNKNOWN_TERM",
      exitCode: 3,
    });
  },
);
