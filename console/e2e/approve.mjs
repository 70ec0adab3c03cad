// Against a real server: sign in by a one-time link, approve what waits by clicking, see it
// executed, sign out.
//
//   BASE_URL=http://127.0.0.1:7400 LOGIN_URL='http://127.0.0.1:7400/login?code=…' [APPROVAL=apr_…] node e2e/approve.mjs
//
// Without APPROVAL the first one in the inbox is taken. OUT=FOLDER keeps pictures. Any failure ends with status 1.
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { launch, watch } from './browser.mjs';

const { BASE_URL, LOGIN_URL, APPROVAL, OUT } = process.env;
if (!BASE_URL || !LOGIN_URL) {
  console.error('approve: set BASE_URL and LOGIN_URL');
  process.exit(2);
}
const base = BASE_URL.replace(/\/$/, '');
const PATIENCE = 30_000;
const browser = await launch();
const page = await browser.newPage({ viewport: { width: 1440, height: 900 } });
page.setDefaultTimeout(PATIENCE);
const faults = watch(page, base);
if (OUT) await mkdir(OUT, { recursive: true });
const picture = async (name) => OUT && page.screenshot({ path: join(OUT, `${name}.png`) });

try {
  await page.goto(LOGIN_URL);
  await page.waitForURL(/\/w\/[^/]+\/?$/);
  await picture('1-home');
  if (APPROVAL) await page.goto(`${base}/inbox/${APPROVAL}`);
  else await page.getByRole('navigation').getByRole('link', { name: 'Inbox' }).click();
  await page.waitForURL(/\/inbox\/apr_/);
  const headline = await page.locator('.detail-head h1').innerText();
  await picture('2-approval');
  await page.getByRole('button', { name: 'Approve' }).click();
  await page.getByRole('button', { name: 'Yes, approve' }).click();
  const outcome = page.getByTestId('outcome');
  const failed = page.locator('.answer-failed').waitFor().then(async () => {
    throw new Error(`the answer was refused: ${await page.locator('.answer-failed').innerText()}`);
  });
  failed.catch(() => undefined); // when the outcome comes first, this one only times out
  await Promise.race([page.locator('[data-testid=outcome][data-status=confirmed]').waitFor(), failed]);
  await picture('3-executed');
  await outcome.getByRole('link', { name: 'the whole decision' }).click();
  await page.locator('.decision [data-testid=outcome][data-status=confirmed]').waitFor();
  await page.getByText('Verify it yourself:').waitFor();
  await picture('4-decision');
  await page.getByRole('button', { name: 'sign out' }).click();
  await page.waitForURL(/\/login/);
  if ((await page.request.get(`${base}/v1/me`)).status() !== 401) throw new Error('signing out left the session open');
  if (faults.length > 0) throw new Error(faults.join('\n'));
  console.log(`approve: “${headline}” was approved by clicking and executed`);
} catch (error) {
  await picture('failed');
  console.error(`approve: at ${page.url().replace(/code=.*/, 'code=…')}: ${error instanceof Error ? error.message : error}`);
  process.exitCode = 1;
} finally {
  await browser.close();
}
