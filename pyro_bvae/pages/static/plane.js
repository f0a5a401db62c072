'use strict';
// The plane of two latents: held-out codes as points, and a cross at z. Drag the cross and watch the picture; hold the
// pointer over a point to see its image, and click on it to start from it.

const CLICK_REACH = 6; // pixels of the style from a point
const GRIP_REACH = 9; // from the cross: there a drag begins, and no click on a point
const DRAG_FROM = 4; // pixels that a press on a point moves before it is a drag
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
const PLANE_NOTE = 'Points are held-out data. Drag the cross or use the arrow keys. A click on a point starts from it, '
  + 'and Enter starts from the nearest.';

class Plane {
  /**
   * @param {Element} element that is filled
   * @param {object} state of the run: z, start, view, source, range, and startFrom(choice)
   * @param {() => void} change called when z has been moved
   */
  constructor(element, state, change) {
    Object.assign(this, { element, state, change, hovered: null, press: null });
    element.hidden = state.view.K < 2;
    if (element.hidden) return;
    const { codes, colourings } = state.view;
    this.means = codes ? numbersOf(codes.mean) : new Float32Array(0);
    this.latents = orderOf(state.view).slice(0, 2);
    this.colouring = new Colouring(colourings[0] ?? null);
    this.build();
    this.field = new PlaneField(this.canvas);
    this.images = new Latest((point) => this.showImage(point));
    this.listen();
    this.renamed();
    this.colouring.explain(this.legend);
    this.place();
  }

  build() {
    const { view } = this.state;
    const run = this.element.closest('[data-run]')?.dataset.run ?? '0';
    this.selects = ['Across', 'Up'].map((label, axis) => {
      const select = make('select', { 'aria-label': `Latent of the plane, ${label.toLowerCase()}` });
      select.append(...orderOf(view).map((latent) => make('option', { value: latent })));
      select.value = this.latents[axis];
      select.addEventListener('change', () => this.choose(axis, Number(select.value)));
      return select;
    });
    this.colours = make('select', { 'aria-label': 'Colour of the points' },
      ...view.colourings.map(({ name }, place) => make('option', { value: place, text: name })),
      make('option', { value: -1, text: 'nothing' }));
    this.colours.addEventListener('change', () => this.colour(Number(this.colours.value)));
    this.canvas = make('canvas', { tabindex: 0, role: 'application', 'data-testid': `plane-${run}` });
    this.tip = make('div', { class: 'tip', hidden: true }, make('div', {}, make('canvas', {})), make('p', {}));
    this.legend = make('div', { class: 'legend' });
    this.element.classList.add('plane');
    this.element.append(
      make('div', { class: 'choices' },
        make('label', {}, make('span', { text: 'Across' }), this.selects[0]),
        make('label', {}, make('span', { text: 'Up' }), this.selects[1]),
        view.colourings.length ? make('label', {}, make('span', { text: 'Colour' }), this.colours) : null),
      make('div', { class: 'field' }, this.canvas, this.tip),
      this.legend,
      make('p', { class: 'note', text: view.codes ? PLANE_NOTE : sentence(view.data_note ?? 'there are no data') }),
    );
    this.picture = pictureFor(this.tip.querySelector('canvas'), view, new FeatureScale(view), 'small');
  }

