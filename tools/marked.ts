/**
 * A page with its generated part replaced: what stands between `<!-- NAME … -->` and `<!-- /NAME -->`. The prose around
 * it belongs to the page.
 */
export function withPart(page: string, name: string, text: string): string {
  const start = new RegExp(`<!-- ${name}\\b[^>]*-->`).exec(page);
  const end = page.indexOf(`<!-- /${name} -->`);
  if (!start || end < start.index) {
    throw new Error(`could not fill in ${name}: the page has no <!-- ${name} --> … <!-- /${name} -->`);
  }
  return `${page.slice(0, start.index + start[0].length)}\n\n${text}\n\n${page.slice(end)}`;
}
