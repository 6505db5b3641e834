/** The part of `fetch` that a transport uses. */
export type Fetch = (url: string, init: RequestInit) => Promise<Response>;
