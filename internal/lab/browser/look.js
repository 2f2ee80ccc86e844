// Looks at the whole page and returns what is wrong, a line for each.
(() => {
  const wrong = new Set();
  const width = document.documentElement.clientWidth;
  const name = e => e.tagName.toLowerCase() + (e.id ? "#" + e.id : "") + (e.className && e.className.baseVal === undefined && e.className ? "." + e.className.split(" ").join(".") : "") + " " + JSON.stringify((e.textContent || "").trim().slice(0, 30));

  if (document.documentElement.scrollWidth > width) {
    wrong.add(`the page is ${document.documentElement.scrollWidth} pixels wide, the window ${width}`);
    for (const e of document.querySelectorAll("body *")) {
      if (e.getBoundingClientRect().right > width + 1 && getComputedStyle(e).visibility !== "hidden" && !e.closest(".scroll, pre")) wrong.add(`too far right: ${name(e)}`);
    }
  }

  const seen = (e, w, h) => {
    const r = e.getBoundingClientRect();
    if (r.width < w || r.height < h) wrong.add(`hardly visible, ${Math.round(r.width)} x ${Math.round(r.height)}: ${name(e)}`);
    if (!e.closest(".scroll") && (r.left < -1 || r.right > width + 1)) wrong.add(`out of the window, ${Math.round(r.left)} to ${Math.round(r.right)}: ${name(e)}`);
  };
  document.querySelectorAll(".drawing").forEach(e => seen(e, 200, 150));
  document.querySelectorAll(".curves path").forEach(e => seen(e, 0, 0));
  document.querySelectorAll(".bars rect").forEach(e => seen(e, 0, 5));
  document.querySelectorAll(".confusion table, .table table").forEach(e => { if (!e.closest("details")) seen(e, 60, 30); });
  document.querySelectorAll("img").forEach(e => { seen(e, 8, 4); if (!e.complete || !e.naturalWidth) wrong.add(`picture not shown: ${name(e)}`); });
  document.querySelectorAll(".axes text").forEach(e => {
    const r = e.getBoundingClientRect();
    if (r.width && (r.left < 0 || r.right > width)) wrong.add(`label out of the window: ${e.textContent}`);
  });
  for (const axes of document.querySelectorAll(".axes")) {
    for (const kind of [".x", ".y"]) {
      const boxes = [...axes.querySelectorAll("text" + kind)].map(e => [e, e.getBoundingClientRect()]).filter(([, r]) => r.width);
      if (boxes.length < 2) wrong.add(`only ${boxes.length} labels on an axis of ${name(axes.closest("figure"))}`);
      boxes.forEach(([e, r], i) => boxes.slice(i + 1).forEach(([f, s]) => {
        if (r.left < s.right && s.left < r.right && r.top < s.bottom - 2 && s.top < r.bottom - 2) wrong.add(`labels touch: ${e.textContent} and ${f.textContent}`);
      }));
    }
  }

  // Contrast of text by WCAG 2: 4.5, or 3 where it is large.
  const parse = text => {
    let m = text.match(/^rgba?\(([^)]+)\)/);
    if (m) { const v = m[1].split(/[\s,/]+/).map(Number); return [v[0] / 255, v[1] / 255, v[2] / 255, v[3] ?? 1]; }
    m = text.match(/^color\(srgb ([^)]+)\)/);
    if (m) { const v = m[1].split(/[\s/]+/).map(Number); return [v[0], v[1], v[2], v[3] ?? 1]; }
    wrong.add(`a colour this test cannot read: ${text}`);
    return [0, 0, 0, 1];
  };
  const over = (a, b) => [0, 1, 2].map(i => a[i] * a[3] + b[i] * (1 - a[3])).concat(1);
  const ground = e => {
    const layers = [];
    for (; e; e = e.parentElement) {
      const c = parse(getComputedStyle(e).backgroundColor);
      layers.push(c);
      if (c[3] === 1) break;
    }
    return layers.reverse().reduce((b, a) => over(a, b), [1, 1, 1, 1]);
  };
  const light = c => { const f = x => x <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4; return 0.2126 * f(c[0]) + 0.7152 * f(c[1]) + 0.0722 * f(c[2]); };
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  let texts = 0;
  while (walk.nextNode()) {
    const e = walk.currentNode.parentElement;
    if (!walk.currentNode.textContent.trim() || e.closest("title, style, defs")) continue;
    const s = getComputedStyle(e), size = parseFloat(s.fontSize);
    if (size === 0 || s.display === "none") continue;
    texts++;
    const svg = e instanceof SVGElement;
    const back = ground(svg ? e.closest("div, td, li, figure, body") : e), text = over(parse(svg ? s.fill : s.color), back);
    const [a, b] = [light(text), light(back)].sort((x, y) => y - x), ratio = (a + 0.05) / (b + 0.05);
    const large = size >= 24 || size >= 18.66 && parseInt(s.fontWeight) >= 700;
    if (ratio < (large ? 3 : 4.5)) wrong.add(`contrast ${ratio.toFixed(2)}: ${name(e)}`);
    if (size < 11) wrong.add(`text of ${size} pixels: ${name(e)}`);
  }
  if (texts < 5) wrong.add(`only ${texts} texts`);

  // Marks and lines against the paper: 3.
  const paper = ground(document.body);
  for (const e of document.querySelectorAll(".line, .legend use, .marks use, .bars rect")) {
    const s = getComputedStyle(e), c = over(parse(e.matches(".line") ? s.stroke : s.fill), paper);
    const [a, b] = [light(c), light(paper)].sort((x, y) => y - x);
    if ((a + 0.05) / (b + 0.05) < 3) wrong.add(`a mark has contrast ${((a + 0.05) / (b + 0.05)).toFixed(2)}`);
  }

  // What shows values takes the focus, and then shows them within the window.
  for (const e of document.querySelectorAll(".stop, .centre")) {
    e.focus();
    const tip = e.querySelector(".tip"), r = tip.getBoundingClientRect();
    if (document.activeElement !== e) wrong.add(`takes no focus: ${e.getAttribute("aria-label")}`);
    if (getComputedStyle(tip).visibility !== "visible" || r.width < 20) wrong.add(`shows nothing on focus: ${e.getAttribute("aria-label")}`);
    if (r.left < 0 || r.right > width) wrong.add(`the value is out of the window, ${Math.round(r.left)} to ${Math.round(r.right)}: ${e.getAttribute("aria-label")}`);
    if (!e.getAttribute("aria-label")) wrong.add("a place of a chart has no name");
  }
  document.activeElement.blur();
  for (const e of document.querySelectorAll(".chart")) {
    if (e.querySelector(".drawing") && !e.querySelector(".stop, .centre")) wrong.add(`a chart without values: ${name(e)}`);
    if (e.querySelector(".drawing") && !e.querySelector("details table caption")) wrong.add(`a chart without a table: ${name(e)}`);
  }
  for (const e of document.querySelectorAll("table")) {
    if (!e.caption || e.querySelector("th:not([scope])")) wrong.add(`a table without caption or scopes: ${name(e)}`);
  }
  for (const what of ["main", "header", "h1", "a.skip[href='#content']"]) {
    if (document.querySelectorAll(what).length !== 1) wrong.add(`the page has no ${what}, or several`);
  }
  const ids = [...document.querySelectorAll("[id]")].map(e => e.id);
  if (new Set(ids).size !== ids.length) wrong.add("an id stands twice");
  for (const e of document.querySelectorAll("[href^='#']")) {
    if (!document.getElementById(e.getAttribute("href").slice(1))) wrong.add(`goes nowhere: ${e.getAttribute("href")}`);
  }
  window.scrollTo(0, 0);
  return [...wrong].slice(0, 40);
})()
