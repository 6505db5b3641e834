/** Small helpers: elements without HTML, so that no name of a client can become markup; numbers and times in words. */

/** An element: `el("td.num", { title }, child, "text")`. */
export function el(selector, attributes = {}, ...children) {
  const [tag, ...classes] = selector.split(".");
  const element = document.createElement(tag);
  if (classes.length > 0) element.className = classes.join(" ");
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "style") Object.entries(value).forEach(([key, text]) => element.style.setProperty(key, text));
    else if (value !== undefined && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== undefined && child !== ""));
  return element;
}

/** Sets a text only if it differs: what did not change is not drawn again, and not read out again. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** A number with its unit apart: [12.3, "k"]. */
export function split(count) {
  if (count < 10_000) {
    return [count < 100 && count % 1 !== 0 ? count.toFixed(1) : Math.round(count).toLocaleString("en"), ""];
  }
  if (count < 1_000_000) return [(count / 1_000).toFixed(1), "k"];
  return [(count / 1_000_000).toFixed(2), "M"];
}

export function short(count) {
  return split(count).join("");
}

export function bytes(count) {
  if (count < 1_000) return `${Math.round(count)} B`;
  if (count < 1_000_000) return `${(count / 1_000).toFixed(1)} kB`;
  if (count < 1_000_000_000) return `${(count / 1_000_000).toFixed(count < 10_000_000 ? 1 : 0)} MB`;
  return `${(count / 1_000_000_000).toFixed(2)} GB`;
}

export function ago(ms) {
  const seconds = Math.max(0, (Date.now() - ms) / 1_000);
  if (seconds < 120) return `${Math.round(seconds)} s`;
  if (seconds < 7_200) return `${Math.round(seconds / 60)} min`;
  return seconds < 172_800 ? `${Math.round(seconds / 3_600)} h` : `${Math.round(seconds / 86_400)} d`;
}

export function clock(ms) {
  return new Date(ms).toLocaleTimeString("en-GB", { hour12: false }) + `.${String(ms % 1_000).padStart(3, "0")}`;
}

/** An empty state: what is so, and what to do. */
export function empty(title, text) {
  return el("div.empty", {}, el("strong", {}, title), text);
}
