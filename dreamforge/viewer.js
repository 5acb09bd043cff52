// The 3D view of report.html: a mesh and splats to turn around. WebGL 2 and nothing else; report.py embeds the data.
"use strict";

const FIELD = 35 * Math.PI / 180, HOME = { azimuth: 25, elevation: 12, distance: 3.4 };
const DILATION = 0.3, EXTENT = 3.3;  // of splats: square pixels, standard deviations
const ROW = 1024;  // splats in a row of their texture, three texels each

const bytes = text => Uint8Array.from(atob(text), letter => letter.charCodeAt(0));
const floats = text => new Float32Array(bytes(text).buffer);

function program(gl, vertex, fragment) {
  const made = gl.createProgram();
  for (const [kind, source] of [[gl.VERTEX_SHADER, vertex], [gl.FRAGMENT_SHADER, fragment]]) {
    const shader = gl.createShader(kind);
    gl.shaderSource(shader, "#version 300 es\nprecision highp float;\nprecision highp int;\n" + source);
    gl.compileShader(shader);
    if (!gl.getShaderParameter(shader, gl.COMPILE_STATUS)) throw new Error(gl.getShaderInfoLog(shader));
    gl.attachShader(made, shader);
  }
  gl.linkProgram(made);
  if (!gl.getProgramParameter(made, gl.LINK_STATUS)) throw new Error(gl.getProgramInfoLog(made));
  return { made, at: name => gl.getUniformLocation(made, name) };
}

function attribute(gl, { made }, name, values, width, kind, normalized = false) {
  const place = gl.getAttribLocation(made, name);
  gl.bindBuffer(gl.ARRAY_BUFFER, gl.createBuffer());
  gl.bufferData(gl.ARRAY_BUFFER, values, gl.STATIC_DRAW);
  gl.enableVertexAttribArray(place);
  gl.vertexAttribPointer(place, width, kind, normalized, 0, 0);
}

async function meshLayer(gl, mesh) {
  const used = program(gl, `
    uniform mat4 clip;
    in vec3 position, normal, color;
    in vec2 uv;
    out vec3 place, facing, tint;
    out vec2 spot;
    void main() { place = position; facing = normal; tint = color; spot = uv; gl_Position = clip * vec4(position, 1.0); }
  `, `
    uniform sampler2D picture;
    uniform bool bare;
    uniform vec3 eye;
    in vec3 place, facing, tint;
    in vec2 spot;
    out vec4 shown;
    void main() {
      float frontal = max(dot(normalize(facing), normalize(eye - place)), 0.0);
      shown = vec4(bare ? vec3(0.16 + 0.7 * frontal) : tint * texture(picture, spot).rgb, 1.0);
    }
  `);
  const state = gl.createVertexArray();
  gl.bindVertexArray(state);
  attribute(gl, used, "position", floats(mesh.positions), 3, gl.FLOAT);
  attribute(gl, used, "normal", floats(mesh.normals), 3, gl.FLOAT);
  if (mesh.uv) attribute(gl, used, "uv", floats(mesh.uv), 2, gl.FLOAT);
  if (mesh.colors) attribute(gl, used, "color", bytes(mesh.colors), 3, gl.UNSIGNED_BYTE, true);
  else gl.vertexAttrib3f(gl.getAttribLocation(used.made, "color"), 1, 1, 1);
  const faces = new Uint32Array(bytes(mesh.faces).buffer);
  gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, gl.createBuffer());
  gl.bufferData(gl.ELEMENT_ARRAY_BUFFER, faces, gl.STATIC_DRAW);
  const picture = gl.createTexture();
  gl.bindTexture(gl.TEXTURE_2D, picture);
  gl.pixelStorei(gl.UNPACK_COLORSPACE_CONVERSION_WEBGL, gl.NONE);
  if (mesh.texture) {
    const image = new Image();
    image.src = mesh.texture;
    await image.decode();
    gl.pixelStorei(gl.UNPACK_FLIP_Y_WEBGL, true);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, gl.RGBA, gl.UNSIGNED_BYTE, image);
    gl.pixelStorei(gl.UNPACK_FLIP_Y_WEBGL, false);
  } else gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, 1, 1, 0, gl.RGBA, gl.UNSIGNED_BYTE, new Uint8Array([255, 255, 255, 255]));
  gl.generateMipmap(gl.TEXTURE_2D);
  gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.LINEAR_MIPMAP_LINEAR);
  return (camera, bare) => {
    gl.useProgram(used.made);
    gl.bindVertexArray(state);
    gl.bindTexture(gl.TEXTURE_2D, picture);
    gl.uniformMatrix4fv(used.at("clip"), true, camera.clip);
    gl.uniform3fv(used.at("eye"), camera.eye);
    gl.uniform1i(used.at("bare"), bare);
    gl.disable(gl.BLEND);
    gl.enable(gl.DEPTH_TEST);
    gl.enable(gl.CULL_FACE);
    gl.drawElements(gl.TRIANGLES, faces.length, gl.UNSIGNED_INT, 0);
  };
}

