// Two charts as SVG text: bars over a logarithmic axis, and lines over time.
// Colours come from the page's style; nothing is loaded and nothing runs.

const WIDTH = 760;
const HEIGHT = 240;
const LEFT = 64;
const RIGHT = 36;
const TOP = 12;
const BOTTOM = 44;
const PLOT_WIDTH = WIDTH - LEFT - RIGHT;
const PLOT_HEIGHT = HEIGHT - TOP - BOTTOM;
const TICKS = 4;

/** Text between tags, and in attributes. */
export const escaped = (text: string): string =>
  text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);

const at = (value: number): string => value.toFixed(1);

const svg = (title: string, body: readonly string[]): string =>
  [
    `<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${escaped(title)}">`,
    ...body,
    "</svg>",
  ].join("\n");

const label = (x: number, y: number, anchor: string, text: string): string =>
  `<text x="${at(x)}" y="${at(y)}" text-anchor="${anchor}">${escaped(text)}</text>`;

/** Largest value of an axis: 1, 2 or 5 with zeroes. */
export function roundUp(value: number): number {
  if (!(value > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((step) => step * power).find((each) => each >= value) ?? value;
}

/** Lines across, with what they stand for. */
function grid(top: number, format: (value: number) => string): string[] {
  return Array.from({ length: TICKS + 1 }, (_, i) => {
    const y = TOP + PLOT_HEIGHT - (i / TICKS) * PLOT_HEIGHT;
    const line = `<line class="grid" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${at(y)}" y2="${at(y)}"/>`;
    return line + label(LEFT - 6, y + 4, "end", format((top * i) / TICKS));
  });
}

/** One set of bars: `[from, to, height]`, with 0 < from < to. */
export interface Bars {
  readonly name: string;
  readonly bars: readonly (readonly [from: number, to: number, height: number])[];
}

/** What a chart says of itself. */
export interface ChartText {
  readonly title: string;
  /** Below the horizontal axis. */
  readonly across: string;
  readonly formatX: (value: number) => string;
  readonly formatY: (value: number) => string;
}

/** Bars whose places lie on a logarithmic axis; sets stand in front of each other. */
export function barChart(text: ChartText, sets: readonly Bars[]): string {
  const all = sets.flatMap(({ bars }) => bars);
  const least = Math.min(...all.map(([from]) => from));
  const most = Math.max(...all.map(([, to]) => to));
  const top = roundUp(Math.max(0, ...all.map(([, , height]) => height)));
  const span = Math.log(most / least) || 1;
  const x = (value: number): number => LEFT + (Math.log(value / least) / span) * PLOT_WIDTH;
  const rects = sets.flatMap(({ name, bars }) =>
    bars.map(([from, to, height]) => {
      const tall = (height / top) * PLOT_HEIGHT;
      const box = `x="${at(x(from))}" width="${at(Math.max(0.5, x(to) - x(from)))}"`;
      const what = `${name}: ${text.formatX(from)} to ${text.formatX(to)}: ${height}`;
      return (
        `<rect class="${escaped(name)}" ${box} y="${at(TOP + PLOT_HEIGHT - tall)}" ` +
        `height="${at(tall)}"><title>${escaped(what)}</title></rect>`
      );
    }),
  );
  const ticks = Array.from({ length: TICKS + 1 }, (_, i) => {
    const value = least * Math.exp((span * i) / TICKS);
    return label(x(value), HEIGHT - BOTTOM + 18, "middle", text.formatX(value));
  });
  return svg(text.title, [...grid(top, text.formatY), ...rects, ...ticks, caption(text)]);
}

/** One line: its values are at equal distances. */
export interface Line {
  readonly name: string;
  readonly values: readonly number[];
}

/** Lines over time; each value stands for the interval that begins at its place. */
export function lineChart(text: ChartText, lines: readonly Line[], length: number): string {
  const top = roundUp(Math.max(0, ...lines.flatMap(({ values }) => values)));
  const paths = lines.map(({ name, values }) => {
    const step = PLOT_WIDTH / Math.max(1, values.length);
    const points = values.flatMap((value, i) => {
      const y = at(TOP + PLOT_HEIGHT - (value / top) * PLOT_HEIGHT);
      return [`${at(LEFT + i * step)},${y}`, `${at(LEFT + (i + 1) * step)},${y}`];
    });
    return `<polyline class="${escaped(name)}" points="${points.join(" ")}"/>`;
  });
  const ticks = Array.from({ length: TICKS + 1 }, (_, i) =>
    label(
      LEFT + (i / TICKS) * PLOT_WIDTH,
      HEIGHT - BOTTOM + 18,
      "middle",
      text.formatX((length * i) / TICKS),
    ),
  );
  return svg(text.title, [...grid(top, text.formatY), ...paths, ...ticks, caption(text)]);
}

const caption = ({ across }: ChartText): string =>
  label(LEFT + PLOT_WIDTH / 2, HEIGHT - 6, "middle", across);
