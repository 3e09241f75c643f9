// The atlas by keys: one cell of each model is a stop of the Tab key, arrows go on from it, Escape leaves.
for (const stack of document.querySelectorAll("table.stack")) {
  const rows = [...stack.tBodies[0].rows].map((row) => [...row.querySelectorAll("td:not(.gap)")]);
  const stops = stack.querySelectorAll("td[tabindex]");
  for (const cell of rows.flat()) cell.tabIndex = -1;
  const first = stops[0] || rows[0][0];
  first.tabIndex = 0;
  stack.addEventListener("focusin", (event) => {
    for (const cell of rows.flat()) cell.tabIndex = cell === event.target ? 0 : -1;
  });
  stack.addEventListener("keydown", (event) => {
    const y = rows.findIndex((row) => row.includes(document.activeElement));
    if (y < 0) return;
    if (event.key === "Escape") return document.activeElement.blur();
    const [down, right] = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key] || [];
    if (down === undefined) return;
    event.preventDefault();
    const next = rows[y + down]?.[rows[y].indexOf(document.activeElement) + right];
    if (next) next.focus({ preventScroll: false });
  });
}
