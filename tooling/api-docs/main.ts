// `npm run api-docs`: writes the reference of all packages as pages of HTML.
// Read first: reference.ts.
import { root } from "@nvmeof/tooling-support";
import { entryPoints, readReference } from "./reference.ts";

if (process.stderr.isTTY) process.stderr.write("Reading all sources, which takes some 15 s…\n");
const { app, project, complaints } = await readReference(entryPoints());
const folder = `${root}api-docs`;
await app.generateDocs(project, folder);
for (const complaint of complaints) console.error(complaint);
console.log(`${folder}/index.html`);
process.exitCode = complaints.length === 0 ? 0 : 1;
