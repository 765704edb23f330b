"use strict";
(() => {
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  document.documentElement.classList.add("js");

  // Sorting: undefined values come last whichever way; equal ones keep their order.
  const ascendingFirst = (head) => !head.classList.contains("score");
  const key = (row, column) => {
    const value = row.cells[column].dataset.value;
    if (value === undefined) return null;
    const number = Number(value);
    return row.cells[column].className.match(/number|rank/) && !Number.isNaN(number) ? number : value.toLowerCase();
  };
  const compare = (a, b) => (typeof a === "string" ? a.localeCompare(b) : a - b);
  const sort = (head) => {
    const table = head.closest("table"), body = table.tBodies[0], column = head.cellIndex;
    const now = head.getAttribute("aria-sort");
    const ascending = now === "none" ? ascendingFirst(head) : now === "descending";
    all("th[aria-sort]", table).forEach((other) => other.setAttribute("aria-sort", "none"));
    head.setAttribute("aria-sort", ascending ? "ascending" : "descending");
    const rows = [...body.rows].map((row) => [key(row, column), row]);
    rows.sort(([a], [b]) => (a === null || b === null ? (a === null) - (b === null) : ascending ? compare(a, b) : compare(b, a)));
    body.append(...rows.map(([, row]) => row));
  };
  all("th[aria-sort] button").forEach((button) => button.addEventListener("click", () => sort(button.parentElement)));

  // Filters: a run that is out is out of table, charts and sections.
  const find = document.getElementById("find"), shown = document.getElementById("shown");
  const selects = all("select[data-filter]");
  const filter = () => {
    const chosen = Object.fromEntries(selects.map((select) => [select.dataset.filter, select.value]));
    const wanted = find.value.trim().toLowerCase();
    let left = 0, count = 0;
    for (const board of all(".board")) {
      const here = ["protocol", "size", "scale"].every((name) => !chosen[name] || board.dataset[name] === chosen[name]);
      let rows = 0;
      for (const row of all("tbody tr", board)) {
        const fits = here && (!chosen.recipe || row.dataset.recipe === chosen.recipe) && row.dataset.name.toLowerCase().includes(wanted);
        all(`[data-run="${row.dataset.run}"]`, board).forEach((part) => part.classList.toggle("out", !fits));
        rows += fits;
        count += 1;
      }
      board.classList.toggle("out", !rows);
      left += rows;
    }
    shown.textContent = left === count ? `${count} run${count === 1 ? "" : "s"}` : `${left} of ${count} runs`;
  };
  find.addEventListener("input", filter);
  selects.forEach((select) => select.addEventListener("change", filter));
  filter();

  // The run under the pointer or the focus stands out in every chart of its board.
  const light = (event) => {
    const part = event.target.closest("tr[data-run], .legend [data-run], g.run");
    const board = event.target.closest(".board");
    if (!part && event.type === "focusin") return; // a click focuses the table around its row
    all(".lit").forEach((one) => one.classList.remove("lit"));
    all(".has-lit").forEach((one) => one.classList.remove("has-lit"));
    if (!part || !board || part.closest("details.run")) return;
    board.classList.add("has-lit");
    all(`[data-run="${part.dataset.run}"]`, board).forEach((one) => one.classList.add("lit"));
  };
  document.addEventListener("pointerover", light);
  document.addEventListener("focusin", light);

  // A link to a run opens it; paper shows all of them.
  const open = () => {
    const part = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (part instanceof HTMLDetailsElement) {
      part.open = true;
      part.scrollIntoView();
    }
  };
  window.addEventListener("hashchange", open);
  open();
  window.addEventListener("beforeprint", () => all("details").forEach((part) => { part.open = true; }));
})();
