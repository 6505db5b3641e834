/** A page of names in their order, as the Cluster service pages its clients and topics. */
export interface PageOptions {
  /** A part of the name; "" for all. */
  readonly search: string;
  /** The last name of the page before; "" for the first. */
  readonly after: string;
  /** 0 for the default. */
  readonly limit: number;
}

/** The names of a page, and how many match on all of them. */
export interface Page {
  readonly names: readonly string[];
  readonly total: number;
}

const DEFAULT_PAGE = 50;
const MAX_PAGE = 500;
/** Names that are looked at before others get their turn of the event loop. */
const SLICE = 10_000;

/** The number of entries of a page. */
export function pageSize({ limit }: Pick<PageOptions, "limit">): number {
  return limit === 0 ? DEFAULT_PAGE : Math.min(limit, MAX_PAGE);
}

/**
 * Finds a page among many names that are in no order. It looks at each once, in slices, so that nothing waits for it; names
 * that come and go meanwhile may be missed.
 */
export async function pageOf(names: Iterable<string>, options: PageOptions): Promise<Page> {
  const { search, after } = options;
  const size = pageSize(options);
  let total = 0;
  let looked = 0;
  let page: string[] = [];
  /** Once the page was cut for the first time, a name after this one is on a later page. */
  let last: string | undefined;
  for (const name of names) {
    if (++looked % SLICE === 0) await new Promise((resolve) => setTimeout(resolve, 0));
    if (search !== "" && !name.includes(search)) continue;
    total++;
    if ((after !== "" && name <= after) || (last !== undefined && name > last)) continue;
    page.push(name);
    if (page.length < 2 * size) continue;
    page = page.sort(byName).slice(0, size);
    last = page.at(-1);
  }
  return { names: page.sort(byName).slice(0, size), total };
}

/** By code units, as `<` compares. */
export function byName(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0;
}
