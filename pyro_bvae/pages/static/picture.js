'use strict';
// A datum on a canvas. Images are drawn at their own resolution, one value a pixel, and enlarged by the style.

const FULL_ERROR = 0.5; // the error that has the full colour

/** Grey or colour values in [0, 1], in the order (C, H, W), as bytes of red, green, blue and opacity. */
function pixelsOf(x, [channels, height, width]) {
  const size = height * width;
  const pixels = new Uint8ClampedArray(4 * size);
  const [green, blue] = channels < 3 ? [0, 0] : [size, 2 * size];
  for (let i = 0; i < size; i++) {
    pixels[4 * i] = 255 * x[i];
    pixels[4 * i + 1] = 255 * x[green + i];
    pixels[4 * i + 2] = 255 * x[blue + i];
    pixels[4 * i + 3] = 255;
  }
  return pixels;
}

/** Where the original is brighter (warm) or darker (cold) than its reconstruction, on the neutral colour. */
function errorPixels(original, reconstruction, [channels, height, width], neutral) {
  const size = height * width;
  const pixels = new Uint8ClampedArray(4 * size);
  for (let i = 0; i < size; i++) {
    let error = 0;
    for (let c = 0; c < channels; c++) error += (original[c * size + i] - reconstruction[c * size + i]) / channels;
    const share = Math.min(1, Math.abs(error) / FULL_ERROR);
    const colour = error > 0 ? [214, 84, 38] : [44, 112, 190];
    for (let c = 0; c < 3; c++) pixels[4 * i + c] = neutral[c] + share * (colour[c] - neutral[c]);
    pixels[4 * i + 3] = 255;
  }
  return pixels;
}

/** The root of the mean squared difference of two data, in deviations of the features where these have a unit each. */
function rootMeanSquare(one, other, scale) {
  const unit = (value, i) => (scale ? scale.unit(value, i) : value);
  let sum = 0;
  for (let i = 0; i < one.length; i++) sum += (unit(one[i], i) - unit(other[i], i)) ** 2;
  return Math.sqrt(sum / one.length);
}

/** A colour of the style, such as --line, as red, green and blue. */
function colourOf(element, name) {
  const probe = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  probe.fillStyle = getComputedStyle(element).getPropertyValue(name).trim() || '#888';
  probe.fillRect(0, 0, 1, 1);
  return [...probe.getImageData(0, 0, 1, 1).data.slice(0, 3)];
}

/** A canvas for images of one shape, or several of them in a row. */
class ImagePicture {
  constructor(canvas, shape, across = 1) {
    this.canvas = canvas;
    this.shape = shape;
    [, canvas.height] = shape;
    canvas.width = shape[2] * across;
    canvas.style.setProperty('--aspect', String(canvas.width / canvas.height));
    this.context = canvas.getContext('2d', { willReadFrequently: true });
  }

  paint(x) {
    this.put(pixelsOf(x, this.shape), 0);
  }

  paintError(original, reconstruction) {
    this.put(errorPixels(original, reconstruction, this.shape, colourOf(this.canvas, '--raised')), 0);
  }

  /** Several data, one beside the other. */
  paintRow(data) {
    data.forEach((x, place) => this.put(pixelsOf(x, this.shape), place));
  }

  put(pixels, place) {
    const [, height, width] = this.shape;
    this.context.putImageData(new ImageData(pixels, width, height), place * width, 0);
  }
}

/** What draws the data of a run on a canvas: images as they are, vectors by their features. */
function pictureFor(canvas, view, scale, kind, host = canvas) {
  if (view.shape.length === 3) return new ImagePicture(canvas, view.shape);
  return new FeaturePicture(canvas, view, scale, kind, host);
}
