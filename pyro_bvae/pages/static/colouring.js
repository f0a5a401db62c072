'use strict';
// How points are coloured: classes in ten colours that colour-blind eyes tell apart, numbers along a ramp. The eleventh
// class has the first colour again and another shape.

// Petroff, Accessible color sequences for data visualization, https://arxiv.org/abs/2107.02270
const CLASS_COLOURS = [
  '#3f90da', '#ffa90e', '#bd1f01', '#94a4a2', '#832db6', '#a96b59', '#e76300', '#b9ac70', '#717581', '#92dadd',
];
const RAMP = ['#440154', '#3b528b', '#21918c', '#5ec962', '#fde725']; // matplotlib's viridis
const RAMP_STEPS = 64;
const NO_VALUE = '#94a4a2';
const MARKS = ['circle', 'square', 'diamond', 'triangle'];

/** The colours, shapes and legend of points by a label or factor; all of one colour where there is none. */
class Colouring {
  /** @param {{name: string, classes: string[]|null, values: (number|null)[]}|null} facts */
  constructor(facts) {
    this.facts = facts;
    if (facts === null || facts.classes !== null) return;
    const known = facts.values.filter(Number.isFinite);
    this.least = Math.min(...known);
    this.most = Math.max(...known);
  }

  /** @returns {[string, string]} the colour and the shape of a point */
  look(point) {
    if (this.facts === null) return [CLASS_COLOURS[0], MARKS[0]];
    const value = this.facts.values[point];
    if (!Number.isFinite(value)) return [NO_VALUE, MARKS[0]];
    if (this.facts.classes !== null) return Colouring.lookOfClass(value);
    const share = this.most > this.least ? (value - this.least) / (this.most - this.least) : 0.5;
    return [RAMP_COLOURS[Math.round(share * RAMP_STEPS)], MARKS[0]];
  }

  static lookOfClass(place) {
    const round = Math.floor(place / CLASS_COLOURS.length);
    return [CLASS_COLOURS[place % CLASS_COLOURS.length], MARKS[round % MARKS.length]];
  }

  /** What a point has, in words; empty where nothing is known. */
  describe(point) {
    if (this.facts === null) return '';
    const value = this.facts.values[point];
    if (!Number.isFinite(value)) return '';
    const { name, classes } = this.facts;
    return `${name} ${classes === null ? fewDigits(value) : classes[value]}`;
  }

  /** Fill an element with the legend. */
  explain(element) {
    element.replaceChildren();
    if (this.facts === null) return;
    if (this.facts.classes === null) {
      element.append(...this.rampParts());
      return;
    }
    const items = this.facts.classes.map((name, place) => classItem(name, Colouring.lookOfClass(place)));
    element.append(...items);
  }

  rampParts() {
    if (!Number.isFinite(this.least)) return [];
    const bar = document.createElement('span');
    bar.className = 'ramp';
    bar.style.background = `linear-gradient(to right, ${RAMP.join(', ')})`;
    return [fewDigits(this.least), bar, fewDigits(this.most)];
  }
}

const RAMP_COLOURS = Array.from({ length: RAMP_STEPS + 1 }, (_, step) => {
  const along = (step / RAMP_STEPS) * (RAMP.length - 1);
  const left = Math.min(Math.floor(along), RAMP.length - 2);
  const mixed = [1, 3, 5].map((at) => {
    const [low, high] = [RAMP[left], RAMP[left + 1]].map((colour) => parseInt(colour.slice(at, at + 2), 16));
    return Math.round(low + (along - left) * (high - low));
  });
  return `rgb(${mixed.join(', ')})`;
});

function fewDigits(value) {
  return String(Number(value.toPrecision(4))).replace('-', '−');
}

function classItem(name, look) {
  const item = document.createElement('span');
  item.className = 'class';
  const mark = document.createElement('canvas');
  mark.width = mark.height = 24;
  mark.setAttribute('aria-hidden', 'true');
  const context = mark.getContext('2d');
  context.fillStyle = look[0];
  traceMark(context, look[1], 12, 12, 9);
  context.fill();
  item.append(mark, name);
  return item;
}

/** Make a shape of about the area of a circle of this radius the path of a canvas. */
function traceMark(context, mark, x, y, radius) {
  context.beginPath();
  const side = 0.9 * radius;
  if (mark === 'circle') context.arc(x, y, radius, 0, 2 * Math.PI);
  else if (mark === 'square') context.rect(x - side, y - side, 2 * side, 2 * side);
  else {
    const tip = 1.25 * radius;
    context.moveTo(x, y - tip);
    context.lineTo(x + tip, mark === 'diamond' ? y : y + side);
    if (mark === 'diamond') context.lineTo(x, y + tip);
    context.lineTo(x - tip, mark === 'diamond' ? y : y + side);
    context.closePath();
  }
}
