// What can be computed of a page's accessibility; returns a sentence for each fault.
const faults = [];
const all = (selector) => [...document.querySelectorAll(selector)];
const seen = (element) => element.checkVisibility({ checkVisibilityCSS: true, checkOpacity: true });
const label = (element) => `<${element.tagName.toLowerCase()} class="${element.getAttribute("class") ?? ""}">`;

// Structure.
if (!document.documentElement.lang) faults.push("the page has no language");
if (!document.title.trim()) faults.push("the page has no title");
for (const landmark of ["header", "main", "footer"]) {
  if (all(`body > ${landmark}`).length !== 1) faults.push(`there is not one ${landmark}`);
}
const headings = all("h1, h2, h3, h4").filter(seen).map((heading) => Number(heading.tagName[1]));
if (headings.filter((level) => level === 1).length !== 1) faults.push("there is not one h1 to be seen");
headings.reduce((before, level) => {
  if (level > before + 1) faults.push(`a heading h${level} follows h${before}`);
  return level;
}, 0);
const ids = all("[id]").map((element) => element.id);
for (const id of ids.filter((id, place) => ids.indexOf(id) !== place)) faults.push(`the id ${id} stands twice`);
for (const element of all("[aria-labelledby]")) {
  for (const id of element.getAttribute("aria-labelledby").split(" ")) {
    if (!document.getElementById(id)) faults.push(`${label(element)} is named by ${id}, which is not there`);
  }
}
for (const svg of all("svg")) {
  const decoration = svg.closest("[aria-hidden=true]");
  if (!decoration && svg.getAttribute("role") !== "img") faults.push(`${label(svg)} is neither a picture nor decoration`);
}
for (const table of all("table")) {
  if (!table.querySelector("th")) faults.push("a table has no headings");
}
for (const part of all("summary").filter(seen)) {
  if (part.getBoundingClientRect().height < 24) faults.push(`${label(part)} is too small to be hit`);
}
const room = document.documentElement.clientWidth;
if (document.documentElement.scrollWidth > room) faults.push(`the page is wider than its window of ${room} pixels`);
for (const element of all("body *").filter(seen)) {
  const inside = element.closest(".scroll, .vh, svg");
  if (!inside && element.getBoundingClientRect().right > room + 1) faults.push(`${label(element)} is cut at the right`);
}

// Contrast (WCAG 2.2, 1.4.3 and 1.4.11): colours as the browser computed them, laid over each other.
const parse = (colour) => {
  const parts = colour.match(/[\d.]+/g).map(Number);
  return parts.length < 4 ? [...parts, 1] : parts;
};
const over = (front, back) => [0, 1, 2].map((part) => front[part] * front[3] + back[part] * (1 - front[3])).concat(1);
const grounds = new Map([[null, [255, 255, 255, 1]]]);
const behind = (element) => {
  if (!grounds.has(element)) {
    grounds.set(element, over(parse(getComputedStyle(element).backgroundColor), behind(element.parentElement)));
  }
  return grounds.get(element);
};
const light = (colour) =>
  [0.2126, 0.7152, 0.0722].reduce((sum, weight, part) => {
    const share = colour[part] / 255;
    return sum + weight * (share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4);
  }, 0);
const contrast = (front, back) => {
  const [dark, bright] = [light(over(front, back)), light(back)].sort((one, other) => one - other);
  return (bright + 0.05) / (dark + 0.05);
};
const weak = new Set();
const demand = (element, colour, least, what) => {
  const found = contrast(parse(colour), behind(element));
  if (found < least) weak.add(`${what} has a contrast of ${found.toFixed(2)}, not ${least}`);
};
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
let texts = 0;
while (walker.nextNode()) {
  const element = walker.currentNode.parentElement;
  if (!walker.currentNode.data.trim() || !seen(element) || element.closest("script, style, title, desc")) continue;
  const style = getComputedStyle(element);
  const size = parseFloat(style.fontSize);
  const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
  const colour = element.closest("svg") ? style.fill : style.color;
  demand(element, colour, large ? 3 : 4.5, `the text of ${label(element)}`);
  texts += 1;
}
if (texts < 5) faults.push("there is next to nothing to read");
for (const shape of all("svg rect, svg circle, svg polyline").filter(seen)) {
  const style = getComputedStyle(shape);
  const name = shape.getAttribute("class") ?? "";
  // Not signs of anything: the ground of empty days, and what only answers the mouse.
  if (/\b(day|dense|track|glyph)\b/.test(name)) continue;
  const colour = shape.tagName === "polyline" ? style.stroke : style.fill;
  if (colour !== "none") demand(shape, colour === "currentcolor" ? style.color : colour, 3, `the sign ${label(shape)}`);
}
return [...faults, ...weak];