  listen() {
    const { canvas } = this;
    canvas.addEventListener('pointerdown', (event) => this.down(event));
    canvas.addEventListener('pointermove', (event) => this.move(event));
    canvas.addEventListener('pointerup', (event) => this.up(event));
    canvas.addEventListener('pointercancel', () => { this.press = null; });
    canvas.addEventListener('pointerleave', () => this.hover(null));
    canvas.addEventListener('keydown', (event) => this.key(event));
    new ResizeObserver(() => this.update()).observe(canvas);
    addEventListener('resize', () => this.update()); // the page is zoomed
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => {
      this.field.isDrawn = false;
      this.update();
    });
  }

  /** Take other names of latents from the view. */
  renamed() {
    if (this.element.hidden) return;
    for (const select of this.selects) {
      for (const option of select.options) option.textContent = latentInWords(this.state.view, Number(option.value));
    }
  }

  choose(axis, latent) {
    const other = 1 - axis;
    if (this.latents[other] === latent) { // the two change places
      this.latents[other] = this.latents[axis];
      this.selects[other].value = this.latents[other];
    }
    this.latents[axis] = latent;
    this.place();
    this.update();
  }

  colour(place) {
    this.colouring = new Colouring(this.state.view.colourings[place] ?? null);
    this.colouring.explain(this.legend);
    this.place();
    this.update();
  }

  /** Lay out the points: both axes have the same ends, so that all codes and the range of the sliders are inside. */
  place() {
    const { K } = this.state.view;
    const count = this.means.length / K;
    const along = (latent) => Float32Array.from({ length: count }, (_, point) => this.means[point * K + latent]);
    const [xs, ys] = this.latents.map(along);
    let [low, high] = [-this.state.range, this.state.range];
    for (const value of [...xs, ...ys].filter(Number.isFinite)) {
      [low, high] = [Math.min(low, value), Math.max(high, value)];
    }
    const room = 0.03 * (high - low);
    const [across, up] = this.latents.map((latent) => unitOf(this.state.view, latent));
    this.range = this.state.range;
    this.field.show({ xs, ys, low: low - room, high: high + room, colouring: this.colouring,
      names: [across, up] });
    this.canvas.setAttribute('aria-label', `Plane of ${across}, across, and ${up}, up. `
      + 'Arrow keys move the cross, Enter starts from the nearest point.');
  }

  /** Draw the cross where z is. */
  update() {
    if (this.element.hidden) return;
    if (this.range !== this.state.range) this.place();
    const { z, start } = this.state;
    const pick = (codes) => this.latents.map((latent) => codes[latent]);
    const posterior = start && start.scale ? { mean: pick(start.z), scale: pick(start.scale) } : null;
    this.field.paint(pick(z), posterior, this.hovered);
  }

  moveTo(values) {
    this.latents.forEach((latent, axis) => { this.state.z[latent] = values[axis]; });
    this.change();
  }

  startFrom(point) {
    this.state.startFrom({ kind: 'image', index: this.state.view.codes.index[point] });
  }

  cross() {
    return this.field.at(...this.latents.map((latent) => this.state.z[latent]));
  }

  down(event) {
    if (event.button !== 0 || !this.field.unit) return;
    this.canvas.setPointerCapture(event.pointerId);
    const [x, y] = [event.offsetX, event.offsetY];
    const isGrip = Math.hypot(this.cross()[0] - x, this.cross()[1] - y) <= GRIP_REACH;
    const point = isGrip ? null : this.field.nearest(x, y, CLICK_REACH);
    this.press = { x, y, point, isDrag: point === null };
    this.hover(null);
    if (point === null && !isGrip) this.moveTo(this.field.valuesAt(x, y));
  }

  move(event) {
    const [x, y] = [event.offsetX, event.offsetY];
    if (this.press === null) {
      if (event.pointerType !== 'touch' && this.field.unit) this.hover(this.field.nearest(x, y, CLICK_REACH));
      return;
    }
    this.press.isDrag ||= Math.hypot(x - this.press.x, y - this.press.y) >= DRAG_FROM;
    if (this.press.isDrag) this.moveTo(this.field.valuesAt(x, y));
  }

  up() {
    const { press } = this;
    this.press = null;
    if (press && !press.isDrag) this.startFrom(press.point);
  }

  key(event) {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    if (event.key in ARROWS) {
      const step = (event.shiftKey ? 0.5 : 0.1) * this.state.range / 3;
      const values = this.latents.map((latent, axis) => {
        const [value, steps] = [this.state.z[latent], ARROWS[event.key][axis]];
        if (!steps) return value; // as it is to the last digit
        const within = Math.min(this.field.high, Math.max(this.field.low, value + steps * step));
        return Number(within.toPrecision(6));
      });
      this.moveTo(values);
    } else if (event.key === 'Enter') {
      const point = this.field.unit ? this.field.nearest(...this.cross(), Infinity) : null;
      if (point !== null) this.startFrom(point);
    } else return;
    event.preventDefault();
  }

  /** Show what a point is, beside it; nothing for null. */
  hover(point) {
    if (point === this.hovered) return;
    this.hovered = point;
    this.canvas.style.cursor = point === null ? '' : 'pointer';
    this.update();
    if (point === null) {
      this.tip.hidden = true;
      return;
    }
    const { codes, shape } = this.state.view;
    const [x, y] = this.field.at(this.field.xs[point], this.field.ys[point]);
    const words = [`${shape.length === 3 ? 'image' : 'vector'} ${codes.index[point]}`, this.colouring.describe(point)];
    this.tip.querySelector('p').textContent = words.filter(Boolean).join(', ');
    const width = this.canvas.clientWidth;
    const side = x > width / 2 ? `right: ${width - x}px` : `left: ${x}px`;
    this.tip.style.cssText = `top: ${y}px; ${side}`;
    this.images.request(point);
  }

  /** The image of a point into the tip, unless the pointer has gone on; the words alone where it cannot be had. */
  async showImage(point) {
    const x = await this.state.source.image(this.state.view.codes.index[point]).catch(() => null);
    if (point !== this.hovered) return;
    this.tip.hidden = false;
    this.tip.querySelector('canvas').hidden = x === null;
    if (x !== null) this.picture.paint(x);
  }
}

/** A latent with its name, or the factor that it follows, and its KL. */
function latentInWords(view, latent) {
  const { names, follows, kl } = view;
  const name = names?.[latent] || follows?.[latent] || '';
  return [unitOf(view, latent), name, kl ? `${written(kl[latent])} nats` : ''].filter(Boolean).join(' · ');
}
