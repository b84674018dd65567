// One self-contained file: the packages and the argument parser are bundled in.
import { program } from "@nvmeof/tsup-config";

export default program({ nvmeof: "src/index.ts" });
