// Where everything begins: who is it, which page is it.

import { begin, me, signInPage } from './session.js';
import { get } from './api.js';
import { drawShell, showFault } from './shell.js';
import { campaignsPage } from './page-campaigns.js';
import { campaignPage } from './campaign.js';
import { formPage } from './form.js';
import { reportPage } from './page-report.js';
import { fleetPage } from './page-fleet.js';
import { auditPage } from './page-audit.js';
import { tokensPage } from './page-tokens.js';
import { signInPage as signIn } from './page-signin.js';

const ROUTES = [
  [/^\/$/, campaignsPage],
  [/^\/campaigns\/new$/, formPage],
  [/^\/campaigns\/([^/]+)$/, campaignPage],
  [/^\/campaigns\/([^/]+)\/report$/, reportPage],
  [/^\/fleet$/, fleetPage],
  [/^\/audit$/, auditPage],
  [/^\/tokens$/, tokensPage],
];

async function start() {
  drawShell();
  if (location.pathname === '/sign-in') return signIn();
  if (!(await begin())) return location.replace(signInPage());
  drawShell();
  const settings = await get('/v1/console');
  const [route, page] = ROUTES.find(([path]) => path.test(location.pathname)) ?? ROUTES[0];
  const [, id] = location.pathname.match(route) ?? [];
  return page(id ? decodeURIComponent(id) : undefined, settings, me());
}

start().catch(showFault);
