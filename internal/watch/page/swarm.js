let current = null, chosen = -1, again = () => {};
const token = document.querySelector('meta[name=token]').content;
const percent = (x) => (100 * x).toFixed(1) + '%';
const kindOf = (p) => p.dead ? 'dead' : p.faulty ? 'faulty' : 'correct';
const wordOf = (p) => p.dead ? 'dead' + (p.faulty ? ', was faulty' : '') : p.faulty ? 'faulty' : p.health.length ? p.health.map((t) => t.condition).join(', ') : 'correct';
// place is where peer i stands: in a circle, by number.
const place = (i, n) => { const a = 2 * Math.PI * i / n - Math.PI / 2; return [430 * Math.cos(a), 430 * Math.sin(a)]; };

function tiles(s) {
  set('live', s.live);
  set('live-note', `${s.faulty} faulty, ${s.dead} dead`);
  set('components', s.components);
  set('components-name', s.components === 1 ? 'component' : 'components');
  $('components').className = s.components === 1 ? 'good' : 'bad';
  set('components-note', `${s.eclipsed} eclipsed, ${s.isolated} isolated`);
  set('sample-faulty', percent(s.sample_faulty));
  set('faulty-note', `${percent(s.faulty / Math.max(1, s.live + s.faulty))} of the peers are`);
  set('view-faulty', percent(s.view_faulty));
  set('chi2', s.sample_chi2_p === null ? '?' : s.sample_chi2_p < .0001 ? '<.0001' : s.sample_chi2_p.toFixed(s.sample_chi2_p < .01 ? 4 : 2));
  set('dead-slots', s.dead_in_samples);
  set('dead-note', `${s.dead_in_views} view slots too`);
}

function draw(s) {
  const canvas = $('canvas'), ratio = Math.min(2, devicePixelRatio || 1), size = Math.round(canvas.clientWidth * ratio);
  if (canvas.width !== size) canvas.width = canvas.height = size;
  const c = canvas.getContext('2d'), n = s.peers.length, kind = $('edges').value, style = getComputedStyle(document.documentElement);
  c.setTransform(size / 1000, 0, 0, size / 1000, size / 2, size / 2);
  c.clearRect(-500, -500, 1000, 1000);
  if (kind === 'none') return;
  const lines = (from, colour, alpha, width) => {
    c.strokeStyle = colour; c.globalAlpha = alpha; c.lineWidth = width;
    c.beginPath();
    for (const [i, j] of from) { const a = place(i, n), b = place(j, n); c.moveTo(...a); c.quadraticCurveTo((a[0] + b[0]) / 4, (a[1] + b[1]) / 4, ...b); }
    c.stroke();
  };
  // Of a chosen peer: strong lines to whom it holds, faint ones from those that hold it.
  const good = [], bad = [], back = [];
  s.peers.forEach((p, i) => {
    for (const j of new Set(p[kind])) {
      if (j < 0 || j === i) continue;
      if (chosen < 0 || i === chosen) (s.peers[j].faulty ? bad : good).push([i, j]);
      else if (j === chosen) back.push([i, j]);
    }
  });
  const alpha = chosen >= 0 ? .8 : Math.max(.02, Math.min(.25, 400 / (good.length + bad.length + 1))), width = chosen >= 0 ? 2.5 : 1.2;
  lines(back, style.getPropertyValue('--soft'), .35, 1.5);
  lines(good, style.getPropertyValue('--sample'), alpha, width);
  lines(bad, style.getPropertyValue('--bad'), Math.min(1, alpha * 1.5), width);
  c.globalAlpha = 1;
}

function graph(s) {
  const n = s.peers.length, mean = Math.max(1, s.in_sample_mean), g = $('graph');
  if (g.childElementCount !== n) {
    g.replaceChildren(...s.peers.map((p, i) => {
      const [x, y] = place(i, n), dot = el('circle', { cx: x, cy: y, 'data-number': i }, el('title', {}));
      dot.addEventListener('click', () => choose(chosen === i ? -1 : i));
      return dot;
    }));
  }
  const scale = Math.min(1, Math.sqrt(64 / n));
  s.peers.forEach((p, i) => {
    const dot = g.children[i], colour = { dead: 'gone', faulty: 'faulty', correct: 'correct' }[kindOf(p)];
    dot.setAttribute('class', colour + (i === chosen ? ' on' : ''));
    dot.setAttribute('r', p.dead ? 7 * scale : scale * Math.max(6, Math.min(30, 15 * Math.sqrt(p.in_sample / mean))));
    dot.firstChild.textContent = `peer ${i}, ${wordOf(p)}, ${p.in_sample} times in samples`;
  });
  g.setAttribute('aria-label', `${s.live} correct, ${s.faulty} faulty and ${s.dead} dead peers in a circle; ${plural(s.components, 'component', 'components')}.`);
  draw(s);
}

