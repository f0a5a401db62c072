'use strict';
// What the page saves: pictures as PNG, pixel by pixel, and sweeps as animated GIF. Small ones are enlarged by a whole
// number, so that no pixel is changed.

const SAVED_SIDE = 256; // pixels that the longer side of what is saved has, or a little fewer

/** Offer bytes to the user as a file. */
function offerFile(blob, name) {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}

/** The name of a file for a run: its title and what is shown, without signs that file systems refuse. */
function fileName(view, shown, ending) {
  const words = [view.title, shown].join('-').replace(/[^\p{L}\p{N}.+_-]+/gu, '-').replace(/^[.-]+/, '');
  return `${words.slice(0, 100) || 'picture'}.${ending}`;
}

/** The whole number by which a picture of this size is enlarged when it is saved. */
function savedScale(width, height) {
  return Math.max(1, Math.floor(SAVED_SIDE / Math.max(width, height)));
}

/**
 * Save a picture, or several in a row, as PNG.
 * @param {HTMLCanvasElement|HTMLCanvasElement[]} canvases
 * @param {string} name of the file
 * @param {string} paper the colour behind what is not drawn on
 */
async function savePicture(canvases, name, paper) {
  const row = [canvases].flat();
  const scale = savedScale(row[0].width, row[0].height);
  const gap = row.length > 1 ? Math.ceil((row[0].width * scale) / 16) : 0;
  const canvas = document.createElement('canvas');
  canvas.width = row.reduce((sum, each) => sum + each.width * scale + gap, -gap);
  canvas.height = Math.max(...row.map((each) => each.height * scale));
  const context = canvas.getContext('2d');
  context.fillStyle = paper;
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.imageSmoothingEnabled = false;
  let left = 0;
  for (const each of row) {
    context.drawImage(each, left, 0, each.width * scale, each.height * scale);
    left += each.width * scale + gap;
  }
  offerFile(await new Promise((done) => canvas.toBlob(done, 'image/png')), name);
}

/**
 * Save frames as a GIF that goes to and fro.
 * @param {HTMLCanvasElement[]} frames from one end of the sweep to the other, all of one size
 * @param {string} name of the file
 * @param {string} paper the colour behind what is not drawn on
 */
function saveSweep(frames, name, paper) {
  const back = frames.slice(1, -1).reverse();
  const pixels = [...frames, ...back].map((frame) => opaquePixels(frame, paper));
  const scale = savedScale(frames[0].width, frames[0].height);
  offerFile(new Blob([gifOf(pixels, { delay: 8, scale })], { type: 'image/gif' }), name);
}

function opaquePixels(frame, paper) {
  const canvas = document.createElement('canvas');
  [canvas.width, canvas.height] = [frame.width, frame.height];
  const context = canvas.getContext('2d');
  context.fillStyle = paper;
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(frame, 0, 0);
  return context.getImageData(0, 0, canvas.width, canvas.height);
}
