'use strict';
// Where the pictures of a run come from: the server that sent the page, or the page itself.
// Data are Float32Arrays in the data's units and the order (C, H, W).

const LARGEST_UPLOAD = 20 * 2 ** 20; // bytes
const VALUES_A_REQUEST = 2 ** 21; // of decoded data, 8 MB

/** A run behind the server of `explore`; means are decoded in the page where it has the decoder. */
class ServerSource {
  constructor(view, number) {
    Object.assign(this, { view, number });
    this.isLocal = view.decoder !== null;
    this.canDraw = true;
    this.canUpload = holdsPictures(view);
    this.held = {}; // what the other latents and arguments are, see `Choices`
  }

  async decode(z, { draw = false, seed = 0 } = {}) {
    if (this.isLocal && !draw) return decoded(this.view.decoder, z);
    return (await this.decodeMany([z], { draw, seed }))[0];
  }

  async decodeMany(codes, { draw = false, seed = 0 } = {}) {
    const size = product(this.view.shape);
    const most = Math.max(1, Math.floor(VALUES_A_REQUEST / size));
    const data = [];
    for (let first = 0; first < codes.length; first += most) {
      const some = codes.slice(first, first + most).map((code) => Array.from(code));
      const values = await this.numbers('decode', { codes: some, draw, seed, ...this.held });
      for (let i = 0; i < some.length; i++) data.push(values.slice(i * size, (i + 1) * size));
    }
    return data;
  }

  async start({ kind, index = 0, seed = 0 }) {
    return unpackedStart(await (await this.ask('start', JSON.stringify({ kind, index, seed }))).json());
  }

  async upload(file) {
    checkUpload(file);
    return unpackedStart(await (await this.ask('upload', file)).json());
  }

  async image(index) {
    return this.numbers('image', { index });
  }

  async rename(latent, name) {
    return (await this.ask('name', JSON.stringify({ latent, name }))).json();
  }

  async numbers(action, asked) {
    return new Float32Array(await (await this.ask(action, JSON.stringify(asked))).arrayBuffer());
  }

  /** The answer of the server; an error has the line that it gives. */
  async ask(action, body) {
    const answer = await fetch(`/api/${this.number}/${action}`, { method: 'POST', body }).catch(() => null);
    if (answer === null) throw new Error('The explorer has ended: start it again, and reload this page');
    if (!answer.ok) throw new Error(sentence((await answer.json()).error));
    return answer;
  }
}

/** A run that is whole in the page, as in a report: its decoder or sweeps, its encoder, and some of its data. */
class EmbeddedSource {
  constructor(view) {
    this.view = view;
    this.isLocal = true;
    this.drawsHere = true; // with another generator than torch's
    this.canDraw = view.decoder !== null;
    this.canUpload = view.encoder !== null && holdsPictures(view);
  }

  async decode(z, { draw = false, seed = 0 } = {}) {
    const { decoder } = this.view;
    if (!decoder) return this.nearestOfSweeps(z);
    return draw ? drawOf(networkOf(decoder).run(z), decoder.likelihood, randomOf(seed)) : decoded(decoder, z);
  }

  async decodeMany(codes, options = {}) {
    const data = [];
    for (const code of codes) {
      data.push(await this.decode(code, options));
      await new Promise((resume) => { setTimeout(resume, 0); }); // for what the user does meanwhile
    }
    return data;
  }

  async start({ kind, index = 0, seed = 0 }) {
    const { view } = this;
    if (kind === 'image') return this.startOfImage(index);
    const z = Float32Array.from(view.prior_mean);
    const random = randomOf(seed);
    if (kind === 'random-z') for (let k = 0; k < z.length; k++) z[k] += normalDraw(random);
    const isOther = kind === 'random-z' && view.prior !== 'standard normal';
    const note = isOther ? 'Drawn from a standard normal around the prior’s mean' : null;
    return { z, scale: null, x: null, index: null, label: null, note };
  }

  /** The datum of that number, or the next that the page has; after the last comes the first. */
  async startOfImage(index) {
    const { codes, K } = this.view;
    const point = this.pointOf(index);
    const [mean, scale] = [codes.mean, codes.scale].map((text) => numbersOf(text).slice(point * K, (point + 1) * K));
    return { z: mean, scale, x: this.datum(point), index: codes.index[point], label: this.labelOf(point), note: null };
  }

