// `chaos plan`: plans of faults to begin with, and a look at those that exist.

import {
  type ChaosPlanJson,
  chaosExample,
  chaosExampleNames,
  chaosExamples,
  parseChaosPlan,
  planFromSeed,
} from "@nvmeof/tools/chaos";
import type { ChaosPlanOptions } from "../chaos-commands.ts";
import { exampleNamed, jsonAt } from "../chaos/plan-argument.ts";
import type { Report, Verb } from "../context.ts";
import { usage } from "../errors.ts";

const written = (plan: ChaosPlanJson): Report => ({
  data: plan,
  text: () => `${JSON.stringify(plan, null, 2)}\n`,
});

function listed(): Report {
  const examples = chaosExampleNames.map((name) => ({ name, asks: chaosExamples[name].asks }));
  const width = Math.max(...examples.map(({ name }) => name.length));
  const text = (): string =>
    examples.map(({ name, asks }) => `${name.padEnd(width)}  ${asks}\n`).join("");
  return { data: { examples }, text };
}

export const run: Verb<ChaosPlanOptions> = async (context, options) => {
  const { fromSeed, check, example, list } = options;
  if (list === true) return listed();
  if (example !== undefined) return written(chaosExample(exampleNamed(example)));
  if (fromSeed !== undefined) return written(planFromSeed(fromSeed));
  if (check === undefined) {
    throw usage("which plan?", "Say --example NAME, --list, --from-seed N or --check FILE.");
  }
  const { seed, faults } = parseChaosPlan(await jsonAt(check, context));
  const data = { seed, faults: faults.map(({ kind, name }) => ({ kind, name })) };
  return {
    data,
    text: () =>
      [`${check} is a plan: seed ${seed}, ${faults.length} faults\n`]
        .concat(
          faults.map(
            ({ kind, name }, i) => `  faults[${i}] ${kind}${name === kind ? "" : ` "${name}"`}\n`,
          ),
        )
        .join(""),
  };
};
