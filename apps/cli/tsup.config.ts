// One self-contained file, nvmeof.js: the packages and the argument parser are bundled in. Beside it the few
// lines of bin.js, which is what people start.
import { program } from "@nvmeof/tsup-config";

const options = program({ nvmeof: "src/index.ts", bin: "src/bin.ts" });

export default {
  ...options,
  esbuildOptions(build: Parameters<typeof options.esbuildOptions>[0]) {
    options.esbuildOptions(build);
    // Half of the time that a short command takes is the reading of this file. Names stay, for traces.
    build.minifyWhitespace = true;
    build.minifySyntax = true;
  },
};