function splatLayer(gl, { count, data }) {
  const used = program(gl, `
    uniform sampler2D data;
    uniform mat4 view;
    uniform vec2 size;
    uniform float focal;
    in vec2 corner;
    in uint which;
    out vec2 offset;
    out vec4 tint;
    void main() {
      ivec2 place = ivec2(int(which % ${ROW}u) * 3, int(which / ${ROW}u));
      vec4 a = texelFetch(data, place, 0), b = texelFetch(data, place + ivec2(1, 0), 0), c = texelFetch(data, place + ivec2(2, 0), 0);
      vec3 p = (view * vec4(a.xyz, 1.0)).xyz;
      float depth = -p.z;
      gl_Position = vec4(0.0, 0.0, 2.0, 1.0);
      if (depth < 0.1) return;
      // the perspective map at the centre, as in the engine's own renderer
      mat3 world = mat3(b.x, b.y, b.z, b.y, b.w, c.x, b.z, c.x, c.y), turn = mat3(view);
      vec2 limit = 0.65 * size / focal, ray = clamp(p.xy / depth, -limit, limit);
      mat3 local = turn * world * transpose(turn);
      vec3 u = vec3(1.0, 0.0, ray.x) * focal / depth, v = vec3(0.0, 1.0, ray.y) * focal / depth;
      float xx = dot(u, local * u), xy = dot(u, local * v), yy = dot(v, local * v);
      float sharp = max(xx * yy - xy * xy, 0.0);
      xx += ${DILATION}; yy += ${DILATION};
      float soft = xx * yy - xy * xy, mean = 0.5 * (xx + yy), apart = sqrt(max(mean * mean - soft, 0.0));
      vec2 axis = abs(xy) < 1e-6 ? (xx >= yy ? vec2(1.0, 0.0) : vec2(0.0, 1.0)) : normalize(vec2(xy, mean + apart - xx));
      vec2 major = axis * sqrt(mean + apart), minor = vec2(-axis.y, axis.x) * sqrt(max(mean - apart, 1e-4));
      offset = corner * ${EXTENT};
      float rgb = c.z;
      tint = vec4(floor(rgb / 65536.0), mod(floor(rgb / 256.0), 256.0), mod(rgb, 256.0), 255.0) / 255.0;
      tint.a = a.w * sqrt(sharp / soft);
      vec2 pixel = p.xy * focal / depth + major * offset.x + minor * offset.y;
      gl_Position = vec4(pixel / (0.5 * size), 0.0, 1.0);
    }
  `, `
    in vec2 offset;
    in vec4 tint;
    out vec4 shown;
    void main() {
      float alpha = min(tint.a * exp(-0.5 * dot(offset, offset)), 0.99);
      if (alpha < 1.0 / 255.0) discard;
      shown = vec4(tint.rgb * alpha, alpha);
    }
  `);
  const values = floats(data), height = Math.ceil(count / ROW), padded = new Float32Array(ROW * 12 * height);
  padded.set(values);
  const table = gl.createTexture();
  gl.bindTexture(gl.TEXTURE_2D, table);
  gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA32F, 3 * ROW, height, 0, gl.RGBA, gl.FLOAT, padded);
  gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.NEAREST);
  gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MAG_FILTER, gl.NEAREST);
  const state = gl.createVertexArray();
  gl.bindVertexArray(state);
  attribute(gl, used, "corner", new Float32Array([-1, -1, 1, -1, -1, 1, 1, 1]), 2, gl.FLOAT);
  const order = new Uint32Array(count), keys = new Uint16Array(count), place = gl.getAttribLocation(used.made, "which");
  const buffer = gl.createBuffer();
  gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
  gl.bufferData(gl.ARRAY_BUFFER, order, gl.DYNAMIC_DRAW);
  gl.enableVertexAttribArray(place);
  gl.vertexAttribIPointer(place, 1, gl.UNSIGNED_INT, 0, 0);
  gl.vertexAttribDivisor(place, 1);
  const sort = view => {  // far to near, by counting
    const [x, y, z] = view.slice(8, 11), depth = index => x * values[12 * index] + y * values[12 * index + 1] + z * values[12 * index + 2];
    let low = Infinity, high = -Infinity;
    for (let i = 0; i < count; i++) { const d = depth(i); low = Math.min(low, d); high = Math.max(high, d); }
    const scale = 65535 / Math.max(high - low, 1e-9), starts = new Uint32Array(65537);
    for (let i = 0; i < count; i++) { keys[i] = (depth(i) - low) * scale; starts[keys[i] + 1]++; }
    for (let i = 0; i < 65536; i++) starts[i + 1] += starts[i];
    for (let i = 0; i < count; i++) order[starts[keys[i]]++] = i;
  };
  return camera => {
    sort(camera.view);
    gl.useProgram(used.made);
    gl.bindVertexArray(state);
    gl.bindTexture(gl.TEXTURE_2D, table);
    gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
    gl.bufferSubData(gl.ARRAY_BUFFER, 0, order);
    gl.uniformMatrix4fv(used.at("view"), true, camera.view);
    gl.uniform2fv(used.at("size"), camera.size);
    gl.uniform1f(used.at("focal"), camera.focal);
    gl.disable(gl.DEPTH_TEST);
    gl.disable(gl.CULL_FACE);
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
    gl.drawArraysInstanced(gl.TRIANGLE_STRIP, 0, 4, count);
  };
}

