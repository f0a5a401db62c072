'use strict';
// Small things that all parts of the page share: elements, icons, and work that is never queued.

/** An element; `text` is its text, names with on… are listeners, null and false leave an attribute out. */
function make(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === 'text') node.textContent = value;
    else if (name.startsWith('on')) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? '' : value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

const ICONS = {
  play: 'M4.5 3v10l8-5z',
  pause: 'M4 3h3v10H4zM9 3h3v10H9z',
  back: 'M8 3.2V.8L3.8 4.2 8 7.6V5a3.9 3.9 0 1 1-3.9 3.9H2.3A5.7 5.7 0 1 0 8 3.2z',
};

/** A small drawing in the colour of the text; what it means is in the label of its button. */
function icon(name) {
  const space = 'http://www.w3.org/2000/svg';
  const drawing = document.createElementNS(space, 'svg');
  const path = document.createElementNS(space, 'path');
  drawing.setAttribute('viewBox', '0 0 16 16');
  drawing.setAttribute('aria-hidden', 'true');
  path.setAttribute('d', ICONS[name]);
  drawing.append(path);
  return drawing;
}

/** A number of at most so many decimals, with a true minus sign. */
function written(value, decimals = 2) {
  const text = value.toFixed(decimals);
  return Number(text) === 0 ? text.replace('-', '') : text.replace('-', '−');
}

/** Work that is never queued: while it runs, of all further requests the last is kept, and done next. */
class Latest {
  constructor(work) {
    this.work = work;
    this.wanted = null;
    this.running = null; // a promise while there is work
  }

  request(...what) {
    this.wanted = what;
    this.running ??= this.run();
  }

  /** Whether there is a later request than the one that is being done. */
  get isAwaited() {
    return this.wanted !== null;
  }

  async run() {
    while (this.isAwaited) {
      const what = this.wanted;
      this.wanted = null;
      await this.work(...what);
    }
    this.running = null;
  }
}
