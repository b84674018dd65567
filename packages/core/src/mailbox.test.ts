// Mail is handled one after another, in order, and never inside the call that posts it.

import { VirtualClock } from "@nvmeof/transport/testing";
import { expect, test } from "vitest";
import { Mailbox } from "./mailbox.ts";

interface Mail {
  readonly name: string;
}

function setup(handle?: (mail: Mail, box: Mailbox<Mail>) => void) {
  const clock = new VirtualClock();
  const handled: string[] = [];
  const box: Mailbox<Mail> = new Mailbox(clock, (mail) => {
    handled.push(mail.name);
    handle?.(mail, box);
    handled.push(`${mail.name} done`);
  });
  return { clock, box, handled };
}

test("nothing is handled inside the call that posts it", () => {
  const { clock, box, handled } = setup();
  box.post({ name: "a" });
  expect(handled).toEqual([]);
  clock.settle();
  expect(handled).toEqual(["a", "a done"]);
});

test("what is posted while mail is handled waits for its turn", () => {
  const { clock, box, handled } = setup((mail, own) => {
    if (mail.name === "a") own.post({ name: "c" });
  });
  box.post({ name: "a" });
  box.post({ name: "b" });
  clock.settle();
  expect(handled).toEqual(["a", "a done", "b", "b done", "c", "c done"]);
});

test("what is posted first overtakes what waits, and not what is being handled", () => {
  const { clock, box, handled } = setup((mail, own) => {
    if (mail.name === "a") own.postFirst({ name: "urgent" });
  });
  box.post({ name: "b" });
  box.postFirst({ name: "a" });
  clock.settle();
  expect(handled).toEqual(["a", "a done", "urgent", "urgent done", "b", "b done"]);
});

test("a handler that throws does not keep the next mail waiting, now or later", () => {
  const { clock, box, handled } = setup((mail) => {
    if (mail.name === "bad") throw new Error("a bug");
  });
  box.post({ name: "bad" });
  box.post({ name: "good" });
  clock.settle();
  expect(handled).toEqual(["bad", "good", "good done"]);
  expect(() => clock.advance(0)).toThrow("a bug");
  box.post({ name: "later" });
  clock.settle();
  expect(handled.slice(3)).toEqual(["later", "later done"]);
});
