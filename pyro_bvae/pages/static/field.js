'use strict';
// The drawing of a plane: axes and points, which are drawn once and kept, and over them the cross, which moves.

const PLANE_MARGIN = { left: 34, right: 10, top: 10, bottom: 24 }; // pixels of the style, for the numbers of the axes

/** Round steps between the lines of an axis, about six of them. */
function tickStep(span) {
  const step = 10 ** Math.floor(Math.log10(span / 6));
  return [1, 2, 5, 10].map((times) => times * step).find((wide) => span / wide <= 7.5);
}

class PlaneField {
  constructor(canvas) {
    this.canvas = canvas;
    this.kept = document.createElement('canvas');
    this.isDrawn = false;
    [this.xs, this.ys, this.low, this.high] = [[], [], -1, 1];
  }

  /**
   * Take other points.
   * @param {{xs: ArrayLike<number>, ys: ArrayLike<number>, low: number, high: number, colouring: Colouring,
   *     names: string[]}} what the points, the ends of both axes, and what stands beside the axes
   */
  show(what) {
    Object.assign(this, what);
    this.isDrawn = false;
  }

  /** Where a pair of values lies, in pixels of the style. */
  at(x, y) {
    return [this.left + (x - this.low) * this.unit, this.bottom - (y - this.low) * this.unit];
  }

  /** The values at a place, inside the axes, rounded to less than a pixel. */
  valuesAt(x, y) {
    const step = 10 ** Math.floor(Math.log10(1 / this.unit));
    const within = (value) => {
      const inside = Math.min(this.high, Math.max(this.low, value));
      return Number((Math.round(inside / step) * step).toPrecision(9));
    };
    return [within(this.low + (x - this.left) / this.unit), within(this.low + (this.bottom - y) / this.unit)];
  }

  /** The point nearest to a place, at most so many pixels from it; null where there is none. */
  nearest(x, y, most) {
    let [best, least] = [null, most * most];
    for (let point = 0; point < this.xs.length; point++) {
      const [across, up] = this.at(this.xs[point], this.ys[point]);
      const distance = (across - x) ** 2 + (up - y) ** 2;
      if (distance <= least) [best, least] = [point, distance];
    }
    return best;
  }

  /** Fit the drawing to the canvas on the screen; false where that is not to be seen. */
  measure() {
    const side = this.canvas.clientWidth;
    const ratio = globalThis.devicePixelRatio || 1;
    const pixels = Math.round(side * ratio);
    if (!side) return false;
    if (this.canvas.width !== pixels || this.canvas.height !== pixels) {
      this.canvas.width = this.canvas.height = this.kept.width = this.kept.height = pixels;
      this.isDrawn = false;
    }
    const span = Math.min(side - PLANE_MARGIN.left - PLANE_MARGIN.right, side - PLANE_MARGIN.top - PLANE_MARGIN.bottom);
    [this.left, this.bottom] = [PLANE_MARGIN.left, PLANE_MARGIN.top + span];
    [this.ratio, this.span, this.unit] = [ratio, span, span / (this.high - this.low)];
    return true;
  }

  /** Draw the points where they are not yet, and the cross. */
  paint(cross, start, marked) {
    if (!this.measure()) return;
    if (!this.isDrawn) this.drawPoints();
    const context = this.canvas.getContext('2d');
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, this.canvas.width, this.canvas.height);
    context.drawImage(this.kept, 0, 0);
    context.scale(this.ratio, this.ratio);
    if (start) this.drawPosterior(context, start);
    if (marked !== null) this.drawMarked(context, marked);
    this.drawCross(context, ...this.at(...cross));
  }

  drawPoints() {
    const style = getComputedStyle(this.canvas);
    this.inks = { ink: style.color, paper: style.getPropertyValue('--field').trim() || 'Canvas' };
    const context = this.kept.getContext('2d');
    context.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    context.clearRect(0, 0, this.kept.width, this.kept.height);
    this.drawAxes(context, style.fontFamily);
    const radius = Math.max(2.6, Math.min(5, 90 / Math.sqrt(this.xs.length)));
    context.strokeStyle = this.inks.paper;
    context.lineWidth = radius / 8;
    context.globalAlpha = 0.85;
    for (let point = 0; point < this.xs.length; point++) {
      const [fill, mark] = this.colouring.look(point);
      context.fillStyle = fill;
      traceMark(context, mark, ...this.at(this.xs[point], this.ys[point]), radius);
      context.fill();
      context.stroke();
    }
    context.globalAlpha = 1;
    this.isDrawn = true;
  }

  drawAxes(context, font) {
    const { left, bottom, span, low, high } = this;
    context.font = `11px ${font}`;
    [context.fillStyle, context.strokeStyle, context.lineWidth] = [this.inks.ink, this.inks.ink, 1];
    const step = tickStep(high - low);
    for (let tick = Math.ceil(low / step); tick <= high / step + 1e-9; tick++) {
      const [x, y] = this.at(tick * step, tick * step).map((place) => Math.round(place) + 0.5);
      context.globalAlpha = tick === 0 ? 0.4 : 0.1;
      context.beginPath();
      context.moveTo(x, bottom);
      context.lineTo(x, bottom - span);
      context.moveTo(left, y);
      context.lineTo(left + span, y);
      context.stroke();
      context.globalAlpha = 0.75;
      const text = brief(tick * step);
      [context.textAlign, context.textBaseline] = ['center', 'top'];
      context.fillText(text, x, bottom + 6);
      [context.textAlign, context.textBaseline] = ['right', 'middle'];
      context.fillText(text, left - 6, y);
    }
    context.globalAlpha = 1;
    context.font = `bold 12px ${font}`;
    [context.textAlign, context.textBaseline] = ['right', 'bottom'];
    context.fillText(this.names[0], left + span - 4, bottom - 4);
    [context.textAlign, context.textBaseline] = ['left', 'top'];
    context.fillText(this.names[1], left + 5, bottom - span + 4);
  }

  /** The mean of q(z | x) of what one started from, ± its standard deviations. */
  drawPosterior(context, { mean, scale }) {
    context.beginPath();
    context.ellipse(...this.at(...mean), ...scale.map((side) => Math.max(2, side * this.unit)), 0, 0, 2 * Math.PI);
    [context.strokeStyle, context.lineWidth] = [this.inks.ink, 1.2];
    context.setLineDash([4, 3]);
    context.stroke();
    context.setLineDash([]);
  }

  drawMarked(context, point) {
    context.beginPath();
    context.arc(...this.at(this.xs[point], this.ys[point]), 7, 0, 2 * Math.PI);
    [context.strokeStyle, context.lineWidth] = [this.inks.ink, 2];
    context.stroke();
  }

  drawCross(context, x, y) {
    const { left, bottom, span } = this;
    for (const [ink, wide] of [[this.inks.paper, 4], [this.inks.ink, 1.4]]) {
      [context.strokeStyle, context.lineWidth] = [ink, wide];
      context.beginPath();
      context.moveTo(left, y);
      context.lineTo(left + span, y);
      context.moveTo(x, bottom);
      context.lineTo(x, bottom - span);
      context.moveTo(x + 8, y);
      context.arc(x, y, 8, 0, 2 * Math.PI);
      context.stroke();
    }
  }
}
