'use strict';
// The strip of a latent: what is decoded along its whole range while the others stay where they are.

const CELLS = 11; // pictures of a strip; the style knows it as --cells
const QUIET = 120; // milliseconds without a move before strips are drawn again
const LONGEST_TASK = 8; // milliseconds of decoding in the page between two looks at what the user does

/** The strips of one run: drawn one at a time, where they can be seen, once the user stops moving. */
class Strips {
  constructor(state) {
    this.state = state;
    this.rows = [];
    this.scale = null; // of the curves, where the data are vectors
    this.now = null;
    this.version = 0;
    this.movedAt = 0;
    this.running = null;
    this.watcher = new IntersectionObserver((entries) => this.look(entries), { rootMargin: '120px' });
  }

  /** The strip of a row of the sliders, with the frame that stands where the latent is. */
  add({ latent, strip, cursor }, scale) {
    const { shape } = this.state.view;
    const isImage = shape.length === 3;
    const picture = isImage ? new ImagePicture(strip, shape, CELLS) : new FeatureStrip(strip, this.state.view, scale);
    if (isImage) [, cursor.height, cursor.width] = shape;
    this.scale = scale;
    this.rows.push({ latent, strip, cursor, picture, isSeen: false, isStale: true });
    this.watcher.observe(strip);
  }

  look(entries) {
    for (const entry of entries) {
      const row = this.rows.find((each) => each.strip === entry.target);
      row.isSeen = entry.isIntersecting;
      this.frame(row);
    }
    this.wake();
  }

  /** Show in the frame of each strip what is on this canvas now. */
  show(canvas) {
    this.now = canvas;
    for (const row of this.rows) this.frame(row);
  }

  frame({ isSeen, cursor }) {
    if (isSeen && this.now && this.state.view.shape.length === 3) cursor.getContext('2d').drawImage(this.now, 0, 0);
  }

  /** Say that the code has changed; a latent's own strip does not depend on its own value. */
  touch(moved = null) {
    this.version += 1;
    this.movedAt = performance.now();
    for (const row of this.rows) row.isStale ||= row.latent !== moved;
    this.wake();
  }

  wake() {
    this.running ??= this.run();
  }

  async run() {
    for (;;) {
      const rest = QUIET - (performance.now() - this.movedAt);
      await new Promise((resume) => { setTimeout(resume, Math.max(0, rest)); });
      if (performance.now() - this.movedAt < QUIET) continue;
      const row = this.rows.find((each) => each.isSeen && each.isStale);
      try {
        if (row) await this.draw(row);
        else break;
      } catch {
        break; // the picture says what is wrong
      }
    }
    this.running = null;
  }

  async draw(row) {
    const { version } = this;
    const data = await this.decoded(codesAlong(this.state.z, row.latent, this.state.range), version);
    if (version !== this.version) return;
    this.paint(row, data);
    row.isStale = false;
  }

  /** Paint a strip; where its curves need another scale, so do all that are painted already. */
  paint(row, data) {
    const most = this.scale?.most;
    row.picture.paintRow(data);
    if (most === this.scale?.most) return;
    const others = this.rows.filter((other) => other !== row && !other.isStale);
    for (const { picture } of others) picture.paintRow(picture.data);
  }

  /** Data of codes: one request of a server, in small pieces in the page; what there is when the code changes. */
  async decoded(codes, version) {
    const { source } = this.state;
    if (!source.isLocal) return source.decodeMany(codes);
    const data = [];
    let began = performance.now();
    for (const code of codes) {
      data.push(await source.decode(code, { draw: false }));
      if (performance.now() - began < LONGEST_TASK) continue;
      await new Promise((resume) => { setTimeout(resume, 0); });
      if (version !== this.version) return data;
      began = performance.now();
    }
    return data;
  }
}

/** Codes with one latent at evenly spaced values in −range…range. */
function codesAlong(z, latent, range, count = CELLS) {
  return Array.from({ length: count }, (_, cell) => {
    const code = Float32Array.from(z);
    code[latent] = range * (2 * cell / (count - 1) - 1);
    return code;
  });
}
