// One self-contained file: the packages and the argument parser are bundled in.
import { program } from "@nvmeof/tsup-config";

const options = program({ nvmeof: "src/index.ts" });

export default {
  ...options,
  esbuildOptions(build: Parameters<typeof options.esbuildOptions>[0]) {
    options.esbuildOptions(build);
    // Half of the time that --version takes is the reading of this file. Names stay, for traces.
    build.minifyWhitespace = true;
    build.minifySyntax = true;
  },
};
