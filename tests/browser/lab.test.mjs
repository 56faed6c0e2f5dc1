// JupyterLab end to end, in a real browser. Pictures of what was seen are in target/browser.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { Lab, program, until } from './jupyterlab.mjs';

const missing = program('chromium', 'chromium-browser', 'google-chrome') ? false : 'chromium is not installed';
if (missing) console.log(`skipped: ${missing}`);

let lab;
before(async () => {
  if (!missing) lab = await Lab.start();
}, { timeout: 600_000 });
after(() => lab?.stop());
const browser = (name, body) => test(name, { skip: missing, timeout: 900_000 }, body);

browser('the quickstart runs, and its plots are seen', async () => {
  await lab.open('quickstart.ipynb');
  await lab.command('notebook:run-all-cells');
  await lab.finished(await lab.page.locator('.jp-CodeCell').count() - 1);
  assert.equal(await lab.page.locator('.jp-OutputArea [data-mime-type="application/vnd.jupyter.error"]').count(), 0);
  const plots = lab.page.locator('.jp-OutputArea .jp-RenderedSVG img, .jp-OutputArea .jp-RenderedSVG svg');
  assert.ok(await plots.count() >= 2);
  for (const plot of await plots.all()) {
    const box = await plot.boundingBox();
    assert.ok(box.width > 300 && box.height > 150, `a plot of ${JSON.stringify(box)}`);
  }
  await plots.first().scrollIntoViewIfNeeded();
  await lab.picture('quickstart-light');
  await lab.command('apputils:change-theme', { theme: 'JupyterLab Dark' });
  await until('the dark theme', () => lab.page.evaluate(() => document.body.dataset.jpThemeLight === 'false'));
  await lab.page.locator('#jupyterlab-splash').waitFor({ state: 'detached' });
  await plots.last().scrollIntoViewIfNeeded();
  await lab.picture('quickstart-dark');
  await lab.command('apputils:change-theme', { theme: 'JupyterLab Light' });
});

browser('a progress bar shows each step', async () => {
  // Each step takes longer than a bar waits before it is drawn again, and then waits until the page has been seen.
  const steps = 4;
  await lab.open('progress.ipynb', [
    `for step in progress(0..${steps}).title("steps") {\n` +
      '    std::thread::sleep(std::time::Duration::from_millis(120));\n' +
      '    while !std::path::Path::new(&format!("seen-{step}")).exists() {\n' +
      '        std::thread::sleep(std::time::Duration::from_millis(2));\n    }\n}',
  ]);
  await lab.run(0);
  const bar = lab.cell(0).locator('progress');
  for (let step = 0; step < steps; step += 1) {
    await until(`the bar at ${step}`, async () =>
      await bar.count() === 1 && await bar.evaluate((element) => element.value).catch(() => -1) === step);
    if (step === 2) await lab.picture('progress');
    fs.writeFileSync(path.join(lab.folder, `seen-${step}`), '');
  }
  assert.match(await lab.output(0), new RegExp(`steps: ${steps}/${steps}`));
  assert.equal(await bar.count(), 0);
});

browser('Tab completes a variable, Shift+Tab shows what it is', async () => {
  await lab.open('complete.ipynb', ['let measurements = vec![3, 1, 2];', 'measu', '']);
  await lab.run(0);
  await lab.finished(0);
  await lab.edit(1);
  await lab.page.keyboard.press('Tab');
  const content = lab.cell(1).locator('.cm-content');
  // With a single candidate, JupyterLab takes it at once.
  await until('the completed name', async () => {
    const list = lab.page.locator('.jp-Completer:not(.lm-mod-hidden) .jp-Completer-item');
    if (await list.count() > 0) await lab.page.keyboard.press('Enter');
    return (await content.innerText()).includes('measurements');
  });
  await lab.page.keyboard.press('Shift+Tab');
  const tip = lab.page.locator('.jp-Tooltip');
  await tip.waitFor();
  assert.match(await tip.innerText(), /Vec<i32>/);
  await lab.picture('complete');
  await lab.edit(1);
  await lab.page.keyboard.type('.len()');
  await lab.page.keyboard.press('Shift+Enter');
  assert.match(await lab.output(1), /3/);
});

browser('an interrupted loop leaves its variables', async () => {
  await lab.open('interrupt.ipynb', [
    'let mut count = 0u64;\nfor step in progress(0..10_000_000u64).title("counting") {\n' +
      '    count = step;\n    std::thread::sleep(std::time::Duration::from_millis(1));\n}',
    'count > 0 && count < 9_999_999',
  ]);
  await lab.run(0);
  const bar = lab.cell(0).locator('progress');
  await bar.waitFor();
  const at = () => bar.evaluate((element) => element.value);
  const first = await at();
  await until('a bar that moves', async () => await at() > first);
  await lab.picture('running');
  await lab.command('notebook:interrupt-kernel');
  assert.match(await lab.output(0), /interrupted/i);
  await lab.picture('interrupted');
  await lab.run(1);
  assert.match(await lab.output(1), /true/);
});

browser('restart and run all', async () => {
  await lab.open('restart.ipynb', ['let start = std::process::id();\nstart', 'start + 1']);
  await lab.run(0);
  const first = await lab.output(0);
  const restarted = lab.command('notebook:restart-run-all');
  await lab.page.locator('.jp-Dialog .jp-mod-accept').click();
  await restarted;
  await until('another process', async () => {
    const now = await lab.output(0);
    return now !== '' && now !== first;
  });
  assert.equal(Number((await lab.output(1)).trim()), Number((await lab.output(0)).trim()) + 1);
});

browser('a slider changes the learning rate of a loop that runs', async () => {
  await lab.open('slider.ipynb', [
    'let rate = widgets::slider("learning rate", 1e-5, 1e-1).logarithmic().value(1e-3);\ndisplay(&rate);',
    'let first = rate.get();\nlet mut last = first;\nfor step in progress(0..10_000_000).title("training") {\n' +
      '    last = rate.get();\n    if last != first { println!("step {step}: {first:.0e} became {last:.1e}"); break; }\n' +
      '    std::thread::sleep(std::time::Duration::from_millis(2));\n}',
    'last > first',
  ]);
  await lab.run(0);
  const handle = lab.cell(0).locator('.noUi-handle');
  await handle.waitFor();
  await lab.run(1);
  await lab.cell(1).locator('progress').waitFor();
  await lab.picture('slider');
  await handle.focus();
  for (let press = 0; press < 5; press += 1) await lab.page.keyboard.press('ArrowRight');
  assert.match(await lab.output(1), /became/);
  await lab.picture('slider-moved');
  await lab.run(2);
  assert.match(await lab.output(2), /true/);
});
