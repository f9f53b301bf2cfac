let current = null;

// colour is how a peer is drawn.
const colour = (p) => p.suspect ? 'suspect' : p.view && p.sample ? 'both' : p.sample ? 'sample' : 'view';

function stateOf(p) {
  const words = [];
  if (p.suspect) words.push('suspect');
  if (p.waiting) words.push('restored, has not answered yet');
  if (p.sample && !p.waiting) words.push(p.proven ? 'answered our dial' : 'answered, our dial unproven');
  if (p.sample && !p.mature) words.push('young');
  return words.join(', ') || 'named by others';
}

function tiles(s) {
  set('sample-distinct', s.sample.distinct);
  set('sample-note', `${s.sample.filled} of ${s.sample.slots} slots, ${s.sample.mature} mature`);
  set('view-distinct', s.view.distinct);
  set('view-note', `${s.view.filled} of ${s.view.slots} slots`);
  set('size', s.size ? num(s.size.n) : '?');
  set('size-note', s.size ? `${num(s.size.low)} to ${num(s.size.high)} (95%)` : 'known from about 30 rounds on');
  set('pushes', s.pushes.counted + s.pushes.dropped);
  set('pushes-note', `threshold ${s.pushes.threshold}` + (s.pushes.overloaded ? ': overloaded' : ''));
  $('pushes').className = s.pushes.overloaded ? 'bad' : '';
  set('suspects', s.suspects);
  set('suspects-note', s.doubting ? 'so many that the fault may be ours' : plural(s.deaths, 'death', 'deaths') + ' in the round');
  set('done', `${s.exchanges.done}/${s.exchanges.planned}`);
  set('done-note', plural(s.exchanges.answered, 'answer', 'answers') + ' in the round');
}

function slots(s) {
  const recent = new Set(s.history.length ? s.changes.filter((c) => c.round === s.round).flatMap((c) => c.added) : []);
  const draw = (id, list, count, total) => {
    const out = [];
    for (const p of list) for (let i = 0; i < count(p); i++) {
      const young = id === 'sample-slots' && i >= p.mature;
      out.push(el('i', { class: colour(p) + (young ? ' young' : '') + (recent.has(p.id) ? ' new' : ''), title: short(p.id) + ', ' + stateOf(p) }));
    }
    while (out.length < total) out.push(el('i', { class: 'none' }));
    $(id).replaceChildren(...out);
  };
  draw('sample-slots', s.peers, (p) => p.sample, s.sample.slots);
  draw('view-slots', s.peers, (p) => p.view, s.view.slots);
  set('sample-words', `Sample: ${s.sample.filled} of ${s.sample.slots} slots hold ${plural(s.sample.distinct, 'peer', 'peers')}; ${s.sample.mature} slots are mature.`);
  set('view-words', `View: ${s.view.filled} of ${s.view.slots} slots hold ${plural(s.view.distinct, 'peer', 'peers')}. Faulty peers are over-represented here: never sample from it.`);
}

function pushChart(s) {
  const h = s.history;
  if (!h.length) return;
  const last = h[h.length - 1], top = nice(Math.max(...h.map((p) => Math.max(p.pushes, p.threshold))));
  const words = `${last.pushes} pushes in round ${last.round}, threshold ${last.threshold}; above it in ${h.filter((p) => p.pushes > p.threshold).length} of the ${h.length} rounds shown.`;
  const { s: svg, x, y } = frame($('push-chart'), h[0].round, last.round, top, words);
  svg.append(el('path', { d: path(h.map((p) => [x(p.round), y(p.threshold)])), fill: 'none', stroke: 'var(--bad)', 'stroke-dasharray': '5 4', 'stroke-width': 1.5 }),
    el('path', { d: path(h.map((p) => [x(p.round), y(p.pushes)])), fill: 'none', stroke: 'var(--view)', 'stroke-width': 2 }),
    el('text', { x: x(last.round) - 4, y: y(last.threshold) - 4, 'text-anchor': 'end' }, 'threshold'));
  set('push-words', words);
}