// held names the peers of a sample or view by their numbers: what the edges show.
function held(slots, where) {
  const numbers = [...new Set(slots)].filter((j) => j >= 0).sort((a, b) => a - b), nobody = new Set(slots).size - numbers.length;
  return `${plural(numbers.length, 'peer', 'peers')} in its ${where}` + (numbers.length ? ` (${numbers.join(', ')})` : '') + (nobody ? ` and ${nobody} that never was` : '');
}

function detail(s) {
  const p = s.peers[chosen], box = $('chosen');
  const text = !p ? '' : `Peer ${chosen} (${short(p.id)}): ${wordOf(p)}; ${p.in_sample} times in samples, ${p.in_view} in views.` + (p.service ? ` It holds ${held(p.sample, 'sample')}, and ${held(p.view, 'view')}.` : '');
  if (box.dataset.text === text) return;
  box.dataset.text = text;
  box.replaceChildren(...(p ? [el('span', {}, text), killer(p, chosen)].filter((e) => e) : []));
}

// chooser is the peer in the table, as the circle is in the graph: for who has no pointer.
function chooser(p, i) {
  const b = el('button', { type: 'button', class: 'link', 'data-choose': i, title: p.id }, el('code', {}, short(p.id)));
  b.addEventListener('click', () => choose(chosen === i ? -1 : i));
  return b;
}

function killer(p, i) {
  if (p.dead || p.faulty) return null;
  const b = el('button', { type: 'button', class: 'bad', 'data-kill': i, 'aria-label': `Kill peer ${i}` }, 'Kill');
  b.addEventListener('click', () => kill(i, b));
  return b;
}

async function kill(i, b) {
  b.disabled = true;
  try {
    const answer = await fetch('/kill?peer=' + i, { method: 'POST', headers: { 'Brahms-Token': token } });
    if (!answer.ok) throw new Error((await answer.text()).trim());
    set('said', `Peer ${i} was killed without a word: watch how long samples name it.`);
    $('rows').dataset.stale = '1';
    again();
  } catch (err) {
    set('said', `Peer ${i} was not killed: ${err.message}`);
    b.disabled = false;
  }
}

function choose(i) {
  chosen = i;
  if (current) { graph(current); detail(current); rows(current); }
}

function uniform(s) {
  if (!s.bins.length) {
    set('uniform-words', 'Nothing is sampled yet.');
    return;
  }
  const first = s.bins[0].from, last = s.bins[s.bins.length - 1].to + 1;
  const top = nice(Math.max(...s.bins.map((b) => Math.max(b.peers, b.uniform))));
  const words = `Of correct peers, each should stand in about as many sample slots as any other. ` +
    (s.sample_chi2_p === null ? 'Too little is sampled to tell.' : `Chance of counts this uneven if so: ${s.sample_chi2_p.toPrecision(2)}.`);
  const { s: svg, x, y } = frame($('uniform'), first, last, top, words + ' ' + s.bins.map((b) => `${b.from} to ${b.to} times: ${b.peers} peers, ${b.uniform.toFixed(1)} if uniform`).join('; '));
  for (const t of svg.querySelectorAll('text')) if (t.textContent.startsWith('round ')) t.textContent = `${first} times`;
  for (const b of s.bins) {
    const w = x(b.to + 1) - x(b.from);
    svg.append(el('rect', { x: x(b.from) + 1, width: Math.max(1, w - 2), y: y(b.peers), height: y(0) - y(b.peers), fill: 'var(--sample)', opacity: .85 }));
  }
  svg.append(el('path', { d: path(s.bins.map((b) => [(x(b.from) + x(b.to + 1)) / 2, y(b.uniform)])), fill: 'none', stroke: 'var(--dead)', 'stroke-width': 2.5 }));
  set('uniform-words', words);
}

