// How a change reads in a CHANGELOG.md: as it was written. No hash of a commit, and no list of the
// packages that were released with this one: all of them are, by one version.
module.exports = {
  /** A changeset's summary as an item of a list. */
  getReleaseLine: ({ summary }) => {
    const [first, ...more] = summary.trim().split("\n");
    return Promise.resolve([`- ${first}`, ...more.map((line) => line && `  ${line}`)].join("\n"));
  },
  getDependencyReleaseLine: () => Promise.resolve(""),
};