function sizeChart(s) {
  const h = s.history.filter((p) => p.size);
  if (!h.length) {
    set('size-words', 'Not known yet: it takes slots that are mature, about 30 rounds.');
    frame($('size-chart'), 0, s.round, 2, 'Not known yet.').s.setAttribute('opacity', .5);
    return;
  }
  const last = h[h.length - 1], top = nice(Math.max(...h.map((p) => p.size.high)));
  const words = `About ${num(last.size.n)} peers, ${num(last.size.low)} to ${num(last.size.high)} with 95%. Who runs many ids counts as many.`;
  const { s: svg, x, y } = frame($('size-chart'), h[0].round, last.round, top, words);
  const up = h.map((p) => [x(p.round), y(p.size.high)]), down = h.map((p) => [x(p.round), y(p.size.low)]).reverse();
  svg.append(el('path', { d: path(up.concat(down)) + 'Z', fill: 'var(--band)', opacity: .8 }),
    el('path', { d: path(h.map((p) => [x(p.round), y(p.size.n)])), fill: 'none', stroke: 'var(--view)', 'stroke-width': 2 }));
  if (h.length === 1) svg.append(el('circle', { cx: x(last.round), cy: y(last.size.n), r: 3, fill: 'var(--view)' }));
  set('size-words', words);
}

function changeChart(s) {
  const h = s.history.slice(-60);
  if (!h.length) return;
  const last = h[h.length - 1], sum = (k) => h.reduce((n, p) => n + p[k], 0);
  const words = `In the last ${plural(h.length, 'round', 'rounds')} the view got ${sum('view_new')} and lost ${sum('view_gone')} peers, the sample got ${sum('sample_new')} and lost ${sum('sample_gone')}.`;
  const { s: svg, x, y, left } = frame($('change-chart'), h[0].round, last.round, nice(Math.max(...h.map((p) => Math.max(p.view_new, p.sample_new)))), words);
  const w = Math.max(1.5, Math.min(8, 200 / h.length));
  for (const p of h) {
    for (const [k, c, dx] of [['view_new', 'var(--view)', -w], ['sample_new', 'var(--sample)', 0]]) {
      if (p[k]) svg.append(el('rect', { x: Math.max(left, x(p.round) + dx), y: y(p[k]), width: w, height: y(0) - y(p[k]), fill: c }));
    }
  }
  set('change-words', words);
}

// suspicionChart shows who is under suspicion after each round, and who died.
function suspicionChart(s) {
  const h = s.history;
  if (!h.length) return;
  const last = h[h.length - 1], died = h.reduce((n, p) => n + p.deaths, 0);
  const words = `${plural(last.suspects, 'peer is', 'peers are')} suspect after round ${last.round}, ${Math.max(...h.map((p) => p.suspects))} at most; ` +
    `${plural(died, 'peer', 'peers')} died in the ${plural(h.length, 'round', 'rounds')} shown.`;
  const { s: svg, x, y, left } = frame($('suspicion-chart'), h[0].round, last.round, nice(Math.max(...h.map((p) => Math.max(p.suspects, p.deaths)))), words);
  const w = Math.max(1.5, Math.min(8, 200 / h.length));
  for (const p of h) if (p.deaths) svg.append(el('rect', { x: Math.max(left, x(p.round) - w), y: y(p.deaths), width: w, height: y(0) - y(p.deaths), fill: 'var(--dead)' }));
  svg.append(el('path', { d: path(h.map((p) => [x(p.round), y(p.suspects)])), fill: 'none', stroke: 'var(--bad)', 'stroke-width': 2 }));
  set('suspicion-words', words);
}

function refused(s) {
  const t = $('refused');
  if (!s.refused.length) {
    t.replaceChildren(el('caption', {}, 'Nothing was refused since the start.'));
    return;
  }
  const most = s.refused[0].count;
  t.replaceChildren(el('caption', {}, `${plural(s.refused.reduce((n, r) => n + r.count, 0), 'piece', 'pieces')} of input since the start, by reason.`),
    el('thead', {}, el('tr', {}, el('th', { scope: 'col' }, 'Reason'), el('th', { scope: 'col', class: 'n' }, 'Count'))),
    el('tbody', {}, ...s.refused.map((r) => el('tr', { 'data-reason': r.reason },
      el('td', {}, el('code', {}, r.reason), r.misbehaviour ? el('b', { class: 'bad' }, ' misbehaviour') : null, el('br'), el('small', {}, r.meaning), bar(r.count / most, r.misbehaviour)),
      el('td', { class: 'n' }, r.count.toLocaleString('en'))))));
}

