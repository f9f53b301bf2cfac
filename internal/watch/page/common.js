'use strict';
const $ = (id) => document.getElementById(id);
const SVG = 'http://www.w3.org/2000/svg';

// el makes an element: attributes by name, then children, which are elements or text. Text never becomes markup.
function el(tag, attrs, ...children) {
  const svg = ['svg', 'path', 'line', 'rect', 'circle', 'text', 'title', 'g'].includes(tag);
  const e = svg ? document.createElementNS(SVG, tag) : document.createElement(tag);
  for (const [k, v] of Object.entries(attrs || {})) if (v !== null && v !== false) e.setAttribute(k, v === true ? '' : v);
  e.append(...children.filter((c) => c !== null && c !== undefined));
  return e;
}

// set changes text only where it differs, so that screen readers hear changes alone.
function set(id, text) {
  const e = $(id);
  if (e.textContent !== String(text)) e.textContent = text;
}

const short = (id) => id.length > 16 ? id.slice(0, 6) + '…' + id.slice(-6) : id;
const num = (x) => Math.abs(x) >= 100 ? Math.round(x).toLocaleString('en') : Number(x.toPrecision(3)).toString();
const plural = (n, one, many) => n.toLocaleString('en') + ' ' + (n === 1 ? one : many);

// width and bar sizes go through the style object, which the policy allows; style attributes it does not.
function bar(share, bad) {
  const b = el('span', { class: bad ? 'bar bad' : 'bar', 'aria-hidden': 'true' });
  b.style.width = Math.max(0, Math.min(1, share)) * 100 + '%';
  return b;
}

// frame is an empty chart with its axes: x of rounds, y from 0. It is drawn as wide as its place is, so that its letters are as
// large on a phone. It returns the element, the two scales and the left end.
function frame(host, x0, x1, top, label) {
  const w = Math.max(240, host.clientWidth || 480), h = 180, left = 44, bottom = 20, right = 8, above = 8;
  const x = (v) => left + (w - left - right) * (x1 === x0 ? 1 : (v - x0) / (x1 - x0));
  const y = (v) => h - bottom - (h - bottom - above) * Math.min(1, v / top);
  const s = el('svg', { viewBox: `0 0 ${w} ${h}`, role: 'img', 'aria-label': label });
  for (const v of [0, top / 2, top]) {
    s.append(el('line', { x1: left, x2: w - right, y1: y(v), y2: y(v), stroke: 'var(--line)' }),
      el('text', { x: left - 4, y: y(v) + 4, 'text-anchor': 'end' }, num(v)));
  }
  s.append(el('text', { x: left, y: h - 5 }, 'round ' + x0), el('text', { x: w - right, y: h - 5, 'text-anchor': 'end' }, String(x1)));
  host.replaceChildren(s);
  return { s, x, y, left };
}

const path = (points) => points.map((p, i) => (i ? 'L' : 'M') + p[0].toFixed(1) + ' ' + p[1].toFixed(1)).join('');

// nice is a round, even number not below v: the top of an axis, whose middle has a number too.
function nice(v) {
  if (!(v > 2)) return 2;
  const unit = 10 ** Math.floor(Math.log10(v));
  return [1, 1.2, 1.6, 2, 3, 4, 6, 8, 10, 12].map((m) => Math.round(m * unit)).find((m) => m >= v && m % 2 === 0);
}

// poll asks for the state again and again and shows it. It says so when the server is gone, and stops while paused or hidden.
function poll(show, every) {
  let paused = false, timer = 0;
  const button = $('pause');
  async function once() {
    clearTimeout(timer);
    let wait = 2000;
    try {
      const answer = await fetch('/debug/brahms', { cache: 'no-store' });
      if (!answer.ok) throw new Error((await answer.text()).trim());
      const state = await answer.json();
      show(state);
      document.documentElement.dataset.round = state.round;
      wait = every(state);
      $('lost').hidden = true;
    } catch (err) {
      set('lost', 'No news: ' + err.message + '. What stands below is old; asking again.');
      $('lost').hidden = false;
    }
    if (!paused && !document.hidden) timer = setTimeout(once, wait);
  }
  button.addEventListener('click', () => {
    paused = !paused;
    button.setAttribute('aria-pressed', String(paused));
    button.textContent = paused ? 'Go on' : 'Pause';
    if (paused) clearTimeout(timer); else once();
  });
  document.addEventListener('visibilitychange', () => { if (!document.hidden && !paused) once(); });
  once();
  return once;
}