function cameraAt({ azimuth, elevation, distance }, width, height) {
  const [a, e] = [azimuth, elevation].map(degrees => degrees * Math.PI / 180);
  const back = [Math.sin(a) * Math.cos(e), Math.sin(e), Math.cos(a) * Math.cos(e)];
  const right = [Math.cos(a), 0, -Math.sin(a)];
  const up = [-Math.sin(a) * Math.sin(e), Math.cos(e), -Math.cos(a) * Math.sin(e)];
  const view = new Float32Array([...right, 0, ...up, 0, ...back, -distance, 0, 0, 0, 1]);  // rows
  const lens = 1 / Math.tan(FIELD / 2), narrow = Math.min(width / height, 1), near = 0.05, far = 50;
  const rows = [[lens * narrow * height / width, 0], [lens * narrow, 1]].map(([scale, row]) => [0, 1, 2, 3].map(k => scale * view[4 * row + k]));
  const deep = [0, 1, 2, 3].map(k => (far + near) / (near - far) * view[8 + k] + (k === 3 ? 2 * far * near / (near - far) : 0));
  const clip = new Float32Array([...rows[0], ...rows[1], ...deep, -view[8], -view[9], -view[10], -view[11]]);
  return { view, clip, size: [width, height], focal: lens * narrow * height / 2, eye: back.map(x => x * distance) };
}

async function show(figure, asset) {
  const canvas = figure.querySelector("canvas"), buttons = [...figure.querySelectorAll("button")];
  const gl = canvas.getContext("webgl2", { antialias: true, preserveDrawingBuffer: true });
  if (!gl) return void (figure.querySelector("figcaption").textContent = "This browser shows no 3D here: it has no WebGL 2.");
  const mesh = asset.mesh && await meshLayer(gl, asset.mesh), splats = asset.splats && splatLayer(gl, asset.splats);
  const layers = { mesh: camera => mesh(camera, false), surface: camera => mesh(camera, true), splats };
  let chosen = buttons[0].value, pose = { ...HOME }, waiting = false;
  const draw = () => {
    waiting = false;
    const scale = devicePixelRatio || 1;
    canvas.width = Math.round(canvas.clientWidth * scale);
    canvas.height = Math.round(canvas.clientHeight * scale);
    gl.viewport(0, 0, canvas.width, canvas.height);
    gl.clearColor(0, 0, 0, 0);
    gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
    layers[chosen](cameraAt(pose, canvas.width, canvas.height));
    buttons.forEach(button => button.setAttribute("aria-pressed", button.value === chosen));
    figure.dataset.shown = chosen;
  };
  const redraw = () => { if (!waiting) { waiting = true; requestAnimationFrame(draw); } };
  const turn = (x, y) => {
    pose.azimuth -= x;
    pose.elevation = Math.max(-89, Math.min(89, pose.elevation + y));
    redraw();
  };
  const approach = factor => { pose.distance = Math.max(0.4, Math.min(20, pose.distance * factor)); redraw(); };
  const fingers = new Map(), spread = () => { const [a, b] = fingers.values(); return Math.hypot(a[0] - b[0], a[1] - b[1]); };
  canvas.onpointerdown = event => { canvas.setPointerCapture(event.pointerId); fingers.set(event.pointerId, [event.clientX, event.clientY]); };
  canvas.onpointerup = canvas.onpointercancel = event => fingers.delete(event.pointerId);
  canvas.onpointermove = event => {
    const before = fingers.get(event.pointerId);
    if (!before) return;
    const wide = fingers.size === 2 && spread();
    fingers.set(event.pointerId, [event.clientX, event.clientY]);
    if (wide) approach(wide / Math.max(spread(), 1));
    else turn((event.clientX - before[0]) * 0.4, (event.clientY - before[1]) * 0.4);
  };
  canvas.onwheel = event => { event.preventDefault(); approach(Math.exp(event.deltaY * 0.001)); };
  canvas.ondblclick = () => { pose = { ...HOME }; redraw(); };
  canvas.onkeydown = event => {
    const [x, y] = { ArrowLeft: [8, 0], ArrowRight: [-8, 0], ArrowUp: [0, 8], ArrowDown: [0, -8] }[event.key] || [];
    if (event.key === "+" || event.key === "-") approach(event.key === "+" ? 0.9 : 1.1);
    else if (x === undefined) return;
    else turn(x, y);
    event.preventDefault();
  };
  buttons.forEach(button => { button.onclick = () => { chosen = button.value; redraw(); }; });
  new ResizeObserver(redraw).observe(canvas);
  window.look = (azimuth, elevation, layer) => { pose = { ...HOME, azimuth, elevation }; chosen = layer; draw(); };
}

show(document.getElementById("asset"), JSON.parse(document.getElementById("data").textContent));