function degrees(s) {
  const live = s.peers.map((p, i) => [p, i]).filter(([p]) => !p.dead), top = nice(Math.max(...live.map(([p]) => p.in_sample), s.in_sample_mean, 1));
  const sd = Math.sqrt(s.in_sample_mean), out = live.filter(([p]) => Math.abs(p.in_sample - s.in_sample_mean) > 3 * sd).length;
  const words = `In sample slots, by number: ${num(s.in_sample_mean)} each if uniform (line; the band is two standard deviations). ${plural(out, 'peer is', 'peers are')} beyond three.`;
  const { s: svg, x, y } = frame($('degrees'), 0, Math.max(1, s.peers.length), top, words);
  for (const t of svg.querySelectorAll('text')) if (t.textContent.startsWith('round ')) t.textContent = 'peer 0';
  svg.append(el('rect', { x: x(0), width: x(s.peers.length) - x(0), y: y(s.in_sample_mean + 2 * sd), height: y(Math.max(0, s.in_sample_mean - 2 * sd)) - y(s.in_sample_mean + 2 * sd), fill: 'var(--band)', opacity: .6 }));
  const w = Math.max(1, (x(s.peers.length) - x(0)) / s.peers.length - 1);
  for (const [p, i] of live) svg.append(el('rect', { x: x(i), width: w, y: y(p.in_sample), height: y(0) - y(p.in_sample), fill: p.faulty ? 'var(--bad)' : 'var(--sample)' }));
  svg.append(el('line', { x1: x(0), x2: x(s.peers.length), y1: y(s.in_sample_mean), y2: y(s.in_sample_mean), stroke: 'var(--ink)' }));
  set('degree-words', words);
}

// rows keeps the elements of a table that is there already: a button that is being reached for must not go away.
function rows(s) {
  const which = $('which').value, body = $('rows');
  const list = s.peers.map((p, i) => [p, i]).filter(([p]) => which === 'all' || kindOf(p) === which);
  set('found', plural(list.length, 'peer', 'peers'));
  const key = list.map(([p, i]) => i + kindOf(p)[0]).join();
  const share = (p, k) => p.service && p[k].length ? percent(p[k].filter((j) => j < 0 || s.peers[j].faulty).length / p[k].length) : '';
  if (body.dataset.key !== key || body.dataset.stale) {
    body.dataset.key = key;
    delete body.dataset.stale;
    const cell = (name, n) => el('td', { class: n ? 'n' : null, 'data-name': name });
    body.replaceChildren(...list.map(([p, i]) => el('tr', { 'data-number': i },
      el('td', { class: 'n', 'data-name': 'No.' }, String(i)), el('td', { 'data-name': 'Peer' }, chooser(p, i)),
      cell('State'), cell('In samples', true), cell('In views', true), cell('Its sample faulty', true), cell('Its view faulty', true),
      el('td', { 'data-name': 'Kill' }, killer(p, i)))));
  }
  list.forEach(([p, i], at) => {
    const c = body.children[at].children;
    c[1].firstChild.setAttribute('aria-pressed', String(i === chosen));
    [wordOf(p), String(p.in_sample), String(p.in_view), share(p, 'sample'), share(p, 'view')].forEach((text, k) => { if (c[k + 2].textContent !== text) c[k + 2].textContent = text; });
    c[2].className = { faulty: 'bad', dead: 'soft', correct: '' }[kindOf(p)];
  });
}

function show(s) {
  current = s;
  document.title = `Brahms swarm, ${s.live} peers`;
  set('round', s.round);
  set('rounds', s.round <= s.rounds ? `of ${s.rounds}` : `(judged after ${s.rounds})`);
  $('attack').hidden = !s.faulty || s.attack === 'none';
  set('attack', 'attack: ' + s.attack);
  tiles(s); graph(s); detail(s); uniform(s); degrees(s); rows(s);
  set('version', `brahms-p2p ${s.version}, seed ${s.seed}, rounds of ${s.interval} s`);
}

$('edges').addEventListener('input', () => current && draw(current));
$('which').addEventListener('input', () => current && rows(current));
addEventListener('resize', () => { if (current) { draw(current); uniform(current); degrees(current); } });
again = poll(show, (s) => Math.min(2000, Math.max(500, s.interval * 1000)));
