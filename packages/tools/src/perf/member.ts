// One thread of a measurement: opens the device, says so, measures when all are there, and tells what it
// has measured. Read first: crew-messages.ts; run.ts, which is what it does.

import type { BlockDevice } from "@nvmeof/bdev";
import { type MessageLink, WorkerError, errorData } from "@nvmeof/bdev/nvme";
import type { MemberFacts, PerfBoard, ToCrew, ToMember } from "./crew-messages.ts";
import type { LoadShare } from "./load.ts";
import { type PerfOptions, runPart } from "./run.ts";

/** What a member has opened. */
export interface MemberDevice {
  readonly device: BlockDevice;
  readonly facts?: MemberFacts;
  readonly paths?: PerfOptions["paths"];
}

/** What a member does, and with whom. */
export interface MemberOptions extends Omit<
  PerfOptions,
  "device" | "paths" | "signal" | "progress"
> {
  readonly link: MessageLink;
  readonly board: PerfBoard;
  readonly share: LoadShare;
  /** Opens the device; ends early when the signal aborts. Whoever opens it closes it. */
  readonly open: (signal: AbortSignal) => Promise<MemberDevice>;
}

/** Measures as one of several. Never rejects: what goes wrong is told. */
export async function runPerfMember(options: MemberOptions): Promise<void> {
  const { link, board, share, open, ...workload } = options;
  const abort = new AbortController();
  const post = (message: ToCrew): void => link.post(message);
  const gone = new WorkerError("worker-gone", "the measurement was ended");
  try {
    const going = new Promise<void>((go, giveUp) => {
      const stop = (): void => {
        abort.abort(gone);
        giveUp(gone);
      };
      link.receive({
        received: (message) => ((message as ToMember).type === "go" ? go() : stop()),
        ended: stop,
      });
    });
    // Nobody may be waiting for it yet.
    going.catch(() => {});
    const { device, facts = {}, paths } = await open(abort.signal);
    // Told before those of the load: who is ended on purpose has not lost its device.
    device.observe(({ type }) => {
      if (type === "removed" && board.isStopped) abort.abort(gone);
    });
    post({ type: "ready", facts });
    await going;
    const { part, firstError } = await runPart(
      {
        ...workload,
        device,
        paths,
        signal: abort.signal,
        progress: (progress) => board.tell(share.index, progress),
      },
      share,
      { begun: () => post({ type: "begun" }), measured: () => post({ type: "measured" }) },
    );
    post({ type: "part", part, firstError: firstError && errorData(firstError) });
  } catch (error) {
    post({ type: "failed", error: errorData(error) });
  }
}
