// Who is looking, and what they may do. The server decides each time; this only shows it beforehand.

import { get, post, remove, onSignedOut, Problem } from './api.js';

let session = null;

/** Roles that may do a thing, for the sentence beside what is switched off. */
const ROLES = {
  create: ['engineer', 'load-tester'], edit: ['engineer', 'load-tester'], clone: ['engineer', 'load-tester'],
  upload: ['engineer', 'load-tester'], arm: ['engineer', 'sre', 'load-tester'], override: ['sre'],
  disarm: ['engineer', 'sre', 'load-tester'], press: ['marketer', 'load-tester'], canary: ['marketer', 'load-tester'],
  abort: ['marketer', 'engineer', 'sre', 'load-tester'], resume: ['sre', 'load-tester'], scale: ['sre'], redrive: ['sre'],
  webhooks: ['engineer', 'sre'],
  tokens: ['admin'], read_users: ['marketer', 'engineer', 'sre', 'load-tester'], import: ['engineer'],
  test: ['marketer', 'engineer', 'sre', 'load-tester'], testers: ['marketer', 'engineer', 'sre'],
};

/** What a load-tester may do to a silent campaign only. */
const SILENT = ['edit', 'clone', 'upload', 'arm', 'disarm', 'press', 'canary', 'abort', 'resume', 'test'];
let silent = true;

/** The campaign that is looked at: whether it shows something to people. */
export const lookAt = (campaign) => (silent = campaign.content.silent);

export const me = () => session;
/** Whether a record's name is the viewer's. */
export const isMe = (name) => session !== null && name === session.name;
/** `you`, or the name. */
export const who = (name) => (isMe(name) ? 'you' : name);

/** Why this can't be done by the viewer; `null` when it can. */
export function whyNot(action) {
  const loud = session?.role === 'load-tester' && !silent && SILENT.includes(action);
  if (loud) return 'people would see this campaign: a load-tester works with silent ones only';
  if (session?.can?.includes(action)) return null;
  const roles = ROLES[action] ?? ['admin'];
  return `needs role ${roles.join(' or ')}`;
}

/** Asks who we are. Answers `false` when nobody is signed in. */
export async function begin() {
  onSignedOut(() => {
    if (location.pathname !== '/sign-in') location.assign(signInPage());
  });
  try {
    session = await get('/v1/session');
  } catch (error) {
    if (error instanceof Problem && error.status === 401) return false;
    throw error;
  }
  return true;
}

/** The page for signing in, and where to go from there. */
export function signInPage() {
  const to = location.pathname + location.search;
  return to === '/' ? '/sign-in' : `/sign-in?to=${encodeURIComponent(to)}`;
}

export const signIn = (token) => post('/v1/session', { token });
export const signInFirst = (code) => post('/v1/session/first', { code });

export async function signOut() {
  await remove('/v1/session');
  location.assign('/sign-in');
}
