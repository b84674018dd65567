// Errors carry facts: a code, the status that stands for them, what is known of the outcome, a hint.

import {
  ConnectInvalidParameter,
  Status,
  encodeDword,
  isNvmeofError,
  statusOf,
} from "@nvmeof/codec";
import { expect, test } from "vitest";
import {
  AbortedError,
  AddressesError,
  type AbortReason,
  ConnectRejectedError,
  KeepAliveError,
  NvmeStatusError,
  StateError,
  TimeoutError,
  UnsupportedError,
} from "./errors.ts";

const DNR = statusOf(0, 0, true);

test("a status error says which command, which status, and whether to retry", () => {
  const error = new NvmeStatusError("Read", Status.LbaOutOfRange | DNR);
  expect(error.message).toBe("Read: LBA Out of Range (0h/80h)");
  expect(error).toMatchObject({ code: "NVME_ERR_STATUS", sct: 0, sc: 0x80, dnr: true });
  expect(error.outcome).toBe("failed");
});

test("a status that Fabrics and NVM commands share is named after the command", () => {
  const shared = Status.ConnectInvalidParameters;
  expect(new NvmeStatusError("Connect", shared, true).message).toContain("Connect Invalid");
  expect(new NvmeStatusError("Write", shared).message).not.toContain("Connect");
});

const objection = (iattr: number, ipo: number): number =>
  encodeDword(ConnectInvalidParameter, { iattr, ipo });

test.each([
  [1, 256, "SUBNQN", /discover/],
  [1, 512, "HOSTNQN", /hostnqn/],
  [1, 0, "HOSTID", /host ID/],
  [1, 16, "CNTLID", /gone/],
  [0, 44, "SQSIZE", /shorter queues/],
  [0, 48, "KATO", /keep-alive/],
  [0, 42, "QID", undefined],
])("K-style refusal: IATTR %i, IPO %i is %s", (iattr, ipo, field, hint) => {
  const error = new ConnectRejectedError(0, Status.ConnectInvalidParameters, objection(iattr, ipo));
  expect(error).toMatchObject({ code: "NVME_ERR_CONNECT_REJECTED", field });
  expect(error.message).toContain(`(${field})`);
  if (hint === undefined) expect(error.hint).toBeUndefined();
  else expect(error.hint).toMatch(hint);
});

test.each([
  [1, 1024, "byte 1024 of the data"],
  [1, 0xffff, "byte 65535 of the data"],
  [0, 63, "byte 63 of the SQE"],
])("H44: an offset that no field has (IATTR %i, IPO %i) is shown as it is", (iattr, ipo, text) => {
  const error = new ConnectRejectedError(0, Status.ConnectInvalidParameters, objection(iattr, ipo));
  expect(error.field).toBe(text);
});

test.each([
  ["an unknown subsystem", 0, Status.ConnectInvalidParameters, objection(1, 256), true],
  ["a host that is not allowed", 0, Status.ConnectInvalidHost, 0, true],
  ["a host that must authenticate", 0, Status.AuthRequired, 0, true],
  ["Do Not Retry for the admin queue", 0, Status.InvalidField | DNR, 0, true],
  ["Do Not Retry for an I/O queue, of this association", 1, Status.InvalidField | DNR, 0, false],
  ["a busy controller", 0, Status.ConnectControllerBusy, 0, false],
  ["a queue that is too long", 1, Status.ConnectInvalidParameters, objection(0, 44), false],
])("whether another attempt makes sense: %s", (_name, qid, status, dw0, permanent) => {
  expect(new ConnectRejectedError(qid, status, dw0).permanent).toBe(permanent);
});

test("a host that is not allowed, or has to authenticate, is told what to do", () => {
  const notAllowed = new ConnectRejectedError(0, Status.ConnectInvalidHost, 0);
  expect(notAllowed).toMatchObject({ code: "NVME_ERR_HOST_NOT_ALLOWED" });
  expect(notAllowed.hint).toContain("Allow this host NQN");
  const auth = new ConnectRejectedError(0, Status.AuthRequired, 0);
  expect(auth).toMatchObject({ code: "NVME_ERR_AUTH_REQUIRED" });
  expect(auth.hint).toContain("DH-HMAC-CHAP");
});

test.each<[AbortReason, string]>([
  ["controller-closed", "NVME_ERR_CONTROLLER_CLOSED"],
  ["controller-reset", "NVME_ERR_CONTROLLER_RESET"],
  ["aborted", "NVME_ERR_ABORTED"],
  ["not-connected", "NVME_ERR_NOT_CONNECTED"],
  ["no-path", "NVME_ERR_NO_PATH"],
])("a command that the host ended says why: %s is %s", (reason, code) => {
  expect(new AbortedError(reason, "unknown", false).code).toBe(code);
});

test.each([
  ["unknown", false, Status.HostAborted],
  ["unknown", true, Status.HostAborted | DNR],
  ["not-sent", false, Status.HostPathError],
  ["not-sent", true, Status.HostPathError | DNR],
] as const)(
  "the status that stands for a command of outcome %s, DNR %s, is the host's own",
  (outcome, dnr, status) => {
    expect(new AbortedError("controller-reset", outcome, dnr)).toMatchObject({ status, outcome });
  },
);

test("a timeout leaves the outcome open, and says how long was waited", () => {
  expect(new TimeoutError("Read", 30_000)).toMatchObject({
    code: "NVME_ERR_TIMEOUT",
    message: "Read: no answer within 30000 ms",
    outcome: "unknown",
    afterMs: 30_000,
    status: Status.HostAborted,
  });
});

test.each([
  ["live", "NVME_ERR_STATE"],
  ["disabled", "NVME_ERR_STATE"],
  ["closing", "NVME_ERR_CONTROLLER_CLOSED"],
  ["closed", "NVME_ERR_CONTROLLER_CLOSED"],
])("F5: a request to a controller that is %s is refused with %s", (state, code) => {
  expect(new StateError("reset", state)).toMatchObject({ code, outcome: "not-sent" });
});

test("a cause is kept, and every error is known by its code", () => {
  const cause = new KeepAliveError(10_000.4);
  const error = new StateError("reset", "closed", { cause });
  expect(error.cause).toBe(cause);
  expect(cause.message).toContain("10000 ms");
  expect([error, cause, new UnsupportedError("no")].every(isNvmeofError)).toBe(true);
});

test("F46: several addresses have one error that says each, and is otherwise that of the last", () => {
  const refused = new TimeoutError("connect", 3_000);
  const rejected = new ConnectRejectedError(0, Status.ConnectInvalidHost, 0);
  const address = "tcp 192.0.2.10 4420";
  const error = new AddressesError([
    { address, error: refused },
    { address: "tcp 192.0.2.11 4420", error: rejected },
  ]);
  expect(error).toMatchObject({
    code: "NVME_ERR_HOST_NOT_ALLOWED",
    status: rejected.status,
    hint: rejected.hint,
    phase: rejected.phase,
    permanent: true,
    cause: rejected,
  });
  expect(error.message).toContain(`${address}: ${refused.message}; tcp 192.0.2.11 4420: `);
  expect(error.addresses[0]).toEqual({ address, error: refused });
  // Whether it is final is said only where the last one says it.
  const silent = new AddressesError([
    { address, error: rejected },
    { address, error: refused },
  ]);
  expect("permanent" in silent).toBe(false);
});
