// The calls of the quick start, as they are printed there, against what its own files start.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { commands, deploy } from './lib/rig.mjs';

test('every call of the quick start is answered as it says', async (t) => {
  const rig = await deploy(t, ['curl/calls.sh'], null, commands('curl/serve.sh')[0]);
  const promised = (await readFile(join(rig.dir, 'calls.sh'), 'utf8')).match(/(?<= # )\d{3}\b/g);
  assert.ok(promised.length >= 10, `${promised.length} answers`);
  assert.deepEqual(rig.run('sh', '-eu', 'calls.sh').trim().split('\n'), promised);
});
