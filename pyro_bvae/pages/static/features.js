'use strict';
// A vector on a canvas: a bar a feature with its name, or a line where there are many.

const MOST_LINES = 300; // features that a strip draws
const MARKED = 3; // of them, those that move most have colours and are named
const LEAST_MOVE = 0.1; // of the largest, for a feature to be named
const STRIP_HEIGHT = 56; // pixels of the style
const LEAST_ROW = 10; // pixels of a feature with a name
const NARROW = 480; // pixels, below which the picture stays on a phone's screen
const DIGITS_OF_A_FEATURE = 3; // significant ones

/** The name of a feature, x3 where it has none. */
function featureName(view, number) {
  return (view.columns && view.columns[number]) || `x${number}`;
}

/** A value in few digits. */
function brief(value) {
  if (!Number.isFinite(value)) return '–';
  const size = Math.abs(value);
  const isExtreme = size >= 1e5 || (size > 0 && size < 1e-3);
  const text = isExtreme ? value.toExponential(1) : String(Number(value.toPrecision(DIGITS_OF_A_FEATURE)));
  return text.replace('-', '−');
}

/** Where values lie between the ends of the plots, 0 to 1; the ends go out as larger values come, until a new start.
 *
 * Features with a mean and deviation of their own are in deviations from the mean.
 */
class FeatureScale {
  constructor(view) {
    const units = view.units ?? view.decoder?.likelihood.standardise;
    this.inDeviations = Boolean(units);
    if (units) [this.loc, this.scale] = [numbersOf(units.loc), numbersOf(units.scale)];
    this.forget();
  }

  /** Begin anew with the ends. */
  forget() {
    [this.low, this.high] = this.inDeviations ? [-3, 3] : [0, 0];
    this.most = 0; // the largest move in a strip so far
  }

  /** A value in the unit of the plots. */
  unit(value, number) {
    if (!this.inDeviations) return value;
    return (value - this.loc[number]) / (this.scale[number] || 1);
  }

  see(x) {
    for (let number = 0; number < x.length; number++) {
      const value = this.unit(x[number], number);
      if (!Number.isFinite(value)) continue;
      if (value < this.low) this.low = value;
      if (value > this.high) this.high = value;
    }
    if (this.inDeviations) this.high = Math.max(this.high, -this.low);
    if (this.inDeviations) this.low = -this.high;
  }

  place(value) {
    return (value - this.low) / (this.high - this.low || 1);
  }
}

/** A canvas with one vector, "large" with names and values or "small" without; as wide as its host, in its colours. */
class FeaturePicture {
  constructor(canvas, view, scale, kind, host) {
    Object.assign(this, { canvas, view, scale, kind, host, x: null, behind: null });
    canvas.classList.add('features');
    canvas.addEventListener('pointermove', (event) => { canvas.title = this.at(event); });
    if (canvas.parentElement) whenSeenAnew(canvas.parentElement, () => this.draw()); // others are drawn once
  }

  /** Draw a vector, with marks where another lies, such as the original. */
  paint(x, behind = null) {
    this.scale.see(x);
    if (behind) this.scale.see(behind);
    Object.assign(this, { x, behind });
    this.draw();
  }

  paintError(original, reconstruction) {
    const zero = this.scale.loc ?? new Float32Array(original.length); // a difference has no mean of its own
    this.paint(original.map((value, i) => value - reconstruction[i] + zero[i]));
  }

  /** The feature under the pointer, with its value. */
  at(event) {
    if (!this.x) return '';
    const box = this.canvas.getBoundingClientRect();
    const share = this.hasBars ? (event.clientY - box.top) / box.height : (event.clientX - box.left) / box.width;
    const number = Math.max(0, Math.min(this.x.length - 1, Math.floor(share * this.x.length)));
    return `${featureName(this.view, number)}: ${brief(this.x[number])}`;
  }

  draw() {
    const width = this.host.clientWidth;
    if (!this.x || !width) return;
    const share = innerWidth < NARROW ? 0.3 : 0.5;
    const most = this.kind === 'large' ? Math.min(share * innerHeight, 560) : 72;
    const step = Math.min(18, most / this.x.length);
    this.hasBars = this.kind === 'large' && step >= LEAST_ROW;
    const flat = this.kind === 'large' ? Math.min(220, most) : most;
    const height = this.hasBars ? Math.round(step * this.x.length) : flat;
    const context = sharpContext(this.canvas, width, height);
    if (this.hasBars) this.drawBars(context, width, step);
    else this.drawLine(context, width, height);
  }

