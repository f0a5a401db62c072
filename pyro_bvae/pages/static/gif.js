'use strict';
// Animated GIFs. All frames share one palette: their own colours where these are 256 or fewer, as grey levels always
// are, and else 256 that the median cut of all pixels gives. Pixels are packed by LZW.
// Sources: https://www.w3.org/Graphics/GIF/spec-gif89a.txt; Heckbert, Color image quantization for frame buffer
// display, https://doi.org/10.1145/965145.801294

const MOST_COLOURS = 256;
const MOST_CODES = 4096; // of LZW, 12 bits
const DEPTH = 6; // bits of a channel that the median cut looks at

/**
 * The bytes of a GIF that repeats for ever.
 * @param {{width: number, height: number, data: Uint8ClampedArray}[]} frames RGBA, all of one size, taken as opaque
 * @param {{delay?: number, scale?: number}} options delay between frames in hundredths of a second, and the whole
 *     number by which pixels are enlarged
 * @returns {Uint8Array}
 */
function gifOf(frames, { delay = 6, scale = 1 } = {}) {
  const { width, height } = frames[0];
  const [palette, indexed] = indexedColours(frames);
  const bits = Math.max(2, Math.ceil(Math.log2(palette.length)));
  const size = [...twoBytes(width * scale), ...twoBytes(height * scale)];
  const table = new Uint8Array(3 << bits);
  palette.forEach((colour, place) => table.set([colour >> 16, (colour >> 8) & 255, colour & 255], 3 * place));
  const parts = [asciiBytes('GIF89a'), size, [0xf0 | (bits - 1), 0, 0], table];
  parts.push([0x21, 0xff, 11], asciiBytes('NETSCAPE2.0'), [3, 1, 0, 0, 0]);
  for (const pixels of indexed) {
    parts.push([0x21, 0xf9, 4, 4, ...twoBytes(delay), 0, 0], [0x2c, 0, 0, 0, 0, ...size, 0, bits]);
    parts.push(...blocksOf(lzw(enlargedPixels(pixels, width, height, scale), bits)), [0]);
  }
  return joinedBytes([...parts, [0x3b]]);
}

function twoBytes(number) {
  return [number & 255, number >> 8];
}

function asciiBytes(text) {
  return Array.from(text, (letter) => letter.charCodeAt(0));
}

function joinedBytes(parts) {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let end = 0;
  for (const part of parts) {
    bytes.set(part, end);
    end += part.length;
  }
  return bytes;
}

/** The blocks of at most 255 bytes in which a GIF holds data, each after its length. */
function blocksOf(bytes) {
  const blocks = [];
  for (let start = 0; start < bytes.length; start += 255) {
    const block = bytes.subarray(start, start + 255);
    blocks.push([block.length], block);
  }
  return blocks;
}

/** Each pixel as a square of scale × scale. */
function enlargedPixels(pixels, width, height, scale) {
  if (scale === 1) return pixels;
  const large = new Uint8Array(pixels.length * scale * scale);
  const across = width * scale;
  for (let y = 0; y < height; y++) {
    const start = y * scale * across;
    for (let x = 0; x < width; x++) {
      large.fill(pixels[y * width + x], start + x * scale, start + (x + 1) * scale);
    }
    for (let copy = 1; copy < scale; copy++) large.copyWithin(start + copy * across, start, start + across);
  }
  return large;
}

/** LZW of GIF: codes grow from bits + 1 to 12 bits, and the table begins anew where it is full. */
function lzw(pixels, bits) {
  const clear = 1 << bits;
  const next = new Uint16Array(MOST_CODES << bits); // [code of a string, pixel after it] -> code of both, 0: none yet
  const bytes = new Uint8Array(2 * pixels.length + 16);
  let [length, free, waiting, held, end] = [bits + 1, clear + 2, 0, 0, 0];
  const emit = (code) => {
    waiting |= code << held;
    for (held += length; held >= 8; held -= 8, waiting >>>= 8) bytes[end++] = waiting & 255;
  };
  emit(clear);
  let string = pixels[0];
  for (let place = 1; place < pixels.length; place++) {
    const longer = (string << bits) | pixels[place];
    if (next[longer]) {
      string = next[longer];
      continue;
    }
    emit(string);
    if (free === MOST_CODES) {
      emit(clear);
      next.fill(0);
      [length, free] = [bits + 1, clear + 2];
    } else {
      if (free === 1 << length) length++;
      next[longer] = free++;
    }
    string = pixels[place];
  }
  emit(string);
  if (free === 1 << length && length < 12) length++; // the reader adds a string after this code, too
  emit(clear + 1);
  if (held) bytes[end++] = waiting & 255;
  return bytes.subarray(0, end);
}

