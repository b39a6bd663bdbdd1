// What the tests act in: stand-in gateways, the real `owl up`, a browser, and people. Everything is ended by `end`.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import readline from 'node:readline';
import { randomBytes } from 'node:crypto';
import { chromium } from 'playwright-core';

const FLAGS = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync'];
const LOCALES = ['en', 'de', 'pt-BR'];
/** People in the device table: enough for several waves at slow gateways. */
export const PEOPLE = 20000;

/** Waits until `check` answers something; the one place that looks again and again. */
export async function until(what, check, limitMs = 30000) {
  const end = Date.now() + limitMs;
  for (;;) {
    const found = await check();
    if (found) return found;
    if (Date.now() > end) throw new Error(`not within ${limitMs} ms: ${what}`);
    await new Promise((again) => setTimeout(again, 25));
  }
}

/** A process, and the first line of its output that matches. */
async function start(program, args, env, wanted) {
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'], env: { ...process.env, ...env } });
  const said = [];
  child.stderr.on('data', (data) => said.push(data));
  const line = new Promise((resolve, reject) => {
    for (const stream of [child.stdout, child.stderr]) readline.createInterface({ input: stream }).on('line', (text) => wanted.test(text) && resolve(text));
    child.on('error', reject);
    child.on('exit', (code) => reject(new Error(`${program} ${args[0]} ended with ${code}: ${Buffer.concat(said)}`)));
  });
  line.catch(() => {});
  return { child, line: await line };
}

async function stop(child) {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  const hard = setTimeout(() => child.kill('SIGKILL'), 15000);
  await ended;
  clearTimeout(hard);
}

/** The stand-ins as a configuration says it, for a project that may send so many messages a minute to Google. */
function withQuota(info, perMinute) {
  const section = (name, values) => [`[${name}]`, ...Object.entries(values).map(([key, value]) => `${key} = ${JSON.stringify(value)}`)].join('\n');
  const of = (address) => ({ kind: 'rehearsal', endpoint: `${info.server_name}:${address.split(':').pop()}`, ca_file: info.ca_file });
  const apns = { ...of(info.apns), key_file: info.apns_key_file, key_id: info.apns_key_id, team_id: info.apns_team_id, topic: info.apns_topic };
  const fcm = { ...of(info.fcm), service_account_file: info.fcm_service_account_file, project: info.fcm_project, quota_per_minute: perMinute };
  return `${section('apns', apns)}\n${section('fcm', fcm)}\n`;
}

