import type { EChartsOption, SeriesOption } from "echarts";

/** A picture, as ECharts takes it. */
export interface Drawing {
  readonly width: number;
  readonly height: number;
  readonly options: EChartsOption;
}

/** One chart among others, with axes of its own. */
export interface Panel {
  readonly title: string;
  readonly height: number;
  /** Room for the words below it. */
  readonly foot: number;
  readonly x: object;
  readonly y: object;
  readonly series: readonly SeriesOption[];
}

const TITLE = 24;
const GAP = 22;
const TOP = 34;

/** Panels in columns, in the order of reading. */
export function panels(all: readonly Panel[], at: { columns: number; width: number; label: number }): Drawing {
  const { columns, width, label } = at;
  const tops = Array.from({ length: columns }, () => TOP);
  const column = width / columns;
  const places = all.map(({ height, foot }, index) => {
    const own = index % columns;
    const top = tops[own] ?? TOP;
    tops[own] = top + TITLE + height + foot + GAP;
    return { left: own * column, top, height };
  });
  const options: EChartsOption = {
    legend: { top: 4 },
    title: all.map(({ title }, index) => ({
      text: title,
      textStyle: { fontSize: 12 },
      left: (places[index]?.left ?? 0) + 8,
      top: places[index]?.top ?? 0,
    })),
    grid: places.map(({ left, top, height }) => ({
      left: left + label,
      width: column - label - 70,
      top: top + TITLE,
      height,
    })),
    xAxis: all.map(({ x }, gridIndex) => ({ ...x, gridIndex })),
    yAxis: all.map(({ y }, gridIndex) => ({ ...y, gridIndex })),
    series: all.flatMap(({ series }, index) =>
      series.map((one) => ({ ...one, xAxisIndex: index, yAxisIndex: index }) as SeriesOption)
    ),
  };
  return { width, height: Math.max(...tops), options };
}
