"use strict";
// Drawing dots: in WebGL where there is one, else on a plain canvas. Both take the same things.

const VERTEX = `#version 300 es
in vec2 place; in vec4 colour; uniform vec2 centre; uniform vec2 zoom; uniform float size; out vec4 ink;
void main() { gl_Position = vec4((place - centre) * zoom, 0.0, 1.0); gl_PointSize = size; ink = colour; }`;
const FRAGMENT = `#version 300 es
precision highp float; in vec4 ink; uniform float size; out vec4 result;
void main() {
  float away = length(gl_PointCoord - 0.5) * size;
  float cover = clamp(size * 0.5 - away, 0.0, 1.0) * ink.a;
  result = vec4(ink.rgb * cover, cover);
}`;

/** Draw with WebGL 2; null where there is none. The canvas cannot be drawn on in another way afterwards. */
function webglDots(canvas, points) {
  const gl = canvas.getContext("webgl2", { antialias: false });
  if (!gl) return null;
  const n = points.length / 2;
  let where = null;
  let latest = null;

  function start() {
    const program = gl.createProgram();
    for (const [kind, source] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]]) {
      const shader = gl.createShader(kind);
      gl.shaderSource(shader, source);
      gl.compileShader(shader);
      gl.attachShader(program, shader);
    }
    gl.linkProgram(program);
    if (!gl.getProgramParameter(program, gl.LINK_STATUS)) return false;
    gl.useProgram(program);
    const attribute = (name, width, kind, normalised) => {
      const buffer = gl.createBuffer();
      gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
      const at = gl.getAttribLocation(program, name);
      gl.enableVertexAttribArray(at);
      gl.vertexAttribPointer(at, width, kind, normalised, 0, 0);
      return buffer;
    };
    attribute("place", 2, gl.FLOAT, false);
    gl.bufferData(gl.ARRAY_BUFFER, points, gl.STATIC_DRAW);
    const colours = attribute("colour", 4, gl.UNSIGNED_BYTE, true);
    const order = gl.createBuffer();
    gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, order);
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
    where = { colours, order };
    for (const name of ["centre", "zoom", "size"]) where[name] = gl.getUniformLocation(program, name);
    return true;
  }

  function colour(rgba, order) {
    latest = { rgba, order };
    gl.bindBuffer(gl.ARRAY_BUFFER, where.colours);
    gl.bufferData(gl.ARRAY_BUFFER, rgba, gl.DYNAMIC_DRAW);
    gl.bufferData(gl.ELEMENT_ARRAY_BUFFER, order, gl.DYNAMIC_DRAW);
  }

  function draw(view, size) {
    gl.viewport(0, 0, canvas.width, canvas.height);
    gl.clearColor(0, 0, 0, 0);
    gl.clear(gl.COLOR_BUFFER_BIT);
    gl.uniform2f(where.centre, view.x, view.y);
    gl.uniform2f(where.zoom, (2 * view.scale) / canvas.width, (2 * view.scale) / canvas.height);
    gl.uniform1f(where.size, size);
    gl.drawElements(gl.POINTS, n, gl.UNSIGNED_INT, 0);
  }

  if (!start()) return null;
  canvas.addEventListener("webglcontextlost", (event) => event.preventDefault());
  canvas.addEventListener("webglcontextrestored", () => {
    if (start() && latest) colour(latest.rgba, latest.order);
    canvas.dispatchEvent(new Event("redraw"));
  });
  return { name: "WebGL", colour, draw, finish: () => gl.readPixels(0, 0, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, new Uint8Array(4)) };
}

/** Draw on a plain canvas: pixel by pixel while dots are small and many, then discs. */
function canvasDots(canvas, points) {
  const ink = canvas.getContext("2d");
  let latest = null;
  let picture = null;

  function drawPixels(view, size) {
    const { width, height } = canvas;
    if (picture?.width !== width || picture?.height !== height) picture = ink.createImageData(width, height);
    const pixels = new Uint32Array(picture.data.buffer).fill(0);
    const { words, order } = latest;
    const side = Math.max(1, Math.round(size * 0.9));
    const cut = side >= 4 ? 1 : 0; // corners
    const [x0, y0] = [width / 2 - view.x * view.scale - side / 2, height / 2 + view.y * view.scale - side / 2];
    for (let k = 0; k < order.length; k++) {
      const i = order[k];
      const left = Math.round(x0 + points[2 * i] * view.scale);
      const top = Math.round(y0 - points[2 * i + 1] * view.scale);
      if (left < 0 || top < 0 || left + side > width || top + side > height) continue;
      const word = words[i];
      for (let r = 0; r < side; r++) {
        const indent = r === 0 || r === side - 1 ? cut : 0;
        const at = (top + r) * width + left;
        for (let c = indent; c < side - indent; c++) pixels[at + c] = word;
      }
    }
    ink.putImageData(picture, 0, 0);
  }

  function drawDiscs(view, size) {
    ink.clearRect(0, 0, canvas.width, canvas.height);
    const { rgba, order } = latest;
    const [x0, y0] = [canvas.width / 2 - view.x * view.scale, canvas.height / 2 + view.y * view.scale];
    for (const i of order) {
      const x = x0 + points[2 * i] * view.scale;
      const y = y0 - points[2 * i + 1] * view.scale;
      if (x < -size || y < -size || x > canvas.width + size || y > canvas.height + size) continue;
      ink.fillStyle = `rgb(${rgba[4 * i]} ${rgba[4 * i + 1]} ${rgba[4 * i + 2]} / ${rgba[4 * i + 3] / 255})`;
      ink.beginPath();
      ink.arc(x, y, size / 2, 0, 2 * Math.PI);
      ink.fill();
    }
  }

  return {
    name: "canvas",
    colour: (rgba, order) => {
      latest = { rgba, order, words: new Uint32Array(rgba.buffer.slice(0)) };
    },
    draw: (view, size) => (points.length > 4000 && size < 7 * view.density ? drawPixels(view, size) : drawDiscs(view, size)),
    finish: () => ink.getImageData(0, 0, 1, 1),
  };
}
