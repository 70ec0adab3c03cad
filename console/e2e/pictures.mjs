// Every page in its states, as pictures at 1440 and 390 px, dark and light, into OUT (default: a temporary folder).
// Fails where a page throws, breaks the policy, asks another host, or is wider than its window.
import { mkdir, mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { launch, watch } from './browser.mjs';
import { start } from './mock.mjs';

const SHOTS = [
  ['home', '/', { setup: true }],
  ['home-empty', '/', { rows: 0 }],
  ['home-refuses-all', '/', { refuses: true, rows: 0 }],
  ['home-degraded', '/', { behind: 4200 }],
  ['inbox-0', '/inbox', { rows: 0 }],
  ['inbox-1', '/inbox', { rows: 1 }],
  ['inbox-7', '/inbox', { rows: 7 }],
  ['inbox-200', '/inbox', { rows: 200 }],
  ['inbox-failed', '/inbox', { fail: { '/v1/approvals': 500 } }],
  ['inbox-forbidden', '/inbox', { fail: { '/v1/approvals': 403 } }],
  ['inbox-slow', '/inbox', { slow: 3000 }],
  ['approval', '/inbox/apr_0', {}],
  ['approval-long', '/inbox/apr_3', {}],
  ['approval-rtl', '/inbox/apr_4', {}],
  ['approval-may-not', '/inbox/apr_2', { mayAnswer: false }],
  ['runs-0', '/runs', { rows: 0 }],
  ['runs-7', '/runs', { rows: 7 }],
  ['runs-200', '/runs?status=open', { rows: 200 }],
  ['run', '/runs/run_1', { rows: 8 }],
  ['decisions', '/decisions', { rows: 9 }],
  ['decision-waiting', '/decisions/act_0', {}],
  ['decision-done', '/decisions/act_1', {}],
  ['decision-refused', '/decisions/act_3', {}],
  ['decision-unknown', '/decisions/act_4', {}],
  ['login', '/login', {}],
  ['login-spent', '/login?code=old', {}],
];

const out = process.env.OUT ?? (await mkdtemp(join(tmpdir(), 'console-pictures-')));
await mkdir(out, { recursive: true });
const mock = await start();
const browser = await launch();
const wrong = [];
for (const [width, height] of [[1440, 900], [390, 844]]) {
  for (const colorScheme of ['light', 'dark']) {
    const context = await browser.newContext({ viewport: { width, height }, colorScheme, reducedMotion: 'reduce', timezoneId: 'Europe/Berlin' });
    for (const [name, path, scene] of SHOTS) {
      mock.scene(scene);
      const page = await context.newPage();
      const faults = watch(page, mock.url);
      await page.goto(mock.url + path);
      if (scene.slow === undefined) {
        await page.waitForFunction(() => document.querySelector('#root')?.childElementCount > 0 && document.querySelector('.skeleton') === null);
      } else {
        await page.locator('.skeleton').first().waitFor();
      }
      await page.evaluate(() => document.fonts.ready);
      const over = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
      if (over > 0) wrong.push(`${name} ${width} ${colorScheme}: ${over} px too wide`);
      wrong.push(...faults.map((fault) => `${name} ${width} ${colorScheme}: ${fault}`));
      await page.screenshot({ path: join(out, `${name}-${width}-${colorScheme}.png`) });
      await page.close();
    }
    await context.close();
  }
}
mock.scene({});
const page = await browser.newPage();
await page.goto(`${mock.url}/decisions/act_0`);
await page.locator('.decision').waitFor();
await page.pdf({ path: join(out, 'decision.pdf'), format: 'A4' });
await browser.close();
await mock.close();
console.log(`pictures: ${out}`);
for (const line of wrong) console.error(line);
process.exitCode = wrong.length === 0 ? 0 : 1;
