// JupyterLab as `patchbay lab` starts it, and what a person does in it.

import { spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');
export const PICTURES = path.join(ROOT, 'target/browser');

/** The path of a program, or nothing. */
export function program(...names) {
  for (const name of names) {
    const found = spawnSync('sh', ['-c', `command -v ${name}`], { encoding: 'utf8' });
    if (found.status === 0) return found.stdout.trim();
  }
  return undefined;
}

const pause = (seconds) => new Promise((resolve) => setTimeout(resolve, 1000 * seconds));

/** How long anything may take: a guard against hanging, far above what it takes on a machine under load. */
const PATIENCE = 300;

/** Waits until `condition` gives something true, and gives that back. */
export async function until(what, condition, seconds = PATIENCE) {
  const end = Date.now() + 1000 * seconds;
  for (;;) {
    const value = await condition();
    if (value) return value;
    if (Date.now() > end) throw new Error(`waited ${seconds} s for: ${what}`);
    await pause(0.05);
  }
}

export class Lab {
  /** Starts a server in an empty home with the repository's notebooks, and a browser. */
  static async start() {
    const lab = new Lab();
    lab.home = fs.mkdtempSync(path.join(os.tmpdir(), 'patchbay-lab-'));
    lab.folder = path.join(lab.home, 'work');
    fs.cpSync(path.join(ROOT, 'notebooks'), lab.folder, { recursive: true });
    const settings = {
      // All cells stay in the page, in view or not.
      '@jupyterlab/notebook-extension/tracker.jupyterlab-settings': { windowingMode: 'none' },
      '@jupyterlab/apputils-extension/notification.jupyterlab-settings': { fetchNews: 'false', checkForUpdates: false },
    };
    for (const [name, value] of Object.entries(settings)) {
      const file = path.join(lab.home, 'settings', name);
      fs.mkdirSync(path.dirname(file), { recursive: true });
      fs.writeFileSync(file, JSON.stringify(value));
    }
    fs.mkdirSync(PICTURES, { recursive: true });
    const port = 21000 + (process.pid % 20000);
    const log = fs.openSync(path.join(PICTURES, 'server.log'), 'w');
    lab.server = spawn(
      path.join(ROOT, 'target/release/patchbay'),
      ['lab', '--no-browser', '--allow-root', '--expose-app-in-browser', `--port=${port}`, '--ServerApp.port_retries=0',
        '--IdentityProvider.token=', `--ServerApp.root_dir=${lab.folder}`],
      {
        env: {
          ...process.env,
          // The toolchain stays where it is when the home is another.
          RUSTUP_HOME: process.env.RUSTUP_HOME ?? path.join(os.homedir(), '.rustup'),
          CARGO_HOME: process.env.CARGO_HOME ?? path.join(os.homedir(), '.cargo'),
          HOME: lab.home,
          PATH: `${path.join(ROOT, 'target/venv/bin')}:${process.env.PATH}`,
          JUPYTERLAB_SETTINGS_DIR: path.join(lab.home, 'settings'),
          JUPYTERLAB_WORKSPACES_DIR: path.join(lab.home, 'workspaces'),
        },
        stdio: ['ignore', log, log],
      },
    );
    lab.address = `http://127.0.0.1:${port}`;
    await until('the server', () => fetch(`${lab.address}/api`).then((answer) => answer.ok, () => false));
    lab.browser = await chromium.launch({
      executablePath: program('chromium', 'chromium-browser', 'google-chrome'),
      args: ['--no-sandbox', '--disable-gpu'],
    });
    lab.page = await lab.browser.newPage({ viewport: { width: 1280, height: 960 } });
    lab.page.setDefaultTimeout(1000 * PATIENCE);
    await lab.page.goto(`${lab.address}/lab?reset`);
    await lab.page.waitForFunction(() => window.jupyterapp?.restored.then(() => true), undefined, { timeout: 1000 * PATIENCE });
    return lab;
  }

  async stop() {
    await this.browser?.close();
    this.server.kill('SIGTERM');
    await new Promise((resolve) => this.server.once('exit', resolve));
    fs.rmSync(this.home, { recursive: true, force: true });
  }

  command(id, values) {
    return this.page.evaluate(
      ([id, values]) => window.jupyterapp.commands.execute(id, values).then(() => undefined),
      [id, values ?? {}],
    );
  }

  /** Opens a notebook of the folder, made of `sources` where they are given, and waits for its kernel. */
  async open(name, sources) {
    if (sources) {
      const cells = sources.map((source, index) => ({
        cell_type: 'code', id: `cell-${index}`, metadata: {}, execution_count: null, outputs: [], source,
      }));
      const kernelspec = { name: 'patchbay', display_name: 'Rust (Patchbay)', language: 'rust' };
      const notebook = { nbformat: 4, nbformat_minor: 5, metadata: { kernelspec }, cells };
      fs.writeFileSync(path.join(this.folder, name), JSON.stringify(notebook));
    }
    await this.command('docmanager:open', { path: name, factory: 'Notebook' });
    await this.page.locator('.jp-NotebookPanel:not(.lm-mod-hidden) .jp-CodeCell').first().waitFor();
    await this.idle();
  }

  /** Waits until the kernel of the notebook in front has nothing to do. */
  idle(seconds = PATIENCE) {
    return until('an idle kernel', () => this.page.evaluate(() =>
      window.jupyterapp.shell.currentWidget?.sessionContext?.session?.kernel?.status === 'idle'), seconds);
  }

  /** The code cell of a number in the notebook in front, from 0. */
  cell(index) {
    return this.page.locator('.jp-NotebookPanel:not(.lm-mod-hidden) .jp-CodeCell').nth(index);
  }

  /** Puts the cursor at the end of a cell. */
  async edit(index) {
    await this.cell(index).locator('.cm-content').click();
    await this.page.keyboard.press('Control+End');
  }

  /** Shift+Enter in a cell. */
  async run(index) {
    await this.edit(index);
    await this.page.keyboard.press('Shift+Enter');
  }

  /** The text of a cell's outputs, once it has run. */
  async output(index, seconds = PATIENCE) {
    await this.finished(index, seconds);
    const parts = await this.cell(index).locator('.jp-OutputArea-output').allInnerTexts();
    return parts.join('\n');
  }

  finished(index, seconds = PATIENCE) {
    return until(`the end of cell ${index}`, async () =>
      /\[\d+\]/.test(await this.cell(index).locator('.jp-InputPrompt').innerText()), seconds);
  }

  picture(name) {
    return this.page.screenshot({ path: path.join(PICTURES, `${name}.png`) });
  }
}
