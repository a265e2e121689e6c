import type { Measurement } from "./measure.ts";

const width = 860;
const labelWidth = 470;
const barHeight = 26;
const gap = 14;

/** A bar for each measurement, as long as its ratio; the ceiling is 1. Light and dark. */
export function figure(measurements: Measurement[]): string {
  const bars = [
    { name: "plain INSERT of one row (the ceiling)", ratio: 1 },
    ...measurements.map(({ name, ratio }) => ({ name, ratio })),
  ];
  const longest = Math.max(...bars.map(({ ratio }) => ratio));
  const scale = (width - labelWidth - 60) / longest;
  const height = bars.length * (barHeight + gap) + gap;
  const rows = bars.map(({ name, ratio }, index) => {
    const y = gap + index * (barHeight + gap);
    const end = labelWidth + Math.max(ratio * scale, 1);
    const middle = y + barHeight / 2 + 5;
    return [
      `<text x="${labelWidth - 10}" y="${middle}" text-anchor="end">${escaped(name)}</text>`,
      `<rect x="${labelWidth}" y="${y}" width="${(end - labelWidth).toFixed(1)}" ` +
        `height="${barHeight}" rx="3"${index === 0 ? ' class="ceiling"' : ""}/>`,
      `<text x="${(end + 8).toFixed(1)}" y="${middle}">${ratio.toFixed(2)}</text>`,
    ].join("\n");
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img">
<title>Transactions a second on one account, as a share of plain inserts</title>
<style>
text { font: 14px system-ui, sans-serif; fill: #24292f; }
rect { fill: #2f6f4f; }
rect.ceiling { fill: #8c959f; }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3; }
  rect { fill: #5fb98a; }
  rect.ceiling { fill: #6e7681; }
}
</style>
${rows.join("\n")}
</svg>
`;
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}
