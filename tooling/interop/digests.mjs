// Every check runs under each of these; nvme-cli and nvmeof call the options the same.
export const digests = [
  { name: "no digests", options: [] },
  { name: "header digest", options: ["--hdr-digest"] },
  { name: "data digest", options: ["--data-digest"] },
  { name: "both digests", options: ["--hdr-digest", "--data-digest"] },
];
