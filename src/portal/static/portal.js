// What makes the pages better where there is a script; they work without it. Copying, times in the reader's own zone and locale,
// dialogues in place of pages that ask, and no second sending of a form. It keeps nothing in the browser.

const byId = (id) => document.getElementById(id);

// Times

const relative = new Intl.RelativeTimeFormat(document.documentElement.lang, { numeric: 'auto' });
const dateOnly = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium' });
const moment = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' });
const UNITS = [
  ['year', 2, 31536000000],
  ['month', 2, 2592000000],
  ['day', 1, 86400000],
  ['hour', 1, 3600000],
  ['minute', 1, 60000],
];

function ago(difference) {
  for (const [unit, from, length] of UNITS) {
    if (Math.abs(difference) >= from * length) return relative.format(Math.trunc(difference / length), unit);
  }
  return relative.format(0, 'second');
}

function showTimes(within = document) {
  for (const element of within.querySelectorAll('time[data-time]')) {
    const at = new Date(element.dateTime);
    const kind = element.dataset.time;
    if (kind === 'date') element.textContent = dateOnly.format(at);
    else if (kind === 'moment') element.textContent = moment.format(at);
    // The server's words stand: the browser's clock may be wrong by hours.
    else element.title = moment.format(at);
  }
}

// Relative times grow old with the page; how old it is, the browser knows whatever its clock says.
const opened = performance.now();
let serverNow;
function ageTimes() {
  if (serverNow === undefined) return;
  const now = serverNow + (performance.now() - opened);
  for (const element of document.querySelectorAll('time[data-time="ago"]')) {
    element.textContent = ago(Date.parse(element.dateTime) - now);
  }
}
setInterval(ageTimes, 60000);

// Saying what has happened

function announce(text) {
  const status = byId('status');
  status.textContent = '';
  // A live region speaks when it changes.
  requestAnimationFrame(() => {
    status.textContent = text;
  });
}

// Forms are sent once

function guard(form) {
  for (const button of form.querySelectorAll('button[type="submit"]')) button.disabled = true;
}
function release() {
  for (const button of document.querySelectorAll('form[data-once] button[disabled]')) button.disabled = false;
}

// The app password

async function copy(button) {
  const secret = byId(button.dataset.copy);
  const note = document.querySelector('[data-copy-note]');
  try {
    await navigator.clipboard.writeText(secret.textContent.replace(/\s/g, ''));
    note.textContent = button.dataset.done;
  } catch {
    getSelection().selectAllChildren(secret);
    secret.focus();
    note.textContent = button.dataset.failed;
  }
  announce(note.textContent);
}

/** Browsers keep a page for the way back: not with the app password on it. */
function wipe() {
  const secret = document.querySelector('[data-secret]');
  if (secret === null) return;
  secret.textContent = secret.dataset.wiped;
  secret.removeAttribute('data-secret');
  for (const button of document.querySelectorAll('[data-copy]')) button.remove();
}

// Dialogues

let dialog;
/** A selector that finds, after the list was replaced, what to put the focus on. */
let opener;

function parse(html) {
  return new DOMParser().parseFromString(html, 'text/html');
}

function fill(content) {
  const heading = content.querySelector('h1');
  heading.id = 'dialog-title';
  dialog.replaceChildren(document.importNode(content, true));
  showTimes(dialog);
  const wanted = dialog.querySelector('[aria-invalid="true"], [autofocus], [data-close]');
  wanted?.focus();
  if (wanted?.matches('input[type="text"]')) wanted.select();
}

async function ask(link) {
  let content = null;
  try {
    const response = await fetch(link.href, { headers: { accept: 'text/html' } });
    if (response.ok) content = parse(await response.text()).querySelector('[data-dialog-content]');
  } catch {
    // A sign-in on the way, or no network: the browser shows which.
  }
  if (content === null) {
    location.assign(link.href);
    return;
  }
  dialog?.remove();
  dialog = document.createElement('dialog');
  dialog.setAttribute('aria-labelledby', 'dialog-title');
  document.body.append(dialog);
  dialog.addEventListener('close', () => {
    dialog.remove();
    opener?.focus();
  });
  opener = link;
  dialog.showModal();
  fill(content);
}

async function send(form) {
  // Read before the button is disabled.
  const body = new URLSearchParams(new FormData(form));
  guard(form);
  let page;
  let response;
  try {
    response = await fetch(form.action, { method: 'POST', body, headers: { accept: 'text/html' } });
    page = parse(await response.text());
  } catch {
    form.submit();
    return;
  }
  const again = page.querySelector('[data-dialog-content]');
  const main = page.querySelector('main');
  if (again !== null && !response.redirected) {
    fill(again);
  } else if (response.redirected && main !== null && main.dataset.page === byId('content').dataset.page) {
    replace(main);
  } else {
    // Anything else is a page of its own: a sign-in, or why it could not be done.
    form.submit();
  }
}

function replace(main) {
  opener = undefined;
  dialog.close();
  const shown = document.importNode(main, true);
  byId('content').replaceWith(shown);
  showTimes(shown);
  byId('devices')?.focus();
  announce(shown.querySelector('[data-status]')?.textContent ?? '');
}

// What is clicked and sent

document.addEventListener('click', (event) => {
  const target = event.target instanceof Element ? event.target : null;
  const isPlain = event.button === 0 && !(event.ctrlKey || event.metaKey || event.shiftKey || event.altKey);
  if (target === null || !isPlain) return;
  const link = target.closest('a[data-dialog]');
  const button = target.closest('[data-copy]');
  if (button !== null) void copy(button);
  else if (dialog?.open && target.closest('[data-close]') !== null) {
    event.preventDefault();
    dialog.close();
  } else if (link !== null && 'showModal' in HTMLDialogElement.prototype) {
    event.preventDefault();
    void ask(link);
  }
});

document.addEventListener('submit', (event) => {
  const form = event.target;
  if (!form.hasAttribute('data-once')) return;
  if (dialog?.open && dialog.contains(form)) {
    event.preventDefault();
    void send(form);
  } else {
    // After this event: what is disabled during it is not sent.
    setTimeout(() => guard(form));
  }
});

addEventListener('pagehide', wipe);
addEventListener('pageshow', release);

for (const button of document.querySelectorAll('[data-copy]')) button.hidden = false;
showTimes();
const now = document.querySelector('meta[name="now"]');
if (now !== null) serverNow = Number(now.content);
const status = document.querySelector('[data-status]');
if (status !== null) {
  announce(status.textContent);
  // A reload says nothing twice.
  history.replaceState(null, '', location.pathname + keptQuery());
}
/** The query without what was done. */
function keptQuery() {
  const query = new URLSearchParams(location.search);
  query.delete('done');
  query.delete('id');
  const text = query.toString();
  return text === '' ? '' : `?${text}`;
}
const invalid = document.querySelector('main [aria-invalid="true"]');
invalid?.focus();
