// The reference of all packages: entry points into one project of TypeDoc, and what is wrong with it.
// Read first: internals.ts for the types that are left out; CONTRIBUTING.md for how to print it.
import {
  Application,
  type DeclarationReflection,
  LogLevel,
  Logger,
  type ProjectReflection,
  type Reflection,
  type SomeType,
  makeRecursiveVisitor,
} from "typedoc";
import { type Manifest, manifests, root } from "@nvmeof/tooling-support";
import { internals } from "./internals.ts";

/** A module that users import, and the source behind it. */
export interface EntryPoint {
  /** `@nvmeof/bdev/nvme` */
  specifier: string;
  /** Absolute path. */
  file: string;
}

const sourceOf = (entry: string | Record<string, string>): string | undefined =>
  typeof entry === "string" ? undefined : entry["@nvmeof/source"];

const entryPointsOf = ({ dir, name, exports = {} }: Manifest): EntryPoint[] =>
  Object.entries(exports).flatMap(([subpath, entry]) => {
    const source = sourceOf(entry);
    if (source === undefined) return [];
    return [{ specifier: name + subpath.slice(1), file: `${root}${dir}/${source.slice(2)}` }];
  });

/** Every module of every library. */
export const entryPoints = (): EntryPoint[] => manifests().flatMap(entryPointsOf);

/** Keeps what TypeDoc warns of. */
class Collector extends Logger {
  readonly warnings: string[] = [];

  override log(message: string, level: LogLevel): void {
    if (level >= LogLevel.Warn) this.warnings.push(message);
  }
}

export interface Reference {
  app: Application;
  project: ProjectReflection;
  /** What is wrong with it, a line each. */
  complaints: string[];
}

/**
 * Reads all sources. Takes some 10 s.
 *
 * @throws Error when there is nothing that could be read.
 */
export async function readReference(
  modules: readonly EntryPoint[],
  tsconfig = `${root}tsconfig.check.json`,
): Promise<Reference> {
  const logger = new Collector();
  const app = await Application.bootstrap({
    entryPoints: modules.map(({ file }) => file),
    tsconfig,
    name: "nvmeof",
    readme: "none",
    disableSources: true, // they would be links to a server
    excludePrivate: true,
    excludeInternal: true,
    skipErrorChecking: true, // `npm run typecheck` does, by the compiler that counts
    validation: { invalidLink: true, notExported: false, notDocumented: false },
  });
  app.logger = logger;
  const project = await app.convert();
  if (project === undefined) throw new Error(`no reference:\n${logger.warnings.join("\n")}`);
  nameModules(project, modules);
  app.validate(project);
  const complaints = [...logger.warnings, ...undocumented(project), ...unexported(project)].sort();
  return { app, project, complaints };
}

/** By the name that users import; TypeDoc has called them by their folders, in order of these. */
function nameModules(project: ProjectReflection, modules: readonly EntryPoint[]): void {
  for (const module of project.children ?? []) {
    const folder = `${module.name.replace("/src", "")}/`;
    const found = modules.find(({ specifier }) => `${specifier}/` === `@nvmeof/${folder}`);
    if (found !== undefined) module.name = found.specifier;
  }
}

const isDocumented = (each: DeclarationReflection): boolean =>
  each.hasComment() ||
  (each.signatures ?? []).some((signature) => signature.hasComment()) ||
  (each.getSignature?.hasComment() ?? false);

/** What a module exports without a word on it. */
function undocumented(project: ProjectReflection): string[] {
  return (project.children ?? []).flatMap((module) =>
    (module.children ?? [])
      .filter((each) => !each.isReference() && !isDocumented(each))
      .map((each) => `${module.name}: ${each.name} has no docstring`),
  );
}

function typesOf(each: Reflection): SomeType[] {
  const { type, extendedTypes, implementedTypes } = each as Partial<DeclarationReflection>;
  return [type, ...(extendedTypes ?? []), ...(implementedTypes ?? [])].filter(
    (type) => type !== undefined,
  );
}

/** Types of ours that an export needs and nobody can name. */
function unexported(project: ProjectReflection): string[] {
  const found = new Map<string, string>();
  for (const each of Object.values(project.reflections)) {
    const visitor = makeRecursiveVisitor({
      reference(type) {
        if (type.reflection !== undefined || type.isIntentionallyBroken()) return;
        if (type.package?.startsWith("@nvmeof/") !== true) return;
        const name = `${type.package} ${type.qualifiedName}`;
        if (!found.has(name)) found.set(name, each.getFriendlyFullName());
      },
    });
    for (const type of typesOf(each)) type.visit(visitor);
  }
  const missing = [...found].filter(([name]) => !internals.has(name));
  const stale = [...internals].filter((name) => !found.has(name));
  return [
    ...missing.map(([name, user]) => `${name} is not exported, but ${user} needs it`),
    ...stale.map((name) => `internals.ts: ${name} is exported or gone`),
  ];
}
