'use strict';

// The live parts of a report: sliders where they are looked at, two runs side by side, tables that can be sorted.

/** The views of the page; data that several runs share stand in it once. */
function viewsOfReport() {
  const views = JSON.parse(document.getElementById('views').textContent);
  for (const view of views) {
    if (view.images_of !== undefined) view.images = views[view.images_of].images;
  }
  return views;
}

/** Puts the sliders of some runs into an element, in the place of what was there. */
function mountExplorer(element, views) {
  const place = document.createElement('div'); // what those before listened to goes with theirs
  element.replaceChildren(place);
  return new Explorer(place, views, views.map((view) => new EmbeddedSource(view)), { embedded: true });
}

/** Puts the sliders of each run into its section: those of the first at once, the others when they come near. */
function mountSections(views) {
  window.explorers = [];
  const mount = (element) => {
    const place = Number(element.dataset.explorer);
    if (window.explorers[place]) return;
    window.explorers[place] = mountExplorer(element, [views[place]]);
    window.explorer ??= window.explorers[place];
  };
  const near = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (!entry.isIntersecting) continue;
      near.unobserve(entry.target);
      mount(entry.target);
    }
  }, { rootMargin: '600px' });
  document.querySelectorAll('[data-explorer]').forEach((element, number) => {
    if (number === 0) mount(element);
    else near.observe(element);
  });
}

/** Lets the reader choose two runs, whose sliders stand beside each other. */
function mountPair(views) {
  const element = document.querySelector('[data-pair]');
  if (!element) return;
  const chosen = ['left', 'right'].map((side) => document.querySelector(`select[data-side="${side}"]`));
  const show = () => { window.pair = mountExplorer(element, chosen.map((select) => views[Number(select.value)])); };
  for (const select of chosen) select.addEventListener('change', show);
  const near = new IntersectionObserver((entries) => {
    if (!entries.some((entry) => entry.isIntersecting)) return;
    near.disconnect();
    show();
  }, { rootMargin: '600px' });
  near.observe(element);
}

/** The number at the start of a cell, NaN where it has none. */
function numberIn(cell) {
  return Number.parseFloat(cell.textContent.replaceAll('−', '-').replaceAll(',', ''));
}

/** Sorts the rows of a table by a column; cells without a number come last, and texts by the alphabet. */
function sortTable(table, column, ascending) {
  const body = table.tBodies[0];
  const cellOf = (row) => row.cells[column];
  const rows = [...body.rows];
  const areNumbers = rows.some((row) => !Number.isNaN(numberIn(cellOf(row)))) && column > 0;
  const sign = ascending ? 1 : -1;
  rows.sort((one, other) => {
    if (!areNumbers) {
      return sign * cellOf(one).textContent.localeCompare(cellOf(other).textContent, 'en', { numeric: true });
    }
    const [a, b] = [numberIn(cellOf(one)), numberIn(cellOf(other))];
    if (Number.isNaN(a) || Number.isNaN(b)) return Number(Number.isNaN(a)) - Number(Number.isNaN(b));
    return sign * (a - b);
  });
  body.append(...rows);
}

/** Makes each head of a table a button that sorts by its column, and back at the second click. */
function makeSortable(table) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    const button = document.createElement('button');
    button.type = 'button';
    button.textContent = head.textContent;
    button.addEventListener('click', () => {
      const ascending = head.getAttribute('aria-sort') !== 'ascending';
      for (const other of heads) other.removeAttribute('aria-sort');
      head.setAttribute('aria-sort', ascending ? 'ascending' : 'descending');
      sortTable(table, column, ascending);
    });
    head.replaceChildren(button);
  });
}

for (const table of document.querySelectorAll('table.sortable')) makeSortable(table);
{
  const views = viewsOfReport();
  mountSections(views);
  mountPair(views);
}
