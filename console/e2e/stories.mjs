// What a person does, against the mock: by mouse and by keyboard, and what the page does when the world goes wrong.
import assert from 'node:assert/strict';
import { launch, watch } from './browser.mjs';
import { start } from './mock.mjs';

const mock = await start();
const browser = await launch();

async function story(name, scene, path, tell) {
  mock.scene(scene);
  mock.seen.length = 0;
  const page = await browser.newPage({ viewport: { width: 1440, height: 900 } });
  page.setDefaultTimeout(15_000);
  const faults = watch(page, mock.url);
  await page.goto(mock.url + path);
  await tell(page);
  assert.deepEqual(faults, [], name);
  await page.close();
  console.log(`ok ${name}`);
}

await story('keys move, approve and confirm; the digest on the screen is sent', {}, '/inbox', async (page) => {
  await page.waitForURL(/apr_0/);
  await page.locator('.answer').waitFor();
  await page.keyboard.press('j');
  await page.waitForURL(/apr_1/);
  await page.getByRole('button', { name: 'Approve' }).waitFor();
  await page.keyboard.press('a');
  await page.getByRole('button', { name: 'Yes, approve' }).waitFor();
  assert.equal(mock.seen.length, 0, 'the first step sends nothing');
  await page.keyboard.press('Enter');
  await page.locator('[data-testid=outcome][data-status=confirmed]').waitFor();
  assert.deepEqual(mock.seen, [{ path: '/v1/approvals/apr_1/approve', body: { seen: 'digest-1' }, csrf: 'token' }]);
});

await story('rejecting needs a reason and says it to the agent', {}, '/inbox/apr_2', async (page) => {
  await page.getByRole('button', { name: 'Reject…' }).click();
  assert.equal(await page.getByRole('button', { name: 'Reject', exact: true }).isDisabled(), true);
  await page.getByLabel('Why not?').fill('wrong payment method');
  await page.getByRole('button', { name: 'Reject', exact: true }).click();
  await page.locator('[data-testid=outcome][data-status=rejected]').waitFor();
  assert.deepEqual(mock.seen[0].body, { reason: 'wrong payment method' });
});

await story('a page that changed meanwhile is refused in words', { changed: true }, '/inbox/apr_0', async (page) => {
  await page.getByRole('button', { name: 'Approve' }).click();
  await page.getByRole('button', { name: 'Yes, approve' }).click();
  await page.getByText('Read it again before you answer.').waitFor();
});

await story('who may not answer sees why and has no button to press', { mayAnswer: false }, '/inbox/apr_0', async (page) => {
  await page.getByText('you may not answer: you own the agent that asks').waitFor();
  assert.equal(await page.getByRole('button', { name: 'Approve' }).isDisabled(), true);
});

await story('a lost connection says since when and takes the actions away', {}, '/inbox/apr_0', async (page) => {
  await page.getByRole('button', { name: 'live' }).waitFor();
  mock.cut();
  await page.locator('.banner', { hasText: 'Stale since' }).waitFor();
  assert.equal(await page.getByRole('button', { name: 'Approve' }).isDisabled(), true);
});

await story('a page held still counts what is new', {}, '/runs', async (page) => {
  await page.getByRole('button', { name: 'live' }).click();
  await page.getByText('paused, 0 new').waitFor();
  mock.tell('action.proposed');
  await page.getByText('paused, 1 new').waitFor();
});

await story('an unknown outcome is settled by whoever looked, with what was found and how', {}, '/decisions/act_4', async (page) => {
  const settle = page.getByRole('button', { name: 'Settle the outcome' });
  await settle.waitFor();
  await page.getByLabel('How do you know?').fill('the ledger has it, line 41');
  assert.equal(await settle.isDisabled(), true, 'what was found has no default');
  await page.getByLabel('It happened').check();
  await settle.click();
  await settle.waitFor({ state: 'detached' });
  assert.deepEqual(mock.seen, [{ path: '/v1/actions/act_4/resolve', body: { applied: true, reason: 'the ledger has it, line 41' }, csrf: 'token' }]);
});

await story('a policy that refuses all is the first thing that home says', { refuses: true }, '/', async (page) => {
  await page.getByText('No policy is in force: every action is refused.').waitFor();
  await page.locator('.banner', { hasText: 'Every action is refused' }).waitFor();
});

await story('markup from an agent stays text', {}, '/inbox/apr_0', async (page) => {
  await page.locator('blockquote').waitFor();
  assert.equal(await page.locator('blockquote b').count(), 0);
});

await story('a filter lives in the address, and back undoes it', { rows: 200 }, '/runs', async (page) => {
  await page.getByLabel('Status').selectOption('failed');
  await page.waitForURL(/status=failed/);
  await page.goBack();
  await page.waitForURL((url) => url.search === '');
});

await story('g i goes to the inbox and ? shows the keys', {}, '/', async (page) => {
  await page.locator('.parts').first().waitFor();
  await page.keyboard.press('g');
  await page.keyboard.press('i');
  await page.waitForURL(/\/w\/shop\/inbox/);
  await page.keyboard.press('?');
  await page.getByRole('dialog').waitFor();
  await page.keyboard.press('Escape');
  await page.getByRole('dialog').waitFor({ state: 'hidden' });
});

await browser.close();
await mock.close();