  async image(index) {
    return this.datum(this.pointOf(index));
  }

  async upload(file) {
    checkUpload(file);
    const x = await preparedPicture(file, this.view);
    const { mean, scale } = encoded(this.view.encoder, x);
    return { z: mean, scale, x, index: null, label: null, note: 'Your picture, scaled by the browser' };
  }

  async rename(latent, name) {
    const names = { ...this.view.names, [latent]: name };
    if (!name) delete names[latent];
    this.view.names = names;
    return { names, note: 'Names last until this page is closed' };
  }

  pointOf(index) {
    const { codes } = this.view;
    if (!codes) throw new Error('There are no data in this page');
    const point = codes.index.findIndex((place) => place >= index);
    return point < 0 ? 0 : point;
  }

  labelOf(point) {
    const label = this.view.colourings.find((colouring) => colouring.name === 'label' && colouring.classes);
    return label ? label.classes[label.values[point]] : null;
  }

  datum(point) {
    const { images, images_dtype: kind, shape } = this.view;
    if (!images) return null;
    const size = product(shape);
    this.images ??= numbersOf(images, kind);
    const values = Float32Array.from(this.images.subarray(point * size, (point + 1) * size));
    return kind === 'uint8' ? values.map((value) => value / 255) : values;
  }

  /** Of the pictures that are in the page, that of the latent which is farthest from where its sweep starts. */
  nearestOfSweeps(z) {
    const { sweeps, shape } = this.view;
    if (!sweeps) throw new Error('There is no decoder in this page');
    const size = product(shape);
    this.sweeps ??= numbersOf(sweeps.pictures, sweeps.dtype ?? 'float32');
    const moved = sweeps.latents.map((latent) => Math.abs(z[latent] - sweeps.start[latent]));
    const row = moved.indexOf(Math.max(...moved));
    const away = sweeps.values.map((value) => Math.abs(value - z[sweeps.latents[row]]));
    const place = (row * sweeps.values.length + away.indexOf(Math.min(...away))) * size;
    const values = Float32Array.from(this.sweeps.subarray(place, place + size));
    return sweeps.dtype === 'uint8' ? values.map((value) => value / 255) : values;
  }
}

function unpackedStart({ z, scale, x, ...rest }) {
  const [code, deviation] = [z, scale].map((values) => values && Float32Array.from(values));
  return { z: code, scale: deviation, x: x && numbersOf(x), ...rest, note: rest.note && sentence(rest.note) };
}

function holdsPictures({ shape }) {
  return shape.length === 3 && [1, 3].includes(shape[0]);
}

function checkUpload(file) {
  if (file.size > LARGEST_UPLOAD) throw new Error('Your picture is larger than 20 MB: scale it down');
}

function sentence(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** The user's picture in the shape of the run's: on white, cropped at its centre, scaled, in grey where they are. */
async function preparedPicture(file, { shape: [channels, height, width] }) {
  const picture = await createImageBitmap(file).catch(() => null);
  if (!picture) throw new Error('Your picture is damaged or no image');
  const canvas = document.createElement('canvas');
  Object.assign(canvas, { width, height });
  const context = canvas.getContext('2d', { willReadFrequently: true });
  context.fillStyle = 'white';
  context.fillRect(0, 0, width, height);
  context.imageSmoothingQuality = 'high';
  const scale = Math.min(picture.width / width, picture.height / height);
  const [cutWidth, cutHeight] = [width * scale, height * scale];
  const [left, top] = [(picture.width - cutWidth) / 2, (picture.height - cutHeight) / 2];
  context.drawImage(picture, left, top, cutWidth, cutHeight, 0, 0, width, height);
  const { data } = context.getImageData(0, 0, width, height);
  const x = new Float32Array(channels * height * width);
  for (let pixel = 0; pixel < height * width; pixel++) {
    const [red, green, blue] = data.subarray(4 * pixel, 4 * pixel + 3);
    if (channels === 1) x[pixel] = (0.299 * red + 0.587 * green + 0.114 * blue) / 255;
    else [red, green, blue].forEach((value, channel) => { x[channel * height * width + pixel] = value / 255; });
  }
  return x;
}
