// Bundled from the entry points in package.json.
import { library } from "@nvmeof/tsup-config";

export default library();
