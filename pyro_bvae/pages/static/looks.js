'use strict';
// What one sees of a run: the picture of the code; and the original, its reconstruction and the error, side by side.

const MEAN_IN_WORDS = 'Mean of p(x | z)';
const DRAW_IN_WORDS = 'A draw from p(x | z)';
const UNIT_IN_WORDS = 'in standard deviations from the data’s mean';
const MARK_IN_WORDS = 'thin lines are the original';
const ERROR_IN_WORDS = 'Original less reconstruction: warm where the original is larger, cold where it is smaller';

/** The pictures of a run, numbered as its run is on the page. */
class Looks {
  constructor(view, number, scale) {
    Object.assign(this, { view, number, scale, canvases: {}, captions: {}, isDrawn: false, hasOriginal: false });
    const large = this.figure('picture', MEAN_IN_WORDS);
    this.comparison = make('div', { class: 'comparison', hidden: true },
      this.figure('original', 'Original'),
      this.figure('reconstruction', 'Recon\u00adstruction'), this.figure('error', 'Error'));
    this.canvases.error.title = ERROR_IN_WORDS;
    const kind = view.shape.length === 3 ? 'of-images' : 'of-vectors';
    this.element = make('div', { class: `looks ${kind}` }, large, this.comparison);
    for (const [name, canvas] of Object.entries(this.canvases)) {
      this[name] = pictureFor(canvas, view, scale, name === 'picture' ? 'large' : 'small');
    }
    this.describe();
  }

  figure(name, caption) {
    const hooks = { 'data-testid': `${name}-${this.number}`, role: 'img', 'aria-label': caption.replace('\u00ad', '') };
    this.canvases[name] = make('canvas', hooks);
    this.captions[name] = make('figcaption', { text: caption });
    return make('figure', { class: name }, this.canvases[name], this.captions[name]);
  }

  /** Show what is decoded; of vectors, with marks at the original. */
  paint(x, original) {
    this.picture.paint(x, original);
  }

  /** Say whether the picture is a mean or a draw, and of a vector in which unit it is. */
  describe() {
    const words = [this.isDrawn ? DRAW_IN_WORDS : MEAN_IN_WORDS];
    if (this.scale?.inDeviations) words.push(UNIT_IN_WORDS);
    if (this.scale && this.hasOriginal) words.push(MARK_IN_WORDS);
    this.captions.picture.textContent = words.join('; ');
  }

  /** Compare an original with its reconstruction; nothing where there is no original. */
  compare(original, reconstruction) {
    this.hasOriginal = Boolean(original);
    this.comparison.hidden = !this.hasOriginal;
    this.describe();
    if (!this.hasOriginal) return;
    this.original.paint(original);
    this.reconstruction.paint(reconstruction);
    this.error.paintError(original, reconstruction);
    this.captions.error.textContent = `RMS error ${brief(rootMeanSquare(original, reconstruction, this.scale))}`;
    this.captions.error.title = 'Root of the mean squared error';
  }
}