/** The palette of all frames, colours as 0xRRGGBB, and the place in it of each pixel of each frame. */
function indexedColours(frames) {
  const colours = frames.map(({ data }) => {
    const wide = new Uint32Array(data.length / 4);
    for (let pixel = 0, at = 0; pixel < wide.length; pixel++, at += 4) {
      wide[pixel] = (data[at] << 16) | (data[at + 1] << 8) | data[at + 2];
    }
    return wide;
  });
  const placeOf = placesOfFew(colours) ?? medianCut(colours);
  return [placeOf.palette, colours.map((wide) => Uint8Array.from(wide, placeOf.place))];
}

/** Each colour at a place of its own; null where there are more than a palette holds. */
function placesOfFew(colours) {
  const places = new Map();
  for (const wide of colours) {
    for (const colour of wide) {
      if (!places.has(colour)) places.set(colour, places.size);
    }
    if (places.size > MOST_COLOURS) return null;
  }
  return { palette: [...places.keys()], place: (colour) => places.get(colour) };
}

/** Boxes of colours, the widest of those with many pixels halved again and again; a box becomes its mean colour. */
function medianCut(colours) {
  const counts = new Uint32Array(1 << (3 * DEPTH));
  for (const wide of colours) for (const colour of wide) counts[colourCell(colour)]++;
  const boxes = [boxOf(Array.from(counts.keys()).filter((cell) => counts[cell]), counts)];
  while (boxes.length < MOST_COLOURS) {
    const most = boxes.reduce((best, box, place) => (box.weight > boxes[best].weight ? place : best), 0);
    if (boxes[most].weight === 0) break;
    boxes.splice(most, 1, ...halvesOfBox(boxes[most], counts));
  }
  const places = new Uint8Array(counts.length);
  boxes.forEach((box, place) => box.cells.forEach((cell) => (places[cell] = place)));
  return { palette: boxes.map((box) => meanColour(box, counts)), place: (colour) => places[colourCell(colour)] };
}

function colourCell(colour) {
  const rest = 8 - DEPTH;
  const [red, green, blue] = [colour >> 16, (colour >> 8) & 255, colour & 255];
  return ((red >> rest) << (2 * DEPTH)) | ((green >> rest) << DEPTH) | (blue >> rest);
}

function channelOfCell(cell, channel) {
  return (cell >> ((2 - channel) * DEPTH)) & ((1 << DEPTH) - 1);
}

/** Cells with their longest side and how much it matters that they are halved: side² × pixels. */
function boxOf(cells, counts) {
  const sides = [0, 1, 2].map((channel) => {
    let [least, most] = [Infinity, 0];
    for (const cell of cells) {
      const value = channelOfCell(cell, channel);
      [least, most] = [Math.min(least, value), Math.max(most, value)];
    }
    return most - least;
  });
  const longest = sides.indexOf(Math.max(...sides));
  const pixels = cells.reduce((sum, cell) => sum + counts[cell], 0);
  return { cells, longest, pixels, weight: sides[longest] ** 2 * pixels };
}

/** A box cut across its longest side, so that half of the pixels lie on each. */
function halvesOfBox(box, counts) {
  const along = (cell) => channelOfCell(cell, box.longest);
  const sorted = box.cells.slice().sort((one, other) => along(one) - along(other));
  let [cut, pixels] = [0, 0];
  while (cut < sorted.length - 1 && (cut === 0 || pixels < box.pixels / 2)) pixels += counts[sorted[cut++]];
  return [boxOf(sorted.slice(0, cut), counts), boxOf(sorted.slice(cut), counts)];
}

function meanColour(box, counts) {
  const mean = [0, 1, 2].map((channel) => {
    const sum = box.cells.reduce((total, cell) => total + counts[cell] * channelOfCell(cell, channel), 0);
    return Math.round((sum / box.pixels) * (255 / ((1 << DEPTH) - 1)));
  });
  return (mean[0] << 16) | (mean[1] << 8) | mean[2];
}