function map(s) {
  set('map-words', s.networks.length ? `${plural(s.peers.length, 'peer', 'peers')} in ${plural(s.networks.length, 'network', 'networks')}: a dot is a peer, coloured as its slots are.` : 'Nobody is known yet.');
  $('map').replaceChildren(...s.networks.map((n) => el('li', { 'data-network': n.name }, el('b', {}, n.name), el('br'),
    el('small', {}, `${plural(n.peers, 'peer', 'peers')}: ${n.sample} in the sample, ${n.view} in the view` + (n.suspect ? `, ${n.suspect} suspect` : '')),
    el('div', { class: 'dots', 'aria-hidden': 'true' }, ...s.peers.filter((p) => p.network === n.name).map((p) => el('i', { class: colour(p), title: short(p.id) + ' ' + p.prefix }))))));
}

function rows(s) {
  const which = $('which').value, find = $('find').value.trim().toLowerCase();
  const list = s.peers.filter((p) => (which === 'all' || (which === 'suspect' ? p.suspect : p[which] > 0)) &&
    (!find || p.id.toLowerCase().includes(find) || p.network.includes(find) || p.addrs.some((a) => a.toLowerCase().includes(find))));
  set('found', plural(list.length, 'peer', 'peers'));
  const cell = (name, text, n) => el('td', { class: n ? 'n' : null, 'data-name': name }, text);
  $('rows').replaceChildren(...list.map((p) => el('tr', { 'data-id': p.id },
    el('td', { 'data-name': 'Peer' }, el('code', { title: p.id + '\n' + p.addrs.join('\n') }, short(p.id))), cell('Sample slots', String(p.sample), true), cell('View slots', String(p.view), true),
    el('td', { 'data-name': 'State', class: p.suspect ? 'bad' : null }, stateOf(p)), cell('Network', p.prefix || p.network), cell('Since round', String(p.sample_since || p.view_since), true))));
}

function log(s) {
  const name = (ids) => ids.slice(0, 4).map(short).join(', ') + (ids.length > 4 ? ` and ${ids.length - 4} more` : '');
  const items = s.changes.slice().reverse().map((c) => el('li', {}, `Round ${c.round}:` + (c.added.length ? ` + ${name(c.added)}` : '') + (c.removed.length ? ` − ${name(c.removed)}` : '')));
  $('log').replaceChildren(...(items.length ? items : [el('li', {}, 'None yet.')]));
}

function charts(s) {
  pushChart(s); sizeChart(s); changeChart(s); suspicionChart(s);
}

function show(s) {
  current = s;
  document.title = (s.ready ? '' : '! ') + 'Brahms peer ' + short(s.id);
  set('id', s.id);
  set('round', s.round);
  set('outcome', s.outcome);
  set('ready', s.ready ? 'ready' : 'not ready');
  $('ready').className = 'badge ' + (s.ready ? 'good' : 'bad');
  const troubles = s.health.map((t) => ({ text: t.condition + ': ' + t.reason, down: s.not_ready.some((w) => w.startsWith(t.condition + ':')) }));
  for (const w of s.not_ready) if (!troubles.some((t) => t.text === w)) troubles.push({ text: w, down: true });
  const text = troubles.map((t) => t.text).join('\n');
  if ($('health').dataset.text !== text) {
    $('health').dataset.text = text;
    $('health').replaceChildren(...troubles.map((t) => el('p', { class: t.down ? 'notice down' : 'notice' }, t.text)));
  }
  charts(s); tiles(s); slots(s); refused(s); map(s); rows(s); log(s);
  const more = s.counters.slice();
  if (s.state.store) more.push(['states written', s.state.writes], ['states that could not be written', s.state.failures]);
  if (s.tokens.bits) more.push(['token bits', s.tokens.bits], ['tokens made', s.tokens.solved], ['pushes without a token, not sent', s.tokens.skipped], ['tokens not taken', s.tokens.rejected]);
  $('counters').replaceChildren(...more.map(([k, v]) => el('div', {}, el('dt', {}, k), el('dd', {}, v.toLocaleString('en')))));
  set('version', `brahms-p2p ${s.version}, rounds of ${s.interval} s, up since ${new Date(s.started).toLocaleString()}`);
}

addEventListener('resize', () => current && charts(current));
for (const id of ['which', 'find']) $(id).addEventListener('input', () => current && rows(current));
poll(show, (s) => Math.min(5000, Math.max(500, s.interval * 500)));