  drawBars(context, width, step) {
    const style = getComputedStyle(this.host);
    const colour = (name) => style.getPropertyValue(`--${name}`);
    const [ink, muted, line, accent] = ['ink', 'muted', 'line', 'accent'].map(colour);
    const size = Math.min(12, step - 1);
    context.font = `${size}px ${style.fontFamily}`;
    context.textBaseline = 'middle';
    const widths = Array.from(this.x, (_, number) => context.measureText(featureName(this.view, number)).width);
    const named = Math.min(Math.round(0.42 * width), Math.ceil(Math.max(...widths)));
    const [left, right] = [named + 8, width - 4.6 * size];
    const across = (value) => left + this.scale.place(value) * (right - left);
    const zero = across(0);
    context.fillStyle = line;
    context.fillRect(zero - 0.5, 0, 1, step * this.x.length);
    this.x.forEach((value, number) => {
      const middle = (number + 0.5) * step;
      const end = across(this.scale.unit(value, number));
      context.fillStyle = accent;
      context.fillRect(Math.min(zero, end), middle - 0.3 * step, Math.max(1, Math.abs(end - zero)), 0.6 * step);
      if (this.behind) {
        context.fillStyle = ink;
        const mark = across(this.scale.unit(this.behind[number], number));
        context.fillRect(mark - 1, middle - 0.42 * step, 2, 0.84 * step);
      }
      context.fillStyle = ink;
      context.textAlign = 'right';
      context.fillText(shortened(context, featureName(this.view, number), named + 1), named, middle);
      context.fillStyle = muted;
      context.fillText(brief(value), width, middle);
    });
  }

  drawLine(context, width, height) {
    const style = getComputedStyle(this.host);
    const down = (value) => height - 3 - this.scale.place(value) * (height - 6);
    context.fillStyle = style.getPropertyValue('--line');
    context.fillRect(0, down(0) - 0.5, width, 1);
    const lines = [[this.behind, '--muted', 1], [this.x, '--accent', 1.6]];
    for (const [x, colour, thick] of lines) {
      if (!x) continue;
      context.strokeStyle = style.getPropertyValue(colour);
      context.lineWidth = thick;
      context.lineJoin = 'round';
      context.beginPath();
      const across = (number) => (number + 0.5) / x.length * width;
      x.forEach((value, number) => context.lineTo(across(number), down(this.scale.unit(value, number))));
      if (x.length === 1) context.lineTo(width, down(this.scale.unit(x[0], 0)));
      context.stroke();
    }
  }
}

/** A strip: how each feature departs from its value at the middle, as curves over the values of one latent. */
class FeatureStrip {
  constructor(canvas, view, scale) {
    Object.assign(this, { canvas, view, scale, data: null });
    canvas.classList.add('features');
    whenSeenAnew(canvas.parentElement, () => { if (this.data) this.paintRow(this.data); });
  }

  /** Draw the curves; the names of the features that move most stand below. */
  paintRow(data) {
    this.data = data;
    const [width, height] = [this.canvas.clientWidth, STRIP_HEIGHT];
    if (!width) return;
    const { order, curves, most } = this.moves(data);
    this.scale.most = Math.max(this.scale.most, most);
    const marked = order.slice(0, MARKED).filter((number) => mostOf(curves[number]) > LEAST_MOVE * this.scale.most);
    const across = (cell) => (cell + 0.5) / data.length * width;
    const down = (value) => height / 2 - value / (this.scale.most || 1) * (height / 2 - 2);
    const style = getComputedStyle(this.canvas);
    const context = sharpContext(this.canvas, width, height);
    for (const number of order.reverse()) {
      const place = marked.indexOf(number);
      context.strokeStyle = style.getPropertyValue(place < 0 ? '--faint' : `--curve-${place}`);
      context.lineWidth = place < 0 ? 1 : 1.8;
      context.beginPath();
      curves[number].forEach((value, cell) => context.lineTo(across(cell), down(value)));
      context.stroke();
    }
    this.name(marked);
  }

  /** The curve of each feature, the features that move most first, and how far the first moves. */
  moves(data) {
    const middle = data[(data.length - 1) / 2];
    const { scale } = this;
    const curve = (number) => data.map((x) => scale.unit(x[number], number) - scale.unit(middle[number], number));
    const curves = Array.from(middle, (_, number) => curve(number));
    const sizes = curves.map(mostOf);
    const order = Array.from(sizes.keys()).sort((a, b) => sizes[b] - sizes[a]).slice(0, MOST_LINES);
    return { order, curves, most: sizes[order[0]] };
  }

  name(marked) {
    if (!this.names) this.canvas.after(this.names = make('p', { class: 'curves' }));
    const words = marked.map((number, place) => (
      make('span', { style: `--curve: var(--curve-${place})`, text: featureName(this.view, number) })));
    this.names.replaceChildren(...(marked.length ? words : ['Hardly any feature moves']));
  }
}

function mostOf(curve) {
  return Math.max(...curve.map(Math.abs));
}

/** Draw again when the place has another width, or the screen goes dark or light. */
function whenSeenAnew(element, draw) {
  new ResizeObserver(draw).observe(element);
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', draw);
}

/** A context that is sharp on this screen, in units of the style's pixels. */
function sharpContext(canvas, width, height) {
  const ratio = globalThis.devicePixelRatio || 1;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  canvas.style.height = `${height}px`;
  const context = canvas.getContext('2d');
  context.scale(ratio, ratio);
  return context;
}

/** A text that fits in a width. */
function shortened(context, text, width) {
  if (context.measureText(text).width <= width) return text;
  let kept = text.slice(0, 60);
  while (kept && context.measureText(`${kept}…`).width > width) kept = kept.slice(0, -1);
  return `${kept}…`;
}
