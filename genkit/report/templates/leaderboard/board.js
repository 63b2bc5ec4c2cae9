"use strict";
(() => {
  const table = document.getElementById("standings");
  const heads = [...table.tHead.rows[0].cells];
  const models = table.tBodies[0];
  const sorted = [...table.tBodies].filter((body) => !body.classList.contains("failed"));
  const first = new Map(sorted.flatMap((body) => [...body.rows].map((row, place) => [row, place])));
  const collator = new Intl.Collator(undefined, { numeric: true });
  document.querySelectorAll(".tools, .copy").forEach((each) => (each.hidden = false));

  // Sorting by rank restores the initial order; calibration baselines keep theirs.
  function asRanked(sign) {
    for (const body of sorted) {
      const way = body === models ? sign : 1;
      body.append(...[...body.rows].sort((a, b) => way * (first.get(a) - first.get(b))));
    }
  }
  // Missing numbers come last in either direction.
  function order(column, sign) {
    if (column === 0) return asRanked(sign);
    const key = (row) => {
      const cell = row.cells[column];
      return { row, value: cell.dataset.v === undefined ? null : Number(cell.dataset.v), text: cell.textContent };
    };
    const numbers = models.rows.length > 0 && [...models.rows].some((row) => row.cells[column].dataset.v !== undefined);
    const compare = (a, b) => {
      if (!numbers) return sign * collator.compare(a.text, b.text);
      if (a.value === null || b.value === null) return (a.value === null) - (b.value === null);
      return sign * (a.value - b.value);
    };
    for (const body of sorted) body.append(...[...body.rows].map(key).sort(compare).map((each) => each.row));
  }
  heads.forEach((head, column) => {
    const button = head.querySelector("button");
    if (!button) return;
    button.addEventListener("click", () => {
      const best = head.dataset.first === "descending" ? -1 : 1;
      const now = { ascending: 1, descending: -1 }[head.getAttribute("aria-sort")];
      const sign = now ? -now : best;
      heads.forEach((each) => each.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", sign > 0 ? "ascending" : "descending");
      order(column, sign);
    });
  });

  const filter = document.getElementById("filter");
  const count = document.getElementById("count");
  const rows = [...table.tBodies].flatMap((body) => [...body.rows]);
  const texts = rows.map((row) => row.querySelector(".model").textContent.toLowerCase());
  filter.addEventListener("input", () => {
    const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    rows.forEach((row, place) => (row.hidden = !words.every((word) => texts[place].includes(word))));
    const left = [...models.rows].filter((row) => !row.hidden).length;
    count.textContent = words.length ? `${left} of ${models.rows.length}` : "";
  });

  const calibrate = document.getElementById("calibrate");
  const calibration = table.querySelector(".calibration");
  calibrate?.addEventListener("change", () => (calibration.hidden = !calibrate.checked));

  const intervals = document.getElementById("intervals");
  const showIntervals = () => table.classList.toggle("intervals", intervals.checked);
  intervals.addEventListener("change", showIntervals);
  showIntervals();

  const choices = [...document.querySelectorAll("[data-column]")];
  const unchosen = document.getElementById("unchosen");
  const choose = () =>
    (unchosen.textContent = choices
      .filter((each) => !each.checked)
      .map((each) => `.c${each.dataset.column}{display:none}`)
      .join(""));
  choices.forEach((each) => each.addEventListener("change", choose));
  choose(); // a browser may restore checkboxes on reload
  const chooser = document.querySelector(".chooser");
  document.addEventListener("click", (event) => {
    if (chooser?.open && !chooser.contains(event.target)) chooser.open = false;
  });
  chooser?.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    chooser.open = false;
    chooser.querySelector("summary").focus();
  });

  function openTarget() {
    const target = location.hash && document.getElementById(location.hash.slice(1));
    if (target?.tagName !== "DETAILS") return;
    target.open = true;
    target.scrollIntoView();
  }
  addEventListener("hashchange", openTarget);
  openTarget();
  // The address does not change when the same link is clicked again.
  document.querySelectorAll(".model a").forEach((link) =>
    link.addEventListener("click", () => link.hash === location.hash && openTarget()),
  );

  // A fading edge shows that a table can be scrolled.
  const boxes = [...document.querySelectorAll(".box")];
  const fade = (box) => box.classList.toggle("more", box.scrollWidth - box.clientWidth - box.scrollLeft > 4);
  const sizes = new ResizeObserver((entries) => entries.forEach(({ target }) => fade(target.closest(".box"))));
  for (const box of boxes) {
    box.addEventListener("scroll", () => fade(box), { passive: true });
    [box, ...box.children].forEach((each) => sizes.observe(each));
  }

  // A browser may refuse a long data: URL, but not a blob: URL.
  document.querySelectorAll("a[download]").forEach((link) =>
    link.addEventListener("click", () => {
      const [head, content] = link.getAttribute("href").split(",");
      if (!head.startsWith("data:")) return;
      const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
      link.href = URL.createObjectURL(new Blob([bytes], { type: head.slice(5).split(";")[0] }));
    }),
  );

  document.querySelectorAll(".copy").forEach((button) =>
    button.addEventListener("click", async () => {
      const code = button.closest(".entry").querySelector("pre code");
      try {
        await navigator.clipboard.writeText(code.textContent);
        button.textContent = "copied";
      } catch {
        getSelection().selectAllChildren(code); // no clipboard access: the reader can copy the selection
        button.textContent = "selected";
      }
      setTimeout(() => (button.textContent = "copy"), 2000);
    }),
  );
})();
