// What `doctor` writes down on its way: steps, in their order, and risks.
// Read first: ../verbs/doctor.ts, which walks.

import { ProtocolError, isNvmeofError } from "@nvmeof/codec";
import type { Report } from "../context.ts";
import { describeError } from "../errors.ts";
import type { Style } from "../style.ts";
import { formatMs } from "../units.ts";

/** The steps, in their order. */
export const stepNames = [
  "name",
  "tcp",
  "tls",
  "initialise",
  "connect",
  "authenticate",
  "enable",
  "identify",
  "queues",
  "discovery",
  "namespaces",
  "read",
  "keep-alive",
  "disconnect",
] as const;
export type StepName = (typeof stepNames)[number];

/** Which step an error of core is of, by what core calls its phase. */
const stepOfPhase: Readonly<Record<string, StepName>> = {
  tcp: "tcp",
  tls: "tls",
  initialize: "initialise",
  login: "initialise",
  "fabrics-connect": "connect",
  authenticate: "authenticate",
  enable: "enable",
  identify: "identify",
  "set-features": "queues",
};

/** The step that an error of connecting belongs to; `agreed`: whether the initialisation was passed. */
export function stepOf(error: unknown, agreed: boolean): StepName {
  if (!isNvmeofError(error)) return "connect";
  // What is no NVMe/TCP at all shows with the first bytes, or with their end.
  if (error instanceof ProtocolError && error.speaks !== undefined) return "initialise";
  if (error.code === "NVME_ERR_CONNECTION_LOST" && error.phase === undefined && !agreed)
    return "initialise";
  return stepOfPhase[error.phase ?? ""] ?? "connect";
}

/** How a step went. */
export interface Step {
  readonly step: StepName;
  readonly state: "ok" | "failed" | "skipped" | "not reached";
  readonly ms: number | null;
  readonly said: string;
}

/** What is written down on the way. */
export class Findings {
  readonly #steps: Step[] = [];
  readonly risks: string[] = [];

  /** In their order, however they came. */
  get steps(): readonly Step[] {
    const place = ({ step }: Step): number => stepNames.indexOf(step);
    return this.#steps.toSorted((a, b) => place(a) - place(b));
  }

  ok(step: StepName, said: string, ms: number | null = null): void {
    this.#note({ step, state: "ok", ms, said });
  }

  skipped(step: StepName, said: string): void {
    this.#note({ step, state: "skipped", ms: null, said });
  }

  /** The way ends here; whatever lies before it was passed. */
  failed(step: StepName, error: unknown): void {
    const at = stepNames.indexOf(step);
    for (const name of stepNames.slice(0, at)) {
      // Whom a discovery controller knows is asked beside the way.
      if (!this.has(name) && name !== "discovery") this.ok(name, "passed");
    }
    const { message, hint } = describeError(error);
    const said = hint === null ? message : `${message}. ${hint}`;
    this.#note({ step, state: "failed", ms: null, said });
    for (const name of stepNames) {
      if (!this.has(name)) this.#note({ step: name, state: "not reached", ms: null, said: "" });
    }
  }

  has(step: StepName): boolean {
    return this.#steps.some((each) => each.step === step);
  }

  report(): Report {
    const { risks, steps } = this;
    return { data: { steps, risks }, text: (style) => textOf(steps, risks, style) };
  }

  /** A step is told once: a way that has failed is still left in order. */
  #note(step: Step): void {
    const at = this.#steps.findIndex((each) => each.step === step.step);
    this.#steps.splice(at === -1 ? this.#steps.length : at, 1, step);
  }
}

const marks = { ok: "✓", failed: "✗", skipped: "-", "not reached": " " } as const;

function textOf(steps: readonly Step[], risks: readonly string[], style: Style): string {
  const width = Math.max(...stepNames.map(({ length }) => length));
  const lines = steps.map(({ step, state, ms, said }) => {
    const time = ms === null ? "" : ` (${formatMs(ms)})`;
    const text = `${marks[state]} ${step.padEnd(width)}  ${state === "ok" ? "" : `${state}: `}${said}${time}`;
    return state === "failed" ? style.bold(text.trimEnd()) : text.replace(/: ?$/, "").trimEnd();
  });
  const warned = risks.map((risk) => `! ${risk}`);
  return `${[...lines, ...warned].join("\n")}\n`;
}
