// What can be seen of a page. Each function gives a list of what is wrong, as texts; an empty one is good.
window.looks = (() => {
  const SLACK = 2; // pixels: letters reach a little out of their boxes
  const SMALLEST = 6; // pixels: a lower box holds no letter

  const hidden = (element) => {
    if (!element.checkVisibility({ visibilityProperty: true, contentVisibilityAuto: true })) return true;
    for (let up = element; up; up = up.parentElement) {
      if (getComputedStyle(up).clipPath.startsWith("inset(50%")) return true;
    }
    return false;
  };

  // Every piece of text that is seen, with the boxes of its lines.
  const texts = () => {
    const found = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
      const parent = node.parentElement;
      if (!node.data.trim() || parent.closest("script, style") || hidden(parent)) continue;
      const range = document.createRange();
      range.selectNodeContents(node);
      const boxes = [...range.getClientRects()].filter((box) => box.width > 1 && box.height > SMALLEST);
      for (const box of boxes) found.push({ text: node.data.trim().slice(0, 40), box, parent });
    }
    return found;
  };

  const meet = (a, b) =>
    Math.min(a.right, b.right) - Math.max(a.left, b.left) > SLACK &&
    Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > SLACK;

  // Letters are lower than their line's box: only the middle of it counts, of words that stand upright too.
  const middle = (box) => {
    const [across, along] = box.width < box.height ? [0.2 * box.width, 0] : [0, 0.2 * box.height];
    return { left: box.left + across, right: box.right - across, top: box.top + along, bottom: box.bottom - along };
  };

  const overlapping = () => {
    const found = texts().map((one) => ({ ...one, box: middle(one.box) })).sort((a, b) => a.box.top - b.box.top);
    const wrong = [];
    found.forEach((one, place) => {
      for (let next = place + 1; next < found.length && found[next].box.top < one.box.bottom; next++) {
        if (meet(one.box, found[next].box)) wrong.push(`"${one.text}" meets "${found[next].text}"`);
      }
    });
    return wrong;
  };

  const clipped = () => {
    const wrong = [];
    if (document.documentElement.scrollWidth > innerWidth) wrong.push(`the page is ${document.documentElement.scrollWidth} wide`);
    for (const { text, box, parent } of texts()) {
      const scrolls = parent.closest(".scroll, pre");
      if (!scrolls && (box.left < -SLACK || box.right > innerWidth + SLACK)) wrong.push(`"${text}" leaves the screen`);
      for (let up = parent; up && up !== document.body; up = up.parentElement) {
        const style = getComputedStyle(up);
        const around = up.getBoundingClientRect();
        for (const [overflow, out] of [
          [style.overflowX, Math.max(around.left - box.left, box.right - around.right)],
          [style.overflowY, Math.max(around.top - box.top, box.bottom - around.bottom)],
        ]) {
          if (["hidden", "clip"].includes(overflow) && out > SLACK) wrong.push(`"${text}" is cut off`);
        }
      }
    }
    return wrong;
  };

  // On paper nothing scrolls: all must be within the width of the page, and a figure within its height.
  const cut = (height) => {
    const wrong = [];
    for (const element of document.querySelectorAll("img, table, figure, pre, .words, .legend")) {
      const box = element.getBoundingClientRect();
      const name = element.alt || element.textContent.trim().slice(0, 40);
      if (box.right > innerWidth + SLACK) wrong.push(`${element.tagName} "${name}" is wider than the page`);
      if (element.matches("figure, .stack") && box.height > height) wrong.push(`"${name}" is higher than the page`);
      if (element.matches("figure, .stack") && getComputedStyle(element).breakInside !== "avoid") {
        wrong.push(`"${name}" may break over pages`);
      }
    }
    return wrong;
  };

  return { overlapping, clipped, cut };
})();
