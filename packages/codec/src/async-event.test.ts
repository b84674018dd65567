// Results of Asynchronous Event Request, and their names.

import { expect, test } from "vitest";
import {
  AsyncEvent,
  AsyncEventBit,
  AsyncEventType,
  AsyncNoticeInfo,
  asyncEventName,
  decodeAsyncEvent,
} from "./async-event.ts";
import { encodeDword } from "./dword.ts";
import { Lid } from "./log.ts";

test("an ANA change points at the ANA log", () => {
  const event = { aet: AsyncEventType.Notice, aei: AsyncNoticeInfo.AnaChange, lid: Lid.Ana };
  expect(decodeAsyncEvent(0x000c_0302)).toEqual(event);
  expect(encodeDword(AsyncEvent, event)).toBe(0x000c_0302);
});

test.each([
  [2, 0x03, "Notice: ANA Change"],
  [2, 0x00, "Notice: Namespace Attribute Changed"],
  [2, 0xf0, "Notice: Discovery Log Change"],
  [2, 0xf4, "Notice: CCR Completed"],
  [0, 0x03, "Error: Persistent Internal Error"],
  [1, 0x01, "SMART Health: Temperature Threshold"],
  [3, 0x00, "Immediate: Normal Subsystem Shutdown"],
  [6, 0x01, "Command Set: Sanitize Completed"],
  [4, 0x02, "One Shot: 02h"],
  [7, 0x10, "Vendor Specific: 10h"],
])("type %i, information %i", (aet, aei, name) => {
  expect(asyncEventName(aet, aei)).toBe(name);
});

test("reserved types, information and logs are numbers like any other [H51]", () => {
  expect(decodeAsyncEvent(0xffff_ffff)).toEqual({ aet: 7, aei: 0xff, lid: 0xff });
  expect(decodeAsyncEvent(0x0000_7705)).toEqual({ aet: 5, aei: 0x77, lid: 0 });
  expect(asyncEventName(5, 0x77)).toBe("unknown (05h): 77h");
  expect(asyncEventName(2, 0x77)).toBe("Notice: unknown (77h)");
});

test("the bits that enable events are those of the specification", () => {
  expect(Object.values(AsyncEventBit).map((bit) => Math.log2(bit))).toEqual([
    8, 9, 10, 11, 12, 13, 14, 15, 16, 19, 20, 21, 27, 31,
  ]);
});
