'use strict';
// What the pictures start from: the prior's mean, a draw of z, a held-out datum, or the user's own picture.

/**
 * The bar above the runs. `start({kind, index, seed, file})` is called with what the user chooses; `places` are the
 * indices of the held-out data that the page has, in order, null for all.
 */
class Starts {
  constructor(element, views, sources, start, places = null) {
    Object.assign(this, { element, start, places });
    this.canUpload = sources.some((source) => source.canUpload);
    this.count = Math.min(...views.map((view) => view.held_out).filter((count) => count > 0));
    this.hasLabels = views[0].colourings[0]?.name === 'label';
    this.noun = views[0].shape.length === 3 ? 'image' : 'row';
    this.status = make('p', { class: 'status', role: 'status' });
    element.append(make('div', { class: 'starts' },
      make('span', { class: 'title', text: 'Start from' }),
      make('span', { class: 'group' },
        this.button('Prior mean', () => start({ kind: 'prior' })),
        this.button('Random draw', () => start({ kind: 'random-z', seed: randomBelow(2 ** 31) }))),
      this.heldOut(), this.upload()), this.status);
  }

  button(text, press) {
    return make('button', { type: 'button', text, onclick: press });
  }

  heldOut() {
    if (!Number.isFinite(this.count)) return null;
    const { noun } = this;
    const go = () => this.go(Number(this.index.value));
    this.index = make('input', { type: 'number', min: 0, max: this.count - 1, step: 1, value: 0, onchange: go });
    return make('span', { class: 'group' },
      make('label', {}, `Held-out ${noun}`, this.index),
      this.button('Previous', () => this.step(-1)),
      this.button('Next', () => this.step(1)),
      this.button(`Random ${noun}`, () => this.go(this.anyPlace())));
  }

  anyPlace() {
    return this.places ? this.places[randomBelow(this.places.length)] : randomBelow(this.count);
  }

  /** The datum before or after; where the page holds some alone, of these. */
  step(by) {
    const index = Number(this.index.value);
    if (!this.places) return this.go(index + by);
    const after = this.places.findIndex((place) => place > index);
    const next = after < 0 ? this.places.length : after;
    const there = by > 0 ? next : next - 1 - Number(this.places[next - 1] === index);
    return this.go(this.places.at(there % this.places.length));
  }

  /** A held-out datum; after the last comes the first. */
  go(index) {
    const whole = Number.isFinite(index) ? Math.round(index) : 0;
    this.index.value = ((whole % this.count) + this.count) % this.count;
    this.start({ kind: 'image', index: Number(this.index.value) });
  }

  /** A file to choose, or to drop anywhere on the page. */
  upload() {
    if (!this.canUpload) return null;
    const choose = () => {
      this.take(file.files);
      file.value = '';
    };
    const file = make('input', { type: 'file', accept: 'image/*', onchange: choose });
    const title = 'Choose a picture, or drop one anywhere on the page';
    return make('span', { class: 'group' },
      make('label', { class: 'button', title }, 'Your own picture', file));
  }

  take(files) {
    if (files.length) this.start({ kind: 'upload', file: files[0] });
  }

  /** Take pictures that are dropped on this element. */
  watchDrops(element) {
    if (!this.canUpload) return;
    const hasFiles = (event) => event.dataTransfer && [...event.dataTransfer.types].includes('Files');
    const over = (event, isOver) => {
      if (!hasFiles(event)) return;
      event.preventDefault();
      this.element.classList.toggle('is-dropping', isOver);
    };
    element.addEventListener('dragover', (event) => over(event, true));
    element.addEventListener('dragleave', (event) => { if (!event.relatedTarget) over(event, false); });
    element.addEventListener('drop', (event) => { over(event, false); this.take(event.dataTransfer.files); });
  }

  /** Say what the pictures start from; the number in the field is that of the start that is awaited, if one is. */
  show(start, isAwaited) {
    const { noun } = this;
    const label = start.label ?? null;
    const named = label === null ? '' : `${this.hasLabels ? ', label ' : ': '}${label}`;
    const said = {
      prior: 'The prior’s mean',
      'random-z': 'A draw of z from the prior',
      image: `Held-out ${noun} ${start.index}${named}`,
      upload: `Your own picture, ${start.file}`,
    }[start.kind];
    this.status.textContent = `${said}${start.note ? `. ${start.note}` : ''}`;
    if (start.kind === 'image' && this.index && !isAwaited) this.index.value = start.index;
  }
}

function randomBelow(count) {
  return Math.floor(Math.random() * count);
}