/** A way to the server that can be cut. */
export async function cable(port) {
  const open = new Set();
  let cut = false;
  const server = net.createServer((near) => {
    if (cut) return near.destroy();
    const far = net.connect(port, '127.0.0.1');
    for (const [a, b] of [[near, far], [far, near]]) {
      open.add(a);
      a.pipe(b);
      a.on('error', () => {});
      a.on('close', () => {
        open.delete(a);
        b.destroy();
      });
    }
    return undefined;
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    cut() {
      cut = true;
      for (const socket of open) socket.destroy();
    },
    mend() {
      cut = false;
    },
    end() {
      this.cut();
      server.close();
    },
  };
}

export class World {
  /**
   * With `first`, nobody has a token: `link` is the first administrator's. `config` is more of the configuration,
   * `quota` what Google allows in a minute, `behaviour` how the gateways answer from the first connection on.
   */
  static async begin(how = {}) {
    const world = new World();
    try {
      await world.start(how);
    } catch (error) {
      await world.end();
      throw error;
    }
    return world;
  }

  async start({ first = false, config = '', quota = null, behaviour = {} }) {
    this.dir = fs.mkdtempSync(path.join(os.tmpdir(), 'owl-browser-'));
    this.shots = process.env.OWL_SHOTS ?? path.join(this.dir, 'shots');
    fs.mkdirSync(this.shots, { recursive: true });
    const owl = process.env.OWL_BIN ?? path.resolve(import.meta.dirname, '../../../target/debug/owl');
    const gateways = path.join(this.dir, 'gw');
    this.admin = `owl_${randomBytes(4).toString('hex')}_${randomBytes(32).toString('base64url')}`;
    this.gateways = await start(owl, ['gateways', '--dir', gateways, '--exit-on-stdin-close'], {}, /^\{/);
    const info = JSON.parse(fs.readFileSync(path.join(gateways, 'gateways.json'), 'utf8'));
    this.control = info.admin;
    this.usual = behaviour;
    await this.behave();
    const file = path.join(this.dir, 'owl.toml');
    const sections = quota === null ? '' : withQuota(info, quota);
    fs.writeFileSync(file, `listen = "127.0.0.1:0"\ndata_dir = ${JSON.stringify(path.join(this.dir, 'data'))}\n${config}\n${sections}`);
    const [env, wanted] = first ? [{}, /sign-in#first=/] : [{ OWL_ADMIN_TOKEN: this.admin }, /http:\/\/127\.0\.0\.1:\d+/];
    const to = quota === null ? ['--stand-ins', path.join(gateways, 'gateways.json')] : [];
    this.up = await start(owl, ['up', '--config', file, ...to], env, wanted);
    this.url = this.up.line.match(/http:\/\/127\.0\.0\.1:\d+/)[0];
    this.link = this.up.line.trim();
    this.browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: FLAGS });
    if (!first) await this.seed();
  }

  async end() {
    // An answer that is being changed on its way is nobody's any more.
    const pages = this.browser?.contexts().flatMap((context) => context.pages()) ?? [];
    await Promise.all(pages.map((page) => page.unrouteAll({ behavior: 'ignoreErrors' })));
    await this.browser?.close();
    for (const process of [this.up, this.gateways]) if (process) await stop(process.child);
    if (this.dir) fs.rmSync(this.dir, { recursive: true, force: true });
  }

  async ask(method, where, body, type = 'application/json') {
    const headers = { 'content-type': type, authorization: `Bearer ${this.admin}` };
    const answer = await fetch(this.url + where, { method, headers, body: type === 'application/json' && body ? JSON.stringify(body) : body });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${where}: ${answer.status} ${text}`);
    return text.startsWith('{') ? JSON.parse(text) : text;
  }

  /** Devices for everybody, the same ones in every run. */
  async seed() {
    const row = (i) => {
      const token = i % 2 === 0 ? i.toString(16).padStart(64, '0') : `fcm-${i}-`.padEnd(140, 'x');
      return `user${i},${i % 2 === 0 ? 'apns' : 'fcm'},${token},${LOCALES[i % 3]}`;
    };
    const rows = Array.from({ length: PEOPLE }, (_, i) => row(i));
    await this.ask('POST', '/v1/devices', ['user_id,platform,token,locale', ...rows].join('\n'), 'text/csv');
  }

  /** A file with so many people, and lines that can't be used. */
  list(name, people, odd = []) {
    const file = path.join(this.dir, name);
    fs.writeFileSync(file, ['user_id', ...odd, ...Array.from({ length: people }, (_, i) => `user${i}`)].join('\n'));
    return file;
  }

  /** How the gateways answer from now on. */
  async behave(behaviour = {}) {
    const answer = await fetch(`${this.control}/v1/behaviour`, { method: 'PUT', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ ...this.usual, ...behaviour }) });
    if (!answer.ok) throw new Error(await answer.text());
  }

  /** What the gateways have accepted, by their own journal. */
  async journal() {
    return (await fetch(`${this.control}/v1/journal/summary`)).json();
  }

  async forget() {
    await fetch(`${this.control}/v1/journal/reset`, { method: 'POST' });
  }

  /** A campaign with an audience, made without the page. */
  async campaign(name, people, options = {}) {
    const content = { texts: { en: { title: 'It is over!', body: 'Watch the last minute' } }, default_locale: 'en' };
    const { id } = await this.ask('POST', '/v1/campaigns', { name, content, options });
    await this.ask('PUT', `/v1/campaigns/${id}/audience`, fs.readFileSync(this.list(`${name}.csv`, people)), 'text/csv');
    await this.state(id, 'ready');
    return id;
  }

  async armed(name, people) {
    const id = await this.campaign(name, people);
    await this.ask('POST', `/v1/campaigns/${id}/arm`, {});
    return id;
  }

  /** Nothing is armed or sending any more, and the gateways answer as usual. */
  async free() {
    await this.behave();
    for (const { id, state } of (await this.ask('GET', '/v1/campaigns')).campaigns) {
      if (['armed', 'sending'].includes(state)) await this.ask('POST', `/v1/campaigns/${id}/abort`, {});
    }
  }

  async state(id, wanted) {
    return until(`${id} is ${wanted}`, async () => {
      const campaign = await this.ask('GET', `/v1/campaigns/${id}`);
      return campaign.state === wanted && campaign;
    });
  }

  /** A page of nobody yet. */
  async visitor(options = {}) {
    const context = await this.browser.newContext({ baseURL: options.url ?? this.url, viewport: { width: 1280, height: 800 }, locale: 'en-GB', ...options });
    if (process.env.OWL_ASSETS) await context.route('**/assets/*', (route) => route.fulfill({ path: path.join(process.env.OWL_ASSETS, path.basename(new URL(route.request().url()).pathname)) }));
    const page = await context.newPage();
    page.faults = [];
    page.on('pageerror', (error) => page.faults.push(String(error)));
    page.on('console', (said) => /Content Security Policy/i.test(said.text()) && page.faults.push(said.text()));
    return page;
  }

  /** A page of somebody of a role. */
  async person(name, role, options = {}) {
    const page = await this.visitor(options);
    const { token } = await this.ask('POST', '/v1/tokens', { name, role });
    await page.goto(`/sign-in#${token}`);
    await page.waitForURL((url) => url.pathname === '/');
    return page;
  }
}
